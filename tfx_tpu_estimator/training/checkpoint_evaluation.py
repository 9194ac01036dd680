"""The evaluation of a new checkpoint, and the exports after it."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any

from tfx_tpu_estimator.export.best_exporter import BestExporter
from tfx_tpu_estimator.training.train_eval_specs import EvalSpec

_logger = logging.getLogger(__name__)

_GLOBAL_STEP = "global_step"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """An evaluated checkpoint.

    Attributes:
      checkpoint: Its prefix.
      metrics: Metrics by name, with `global_step`.
      exports: What each exporter of the EvalSpec returned, in order.
      is_final: Whether exporters were told that it is the final one.
    """

    checkpoint: str
    metrics: dict[str, Any]
    exports: tuple[Any, ...]
    is_final: bool

    @property
    def global_step(self) -> int:
        """The step of the checkpoint."""
        return int(self.metrics[_GLOBAL_STEP])


class CheckpointEvaluator:
    """Evaluates the latest checkpoint of an estimator, each once, and calls the exporters.

    Args:
      estimator: The estimator.
      eval_spec: How to evaluate and what to export.
      max_steps: The step at which training will end; None where nobody knows.
    """

    def __init__(self, estimator: Any, eval_spec: EvalSpec, max_steps: int | None):
        self._estimator = estimator
        self._spec = eval_spec
        self._max_steps = max_steps
        self.checkpoint: str | None = None
        self.latest: Evaluation | None = None
        for exporter in eval_spec.exporters:
            if isinstance(exporter, BestExporter):
                exporter.use_eval_dir(estimator.eval_dir(eval_spec.name))

    def evaluate_new(self) -> Evaluation | None:
        """Evaluates and exports the latest checkpoint; None where there is no new one.

        Raises:
          ValueError: The estimator's metrics are empty or without `global_step`.
          TypeError: They are no dict.
        """
        checkpoint = self._estimator.latest_checkpoint()
        evaluated = None if self.latest is None else self.latest.checkpoint
        if not checkpoint or checkpoint == evaluated:
            return None
        self.checkpoint = checkpoint
        metrics = self.evaluate(checkpoint)
        step = int(metrics[_GLOBAL_STEP])
        is_final = self._max_steps is not None and step >= self._max_steps
        exports = [self._export(e, checkpoint, metrics, is_final) for e in self._spec.exporters]
        self.latest = Evaluation(
            checkpoint=checkpoint, metrics=metrics, exports=tuple(exports), is_final=is_final
        )
        return self.latest

    def evaluate(self, checkpoint: str) -> dict[str, Any]:
        """Evaluates a checkpoint and exports nothing; returns the metrics.

        Raises:
          ValueError: The metrics are empty or without `global_step`.
          TypeError: They are no dict.
        """
        metrics = self._estimator.evaluate(
            input_fn=self._spec.input_fn,
            steps=self._spec.steps,
            name=self._spec.name,
            checkpoint_path=checkpoint,
            hooks=list(self._spec.hooks),
        )
        _validate_metrics(metrics)
        return metrics

    def finish(self) -> Evaluation | None:
        """Tells exporters that the latest evaluation was the final one, if they do not know yet.

        Training can end before the step that it was to end at. Exporters that have exported the
        checkpoint already are not called again.

        Returns:
          The latest evaluation with all its exports; None where there was none.
        """
        latest = self.latest
        if latest is None or latest.is_final:
            return latest
        exports = [
            self._export(exporter, latest.checkpoint, latest.metrics, True)
            if path is None
            else path
            for exporter, path in zip(self._spec.exporters, latest.exports, strict=True)
        ]
        self.latest = dataclasses.replace(latest, exports=tuple(exports), is_final=True)
        return self.latest

    def _export(
        self, exporter: Any, checkpoint: str, metrics: dict[str, Any], is_final: bool
    ) -> Any:
        path = exporter.export(
            estimator=self._estimator,
            export_path=os.path.join(str(self._estimator.model_dir), "export", exporter.name),
            checkpoint_path=checkpoint,
            eval_result=metrics,
            is_the_final_export=is_final,
        )
        if path is not None:
            _logger.info("Exporter %r exported %s to %s", exporter.name, checkpoint, path)
        return path


def _validate_metrics(metrics: Any) -> None:
    # Of a subclass, or of an object that stands in for an estimator.
    if not metrics:
        raise ValueError(
            "Internal error: `Estimator.evaluate` should never return empty metrics. "
            f"Got {metrics!r}."
        )
    if not isinstance(metrics, dict):
        raise TypeError(f"`Estimator.evaluate` should return dict. Given {type(metrics)}.")
    if _GLOBAL_STEP not in metrics:
        raise ValueError(
            "Internal error: `Estimator.evaluate` result should have `global_step` in result. "
            f"Given {metrics}."
        )
