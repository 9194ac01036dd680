"""What a training keeps in memory: nothing that grows with its steps, one copy of its state."""

import pytest
from helpers.memory import FLAT_FROM, FLAT_WITHIN, measure_training


@pytest.mark.slow
def test_ten_thousand_steps_leave_memory_flat(tmp_path):
    found = measure_training(1, steps=10_000, loop=100, model_dir=tmp_path)
    settled = found["loops"][FLAT_FROM:]
    assert len(settled) == 80
    assert max(settled) - settled[0] < FLAT_WITHIN, found


@pytest.mark.slow
def test_between_checkpoints_the_host_has_one_copy_of_the_state(tmp_path):
    """The devices of this test are in the host's memory, and have a copy of their own."""
    megabytes, most = 400, 2.2
    found = measure_training(megabytes, steps=8, loop=2, model_dir=tmp_path, copies=most)
    # In the first loop XLA may still be freeing what compiling needed.
    copies = [(held - found["before"]) / megabytes for held in found["loops"][1:]]
    assert max(copies) < most, found
    # The start takes three for a moment; a step of this model has a gradient as large, and more.
    assert (found["most"] - found["before"]) / megabytes < 4.3, found
