"""Public names of a package that are loaded when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_exports(
    package: str, table: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Makes the functions by which a package finds its public names, once each.

    Args:
        package: `__name__` of the package.
        table: Public name -> the module that defines it, relative to the package, such as
            `.config`.

    Returns:
        Its `__getattr__` and `__dir__`.

    Example:
        _EXPORTS = {"JobSetConfig": ".jobset"}
        __all__ = sorted(_EXPORTS)
        __getattr__, __dir__ = lazy_exports(__name__, _EXPORTS)
    """

    def find(name: str) -> Any:
        if name not in table:
            offered = ", ".join(sorted(table))
            raise AttributeError(
                f"module {package!r} has no attribute {name!r}; it offers {offered}"
            )
        value = getattr(importlib.import_module(table[name], package), name)
        setattr(sys.modules[package], name, value)
        return value

    def list_names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *table})

    return find, list_names
