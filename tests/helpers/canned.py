"""Canned estimators of this package beside what was recorded from the old ones."""

from __future__ import annotations

import functools
import glob
import json
import os
import pathlib
import shutil
import types

import numpy as np
import tensorflow as tf
from golden import golden_models
from helpers.golden import array_difference, loss_difference

import tfx_tpu_estimator as tpu_estimator

FOLDER = pathlib.Path(__file__).parents[1] / "golden"
MAKER = FOLDER / "make_canned_golden.py"


class _V2Names:
    """The classes of version 2 under the names that they had in `tf.estimator`."""

    def __getattr__(self, name):
        return getattr(tpu_estimator, name if name.endswith("Head") else f"{name}V2")


WORLD = types.SimpleNamespace(
    v1=tpu_estimator, v2=_V2Names(), run_config=tpu_estimator.BaseRunConfig
)


def copy_old_checkpoint(case: str, step: int, model_dir) -> str:
    """Makes a model directory that has the old estimator's checkpoint of a step."""
    os.makedirs(model_dir)
    name = f"model.ckpt-{step}"
    for path in glob.glob(str(FOLDER / "checkpoints" / "canned" / case / f"{name}.*")):
        shutil.copy(path, model_dir)
    state = f'model_checkpoint_path: "{name}"\nall_model_checkpoint_paths: "{name}"\n'
    (pathlib.Path(model_dir) / "checkpoint").write_text(state)
    return str(model_dir)


@functools.cache
def load_record() -> dict:
    """Evaluations, tags and signatures by case."""
    return json.loads((FOLDER / "canned.json").read_text())["cases"]


@functools.cache
def load_arrays() -> dict[str, np.ndarray]:
    """Losses, variables and predictions by "<case>/<name>"."""
    with np.load(FOLDER / "canned.npz") as stored:
        return {name: stored[name] for name in stored.files}


def load_group(case: str, group: str) -> dict[str, np.ndarray]:
    """The arrays of a case under "<group>/"."""
    prefix = f"{case}/{group}/"
    return {
        name.removeprefix(prefix): value
        for name, value in load_arrays().items()
        if name.startswith(prefix)
    }


def read_tags(model_dir: str) -> set[str]:
    """The tags of all training summaries."""
    tags = set()
    for path in glob.glob(os.path.join(model_dir, "events.*")):
        for event in tf.compat.v1.train.summary_iterator(path):
            tags.update(value.tag for value in event.summary.value)
    return tags


def evaluation_difference(found: dict, expected: dict) -> float:
    """The largest difference of any metric, relative to its size or to 0.01 if that is more."""
    assert sorted(found) == sorted(expected)
    return max(abs(found[k] - v) / max(abs(v), 0.01) for k, v in expected.items())


def prediction_difference(found: dict, expected: dict) -> float:
    """The largest difference of any prediction; strings must be equal."""
    assert sorted(found) == sorted(expected)
    for name, value in expected.items():
        if value.dtype.kind == "S":
            assert found[name].tolist() == value.tolist()
    numbers = {name: value for name, value in expected.items() if value.dtype.kind != "S"}
    return array_difference({name: found[name] for name in numbers}, numbers)


def compare_training(estimator, case: str, first_step: int) -> dict[str, float]:
    """The largest differences of losses and variables after training to the end."""
    golden = load_arrays()[f"{case}/losses"][first_step - 1 :]
    variables = golden_models.read_variables(estimator.latest_checkpoint())
    losses = golden_models.read_losses(estimator.model_dir)
    return {
        "losses": loss_difference(losses, golden, first_step),
        "variables": array_difference(variables, load_group(case, "variables")),
    }
