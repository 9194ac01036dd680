"""The numbers recorded from the old estimator, and how far a run is from them."""

from __future__ import annotations

import functools
import json
import pathlib

import numpy as np
from golden import golden_models

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
OLD_CHECKPOINT_DIR = FOLDER / "checkpoints" / "old_estimator"
MAKER = FOLDER / "make_golden.py"
# Relative. What is left is rounding: kernels of another TensorFlow, on another number of threads.
TOLERANCE = 1e-5
# Batches that hold all eval examples; the last one is partial.
EVAL_BATCHES = -(-golden_models.EVAL_EXAMPLES // golden_models.BATCH_SIZE)


def assert_small(differences: dict[str, float]) -> None:
    """Fails if any difference is larger than rounding."""
    assert max(differences.values()) <= TOLERANCE, differences


@functools.cache
def load_evaluations() -> dict[str, dict]:
    """Evaluations by case, and of the kept checkpoint as "resumed"."""
    return json.loads((FOLDER / "golden.json").read_text())["evaluations"]


@functools.cache
def load_arrays(case: str) -> dict[str, np.ndarray]:
    """Arrays of a case by name: "losses", "variables/<name>", "predictions/<name>"."""
    with np.load(FOLDER / "golden.npz") as stored:
        prefix = case + "/"
        return {k.removeprefix(prefix): stored[k] for k in stored.files if k.startswith(prefix)}


def load_group(case: str, group: str) -> dict[str, np.ndarray]:
    """The arrays of a case under "<group>/"."""
    prefix = group + "/"
    arrays = load_arrays(case)
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def loss_difference(losses: dict[int, float], golden: np.ndarray, first_step: int = 1) -> float:
    """The largest relative difference of any step's loss; every step has to be there."""
    assert list(losses) == list(range(first_step, first_step + len(golden)))
    values = np.array(list(losses.values()), np.float64)
    return float(np.max(np.abs(values - golden) / np.abs(golden)))


def array_difference(found: dict, golden: dict) -> float:
    """The largest difference of any array, relative to that array's largest element.

    Elements near zero are what is left of larger terms, so that an element's own size is no
    measure of its rounding. Names, shapes and types must be equal.
    """
    assert sorted(found) == sorted(golden)
    worst = 0.0
    for name, expected in golden.items():
        value = np.asarray(found[name])
        assert (value.shape, value.dtype) == (expected.shape, expected.dtype), name
        difference = np.max(np.abs(value.astype(np.float64) - expected))
        if difference:
            worst = max(worst, float(difference / np.max(np.abs(expected))))
    return worst


def evaluation_difference(found: dict[str, float], golden: dict[str, float]) -> float:
    """The largest relative difference of any metric; the metrics must have the same names."""
    assert sorted(found) == sorted(golden)
    return max(abs(found[name] - value) / abs(value) for name, value in golden.items())


def compare_case(estimator, case: str, eval_batches: int | None = None) -> dict[str, float]:
    """Trains `estimator` through a golden case: the largest relative difference by what it is of.

    Evaluation and prediction are those of the run's own last checkpoint. `eval_batches` is the
    number of batches of the whole evaluation, which an evaluation on TPUs has to be told.
    """
    golden_models.train(estimator)
    variables = golden_models.read_variables(estimator.latest_checkpoint())
    evaluations = load_evaluations()[case]
    return {
        "losses": loss_difference(
            golden_models.read_losses(estimator.model_dir), load_arrays(case)["losses"]
        ),
        "variables": array_difference(variables, load_group(case, "variables")),
        "predictions": array_difference(
            golden_models.predict(estimator), load_group(case, "predictions")
        ),
        "evaluation": evaluation_difference(
            golden_models.evaluate(estimator, steps=eval_batches), evaluations["all"]
        ),
        "evaluation of three batches": evaluation_difference(
            golden_models.evaluate(estimator, steps=3), evaluations["three_batches"]
        ),
    }
