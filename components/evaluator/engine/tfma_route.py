"""Metrics that only TensorFlow Model Analysis knows: its own code, fed with our predictions."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma

from .batch import Batch
from .tfma_names import CombineAll, Preprocessor, metric_types

# For each group an accumulator of each computation.
Accumulators = dict[int, Any]


class TfmaRoute:
    """Runs combiners example by example, as a Beam worker would.

    Args:
        computations: TFMA's computations, each with a combiner.
    """

    def __init__(self, computations: Sequence[Any]):
        self._computations = list(computations)
        self._preprocessor = Preprocessor(self._computations)
        self._preprocessor.setup()
        self._combine = CombineAll(computations=self._computations)
        self._combine.setup()

    def add(
        self, accumulators: Accumulators, batch: Batch, rows: np.ndarray, groups: np.ndarray
    ) -> None:
        """Adds examples to groups.

        Args:
            accumulators: Of the groups; changed.
            batch: The examples.
            rows: [m] places in the batch.
            groups: [m] the group that each is added to.
        """
        inputs: dict[int, Any] = {}
        for row, group in zip(rows.tolist(), groups.tolist(), strict=True):
            if row not in inputs:
                extracts = {**batch.rows[row], tfma.SLICE_KEY_TYPES_KEY: ()}
                (inputs[row],) = self._preprocessor.process(extracts)
            accumulator = accumulators.get(group)
            if accumulator is None:
                accumulator = self._combine.create_accumulator()
            try:
                accumulators[group] = self._combine.add_input(accumulator, inputs[row])
            except RuntimeError as error:
                raise ValueError(self._explain(batch.rows[row], error)) from error

    def _explain(self, example: dict[str, Any], error: RuntimeError) -> str:
        names = ", ".join(list_names(self._computations))
        label = example.get(tfma.LABELS_KEY)
        # The lines that follow the first show all settings.
        reason = str(error.__cause__ or error).partition("\n")[0].removesuffix(".")
        text = (
            f"`examples`: an example cannot be counted by {names}: {reason}. Its label is {label}, "
            f"the prediction {example[tfma.PREDICTIONS_KEY]}."
        )
        if label is None or (isinstance(label, np.ndarray) and not label.size):
            text += " Leave examples without a label out, or make one in `add_features`."
        return text

    def merge(self, accumulators: Accumulators, other: Accumulators, groups: np.ndarray) -> None:
        """Adds what others accumulated.

        Args:
            accumulators: Of the groups; changed.
            other: Those that are added.
            groups: [m] the group here of each group there.
        """
        for there, accumulator in other.items():
            here = int(groups[there])
            if here in accumulators:
                accumulator = self._combine.merge_accumulators([accumulators[here], accumulator])
            accumulators[here] = accumulator

    def unite(self, accumulators: Accumulators, groups: Sequence[int]) -> tuple[Any, ...]:
        """Returns an accumulator for each computation, over some groups together."""
        found = [accumulators[group] for group in groups if group in accumulators]
        if not found:
            return tuple(self._combine.create_accumulator())
        # Merging adds to the first one, which other unions of groups need as it is.
        return tuple(self._combine.merge_accumulators([copy.deepcopy(a) for a in found]))

    def extract(self, accumulators: Accumulators, groups: Sequence[int]) -> dict[Any, Any]:
        """Returns the metrics over some groups together."""
        return self._combine.extract_output(self.unite(accumulators, groups))


def list_names(computations: Iterable[Any]) -> list[str]:
    """Returns the names of what is computed, without the settings in names of hidden parts."""
    names = {key.name.partition(":")[0] for item in computations for key in item.keys}
    return sorted(name.removeprefix("_") for name in names)


def needs_all_features(computation: Any) -> bool:
    """Whether a computation may look at any feature of an example."""
    standard = metric_types.StandardMetricInputsPreprocessor
    for preprocessor in computation.preprocessors or ():
        if type(preprocessor) is not standard:
            return True
        if tfma.FEATURES_KEY in preprocessor.include_filter:
            return True
    return False
