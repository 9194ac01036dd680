"""From the device part of a graph to a Program: HLO by TensorFlow, StableHLO by jax."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.extract import DeviceGraph, extract_device_graph
from tfx_tpu_estimator.lowering.program import Program, StateSignature, TensorSignature
from tfx_tpu_estimator.lowering.stablehlo import convert_module
from tfx_tpu_estimator.lowering.tf_internals_tracing import eager_mode
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.lowering.unsupported import describe_origin, find_op, walk_nodes


def lower_model(
    traced: TracedModel,
    device_graph: DeviceGraph | None = None,
    widths: Mapping[str, int] | None = None,
) -> Program:
    """Lowers a traced model to the program of one of its replicas.

    Args:
      traced: The model.
      device_graph: What `extract_device_graph` returned for it, if that is known.
      widths: Of inputs whose rows the host fills up, by name, how long the rows are. Default: 1.

    Returns:
      The program.

    Raises:
      ValueError: Something of the model cannot be lowered; names the op, the line of the user's
        code that made it, and the way out.
    """
    device_graph = device_graph or extract_device_graph(traced)
    inputs = _describe_inputs(device_graph, widths or {})
    hlo, parameters = _lower_to_hlo(traced, device_graph, inputs)
    state = _describe_state(device_graph)
    outputs = _describe_outputs(traced, hlo)
    try:
        module = convert_module(hlo)
    except Exception as error:  # jaxlib has no narrower type for what it cannot convert
        raise _conversion_error(error) from error
    return Program(
        mode=traced.mode,
        num_replicas=traced.num_replicas,
        module=module,
        inputs=inputs,
        state=state,
        outputs=outputs,
        parameters=parameters,
    )


def _static_shape(shape: tf.TensorShape) -> tuple[int, ...]:
    """Returns the sizes of a shape that was checked to be static."""
    return tuple(int(size) for size in shape.as_list() if size is not None)


def _describe_inputs(
    device_graph: DeviceGraph, widths: Mapping[str, int]
) -> tuple[TensorSignature, ...]:
    of_host = () if device_graph.host is None else device_graph.host.outputs
    shapes = {
        **{n: t.shape for n, t in zip(device_graph.input_names, device_graph.inputs, strict=True)},
        **{output.name: output.spec.shape for output in of_host},
    }
    return tuple(
        TensorSignature(
            name=name,
            shape=tuple(widths.get(name, 1) if n is None else n for n in shapes[name].as_list()),
            dtype=tensor.dtype.name,
        )
        for name, tensor in zip(device_graph.input_names, device_graph.inputs, strict=True)
    )


def _describe_outputs(traced: TracedModel, hlo: bytes) -> tuple[TensorSignature, ...]:
    """Returns what the program returns first, whose shapes XLA may know better than TensorFlow."""
    described = []
    shapes = jax_compat.list_result_shapes(hlo)
    for (name, tensor), shape in zip(traced.outputs.tensors.items(), shapes, strict=False):
        known = tuple(size for size in shape if size is not None)
        if len(known) != len(shape):
            raise _dynamic_result_error(name, tensor)
        described.append(TensorSignature(name=name, shape=known, dtype=tensor.dtype.name))
    return tuple(described)


def _describe_state(device_graph: DeviceGraph) -> tuple[StateSignature, ...]:
    return tuple(
        StateSignature(
            name=v.op.name,
            shape=_static_shape(v.shape),
            dtype=v.dtype.base_dtype.name,
            updated=updated,
        )
        for v, updated in zip(device_graph.variables, device_graph.updated, strict=True)
    )


def _lower_to_hlo(
    traced: TracedModel, device_graph: DeviceGraph, inputs: Sequence[TensorSignature]
) -> tuple[bytes, tuple[int, ...]]:
    """Returns the serialized HLO and the order of its parameters."""
    specs = [tf.TensorSpec(traced.position.shape, traced.position.dtype)]
    specs += [tf.TensorSpec(signature.shape, signature.dtype) for signature in inputs]
    with eager_mode(), tf.device("/cpu:0"):
        stand_ins = [_make_stand_in(v) for v in device_graph.variables]
        run = _importer(traced, device_graph, stand_ins)
        try:
            return compile_function(run, specs, stand_ins)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise _lowering_error(traced.graph, error) from error


def compile_function(
    function: Any, specs: Sequence[tf.TensorSpec], stand_ins: list[tf.Variable]
) -> tuple[bytes, tuple[int, ...]]:
    """Lowers a function that builds graph ops; only in eager mode.

    Args:
      function: Takes tensors of `specs`, captures handles of `stand_ins`, returns tensors.
      specs: Of static shapes.
      stand_ins: From `make_stand_in`; hold nothing afterwards.

    Returns:
      The serialized HLO, and for each of its parameters the index among specs and stand-ins.

    Raises:
      tf.errors.OpError, ValueError, TypeError: TensorFlow cannot lower it.
    """
    handles = [id(v.handle) for v in stand_ins]
    wrapped = tf.compat.v1.wrap_function(function, specs)
    compiled = tf.function(
        lambda *arguments: wrapped(*arguments), jit_compile=True, autograph=False
    )
    captured = [id(h) for h in compiled.get_concrete_function(*specs).captured_inputs]
    try:
        hlo = compiled.experimental_get_compiler_ir(*specs)(stage="hlo_serialized")
    finally:
        _empty(stand_ins)
    # Parameters are the arguments, the unused ones too, and then what the function captured.
    captures = [len(specs) + handles.index(handle) for handle in captured]
    return hlo, (*range(len(specs)), *captures)


def _make_stand_in(variable: tf.Variable) -> tf.Variable:
    return make_stand_in(_static_shape(variable.shape), variable.dtype.base_dtype)


def make_stand_in(shape: Sequence[int], dtype: tf.DType) -> tf.Variable:
    """Makes an eager variable: lowering asks for one that holds something.

    What it holds does not matter. Memory that nobody has written to costs nothing.
    """
    return tf.Variable(tf.raw_ops.Empty(shape=shape, dtype=dtype, init=False), trainable=False)


def _empty(variables: list[tf.Variable]) -> None:
    """Frees what the variables hold; TensorFlow keeps them as long as functions of theirs."""
    for variable in variables:
        tf.raw_ops.AssignVariableOp(
            resource=variable.handle, value=tf.zeros([0], variable.dtype.base_dtype)
        )


def _importer(traced: TracedModel, device_graph: DeviceGraph, stand_ins: list[tf.Variable]) -> Any:
    """Returns a function of the feeds that runs the device part on `stand_ins`."""
    feeds = (traced.position, *device_graph.inputs)
    fetches = [tensor.name for tensor in traced.outputs.tensors.values()]
    if traced.train_op is not None:
        fetches.append(traced.train_op.name)

    def run(*arguments: tf.Tensor) -> list[tf.Tensor]:
        mapped: dict[str, tf.Tensor] = {
            feed.name: argument
            for feed, argument in zip(feeds, arguments, strict=True)
            if feed.name in device_graph.fed
        }
        graph = tf.compat.v1.get_default_graph()
        for variable, stand_in in zip(device_graph.variables, stand_ins, strict=True):
            mapped[variable.handle.name] = graph.capture(stand_in.handle)
        made = tf.compat.v1.import_graph_def(
            device_graph.graph_def, input_map=mapped, return_elements=fetches, name=""
        )
        updates = [made[-1]] if traced.train_op is not None else []
        outputs = made[: len(traced.outputs.tensors)]
        with tf.control_dependencies([*updates, *outputs]):
            read = [
                stand_in.read_value()
                for stand_in, updated in zip(stand_ins, device_graph.updated, strict=True)
                if updated
            ]
            return [tf.identity(output) for output in outputs] + read

    return run


def _dynamic_result_error(name: str, tensor: tf.Tensor) -> ValueError:
    return ValueError(
        f"Op `{tensor.op.name}` of type {tensor.op.type}, made at "
        f"{describe_origin(tensor.op)}, gives `{name}` a shape that depends on data, "
        "which a TPU program cannot return. Return a tensor of static shape (for instance a mask "
        "instead of the selected rows) and select on the host, in host_call or metric_fn."
    )


def _conversion_error(error: Exception) -> ValueError:
    return ValueError(
        "The model's tensors whose size depends on data (tf.boolean_mask, tf.where with one "
        "argument, tf.unique, tf.math.segment_sum) are used in a way that cannot be lowered to a "
        "TPU program. Multiply by a mask instead of selecting, or select in input_fn or "
        f"metric_fn. The converter says: {str(error)[:500]}"
    )


def _lowering_error(graph: tf.Graph, error: Exception) -> ValueError:
    """Says which op TensorFlow could not lower, and who made it."""
    text = str(error)
    said = _without_stacks(text)
    names = re.findall(r"{{(?:function_node [^}]*|node ([^}]+))}}|\[\[([^\]{}]+)\]\]", text)
    wanted = {part for match in names for part in match if part}
    for node, owner in walk_nodes(graph, graph.as_graph_def()):
        op = find_op(owner, node.name) if node.name in wanted and owner is not None else None
        if op is not None:
            return ValueError(
                f"Op `{op.name}` of type {op.type}, made at {describe_origin(op)}, cannot "
                "be lowered to a TPU program. Make its shapes and its shape arguments static, or "
                f"do it on the host, in input_fn or host_call. TensorFlow says: {said}"
            )
    return ValueError(
        "The model cannot be lowered to a TPU program. Make shapes static, or do what is meant "
        f"here on the host, in input_fn or host_call. TensorFlow says: {said}"
    )


def _without_stacks(text: str) -> str:
    """Returns what TensorFlow says of an op, without stand-ins of lines and hints for debuggers."""
    text = re.sub(r"\n(Stack trace|\s*\[\[|Detected at|Original stack).*", "", text, flags=re.S)
    return " ".join(re.sub(r"^Failed getting HLO text: '", "", text).split())
