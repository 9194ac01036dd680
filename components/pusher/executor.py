"""Executor of the Pusher."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_executor
from tfx.components.util import model_utils
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, json_utils, path_utils, proto_utils

from .. import constants
from ..digest import compute_directory_digest, compute_model_digest
from ..properties import read_int, set_custom_properties
from .model_checks import check_model
from .options import read_pusher_options
from .versions import PushedVersion, push_version

_logger = logging.getLogger(__name__)
_WAYS_OUT = {
    specs.MODEL_BLESSING_KEY: "connect the blessing of the Evaluator that evaluated this model.",
    specs.INFRA_BLESSING_KEY: "connect the blessing of the validator that checked this model.",
}


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
            OSError: If the model cannot be copied.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict[specs.PUSHED_MODEL_KEY])
        base = _read_base_directory(exec_properties)
        custom_config = json_utils.loads(exec_properties.get(specs.CUSTOM_CONFIG_KEY) or "null")
        options = read_pusher_options(custom_config)
        refusal = _find_refusal(input_dict)
        if refusal is not None:
            _logger.warning("Not pushed: %s", refusal)
            set_custom_properties(pushed_model, {constants.PUSHED: 0, constants.REASON: refusal})
            return
        _check_blessings_fit(input_dict)
        model_path = self.GetModelPath(input_dict)
        check_model(model_path, options)
        pushed = push_version(model_path, base)
        _archive(model_path, pushed_model.uri)
        _record(pushed_model, pushed, compute_model_digest(model_path))


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
    return destination.filesystem.base_directory.rstrip("/")


def _find_refusal(input_dict: dict[str, list[types.Artifact]]) -> str | None:
    """Says in words why the model must not be pushed, or returns None."""
    blessings = input_dict.get(specs.MODEL_BLESSING_KEY)
    if blessings:
        blessing = artifact_utils.get_single_instance(blessings)
        if read_int(blessing, constants.BLESSED) != 1:
            reason = _read_reason(blessing) or "no reason recorded"
            return f"the Evaluator did not bless the model: {reason}"
    infra_blessings = input_dict.get(specs.INFRA_BLESSING_KEY)
    if infra_blessings:
        infra_blessing = artifact_utils.get_single_instance(infra_blessings)
        if not model_utils.is_infra_validated(infra_blessing):
            # Only the TPUValidator gives reasons.
            reason = _read_reason(infra_blessing)
            if reason is None:
                return "the InfraValidator did not bless the model"
            return f"the TPUValidator did not bless the model: {reason}"
    if not blessings and not infra_blessings:
        _logger.warning("Neither `model_blessing` nor `infra_blessing` is given: pushing anyway.")
    return None


def _read_reason(blessing: types.Artifact) -> str | None:
    if not blessing.has_custom_property(constants.REASON):
        return None
    return blessing.get_string_custom_property(constants.REASON)


def _check_blessings_fit(input_dict: dict[str, list[types.Artifact]]) -> None:
    """Checks that each blessing is about the model that is to be pushed."""
    models = input_dict.get(specs.MODEL_KEY)
    if not models:
        return
    model = artifact_utils.get_single_instance(models)
    for key, way_out in _WAYS_OUT.items():
        if input_dict.get(key):
            _check_fits(key, artifact_utils.get_single_instance(input_dict[key]), model, way_out)


def _check_fits(key: str, blessing: types.Artifact, model: types.Artifact, way_out: str) -> None:
    blessed_id = read_int(blessing, constants.CURRENT_MODEL_ID)
    if blessed_id and model.id and blessed_id != model.id:
        raise ValueError(
            f"`{key}` is for the model with id {blessed_id}, not for `model` with id {model.id}; "
            f"{way_out}"
        )
    if blessing.has_custom_property(constants.CURRENT_MODEL):
        uri = blessing.get_string_custom_property(constants.CURRENT_MODEL)
        if uri.rstrip("/") != model.uri.rstrip("/"):
            raise ValueError(
                f"`{key}` is for the model at {uri}, not for `model` at {model.uri}; {way_out}"
            )
    if blessing.has_custom_property(constants.MODEL_DIGEST):
        _check_unchanged(key, blessing, model)


def _check_unchanged(key: str, blessing: types.Artifact, model: types.Artifact) -> None:
    """Checks that the model's files still are those that were blessed."""
    path = path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))
    blessed = blessing.get_string_custom_property(constants.MODEL_DIGEST)
    digest = compute_model_digest(path)
    if digest != blessed:
        raise ValueError(
            f"the model at {path} has changed since it was blessed: its digest is "
            f"{digest[:12]}..., and `{key}` is for {blessed[:12]}.... Have it checked again."
        )


def _archive(model_path: str, uri: str) -> None:
    """Keeps a copy in the PushedModel artifact, as the standard Pusher does."""
    io_utils.copy_dir(model_path, uri)
    if compute_directory_digest(uri) != compute_directory_digest(model_path):
        raise OSError(f"the copy of {model_path} at {uri} differs from it.")


def _record(artifact: types.Artifact, pushed: PushedVersion, digest: str) -> None:
    set_custom_properties(
        artifact,
        {
            constants.PUSHED: 1,
            constants.PUSHED_DESTINATION: pushed.path,
            # Text, as the standard Pusher has it.
            constants.PUSHED_VERSION: str(pushed.version),
            constants.ALREADY_NEWEST: int(pushed.already_newest),
            constants.MODEL_DIGEST: digest,
        },
    )
    if pushed.already_newest:
        _logger.info("%s already is this model; nothing was copied.", pushed.path)
    else:
        _logger.info("Pushed to %s.", pushed.path)
