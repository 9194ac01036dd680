"""Converts HLO to StableHLO that every PJRT plugin takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tfx_tpu_estimator.lowering import jax_compat

_COLLECTIVES = ("all_reduce", "all_gather", "all_to_all", "collective_permute", "reduce_scatter")


def convert_module(hlo: bytes) -> tuple[bytes, list[tuple[tuple[int | None, ...], str]]]:
    """Converts a serialized HLO module.

    Args:
      hlo: The module; its sums over replicas are of mode CrossReplica.

    Returns:
      The StableHLO module as MLIR bytecode, and for each result of `main` its shape (None where it
      depends on data) and element type.
    """
    jax_compat.import_jax()
    from jax.extend.mlir import ir

    bytecode = jax_compat.hlo_to_stablehlo(hlo)
    with jax_compat.mlir_context() as context:
        module = ir.Module.parse(bytecode, context)
        _walk(module.operation, _replace_copy)
        _walk(module.operation, _channel_setter())
        # Equal models give equal bytes, whatever was traced before them.
        module.operation.attributes["sym_name"] = ir.StringAttr.get("program")
        jax_compat.strip_locations(module)
        return jax_compat.module_to_bytecode(module), _describe_results(module)


def find_main(module: Any) -> Any:
    """Returns the function `main` of an MLIR module."""
    return next(op for op in module.body.operations if op.attributes["sym_name"].value == "main")


def _walk(operation: Any, visit: Callable[[Any], None]) -> None:
    """Calls `visit` on every operation, those inside first."""
    for region in operation.regions:
        for block in region.blocks:
            for inner in list(block.operations):
                _walk(inner.operation, visit)
                visit(inner.operation)


def _replace_copy(operation: Any) -> None:
    # TensorFlow emits it for variables that share memory; libtpu refuses it, the CPU does not.
    if operation.name == "mhlo.copy":
        operation.results[0].replace_all_uses_with(operation.operands[0])
        operation.erase()


def _channel_setter() -> Callable[[Any], None]:
    """Returns what gives each sum over replicas a channel of its own, over all devices."""
    from jax.extend.mlir import ir

    channels: Iterator[int] = iter(range(1, 1 << 31))

    def visit(operation: Any) -> None:
        if operation.name.split(".")[-1] in _COLLECTIVES:
            operation.attributes["use_global_device_ids"] = ir.UnitAttr.get()
            operation.attributes["channel_handle"] = ir.Attribute.parse(
                f"#stablehlo.channel_handle<handle = {next(channels)}, type = 1>"
            )

    return visit


def list_result_types(module: Any) -> list[Any]:
    """Returns the MLIR types of what `main` returns, out of the tuple if it returns one."""
    from jax.extend.mlir import ir

    function_type = ir.FunctionType(find_main(module).attributes["function_type"].value)
    results = list(function_type.results)
    if len(results) == 1 and str(results[0]).startswith("tuple<"):
        packed = ir.TupleType(results[0])
        return [packed.get_type(i) for i in range(packed.num_types)]
    return results


def _describe_results(module: Any) -> list[tuple[tuple[int | None, ...], str]]:
    from jax.extend.mlir import ir

    described = []
    for result in list_result_types(module):
        ranked = ir.RankedTensorType(result)
        # A bounded dynamic size is written in the type's encoding.
        shape = tuple(
            None if ranked.is_dynamic_dim(i) else ranked.get_dim_size(i) for i in range(ranked.rank)
        )
        described.append((shape, str(ranked.element_type)))
    return described
