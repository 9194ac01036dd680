"""Tests of the Trainer component's interface."""

import json

import pytest
from tfx.components.trainer import component as tfx_component
from tfx.proto import trainer_pb2
from tfx.types import channel_utils, standard_artifacts

from tfx_tpu_estimator.components import TPUEstimatorOptions, Trainer
from tfx_tpu_estimator.components.digest import code_digest


def make(kind):
    return channel_utils.as_channel([kind()])


@pytest.fixture
def module_file(tmp_path):
    path = tmp_path / "module.py"
    path.write_text("from neighbour import X\ndef run_fn(fn_args): pass\n")
    (tmp_path / "neighbour.py").write_text("X = 1\n")
    return str(path)


@pytest.fixture
def arguments(module_file):
    return {
        "examples": make(standard_artifacts.Examples),
        "transform_graph": make(standard_artifacts.TransformGraph),
        "schema": make(standard_artifacts.Schema),
        "base_model": make(standard_artifacts.Model),
        "hyperparameters": make(standard_artifacts.HyperParameters),
        "module_file": module_file,
        "train_args": trainer_pb2.TrainArgs(splits=["a"], num_steps=5),
        "eval_args": trainer_pb2.EvalArgs(num_steps=2),
        "custom_config": {"a": [1, 2]},
    }


def test_drop_in(arguments, monkeypatch):
    ours = Trainer(**arguments)
    # The standard component packages the module with pip, which need not be there.
    monkeypatch.setattr(tfx_component.udf_utils, "should_package_user_modules", lambda: False)
    standard = tfx_component.Trainer(**arguments)
    assert set(ours.inputs) == set(standard.inputs)
    assert {key: channel.type for key, channel in ours.outputs.items()} == {
        key: channel.type for key, channel in standard.outputs.items()
    }
    for key, value in standard.exec_properties.items():
        assert ours.exec_properties.get(key) == value
    assert ours.id == "Trainer"


def test_the_first_positional_argument_is_examples(arguments):
    examples = arguments.pop("examples")
    assert set(Trainer(examples, **arguments).inputs) >= {"examples", "schema"}


def test_statistics_of_newer_tfx(arguments):
    statistics = make(standard_artifacts.ExampleStatistics)
    assert "statistics" in Trainer(**arguments, statistics=statistics).inputs


def test_options_and_digests_travel_as_text(arguments):
    trainer = Trainer(**arguments, options=TPUEstimatorOptions(seed=3))
    assert json.loads(trainer.exec_properties["tpu_estimator_options"]) == {"seed": 3}
    assert trainer.exec_properties["code_digest"] == code_digest()
    assert all(
        value is None or isinstance(value, str) for value in trainer.exec_properties.values()
    )


def test_the_cache_sees_changes_beside_the_module(arguments, tmp_path):
    before = Trainer(**arguments).exec_properties["module_digest"]
    (tmp_path / "neighbour.py").write_text("X = 2\n")
    assert Trainer(**arguments).exec_properties["module_digest"] != before


def test_an_installed_module(arguments, tmp_path, monkeypatch):
    del arguments["module_file"]
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "module_of_trainer_test.py").write_text("def run_fn(fn_args): pass\n")
    trainer = Trainer(**arguments, module_path="module_of_trainer_test")
    assert trainer.exec_properties["module_path"] == "module_of_trainer_test"
    assert trainer.exec_properties["module_digest"]
    other = Trainer(**arguments, run_fn="not_installed_here.module.run")
    assert other.exec_properties["module_digest"] is None


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"examples": None}, ValueError, "`examples` is required"),
        ({"module_file": None}, ValueError, "exactly one of .* must be given; got none"),
        ({"run_fn": "a.b"}, ValueError, "exactly one of .* got module_file, run_fn"),
        (
            {"module_file": "no/such/file.py"},
            ValueError,
            "`module_file` 'no/such/file.py' does not",
        ),
        ({"options": {"seed": 1}}, TypeError, "`options` must be TPUEstimatorOptions"),
    ],
)
def test_wrong_arguments(arguments, change, error, match):
    with pytest.raises(error, match=match):
        Trainer(**{**arguments, **change})


def test_a_remote_module_file_is_looked_for_when_it_runs(arguments, monkeypatch):
    from tfx.dsl.io import fileio

    monkeypatch.setattr(fileio, "exists", lambda path: not path.startswith("gs://"))
    trainer = Trainer(**{**arguments, "module_file": "gs://bucket/module.py"})
    assert trainer.exec_properties["module_file"] == "gs://bucket/module.py"
