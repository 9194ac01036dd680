"""One batch of examples as metrics see it: labels, predictions, weights, features."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.proto import config_pb2

from .reading import to_values
from .tfma_names import model_util, util


@dataclasses.dataclass(frozen=True, eq=False)
class Batch:
    """Examples and what a model, or two, made of them.

    Attributes:
        config: The EvalConfig, with its defaults.
        count: Number of examples.
        columns: Decoded features, as lists per example.
        predictions: [n, ...] array, or arrays by output; by model name first where there are two.
        memo: What was worked out of this batch and is wanted again.
    """

    config: config_pb2.EvalConfig
    count: int
    columns: Mapping[str, pa.Array]
    predictions: Any
    memo: dict[Any, Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def features(self) -> dict[str, Any]:
        """Values by feature, as TensorFlow Model Analysis holds them."""
        return to_values(self.columns)

    @functools.cached_property
    def labels(self) -> Any:
        """[n, length] array or the like; by model and by output name where there are several."""
        return self._look_up("label_key", "label_keys", allow_missing=True)

    @functools.cached_property
    def weights(self) -> Any:
        """Example weights, of the same form as labels; None where none are configured."""
        return self._look_up("example_weight_key", "example_weight_keys", allow_missing=False)

    @functools.cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The extracts of each example, as TensorFlow Model Analysis makes them."""
        extracts = {
            tfma.FEATURES_KEY: self.features,
            tfma.LABELS_KEY: self.labels,
            tfma.PREDICTIONS_KEY: self.predictions,
        }
        if self.weights is not None:
            extracts[tfma.EXAMPLE_WEIGHTS_KEY] = self.weights
        return [dict(row) for row in util.split_extracts(extracts)]

    def _look_up(self, field: str, fields: str, *, allow_missing: bool) -> Any:
        wanted = {name for spec in self.config.model_specs for name in list_keys(spec, field)}
        known = {name: value for name, value in self.features.items() if name in wanted}
        return model_util.get_feature_values_for_model_spec_field(
            list(self.config.model_specs), field, fields, {tfma.FEATURES_KEY: known}, allow_missing
        )


def list_keys(spec: config_pb2.ModelSpec, field: str) -> list[str]:
    """Returns the features that a field such as `label_key`, or its plural, names."""
    single, plural = getattr(spec, field), getattr(spec, f"{field}s")
    return [*([single] if single else []), *plural.values()]


def list_needed_columns(config: config_pb2.EvalConfig, slices: Iterable[str]) -> set[str]:
    """Returns the features that labels, weights and slices are made of."""
    return {*list_label_columns(config), *slices}


def list_label_columns(config: config_pb2.EvalConfig) -> set[str]:
    """Returns the features that labels and weights are made of."""
    return {
        key
        for spec in config.model_specs
        for field in ("label_key", "example_weight_key")
        for key in list_keys(spec, field)
    }


def join_predictions(by_model: Mapping[str, Mapping[str, np.ndarray]]) -> Any:
    """Drops the levels that TensorFlow Model Analysis drops: one model's name, one output's."""
    short = {
        name: next(iter(outputs.values())) if len(outputs) == 1 else dict(outputs)
        for name, outputs in by_model.items()
    }
    return next(iter(short.values())) if len(short) == 1 else short
