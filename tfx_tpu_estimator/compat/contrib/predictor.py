"""A SavedModel as a function of arrays, as `tf.contrib.predictor` had it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

_v1 = tf.compat.v1
_DEFAULT_SIGNATURE = "serving_default"


class SavedModelPredictor:
    """Feeds arrays to a signature of a SavedModel and returns its outputs.

    Attributes:
        graph: The graph of the model.
        session: The session that holds its variables.
        feed_tensors: Inputs by name.
        fetch_tensors: Outputs by name.
    """

    def __init__(self, session: Any, inputs: Mapping[str, Any], outputs: Mapping[str, Any]):
        self.session = session
        self.graph = session.graph
        self.feed_tensors = dict(inputs)
        self.fetch_tensors = dict(outputs)

    def __call__(self, input_dict: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Returns the outputs for a batch.

        Args:
            input_dict: Arrays by the names of `feed_tensors`.

        Raises:
            ValueError: If a name is not among the inputs.
        """
        unknown = sorted(set(input_dict) - set(self.feed_tensors))
        if unknown:
            raise ValueError(
                f"the signature has no inputs {unknown}; it has {sorted(self.feed_tensors)}."
            )
        feed = {self.feed_tensors[name]: value for name, value in input_dict.items()}
        return self.session.run(self.fetch_tensors, feed)


def from_saved_model(
    export_dir: str,
    signature_def_key: str | None = None,
    signature_def: Any = None,
    input_names: Mapping[str, str] | None = None,
    output_names: Mapping[str, str] | None = None,
    tags: str | None = None,
    graph: Any = None,
    config: Any = None,
) -> SavedModelPredictor:
    """Loads a SavedModel and returns a function of it.

    Args:
        export_dir: Directory of the SavedModel.
        signature_def_key: Name of the signature; default 'serving_default'.
        signature_def: A SignatureDef in place of a name.
        input_names: Names of tensors by names of inputs, in place of a signature; together with
            `output_names`.
        output_names: Names of tensors by names of outputs.
        tags: Comma-separated tags of the metagraph; default 'serve'.
        graph: Graph to load into; default a new one.
        config: ConfigProto of the session.

    Raises:
        ValueError: If the signature does not exist, or only one of the two names is given.
    """
    if (input_names is None) != (output_names is None):
        raise ValueError("give both `input_names` and `output_names`, or neither.")
    graph = graph or tf.Graph()
    with graph.as_default():
        session = _v1.Session(graph=graph, config=config)
        tag_set = (tags or _v1.saved_model.tag_constants.SERVING).split(",")
        meta_graph = _v1.saved_model.loader.load(session, tag_set, export_dir)
    if input_names is None:
        signature = signature_def or _find_signature(meta_graph, signature_def_key)
        input_names = {name: info.name for name, info in signature.inputs.items()}
        output_names = {name: info.name for name, info in signature.outputs.items()}
    return SavedModelPredictor(
        session,
        {name: graph.get_tensor_by_name(tensor) for name, tensor in input_names.items()},
        {name: graph.get_tensor_by_name(tensor) for name, tensor in (output_names or {}).items()},
    )


def _find_signature(meta_graph: Any, key: str | None) -> Any:
    key = key or _DEFAULT_SIGNATURE
    if key not in meta_graph.signature_def:
        raise ValueError(
            f"`signature_def_key` {key!r} is not in the model; it has "
            f"{sorted(meta_graph.signature_def)}."
        )
    return meta_graph.signature_def[key]
