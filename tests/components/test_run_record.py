"""Tests of the record beside a model."""

import json
import pathlib
import sys

import numpy as np
import pytest

from tfx_tpu_estimator.components.module_source import ModuleSource, read_module_path
from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.components.run_record import (
    RunRecord,
    load_recorded_module,
    read_run_record,
    write_run_record,
)
from tfx_tpu_estimator.components.runtime import DataParams
from tfx_tpu_estimator.components.user_module import ModuleForm

MODEL_FN = "def model_fn(features, labels, mode, params):\n    return 'spec ü'\n"


def make_record(**changes):
    values = {
        "form": ModuleForm.FUNCTIONS,
        "source": ModuleSource(
            label="m.py", main="m.py", files={"m.py": MODEL_FN, "p/__init__.py": ""}
        ),
        "module_path": None,
        "options": TPUEstimatorOptions(seed=1, label_key="y"),
        "data": DataParams(train_files=("a/*",), eval_files=("b/*",), train_steps=3),
        "custom_config": {"c": [1]},
        "facts": {"seed": 1},
    }
    return RunRecord(**{**values, **changes})


def test_written_and_read(tmp_path):
    record = make_record()
    write_run_record(str(tmp_path), record)
    again = read_run_record(str(tmp_path))
    assert again == record
    assert again.options.given == {"seed", "label_key"}
    assert load_recorded_module(again).get("model_fn")(1, 2, 3, {}) == "spec ü"


def test_facts_that_json_cannot_say_are_described(tmp_path):
    write_run_record(str(tmp_path), make_record(facts={"f": len, "a": np.arange(2)}))
    facts = read_run_record(str(tmp_path)).facts
    assert facts == {"f": "<built-in function len>", "a": "array([0, 1])"}


def test_no_record(tmp_path):
    assert read_run_record(str(tmp_path)) is None


def test_an_unknown_format(tmp_path):
    write_run_record(str(tmp_path), make_record())
    path = pathlib.Path(tmp_path) / "Run" / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="has the format 99; this release reads format 1"):
        read_run_record(str(tmp_path))


def test_an_installed_module_must_be_the_one_of_the_training(tmp_path, monkeypatch):
    name = "installed_module_of_record_test"
    file = tmp_path / f"{name}.py"
    file.write_text(MODEL_FN)
    monkeypatch.syspath_prepend(str(tmp_path))
    record = make_record(module_path=name, source=read_module_path(name))
    assert load_recorded_module(record).get("model_fn")(1, 2, 3, {}) == "spec ü"
    file.write_text(MODEL_FN + "# edited\n")
    with pytest.raises(ValueError, match="has changed since the model was trained"):
        load_recorded_module(record)
    sys.modules.pop(name)
