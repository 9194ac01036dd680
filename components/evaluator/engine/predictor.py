"""Predictions of a SavedModel's {serve} graph for batches of serialized tf.Examples."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1

_PREFERRED_SIGNATURE = "predict"
# Keras adds this to the names of its inputs.
_INPUT_SUFFIX = "_input"


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a signature of a model takes.

    Attributes:
        name: Its name.
        columns: {input: feature} to feed; empty where serialized examples are fed.
        serialized: Name of the input for serialized examples; None where features are fed.
    """

    name: str
    columns: Mapping[str, str]
    serialized: str | None


class Predictor:
    """A {serve} graph in a session of its own.

    Args:
        path: The SavedModel.
        signature_name: A signature; '' for `predict` where there is one, else `serving_default`.

    Example:
        with Predictor("export/1700000000") as predictor:
            probabilities = predictor.predict(records, {})["probability"]
    """

    def __init__(self, path: str, signature_name: str = ""):
        self._path = path
        with tf.Graph().as_default() as graph:
            self._session = tf1.Session(graph=graph)
            meta_graph = tf1.saved_model.load(self._session, ["serve"], path)
        self._definition = choose_signature(meta_graph.signature_def, signature_name)
        self.signature = describe_signature(*self._definition, path)
        definition = self._definition[1]
        self._outputs = {name: info.name for name, info in definition.outputs.items()}

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *details: object) -> None:
        self._session.close()

    def predict(self, records: np.ndarray, features: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Runs the graph on one batch.

        Args:
            records: [n] serialized tf.Examples.
            features: [n, length] values by feature, where the signature takes features.

        Returns:
            [n, ...] by output.

        Raises:
            ValueError: If a feature is missing or does not fit, or an output has not one row for
                each example.
        """
        inputs = self._definition[1].inputs
        if self.signature.serialized is not None:
            feed = {inputs[self.signature.serialized].name: records}
        else:
            feed = {
                inputs[name].name: self._fit(inputs[name], feature, features.get(feature))
                for name, feature in self.signature.columns.items()
            }
        outputs = self._session.run(self._outputs, feed)
        for name, value in outputs.items():
            if np.shape(value)[:1] != (len(records),):
                raise ValueError(
                    f"the output {name!r} of signature {self.signature.name!r} of the model at "
                    f"{self._path} has the shape {np.shape(value)} for {len(records)} examples; "
                    "its first dimension must be that of the batch."
                )
        return outputs

    def _fit(self, info: Any, feature: str, value: Any) -> np.ndarray:
        """Gives a feature the shape of the tensor that it is fed to."""
        if not isinstance(value, np.ndarray):
            raise ValueError(
                f"the model at {self._path} takes the feature {feature!r}, which some of the "
                "examples do not have or have in differing lengths. Evaluate with engine='tfma', "
                "or export a signature that takes serialized tf.Examples."
            )
        dims = [-1 if dim.size < 0 else dim.size for dim in info.tensor_shape.dim[1:]]
        if dims.count(-1) > 1 or info.tensor_shape.unknown_rank:
            return value
        try:
            return value.reshape([len(value), *dims])
        except ValueError as error:
            raise ValueError(
                f"the model at {self._path} takes {feature!r} in the shape {dims}, examples have "
                f"{list(value.shape[1:])}."
            ) from error


def choose_signature(signatures: Mapping[str, Any], name: str) -> tuple[str, Any]:
    """Returns the name and definition of a signature, as TensorFlow Model Analysis chooses it.

    Raises:
        ValueError: If there is no such signature.
    """
    chosen = name
    if not chosen:
        default = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
        chosen = _PREFERRED_SIGNATURE if _PREFERRED_SIGNATURE in signatures else default
    if chosen not in signatures:
        known = ", ".join(sorted(key for key in signatures if not key.startswith("__")))
        raise ValueError(f"the model has no signature {chosen!r}; it has {known or 'none'}.")
    return chosen, signatures[chosen]


def describe_signature(name: str, definition: Any, path: str) -> Signature:
    """Says what to feed to a signature.

    Args:
        name: Its name.
        definition: Its SignatureDef.
        path: Where the model is, for the error message.

    Raises:
        ValueError: If an input or output is a sparse tensor.
    """
    for info in [*definition.inputs.values(), *definition.outputs.values()]:
        if info.WhichOneof("encoding") != "name":
            raise ValueError(
                f"signature {name!r} of the model at {path} has sparse inputs or outputs, which "
                "the runtime does not feed; evaluate with engine='tfma'."
            )
    inputs = definition.inputs
    if len(inputs) == 1:
        ((only, info),) = inputs.items()
        if info.dtype == tf.string.as_datatype_enum and len(info.tensor_shape.dim) == 1:
            return Signature(name, {}, only)
    return Signature(name, {key: key.removesuffix(_INPUT_SUFFIX) for key in inputs}, None)
