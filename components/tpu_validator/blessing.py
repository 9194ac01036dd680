"""The InfraBlessing: the marker file and the properties that a Pusher reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx import types

from .. import constants
from ..blessing import Verdict, write_verdict

_MARKER = {True: constants.INFRA_BLESSED_FILE, False: constants.INFRA_NOT_BLESSED_FILE}


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
    # Not the model's id: Vertex hands numbers over as floats, which do not hold its long ids.
    write_verdict(blessing, verdict, model, _MARKER, facts)
