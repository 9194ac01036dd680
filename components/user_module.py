"""Loads a user's module and says which of the accepted forms it has."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import importlib
import importlib.util
import inspect
import itertools
import logging
import os
import shutil
import sys
import tempfile
import types
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tfx_tpu_estimator.compile_api.module_words import describe_functions, describe_import_failure
from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.lowering.source_files import forget_copy, register_copy

from .legacy_module import declares_trainer_fn, legacy_imports
from .module_source import ModuleSource, read_module_file, read_module_path

_logger = logging.getLogger(__name__)
_serial = itertools.count()

RUN_FN = "run_fn"
TRAINER_FN = "trainer_fn"
MODEL_FN = "model_fn"
_FUNCTIONS = (
    RUN_FN,
    TRAINER_FN,
    MODEL_FN,
    "train_input_fn",
    "eval_input_fn",
    "predict_input_fn",
    "serving_input_receiver_fn",
    "estimator_params",
)
_NOTHING = contextlib.nullcontext()
_ACCEPTED = (
    "Accepted are a module with `run_fn(fn_args)`, one with `trainer_fn(fn_args, schema)`, or one "
    "of plain functions: "
    "`model_fn(features, labels, mode, params)` and, where the schema is not enough, "
    "`train_input_fn(params)`, `eval_input_fn(params)`, `predict_input_fn(params)`, "
    "`serving_input_receiver_fn()`, `estimator_params()`."
)


class ModuleForm(enum.Enum):
    """The forms of a user module."""

    RUN_FN = "run_fn"
    TRAINER_FN = "trainer_fn"
    FUNCTIONS = "functions"


@dataclasses.dataclass(frozen=True, kw_only=True)
class UserModule:
    """A loaded user module.

    Attributes:
        source: Its source, with that of the neighbours it imports.
        functions: The functions of the contract that it defines, by name.
    """

    source: ModuleSource
    functions: Mapping[str, Callable[..., Any]]

    @property
    def label(self) -> str:
        """How the user named it."""
        return self.source.label

    @property
    def form(self) -> ModuleForm:
        """`RUN_FN` wherever there is a `run_fn`, as the standard Trainer has it."""
        if RUN_FN in self.functions:
            return ModuleForm.RUN_FN
        return ModuleForm.TRAINER_FN if TRAINER_FN in self.functions else ModuleForm.FUNCTIONS

    def get(self, name: str) -> Callable[..., Any] | None:
        """Returns the function called `name`, or None where the module has none."""
        return self.functions.get(name)


def load_module_file(path: str) -> UserModule:
    """Loads a module from a file on any file system TFX reads.

    The files are imported from a private copy under a name of their own, so that two modules
    called alike do not meet. Files beside the module can be imported by it at its top level.

    Raises:
        UserModuleError: If it cannot be imported or lacks the needed functions.
    """
    return load_source(read_module_file(path))


def load_module_path(dotted: str) -> UserModule:
    """Loads an installed module by its dotted name.

    Raises:
        UserModuleError: If it cannot be imported or lacks the needed functions.
    """
    source = read_module_path(dotted)
    try:
        with legacy_imports(source) if declares_trainer_fn(source.text) else _NOTHING:
            module = importlib.import_module(dotted)
    except Exception as error:
        raise describe_import_failure(source.label, error) from error
    return _build_user_module(module, source)


def load_run_fn(dotted: str) -> UserModule:
    """Loads the function named by `package.module.function` as a module's `run_fn`.

    Raises:
        UserModuleError: If it cannot be imported or is no function.
    """
    module_name, _, name = dotted.rpartition(".")
    if not module_name:
        raise UserModuleError(f"`run_fn` must be `package.module.function`, got {dotted!r}.")
    source = read_module_path(module_name)
    try:
        function = getattr(importlib.import_module(module_name), name, None)
    except Exception as error:
        raise describe_import_failure(source.label, error) from error
    if not callable(function):
        raise UserModuleError(f"`run_fn` {dotted!r}: {module_name} has no function {name!r}.")
    return UserModule(source=source, functions={RUN_FN: function})


def load_source(source: ModuleSource) -> UserModule:
    """Imports a module from its recorded source.

    Raises:
        UserModuleError: If it cannot be imported or lacks the needed functions.
    """
    folder = tempfile.mkdtemp(prefix="user_module_")
    for name, text in source.files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    stem = os.path.splitext(source.main)[0]
    module = types.ModuleType(f"_user_module_{next(_serial)}_{stem}")
    module.__file__ = os.path.join(folder, source.main)
    if os.path.basename(source.label) == source.main:
        register_copy(folder, os.path.dirname(source.label))
    # The copy serves inspect.getsource, which AutoGraph calls, as long as the module lives.
    weakref.finalize(module, _remove_copy, folder)
    sys.modules[module.__name__] = module
    legacy = legacy_imports(source, folder) if declares_trainer_fn(source.text) else _NOTHING
    try:
        with _importing_from(folder), legacy as compile_source:
            code = (compile_source or _compile)(source.text, module.__file__)
            exec(code, module.__dict__)
    except Exception as error:
        del sys.modules[module.__name__]
        raise describe_import_failure(source.label, error, module.__file__) from error
    return _build_user_module(module, source)


def _remove_copy(folder: str) -> None:
    forget_copy(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _compile(text: str, file: str) -> types.CodeType:
    return compile(text, file, "exec", dont_inherit=True)


@contextlib.contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    """Makes the files of `folder` importable, and forgets them afterwards."""
    hidden = {}
    for name in {entry.split(".")[0] for entry in os.listdir(folder)} & set(sys.modules):
        # A module of that name loaded from elsewhere must not stand in for the neighbour.
        hidden[name] = sys.modules.pop(name)
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(folder)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if file.startswith(folder + os.sep) and not name.startswith("_user_module_"):
                del sys.modules[name]
        sys.modules.update(hidden)


def _build_user_module(module: types.ModuleType, source: ModuleSource) -> UserModule:
    functions = {
        name: getattr(module, name) for name in _FUNCTIONS if callable(getattr(module, name, None))
    }
    leading = [name for name in (RUN_FN, TRAINER_FN, MODEL_FN) if name in functions]
    if leading in ([], [MODEL_FN]):
        _check_functions(functions, module, source.label)
    elif len(leading) > 1:
        _logger.info("%s has %s; `%s` is used.", source.label, " and ".join(leading), leading[0])
    return UserModule(source=source, functions=functions)


def _check_functions(
    functions: Mapping[str, Callable[..., Any]], module: types.ModuleType, label: str
) -> None:
    if MODEL_FN not in functions:
        raise UserModuleError(
            f"module {label!r} lacks `run_fn` or `model_fn`; it has "
            f"{describe_functions(module)}. {_ACCEPTED}"
        )
    required = {
        MODEL_FN: ("features", "params"),
        "train_input_fn": ("params",),
        "eval_input_fn": ("params",),
        "predict_input_fn": ("params",),
    }
    for name, arguments in required.items():
        if name not in functions:
            continue
        for argument in arguments:
            if not accepts(functions[name], argument):
                raise UserModuleError(
                    f"`{name}` of module {label!r} does not take `{argument}`; its signature is "
                    f"{name}{inspect.signature(functions[name])}. {_ACCEPTED}"
                )


def accepts(function: Callable[..., Any], argument: str) -> bool:
    """Returns whether `function` can be called with `argument` as a keyword."""
    parameters = inspect.signature(function).parameters
    return argument in parameters or any(
        parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()
    )
