import threading

import numpy as np
import pytest
import tensorflow as tf
from helpers.host_inputs import deploy, join_steps, make_range_input, read_loops, tf1

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline


def make_recorder(seen):
    """An input_fn of tensors that keeps the params of each call."""

    def input_fn(params):
        seen.append(params)
        index = params["context"].current_input_fn_deployment()[1]
        return {"x": tf.fill([params["batch_size"], 1], float(index))}, tf.zeros([2])

    return input_fn


@pytest.mark.parametrize(
    ("pipeline", "host", "sizes", "indices"),
    [
        (Pipeline.PER_SHARD_V1, 1, [2, 2], [2, 3]),
        (Pipeline.PER_HOST_V1, 1, [4], [1]),
        (Pipeline.BROADCAST, 0, [8], [0]),
    ],
)
def test_params_of_each_call(pipeline, host, sizes, indices):
    seen, params = [], {"rate": [0.1]}
    deploy(make_recorder(seen), pipeline=pipeline, hosts=2, host=host, params=params)
    assert [p["batch_size"] for p in seen] == sizes
    assert [p["context"].current_input_fn_deployment()[1] for p in seen] == indices
    assert {p["context"].current_host for p in seen} == {host}
    assert all(p["use_tpu"] and p["rate"] == [0.1] for p in seen)
    assert params == {"rate": [0.1]}
    assert all(p["rate"] is not params["rate"] for p in seen)


def test_each_call_has_a_graph_of_its_own():
    graphs = []

    def input_fn(params):
        graphs.append(tf1.get_default_graph())
        return tf.zeros([params["batch_size"]])

    deploy(input_fn, pipeline=Pipeline.PER_SHARD_V1)
    assert len(set(map(id, graphs))) == 2


@pytest.mark.parametrize(
    ("pipeline", "expected"),
    [
        (Pipeline.PER_HOST_V1, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (Pipeline.PER_HOST_V2, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (Pipeline.SLICED, [[0, 1, 2, 3], [4, 5, 6, 7]]),
        (Pipeline.BROADCAST, [[0, 1, 2, 3, 4, 5, 6, 7]]),
    ],
)
def test_examples_reach_the_replicas_in_order(pipeline, expected):
    mode = "eval" if pipeline is Pipeline.SLICED else "train"
    deployed = deploy(make_range_input(32), pipeline=pipeline, mode=mode)
    x = join_steps(read_loops(deployed))
    np.testing.assert_array_equal(x[0], expected)
    np.testing.assert_array_equal(x.ravel(), np.arange(32))
    assert deployed.copies == len(expected)
    assert deployed.structure.features["x"] == tf.TensorSpec([len(expected[0])], tf.int64)
    assert deployed.structure.labels.shape == [len(expected[0]), 1]


def test_tensors_one_call_per_core():
    deployed = deploy(make_recorder([]), pipeline=Pipeline.PER_SHARD_V1, cores=3, batch_size=6)
    x = join_steps(read_loops(deployed, steps=3))
    assert x.shape == (3, 3, 2, 1)
    np.testing.assert_array_equal(x[..., 0, 0], [[0, 1, 2]] * 3)


def test_hosts_see_their_own_part():
    def input_fn(params):
        _, index, total, _ = params["context"].current_input_fn_deployment()
        return tf.data.Dataset.range(16).shard(total, index).batch(4, drop_remainder=True)

    parts = [join_steps(read_loops(deploy(input_fn, hosts=2, host=host))) for host in (0, 1)]
    np.testing.assert_array_equal(parts[0].ravel(), np.arange(0, 16, 2))
    np.testing.assert_array_equal(parts[1].ravel(), np.arange(1, 16, 2))


def test_arrays_and_numbers_become_tensors():
    deployed = deploy(lambda params: ({"x": np.zeros([8, 2])}, np.ones([8, 1])))
    assert deployed.structure.list_names()[0] == "features/x"
    assert deployed.structure.features["x"] == tf.TensorSpec([4, 2], tf.float64)


def test_labels_of_a_prediction_dataset_are_dropped():
    deployed = deploy(make_range_input(8), mode="infer")
    assert deployed.structure.labels is None


def test_seed_makes_calls_repeatable_and_different():
    def input_fn(params):
        return tf.random.uniform([params["batch_size"]])

    def read(seed):
        deployed = deploy(input_fn, pipeline=Pipeline.PER_SHARD_V1, seed=seed)
        return join_steps(read_loops(deployed, steps=2))

    first = read(7)
    np.testing.assert_array_equal(first, read(7))
    assert not np.array_equal(first[:, 0], first[:, 1])
    assert not np.array_equal(first, read(8))


def make_queue(params):
    queue = tf1.train.string_input_producer(["a"])
    return tf.strings.to_hash_bucket_fast(queue.dequeue_many(params["batch_size"]), 4)


@pytest.mark.parametrize(
    ("input_fn", "options", "error", "text"),
    [
        (make_range_input(8), {"pipeline": Pipeline.PER_SHARD_V1}, TypeError, "not a Dataset"),
        (
            lambda params: tf.zeros([8]),
            {"pipeline": Pipeline.PER_HOST_V2},
            TypeError,
            "must return a tf.data.Dataset in PER_HOST_V2",
        ),
        (lambda params: tf.zeros([8]), {"mode": "infer"}, TypeError, "For prediction `input_fn`"),
        (make_queue, {}, RuntimeError, "Input pipeline contains one or more QueueRunners"),
        (lambda params: (1, 2, 3), {}, ValueError, "len 2 tuple"),
        (
            lambda params: {"x": tf.sparse.from_dense(["a"] * 8)},
            {"batch_axis": [1]},
            ValueError,
            r"`features/x`.*along its first dimension.*`batch_axis` 1",
        ),
        (make_range_input(9, drop_remainder=False), {}, ValueError, "features.*must have static"),
        (
            make_range_input(9),
            {"pipeline": Pipeline.BROADCAST, "hosts": 2, "host": 1},
            ValueError,
            "Host 1 makes no call of `input_fn` in BROADCAST",
        ),
    ],
)
def test_bad_inputs_are_refused_before_anything_runs(input_fn, options, error, text):
    with pytest.raises(error, match=text):
        deploy(input_fn, **options)
    assert "tfx_tpu_estimator_input" not in {t.name for t in threading.enumerate()}


def test_calls_that_differ():
    def input_fn(params):
        index = params["context"].current_input_fn_deployment()[1]
        return tf.zeros([4, 1 + index])

    with pytest.raises(ValueError, match=r"`features` was .* in call 1"):
        deploy(input_fn, pipeline=Pipeline.PER_SHARD_V1)


def test_context_refuses_what_is_for_model_fn():
    def input_fn(params):
        return params["context"].device_assignment

    with pytest.raises(RuntimeError, match="must not be called from input_fn"):
        deploy(input_fn)
