"""Hyperparameters, optimizers, summaries and predictors of tf.contrib."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.events import read_scalars

from tfx_tpu_estimator.compat.contrib import data, optimizers, predictor, summary
from tfx_tpu_estimator.compat.contrib.hparams import HParams

v1 = tf.compat.v1


def make_hparams():
    return HParams(rate=0.1, steps=3, name="a", deep=True, sizes=[1, 2], optional=None)


def test_hparams_are_read_as_attributes():
    hparams = make_hparams()
    assert (hparams.rate, hparams.sizes, hparams.optional) == (0.1, [1, 2], None)
    assert "rate" in hparams
    assert hparams.get("nothing", 5) == 5
    with pytest.raises(AttributeError, match="no hyperparameter `nothing`"):
        hparams.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("rate=0.3", "rate", 0.3),
        ("rate=1", "rate", 1.0),
        ("steps=7, name=b", "name", "b"),
        ("deep=false", "deep", False),
        ("sizes=[3,4, 5]", "sizes", [3, 4, 5]),
        ("sizes=6,steps=2", "sizes", [6]),
    ],
)
def test_hparams_keep_their_types(text, name, value):
    found = make_hparams().parse(text).values()[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("steps=1.5", "must be an integer"),
        ("deep=maybe", "must be true, false"),
        ("unknown=1", "no hyperparameter `unknown`"),
        ("rate", "must be name=value"),
        ("rate=[1,2]", "is no list"),
    ],
)
def test_wrong_hparams(text, match):
    with pytest.raises(ValueError, match=match):
        make_hparams().parse(text)


def test_hparams_change_and_go_to_json():
    hparams = make_hparams()
    hparams.add_hparam("extra", 1)
    hparams.set_hparam("rate", 1)
    hparams.steps = 9
    hparams.del_hparam("name")
    again = make_hparams().parse_json('{"steps": 4}')
    assert (hparams.rate, hparams.steps, again.steps) == (1.0, 9, 4)
    assert '"extra": 1' in hparams.to_json()
    with pytest.raises(ValueError, match="`parse` is taken"):
        hparams.add_hparam("parse", 1)


def train(optimizer, steps=2, start=2.0):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.get_variable("x", initializer=[start, 0.0], use_resource=True)
        y = v1.get_variable("y", initializer=[1.0], use_resource=True)
        train_op = optimizer(x, y).minimize(tf.reduce_sum(x * 3.0) + tf.reduce_sum(y))
        session.run(v1.global_variables_initializer())
        for _ in range(steps):
            session.run(train_op)
        return session.run([x, y])


def test_adam_with_decoupled_decay():
    plain = train(lambda x, y: v1.train.AdamOptimizer(0.1), steps=1)
    decayed = train(lambda x, y: optimizers.AdamWOptimizer(0.01, 0.1), steps=1)
    np.testing.assert_allclose(decayed[0], plain[0] - np.array([0.02, 0.0]), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(decayed[1], plain[1] - 0.01, rtol=1e-5)


def test_decay_of_some_variables():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.get_variable("x", initializer=[2.0], use_resource=True)
        y = v1.get_variable("y", initializer=[2.0], use_resource=True)
        optimizer = optimizers.MomentumWOptimizer(0.5, 0.0, 0.9)
        train_op = optimizer.minimize(tf.reduce_sum(x + y), decay_var_list=[x])
        session.run(v1.global_variables_initializer())
        session.run(train_op)
        assert session.run([x, y]) == [1.0, 2.0]


def test_lars_scales_by_norms_and_skips():
    found = train(
        lambda x, y: optimizers.LARSOptimizer(1.0, 0.9, 0.0, eeta=0.1, skip_list=["y"]), steps=1
    )
    # |x| = 2, |gradient| = 3 * sqrt(2): the update is 0.1 * 2 / (3 sqrt(2)) * 3.
    np.testing.assert_allclose(found[0], np.array([2.0, 0.0]) - 0.2 / np.sqrt(2), rtol=1e-5)
    np.testing.assert_allclose(found[1], [0.0], atol=1e-6)
    with pytest.raises(ValueError, match="`momentum` must be"):
        optimizers.LARSOptimizer(1.0, -1)


def test_clipping_over_all_gradients():
    found = train(
        lambda x, y: optimizers.clip_gradients_by_norm(v1.train.GradientDescentOptimizer(1.0), 1.0),
        steps=1,
    )
    norm = np.sqrt(9 + 9 + 1)
    np.testing.assert_allclose(found[0], np.array([2.0, 0.0]) - 3 / norm, rtol=1e-5)
    np.testing.assert_allclose(found[1], 1 - 1 / norm, rtol=1e-5)


def test_batches_of_one_size():
    made = tf.data.Dataset.range(7).apply(data.batch_and_drop_remainder(3))
    assert [b.tolist() for b in made.as_numpy_iterator()] == [[0, 1, 2], [3, 4, 5]]


def test_summaries(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        step = v1.train.get_or_create_global_step()
        writer = summary.create_file_writer(str(tmp_path))
        with writer.as_default(), summary.record_summaries_every_n_global_steps(2):
            summary.scalar("loss", tf.cast(step, tf.float32) * 2, family="train")
            ops = summary.all_summary_ops()
        with writer.as_default(), summary.never_record_summaries():
            summary.scalar("hidden", 1.0)
        session.run(v1.global_variables_initializer())
        with writer.as_default():
            summary.initialize(session=session)
        for _ in range(5):
            session.run(ops)
            session.run(step.assign_add(1))
        session.run(writer.flush())
    assert read_scalars(str(tmp_path), "train/loss") == {0: 0.0, 2: 4.0, 4: 8.0}
    assert read_scalars(str(tmp_path), "hidden") == {}


def export(path):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        y = tf.multiply(x, v1.get_variable("w", initializer=3.0), name="y")
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, path, {"x": x}, {"y": y})


def test_predictor(tmp_path):
    export(str(tmp_path / "model"))
    predict = predictor.from_saved_model(str(tmp_path / "model"))
    assert predict({"x": [1.0, 2.0]})["y"].tolist() == [3.0, 6.0]
    by_name = predictor.from_saved_model(
        str(tmp_path / "model"), input_names={"a": "x:0"}, output_names={"b": "y:0"}
    )
    assert by_name({"a": [1.0]})["b"].tolist() == [3.0]
    with pytest.raises(ValueError, match=r"no inputs \['z'\]"):
        predict({"z": [1.0]})
    with pytest.raises(ValueError, match="'nothing' is not in the model"):
        predictor.from_saved_model(str(tmp_path / "model"), "nothing")
    with pytest.raises(ValueError, match="both `input_names` and `output_names`"):
        predictor.from_saved_model(str(tmp_path / "model"), input_names={})
