"""Reads what a SavedModel directory holds, without running it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tfx.dsl.io import fileio
from tfx.utils import path_utils

from .constants import SAVED_MODEL_FILE


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetaGraph:
    """One metagraph of a SavedModel.

    Attributes:
        tags: Its tags, sorted.
        signatures: Signature names, with the (kind, tensor name, dtype) triples of each.
        ops: Types of all ops, those in its functions included.
    """

    tags: tuple[str, ...]
    signatures: Mapping[str, frozenset[tuple[str, str, int]]]
    ops: frozenset[str]


def find_saved_model(path: str, argument: str = "MODEL") -> str:
    """Returns the SavedModel directory of a model.

    Args:
        path: A SavedModel directory or the directory of a Model artifact.
        argument: Its name on the command line, for the message.

    Raises:
        FileNotFoundError: If it is neither.
    """
    for candidate in (path, path_utils.serving_model_dir(path)):
        if fileio.exists(os.path.join(candidate, SAVED_MODEL_FILE)):
            return candidate.rstrip("/")
    raise FileNotFoundError(
        f"`{argument}` must be a directory with a {SAVED_MODEL_FILE}, or a Model artifact; {path} "
        f"{_describe_other(path)}."
    )


def _describe_other(path: str) -> str:
    if not fileio.exists(path):
        return "does not exist"
    if not fileio.isdir(path):
        return f"is a file; its directory is {os.path.dirname(path) or '.'}"
    names = (os.fsdecode(name).rstrip("/") for name in fileio.listdir(path))
    versions = sorted((name for name in names if name.isdigit()), key=int)
    return "is a directory without one" + (f"; it has {', '.join(versions)}" if versions else "")


def read_meta_graphs(path: str) -> dict[tuple[str, ...], MetaGraph]:
    """Parses `saved_model.pb` of a directory.

    Args:
        path: A SavedModel directory, on any file system TFX reads.

    Returns:
        Its metagraphs, by sorted tags.

    Raises:
        ValueError: If there is no saved_model.pb or it does not parse.
    """
    file = os.path.join(path, SAVED_MODEL_FILE)
    if not fileio.exists(file):
        raise ValueError(f"there is no {SAVED_MODEL_FILE} in {path}: it is not a SavedModel.")
    with fileio.open(file, "rb") as opened:
        content = opened.read()
    model = saved_model_pb2.SavedModel()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        raise ValueError(f"{file} cannot be parsed as a SavedModel: {error}.") from error
    graphs = summarize_meta_graphs(model)
    if not graphs:
        raise ValueError(f"{file} holds no metagraph.")
    return graphs


def summarize_meta_graphs(model: saved_model_pb2.SavedModel) -> dict[tuple[str, ...], MetaGraph]:
    """Returns the metagraphs of a parsed SavedModel, by sorted tags."""
    graphs = [_summarize(graph) for graph in model.meta_graphs]
    return {graph.tags: graph for graph in graphs}


def list_tag_sets(path: str) -> list[tuple[str, ...]]:
    """Returns the tag sets of a SavedModel, shortest first."""
    return sorted(read_meta_graphs(path), key=lambda tags: (len(tags), tags))


def _summarize(graph) -> MetaGraph:
    ops = {node.op for node in graph.graph_def.node}
    for function in graph.graph_def.library.function:
        ops.update(node.op for node in function.node_def)
    return MetaGraph(
        tags=tuple(sorted(graph.meta_info_def.tags)),
        signatures={
            name: _summarize_signature(signature)
            for name, signature in graph.signature_def.items()
            # TensorFlow's own marker for the initialisation op, present in some metagraphs only.
            if not name.startswith("__saved_model")
        },
        ops=frozenset(ops),
    )


def _summarize_signature(signature) -> frozenset[tuple[str, str, int]]:
    inputs = {("input", name, info.dtype) for name, info in signature.inputs.items()}
    outputs = {("output", name, info.dtype) for name, info in signature.outputs.items()}
    return frozenset(inputs | outputs | {("method", signature.method_name, 0)})
