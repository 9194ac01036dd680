"""The global step of a model directory, for programs that train and evaluate in turns."""

from __future__ import annotations

from tfx_tpu_estimator.checkpoints import layout


def load_global_step(checkpoint_dir: str) -> int:
    """Returns the global step of the latest whole checkpoint of a directory; 0 without one.

    Args:
        checkpoint_dir: A model directory, which need not exist.

    Raises:
        DataCorruptionError: There are checkpoints, and all are corrupt; a ValueError.

    Example:
        >>> load_global_step("no_such_directory")
        0
    """
    latest = layout.find_latest(checkpoint_dir)
    return 0 if latest is None else layout.read_global_step(latest)
