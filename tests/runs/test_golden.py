"""`use_tpu=True` on several devices, against the numbers recorded from the old estimator."""

import shutil

import numpy as np
import pytest
from golden import golden_models
from golden.golden_models import CASES, RESUME_CASE, RESUME_STEP
from helpers.golden import (
    EVAL_BATCHES,
    OLD_CHECKPOINT_DIR,
    array_difference,
    assert_small,
    compare_case,
    evaluation_difference,
    load_arrays,
    load_evaluations,
    load_group,
    loss_difference,
)

import tfx_tpu_estimator as tpu_estimator

# Every case on one number of replicas, every number with several cases.
REPLICAS = dict(zip(CASES, [8, 4, 2, 1, 4, 2, 8, 1, 2, 8, 4, 1], strict=True))


def make_estimator(case, model_dir, replicas, *, use_tpu=True, loop=8, **config):
    tpu_config = tpu_estimator.TPUConfig(iterations_per_loop=loop, num_shards=replicas)
    return golden_models.make_estimator(
        tpu_estimator, case, model_dir, use_tpu=use_tpu, tpu_config=tpu_config, **config
    )


@pytest.mark.parametrize(("case", "replicas"), REPLICAS.items())
def test_losses_variables_metrics_and_predictions_are_those_of_the_old_estimator(
    tmp_path, case, replicas
):
    estimator = make_estimator(case, tmp_path, replicas)
    assert_small(compare_case(estimator, case, eval_batches=EVAL_BATCHES))


@pytest.fixture
def old_model_dir(tmp_path):
    """A model directory as the old estimator left it at `RESUME_STEP`."""
    return shutil.copytree(OLD_CHECKPOINT_DIR, tmp_path / "old")


def test_an_old_checkpoint_is_evaluated_and_predicted_from_and_trained_on(old_model_dir):
    estimator = make_estimator(RESUME_CASE, old_model_dir, 4)
    evaluation = golden_models.evaluate(estimator, steps=EVAL_BATCHES)
    assert evaluation["global_step"] == RESUME_STEP
    differences = {
        "evaluation": evaluation_difference(evaluation, load_evaluations()["resumed"]),
        "predictions": array_difference(
            golden_models.predict(estimator), load_group("resumed", "predictions")
        ),
    }
    golden_models.train(estimator)
    losses = golden_models.read_losses(old_model_dir)
    found = golden_models.read_variables(estimator.latest_checkpoint())
    first = RESUME_STEP + 1
    differences["losses"] = loss_difference(losses, load_arrays("resumed")["losses"], first)
    differences["variables"] = array_difference(found, load_group("resumed", "variables"))
    assert_small(differences)


def test_training_moves_between_engines_and_replica_counts(tmp_path):
    """Each leg goes on from the last one's checkpoint, values and slots to the bit."""
    legs = [8, None, 2, 4, None]
    for number, replicas in enumerate(legs):
        # A pass over the data has 8 steps: each leg starts at the beginning of one.
        step = 8 * number
        estimator = make_estimator(
            RESUME_CASE, tmp_path, replicas or 1, use_tpu=replicas is not None
        )
        saved = step and golden_models.read_variables(str(tmp_path / f"model.ckpt-{step}"))
        golden_models.train(estimator, max_steps=step + 8)
        if step:
            start = golden_models.read_variables(str(tmp_path / f"model.ckpt-{step}"))
            assert sorted(start) == sorted(saved)
            for name, value in saved.items():
                np.testing.assert_array_equal(start[name], value)
    found = golden_models.read_variables(estimator.latest_checkpoint())
    losses = golden_models.read_losses(tmp_path)
    assert_small(
        {
            "losses": loss_difference(losses, load_arrays(RESUME_CASE)["losses"]),
            "variables": array_difference(found, load_group(RESUME_CASE, "variables")),
        }
    )
