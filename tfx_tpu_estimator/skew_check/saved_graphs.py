"""Reads a SavedModel as a file: its metagraphs, and whether its variables are there."""

from __future__ import annotations

import os
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

SERVE = frozenset({tf.saved_model.SERVING})
SERVE_TPU = frozenset({tf.saved_model.SERVING, tf.saved_model.TPU})


def read_metagraphs(directory: str) -> dict[frozenset[str], Any]:
    """Reads the metagraphs of a SavedModel.

    Args:
      directory: Where saved_model.pb or saved_model.pbtxt is.

    Returns:
      {tag set: MetaGraphDef}, with {serve} and {serve, tpu} among them.

    Raises:
      ValueError: There is none, it is damaged, or lacks one of the two.
    """
    saved_model = _read_file(directory)
    found = {frozenset(m.meta_info_def.tags): m for m in saved_model.meta_graphs}
    for tags, option in ((SERVE, "export_to_cpu"), (SERVE_TPU, "export_to_tpu")):
        if tags not in found:
            raise ValueError(
                f"`saved_model_dir` {directory!r} has no metagraph {describe_tags(tags)}; it has "
                f"{', '.join(sorted(map(describe_tags, found))) or 'none'}. Both are compared: "
                f"export with TPUEstimator(..., {option}=True)."
            )
    _validate_variables(directory, found[SERVE_TPU])
    return found


def describe_tags(tags: frozenset[str]) -> str:
    """Returns a tag set as people write it."""
    return "{" + ", ".join(sorted(tags)) + "}"


def variables_prefix(directory: str) -> str:
    """Returns the prefix of the checkpoint inside a SavedModel."""
    return os.path.join(directory, "variables", "variables")


def _read_file(directory: str) -> Any:
    binary = os.path.join(directory, "saved_model.pb")
    text = os.path.join(directory, "saved_model.pbtxt")
    path = binary if tf.io.gfile.exists(binary) else text
    if not tf.io.gfile.exists(path):
        there = tf.io.gfile.isdir(directory)
        found = "there is no saved_model.pb in it" if there else "there is no such directory"
        raise ValueError(
            f"`saved_model_dir` {directory!r} is no SavedModel: {found}. "
            "Give the directory of one version, such as <export_dir_base>/<seconds>."
        )
    saved_model = saved_model_pb2.SavedModel()
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            content = file.read()
        if path == binary:
            saved_model.ParseFromString(content)
        else:
            text_format.Parse(content, saved_model)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError, tf.errors.OpError) as error:
        raise ValueError(
            f"{path!r} is truncated or damaged and cannot be read: {_one_line(error)}. Copy or "
            "export the model again."
        ) from error
    if not saved_model.meta_graphs:
        raise ValueError(f"{path!r} holds no metagraph: it is empty or truncated. Export again.")
    return saved_model


def _validate_variables(directory: str, metagraph: Any) -> None:
    reads = any(n.op in ("VarHandleOp", "VariableV2") for n in metagraph.graph_def.node)
    if not reads:
        return
    prefix = variables_prefix(directory)
    if not tf.io.gfile.exists(f"{prefix}.index"):
        raise ValueError(
            f"`saved_model_dir` {directory!r} lacks its variables: there is no {prefix}.index. "
            "Copy the folder variables/ as well, or export again."
        )
    index = int(tf.io.gfile.stat(f"{prefix}.index").length)
    if not index or not tf.io.gfile.glob(f"{prefix}.data-*"):
        raise ValueError(
            f"`saved_model_dir` {directory!r} has an incomplete folder variables/: "
            f"{'the index is empty' if not index else 'the data files are missing'}. Copy it "
            "whole, or export again."
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
