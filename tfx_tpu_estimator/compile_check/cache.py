"""Outcomes of compiles on disk."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import tempfile

from tfx_tpu_estimator.compile_check.jobs import Outcome
from tfx_tpu_estimator.whole_files import write_local_file

_logger = logging.getLogger(__name__)


def default_directory() -> pathlib.Path:
    """Returns where outcomes are kept unless a directory is given: in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return pathlib.Path(base) / "tfx_tpu_estimator" / "compile"


class OutcomeCache:
    """A directory of outcomes, one file each; processes may share it.

    Args:
      directory: Where; made when needed.

    Raises:
      ValueError: It cannot be made, or not be written to.
    """

    def __init__(self, directory: str | os.PathLike | None = None):
        self._directory = pathlib.Path(directory) if directory else default_directory()
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # Before a compile of minutes whose outcome could not be kept.
            with tempfile.TemporaryFile(dir=self._directory):
                pass
        except OSError as error:
            raise ValueError(
                f"`cache_dir` {str(self._directory)!r} cannot be written to ({error.strerror}). "
                "Give a directory for the results of compiles that can."
            ) from error

    def read(self, key: str) -> Outcome | None:
        """Returns the outcome that is kept under `key`; None without one, or if it is damaged."""
        path = self._path(key)
        try:
            return Outcome.from_json(json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _logger.warning("Ignoring the compile result in %s, which is damaged: %s", path, error)
            return None

    def write(self, key: str, outcome: Outcome) -> None:
        """Keeps an outcome; the file is whole or is not there."""
        write_local_file(self._path(key), json.dumps(outcome.to_json()))

    def _path(self, key: str) -> pathlib.Path:
        return self._directory / f"{key}.json"
