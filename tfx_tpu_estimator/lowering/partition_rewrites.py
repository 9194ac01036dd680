"""Keeps XLA's SPMD partitioner away from what it has been seen to get wrong.

Gradients of convolutions on random networks were compared with those of one device, with the XLA of
jaxlib 0.4.34 and of 0.10.2. Wrong ones, without any error, came from

- dimensions so short that a core has a single row or none, mostly with strides;
- grouped (depthwise) convolutions where the batch is cut as well as another dimension.

Such convolutions are computed whole on every core instead: the first are small, the second rare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# Rows per core below which a convolution is not divided.
_LEAST_ROWS = 2


def keep_convolutions_whole(
    operations: Iterable[Any], partitions: Sequence[Sequence[int] | None]
) -> int:
    """Has those convolutions computed whole that the partitioner may get wrong; in place.

    Args:
      operations: Of a module, which are changed.
      partitions: How each input of one replica is cut, batch dimension first, or None.

    Returns:
      How many are.
    """
    cuts = [cut for cut in partitions if cut]
    parts = max((p for cut in cuts for p in cut[1:]), default=1)
    is_batch_cut = any(cut[0] > 1 for cut in cuts)
    if parts == 1:
        return 0
    found = [op for op in operations if op.name.split(".")[-1] == "convolution"]
    lengths = [_list_lengths(op) for op in found]
    # Where a model has a dimension for the form's sake only, no core looks for a part of it.
    extended = {i for row in lengths for i, length in enumerate(row) if length > 1}
    whole = [
        op
        for op, row in zip(found, lengths, strict=True)
        if (is_batch_cut and _is_grouped(op))
        or any(row[i] < _LEAST_ROWS * parts for i in extended if i < len(row))
    ]
    for operation in whole:
        _gather_operands(operation)
    return len(whole)


def _is_grouped(convolution: Any) -> bool:
    from jax.extend.mlir import ir

    names = ("feature_group_count", "batch_group_count")
    return any(ir.IntegerAttr(convolution.attributes[name]).value > 1 for name in names)


def _list_lengths(convolution: Any) -> list[int]:
    """Returns the length of each spatial dimension of the smaller feature map.

    In a gradient the feature maps and the kernel are operands and result in another order than in
    the convolution itself; the kernel is the shortest of the three.
    """
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import stablehlo

    numbers = stablehlo.ConvDimensionNumbers(convolution.attributes["dimension_numbers"])
    values = (*convolution.operands, convolution.results[0])
    positions = (
        numbers.input_spatial_dimensions,
        numbers.kernel_spatial_dimensions,
        numbers.output_spatial_dimensions,
    )
    lengths = [
        [ir.RankedTensorType(value.type).shape[i] for i in spatial]
        for value, spatial in zip(values, positions, strict=True)
    ]
    return [sorted(three)[1] for three in zip(*lengths, strict=True)]


def _gather_operands(convolution: Any) -> None:
    """Gives every core both operands whole."""
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import stablehlo

    for index, operand in enumerate(convolution.operands):
        with ir.InsertionPoint(convolution), ir.Location.unknown():
            gathered = stablehlo.CustomCallOp(
                [operand.type], [operand], call_target_name=ir.StringAttr.get("Sharding")
            )
        gathered.operation.attributes["mhlo.sharding"] = ir.StringAttr.get("{replicated}")
        convolution.operands[index] = gathered.results[0]
