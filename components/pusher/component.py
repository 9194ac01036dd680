"""Pusher: publishes a blessed model whose metagraphs have been checked."""

from __future__ import annotations

import dataclasses
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.orchestration import data_types
from tfx.proto import pusher_pb2
from tfx.types import standard_artifacts, system_executions
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from ..constants import CODE_DIGEST_KEY, PUSHER_CONFIG_KEY
from ..digest import code_digest
from .executor import Executor
from .options import PusherOptions, read_pusher_options


class PusherSpec(ComponentSpec):
    """The standard Pusher's inputs, outputs and parameters, and a digest of our code."""

    PARAMETERS = {
        specs.PUSH_DESTINATION_KEY: ExecutionParameter(type=pusher_pb2.PushDestination),
        specs.CUSTOM_CONFIG_KEY: ExecutionParameter(type=str, optional=True),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS = {
        specs.MODEL_KEY: ChannelParameter(type=standard_artifacts.Model, optional=True),
        specs.MODEL_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.ModelBlessing, optional=True
        ),
        specs.INFRA_BLESSING_KEY: ChannelParameter(
            type=standard_artifacts.InfraBlessing, optional=True
        ),
    }
    OUTPUTS = {specs.PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel)}
    TYPE_ANNOTATION = system_executions.Deploy


class Pusher(base_component.BaseComponent):
    """Pushes a blessed two-metagraph model to a serving directory.

    A drop-in for the standard Pusher. It checks that the blessing is about this model's very bytes
    and that the model can be served, copies it under a name that no server looks at, verifies the
    copy, and renames it to a version number never used before. If the newest version already is
    this model, nothing is copied.

    Outputs:
        pushed_model: PushedModel with the custom properties `pushed` (1 or 0), `reason` where it
            was refused, `pushed_destination`, `pushed_version`, `previous_version`,
            `already_newest`, `model_digest`, `pushed_digest` and `source_model`.

    Example:
        Pusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            push_destination=pusher_pb2.PushDestination(
                filesystem=pusher_pb2.PushDestination.Filesystem(base_directory="serving/taxi")
            ),
        )
    """

    SPEC_CLASS = PusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel | None = None,
        model_blessing: types.BaseChannel | None = None,
        infra_blessing: types.BaseChannel | None = None,
        push_destination: pusher_pb2.PushDestination | data_types.RuntimeParameter | None = None,
        custom_config: dict[str, Any] | None = None,
        options: PusherOptions | None = None,
    ):
        """Declares a push.

        Args:
            model: The Model to push.
            model_blessing: The Evaluator's verdict; without it any model is pushed.
            infra_blessing: An InfraValidator's verdict, or the model with warm-up requests
                where `model` is not given.
            push_destination: Where to; a filesystem destination.
            custom_config: Configuration; the key `tpu_estimator_pusher` may hold the options.
            options: The checks to make; default PusherOptions().

        Raises:
            ValueError: If the destination, or both models, are missing, if the destination is no
                file system, or if options are given twice.
            TypeError: If `options` is of another type.
        """
        if model is None and infra_blessing is None:
            raise ValueError("one of `model` and `infra_blessing` must be given; got neither.")
        _check_destination(push_destination)
        super().__init__(
            spec=PusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                push_destination=push_destination,
                custom_config=json_utils.dumps(_merge_config(custom_config, options)),
                code_digest=code_digest(),
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )


def _check_destination(destination: Any) -> None:
    if destination is None:
        raise ValueError(
            "`push_destination` is required: give pusher_pb2.PushDestination(filesystem=...)."
        )
    if isinstance(destination, pusher_pb2.PushDestination):
        if destination.WhichOneof("destination") != "filesystem":
            raise ValueError("`push_destination` must have `filesystem` set.")
        if not destination.filesystem.base_directory:
            raise ValueError("`push_destination.filesystem.base_directory` is empty.")


def _merge_config(
    custom_config: dict[str, Any] | None, options: PusherOptions | None
) -> dict[str, Any] | None:
    read_pusher_options(custom_config)
    if options is None:
        return custom_config
    if not isinstance(options, PusherOptions):
        raise TypeError(f"`options` must be PusherOptions, got {options!r}.")
    if custom_config and PUSHER_CONFIG_KEY in custom_config:
        raise ValueError(
            f"`options` and `custom_config[{PUSHER_CONFIG_KEY!r}]` are both given; give one."
        )
    return {**(custom_config or {}), PUSHER_CONFIG_KEY: dataclasses.asdict(options)}
