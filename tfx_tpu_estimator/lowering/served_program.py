"""Part of a saved graph -> Program: nodes as they are in the file, for inputs of given shapes."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.extract import drop_nodes
from tfx_tpu_estimator.lowering.hlo import compile_function, make_stand_in
from tfx_tpu_estimator.lowering.host_side import prune_host_ops
from tfx_tpu_estimator.lowering.node_references import producer, tensor_name
from tfx_tpu_estimator.lowering.program import Program, StateSignature, TensorSignature
from tfx_tpu_estimator.lowering.stablehlo import convert_module
from tfx_tpu_estimator.lowering.tf_internals_tracing import eager_mode, list_device_ops
from tfx_tpu_estimator.lowering.unsupported import list_functions, needs_strings
from tfx_tpu_estimator.modes import ModeKeys

# With one replica each of them returns its first input.
_COLLECTIVES = ("CrossReplicaSum", "AllToAll", "CollectivePermute")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServedPart:
    """Nodes of a saved graph that become one program.

    Attributes:
      name: For messages.
      graph_def: The nodes, with the functions that they call; not those of inputs and handles.
      inputs: Names of the tensors that go in.
      handles: By name of a tensor that is a variable's handle, the variable's node.
      outputs: Names of the tensors that come out, with their types.
    """

    name: str
    graph_def: tf.compat.v1.GraphDef
    inputs: tuple[str, ...]
    handles: dict[str, str]
    outputs: tuple[tuple[str, str], ...]

    def count_ops(self) -> dict[str, int]:
        """Returns how many ops of each type there are, those of called functions included."""
        return dict(sorted(Counter(node.op for node in self._walk()).items()))

    def validate(self) -> None:
        """Checks that XLA has every op.

        Raises:
          ValueError: It lacks one; names it.
        """
        known = list_device_ops() | {f.signature.name for f in self.graph_def.library.function}
        known |= {*_COLLECTIVES}
        for node in self._walk():
            if node.op not in known or needs_strings(node):
                kind = f"{node.op} (string)" if node.op in known else node.op
                raise ValueError(
                    f"Op `{node.name}` of type {kind} is inside the TPU computation "
                    f"`{self.name}`, and no TPU can run it."
                )

    def _walk(self) -> list[Any]:
        library = {f.signature.name: f for f in self.graph_def.library.function}
        found: list[Any] = []
        waiting, seen = [self.graph_def.node], set()
        while waiting:
            for node in waiting.pop():
                found.append(node)
                for name in [node.op, *list_functions(node)]:
                    if name in library and name not in seen:
                        seen.add(name)
                        waiting.append(library[name].node_def)
        return found


def lower_part(
    part: ServedPart, inputs: Sequence[TensorSignature], state: Sequence[StateSignature]
) -> Program:
    """Lowers a part of a saved graph.

    Args:
      part: The nodes.
      inputs: Of `part.inputs`, in order.
      state: The variables of `part.handles`, each once, by name of their nodes.

    Returns:
      The program, for one replica.

    Raises:
      ValueError: XLA lacks an op, or needs a shape that is not static.
    """
    part = _prepare(part)
    part.validate()
    specs = [tf.TensorSpec(signature.shape, signature.dtype) for signature in inputs]
    names = [name for name, _ in part.outputs]
    try:
        with eager_mode(), tf.device("/cpu:0"):
            stand_ins = [make_stand_in(s.shape, tf.as_dtype(s.dtype)) for s in state]
            by_name = {s.name: v for s, v in zip(state, stand_ins, strict=True)}
            importer = _make_importer(part, by_name, names)
            hlo, order = compile_function(importer, specs, stand_ins)
    except (tf.errors.OpError, ValueError, TypeError) as error:
        raise ValueError(
            f"The TPU computation `{part.name}` cannot be lowered to XLA: {_shorten(error)}"
        ) from error
    shapes = jax_compat.list_result_shapes(hlo)
    outputs = [
        TensorSignature(name=name, shape=_static(part, name, shape), dtype=dtype)
        for (name, dtype), shape in zip(part.outputs, shapes, strict=False)
    ]
    return Program(
        mode=ModeKeys.PREDICT,
        num_replicas=1,
        module=_convert(part, hlo),
        inputs=tuple(inputs),
        state=tuple(state),
        outputs=tuple(outputs),
        # The position, which a part of a saved graph does not take, comes first.
        parameters=tuple(1 + index for index in order),
    )


def _make_importer(part: ServedPart, variables: dict[str, tf.Variable], names: list[str]) -> Any:
    def run(*arguments: tf.Tensor) -> list[tf.Tensor]:
        mapped: dict[str, tf.Tensor] = dict(zip(part.inputs, arguments, strict=True))
        graph: Any = tf.compat.v1.get_default_graph()
        for handle, variable in part.handles.items():
            mapped[handle] = graph.capture(variables[variable].handle)
        read = {tensor_name(i) for node in part.graph_def.node for i in node.input}
        made = tf.compat.v1.import_graph_def(
            part.graph_def,
            input_map={name: tensor for name, tensor in mapped.items() if name in read},
            return_elements=names,
            name="",
        )
        return [tf.identity(tensor) for tensor in made]

    return run


def _prepare(part: ServedPart) -> ServedPart:
    """Returns a copy without what only a TPU's runtime or a host reads."""
    prepared = drop_nodes(part.graph_def, set())
    outputs = [producer(name) for name, _ in part.outputs]
    prune_host_ops(tf.Graph(), prepared, outputs)
    for nodes in (prepared.node, *(f.node_def for f in prepared.library.function)):
        for node in nodes:
            if node.op in _COLLECTIVES:
                _make_identity(node)
            for name in [n for n in node.attr if n.startswith(("_xla", "_tpu"))]:
                del node.attr[name]
    return dataclasses.replace(part, graph_def=prepared)


def _make_identity(node: Any) -> None:
    dtype = node.attr["T"].type
    node.op = "Identity"
    first = node.input[0]
    del node.input[:]
    node.input.append(first)
    node.attr.clear()
    node.attr["T"].type = dtype


def _convert(part: ServedPart, hlo: bytes) -> bytes:
    try:
        return convert_module(hlo)
    except Exception as error:  # jaxlib has no narrower type for what it cannot convert
        raise ValueError(
            f"The TPU computation `{part.name}` has tensors whose size depends on data, used in a "
            f"way that cannot be lowered. The converter says: {_shorten(error)}"
        ) from error


def _static(part: ServedPart, name: str, shape: tuple[int | None, ...]) -> tuple[int, ...]:
    known = tuple(size for size in shape if size is not None)
    if len(known) != len(shape):
        raise ValueError(
            f"The TPU computation `{part.name}` returns `{name}`, whose shape depends on data; "
            "no TPU program can."
        )
    return known


def _shorten(error: Exception) -> str:
    """Returns what TensorFlow says of an op, without stacks of calls."""
    text = re.sub(
        r"\n(Stack trace|\s*\[\[|Detected at|Original stack).*", "", str(error), flags=re.S
    )
    return " ".join(text.split())[:600]
