"""What becomes of the compiler's words."""

from tfx_tpu_estimator.compile_check.chips import parse_topology
from tfx_tpu_estimator.compile_check.compiling import describe_outcome
from tfx_tpu_estimator.compile_check.jobs import Outcome


def test_what_programs_can_have_is_one_number():
    # The compiler names the whole memory where a single tensor is too large.
    made = describe_outcome(
        Outcome(status="too_large", peak_bytes=2**35, limit_bytes=2**34),
        program="train", topology=parse_topology("v5e:2x2"), per_core_batch=8, program_hash="",
        compiler="libtpu", cached=False,
    )  # fmt: skip
    assert made.hbm_bytes == int(15.75 * 2**30)
    assert "programs can have 15.75 GiB" in made.message
