"""Leaves all metagraphs but {serve} out of a SavedModel.

For clients that cannot choose tags: they refuse a SavedModel with two metagraphs. The variables
are those of the model, which both metagraphs read.
"""

from __future__ import annotations

import os

from tensorflow.core.protobuf import saved_model_pb2
from tfx.dsl.io import fileio

from ..constants import SAVED_MODEL_FILE, SERVE_TAGS
from ..saved_model import read_meta_graphs, summarize_meta_graphs


def keep_serve_only(model_path: str) -> bytes:
    """Returns the contents of a saved_model.pb that has {serve} only.

    Args:
        model_path: A SavedModel directory.

    Returns:
        The serialized SavedModel; the same bytes for the same model.

    Raises:
        ValueError: If there is no {serve}, or its signatures would change.
    """
    before = read_meta_graphs(model_path)
    if SERVE_TAGS not in before:
        raise ValueError(
            f"the model at {model_path} has no {{serve}} metagraph, which `serve_only` would keep."
        )
    model = saved_model_pb2.SavedModel()
    with fileio.open(os.path.join(model_path, SAVED_MODEL_FILE), "rb") as file:
        model.ParseFromString(file.read())
    kept = [graph for graph in model.meta_graphs if set(graph.meta_info_def.tags) == {*SERVE_TAGS}]
    del model.meta_graphs[:]
    model.meta_graphs.extend(kept)
    content = model.SerializeToString(deterministic=True)
    after = summarize_meta_graphs(saved_model_pb2.SavedModel.FromString(content))
    if after != {SERVE_TAGS: before[SERVE_TAGS]}:
        raise ValueError(
            f"{{serve}} of {model_path} changed when it was written alone: its signatures were "
            f"{sorted(before[SERVE_TAGS].signatures)}. Nothing was pushed."
        )
    return content
