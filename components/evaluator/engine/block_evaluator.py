"""Predictions and sums of one block at a time: what every process that evaluates does."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack

import numpy as np

from .batch import Batch, join_predictions, list_needed_columns
from .blocks import Block
from .partial_sums import Adding, Partial
from .plan import Plan
from .predictor import Predictor
from .reading import ColumnDecoder, to_columns, to_values
from .tfma_route import needs_all_features
from .transformed import TransformedColumns


class BlockEvaluator:
    """Models that are loaded, and what is done with their predictions.

    Args:
        plan: What is computed.
        adding: Of the same plan.

    Example:
        with BlockEvaluator(plan, adding) as evaluator:
            for block in read_blocks(files, "GZIP", 1024):
                adding.merge(total, evaluator.evaluate(block))
    """

    def __init__(self, plan: Plan, adding: Adding):
        self._plan = plan
        self._adding = adding
        with ExitStack() as stack:
            self._predictors = {
                spec.name: stack.enter_context(
                    Predictor(plan.models[spec.name], spec.signature_name)
                )
                for spec in plan.config.model_specs
            }
            self._transformed = TransformedColumns.open(plan, adding.slicer.columns, stack)
            self._stack = stack.pop_all()
        self._decoder = ColumnDecoder(self._list_columns())

    def __enter__(self) -> BlockEvaluator:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def evaluate(self, block: Block) -> Partial:
        """Returns the sums of one block.

        Raises:
            ValueError: If a label or a model's input is missing, or something is in a form that
                cannot be evaluated.
            NotANumberError: If a model predicts NaN.
        """
        partial = self._adding.start()
        for place, records in zip(block.list_places(), block.batches, strict=True):
            batch = self._predict(records)
            if not place[1]:
                _check_labels(batch)
            self._adding.add(partial, place, batch)
        return partial

    def _predict(self, records: np.ndarray) -> Batch:
        columns = self._decoder.decode(records)
        if self._transformed is not None:
            columns.update(self._transformed.make(records))
        if self._plan.add_features is not None:
            added = self._plan.add_features(to_values(columns))
            columns.update(to_columns(added, len(records)))
        needed = _list_inputs(self._predictors)
        inputs = to_values({name: columns[name] for name in needed if name in columns})
        outputs = {
            name: predictor.predict(records, inputs) for name, predictor in self._predictors.items()
        }
        return Batch(self._plan.config, len(records), columns, join_predictions(outputs))

    def _list_columns(self) -> set[str] | None:
        others = self._adding.computing.list_without_recipe()
        if self._plan.add_features or any(map(needs_all_features, others)):
            return None
        needed = list_needed_columns(self._plan.config, self._adding.slicer.columns)
        return needed | _list_inputs(self._predictors)


def _list_inputs(predictors: Mapping[str, Predictor]) -> set[str]:
    return {feature for p in predictors.values() for feature in p.signature.columns.values()}


def _check_labels(batch: Batch) -> None:
    for spec in batch.config.model_specs:
        keys = [spec.label_key, *spec.label_keys.values()]
        missing = [key for key in keys if key and key not in batch.columns]
        if missing:
            raise ValueError(
                f"`eval_config`: the label {missing[0]!r} is in none of the first "
                f"{batch.count} examples. Name a feature of the examples in `label_key`; a label "
                "that is computed needs the function `add_features` in the module file; one that "
                "a Transform component makes, a model that was trained with its `transform_graph`."
            )
