import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.canned import reductions

LOSSES = np.array([[1.0], [2.0], [6.0], [3.0]], np.float32)
WEIGHTS = np.array([[1.0], [0.5], [0.0], [2.0]], np.float32)


@pytest.mark.parametrize(
    ("reduction", "expected"),
    [
        (tf.losses.Reduction.SUM, 8.0),
        (tf.compat.v1.losses.Reduction.SUM, 8.0),
        (tf.losses.Reduction.SUM_OVER_BATCH_SIZE, 2.0),
        (tf.losses.Reduction.AUTO, 2.0),
        (tf.compat.v1.losses.Reduction.SUM_OVER_BATCH_SIZE, 2.0),
        (tf.compat.v1.losses.Reduction.MEAN, 8.0 / 3.5),
        (tf.compat.v1.losses.Reduction.SUM_BY_NONZERO_WEIGHTS, 8.0 / 3.0),
    ],
)
def test_weighted_losses_are_reduced_as_tensorflow_does(reduction, expected):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        resolved = reductions.resolve_loss_reduction(reduction)
        found = session.run(
            reductions.reduce_loss(tf.constant(LOSSES), tf.constant(WEIGHTS), resolved)
        )
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("reduction", ["weighted_mean", "weighted_sum_by_nonzero_weights"])
def test_a_batch_without_weight_has_no_loss(reduction):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        losses = tf.constant(LOSSES)
        assert session.run(reductions.reduce_loss(losses, 0.0 * losses, reduction)) == 0.0


@pytest.mark.parametrize("wrong", ["none", "max", None, 3])
def test_no_reduction_is_refused(wrong):
    with pytest.raises(ValueError, match=r"Invalid loss_reduction.*weighted_sum"):
        reductions.resolve_loss_reduction(wrong)


def test_average_loss_weighs_examples():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        losses, weights = tf.constant(LOSSES), tf.constant(WEIGHTS)
        assert session.run(reductions.average_loss(losses, weights)) == pytest.approx(8 / 3.5)
        assert session.run(reductions.average_loss(losses, None)) == pytest.approx(3.0)
