"""Why a program cannot be lowered, in words."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from tfx_tpu_estimator.lowering.unsupported import describe_line, is_library_file

_OF_DATA = (FileNotFoundError, KeyError, LookupError, OSError)


def explain_refusal(function: Callable[..., Any] | None, error: Exception) -> str:
    """Returns what to tell the user about an error of lowering.

    What the runtime raises says all there is. What comes out of the user's own code gets the line
    where that was, and what may be missing here.

    Args:
      function: The input or receiver function whose program was lowered.
      error: The error.
    """
    frames = traceback.extract_tb(error.__traceback__)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if frames and _is_raised_here(frames[-1]):
        return text
    users = any(not is_library_file(frame.filename) for frame in frames)
    where = f" at {describe_line(frames)}" if users else ""
    message = f"{type(error).__name__}{where}: {text}"
    if isinstance(error, _OF_DATA) or "matched no files" in text:
        name = getattr(function, "__name__", "input_fn")
        message = message.rstrip(".") + (
            f". If `{name}` looks for data: nothing is read here, but what it asks "
            "for must be there. Give it the `params` and paths that training has; a few examples "
            "in a file of the same form are enough."
        )
    return message


def _is_raised_here(frame: traceback.FrameSummary) -> bool:
    """Whether an error was raised by this package itself.

    TensorFlow leaves its own frames out of a traceback. The innermost one that is left may then be
    a hook of this package, which only called TensorFlow.
    """
    ours = "tfx_tpu_estimator" in frame.filename and is_library_file(frame.filename)
    return ours and (frame.line or "").startswith("raise")
