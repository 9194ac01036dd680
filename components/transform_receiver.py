"""A serving receiver that transforms raw examples as those of training were transformed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.tf_metadata import schema_utils
from tfx.dsl.io import fileio

from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.export.receivers import ServingInputReceiver
from tfx_tpu_estimator.inputs.schema import read_schema


def build_transform_receiver_fn(
    path: str, label_key: str, schema_path: str | None = None
) -> Callable[[], ServingInputReceiver]:
    """Returns a receiver function that parses raw examples and transforms them.

    A request needs the raw features that the model's features are computed from, and no other:
    neither the label nor what only the label comes from.

    Args:
        path: The TransformGraph.
        label_key: The transformed feature that is the label.
        schema_path: Schema of raw examples, for a graph that was written without one.

    Raises:
        UserModuleError: If the label is no transformed feature, or no schema is known.
    """
    output = tft.TFTransformOutput(path)
    transformed = set(output.transformed_feature_spec())
    if label_key not in transformed:
        raise UserModuleError(
            f"`label_key` {label_key!r} is not a feature that the transform graph makes; it makes "
            f"{sorted(transformed)}."
        )
    raw = read_raw_spec(output, path, schema_path)
    needed = _find_needed(output, raw, transformed - {label_key})

    def serving_input_receiver_fn() -> ServingInputReceiver:
        serialized = tf.compat.v1.placeholder(tf.string, [None], name="examples")
        parsed = tf.io.parse_example(serialized, needed)
        # Anew in each graph: what a loaded graph holds belongs to the graph it was loaded in.
        features = dict(tft.TFTransformOutput(path).transform_raw_features(parsed))
        features.pop(label_key, None)
        return ServingInputReceiver(features, {"examples": serialized})

    return serving_input_receiver_fn


def read_raw_spec(
    output: tft.TFTransformOutput, path: str, schema_path: str | None
) -> dict[str, Any]:
    """Returns how raw examples are parsed.

    Args:
        output: The TransformGraph.
        path: Where it is, for the error message.
        schema_path: Schema of raw examples, for a graph that was written without one.

    Raises:
        UserModuleError: If no schema is known.
    """
    if fileio.exists(os.path.join(path, "metadata", "schema.pbtxt")):
        return dict(output.raw_feature_spec())
    if schema_path is None:
        raise UserModuleError(
            f"the transform graph at {path} has no schema of raw examples, which a serving "
            "receiver is built from: give the component `schema`, or write "
            "`serving_input_receiver_fn`."
        )
    return dict(schema_utils.schema_as_feature_spec(read_schema(schema_path)).feature_spec)


def _find_needed(
    output: tft.TFTransformOutput, raw: Mapping[str, Any], wanted: set[str]
) -> dict[str, Any]:
    """Returns the raw features without which one of the `wanted` features cannot be computed."""
    needed = dict(raw)
    with tf.Graph().as_default():
        serialized = tf.compat.v1.placeholder(tf.string, [None])
        parsed = tf.io.parse_example(serialized, dict(raw))
        for name in raw:
            without = {key: parsed[key] for key in needed if key != name}
            # What depends on a missing feature is left out of the result.
            if without and wanted <= set(output.transform_raw_features(without)):
                del needed[name]
    return needed
