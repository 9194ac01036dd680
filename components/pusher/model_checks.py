"""Checks of a SavedModel that are made before anything is pushed."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tfx.dsl.io import fileio

from tfx_tpu_estimator.tensorflow_messages import without_graph_stack, without_tensorflow_warnings

from ..constants import SAVED_MODEL_FILE, SERVE_TAGS, SERVE_TPU_TAGS
from ..saved_model import MetaGraph, read_meta_graphs
from .op_scan import Finding, scan_ops
from .options import PusherOptions

_logger = logging.getLogger(__name__)

# Either of these makes a server run the graph's function on TPU cores.
_TPU_OPS = frozenset(["TPUPartitionedCall", "TPUReplicateMetadata", "TPUReplicate"])


def check_model(path: str, options: PusherOptions) -> None:
    """Checks that the SavedModel at `path` can be served.

    Args:
        path: The SavedModel directory.
        options: Which checks to make.

    Raises:
        ValueError: If the model fails a check; the message says which.
    """
    graphs = read_meta_graphs(path)
    if SERVE_TAGS not in graphs:
        raise ValueError(f"the model at {path} {_describe(graphs)}; {{serve}} is needed to serve.")
    if SERVE_TPU_TAGS in graphs:
        _check_tpu_graph(path, graphs[SERVE_TAGS], graphs[SERVE_TPU_TAGS])
    elif options.require_tpu_metagraph and not options.serve_only:
        raise ValueError(
            f"the model at {path} {_describe(graphs)}, not {{serve, tpu}}. Export with "
            "`export_to_tpu=True`, or push it all the same with "
            "`options=PusherOptions(require_tpu_metagraph=False)` (--no-require-tpu)."
        )
    _check_ops(path, options)
    if options.load_model:
        _check_loads(path)


def _check_tpu_graph(path: str, serve: MetaGraph, tpu: MetaGraph) -> None:
    if not tpu.ops & _TPU_OPS:
        raise ValueError(
            f"the {{serve, tpu}} metagraph of {path} has no TPU computation in it (none of "
            f"{', '.join(sorted(_TPU_OPS))}): it would run on the host. Export the model again."
        )
    if serve.signatures != tpu.signatures:
        differing = sorted(
            name
            for name in {*serve.signatures, *tpu.signatures}
            if serve.signatures.get(name) != tpu.signatures.get(name)
        )
        raise ValueError(
            f"the metagraphs {{serve}} and {{serve, tpu}} of {path} differ in the signatures "
            f"{differing}: a request that one answers, the other would refuse. Export the model "
            "again."
        )


def _check_ops(path: str, options: PusherOptions) -> None:
    """Refuses ops that have no place on a server, in the metagraphs that are pushed."""
    model = saved_model_pb2.SavedModel()
    with fileio.open(os.path.join(path, SAVED_MODEL_FILE), "rb") as file:
        model.ParseFromString(file.read())
    findings: set[Finding] = set()
    for graph in model.meta_graphs:
        if not options.serve_only or tuple(graph.meta_info_def.tags) == SERVE_TAGS:
            findings.update(scan_ops(graph, options.allowed_ops))
    if findings:
        ops = sorted({finding.op for finding in findings})
        raise ValueError(
            f"the model at {path} has ops that no model is pushed with: "
            f"{'; '.join(str(finding) for finding in sorted(findings))}. Export it without them, "
            f"or allow them with `allowed_ops={tuple(ops)}` (--allow-op)."
        )


def _check_loads(path: str) -> None:
    _logger.info("Loading {serve} of %s to check it.", path)
    # TensorFlow advises its newer loader, which no server uses.
    with without_tensorflow_warnings(), tf.Graph().as_default(), tf.compat.v1.Session() as session:
        try:
            tf.compat.v1.saved_model.load(session, list(SERVE_TAGS), path)
        except (tf.errors.OpError, OSError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"the {{serve}} metagraph of {path} cannot be loaded: {_describe_failure(error)}. "
                "Export the model again, or copy it again."
            ) from error


def _describe_failure(error: Exception) -> str:
    """Returns what went wrong, in one line."""
    return " ".join(without_graph_stack(error).split()).removesuffix(".")


def _describe(graphs: Mapping[tuple[str, ...], MetaGraph]) -> str:
    return "has the metagraphs " + ", ".join(
        "{" + ", ".join(tags) + "}" for tags in sorted(graphs, key=len)
    )
