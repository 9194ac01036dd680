"""Trainer: trains a TPUEstimator program inside a TFX pipeline."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.dsl.io import fileio
from tfx.orchestration import data_types
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts, system_executions
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from ..constants import CODE_DIGEST_KEY, MODULE_DIGEST_KEY, OPTIONS_KEY
from ..digest import code_digest
from ..module_source import compute_module_digest
from ..options import TPUEstimatorOptions
from .executor import Executor


class TrainerSpec(ComponentSpec):
    """The standard Trainer's inputs, outputs and parameters, options and digests of code."""

    PARAMETERS = {
        specs.TRAIN_ARGS_KEY: ExecutionParameter(type=trainer_pb2.TrainArgs),
        specs.EVAL_ARGS_KEY: ExecutionParameter(type=trainer_pb2.EvalArgs),
        specs.MODULE_FILE_KEY: ExecutionParameter(type=str, optional=True),
        specs.MODULE_PATH_KEY: ExecutionParameter(type=str, optional=True),
        specs.RUN_FN_KEY: ExecutionParameter(type=str, optional=True),
        specs.CUSTOM_CONFIG_KEY: ExecutionParameter(type=str, optional=True),
        OPTIONS_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
        MODULE_DIGEST_KEY: ExecutionParameter(type=str, optional=True),
    }
    INPUTS = {
        specs.EXAMPLES_KEY: ChannelParameter(type=standard_artifacts.Examples),
        specs.TRANSFORM_GRAPH_KEY: ChannelParameter(
            type=standard_artifacts.TransformGraph, optional=True
        ),
        specs.SCHEMA_KEY: ChannelParameter(type=standard_artifacts.Schema, optional=True),
        specs.STATISTICS_KEY: ChannelParameter(
            type=standard_artifacts.ExampleStatistics, optional=True
        ),
        specs.BASE_MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        specs.HYPERPARAMETERS_KEY: ChannelParameter(
            type=standard_artifacts.HyperParameters, optional=True
        ),
    }
    OUTPUTS = {
        specs.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model),
        specs.MODEL_RUN_KEY: ChannelParameter(type=standard_artifacts.ModelRun),
    }
    TYPE_ANNOTATION = system_executions.Train


class Trainer(base_component.BaseComponent):
    """Trains a user module: `run_fn(fn_args)`, or plain functions around a `model_fn`.

    A drop-in for the standard Trainer. Checkpoints live outside the outputs until the run has
    succeeded, so that a retry goes on where a failed execution stopped.

    Outputs:
        model: Model with the SavedModel in `Format-Serving` and the run's record in `Run`.
            Custom properties: step, batch size, tag sets, digests, versions, metrics.
        model_run: ModelRun with the checkpoints and the event files that TensorBoard shows.

    Example:
        Trainer(
            examples=example_gen.outputs["examples"],
            schema=schema_gen.outputs["schema"],
            module_file="taxi_model.py",
            train_args=trainer_pb2.TrainArgs(num_steps=1000),
            options=TPUEstimatorOptions(train_batch_size=256, label_key="big_tipper"),
        )
    """

    SPEC_CLASS = TrainerSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        examples: types.BaseChannel | None = None,
        *,
        transform_graph: types.BaseChannel | None = None,
        schema: types.BaseChannel | None = None,
        statistics: types.BaseChannel | None = None,
        base_model: types.BaseChannel | None = None,
        hyperparameters: types.BaseChannel | None = None,
        module_file: str | data_types.RuntimeParameter | None = None,
        module_path: str | data_types.RuntimeParameter | None = None,
        run_fn: str | data_types.RuntimeParameter | None = None,
        train_args: trainer_pb2.TrainArgs | data_types.RuntimeParameter | None = None,
        eval_args: trainer_pb2.EvalArgs | data_types.RuntimeParameter | None = None,
        custom_config: dict[str, Any] | data_types.RuntimeParameter | None = None,
        options: TPUEstimatorOptions | None = None,
    ):
        """Declares a training run.

        Args:
            examples: The Examples to train on. Required.
            transform_graph: A TransformGraph; its path is handed to the module.
            schema: The Schema of the examples; input functions and the serving receiver are
                built from it where the module has none.
            statistics: ExampleStatistics, as newer TFX has it; its path is handed to the module.
            base_model: A Model to start from. With plain functions, its trainable variables are
                loaded before the first step; `run_fn` gets its path.
            hyperparameters: HyperParameters handed to the module.
            module_file: Path of the user module.
            module_path: Dotted name of an installed user module. Exactly one of `module_file`,
                `module_path` and `run_fn` must be given.
            run_fn: Dotted name of an installed run function.
            train_args: `splits` (default train) and `num_steps`, the global step to train up to
                (0: one pass over the input).
            eval_args: `splits` (default eval) and `num_steps`, the batches of the final
                evaluation (0: one pass over the input).
            custom_config: Values handed to the module, that JSON can say.
            options: How plain functions are run; default TPUEstimatorOptions().

        Raises:
            ValueError: If `examples` is missing, not exactly one form of module is given, or a
                local `module_file` does not exist.
            TypeError: If `options` is of another type.
        """
        if examples is None:
            raise ValueError("`examples` is required: give the outputs of an ExampleGen.")
        if options is not None and not isinstance(options, TPUEstimatorOptions):
            raise TypeError(f"`options` must be TPUEstimatorOptions, got {options!r}.")
        _check_one_module(module_file, module_path, run_fn)
        super().__init__(
            spec=TrainerSpec(
                examples=examples,
                transform_graph=transform_graph,
                schema=schema,
                statistics=statistics,
                base_model=base_model,
                hyperparameters=hyperparameters,
                train_args=train_args or trainer_pb2.TrainArgs(),
                eval_args=eval_args or trainer_pb2.EvalArgs(),
                module_file=module_file,
                module_path=module_path,
                run_fn=run_fn,
                custom_config=_dump_config(custom_config),
                tpu_estimator_options=(options or TPUEstimatorOptions()).to_json(),
                code_digest=code_digest(),
                module_digest=_compute_module_digest(module_file, module_path, run_fn),
                model=types.Channel(type=standard_artifacts.Model),
                model_run=types.Channel(type=standard_artifacts.ModelRun),
            )
        )


def _check_one_module(module_file: Any, module_path: Any, run_fn: Any) -> None:
    given = {"module_file": module_file, "module_path": module_path, "run_fn": run_fn}
    names = [name for name, value in given.items() if value]
    if len(names) != 1:
        raise ValueError(
            "exactly one of `module_file`, `module_path` and `run_fn` must be given; got "
            f"{', '.join(names) or 'none'}."
        )
    if isinstance(module_file, str) and _is_local(module_file) and not fileio.exists(module_file):
        raise ValueError(f"`module_file` {module_file!r} does not exist; give the path of a file.")


def _compute_module_digest(module_file: Any, module_path: Any, run_fn: Any) -> str | None:
    run_fn_module = run_fn.rpartition(".")[0] if isinstance(run_fn, str) else None
    return compute_module_digest(module_file, module_path or run_fn_module)


def _is_local(path: str) -> bool:
    return "://" not in path


def _dump_config(config: Any) -> Any:
    return config if isinstance(config, data_types.RuntimeParameter) else json_utils.dumps(config)
