"""Calls a Program's StableHLO from inside a jax function."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.program import Program
from tfx_tpu_estimator.lowering.stablehlo import find_main


def bind_program(
    program: Program, position: Any, inputs: Sequence[Any], state: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Any]]:
    """Runs one step of one replica, in a jax function that is being traced.

    Args:
      program: What to run.
      position: int64 [2], global step and replica id.
      inputs: The replica's batch, in order of `program.inputs`.
      state: Variables by name.

    Returns:
      New values of the variables that the step updates, and the outputs in order.
    """
    values = [position, *inputs, *(state[variable.name] for variable in program.state)]
    results = _primitive().bind(*(values[i] for i in program.parameters), program=_Key(program))
    outputs, updates = results[: len(program.outputs)], results[len(program.outputs) :]
    names = [variable.name for variable in program.updated_state]
    return dict(zip(names, updates, strict=True)), list(outputs)


class _Key:
    """A program as a parameter of a jax primitive: hashed by its digest."""

    def __init__(self, program: Program):
        self.program = program

    def __hash__(self) -> int:
        return hash(self.program.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.program.digest == other.program.digest

    def __repr__(self) -> str:
        return f"program {self.program.digest[:12]}"


@functools.cache
def _primitive() -> Any:
    """The jax primitive that stands for a program; made once, when jax is there."""
    jax_compat.import_jax()
    from jax.extend import core
    from jax.interpreters import mlir

    primitive = core.Primitive("tensorflow_program")
    primitive.multiple_results = True
    primitive.def_abstract_eval(_describe_results)
    rule: Any = _lower  # jax's type for it leaves no room for parameters
    mlir.register_lowering(primitive, rule)
    return primitive


def _describe_results(*_: Any, program: _Key) -> list[Any]:
    from jax.core import ShapedArray

    signatures = [*program.program.outputs, *program.program.updated_state]
    return [ShapedArray(s.shape, s.numpy_dtype) for s in signatures]


def _lower(context: Any, *arguments: Any, program: _Key) -> list[Any]:
    """Puts the program's module into the one that jax is building, and calls it."""
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import func
    from jax.interpreters import mlir

    module_context = context.module_context
    module = ir.Module.parse(program.program.module, module_context.context)
    function_type = ir.FunctionType(find_main(module).attributes["function_type"].value)
    types = list(function_type.results)
    name = mlir.merge_mlir_modules(
        module_context.module,
        f"program_{program.program.digest[:12]}",
        module,
        dst_symtab=module_context.symbol_table,
    )
    call = func.CallOp(types, ir.FlatSymbolRefAttr.get(name), list(arguments))
    results = _unpack(call.results, types)
    # Beyond these the module returns updated variables once more, in an order of its own.
    return results[: len(context.avals_out)]


def _unpack(results: Any, types: list[Any]) -> list[Any]:
    """Takes results out of the tuple in which older converters return several."""
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import stablehlo

    if not (len(types) == 1 and str(types[0]).startswith("tuple<")):
        return list(results)
    number = ir.IntegerType.get_signless(32)
    count = ir.TupleType(types[0]).num_types
    return [
        stablehlo.GetTupleElementOp(results[0], ir.IntegerAttr.get(number, i)).result
        for i in range(count)
    ]
