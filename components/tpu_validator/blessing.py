"""The InfraBlessing: the marker file and the properties that a Pusher reads."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

from tfx import types
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from .. import constants
from ..properties import set_custom_properties


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verdict:
    """What one check, or all of them, say about a model.

    Attributes:
        blessed: Whether the model may be pushed as far as they are concerned.
        reason: Why, in words.
    """

    blessed: bool
    reason: str


def join_verdicts(*verdicts: Verdict) -> Verdict:
    """Returns the verdict of all checks: blessed if each of them blesses.

    Of a model that is refused, the reason has the faults only.
    """
    faults = [verdict for verdict in verdicts if not verdict.blessed]
    return Verdict(
        blessed=not faults, reason="; ".join(verdict.reason for verdict in faults or verdicts)
    )


def write_infra_blessing(
    blessing: types.Artifact,
    verdict: Verdict,
    model: types.Artifact,
    facts: Mapping[str, Any],
) -> None:
    """Writes what TFX's own InfraValidator writes, the reason, and which model it is about.

    Args:
        blessing: The InfraBlessing to write.
        verdict: The decision.
        model: The Model it is about.
        facts: Further custom properties; None values are skipped.
    """
    chosen, other = constants.INFRA_BLESSED_FILE, constants.INFRA_NOT_BLESSED_FILE
    if not verdict.blessed:
        chosen, other = other, chosen
    stale = os.path.join(blessing.uri, other)
    if fileio.exists(stale):
        fileio.remove(stale)
    io_utils.write_string_file(os.path.join(blessing.uri, chosen), "")
    set_custom_properties(
        blessing,
        {
            constants.BLESSED: int(verdict.blessed),
            constants.REASON: verdict.reason,
            # Not its id: Vertex hands numbers over as floats, which do not hold its long ids.
            constants.CURRENT_MODEL: model.uri,
            **facts,
        },
    )
