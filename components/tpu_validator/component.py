"""TPUValidator: whether a model will run on the TPU it is meant for, before it is pushed."""

from __future__ import annotations

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter

from tfx_tpu_estimator.compile_check.compiler import CompilerMissingError, describe_compiler

from ..constants import CODE_DIGEST_KEY, COMPILER_KEY, VALIDATOR_OPTIONS_KEY
from ..digest import code_digest
from .executor import Executor
from .options import TPUValidatorOptions


class TPUValidatorSpec(ComponentSpec):
    """The standard InfraValidator's inputs and output, and our options."""

    PARAMETERS = {
        VALIDATOR_OPTIONS_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        COMPILER_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {
        specs.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        specs.EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples, optional=True),
    }
    OUTPUTS = {specs.BLESSING_KEY: ChannelParameter(type=standard_artifacts.InfraBlessing)}


class TPUValidator(base_component.BaseComponent):
    """Blesses a model that compiles for a TPU and says there what it says on a CPU.

    No TPU is needed. The compile check compiles the program inside the {serve, tpu} metagraph with
    the real TPU compiler for a topology; the skew check runs that program and the {serve} metagraph
    on the same real examples and compares what they say. It takes the place of the standard
    InfraValidator, which needs docker or Kubernetes.

    Outputs:
        blessing: InfraBlessing with `blessed` (1 or 0), `reason`, a file INFRA_BLESSED or
            INFRA_NOT_BLESSED, and the reports of the checks: `compile_report.json`,
            `compile_report.html` and `skew_report.json`.

    Example:
        validator = TPUValidator(
            model=trainer.outputs["model"],
            examples=example_gen.outputs["examples"],
            options=TPUValidatorOptions(topology="v5e:2x2"),
        )
        Pusher(..., infra_blessing=validator.outputs["blessing"])
    """

    SPEC_CLASS = TPUValidatorSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel | None = None,
        examples: types.BaseChannel | None = None,
        options: TPUValidatorOptions | None = None,
    ):
        """Declares a validation.

        Args:
            model: The Model to check. Required.
            examples: Examples as a server gets them, for the skew check; without them it is not
                made.
            options: For which TPU, and how. Required.

        Raises:
            ValueError: If `model` or `options` is missing, or there is nothing to check.
            TypeError: If `options` is of another type.
        """
        if model is None:
            raise ValueError("`model` is required: give the outputs of a Trainer.")
        if options is None:
            raise ValueError(
                "`options` is required, because only you know the TPU: give "
                "TPUValidatorOptions(topology='v5e:2x2')."
            )
        if not isinstance(options, TPUValidatorOptions):
            raise TypeError(f"`options` must be TPUValidatorOptions, got {options!r}.")
        if examples is None and not options.compile_check:
            raise ValueError(
                "there is nothing to check: `options.compile_check` is False, and without "
                "`examples` there is no skew check. Give examples, or let it compile."
            )
        super().__init__(
            spec=TPUValidatorSpec(
                model=model,
                examples=examples,
                tpu_validator_options=options.to_json(),
                code_digest=code_digest(),
                compiler=_find_compiler(),
                blessing=types.Channel(type=standard_artifacts.InfraBlessing),
            )
        )


def _find_compiler() -> str:
    """Returns the compiler of this machine; with it TFX's cache notices an upgrade.

    It is that of the machine where the pipeline is defined, which for some runners is another than
    the one that will compile. Nothing is loaded.
    """
    try:
        return describe_compiler()
    except CompilerMissingError:
        return ""
