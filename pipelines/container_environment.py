"""Environment variables of containers, for all runners that start some."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_environment(environment: Mapping[str, str]) -> None:
    """Checks that an option `environment` has names of variables and texts.

    Raises:
      ValueError: One is something else.
    """
    for name, value in environment.items():
        if not _NAME.fullmatch(str(name)) or not isinstance(value, str):
            raise ValueError(
                f"`environment` must be {{name of a variable: text}}, got {name!r}: {value!r}."
            )


def list_variables(
    defaults: Mapping[str, str], environment: Mapping[str, str]
) -> list[dict[str, str]]:
    """Returns the variables of a container as Kubernetes and Vertex take them, sorted by name.

    Args:
      defaults: Those that a runner sets.
      environment: The user's, which come before.

    Example:
      >>> list_variables({"A": "0"}, {"A": "1"})
      [{'name': 'A', 'value': '1'}]
    """
    merged = {**defaults, **environment}
    return [{"name": name, "value": merged[name]} for name in sorted(merged)]
