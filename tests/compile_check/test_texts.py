"""What is read out of the compiler's texts."""

import pytest

from tfx_tpu_estimator.compile_check.exhausted import read_exhausted
from tfx_tpu_estimator.compile_check.hlo_text import find_collectives, find_largest
from tfx_tpu_estimator.compile_check.report import Buffer, Collective

MODULE = """\
HloModule jit_run, is_scheduled=true

%region_0.1 (a: f32[], b: f32[]) -> f32[] {
  %a = f32[]{:T(128)} parameter(0)
  ROOT %add = f32[]{:T(128)} add(f32[]{:T(128)} %a, f32[]{:T(128)} %a)
}

%fused_computation (p: f32[4096,4096]) -> f32[8] {
  %inner = f32[4096,4096]{1,0:T(8,128)} broadcast(f32[] %c), dimensions={}
  ROOT %r = f32[8]{0:T(128)} slice(%inner)
}

%body (t: (f32[16,8], /*index=1*/bf16[4])) -> (f32[16,8], bf16[4]) {
  %t = (f32[16,8]{1,0:T(8,128)}, bf16[4]{0:T(256)}) parameter(0)
  %g = f32[16,8]{1,0:T(8,128)} get-tuple-element(%t), index=0
  %big = f32[100,8]{1,0:T(8,128)} fusion(%g), kind=kLoop, calls=%fused_computation, \
metadata={op_name="jit(_run_steps)/while/body/tensorflow_program/dense/MatMul"}
  %vmem = f32[500,8]{1,0:T(8,128)S(1)} copy(%big)
  %sums = (f32[16,8]{1,0:T(8,128)}, bf16[4]{0:T(256)}) all-reduce(%g, %h), to_apply=%region_0.1
  %start = (f32[2,8]{1,0}, f32[8,8]{1,0}) all-gather-start(f32[2,8]{1,0} %g), dimensions={0}
  %done = f32[8,8]{1,0} all-gather-done(%start)
  %shift = (f32[4]{0}, f32[4]{0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%g)
  ROOT %out = (f32[16,8]{1,0:T(8,128)}, bf16[4]{0:T(256)}) tuple(%g, %h)
}

ENTRY %main.3 (Arg_0.1: f32[64,8]) -> f32[16,8] {
  %Arg_0.1 = f32[64,8]{1,0:T(8,128)} parameter(0), \
metadata={op_name="updated[\\'dense/kernel\\']"}
  %w = (f32[16,8]{1,0}, bf16[4]{0}) while(%t), condition=%cond, body=%body
  ROOT %o = f32[16,8]{1,0:T(8,128)} get-tuple-element(%w), index=0
}
"""


def test_collectives_by_kind():
    assert find_collectives(MODULE) == (
        Collective(kind="all-reduce", count=1, bytes=16 * 8 * 4 + 4 * 2),
        Collective(kind="all-gather", count=1, bytes=8 * 8 * 4),
        Collective(kind="collective-permute", count=1, bytes=16),
    )


def test_largest_tensors_in_memory():
    first, second = find_largest(MODULE, 2)
    assert first == Buffer(bytes=3200, shape=(100, 8), dtype="f32", op="big", name="dense/MatMul")
    assert second == Buffer(
        bytes=2048, shape=(64, 8), dtype="f32", op="Arg_0.1", name="dense/kernel"
    )


OLDER = """RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space \
hbm. Used 37.18G of 15.75G hbm. Exceeded hbm capacity by 21.43G.

Total hbm usage >= 37.43G:
    reserved        258.00M
    program          37.18G
    arguments         1.50G

Program hbm requirement 37.18G:
    HLO temp         37.00G (99.0% utilization)

  Largest program allocations in hbm:

  1. Size: 11.22G
     Operator: op_name="jit(_run_steps)/while/body/tensorflow_program/conv/Relu"
     Shape: f32[120000,28,28,32]{0,3,2,1:T(8,128)}
     Unpadded size: 11.21G
     XLA label: fusion.5.remat3 = fusion(a, b), kind=kOutput
     Allocation type: HLO temp
     ==========================

  2. Size: 512B
     Shape: s32[16]{0:T(128)}
     XLA label: deduplicated constant
"""
NEWER = (
    "RESOURCE_EXHAUSTED: E1000: CompileTimeHbmOom: Ran out of memory on HBM, the total memory "
    "required for HLO temporaries (37.89G) exceeds available HBM (15.75G). HLO module: jit_run."
)
SINGLE = (
    "RESOURCE_EXHAUSTED: Allocation (size=40140800000) would exceed memory (size=17179869184) :: "
    "#allocation104 [shape = 'f32[400000,28,28,32]{0,3,2,1:T(8,128)}', space=hbm, size = 0xf, "
    "tag = 'output of fusion.5@{}'] :: <no-hlo-instruction>"
)
GIB = 2**30


def test_the_older_compilers_message():
    found = read_exhausted(OLDER)
    assert found["peak_bytes"] == int(37.18 * GIB)
    assert found["limit_bytes"] == int(15.75 * GIB)
    assert found["argument_bytes"] == int(1.5 * GIB)
    assert found["temp_bytes"] == 37 * GIB
    first, second = found["largest"]
    assert first == Buffer(
        bytes=int(11.22 * GIB), shape=(120000, 28, 28, 32), dtype="f32", op="fusion.5.remat3",
        name="conv/Relu",
    )  # fmt: skip
    assert (second.bytes, second.shape) == (512, (16,))


def test_the_newer_compilers_message():
    found = read_exhausted(NEWER)
    assert found["peak_bytes"] == int(37.89 * GIB)
    assert found["limit_bytes"] == int(15.75 * GIB)


def test_a_single_tensor():
    found = read_exhausted(SINGLE)
    assert (found["peak_bytes"], found["limit_bytes"]) == (40140800000, 17179869184)
    assert found["largest"][0].op == "fusion.5"


@pytest.mark.parametrize(
    "message", ["INTERNAL: no", "RESOURCE_EXHAUSTED: Ran out of memory in memory space vmem."]
)
def test_other_messages(message):
    assert read_exhausted(message) is None
