"""All examples, block by block: metrics of all models by slice, the validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping

from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from .block_evaluator import BlockEvaluator
from .blocks import Block
from .crew import Crew
from .finishing import BySlice, Deriving, hide_small_slices, split_by_kind, validate
from .partial_sums import Adding, Partial
from .plan import Plan
from .recipes_matrices import Histogram

# Buckets of a histogram of probabilities, and one at each end.
_USUAL_WIDTH = 10_002


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What came out of an evaluation.

    Attributes:
        config: The EvalConfig with its defaults.
        metrics: Metrics by slice, and by pair of slices where slices were compared.
        plots: Plots by slice.
        attributions: Attributions by slice.
        validation: Result of the thresholds.
        count: Number of examples.
        left_to_tfma: Metrics that TensorFlow Model Analysis's own code computed.
        histograms: Of the predictions on all examples, where a metric needed one: by name of the
            model, and the class that is looked at alone or None.
    """

    config: config_pb2.EvalConfig
    metrics: BySlice
    plots: BySlice
    attributions: BySlice
    validation: validation_result_pb2.ValidationResult
    count: int
    left_to_tfma: list[str]
    histograms: Mapping[tuple[str, int | None], Histogram]


def evaluate(
    blocks: Iterable[Block],
    plan: Plan,
    *,
    rubber_stamp: bool = False,
    crew: Crew | None = None,
    progress: Callable[[int], None] | None = None,
) -> Evaluation:
    """Evaluates one model, or a candidate and a baseline, in one pass.

    Sums of blocks are merged in the order of the blocks, so that the result is the same bit for
    bit whoever evaluated which of them.

    Args:
        blocks: The examples.
        plan: What is computed.
        rubber_stamp: Whether change thresholds were left out for want of a baseline.
        crew: Processes that evaluate some of the blocks; None: there are none.
        progress: Called with the number of examples that were evaluated.

    Raises:
        ValueError: If there are no examples, a label or a model's input is missing, or something
            is in a form that cannot be evaluated.
        NotANumberError: If a model predicts NaN.
        RuntimeError: If a process of the crew dies.
    """
    adding = Adding(plan)
    total = adding.start()
    with BlockEvaluator(plan, adding) as evaluator:
        if crew is None:
            found: Iterable[Partial] = map(evaluator.evaluate, blocks)
        else:
            found = crew.evaluate(evaluator.evaluate, blocks)
        for partial in found:
            adding.merge(total, partial)
            if progress is not None:
                progress(total.count)
    return finish(total, adding, plan, rubber_stamp=rubber_stamp)


def finish(total: Partial, adding: Adding, plan: Plan, *, rubber_stamp: bool) -> Evaluation:
    """Makes metrics of the sums of all examples; the rest as in `evaluate`.

    Raises:
        ValueError: If there are no examples.
    """
    if not total.count:
        raise ValueError("`examples` has no records; there is nothing to evaluate.")
    computations = adding.computations
    deriving = Deriving(
        plan.config,
        computations.derived_computations,
        computations.cross_slice_computations,
        computations.ci_derived_computations,
    )
    metrics, plots, attributions = split_by_kind(_derive(total, adding, deriving))
    return Evaluation(
        config=plan.config,
        metrics=metrics,
        plots=plots,
        attributions=attributions,
        validation=validate(metrics, plan.config, rubber_stamp=rubber_stamp),
        count=total.count,
        left_to_tfma=adding.computing.list_left(total.parts),
        histograms=adding.find_histograms(total, _USUAL_WIDTH),
    )


def _derive(total: Partial, adding: Adding, deriving: Deriving) -> BySlice:
    """Returns metrics and plots by slice."""
    whole, *samples = adding.sampling.list_samples()
    results = [deriving.derive(adding.extract(total, whole))]
    for groups in samples:
        sample = deriving.derive(adding.extract(total, groups))
        results.append(deriving.choose_for_intervals(sample))
    combined = {
        key: deriving.finish(adding.sampling.combine([found.get(key) for found in results]))
        for key in results[0]
    }
    least = deriving.config.options.min_slice_size.value
    if least > 1:
        counts = dict(zip(total.numbers, total.counts.tolist(), strict=True))
        combined = hide_small_slices(combined, counts, least)
    return combined
