"""Finds a model's functions in a module of the form that the Trainer takes, without TFX."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import importlib.util
import os
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tfx_tpu_estimator.compile_api.module_words import describe_functions, describe_import_failure
from tfx_tpu_estimator.errors import UserModuleError

_FUNCTIONS = (
    "train_input_fn",
    "eval_input_fn",
    "predict_input_fn",
    "serving_input_receiver_fn",
    "estimator_params",
)
# Forms of the Trainer that build and train an estimator of their own.
_OTHER_FORMS = ("run_fn", "trainer_fn")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFunctions:
    """What a model consists of.

    Attributes:
      name: Of the model, for reports.
      model_fn: The model_fn.
      functions: Those of the input functions, `serving_input_receiver_fn` and `estimator_params`
        that there are, by name.
    """

    name: str
    model_fn: Callable[..., Any]
    functions: Mapping[str, Callable[..., Any]]

    def read_params(self) -> dict[str, Any]:
        """Returns what `estimator_params()` gives, nothing where there is none.

        Raises:
          UserModuleError: It is no dict.
        """
        function = self.functions.get("estimator_params")
        values = function() if function else {}
        if not isinstance(values, Mapping):
            raise UserModuleError(
                f"`estimator_params()` of {self.name!r} must return a dict, got {values!r}."
            )
        return dict(values)


def find_functions(model: Any) -> ModelFunctions:
    """Returns the functions of a model.

    Args:
      model: Path of a Python file, dotted name of a module, a module, or a model_fn.

    Raises:
      UserModuleError: A module cannot be imported, or has no `model_fn`.
      TypeError: It is something else.
    """
    if isinstance(model, str | os.PathLike):
        return _read_module(load_module(os.fspath(model)), os.fspath(model))
    if isinstance(model, types.ModuleType):
        return _read_module(model, model.__name__)
    if callable(model):
        name = getattr(model, "__name__", type(model).__name__)
        return ModelFunctions(name=name, model_fn=model, functions={})
    raise TypeError(
        "`model` must be the path or dotted name of a module, a module, a model_fn or a "
        f"TPUEstimator; got {model!r}."
    )


def load_module(name: str) -> types.ModuleType:
    """Imports a module by path or dotted name.

    Modules beside a file can be imported by it.

    Raises:
      UserModuleError: There is none, or it fails; says at which line.
    """
    if name.endswith(".py") or os.path.exists(name):
        return _load_file(name)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and name.startswith(error.name):
            raise UserModuleError(
                f"module {name!r} cannot be found: it must be the path of a Python file, or the "
                "dotted name of a module that can be imported here."
            ) from error
        raise describe_import_failure(name, error) from error
    except Exception as error:
        raise describe_import_failure(name, error) from error


def _load_file(path: str) -> types.ModuleType:
    if not os.path.isfile(path):
        raise UserModuleError(f"module {path!r} is not a file; give the path of a Python file.")
    folder, file = os.path.split(os.path.abspath(path))
    stem = f"_compiled_module_{os.path.splitext(file)[0]}"
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise UserModuleError(f"module {path!r} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[stem] = module
    try:
        with _importing_from(folder):
            spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[stem]
        raise describe_import_failure(path, error, path, os.path.abspath(path)) from error
    return module


@contextlib.contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)


def _read_module(module: types.ModuleType, label: str) -> ModelFunctions:
    model_fn = getattr(module, "model_fn", None)
    if not callable(model_fn):
        raise UserModuleError(_describe_lack(module, label))
    found = {n: getattr(module, n) for n in _FUNCTIONS if callable(getattr(module, n, None))}
    name = label if not label.endswith(".py") else os.path.splitext(os.path.basename(label))[0]
    return ModelFunctions(name=name, model_fn=model_fn, functions=found)


def _describe_lack(module: types.ModuleType, label: str) -> str:
    other = [name for name in _OTHER_FORMS if callable(getattr(module, name, None))]
    if other:
        return (
            f"module {label!r} lacks `model_fn`: its `{other[0]}` builds an estimator of its own. "
            "Give that estimator's config `RunConfig(compile_preflight='v5e:2x2')`, call its "
            "`compile_check`, or write `model_fn` and the input functions at the top level."
        )
    return (
        f"module {label!r} lacks `model_fn`; it has {describe_functions(module)}. Needed are "
        "`model_fn(features, labels, mode, params)` and those of `train_input_fn(params)`, "
        "`eval_input_fn(params)`, `predict_input_fn(params)` and `serving_input_receiver_fn()` "
        "that what is asked for needs."
    )
