import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline
from tfx_tpu_estimator.inputs.sharding import merge_replicas, plan_shards
from tfx_tpu_estimator.inputs.structure import InputStructure


def plan(features, labels=None, *, pipeline=Pipeline.PER_HOST_V1, parts=2, mode="train", axis=None):
    return plan_shards(
        InputStructure(features=features, labels=labels),
        pipeline=pipeline,
        parts=parts,
        batch_size=8,
        mode=mode,
        batch_axis=axis,
    )


def write(shards, batch):
    target = np.zeros((shards.parts, *shards.spec.shape.as_list()), batch.dtype)
    return target, shards.write(target, batch)


def test_split_along_the_first_dimension():
    (shards,) = plan(tf.TensorSpec([8, 3]))
    assert (shards.name, shards.spec.shape.as_list()) == ("features", [4, 3])
    batch = np.arange(24.0).reshape(8, 3)
    target, rows = write(shards, batch)
    np.testing.assert_array_equal(target, [batch[:4], batch[4:]])
    assert rows == 8


def test_split_along_batch_axis():
    images, labels = plan(tf.TensorSpec([3, 5, 8]), tf.TensorSpec([8]), parts=4, axis=(2, 0))
    assert images.spec.shape.as_list() == [3, 5, 2]
    batch = np.random.RandomState(0).randn(3, 5, 8).astype("float32")
    target, _ = write(images, batch)
    np.testing.assert_array_equal(target, np.split(batch, 4, axis=2))
    target, _ = write(labels, np.arange(8.0))
    np.testing.assert_array_equal(target, [[0, 1], [2, 3], [4, 5], [6, 7]])


@pytest.mark.parametrize("pipeline", [Pipeline.PER_HOST_V2, Pipeline.PER_SHARD_V1])
def test_batch_axis_is_for_per_host_v1(pipeline):
    (shards,) = plan(tf.TensorSpec([8, 3]), pipeline=pipeline, parts=1, axis=(1, 1, 1))
    assert (shards.axis, shards.spec.shape.as_list()) == (0, [8, 3])


@pytest.mark.parametrize(
    ("features", "options", "error", "text"),
    [
        (tf.TensorSpec([6]), {"parts": 4}, ValueError, "cannot be split over 4 replicas"),
        (tf.TensorSpec([]), {}, ValueError, "is a scalar, which cannot be split"),
        (tf.TensorSpec([8]), {"axis": (1,)}, ValueError, "`batch_axis` 1 is not a dimension"),
        (tf.TensorSpec([8]), {"axis": (0, 0)}, ValueError, "`batch_axis` must have one entry"),
        (tf.TensorSpec([8]), {"axis": (0,), "mode": "infer"}, TypeError, "`batch_axis` is not"),
        (tf.TensorSpec([None]), {}, ValueError, "features.*must have static"),
        (tf.TensorSpec([8, None]), {"mode": "eval"}, ValueError, "features.*must have static"),
        (tf.TensorSpec(None), {"mode": "infer"}, ValueError, "features.*must have static"),
    ],
)
def test_what_cannot_be_divided(features, options, error, text):
    with pytest.raises(error, match=text):
        plan(features, **options)


def test_labels_must_have_static_shape():
    with pytest.raises(ValueError, match=r"The labels .*must have static"):
        plan(tf.TensorSpec([8]), {"y": tf.TensorSpec([8, None])})


@pytest.mark.parametrize("mode", ["eval", "infer"])
def test_partial_batch_is_filled_up(mode):
    (shards,) = plan(tf.TensorSpec([None, 1]), mode=mode)
    assert shards.spec.shape.as_list() == [4, 1]
    target, rows = write(shards, np.arange(5.0)[:, None])
    assert rows == 5
    np.testing.assert_array_equal(target[..., 0], [[0, 1, 2, 3], [4, 4, 4, 4]])


def test_partial_batch_along_another_dimension():
    (shards,) = plan(tf.TensorSpec([2, None]), mode="eval", axis=(1,))
    target, rows = write(shards, np.arange(10.0).reshape(2, 5))
    assert rows == 5
    np.testing.assert_array_equal(target[1], [[4, 4, 4, 4], [9, 9, 9, 9]])


def test_batches_that_break_their_promise():
    (shards,) = plan(tf.TensorSpec([None]), mode="eval")
    with pytest.raises(ValueError, match="a batch of 9 examples came where 8 are expected"):
        write(shards, np.zeros(9))
    (shards,) = plan(tf.TensorSpec([8, 3]))
    with pytest.raises(ValueError, match=r"`features` was declared .* shape \[8, 1\] came"):
        write(shards, np.zeros((8, 1)))


def test_scalars_go_whole_to_each_replica():
    (shards,) = plan(tf.TensorSpec([]), pipeline=Pipeline.PER_HOST_V2, parts=1)
    target, rows = write(shards, np.float32(3))
    assert (target.tolist(), rows) == ([3.0], 1)


def test_merging_replicas_copies_nothing():
    stacked = np.zeros([5, 2, 4, 3])
    merged, scalars = merge_replicas([stacked, np.zeros([5, 2])])
    assert merged.shape == (5, 8, 3)
    assert np.shares_memory(merged, stacked)
    assert scalars.shape == (5, 2)
