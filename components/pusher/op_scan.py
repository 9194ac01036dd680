"""Finds ops in a SavedModel that have no place on a server.

Looked at is every node of the graph and of all functions in its library, also of those that no
signature reaches: what is in the file can be run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.node_references import producer

_PYTHON = "runs Python code of the process that traced it, which a server does not have"
_READS = "reads files or services that are not part of the model"
_WRITES = "writes files"
_UNKNOWN = "is unknown to TensorFlow: a server needs the library that has it"

_REASONS: Mapping[str, str] = {
    **dict.fromkeys(["PyFunc", "PyFuncStateless", "EagerPyFunc", "GeneratorDataset"], _PYTHON),
    **dict.fromkeys(
        [
            *("ReadFile", "MatchingFiles", "MatchingFilesDataset", "WholeFileReader"),
            *("WholeFileReaderV2", "TextLineReader", "TextLineReaderV2", "TFRecordReader"),
            *("TFRecordReaderV2", "FixedLengthRecordReader", "FixedLengthRecordReaderV2"),
            *("LMDBReader", "RecordInput", "TextLineDataset", "TFRecordDataset"),
            *("TFRecordDatasetV2", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2"),
            *("CSVDataset", "CSVDatasetV2", "LMDBDataset", "SqlDataset", "LoadDataset"),
            *("DataServiceDataset", "DataServiceDatasetV2", "DataServiceDatasetV3"),
            *("DataServiceDatasetV4", "ListSnapshotChunksDataset", "SnapshotChunkDataset"),
            *("SnapshotDatasetReader", "ExperimentalCSVDataset", "ExperimentalLMDBDataset"),
            *("ExperimentalMatchingFilesDataset", "ExperimentalSqlDataset"),
            "FileSystemSetConfiguration",
        ],
        _READS,
    ),
    **dict.fromkeys(
        [
            *("WriteFile", "SaveDataset", "SaveDatasetV2", "DatasetToTFRecord"),
            *("ExperimentalDatasetToTFRecord", "SnapshotDataset", "SnapshotDatasetV2"),
            *("DistributedSave", "RegisterDataset", "RegisterDatasetV2", "SummaryWriter"),
            *("CreateSummaryFileWriter", "CreateSummaryDbWriter"),
        ],
        _WRITES,
    ),
}
# These load and save the variables of every SavedModel; a request must not reach them.
_CHECKPOINT_OPS = frozenset(
    ["Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2"]
)
_TABLE_FILES = frozenset(["InitializeTableFromTextFile", "InitializeTableFromTextFileV2"])


@dataclasses.dataclass(frozen=True, kw_only=True, order=True)
class Finding:
    """An op that is denied.

    Attributes:
        op: Its type.
        where: A node of that type: its name, with the function it is in.
        reason: Why it is denied, in words.
    """

    op: str
    where: str
    reason: str

    def __str__(self) -> str:
        return f"{self.op} ({self.where}) {self.reason}"


def scan_ops(graph: Any, allowed: Collection[str] = ()) -> list[Finding]:
    """Finds denied ops in a metagraph, one finding for each type.

    Args:
        graph: A MetaGraphDef.
        allowed: Types of ops that are not denied.
    """
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    found: dict[str, Finding] = {}
    for where, node in _list_nodes(graph.graph_def):
        if node.op not in allowed and node.op not in functions and node.op not in found:
            reason = _find_reason(node)
            if reason:
                found[node.op] = Finding(op=node.op, where=where, reason=reason)
    for finding in (*_find_foreign_tables(graph), *_find_reached(graph, functions)):
        if finding.op not in allowed:
            found.setdefault(finding.op, finding)
    return sorted(found.values())


def _list_nodes(graph_def: Any) -> Iterator[tuple[str, Any]]:
    for node in graph_def.node:
        yield f"node {node.name!r}", node
    for function in graph_def.library.function:
        for node in function.node_def:
            yield f"node {node.name!r} of function {function.signature.name!r}", node


def _find_reason(node: Any) -> str | None:
    if node.op in _REASONS:
        return _REASONS[node.op]
    if node.op == "PrintV2" and node.attr["output_stream"].s.startswith(b"file://"):
        return _WRITES
    if not _is_known(node.op):
        return _UNKNOWN
    return None


def _is_known(op: str) -> bool:
    return op in _KNOWN or _ask_tensorflow(op)


_KNOWN = frozenset(dir(tf.raw_ops))


def _ask_tensorflow(op: str) -> bool:
    """Asks whether an op without a public Python function is registered, such as XlaSharding."""
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.add(name="asked", op=op)
    with tf.Graph().as_default():
        try:
            tf.graph_util.import_graph_def(graph_def)
        except (ValueError, tf.errors.OpError) as error:
            # A known op fails, too, for the inputs and attributes it is not given here.
            return "not registered" not in str(error)
    return True


def _find_foreign_tables(graph: Any) -> Iterator[Finding]:
    """Finds lookup tables that are filled from a file which is no asset of the model."""
    assets = {producer(asset.tensor_info.name) for asset in graph.asset_file_def}
    bodies = [graph.graph_def.node, *(f.node_def for f in graph.graph_def.library.function)]
    for body in bodies:
        nodes = {node.name: node for node in body}
        for node in body:
            if node.op in _TABLE_FILES and len(node.input) > 1:
                file = _follow_identities(node.input[1], nodes)
                if file is not None and file.op == "Const" and file.name not in assets:
                    yield Finding(op=node.op, where=f"node {node.name!r}", reason=_READS)


def _follow_identities(name: str, nodes: Mapping[str, Any]) -> Any:
    node = nodes.get(producer(name))
    while node is not None and node.op == "Identity":
        node = nodes.get(producer(node.input[0]))
    return node


def _find_reached(graph: Any, functions: Mapping[str, Any]) -> Iterator[Finding]:
    """Finds ops of checkpoints that a request would run."""
    nodes = {node.name: node for node in graph.graph_def.node}
    wanted = [
        producer(info.name)
        for name, signature in graph.signature_def.items()
        if not name.startswith("__saved_model")
        for info in signature.outputs.values()
    ]
    called: set[str] = set()
    for node in _walk(wanted, nodes):
        if node.op in _CHECKPOINT_OPS:
            yield Finding(op=node.op, where=f"node {node.name!r}", reason=_READS)
        called.update(_list_called(node, functions))
    pending = list(called)
    while pending:
        name = pending.pop()
        for node in functions[name].node_def:
            if node.op in _CHECKPOINT_OPS:
                where = f"node {node.name!r} of function {name!r}"
                yield Finding(op=node.op, where=where, reason=_READS)
            new = set(_list_called(node, functions)) - called
            called.update(new)
            pending.extend(new)


def _walk(wanted: Iterable[str], nodes: Mapping[str, Any]) -> Iterator[Any]:
    seen: set[str] = set()
    pending = list(wanted)
    while pending:
        name = pending.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name]
        pending.extend(producer(i) for i in nodes[name].input)


def _list_called(node: Any, functions: Mapping[str, Any]) -> Iterator[str]:
    if node.op in functions:
        yield node.op
    for value in node.attr.values():
        for function in (value.func, *value.list.func):
            if function.name in functions:
                yield function.name
