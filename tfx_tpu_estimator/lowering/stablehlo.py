"""Converts HLO to StableHLO that every PJRT plugin takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tfx_tpu_estimator.lowering import jax_compat

_COLLECTIVES = ("all_reduce", "all_gather", "all_to_all", "collective_permute", "reduce_scatter")


def convert_module(hlo: bytes) -> bytes:
    """Converts a serialized HLO module.

    Args:
      hlo: The module; its sums over replicas are of mode CrossReplica.

    Returns:
      The StableHLO module as MLIR bytecode.
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
        return jax_compat.module_to_bytecode(module)


def find_main(module: Any) -> Any:
    """Returns the function `main` of an MLIR module."""
    return next(op for op in module.body.operations if op.attributes["sym_name"].value == "main")


def list_operations(operation: Any) -> list[Any]:
    """Returns every operation inside an MLIR operation."""
    found: list[Any] = []
    _walk(operation, found.append)
    return found


def spread_module(
    module: Any,
    *,
    replicas: int,
    partitions: int,
    argument_shardings: Sequence[str],
    result_sharding: str,
) -> None:
    """Makes a module of one device one of several replicas, each cut into partitions; in place.

    Args:
      module: A jax program whose sums over replicas are those of `convert_module`.
      replicas: How many replicas.
      partitions: Devices of each.
      argument_shardings: How the partitions share each argument of `main`, in XLA's words.
      result_sharding: The same for all results.
    """
    from jax.extend.mlir import ir

    with module.context:
        _walk(module.operation, _drop_channel)
        number = ir.IntegerType.get_signless(32)
        attributes = module.operation.attributes
        attributes["mhlo.num_replicas"] = ir.IntegerAttr.get(number, replicas)
        attributes["mhlo.num_partitions"] = ir.IntegerAttr.get(number, partitions)
        main = find_main(module)
        results = len(ir.FunctionType(main.attributes["function_type"].value).results)
        _set_shardings(main, "arg_attrs", argument_shardings)
        _set_shardings(main, "res_attrs", [result_sharding] * results)


def _set_shardings(function: Any, name: str, shardings: Sequence[str]) -> None:
    """Adds shardings to what `name` says about the arguments or results of a function."""
    from jax.extend.mlir import ir

    attributes = function.attributes
    present = attributes[name] if name in attributes else [{}] * len(shardings)
    made = []
    for old, sharding in zip(present, shardings, strict=True):
        kept = {named.name: named.attr for named in old} if len(old) else {}
        made.append(ir.DictAttr.get({**kept, "mhlo.sharding": ir.StringAttr.get(sharding)}))
    attributes[name] = ir.ArrayAttr.get(made)


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


def _drop_channel(operation: Any) -> None:
    # With a channel XLA would take the groups for those of partitions.
    if operation.name.split(".")[-1] in _COLLECTIVES:
        for name in ("use_global_device_ids", "channel_handle"):
            if name in operation.attributes:
                del operation.attributes[name]


def _channel_setter() -> Callable[[Any], None]:
    """Returns what gives each sum over replicas a channel of its own, over all devices."""
    from jax.extend.mlir import ir

    # Those of collectives that jax puts around the program count from 1.
    channels: Iterator[int] = iter(range(1 << 20, 1 << 31))

    def visit(operation: Any) -> None:
        if operation.name.split(".")[-1] in _COLLECTIVES:
            operation.attributes["use_global_device_ids"] = ir.UnitAttr.get()
            operation.attributes["channel_handle"] = ir.Attribute.parse(
                f"#stablehlo.channel_handle<handle = {next(channels)}, type = 1>"
            )

    return visit
