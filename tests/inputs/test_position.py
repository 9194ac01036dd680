import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy, join_steps, read_loops, tf1

from tfx_tpu_estimator.config.input_pipeline import plan_input_calls
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline
from tfx_tpu_estimator.errors import DataCorruptionError
from tfx_tpu_estimator.inputs.position import (
    InputPosition,
    read_position,
    remove_orphans,
    resume_position,
    save_position,
    start_host_position,
    start_position,
)


def shuffled_input_fn(params):
    """Shuffled anew in each epoch, with a map that draws random numbers."""
    data = tf.data.Dataset.range(50).shuffle(20, seed=3).repeat()
    data = data.map(lambda x: (x, tf.random.uniform([])), deterministic=True)
    return data.batch(params["batch_size"], drop_remainder=True).prefetch(2)


def unseeded_input_fn(params):
    """Leaves all seeds to the run's."""
    data = tf.data.Dataset.range(50).shuffle(50).repeat()
    return data.batch(params["batch_size"], drop_remainder=True)


def tensors_input_fn(params):
    iterator = tf1.data.make_initializable_iterator(
        tf.data.Dataset.range(40).shuffle(40, seed=1).repeat().batch(params["batch_size"], True)
    )
    tf1.add_to_collection(tf1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
    return iterator.get_next()


@pytest.mark.parametrize(
    ("input_fn", "pipeline"),
    [
        (shuffled_input_fn, Pipeline.PER_HOST_V1),
        (shuffled_input_fn, Pipeline.PER_HOST_V2),
        (shuffled_input_fn, Pipeline.BROADCAST),
        (unseeded_input_fn, Pipeline.PER_HOST_V2),
        (tensors_input_fn, Pipeline.PER_HOST_V1),
        (tensors_input_fn, Pipeline.PER_SHARD_V1),
    ],
)
@pytest.mark.parametrize("stopped_after", [1, 7])
def test_a_resumed_input_goes_on_bit_exactly(input_fn, pipeline, stopped_after, tmp_path):
    whole = read_loops(deploy(input_fn, pipeline=pipeline, seed=5), 1, 12)
    prefix = str(tmp_path / "model.ckpt-0")
    save_position(prefix, whole[stopped_after - 1].position)
    position = read_position(prefix)
    resumed = deploy(input_fn, pipeline=pipeline, seed=5, position=position)
    rest = read_loops(resumed, 5, 12 - stopped_after)
    for tensor in range(len(whole[0].batches)):
        np.testing.assert_array_equal(
            join_steps(rest, tensor), join_steps(whole, tensor)[stopped_after:]
        )
    assert rest[-1].position == whole[-1].position


def test_resuming_at_the_end_of_the_input_is_the_end():
    def input_fn(params):
        return tf.data.Dataset.range(16).batch(8, drop_remainder=True)

    (loop,) = read_loops(deploy(input_fn), 2)
    assert read_loops(deploy(input_fn, position=loop.position)) == []


def make_plan(pipeline=Pipeline.PER_HOST_V2, cores=4):
    return plan_input_calls(pipeline, Topology(num_hosts=1, cores_per_host=cores))


def test_position_counts_the_batches_of_each_call():
    def input_fn(params):
        return tf.zeros([params["batch_size"]])

    loops = read_loops(deploy(input_fn, pipeline=Pipeline.PER_SHARD_V1), 2, 3)
    assert [loop.position.batches for loop in loops] == [(2, 2), (3, 3)]
    loops = read_loops(deploy(shuffled_input_fn, pipeline=Pipeline.PER_HOST_V2), 2, 3)
    assert [loop.position.batches for loop in loops] == [(4,), (6,)]


@pytest.mark.parametrize(
    ("saved", "batch_size", "expected", "warns"),
    [
        (None, 8, (0,), False),
        (("PER_HOST_V2", 8, (12,)), 8, (12,), False),
        # Half as many replicas, each with twice the batch: the same examples follow.
        (("PER_HOST_V2", 8, (12,)), 16, (6,), False),
        (("PER_HOST_V1", 32, (3,)), 8, (12,), False),
        (("PER_HOST_V2", 8, (13,)), 16, (6,), True),
        (("PER_SHARD_V1", 4, (6, 6)), 8, (6,), True),
        (("HOST", 32, (3,)), 8, (12,), False),
        (("HOST", None, (3,)), 8, (3,), True),
    ],
)
def test_position_in_a_changed_run(saved, batch_size, expected, warns, caplog):
    position = saved and InputPosition(pipeline=saved[0], batch_size=saved[1], batches=saved[2])
    with caplog.at_level(logging.WARNING):
        resumed = resume_position(position, start_position(make_plan(), batch_size))
    assert (resumed.pipeline, resumed.batch_size) == ("PER_HOST_V2", batch_size)
    assert resumed.batches == expected
    assert bool(caplog.records) is warns


@pytest.mark.parametrize(
    ("saved", "batch_size", "expected", "warns"),
    [
        (("PER_HOST_V2", 8, (12,)), 32, (3,), False),
        (("PER_HOST_V1", 32, (3,)), None, (3,), True),
        (("HOST", None, (3,)), None, (3,), False),
        (("HOST", 16, (3,)), 32, (1,), True),
    ],
)
def test_position_in_a_run_on_the_host(saved, batch_size, expected, warns, caplog):
    position = InputPosition(pipeline=saved[0], batch_size=saved[1], batches=saved[2])
    with caplog.at_level(logging.WARNING):
        resumed = resume_position(position, start_host_position(batch_size))
    assert resumed.batches == expected
    assert bool(caplog.records) is warns


def test_file_is_small_json_and_leaves_nothing_aside(tmp_path):
    prefix = str(tmp_path / "model.ckpt-7")
    position = InputPosition(pipeline="PER_HOST_V2", batch_size=8, batches=(28,))
    assert read_position(prefix) is None
    path = save_position(prefix, position)
    assert path == prefix + ".input.json"
    assert [p.name for p in tmp_path.iterdir()] == ["model.ckpt-7.input.json"]
    assert json.loads((tmp_path / "model.ckpt-7.input.json").read_text())["batches"] == [28]
    assert read_position(prefix) == position
    save_position(prefix, position.advance(1, (4,)))
    assert read_position(prefix).batches == (32,)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"format": 2}', '{"format": 1, "pipeline": "P", "batch_size": 0}'],
)
def test_damaged_file(text, tmp_path):
    (tmp_path / "model.ckpt-7.input.json").write_text(text)
    with pytest.raises(DataCorruptionError, match=r"model.ckpt-7.input.json does not hold the pos"):
        read_position(str(tmp_path / "model.ckpt-7"))


def test_positions_without_checkpoint_are_removed(tmp_path):
    position = InputPosition(pipeline="PER_HOST_V2", batch_size=8, batches=(28,))
    for step in (1, 2):
        save_position(str(tmp_path / f"model.ckpt-{step}"), position)
    (tmp_path / "model.ckpt-2.index").write_text("")
    remove_orphans(str(tmp_path))
    assert sorted(p.name for p in tmp_path.glob("*.json")) == ["model.ckpt-2.input.json"]
