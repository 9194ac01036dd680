"""Tests of the Evaluator component's interface."""

import pytest
from helpers.evaluator_runs import parse_config
from tfx.components.evaluator import component as tfx_component
from tfx.components.evaluator import executor as tfx_executor
from tfx.proto import evaluator_pb2
from tfx.types import channel_utils, standard_artifacts

from tfx_tpu_estimator.components import Evaluator
from tfx_tpu_estimator.components.digest import code_digest

CONFIG = parse_config('metrics_specs { metrics { class_name: "AUC" } }')


def make(kind):
    return channel_utils.as_channel([kind()])


@pytest.fixture
def arguments():
    return {
        "examples": make(standard_artifacts.Examples),
        "model": make(standard_artifacts.Model),
        "baseline_model": make(standard_artifacts.Model),
        "schema": make(standard_artifacts.Schema),
        "eval_config": CONFIG,
        "example_splits": ["eval", "test"],
    }


def test_drop_in(arguments):
    ours, standard = Evaluator(**arguments), tfx_component.Evaluator(**arguments)
    assert set(ours.inputs) == set(standard.inputs)
    assert {key: channel.type for key, channel in ours.outputs.items()} == {
        key: channel.type for key, channel in standard.outputs.items()
    }
    for key in ("eval_config", "example_splits"):
        assert ours.exec_properties[key] == standard.exec_properties[key]
    assert ours.exec_properties["code_digest"] == code_digest()
    assert ours.exec_properties["bless_without_thresholds"] == 0
    assert ours.id == "Evaluator"


def test_kubeflow_finds_the_standard_executor():
    assert issubclass(Evaluator.EXECUTOR_SPEC.executor_class, tfx_executor.Executor)


def test_beam_arguments_can_be_given(arguments):
    evaluator = Evaluator(**arguments).with_beam_pipeline_args(["--direct_num_workers=1"])
    assert evaluator.executor_spec.beam_pipeline_args == ["--direct_num_workers=1"]


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"model": None}, ValueError, "`model` is required"),
        (
            {"feature_slicing_spec": evaluator_pb2.FeatureSlicingSpec()},
            ValueError,
            "`feature_slicing_spec` works only with EvalSavedModels",
        ),
        (
            {"fairness_indicator_thresholds": [0.5]},
            ValueError,
            "add the metric `ConfusionMatrixAtThresholds`",
        ),
        ({"bless_without_thresholds": 1}, TypeError, "`bless_without_thresholds` must be bool"),
        ({"module_file": "a", "module_path": "b"}, ValueError, "are both given"),
        ({"module_file": "no/such.py"}, ValueError, r"`module_file` 'no/such\.py' does not exist"),
        (
            {"eval_config": parse_config('model_specs { signature_name: "eval" }')},
            ValueError,
            "signature_name 'eval'",
        ),
    ],
)
def test_wrong_arguments(arguments, change, error, match):
    with pytest.raises(error, match=match):
        Evaluator(**{**arguments, **change})
