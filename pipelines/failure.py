"""Says in a few lines why a pipeline failed, and where in the user's own code."""

from __future__ import annotations

import os
import traceback

from tfx_tpu_estimator import errors

# Their messages are whole sentences; of any other error the type is told as well.
_CLEAR = (
    errors.DataCorruptionError,
    errors.EmptySplitError,
    errors.ExportError,
    errors.FeatureNotAvailableError,
    errors.SchemaMismatchError,
    errors.UserModuleError,
    ValueError,
)


def describe_failure(error: BaseException, module_file: str) -> str:
    """Returns what went wrong.

    Args:
      error: What the run raised.
      module_file: The user's module. The Trainer runs a copy of it, which is what a traceback
        names; lines are the same.
    """
    text = str(error).strip() or "no message"
    if not isinstance(error, _CLEAR) or not str(error).strip():
        text = f"{type(error).__name__}: {text}"
    name = os.path.basename(module_file)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.basename(frame.filename) == name]
    if own:
        text += f"\n  raised below {module_file}, line {own[-1].lineno}: {own[-1].line}"
    return text
