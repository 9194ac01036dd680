"""Which convolutions XLA's partitioner gets to divide."""

import pytest
from helpers import devices  # noqa: F401

from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.partition_rewrites import keep_convolutions_whole
from tfx_tpu_estimator.lowering.stablehlo import list_operations

jax = jax_compat.import_jax()
NHWC = ("NHWC", "HWIO", "NHWC")
ROWS, MIXED, BATCH = (1, 4, 1, 1), (2, 2, 1, 1), (4, 1, 1, 1)


def count_whole(partitions, *, shape=(4, 16, 16, 6), groups=1, stride=1, gradient=False):
    """How many convolutions stay whole of a convolution, or of its two gradients."""

    def convolve(x, kernel):
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", feature_group_count=groups, dimension_numbers=NHWC
        )

    def differentiate(x, kernel):
        return jax.grad(lambda *a: convolve(*a).sum(), argnums=(0, 1))(x, kernel)

    described = [jax.ShapeDtypeStruct(s, "float32") for s in (shape, (3, 3, 6 // groups, 6))]
    lowered = jax.jit(differentiate if gradient else convolve).lower(*described)
    module = lowered.compiler_ir("stablehlo")
    with module.context:
        count = keep_convolutions_whole(list_operations(module.operation), [partitions, None])
    assert str(module).count("stablehlo.custom_call @Sharding") == 2 * count
    assert module.operation.verify()
    return count


@pytest.mark.parametrize("gradient", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_long_dimensions_are_divided(gradient, stride):
    assert not count_whole(ROWS, gradient=gradient, stride=stride)
    assert not count_whole(MIXED, gradient=gradient, stride=stride)


@pytest.mark.parametrize("shape", [(4, 6, 16, 6), (4, 16, 7, 6)])
def test_dimensions_with_less_than_two_rows_per_core_are_not(shape):
    assert count_whole(ROWS, shape=shape) == 1
    assert count_whole(ROWS, shape=shape, gradient=True) == 2
    assert not count_whole((1, 2, 1, 1), shape=shape)


def test_the_result_of_a_stride_counts():
    assert count_whole(ROWS, shape=(4, 14, 14, 6), stride=2) == 1
    assert not count_whole(ROWS, shape=(4, 14, 14, 6), stride=1)


def test_a_dimension_of_one_does_not_count():
    assert not count_whole(ROWS, shape=(4, 16, 1, 6))


@pytest.mark.parametrize(("partitions", "expected"), [(ROWS, 0), (MIXED, 1), (BATCH, 0)])
def test_grouped_convolutions_are_not_where_the_batch_is_cut_too(partitions, expected):
    assert count_whole(partitions, groups=6) == expected


def test_nothing_changes_without_partitions():
    assert not count_whole(None, shape=(4, 3, 3, 6))
