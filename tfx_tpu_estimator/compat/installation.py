"""Puts the names of this package where programs for the old estimator look for them."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from typing import Any

from tfx_tpu_estimator.compat import estimator_names
from tfx_tpu_estimator.compat.contrib_names import MODULES as CONTRIB_MODULES
from tfx_tpu_estimator.compat.importer import LegacyFinder
from tfx_tpu_estimator.compat.lazy_module import resolve_target

_ESTIMATOR_ROOTS = (
    "tensorflow_estimator",
    "tensorflow.python.estimator",
    "tensorflow.estimator",
    "tensorflow.compat.v1.estimator",
    "tensorflow.compat.v2.estimator",
)
_CONTRIB_ROOTS = ("tensorflow.contrib", "tensorflow.compat.v1.contrib")
_ABSENT = object()

# Modules of TensorFlow that get the attribute -> import path of the module it becomes. TensorFlow
# has several modules for one name: `tf.compat.v1.compat.v1` is another than `tf.compat.v1`.
_ESTIMATOR_HOLDERS = {
    "tensorflow": "tensorflow.estimator",
    "tensorflow.compat.v1": "tensorflow.compat.v1.estimator",
    "tensorflow.compat.v2": "tensorflow.compat.v2.estimator",
    "tensorflow:compat.v1.compat.v1": "tensorflow.compat.v1.estimator",
    "tensorflow:compat.v1.compat.v2": "tensorflow.compat.v2.estimator",
    "tensorflow:compat.v2.compat.v1": "tensorflow.compat.v1.estimator",
    "tensorflow:compat.v2.compat.v2": "tensorflow.compat.v2.estimator",
}
_CONTRIB_HOLDERS = {
    "tensorflow": "tensorflow.contrib",
    "tensorflow.compat.v1": "tensorflow.compat.v1.contrib",
}
_RESOLVER_HOLDERS = (
    "tensorflow:distribute.cluster_resolver",
    "tensorflow.compat.v1:distribute.cluster_resolver",
)


class Installation:
    """What is installed now, and what was there before."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any]] = []
        self._finders: list[LegacyFinder] = []
        self._hidden: dict[str, Any] = {}
        self.estimator = False
        self.contrib = False

    def add_estimator(self) -> None:
        """Installs the estimator namespaces and the names gone from `tf.compat.v1.tpu`."""
        self._add_finder(LegacyFinder(estimator_names.MODULES, _ESTIMATOR_ROOTS))
        self._add_modules(_ESTIMATOR_HOLDERS)
        embedding = resolve_target("tensorflow.compat.v1:tpu.experimental")
        for name, target in estimator_names.EMBEDDING_PARAMETERS.items():
            if not hasattr(embedding, name):
                self._replace(embedding, name, resolve_target(target))
        resolver = resolve_target("tfx_tpu_estimator.compat.cluster_resolver:TPUClusterResolver")
        for holder in _RESOLVER_HOLDERS:
            self._replace(resolve_target(holder), "TPUClusterResolver", resolver)
        self.estimator = True

    def add_contrib(self) -> None:
        """Installs the corners of `tf.contrib`."""
        self._add_finder(LegacyFinder(CONTRIB_MODULES, _CONTRIB_ROOTS))
        self._add_modules(_CONTRIB_HOLDERS)
        self.contrib = True

    def remove(self) -> None:
        """Makes everything as it was."""
        for holder, name, value in reversed(self._replaced):
            if value is _ABSENT:
                delattr(holder, name)
            else:
                setattr(holder, name, value)
        for finder in self._finders:
            sys.meta_path.remove(finder)
            finder.forget_modules()
        sys.modules.update(self._hidden)
        self.__init__()

    def _add_finder(self, finder: LegacyFinder) -> None:
        sys.meta_path.insert(0, finder)
        self._finders.append(finder)
        # A module of that name that was imported before must not answer instead of ours.
        for name in list(sys.modules):
            if finder.serves(name):
                self._hidden[name] = sys.modules.pop(name)

    def _add_modules(self, holders: dict[str, str]) -> None:
        owners = {path: [] for path in holders.values()}
        for holder, path in holders.items():
            owner = resolve_target(holder)
            owners[path].append(owner)
            # Noted before the import, which sets the attribute on the module's parent.
            self._note(owner, path.rpartition(".")[2])
        for path, modules in owners.items():
            for owner in modules:
                setattr(owner, path.rpartition(".")[2], importlib.import_module(path))

    def _replace(self, holder: Any, name: str, value: Any) -> None:
        self._note(holder, name)
        setattr(holder, name, value)

    def _note(self, holder: Any, name: str) -> None:
        self._replaced.append((holder, name, vars(holder).get(name, _ABSENT)))


_current = Installation()


def install(contrib: bool = False) -> None:
    """Makes old names of TensorFlow resolve to this package, in this process.

    `tf.estimator`, `tf.compat.v1.estimator` and `tf.compat.v2.estimator`, imports of
    `tensorflow_estimator` and of modules below it, the classes that are gone from
    `tf.compat.v1.tpu.experimental`; and a `TPUClusterResolver` that looks up no TPU, as the runtime
    finds its devices itself. Nothing else in TensorFlow changes. To call it again does nothing.

    Args:
        contrib: Also install commonly used corners of `tf.contrib`, as `tf.contrib` and
            `tf.compat.v1.contrib`.

    Example:
        >>> from tfx_tpu_estimator import compat
        >>> compat.install()
        >>> import tensorflow as tf
        >>> tf.estimator.ModeKeys.TRAIN
        'train'
        >>> compat.uninstall()
    """
    if not _current.estimator:
        _current.add_estimator()
    if contrib and not _current.contrib:
        _current.add_contrib()


def uninstall() -> None:
    """Takes back what `install` did; names that a program has already imported keep working."""
    _current.remove()


@contextlib.contextmanager
def installed(contrib: bool = False) -> Iterator[None]:
    """Installs inside a `with` block; what was installed before it stays installed after it.

    Args:
        contrib: As `install` takes it.
    """
    before = (_current.estimator, _current.contrib)
    install(contrib)
    try:
        yield
    finally:
        if before != (_current.estimator, _current.contrib):
            uninstall()
            if before[0]:
                install(contrib=before[1])


def is_installed() -> bool:
    """Returns whether the old names resolve to this package now."""
    return _current.estimator
