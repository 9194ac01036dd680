"""TPUEstimator on model directories with damaged checkpoints."""

import os

import pytest
import tensorflow as tf
from helpers.models import eval_input_fn, make_estimator, receiver_fn, train_input_fn

import tfx_tpu_estimator as tpu_estimator

DATA = ".data-00000-of-00001"


@pytest.fixture
def trained(tmp_path):
    """Trained for 20 steps, with the checkpoints 0, 10 and 20, of which the last is cut off."""
    config = tpu_estimator.RunConfig(save_checkpoints_steps=10, keep_checkpoint_max=2)
    estimator = make_estimator(tmp_path / "m", config=config).train(train_input_fn, steps=20)
    damage(estimator, 20)
    return estimator


def damage(estimator, step):
    path = f"{estimator.model_dir}/model.ckpt-{step}{DATA}"
    os.truncate(path, os.path.getsize(path) - 1)


def test_training_goes_on_from_the_one_before(trained, caplog):
    trained.train(train_input_fn, max_steps=15)
    assert "model.ckpt-20 is corrupt" in caplog.text
    assert f"Using checkpoint {trained.model_dir}/model.ckpt-10" in caplog.text
    assert trained.latest_checkpoint().endswith("model.ckpt-15")
    assert trained.evaluate(eval_input_fn)["global_step"] == 15
    trained.train(train_input_fn, max_steps=40)
    kept = sorted(n for n in os.listdir(trained.model_dir) if n.endswith(".index"))
    assert kept == ["model.ckpt-35.index", "model.ckpt-40.index"]


def test_evaluation_prediction_and_export_use_the_one_before(trained, caplog):
    assert trained.evaluate(eval_input_fn)["global_step"] == 10
    assert len(list(trained.predict(eval_input_fn))) == 100
    path = trained.export_saved_model(f"{trained.model_dir}/export", receiver_fn)
    exported = os.path.join(os.fsdecode(path), "variables", "variables")
    assert tf.train.load_variable(exported, "global_step") == 10
    assert caplog.text.count("model.ckpt-20 is corrupt") == 3


def test_a_corrupt_checkpoint_that_is_asked_for_is_an_error(trained):
    asked = f"{trained.model_dir}/model.ckpt-20"
    with pytest.raises(ValueError, match=r"`checkpoint_path` .*-20' is corrupt: .* bytes"):
        trained.evaluate(eval_input_fn, checkpoint_path=asked)
    with pytest.raises(ValueError, match=r"`warm_start_from` .*-20' is corrupt"):
        make_estimator(f"{trained.model_dir}/new", warm_start_from=asked)


def test_all_corrupt_is_an_error_not_a_new_start(trained):
    damage(trained, 10)
    for act in (
        lambda: trained.train(train_input_fn, steps=1),
        lambda: trained.evaluate(eval_input_fn),
        lambda: trained.predict(eval_input_fn),
        lambda: trained.get_variable_names(),
    ):
        with pytest.raises(ValueError, match=r"All checkpoints .*-20 is corrupt.*-10 is corrupt"):
            act()


def test_a_garbage_state_file_does_not_lose_the_checkpoints(trained, caplog):
    with open(f"{trained.model_dir}/checkpoint", "wb") as f:
        f.write(b"\x00garbage")
    trained.train(train_input_fn, max_steps=12)
    assert "is no checkpoint state file" in caplog.text
    assert trained.evaluate(eval_input_fn)["global_step"] == 12
