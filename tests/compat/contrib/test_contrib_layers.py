"""Layers of tf.contrib: numbers, and names of variables."""

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.compat.contrib import arg_scope as scopes
from tfx_tpu_estimator.compat.contrib import framework, layers

v1 = tf.compat.v1
IMAGES = np.random.RandomState(0).normal(size=[2, 6, 6, 3]).astype(np.float32)


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as opened:
        yield opened


def evaluate(session, tensor):
    session.run(v1.global_variables_initializer())
    return session.run(tensor)


def names():
    return sorted(v.op.name for v in v1.global_variables())


def test_layer_norm(session):
    found = evaluate(session, layers.layer_norm(tf.constant(IMAGES)))
    flat = IMAGES.reshape(2, -1)
    expected = (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True)
    np.testing.assert_allclose(found.reshape(2, -1), expected, rtol=1e-4, atol=1e-5)
    assert names() == ["LayerNorm/beta", "LayerNorm/gamma"]
    assert [v.shape for v in v1.trainable_variables()] == [[3], [3]]


def test_layer_norm_over_the_last_axis_as_language_models_call_it(session):
    x = tf.constant(IMAGES[:, 0])
    normed = layers.layer_norm(inputs=x, begin_norm_axis=-1, begin_params_axis=-1, scope="LN")
    layers.layer_norm(x, begin_norm_axis=-1, scope="LN", reuse=True)
    found = evaluate(session, normed)
    np.testing.assert_allclose(found.mean(-1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(-1), 1, atol=1e-3)
    assert names() == ["LN/beta", "LN/gamma"]


def test_fully_connected(session):
    x = tf.constant(IMAGES[:, 0, 0])
    result = layers.fully_connected(x, 4, weights_initializer=v1.ones_initializer())
    found = evaluate(session, result)
    expected = np.maximum(IMAGES[:, 0, 0].sum(1, keepdims=True), 0).repeat(4, 1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert names() == ["fully_connected/biases", "fully_connected/weights"]


def test_fully_connected_of_higher_rank(session):
    assert evaluate(session, layers.linear(tf.constant(IMAGES), 5)).shape == (2, 6, 6, 5)


def test_conv2d_and_pooling(session):
    net = layers.conv2d(
        IMAGES, 4, 3, stride=2, scope="conv", weights_initializer=v1.ones_initializer()
    )
    pooled = layers.avg_pool2d(layers.max_pool2d(net, 2, stride=1), [2, 2])
    found = evaluate(session, [net, pooled])
    assert [f.shape for f in found] == [(2, 3, 3, 4), (2, 1, 1, 4)]
    window = IMAGES[0, :3, :3].sum()
    np.testing.assert_allclose(found[0][0, 0, 0], np.maximum(window, 0), rtol=1e-4)
    assert names() == ["conv/biases", "conv/weights"]


def test_batch_norm_in_place_of_biases(session):
    layers.conv2d(
        IMAGES, 4, 3, normalizer_fn=layers.batch_norm, normalizer_params={"is_training": True}
    )
    assert names() == [
        "Conv/BatchNorm/beta",
        "Conv/BatchNorm/moving_mean",
        "Conv/BatchNorm/moving_variance",
        "Conv/weights",
    ]
    assert len(v1.get_collection(v1.GraphKeys.UPDATE_OPS)) == 2


def test_batch_norm_updates_in_place(session):
    result = layers.batch_norm(tf.constant(IMAGES), decay=0.5, updates_collections=None)
    found = evaluate(session, result)
    np.testing.assert_allclose(found.mean((0, 1, 2)), 0, atol=1e-5)
    (mean,) = (v for v in v1.global_variables() if "moving_mean" in v.name)
    np.testing.assert_allclose(session.run(mean), IMAGES.mean((0, 1, 2)) / 2, rtol=1e-3)
    assert v1.get_collection(v1.GraphKeys.UPDATE_OPS) == []


def test_dropout_and_flatten(session):
    kept = layers.dropout(tf.constant(IMAGES), is_training=False)
    dropped = layers.dropout(tf.ones([1000]), keep_prob=0.8, seed=1)
    flat = layers.flatten(tf.constant(IMAGES))
    found = evaluate(session, [kept, dropped, flat])
    np.testing.assert_array_equal(found[0], IMAGES)
    assert set(np.round(found[1], 3)) == {0.0, 1.25}
    assert found[2].shape == (2, 108)


def test_regularizers(session):
    weights = tf.constant([3.0, -4.0])
    found = evaluate(
        session, [layers.l1_regularizer(0.5)(weights), layers.l2_regularizer(0.5)(weights)]
    )
    assert found == [3.5, 6.25]
    assert layers.l2_regularizer(0.0)(weights) is None
    layers.fully_connected(IMAGES, 2, weights_regularizer=layers.l2_regularizer(1e-3))
    assert len(v1.losses.get_regularization_losses()) == 1


@pytest.mark.parametrize("scale", [1, -0.5, "1"])
def test_wrong_scales(scale):
    with pytest.raises(ValueError, match="`scale` must be a float"):
        layers.l2_regularizer(scale)


def test_initializers(session):
    shape = [200, 300]
    uniform = layers.xavier_initializer(seed=1)(shape, tf.float32)
    normal = layers.variance_scaling_initializer(seed=1)(shape, tf.float32)
    found = evaluate(session, [uniform, normal])
    assert np.abs(found[0]).max() == pytest.approx(np.sqrt(6 / 500), rel=1e-2)
    assert found[1].std() == pytest.approx(np.sqrt(2 / 200), rel=2e-2)
    with pytest.raises(ValueError, match="`mode` must be"):
        layers.variance_scaling_initializer(mode="FAN")


def test_arg_scope_gives_arguments_and_calls_win(session):
    with scopes.arg_scope([layers.conv2d, layers.fully_connected], activation_fn=None):
        with scopes.arg_scope([layers.conv2d], scope="inner", stride=2) as scope:
            layers.conv2d(IMAGES, 2, 3)
        assert layers.conv2d(IMAGES, 2, 3).shape == [2, 6, 6, 2]
    with scopes.arg_scope(scope):
        assert layers.conv2d(IMAGES, 2, 3, scope="again").shape == [2, 3, 3, 2]
    assert [n for n in names() if n.startswith("inner")]
    with pytest.raises(ValueError, match="add_arg_scope"), scopes.arg_scope([len], a=1):
        pass
    with pytest.raises(ValueError, match="give no arguments"), scopes.arg_scope(scope, a=1):
        pass


def test_lists_of_variables(session):
    layers.conv2d(IMAGES, 2, 3, scope="a")
    layers.conv2d(IMAGES, 2, 3, scope="b", trainable=False)
    read = [
        framework.get_variables("a"),
        framework.get_trainable_variables(),
        framework.get_variables_by_name("weights"),
        framework.get_variables_to_restore(include=["b"], exclude=["b/biases"]),
        framework.get_model_variables("b"),
    ]
    assert [sorted(v.op.name for v in group) for group in read] == [
        ["a/biases", "a/weights"],
        ["a/biases", "a/weights"],
        ["a/weights", "b/weights"],
        ["b/weights"],
        ["b/biases", "b/weights"],
    ]
