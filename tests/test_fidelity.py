"""The same model_fns on the old estimator (recorded, see tests/golden/README.md) and on ours."""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest
from golden import golden_models
from golden.golden_models import CASES, RESUME_CASE, RESUME_STEP, STEPS
from helpers.golden import (
    MAKER,
    OLD_CHECKPOINT_DIR,
    TOLERANCE,
    array_difference,
    assert_small,
    compare_case,
    evaluation_difference,
    load_arrays,
    load_evaluations,
    load_group,
    loss_difference,
)
from helpers.needs import OLD_PYTHON, needs_old_estimator

import tfx_tpu_estimator as tpu_estimator


@pytest.mark.parametrize("case", CASES)
def test_losses_variables_metrics_and_predictions_are_those_of_the_old_estimator(tmp_path, case):
    estimator = golden_models.make_estimator(tpu_estimator, case, tmp_path)
    assert_small(compare_case(estimator, case))


@pytest.mark.parametrize("case", ["dense/adam", "cnn/momentum"])
def test_a_run_that_records_nothing_on_its_way_ends_with_the_same_variables(tmp_path, case):
    estimator = golden_models.make_estimator(
        tpu_estimator,
        case,
        tmp_path,
        save_summary_steps=None,
        log_step_count_steps=None,
        save_checkpoints_steps=10 * STEPS,
        tpu_config=tpu_estimator.TPUConfig(iterations_per_loop=16),
    )
    golden_models.train(estimator)
    found = golden_models.read_variables(estimator.latest_checkpoint())
    assert array_difference(found, load_group(case, "variables")) <= TOLERANCE


def test_an_optimizer_that_is_not_wrapped_gives_the_same(tmp_path):
    estimator = golden_models.make_estimator(
        tpu_estimator, "dense/momentum", tmp_path, cross_shard=False
    )
    assert_small(compare_case(estimator, "dense/momentum"))


def test_the_base_class_gives_the_same(tmp_path):
    params = golden_models.make_params("dense/adam", cross_shard=False)
    config = tpu_estimator.BaseRunConfig(
        tf_random_seed=1,
        save_summary_steps=1,
        save_checkpoints_steps=RESUME_STEP,
        keep_checkpoint_max=None,
        log_step_count_steps=1,
    )
    estimator = tpu_estimator.Estimator(
        golden_models.make_model_fn(tpu_estimator),
        tmp_path,
        config,
        {**params, "batch_size": golden_models.BATCH_SIZE},
    )
    assert_small(compare_case(estimator, "dense/adam"))


@pytest.fixture
def old_model_dir(tmp_path):
    """A model directory as the old estimator left it at `RESUME_STEP`."""
    return shutil.copytree(OLD_CHECKPOINT_DIR, tmp_path / "old")


def test_an_old_checkpoint_is_evaluated_and_predicted_from(old_model_dir):
    estimator = golden_models.make_estimator(tpu_estimator, RESUME_CASE, old_model_dir)
    evaluation = golden_models.evaluate(estimator)
    predictions = golden_models.predict(estimator)
    assert evaluation["global_step"] == RESUME_STEP
    assert evaluation_difference(evaluation, load_evaluations()["resumed"]) <= TOLERANCE
    assert array_difference(predictions, load_group("resumed", "predictions")) <= TOLERANCE
    restored = load_group("resumed", "restored")
    assert sorted(estimator.get_variable_names()) == sorted(restored)
    for name, value in restored.items():
        np.testing.assert_array_equal(estimator.get_variable_value(name), value)


def test_training_goes_on_from_an_old_checkpoint_with_its_slots(old_model_dir):
    estimator = golden_models.make_estimator(tpu_estimator, RESUME_CASE, old_model_dir)
    golden_models.train(estimator)
    found = golden_models.read_variables(estimator.latest_checkpoint())
    losses = golden_models.read_losses(old_model_dir)
    whole_run = load_arrays(RESUME_CASE)["losses"]
    assert_small(
        {
            "losses": loss_difference(losses, load_arrays("resumed")["losses"], RESUME_STEP + 1),
            "losses of the run in one piece": loss_difference(
                losses, whole_run[RESUME_STEP:], RESUME_STEP + 1
            ),
            "variables": array_difference(found, load_group("resumed", "variables")),
        }
    )


def test_without_its_slots_a_checkpoint_would_not_go_on_the_same_way(old_model_dir, tmp_path):
    """Shows that the test above would notice slots that were not restored."""
    new = golden_models.make_estimator(
        tpu_estimator, RESUME_CASE, tmp_path / "new", warm_start_from=str(old_model_dir)
    )
    golden_models.train(new, max_steps=STEPS - RESUME_STEP)
    losses = golden_models.read_losses(new.model_dir)
    assert loss_difference(losses, load_arrays("resumed")["losses"]) > 100 * TOLERANCE


@needs_old_estimator
@pytest.mark.parametrize("case", ["dense/adam", "cnn/momentum", "linear/adagrad"])
def test_the_old_estimator_goes_on_from_our_checkpoint(tmp_path, case):
    model_dir = tmp_path / "model"
    estimator = golden_models.make_estimator(tpu_estimator, case, model_dir)
    golden_models.train(estimator, max_steps=RESUME_STEP)
    ours = golden_models.evaluate(estimator)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TF_"))}
    command = [OLD_PYTHON, str(MAKER), "continue", case, str(model_dir)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    old = json.loads(done.stdout.splitlines()[-1])
    golden = load_group(case, "variables")
    variables = {k: np.asarray(v, golden[k].dtype) for k, v in old["variables"].items()}
    differences = {
        "evaluation of our checkpoint": evaluation_difference(old["restored_evaluation"], ours),
        "losses": loss_difference(
            {int(step): loss for step, loss in old["losses"].items()}, load_arrays(case)["losses"]
        ),
        "variables": array_difference(variables, golden),
        "evaluation": evaluation_difference(old["evaluation"], load_evaluations()[case]["all"]),
    }
    print(case, differences)
    assert_small(differences)
