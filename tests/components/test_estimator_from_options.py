"""What a module's estimator_params() says, and the estimator that options describe."""

import pytest
import tensorflow as tf

from tfx_tpu_estimator.components.estimator_from_options import (
    create_estimator_from_options,
    split_estimator_params,
)
from tfx_tpu_estimator.components.options import TPUEstimatorOptions


def model_fn(features, labels, mode, params):
    raise AssertionError("is not called")


def test_options_and_hyperparameters_are_parted():
    values = {"train_batch_size": 8, "rate": 1, "size": 2, "params": {"rate": 3}}
    chosen, hyperparameters = split_estimator_params(values)
    assert chosen == {"train_batch_size": 8}
    assert hyperparameters == {"rate": 3, "size": 2}


@pytest.mark.parametrize("use_tpu", [False, True])
def test_options_reach_the_estimator(tmp_path, use_tpu):
    options = TPUEstimatorOptions(
        train_batch_size=8,
        save_checkpoints_steps=3,
        seed=7,
        use_tpu=use_tpu,
        num_shards=2,
        iterations_per_loop=3,
    )
    estimator = create_estimator_from_options(
        model_fn, options, {"rate": 1}, str(tmp_path), warm_start_from=None
    )
    config = estimator.config
    assert estimator.model_dir == str(tmp_path)
    assert (config.save_checkpoints_steps, config.tf_random_seed) == (3, 7)
    assert config.tpu_config.num_shards == (2 if use_tpu else None)
    assert config.tpu_config.iterations_per_loop == 3
    assert estimator.params["rate"] == 1
    assert not tf.io.gfile.listdir(str(tmp_path))
