"""One pass over the examples: predictions of all models, metrics by slice, the validation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2, validation_result_pb2

from .batch import Batch, join_predictions, list_needed_columns
from .computing import Computing
from .finishing import BySlice, Deriving, hide_small_slices, split_by_kind, validate
from .pairs import USUAL_OUTPUTS
from .predictor import Predictor
from .reading import ColumnDecoder, to_columns, to_values
from .recipes_matrices import Histogram
from .samples import Sampling, make_sampling
from .slicing import Slicer
from .tfma_names import metric_specs, separate_computations
from .tfma_route import needs_all_features

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
        histograms: Of the predictions on all examples, by model name, where a metric needed one.
    """

    config: config_pb2.EvalConfig
    metrics: BySlice
    plots: BySlice
    attributions: BySlice
    validation: validation_result_pb2.ValidationResult
    count: int
    left_to_tfma: list[str]
    histograms: Mapping[str, Histogram]


def evaluate(
    batches: Iterable[np.ndarray],
    models: Mapping[str, str],
    config: config_pb2.EvalConfig,
    *,
    schema: schema_pb2.Schema | None = None,
    rubber_stamp: bool = False,
    add_features: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None,
) -> Evaluation:
    """Evaluates one model, or a candidate and a baseline, in one pass.

    Args:
        batches: [n] serialized tf.Examples each.
        models: SavedModel by name, as in `config.model_specs`; '' where there is one.
        config: With its defaults, see `tfma.utils.update_eval_config_with_defaults`.
        schema: Of the examples, for metrics that ask for it.
        rubber_stamp: Whether change thresholds were left out for want of a baseline.
        add_features: {feature: values} of a batch -> more features of it, such as a label that
            examples do not hold: [n] or [n, length] each.

    Raises:
        ValueError: If there are no examples, a label or a model's input is missing, or something
            is in a form that cannot be evaluated.
        NotANumberError: If a model predicts NaN.
    """
    computations = separate_computations(
        metric_specs.to_computations(list(config.metrics_specs), eval_config=config, schema=schema)
    )
    work = _Work(config, computations.non_derived_computations, add_features)
    with ExitStack() as stack:
        predictors = {
            spec.name: stack.enter_context(Predictor(models[spec.name], spec.signature_name))
            for spec in config.model_specs
        }
        work.run(batches, predictors)
    deriving = Deriving(
        config,
        computations.derived_computations,
        computations.cross_slice_computations,
        computations.ci_derived_computations,
    )
    found = work.finish(deriving)
    metrics, plots, attributions = split_by_kind(found)
    return Evaluation(
        config=config,
        metrics=metrics,
        plots=plots,
        attributions=attributions,
        validation=validate(metrics, config, rubber_stamp=rubber_stamp),
        count=work.count,
        left_to_tfma=work.computing.left_to_tfma,
        histograms=work.find_histograms(),
    )


class _Work:
    """Sums by slice and sample, while batches pass."""

    def __init__(
        self,
        config: config_pb2.EvalConfig,
        computations: list[Any],
        add_features: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None,
    ):
        self._config = config
        self._add_features = add_features
        self._computations = computations
        self.computing = Computing(computations)
        self._slicer = Slicer(config)
        self._sampling: Sampling = make_sampling(config)
        self._counts = np.zeros([0], np.int64)
        # The groups of a slice that have examples: others have no sample.
        self._seen: set[int] = set()
        self.count = 0

    def run(self, batches: Iterable[np.ndarray], predictors: Mapping[str, Predictor]) -> None:
        columns = self._list_columns(predictors)
        decoder = ColumnDecoder(columns)
        for number, records in enumerate(batches):
            batch = self._predict(records, decoder, predictors)
            if not number:
                _check_labels(batch)
                _check_outputs(batch)
            self._add(number, batch)
        if not self.count:
            raise ValueError("`examples` has no records; there is nothing to evaluate.")

    def finish(self, deriving: Deriving) -> BySlice:
        """Returns metrics and plots by slice."""
        samples = self._sampling.list_samples()
        whole, *parts = samples
        results = [deriving.derive(self._extract(whole))]
        for groups in parts:
            sample = deriving.derive(self._extract(groups))
            results.append(deriving.choose_for_intervals(sample))
        combined = {
            key: deriving.finish(self._sampling.combine([found.get(key) for found in results]))
            for key in results[0]
        }
        least = self._config.options.min_slice_size.value
        if least > 1:
            counts = dict(zip(self._slicer.keys, self._counts.tolist(), strict=True))
            combined = hide_small_slices(combined, counts, least)
        return combined

    def find_histograms(self) -> dict[str, Histogram]:
        """Returns the usual histogram over all examples of each model that has one."""
        if () not in self._slicer.keys:
            return {}
        first = self._slicer.keys.index(()) * self._sampling.groups
        groups = [first + group for group in self._sampling.list_samples()[0]]
        return {
            key.model_name: value
            for key, value in self.computing.extract(groups).items()
            if isinstance(value, Histogram)
            and key.sub_key is None
            and not key.output_name
            and len(value.ids)
            and value.width == _USUAL_WIDTH
        }

    def _extract(self, groups: list[int]) -> BySlice:
        found = {}
        for number, key in enumerate(self._slicer.keys):
            own = [number * self._sampling.groups + group for group in groups]
            if not self._seen.isdisjoint(own):
                found[key] = self.computing.extract(own)
        return found

    def _predict(
        self, records: np.ndarray, decoder: ColumnDecoder, predictors: Mapping[str, Predictor]
    ) -> Batch:
        columns = decoder.decode(records)
        if self._add_features is not None:
            added = self._add_features(to_values(columns))
            columns.update(to_columns(added, len(records)))
        needed = {f for p in predictors.values() for f in p.signature.columns.values()}
        inputs = to_values({name: columns[name] for name in needed if name in columns})
        outputs = {
            name: predictor.predict(records, inputs) for name, predictor in predictors.items()
        }
        return Batch(self._config, len(records), columns, join_predictions(outputs))

    def _add(self, number: int, batch: Batch) -> None:
        members = self._slicer.assign(batch.count, batch.columns)
        counts = np.bincount(members.slices, minlength=len(self._slicer.keys))
        counts[: self._counts.size] += self._counts
        self._counts = counts
        for rows, groups in self._sampling.draw(number, batch.count):
            rows_in, groups_in = _join(members, rows, groups, self._sampling.groups)
            self._seen.update(np.unique(groups_in).tolist())
            self.computing.add(batch, rows_in, groups_in)
        self.count += batch.count

    def _list_columns(self, predictors: Mapping[str, Predictor]) -> set[str] | None:
        left = set(self.computing.left_to_tfma)
        others = [c for c in self._computations if left & {key.name for key in c.keys}]
        if self._add_features or any(needs_all_features(computation) for computation in others):
            return None
        inputs = [f for p in predictors.values() for f in p.signature.columns.values()]
        return {*list_needed_columns(self._config, self._slicer.columns), *inputs}


def _join(members, rows, groups, group_count) -> tuple[np.ndarray, np.ndarray]:
    """Combines slices and groups: the rows, and the number of each one's group of its slice."""
    if rows is None:
        return members.rows, members.slices * group_count + groups[members.rows]
    # Rows are in order, some of them several times: so are their memberships.
    times = np.bincount(rows, minlength=len(members.rows) and int(members.rows.max()) + 1)
    repeated = np.repeat(np.arange(members.rows.size), times[members.rows])
    return members.rows[repeated], members.slices[repeated] * group_count + groups[:1]


def _check_outputs(batch: Batch) -> None:
    """Refuses a model of several outputs none of which is the one to evaluate."""
    config = batch.config
    if any(spec.output_names for spec in config.metrics_specs):
        return
    for spec in config.model_specs:
        outputs = batch.predictions[spec.name] if len(config.model_specs) > 1 else batch.predictions
        if not isinstance(outputs, Mapping) or spec.prediction_key in outputs:
            continue
        if spec.prediction_key or not any(name in outputs for name in USUAL_OUTPUTS):
            raise ValueError(
                f"`eval_config`: `prediction_key` is {spec.prediction_key!r}, the model's outputs "
                f"are {', '.join(sorted(outputs))}; name the one that is compared with the label."
            )


def _check_labels(batch: Batch) -> None:
    for spec in batch.config.model_specs:
        keys = [spec.label_key, *spec.label_keys.values()]
        missing = [key for key in keys if key and key not in batch.columns]
        if missing:
            raise ValueError(
                f"`eval_config`: the label {missing[0]!r} is in none of the first "
                f"{batch.count} examples. Name a feature of the examples in `label_key`; a label "
                "that is computed needs the function `add_features` in the module file."
            )
