"""Canned estimators give the numbers, names and signatures of the old ones (recorded)."""

import json
import os
import subprocess

import numpy as np
import pytest
from golden import canned_models
from golden.canned_models import CASES, RESUME_STEP
from helpers.canned import (
    MAKER,
    WORLD,
    compare_training,
    copy_old_checkpoint,
    evaluation_difference,
    load_arrays,
    load_group,
    load_record,
    prediction_difference,
    read_tags,
)
from helpers.golden import array_difference, assert_small, loss_difference
from helpers.needs import OLD_PYTHON, needs_old_estimator

import tfx_tpu_estimator as tpu_estimator

# Not slow each, but all of them together; what they show beside the others is little.
SLOW = {
    "dnn_numbers",
    "dnn_shared",
    "linear_classes",
    "baseline",
    "linear_v2",
    "combined_v2",
    "several",
    "counts",
}


def mark_slow(cases, slow):
    return [pytest.param(c, marks=pytest.mark.slow) if c in slow else c for c in cases]


@pytest.mark.parametrize("case", mark_slow(CASES, SLOW))
def test_numbers_names_and_signatures_are_those_of_the_old_estimator(tmp_path, case):
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")
    estimator = canned_models.make_estimator(WORLD, case, model_dir)
    canned_models.train(estimator, case)
    record = load_record()[case]
    differences = {
        **compare_training(estimator, case, 1),
        "evaluation": evaluation_difference(
            canned_models.evaluate(estimator, case), record["evaluation"]
        ),
        "predictions": prediction_difference(
            canned_models.predict(estimator, case), load_group(case, "predictions")
        ),
    }
    print(case, differences)
    assert_small(differences)
    assert set(record["tags"]) <= read_tags(model_dir)
    receiver_fn = tpu_estimator.build_parsing_serving_input_receiver_fn(
        canned_models.make_example_spec()
    )
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    assert canned_models.describe_signatures(path) == record["signatures"]


@pytest.mark.parametrize(
    "case",
    mark_slow(
        ["dnn", "linear", "combined", "dnn_v2", "combined_v2"], {*SLOW, "combined", "dnn_v2"}
    ),
)
def test_training_goes_on_from_an_old_checkpoint_with_its_slots(tmp_path, case):
    model_dir = copy_old_checkpoint(case, RESUME_STEP, tmp_path / "model")
    estimator = canned_models.make_estimator(WORLD, case, model_dir)
    canned_models.train(estimator, case)
    assert_small(compare_training(estimator, case, RESUME_STEP + 1))


@needs_old_estimator
@pytest.mark.parametrize("case", ["dnn", "linear", "combined", "dnn_v2"])
def test_the_old_estimator_goes_on_from_our_checkpoint(tmp_path, case):
    model_dir = copy_old_checkpoint(case, 0, tmp_path / "model")
    estimator = canned_models.make_estimator(WORLD, case, model_dir)
    canned_models.train(estimator, case, max_steps=RESUME_STEP)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "TF_"))}
    command = [OLD_PYTHON, str(MAKER), "continue", case, model_dir]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    old = json.loads(done.stdout.splitlines()[-1])
    golden = load_group(case, "variables")
    variables = {k: np.asarray(v, golden[k].dtype) for k, v in old["variables"].items()}
    losses = {int(step): loss for step, loss in old["losses"].items()}
    differences = {
        "losses": loss_difference(losses, load_arrays()[f"{case}/losses"]),
        "variables": array_difference(variables, golden),
        "evaluation": evaluation_difference(old["evaluation"], load_record()[case]["evaluation"]),
    }
    print(case, differences)
    assert_small(differences)
