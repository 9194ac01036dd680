"""Why a program cannot be lowered, in words."""

from __future__ import annotations

import traceback

from tfx_tpu_estimator.lowering.unsupported import describe_line, is_library_file

_OF_DATA = (FileNotFoundError, KeyError, LookupError, OSError)
_FUNCTIONS = {
    "train": "train_input_fn",
    "eval": "eval_input_fn",
    "predict": "predict_input_fn",
    "serving": "serving_input_receiver_fn",
}


def explain_refusal(program: str, error: Exception) -> str:
    """Returns what to tell the user about an error of lowering.

    What the runtime raises says all there is. What comes out of the user's own code gets the line
    where that was, and what may be missing here.

    Args:
      program: `train`, `eval`, `predict` or `serving`.
      error: The error.
    """
    frames = traceback.extract_tb(error.__traceback__)
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    raised_here = bool(frames) and "tfx_tpu_estimator" in frames[-1].filename
    if raised_here and is_library_file(frames[-1].filename):
        return text
    users = any(not is_library_file(frame.filename) for frame in frames)
    where = f" at {describe_line(frames)}" if users else ""
    message = f"{type(error).__name__}{where}: {text}"
    if isinstance(error, _OF_DATA) or "matched no files" in text:
        message = message.rstrip(".") + (
            f". If `{_FUNCTIONS[program]}` looks for data: nothing is read here, but what it asks "
            "for must be there. Give it the `params` and paths that training has; a few examples "
            "in a file of the same form are enough."
        )
    return message
