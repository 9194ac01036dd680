"""The directory an export is written in, and the numbered one it becomes when it is whole."""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable

import tensorflow as tf

from tfx_tpu_estimator.errors import ExportError
from tfx_tpu_estimator.tensorflow_messages import first_line

_logger = logging.getLogger(__name__)


def publish_export(base: str, write: Callable[[str], None]) -> str:
    """Lets `write` fill a directory, which becomes `<base>/<seconds since 1970>`.

    Until then it is called `<base>/temp-<seconds>-<random>`, which no server takes for a version.
    Where the number is taken, also by another process that exports in the same second, it is
    the next one that is free. Where `write` fails the directory is deleted; where the process is
    killed it stays, and hinders nobody.

    Args:
      base: Directory of the exports; made if it is missing.
      write: Called with the directory to write in, which is empty.

    Returns:
      The path of the whole export.

    Raises:
      ExportError: The directory cannot be made.
    """
    seconds = int(time.time())
    temporary = os.path.join(base, f"temp-{seconds}-{uuid.uuid4().hex[:8]}")
    try:
        tf.io.gfile.makedirs(temporary)
    except (tf.errors.OpError, OSError) as error:
        raise ExportError(
            f"Could not write the SavedModel below {base}: {first_line(error)}. Give an "
            "`export_dir_base` that is, or can become, a directory which you may write."
        ) from error
    try:
        write(temporary)
        return _rename_to_number(temporary, base, seconds)
    except BaseException:
        _remove(temporary)
        raise


def _rename_to_number(temporary: str, base: str, first: int) -> str:
    """Renames a directory to the first number from `first` on that is free."""
    number = first
    while True:
        final = os.path.join(base, str(number))
        try:
            # Never over what is there: the loser of a race is told so, and takes the next number.
            tf.io.gfile.rename(temporary, final)
            return final
        except tf.errors.OpError:
            if not tf.io.gfile.exists(final):
                raise
        number += 1


def _remove(directory: str) -> None:
    """Deletes a directory, without hiding the error that is the reason."""
    try:
        if tf.io.gfile.exists(directory):
            tf.io.gfile.rmtree(directory)
    except (tf.errors.OpError, OSError) as error:
        _logger.warning("Could not delete %s, delete it by hand: %s", directory, first_line(error))
