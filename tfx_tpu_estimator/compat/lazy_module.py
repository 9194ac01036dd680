"""Modules whose names are looked up in a table when they are first used."""

from __future__ import annotations

import importlib
import types
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.compat.way_out import find_way_out


class LazyModule(types.ModuleType):
    """A module that stands where an old one stood.

    Names are resolved once, at first use, so that neither TensorFlow nor the parts of this
    package that a program does not use are loaded for it.

    Args:
        name: Absolute import path of the module.
        targets: Name -> where the object is, as `resolve_target` reads it.
        children: Names of the modules below this one.
    """

    def __init__(self, name: str, targets: Mapping[str, str], children: frozenset[str]):
        super().__init__(name, f"Names of {name}, served by tfx_tpu_estimator.")
        self.__path__ = []  # a package: modules below it can be imported
        self.__targets = targets
        self.__children = children

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [public for public in dir(self) if not public.startswith("_")]
        if name in self.__children:
            return importlib.import_module(f"{self.__name__}.{name}")
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name not in self.__targets:
            raise AttributeError(describe_missing(self.__name__, name))
        try:
            value = resolve_target(self.__targets[name])
        except (ImportError, AttributeError) as error:
            raise AttributeError(describe_missing(self.__name__, name)) from error
        setattr(self, name, value)
        return value

    def __dir__(self) -> list[str]:
        own = (name for name in self.__dict__ if not name.startswith("_"))
        return sorted({*own, *self.__targets, *self.__children})


def resolve_target(target: str) -> Any:
    """Returns what a table's entry names.

    Args:
        target: `module` or `module:attribute.path`, or several of them separated by ` | `, of
            which the first that exists is taken.

    Raises:
        ImportError: If the module does not exist.
        AttributeError: If the attribute does not exist.
    """
    *others, last = target.split(" | ")
    for candidate in others:
        try:
            return _resolve_one(candidate)
        except (ImportError, AttributeError):
            continue  # the next candidate is what older releases call it
    return _resolve_one(last)


def describe_missing(module: str, name: str) -> str:
    """Says that a name of an old module is not here, and what to use instead."""
    way_out = find_way_out(f"{module}.{name}")
    return f"module {module!r} of tfx_tpu_estimator.compat has no attribute {name!r}. {way_out}"


def _resolve_one(target: str) -> Any:
    module, _, path = target.partition(":")
    value = importlib.import_module(module)
    for part in path.split(".") if path else ():
        value = getattr(value, part)
    return value
