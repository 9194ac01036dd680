"""EvaluatorOptions: how the Evaluator computes metrics, and what else decides the blessing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ..option_checks import (
    CheckedNames,
    check_choice,
    check_int,
    check_type,
    field_names,
    read_json_object,
)

RUNTIME = "runtime"
TFMA = "tfma"
ENGINES = (RUNTIME, TFMA)
BEAM = "beam"
_BOOLEAN = ("model_fn_metrics", "skew_check", "html_page")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EvaluatorOptions(CheckedNames):
    """What the Evaluator does beyond the standard one.

    Attributes:
        engine: `runtime`: metrics by slice are computed in one pass over batches; `tfma`: by
            TensorFlow Model Analysis through Beam, with `beam_pipeline_args` as they are. Both
            give the same numbers in the same files.
        workers: Who goes over the batches; of `runtime`. A number: so many processes of this
            machine, each with the model in memory; the others are started when an evaluation
            takes longer than two seconds. `beam`: Beam's workers, with `beam_pipeline_args` as
            they are; this package must be installed there. None: `beam` if
            `beam_pipeline_args` name a runner whose workers are not on this machine, such as
            DataflowRunner, FlinkRunner or SparkRunner, else 1.
        batch_size: Examples that the model predicts at a time; of `runtime`.
        model_fn_metrics: Whether the metrics of the model_fn are computed, too, by the runtime
            that trained the model.
        skew_check: Whether {serve} and {serve, tpu} are compared on examples; a model in which
            they differ is not blessed.
        skew_examples: How many of the examples, from the first on.
        force_blessing: Why the model is blessed whatever the metrics say; this text goes into the
            blessing's reason. None: metrics decide.
        html_page: Whether `evaluation.html` is written beside the metrics.

    Example:
        EvaluatorOptions(engine="tfma", skew_check=True)
    """

    engine: str = RUNTIME
    workers: int | str | None = None
    batch_size: int = 1024
    model_fn_metrics: bool = True
    skew_check: bool = False
    skew_examples: int = 1000
    force_blessing: str | None = None
    html_page: bool = True

    def __post_init__(self) -> None:
        check_choice("engine", self.engine, ENGINES)
        check_workers("workers", self.workers, self.engine)
        for name in ("batch_size", "skew_examples"):
            check_int(name, getattr(self, name), 1)
        for name in _BOOLEAN:
            check_type(name, getattr(self, name), bool)
        if self.force_blessing is not None:
            check_type("force_blessing", self.force_blessing, str)
            if not self.force_blessing.strip():
                raise ValueError(
                    "`force_blessing` is empty; say why the model is to be blessed, or give None."
                )

    def to_json(self) -> str:
        """Serialises all options, with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> EvaluatorOptions:
        """Reads what `to_json` wrote; defaults where there is nothing.

        Raises:
            ValueError: If `text` is no JSON object or has a key that is no option.
        """
        return cls(**read_json_object(cls.__name__, text, field_names(cls))) if text else cls()


def check_workers(name: str, workers: Any, engine: str) -> None:
    """Checks who is to evaluate.

    Args:
        name: The option, for messages.
        workers: What was given.
        engine: The engine that was chosen.

    Raises:
        TypeError: If it is neither a number nor text.
        ValueError: If it is no positive number and not `beam`, or for another engine.
    """
    if workers is None:
        return
    if engine != RUNTIME:
        raise ValueError(
            f"`{name}` is {workers!r} and the engine {engine!r}: only {RUNTIME!r} has workers of "
            "its own. Those of TensorFlow Model Analysis are set by Beam's options."
        )
    if isinstance(workers, str):
        if workers != BEAM:
            raise ValueError(f"`{name}` must be a positive number or {BEAM!r}, got {workers!r}.")
        return
    check_int(name, workers, 1)
