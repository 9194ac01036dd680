"""Names that are nearly those of something else."""

import pytest

from tfx_tpu_estimator.components.hyperparameters import (
    check_hyperparameters,
    find_near,
    read_tuned,
)
from tfx_tpu_estimator.components.pusher.options import read_pusher_options

OWN = ["train_files", "eval_steps", "label_key", "seed"]


@pytest.mark.parametrize(
    ("declared", "options", "custom_config", "match"),
    [
        ({"train_batchsize": 8}, {}, {},
         r"`estimator_params\(\)` has `train_batchsize`, which is nearly `train_batch_size`.*"
         "return it below the key 'params'"),
        ({"eval_step": 8}, {}, {}, "Did you mean `eval_steps`"),
        ({}, {}, {"use_tpus": True},
         r"`custom_config` has `use_tpus`.*TPUEstimatorOptions\(params"),
        ({"hosts": {}}, {}, {}, r"`estimator_params\(\)` has `hosts`, which .* too late to say"),
        ({}, {}, {"use_tpu": True},
         r"`custom_config` has `use_tpu`, which is an option: give .*\(use_tpu=...\)"),
        ({"learning_rate": 1}, {"learning_rte": 2}, {},
         r"`options.params` has `learning_rte`.*`learning_rate`\?.*from `estimator_params"),
        ({"params": {"hidden_units": 1}}, {}, {"hiden_units": 2},
         "`custom_config` has `hiden_units`, which is nearly `hidden_units`"),
    ],
)  # fmt: skip
def test_refused(declared, options, custom_config, match):
    with pytest.raises(ValueError, match=match):
        check_hyperparameters(declared, {}, options, custom_config, OWN)


@pytest.mark.parametrize(
    ("declared", "options", "custom_config"),
    [
        ({"learning_rate": 1, "train_batch_size": 8}, {"learning_rate": 2}, {"learning_rate": 3}),
        ({"params": {"train_batchsize": 8}}, {}, {}),
        ({}, {"train_batchsize": 8}, {}),
        ({"units_1": 1, "learning_rate": 1, "learning_rte": 1}, {"units_2": 2},
         {"learning_rte": 1}),
        ({"num_steps": 1, "decay_steps": 2, "batch_norm": 1, "num_epochs_per_decay": 3}, {}, {}),
    ],
)  # fmt: skip
def test_let_pass(declared, options, custom_config):
    check_hyperparameters(declared, {}, options, custom_config, OWN)


def test_values_of_a_tuner():
    values = {"learning_rate": 0.1, "tuner/trial_id": "3"}
    content = {"space": [{"class_name": "Float", "config": {}}], "values": values}
    assert read_tuned(content) == {"learning_rate": 0.1}
    assert read_tuned({"units": 3}) == {"units": 3}
    assert read_tuned(None) == {}
    with pytest.raises(ValueError, match="must hold a JSON object of names and values, got 3"):
        read_tuned({"space": [], "values": 3})
    with pytest.raises(ValueError, match="`hyperparameters` has `learning_rte`, which is nearly"):
        check_hyperparameters({"learning_rate": 1}, {"learning_rte": 2}, {}, {}, OWN)
    check_hyperparameters({}, {"train_batch_size": 2}, {}, {}, OWN)


def test_near():
    assert find_near("seed", ["seed"]) is None
    assert find_near("seed_2", ["seed_1"]) is None
    assert find_near("lable_key", OWN) == "label_key"


def test_a_misspelt_key_of_the_pusher():
    with pytest.raises(ValueError, match=r"'tpu_estimator_pushr', which has no effect.*pusher'"):
        read_pusher_options({"tpu_estimator_pushr": {}})
    read_pusher_options({"ai_platform_serving_args": {}})
