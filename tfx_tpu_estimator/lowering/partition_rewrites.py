"""Says how convolutions and concatenations are divided, as XLA's SPMD partitioner errs there.

Gradients of random networks and of some real ones were compared with those of one device, with the
XLA of jaxlib 0.4.34 and of 0.10.2. Left to itself the partitioner computed wrong ones, without any
error,

- where the two feature maps of a kernel's gradient were cut in different ways;
- where a dimension was so short that a core had a single row or none;
- for grouped (depthwise) convolutions where the batch was cut as well as another dimension;
- where feature maps are cut in fewer parts than there are cores, because the input was cut in
  channels, too: the gradient of the kernel was added up over too many cores.

So all feature maps of a convolution are cut as the input was, and the last three kinds not at all.

It adds the parts of a concatenation up over too many cores where its result is cut in fewer parts
than there are cores: after a reshape that merges two cut dimensions, for example. So concatenations
are whole, except of feature maps along a dimension that no input is cut in, such as the channels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

_REPLICATED = "{replicated}"
# Rows per core below which a convolution is not divided.
_LEAST_ROWS = 2


@dataclasses.dataclass(frozen=True)
class _FeatureMap:
    """One feature map of a convolution: an operand, or its result.

    Attributes:
      operand: Its index among the operands; None for the result.
      shape: Its shape.
      batch: Which dimension is the batch.
      spatial: Which dimensions are spatial, in the convolution's order.
    """

    operand: int | None
    shape: tuple[int, ...]
    batch: int
    spatial: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Convolution:
    """What counts of a convolution, or of one of its gradients."""

    maps: tuple[_FeatureMap, _FeatureMap]
    kernel: int | None
    is_grouped: bool


def divide_convolutions(
    operations: Iterable[Any], partitions: Sequence[Sequence[int] | None], cores: int
) -> int:
    """Cuts the feature maps of all convolutions as an input of their rank is cut; in place.

    Args:
      operations: Of a module, which are changed.
      partitions: How each input of one replica is cut, batch dimension first, or None.
      cores: Over how many cores.

    Returns:
      How many convolutions are computed whole on every core instead.
    """
    cuts = _list_cuts(partitions)
    count = 0
    for operation in _find(operations, "convolution") if cuts else ():
        convolution = _read(operation)
        cut = _choose_cut(convolution, cuts, cores)
        count += cut is None
        _annotate(operation, convolution, cut, cores)
    return count


def keep_concatenations_whole(
    operations: Iterable[Any], partitions: Sequence[Sequence[int] | None]
) -> None:
    """Has every core compute concatenations whole that could be cut where they join; in place.

    Args:
      operations: Of a module, which are changed.
      partitions: How each input of one replica is cut, batch dimension first, or None.
    """
    from jax.extend.mlir import ir

    cuts = _list_cuts(partitions)
    for operation in _find(operations, "concatenate") if cuts else ():
        dimension = ir.IntegerAttr(operation.attributes["dimension"]).value
        rank = len(ir.RankedTensorType(operation.results[0].type).shape)
        fitting = [cut for cut in cuts if len(cut) == rank]
        if not fitting or any(cut[dimension] > 1 for cut in fitting):
            _constrain_result(operation, _REPLICATED)


def _list_cuts(partitions: Sequence[Sequence[int] | None]) -> list[list[int]]:
    """Returns how inputs are cut; nothing where only batches are."""
    cuts = [list(cut) for cut in partitions if cut]
    return cuts if any(max(cut[1:], default=1) > 1 for cut in cuts) else []


def _find(operations: Iterable[Any], name: str) -> list[Any]:
    return [operation for operation in operations if operation.name.split(".")[-1] == name]


def _read(operation: Any) -> _Convolution:
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import stablehlo

    def shape_of(value: Any) -> tuple[int, ...]:
        return tuple(ir.RankedTensorType(value.type).shape)

    numbers = stablehlo.ConvDimensionNumbers(operation.attributes["dimension_numbers"])
    groups = (operation.attributes[f"{kind}_group_count"] for kind in ("feature", "batch"))
    is_grouped = any(ir.IntegerAttr(count).value > 1 for count in groups)
    left, right = map(shape_of, operation.operands)
    spatial = tuple(numbers.input_spatial_dimensions)
    output_spatial = tuple(numbers.output_spatial_dimensions)
    if 0 in output_spatial:
        # A result laid out as a kernel: its gradient, which sums over the batch of both operands.
        return _Convolution(
            (
                _FeatureMap(0, left, numbers.input_feature_dimension, spatial),
                _FeatureMap(1, right, numbers.kernel_input_feature_dimension,
                            tuple(numbers.kernel_spatial_dimensions)),
            ),
            kernel=None,
            is_grouped=is_grouped,
        )  # fmt: skip
    result = shape_of(operation.results[0])
    return _Convolution(
        (
            _FeatureMap(0, left, numbers.input_batch_dimension, spatial),
            _FeatureMap(None, result, numbers.output_batch_dimension, output_spatial),
        ),
        kernel=1,
        is_grouped=is_grouped,
    )


def _choose_cut(
    convolution: _Convolution, cuts: Sequence[Sequence[int]], cores: int
) -> tuple[int, tuple[int, ...]] | None:
    """Returns the parts of the batch and of each spatial dimension; None for a whole one."""
    first = convolution.maps[0]
    fitting = [cut for cut in cuts if len(cut) == len(first.shape)]
    if fitting:
        batch, spatial = fitting[0][first.batch], [fitting[0][i] for i in first.spatial]
    elif all(feature.shape[feature.batch] % cores == 0 for feature in convolution.maps):
        # The model gave its input another form, in which one cannot know what was cut.
        batch, spatial = cores, [1] * len(first.spatial)
    else:
        return None
    if batch * math.prod(spatial) != cores:
        return None  # channels are cut, too
    if batch > 1 and max(spatial, default=1) > 1 and convolution.is_grouped:
        return None
    for feature in convolution.maps:
        for dimension, parts in zip(feature.spatial, spatial, strict=True):
            if parts > 1 and feature.shape[dimension] < _LEAST_ROWS * parts:
                return None
    return batch, tuple(spatial)


def _annotate(
    operation: Any,
    convolution: _Convolution,
    cut: tuple[int, tuple[int, ...]] | None,
    cores: int,
) -> None:
    for feature in convolution.maps:
        sharding = _REPLICATED if cut is None else _describe(feature, cut, cores)
        if feature.operand is not None:
            _constrain_operand(operation, feature.operand, sharding)
        elif cut is not None:
            _constrain_result(operation, sharding)
    if convolution.kernel is not None:
        _constrain_operand(operation, convolution.kernel, _REPLICATED)


def _describe(feature: _FeatureMap, cut: tuple[int, tuple[int, ...]], cores: int) -> str:
    """Returns XLA's words for how a feature map is cut."""
    batch, spatial = cut
    parts = [1] * len(feature.shape)
    parts[feature.batch] = batch
    for dimension, count in zip(feature.spatial, spatial, strict=True):
        parts[dimension] = count
    return f"{{devices=[{','.join(map(str, parts))}]<=[{cores}]}}"


def _make_constraint(value: Any, sharding: str) -> Any:
    from jax.extend.mlir import ir
    from jax.extend.mlir.dialects import stablehlo

    made = stablehlo.CustomCallOp(
        [value.type], [value], call_target_name=ir.StringAttr.get("Sharding")
    )
    made.operation.attributes["mhlo.sharding"] = ir.StringAttr.get(sharding)
    return made


def _constrain_operand(operation: Any, index: int, sharding: str) -> None:
    from jax.extend.mlir import ir

    with ir.InsertionPoint(operation), ir.Location.unknown():
        made = _make_constraint(operation.operands[index], sharding)
    operation.operands[index] = made.results[0]


def _constrain_result(operation: Any, sharding: str) -> None:
    operation.attributes["mhlo.sharding"] = _string(sharding)


def _string(text: str) -> Any:
    from jax.extend.mlir import ir

    return ir.StringAttr.get(text)
