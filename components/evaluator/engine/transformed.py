"""Labels, weights and slices that a graph of TensorFlow Transform makes of raw examples."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa

from .batch import list_label_columns
from .plan import Plan
from .reading import to_columns


class TransformedColumns:
    """The columns that are taken from the graph: of others raw examples have the values.

    Args:
        transformer: The graph, opened.
        names: The columns.
    """

    def __init__(self, transformer: Any, names: Collection[str]):
        self._transformer = transformer
        self._names = sorted(names)

    @classmethod
    def open(
        cls, plan: Plan, slices: Collection[str], stack: ExitStack
    ) -> TransformedColumns | None:
        """Opens the graph if something of it is needed.

        A label or weight that the graph makes is taken from there, even if raw examples have a
        feature of that name: it is what the model was trained on. A slice is taken from there if
        raw examples do not have it.

        Args:
            plan: What is computed.
            slices: Features that slices are made of.
            stack: Closes the graph.
        """
        if plan.transform is None:
            return None
        # TensorFlow Transform is loaded by those who have a graph of it.
        from ...graph_transformer import GraphTransformer, list_made, list_raw

        wanted = list_label_columns(plan.config) | (set(slices) - list_raw(plan.transform))
        names = wanted & list_made(plan.transform)
        if not names:
            return None
        return cls(stack.enter_context(GraphTransformer(plan.transform)), names)

    def make(self, records: np.ndarray) -> dict[str, pa.Array]:
        """Returns the columns of a batch of serialized raw tf.Examples."""
        found = self._transformer.transform(records)
        values = {name: found[name] for name in self._names}
        return to_columns(values, len(records), "the transform graph")
