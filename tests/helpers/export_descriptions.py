"""What an export looks like from outside, to be compared with that of the old estimator."""

from __future__ import annotations

import pathlib

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2


def describe_export(directory: str) -> dict:
    """Describes metagraphs, signatures, files and variables of a SavedModel, as JSON has it."""
    folder = pathlib.Path(directory)
    saved_model = saved_model_pb2.SavedModel()
    saved_model.ParseFromString((folder / "saved_model.pb").read_bytes())
    variables = tf.train.list_variables(str(folder / "variables" / "variables"))
    return {
        "metagraphs": {
            ",".join(metagraph.meta_info_def.tags): {
                name: _describe_signature(signature)
                for name, signature in metagraph.signature_def.items()
            }
            for metagraph in saved_model.meta_graphs
        },
        "files": sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()),
        "variables": {name: list(shape) for name, shape in variables},
    }


def _describe_signature(signature) -> dict:
    return {
        "method": signature.method_name,
        "inputs": {
            name: {**_describe_tensor(info), "tensor": info.name}
            for name, info in signature.inputs.items()
        },
        "outputs": {name: _describe_tensor(info) for name, info in signature.outputs.items()},
    }


def _describe_tensor(info) -> dict:
    shape = tf.TensorShape(info.tensor_shape)
    sizes = None if shape.rank is None else shape.as_list()
    return {"dtype": tf.as_dtype(info.dtype).name, "shape": sizes}
