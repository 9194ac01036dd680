"""A decision about a model, and writing it to the artifact that passes it on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from . import constants
from .properties import set_custom_properties


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a model may be pushed, as far as those are concerned who judged it.

    Attributes:
        blessed: The decision.
        reason: Why, in words.
    """

    blessed: bool
    reason: str


def write_verdict(
    blessing: types.Artifact,
    verdict: Verdict,
    model: types.Artifact,
    marker: Mapping[bool, str],
    facts: Mapping[str, Any],
) -> None:
    """Writes the marker file that TFX's own components write, the reason, and the model.

    Args:
        blessing: A ModelBlessing or InfraBlessing; what another wrote to it is replaced.
        verdict: The decision.
        model: The Model it is about.
        marker: Name of the empty file that says yes, and of the one that says no.
        facts: Further custom properties; None values are skipped.
    """
    stale = os.path.join(blessing.uri, marker[not verdict.blessed])
    if fileio.exists(stale):
        fileio.remove(stale)
    io_utils.write_string_file(os.path.join(blessing.uri, marker[verdict.blessed]), "")
    set_custom_properties(
        blessing,
        {
            constants.BLESSED: int(verdict.blessed),
            constants.REASON: verdict.reason,
            constants.CURRENT_MODEL: model.uri,
            **facts,
        },
    )
