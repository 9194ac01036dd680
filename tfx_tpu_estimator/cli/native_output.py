"""Keeps what native libraries write to the terminal apart from what this package says."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from typing import TextIO

_STDERR = 2
# "From FILE:LINE: FUNCTION (from MODULE) is deprecated", of a file of TensorFlow's or Keras's, or
# of a private function: files that AutoGraph makes of a layer are nobody's.
_OWN_DEPRECATIONS = (
    re.compile(
        r"From \S*[/\\]site-packages[/\\](tensorflow|tf_keras|keras|tf_slim|tensorflow_\w+)[/\\]"
        r"\S+:\d+: .* is deprecated and will be removed"
    ),
    re.compile(
        r"From \S+: (\w+\.)*_\w+ \(from tensorflow\.\S+\) is deprecated and will be removed"
    ),
)


@contextlib.contextmanager
def native_output_aside() -> Iterator[TextIO]:
    """Sends what native code writes to the standard error to a file, which an error brings back.

    XLA's notes on its devices know no log level, and break a line that is updated in place.

    Yields:
        The standard error of Python code, which still goes where it went.

    Example:
        with native_output_aside() as stderr:
            print("visible", file=stderr)
    """
    quiet_deprecations()
    if not _is_native(sys.stderr):  # captured, as in a test
        yield sys.stderr
        return
    sys.stderr.flush()
    terminal = os.fdopen(os.dup(_STDERR), "w", buffering=1, encoding="utf-8", errors="replace")
    python_stderr = sys.stderr
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), _STDERR)
        sys.stderr = terminal
        try:
            yield terminal
        except Exception:  # of any kind, and raised again: native code may have said why
            aside.seek(0)
            terminal.write(aside.read().decode(errors="replace"))
            raise
        finally:
            terminal.flush()
            sys.stderr = python_stderr
            os.dup2(terminal.fileno(), _STDERR)
            terminal.close()


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """A block in which TensorFlow and what comes with it load without their notes and warnings.

    The log level is an environment variable, which stays; a value that the user set is kept.

    Example:
        with quiet_libraries():
            report = importlib.import_module("tfx_tpu_estimator.compat.report")
    """
    # Without notes on CUDA libraries.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings():
        # Packages that TensorFlow imports warn of this Python's age.
        warnings.simplefilter("ignore", FutureWarning)
        yield


def quiet_deprecations() -> None:
    """Keeps TensorFlow's notes of deprecated functions that TensorFlow itself calls to itself.

    What a user's code calls is still told.
    """
    logging.getLogger("tensorflow").addFilter(_is_for_users)


def _is_for_users(record: logging.LogRecord) -> bool:
    message = record.getMessage()
    return not any(pattern.match(message) for pattern in _OWN_DEPRECATIONS)


def _is_native(stream: TextIO) -> bool:
    try:
        return stream.fileno() == _STDERR
    except (OSError, ValueError):  # it has no file
        return False
