"""All that is looked at, in its order."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from tfx_tpu_estimator.doctor import machine, packages, probes, variables
from tfx_tpu_estimator.doctor.finding import Finding, Level


def examine(
    on_step: Callable[[str], None], loaded_early: frozenset[str] = frozenset()
) -> list[Finding]:
    """Looks at this machine; takes a few seconds.

    Args:
        on_step: Called with what is looked at next.
        loaded_early: See `variables.check_variables`.

    Returns:
        What was found, good and bad.
    """
    steps: list[tuple[str, Callable[[], Iterable[Finding]]]] = [
        ("Python", packages.check_python),
        ("packages", packages.check_packages),
        ("what packages require", packages.check_requirements),
        ("pip", packages.check_pip),
        ("environment variables", lambda: variables.check_variables(os.environ, loaded_early)),
        ("TPU chips", machine.check_tpu_files),
        ("devices", probes.check_devices),
        ("libtpu's lock", machine.check_lock),
        ("ML Metadata", probes.check_metadata),
        ("memory", machine.check_memory),
        ("disk", machine.check_disk),
        ("shared memory", machine.check_shared_memory),
    ]
    findings: list[Finding] = []
    for name, check in steps:
        on_step(name)
        findings += check()
    return findings


def is_healthy(findings: Iterable[Finding]) -> bool:
    """Whether there is no problem among the findings."""
    return all(finding.level is not Level.PROBLEM for finding in findings)
