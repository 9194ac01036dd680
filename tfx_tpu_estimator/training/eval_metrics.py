"""The metrics of past evaluations, read from their event files."""

from __future__ import annotations

import collections

from tfx_tpu_estimator.summaries.event_reader import read_scalars


def read_eval_metrics(eval_dir: str) -> collections.OrderedDict[int, dict[str, float]]:
    """Returns the metrics of all evaluations whose event files are in a directory.

    Args:
      eval_dir: As `estimator.eval_dir(name)` says; it need not exist.

    Returns:
      {global step: {metric name: value}}, steps ascending. Of metrics that are no scalars there is
      nothing.

    Example:
      for step, metrics in read_eval_metrics(estimator.eval_dir()).items():
          print(step, metrics["loss"])
    """
    return collections.OrderedDict(read_scalars(eval_dir))
