"""Exports the model of an evaluation that is better than all before it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import Any

from tfx_tpu_estimator.export.best_record import (
    BestRecord,
    delete_attempt,
    is_nan,
    list_scalars,
    read_attempt,
    read_record,
    write_attempt,
    write_record,
)
from tfx_tpu_estimator.export.exporters import (
    Exporter,
    SavedModelWriter,
    get_version,
    validate_exports_to_keep,
)
from tfx_tpu_estimator.export.versions import delete_old_versions, list_versions
from tfx_tpu_estimator.lowering.model_fn import list_arguments
from tfx_tpu_estimator.summaries.event_reader import EventFiles

_logger = logging.getLogger(__name__)

_DEFAULT_PATTERN = "eval/*.tfevents.*"
_LOSS = "loss"
_GLOBAL_STEP = "global_step"


def has_smaller_loss(best_eval_result: dict[str, Any], current_eval_result: dict[str, Any]) -> bool:
    """Returns whether the current evaluation has a smaller loss than the best.

    Args:
      best_eval_result: Metrics by name.
      current_eval_result: Metrics by name.

    Raises:
      ValueError: One of them has no `loss`.

    Example:
      >>> has_smaller_loss({"loss": 0.5}, {"loss": 0.4})
      True
    """
    for name, result in (
        ("best_eval_result", best_eval_result),
        ("current_eval_result", current_eval_result),
    ):
        if not result or _LOSS not in result:
            raise ValueError(
                f"{name} cannot be empty or no loss is found in it. Got {result!r}; compare "
                "another metric with a `compare_fn` of your own."
            )
    return bool(best_eval_result[_LOSS] > current_eval_result[_LOSS])


class BestExporter(Exporter):
    """Exports after an evaluation that is better than all before it.

    The best evaluation is written beside the exports (`best_eval_result.json`), so that it is
    known after a restart. Where that file is missing and there are exports, the best is taken from
    event files.

    NaN is never better than anything, and every number is better than NaN: where a metric that
    `compare_fn` looks up is NaN, this decides, and not its answer.

    Args:
      name: The directory below `<model_dir>/export`.
      serving_input_receiver_fn: As for `export_saved_model`.
      event_file_pattern: Event files with earlier evaluations, relative to the model directory.
        The default stands for those of the evaluation that the exporter is used with, whatever
        its name. None: event files are not read.
      compare_fn: `compare_fn(best_eval_result, current_eval_result)`, each a dict of metrics by
        name; returns whether the current one is better. Default: a smaller `loss`.
      assets_extra: As for `export_saved_model`.
      as_text: As for `export_saved_model`.
      exports_to_keep: How many exports to keep, > 0; None for all.

    Raises:
      ValueError: `compare_fn` is None or its arguments have other names; `exports_to_keep` is not
        positive.

    Example:
      def has_higher_auc(best_eval_result, current_eval_result):
          return current_eval_result["auc"] > best_eval_result["auc"]

      BestExporter("best", serving_input_receiver_fn, compare_fn=has_higher_auc)
    """

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Callable | None = None,
        event_file_pattern: str | None = _DEFAULT_PATTERN,
        compare_fn: Callable[..., Any] = has_smaller_loss,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        _validate_compare_fn(compare_fn)
        validate_exports_to_keep(exports_to_keep)
        self._name = name
        self._write = SavedModelWriter(serving_input_receiver_fn, assets_extra, as_text)
        self._event_file_pattern = event_file_pattern
        self._compare_fn = compare_fn
        self._exports_to_keep = exports_to_keep
        self._eval_dir: str | None = None
        self._path: str | None = None
        self._best: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """The directory below `<model_dir>/export`."""
        return self._name

    def use_eval_dir(self, eval_dir: str) -> None:
        """Says which evaluations the exporter is used with.

        Args:
          eval_dir: Where their event files are; read where `event_file_pattern` is the default.
        """
        self._eval_dir = eval_dir

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Exports if the evaluation is the best so far; see `Exporter.export`."""
        if self._path != export_path:
            self._best = self._find_best(estimator, export_path, eval_result)
            self._path = export_path
        if not self._is_better(self._best, eval_result):
            return None
        _logger.info("Exporting the best model so far for %r.", self._name)
        # A process that is killed after the export and before the record would forget this best.
        write_attempt(export_path, eval_result, list_versions(export_path))
        path = self._write(estimator, export_path, checkpoint_path)
        version = get_version(path)
        # Only now: a best that is remembered has an export.
        write_record(export_path, BestRecord(metrics=dict(eval_result), export=str(version)))
        delete_attempt(export_path)
        self._best = dict(eval_result)
        delete_old_versions(export_path, self._exports_to_keep, version)
        return path

    def _find_best(
        self, estimator: Any, export_path: str, eval_result: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Returns the best evaluation that earlier processes exported the model of, or None."""
        versions = list_versions(export_path)
        attempt = read_attempt(export_path)
        if attempt is not None and set(versions) - set(attempt.versions):
            # It was exported, and then the process was killed.
            return attempt.metrics
        record = read_record(export_path)
        if record is not None:
            return record.metrics
        if self._event_file_pattern is None or not versions:
            # Whatever was better than this one, no model of it is here.
            return None
        pattern = os.path.join(estimator.model_dir, self._event_file_pattern)
        if self._event_file_pattern == _DEFAULT_PATTERN and self._eval_dir is not None:
            pattern = os.path.join(self._eval_dir, os.path.basename(_DEFAULT_PATTERN))
        return self._find_best_in_events(pattern, eval_result)

    def _find_best_in_events(
        self, pattern: str, eval_result: dict[str, Any]
    ) -> dict[str, Any] | None:
        needed = set(list_scalars(eval_result)) - {_GLOBAL_STEP}
        best = None
        for step, scalars in EventFiles(pattern).read().items():
            # The current evaluation is in the event files, too; and so may be other things.
            if step == eval_result.get(_GLOBAL_STEP) or not needed <= set(scalars):
                continue
            result = {**scalars, _GLOBAL_STEP: step}
            if self._is_better(best, result):
                best = result
        return best

    def _is_better(self, best: dict[str, Any] | None, current: dict[str, Any]) -> bool:
        if best is None:
            # With itself: to see which metrics are compared.
            used, _ = self._compare(current, current)
            if any(is_nan(current.get(name)) for name in used):
                _logger.warning("No export for %r: %s is NaN.", self._name, sorted(used))
                return False
            return True
        used, is_better = self._compare(best, current)
        if any(is_nan(current.get(name)) for name in used):
            return False
        return is_better or any(is_nan(best.get(name)) for name in used)

    def _compare(self, best: dict[str, Any], current: dict[str, Any]) -> tuple[set[str], bool]:
        """Returns the names of the metrics that compare_fn looked at, and what it said."""
        used: set[str] = set()
        is_better = self._compare_fn(
            best_eval_result=_Watched(best, used), current_eval_result=_Watched(current, used)
        )
        return used, bool(is_better)


class _Watched(dict):
    """A dict that notes the keys that are looked at."""

    def __init__(self, content: dict[str, Any], used: set[str]):
        super().__init__(content)
        self._used = used

    def __getitem__(self, key: Any) -> Any:
        self._used.add(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._used.add(key)
        return super().get(key, default)


def _validate_compare_fn(compare_fn: Any) -> None:
    """Checks that compare_fn can be called as it will be.

    Raises:
      ValueError: It is None, or its arguments have other names.
    """
    if compare_fn is None:
        raise ValueError("`compare_fn` must not be None. Leave it out to compare the loss.")
    if not callable(compare_fn):
        raise ValueError(f"`compare_fn` must be a function; got {compare_fn!r}.")
    arguments = list_arguments(compare_fn)
    for name in ("best_eval_result", "current_eval_result"):
        if name not in arguments:
            raise ValueError(
                f"compare_fn ({compare_fn}) must include {name} argument. It takes "
                f"{list(arguments)}."
            )
    unknown = sorted(set(arguments) - {"best_eval_result", "current_eval_result"})
    if unknown:
        raise ValueError(
            f"compare_fn ({compare_fn}) has following not expected args: {unknown}. "
            "functools.partial can bind them."
        )
