"""What messages say of a user's module."""

from __future__ import annotations

import inspect
import linecache
import traceback
import types

from tfx_tpu_estimator.errors import UserModuleError


def describe_import_failure(label: str, error: Exception, *files: str) -> UserModuleError:
    """Returns the error that says why a module cannot be imported, and at which line.

    Args:
      label: What the user called the module.
      error: What came up.
      files: Names under which the module's own lines stand in the traceback; without a line of
        theirs, the last of all is named.
    """
    if isinstance(error, SyntaxError):
        line, text = error.lineno, error.text or ""
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename in files] or frames
        line = own[-1].lineno
        text = linecache.getline(own[-1].filename, line or 0)
    return UserModuleError(
        f"module {label!r} cannot be imported: {type(error).__name__}: {error} "
        f"(line {line}: {text.strip()})"
    )


def describe_functions(module: types.ModuleType) -> str:
    """Returns the names of the functions that a module itself defines, sorted, in words."""
    own = sorted(
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__
    )
    return ", ".join(own) or "no functions"
