"""Whether a model may be pushed, by the verdicts about it."""

from __future__ import annotations

import logging

from tfx import types
from tfx.components.util import model_utils
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs

from .. import constants
from ..properties import read_int

_logger = logging.getLogger(__name__)

Inputs = dict[str, list[types.Artifact]]
_WAYS_OUT = {
    specs.MODEL_BLESSING_KEY: "connect the blessing of the Evaluator that evaluated this model.",
    specs.INFRA_BLESSING_KEY: "connect the blessing of the validator that checked this model.",
}


def find_refusal(input_dict: Inputs) -> str | None:
    """Says in words why the model must not be pushed, or returns None."""
    blessings = input_dict.get(specs.MODEL_BLESSING_KEY)
    if blessings:
        blessing = artifact_utils.get_single_instance(blessings)
        if read_int(blessing, constants.BLESSED) != 1:
            reason = _read_text(blessing, constants.REASON) or "no reason recorded"
            return f"the Evaluator did not bless the model: {reason}"
    infra_blessings = input_dict.get(specs.INFRA_BLESSING_KEY)
    if infra_blessings:
        infra_blessing = artifact_utils.get_single_instance(infra_blessings)
        if not model_utils.is_infra_validated(infra_blessing):
            # Only the TPUValidator gives reasons.
            reason = _read_text(infra_blessing, constants.REASON)
            if reason is None:
                return "the InfraValidator did not bless the model"
            return f"the TPUValidator did not bless the model: {reason}"
    if not blessings and not infra_blessings:
        _logger.warning("Neither `model_blessing` nor `infra_blessing` is given: pushing anyway.")
    return None


def check_blessings_fit(input_dict: Inputs, digest: str) -> None:
    """Checks that each blessing is about the bytes that are to be pushed.

    Args:
        input_dict: model, model_blessing, infra_blessing, each optional.
        digest: Digest of the model that is to be pushed.

    Raises:
        ValueError: If a blessing is for another model, or the model was changed since it was
            blessed, or since it was trained.
    """
    models = input_dict.get(specs.MODEL_KEY)
    if not models:
        return
    model = artifact_utils.get_single_instance(models)
    for key, way_out in _WAYS_OUT.items():
        if input_dict.get(key):
            blessing = artifact_utils.get_single_instance(input_dict[key])
            _check_same_artifact(key, blessing, model, way_out)
            blessed = _read_text(blessing, constants.MODEL_DIGEST)
            # A validator of another package records none.
            if blessed is not None and blessed != digest:
                raise ValueError(
                    f"the model at {model.uri} has changed since it was blessed: its digest is "
                    f"{digest[:12]}..., and `{key}` is for {blessed[:12]}.... Nothing was pushed. "
                    "Have it checked again."
                )
    trained = _read_text(model, constants.MODEL_DIGEST)
    if trained is not None and trained != digest:
        raise ValueError(
            f"the model at {model.uri} has changed since it was trained: its digest is "
            f"{digest[:12]}..., and the Trainer recorded {trained[:12]}.... Nothing was pushed. "
            "Train again, and leave the files of artifacts as they are."
        )


def _check_same_artifact(
    key: str, blessing: types.Artifact, model: types.Artifact, way_out: str
) -> None:
    blessed_id = read_int(blessing, constants.CURRENT_MODEL_ID)
    if blessed_id and model.id and blessed_id != model.id:
        raise ValueError(
            f"`{key}` is for the model with id {blessed_id}, not for `model` with id {model.id}; "
            f"{way_out}"
        )
    uri = _read_text(blessing, constants.CURRENT_MODEL)
    if uri is not None and uri.rstrip("/") != model.uri.rstrip("/"):
        raise ValueError(
            f"`{key}` is for the model at {uri}, not for `model` at {model.uri}; {way_out}"
        )


def _read_text(artifact: types.Artifact, key: str) -> str | None:
    if not artifact.has_custom_property(key):
        return None
    return artifact.get_string_custom_property(key) or None
