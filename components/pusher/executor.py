"""Executor of the Pusher."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_executor
from tfx.dsl.io import fileio
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import json_utils, proto_utils

from .. import constants
from ..properties import set_custom_properties
from .blessing import check_blessings_fit, find_refusal
from .content import Content, read_content, write_content
from .model_checks import check_model
from .options import PusherOptions, read_pusher_options
from .versions import PushedVersion, RolledBackError, push_content

_logger = logging.getLogger(__name__)


class Executor(tfx_executor.Executor):
    """Refuses, checks, publishes, records: in this order."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Pushes the model if every blessing that was given says so.

        Args:
            input_dict: model, model_blessing, infra_blessing, each optional.
            output_dict: pushed_model.
            exec_properties: push_destination (JSON) and custom_config (JSON).

        Raises:
            ValueError: If the blessing is for another model, the model fails a check, or the
                destination is none this component can push to.
            TimeoutError: If another push to the same directory goes on for too long.
            OSError: If the model cannot be copied.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict[specs.PUSHED_MODEL_KEY])
        base = _read_base_directory(exec_properties)
        options = read_options(exec_properties)
        refusal = find_refusal(input_dict)
        if refusal is not None:
            refuse(pushed_model, refusal)
            return
        content = prepare(self.GetModelPath(input_dict), input_dict, options)
        # Kept in the artifact, as the standard Pusher does, and first: the launcher removes it
        # if this fails, but nobody removes a version.
        write_content(content, pushed_model.uri)
        try:
            pushed = push_content(content, base, options, source=find_source(input_dict))
        except RolledBackError as error:
            fileio.rmtree(pushed_model.uri)
            fileio.makedirs(pushed_model.uri)
            refuse(pushed_model, str(error))
            return
        _record(pushed_model, pushed, content, find_source(input_dict))


def read_options(exec_properties: dict[str, Any]) -> PusherOptions:
    """Reads the options from an execution's properties."""
    custom_config = json_utils.loads(exec_properties.get(specs.CUSTOM_CONFIG_KEY) or "null")
    return read_pusher_options(custom_config)


def refuse(pushed_model: types.Artifact, reason: str) -> None:
    """Records that, and why, nothing was pushed."""
    _logger.warning("Not pushed: %s", reason)
    set_custom_properties(pushed_model, {constants.PUSHED: 0, constants.REASON: reason})


def prepare(
    model_path: str, input_dict: dict[str, list[types.Artifact]], options: PusherOptions
) -> Content:
    """Reads what is to be pushed and makes every check.

    Raises:
        ValueError: If the blessing is for another model, or the model fails a check.
    """
    # Read before it is checked: what is copied later must still be this.
    content = read_content(model_path, serve_only=options.serve_only)
    check_model(model_path, options)
    check_blessings_fit(input_dict, content.source_digest)
    return content


def _read_base_directory(exec_properties: dict[str, Any]) -> str:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[specs.PUSH_DESTINATION_KEY], destination)
    kind = destination.WhichOneof("destination")
    if kind != "filesystem" or not destination.filesystem.base_directory:
        raise ValueError(
            "`push_destination` must have `filesystem` with a `base_directory`, got "
            f"{kind or 'nothing'}."
        )
    versioning = destination.filesystem.versioning
    allowed = (pusher_pb2.Versioning.AUTO, pusher_pb2.Versioning.UNIX_TIMESTAMP)
    if versioning not in allowed:
        raise ValueError(
            f"`push_destination.filesystem.versioning` {versioning} is unknown; allowed: AUTO, "
            "UNIX_TIMESTAMP."
        )
    return destination.filesystem.base_directory


def find_source(input_dict: dict[str, list[types.Artifact]]) -> str:
    """Returns where the model that is pushed is."""
    models = input_dict.get(specs.MODEL_KEY) or input_dict[specs.INFRA_BLESSING_KEY]
    return artifact_utils.get_single_instance(models).uri


def _record(artifact: types.Artifact, pushed: PushedVersion, content: Content, source: str) -> None:
    previous = pushed.previous_version
    set_custom_properties(
        artifact,
        {
            constants.PUSHED: 1,
            constants.PUSHED_DESTINATION: pushed.path,
            # Text, as the standard Pusher has it.
            constants.PUSHED_VERSION: str(pushed.version),
            constants.ALREADY_NEWEST: int(pushed.already_newest),
            constants.MODEL_DIGEST: content.source_digest,
            constants.PUSHED_DIGEST: pushed.digest,
            constants.SOURCE_MODEL: source,
            constants.PREVIOUS_VERSION: None if previous is None else str(previous),
        },
    )
    if pushed.already_newest:
        _logger.info("%s already is this model; nothing was copied.", pushed.path)
    else:
        _logger.info("Pushed to %s.", pushed.path)
