import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy, join_steps, make_range_input, read_loops, tf1

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline
from tfx_tpu_estimator.inputs.reader import InputReader

ALL_OF_EVAL = [Pipeline.PER_HOST_V1, Pipeline.PER_HOST_V2, Pipeline.SLICED, Pipeline.BROADCAST]


@pytest.mark.parametrize("pipeline", ALL_OF_EVAL)
@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 11, 16, 17])
def test_every_example_counts_once(pipeline, count):
    input_fn = make_range_input(count, drop_remainder=False)
    loops = read_loops(deploy(input_fn, pipeline=pipeline, mode="eval"), loop_steps=2)
    x, valid = join_steps(loops), np.concatenate([loop.valid for loop in loops])
    assert x.shape == valid.shape
    assert len(x) == -(-count // 8)
    np.testing.assert_array_equal(x[valid], np.arange(count))
    assert sum(loop.examples for loop in loops) == count
    assert np.isin(x, np.arange(count)).all(), "padding must be made of real examples"


def test_training_drops_a_step_that_not_all_replicas_have():
    loops = read_loops(deploy(make_range_input(14), pipeline=Pipeline.PER_HOST_V2, cores=2))
    np.testing.assert_array_equal(join_steps(loops).ravel(), np.arange(8))
    assert loops[0].valid is None
    assert loops[0].examples is None


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_empty_input(mode):
    with pytest.raises(ValueError, match="produced no batch"):
        read_loops(deploy(make_range_input(0), mode=mode))


def test_too_few_batches_for_one_step_of_training():
    deployed = deploy(make_range_input(4), pipeline=Pipeline.PER_HOST_V2)
    with pytest.raises(ValueError, match="produced no batch"):
        read_loops(deployed)


def test_predicting_nothing_is_no_error():
    assert read_loops(deploy(make_range_input(0), mode="infer")) == []


def test_tensors_that_disagree_on_a_partial_batch():
    def input_fn(params):
        x = tf.data.Dataset.range(12).batch(8)
        y = tf.data.Dataset.range(11).batch(8)
        return tf.data.Dataset.zip(({"x": x}, y))

    with pytest.raises(ValueError, match="`features/x`: 4 of 8, `labels`: 3 of 8"):
        read_loops(deploy(input_fn, mode="eval"))


def test_variables_tables_and_iterators_are_started():
    def input_fn(params):
        table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer([0, 1], [5, 7], tf.int32, tf.int32), -1
        )
        offset = tf1.get_variable("offset", [], tf.int32, tf1.constant_initializer(100))
        iterator = tf1.data.make_initializable_iterator(tf.data.Dataset.range(2).repeat().batch(8))
        tf1.add_to_collection(tf1.GraphKeys.TABLE_INITIALIZERS, iterator.initializer)
        keys = tf.ensure_shape(tf.cast(iterator.get_next(), tf.int32), [8])
        return table.lookup(keys) + offset

    x = join_steps(read_loops(deploy(input_fn), steps=2))
    np.testing.assert_array_equal(x.ravel(), [105, 107] * 8)


def test_out_of_range_of_another_op_is_not_the_end():
    def input_fn(params):
        barrier = tf.raw_ops.Barrier(component_types=[tf.float32], shapes=[[]])
        with tf.control_dependencies([tf.raw_ops.BarrierClose(handle=barrier)]):
            taken = tf.raw_ops.BarrierTakeMany(
                handle=barrier, num_elements=8, component_types=[tf.float32], name="take"
            )
        return tf.ensure_shape(taken.values[0], [8])

    with pytest.raises(RuntimeError, match=r"Op 'take' .* raised OutOfRangeError"):
        read_loops(deploy(input_fn))


def test_closed_queue_is_the_end():
    def input_fn(params):
        queue = tf.queue.FIFOQueue(1, [tf.float32], [[8]])
        with tf.control_dependencies([queue.close()]):
            return queue.dequeue()

    with pytest.raises(ValueError, match="produced no batch"):
        read_loops(deploy(input_fn))


def test_bfloat16():
    x = join_steps(read_loops(deploy(lambda params: tf.ones([8], tf.bfloat16)), steps=1))
    assert x.dtype == tf.bfloat16.as_numpy_dtype


def test_arrays_of_a_loop_are_not_written_again():
    reader = InputReader(deploy(make_range_input(32)))
    reader.start()
    first = reader.read(2)
    kept = first.arrays[0].copy()
    second = reader.read(2)
    assert not np.shares_memory(first.arrays[0], second.arrays[0])
    np.testing.assert_array_equal(first.arrays[0], kept)
    assert reader.read(1) is None
    assert reader.ended
    reader.close()
