"""How XLA is told to divide convolutions and their gradients."""

import re

import pytest
from helpers import devices  # noqa: F401

from tfx_tpu_estimator.lowering import jax_compat
from tfx_tpu_estimator.lowering.partition_rewrites import (
    divide_convolutions,
    keep_concatenations_whole,
)
from tfx_tpu_estimator.lowering.stablehlo import list_operations

jax = jax_compat.import_jax()
ROWS, MIXED, BATCH, CHANNELS = (1, 4, 1, 1), (2, 2, 1, 1), (4, 1, 1, 1), (1, 2, 1, 2)
NHWC, NCHW = "NHWC", "NCHW"
WHOLE = "{replicated}"


def divide(cut, *, shape=(4, 16, 16, 6), groups=1, stride=1, gradient=False, layout=NHWC):
    """Divides a convolution, or its two gradients, over four cores.

    Returns how many stay whole, and what is said of how values are cut.
    """

    def convolve(x, kernel):
        numbers = (layout, "HWIO", layout)
        return jax.lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", feature_group_count=groups,
            dimension_numbers=numbers,
        )  # fmt: skip

    def differentiate(x, kernel):
        return jax.grad(lambda *a: convolve(*a).sum(), argnums=(0, 1))(x, kernel)

    channels = shape[layout.index("C")]
    described = [
        jax.ShapeDtypeStruct(s, "float32") for s in (shape, (3, 3, channels // groups, channels))
    ]
    lowered = jax.jit(differentiate if gradient else convolve).lower(*described)
    module = lowered.compiler_ir("stablehlo")
    with module.context:
        whole = divide_convolutions(list_operations(module.operation), [cut, None], 4)
    assert module.operation.verify()
    return whole, re.findall(r'mhlo\.sharding = "([^"]*)"', str(module))


def test_operands_and_result_are_cut_as_the_input_and_kernels_are_whole():
    cut = "{devices=[1,4,1,1]<=[4]}"
    whole, said = divide(ROWS)
    assert (whole, sorted(said)) == (0, sorted([cut, cut, WHOLE]))


def test_both_feature_maps_of_a_gradient_are_cut_alike():
    cut = "{devices=[2,2,1,1]<=[4]}"
    whole, said = divide(MIXED, gradient=True, stride=2)
    # Two of the gradient of the input, with its kernel, and two of the gradient of the kernel.
    assert (whole, sorted(said)) == (0, sorted([cut] * 4 + [WHOLE]))


def test_the_form_of_the_input_decides_what_a_dimension_is():
    _, said = divide((1, 1, 2, 2), shape=(4, 6, 16, 16), layout=NCHW)
    assert sorted(said) == sorted(["{devices=[1,1,2,2]<=[4]}"] * 2 + [WHOLE])


@pytest.mark.parametrize("gradient", [False, True])
def test_convolutions_are_whole_where_channels_are_cut(gradient):
    whole, said = divide(CHANNELS, gradient=gradient)
    assert (whole > 0, set(said)) == (True, {WHOLE})


@pytest.mark.parametrize("shape", [(4, 6, 16, 6), (4, 7, 16, 6)])
def test_less_than_two_rows_per_core_are_not_divided(shape):
    whole, said = divide(ROWS, shape=shape)
    assert (whole, set(said)) == (1, {WHOLE})
    assert divide(ROWS, shape=shape, gradient=True)[0] == 2
    assert divide((1, 1, 4, 1), shape=shape)[0] == 0


def test_the_result_of_a_stride_counts():
    assert divide(ROWS, shape=(4, 14, 14, 6), stride=2)[0] == 1
    assert divide(ROWS, shape=(4, 14, 14, 6), stride=1)[0] == 0


@pytest.mark.parametrize(("cut", "expected"), [(ROWS, 0), (MIXED, 1)])
def test_grouped_convolutions_are_whole_where_the_batch_is_cut_too(cut, expected):
    assert divide(cut, groups=6)[0] == expected


@pytest.mark.parametrize(("batch", "expected"), [(8, "{devices=[4,1,1,1]<=[4]}"), (6, WHOLE)])
def test_inputs_of_another_rank_are_cut_along_the_batch(batch, expected):
    _, said = divide((1, 4, 1), shape=(batch, 16, 16, 6))
    assert set(said) == {expected, WHOLE}


@pytest.mark.parametrize("cut", [None, BATCH])
def test_nothing_is_said_where_nothing_but_the_batch_is_cut(cut):
    assert divide(cut, shape=(4, 3, 3, 6)) == (0, [])


@pytest.mark.parametrize(
    ("shape", "dimension", "cuts", "expected"),
    [
        ((4, 8, 8, 3), 3, [MIXED], []),
        ((4, 8, 8, 3), 1, [ROWS, None], [WHOLE]),
        ((4, 8, 8, 3), 1, [CHANNELS, (4,)], [WHOLE]),
        ((4, 64), 1, [ROWS], [WHOLE]),
        ((4, 64), 1, [BATCH], []),
        ((4, 64), 1, [None], []),
    ],
)
def test_concatenations_that_could_be_cut_where_they_join_are_whole(
    shape, dimension, cuts, expected
):
    x = jax.ShapeDtypeStruct(shape, "float32")
    lowered = jax.jit(lambda x: jax.numpy.concatenate([x, x], dimension)).lower(x)
    module = lowered.compiler_ir("stablehlo")
    with module.context:
        keep_concatenations_whole(list_operations(module.operation), cuts)
    assert re.findall(r'mhlo\.sharding = "([^"]*)"', str(module)) == expected
