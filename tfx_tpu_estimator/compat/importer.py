"""Lets the import system find the modules that stand where old ones stood."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Mapping, Sequence

from tfx_tpu_estimator.compat.lazy_module import LazyModule
from tfx_tpu_estimator.compat.way_out import find_way_out


class LegacyFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and makes the modules of a table of names.

    Args:
        modules: Import path -> name -> where the object is.
        roots: Import paths below which every module is ours; another one below them is an
            ImportError that says what to do.
    """

    def __init__(self, modules: Mapping[str, Mapping[str, str]], roots: Sequence[str]):
        self._modules = dict(modules)
        self._roots = tuple(roots)
        self._children = _list_children(self._modules, self._roots)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: types.ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Returns a spec for a module of ours, None for others."""
        if self.serves(fullname):
            return importlib.machinery.ModuleSpec(fullname, self, is_package=True)
        if fullname.startswith(tuple(f"{root}." for root in self._roots)):
            # Without its `name`: with it, `from package import module` would drop the text.
            raise ModuleNotFoundError(f"No module named {fullname!r}. {find_way_out(fullname)}")
        return None

    def serves(self, fullname: str) -> bool:
        """Returns whether there is a module of that import path."""
        return fullname in self._modules or fullname in self._children

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        """Makes the module of a spec."""
        return LazyModule(
            spec.name,
            self._modules.get(spec.name, {}),
            frozenset(self._children.get(spec.name, ())),
        )

    def exec_module(self, module: types.ModuleType) -> None:
        """Does nothing: names are looked up when they are used."""

    def forget_modules(self) -> None:
        """Takes the modules that were made out of `sys.modules`."""
        for name, module in list(sys.modules.items()):
            if getattr(getattr(module, "__spec__", None), "loader", None) is self:
                del sys.modules[name]
                parent, _, child = name.rpartition(".")
                holder = sys.modules.get(parent)
                if holder is not None and vars(holder).get(child) is module:
                    delattr(holder, child)


def _list_children(
    modules: Mapping[str, Mapping[str, str]], roots: Sequence[str]
) -> dict[str, set[str]]:
    """Returns the modules directly below each module, for all that lie below a root or are one."""
    children: dict[str, set[str]] = {root: set() for root in roots}
    for module in modules:
        name = module
        while "." in name and name not in roots:
            parent, _, child = name.rpartition(".")
            if not _is_ours(parent, modules, roots):
                break
            children.setdefault(parent, set()).add(child)
            name = parent
    return children


def _is_ours(name: str, modules: Mapping[str, Mapping[str, str]], roots: Sequence[str]) -> bool:
    return name in modules or any(name == root or name.startswith(f"{root}.") for root in roots)
