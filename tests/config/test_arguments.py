"""Checks of TPUEstimator's constructor arguments."""

import pathlib

import numpy as np
import pytest

from tfx_tpu_estimator.config import arguments
from tfx_tpu_estimator.config.arguments import ExportSavedModelApiVersion
from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import TPUConfig


@pytest.mark.parametrize("config", [BaseRunConfig(), RunConfig()])
def test_an_estimator_takes_either_run_config(config):
    assert arguments.resolve_config(config) is config


def test_an_estimator_needs_no_config():
    assert type(arguments.resolve_config(None)) is BaseRunConfig
    with pytest.raises(ValueError, match="an instance of `RunConfig`"):
        arguments.resolve_config({})


@pytest.mark.parametrize("config", [None, {}, RunConfig, "x", BaseRunConfig()])
def test_config_must_be_a_run_config(config):
    arguments.validate_config(RunConfig())
    with pytest.raises(ValueError, match="an instance of `RunConfig`"):
        arguments.validate_config(config)


@pytest.mark.parametrize(
    ("given", "configured", "chosen"),
    [
        (None, None, None),
        ("a", None, "a"),
        (pathlib.Path("a"), "a", "a"),
        (None, "b", "b"),
    ],
)
def test_model_dir_from_either_place(given, configured, chosen):
    config = RunConfig(model_dir=configured)
    assert arguments.resolve_model_dir(given, config) == chosen


def test_two_different_model_dirs():
    text = "`model_dir` are set both in constructor and `RunConfig`, but with different values"
    with pytest.raises(ValueError, match=text):
        arguments.resolve_model_dir("a", RunConfig(model_dir="b"))


def test_model_dir_must_be_a_path():
    with pytest.raises(ValueError, match="model_dir should be non-empty"):
        arguments.resolve_model_dir("", RunConfig())
    with pytest.raises(TypeError, match=r"`model_dir` must be a str or os.PathLike"):
        arguments.resolve_model_dir(5, RunConfig())


@pytest.mark.parametrize("key", ["batch_size", "context"])
def test_reserved_params(key):
    with pytest.raises(
        ValueError, match=r"\['batch_size', 'context'\] are reserved keys but existed in params"
    ):
        arguments.validate_params({key: 1, "other": 2})


@pytest.mark.parametrize("params", [None, {}, {"use_tpu": True, "rate": 0.1}])
def test_other_params(params):
    arguments.validate_params(params)


def test_params_must_be_a_dict():
    with pytest.raises(TypeError, match="`params` must be a dict"):
        arguments.validate_params([1])


def test_training_on_tpus_needs_a_batch_size():
    with pytest.raises(ValueError, match="`train_batch_size` cannot be `None`"):
        arguments.validate_batch_sizes(use_tpu=True)
    arguments.validate_batch_sizes(use_tpu=False)
    arguments.validate_batch_sizes(True, 8, 8, np.int64(8))


@pytest.mark.parametrize("name", ["train_batch_size", "eval_batch_size", "predict_batch_size"])
@pytest.mark.parametrize("use_tpu", [True, False])
def test_batch_sizes(name, use_tpu):
    sizes = {"train_batch_size": 8}
    for value in (1.0, True, "8"):
        with pytest.raises(TypeError, match=f"{name} must be int, got <class"):
            arguments.validate_batch_sizes(use_tpu, **{**sizes, name: value})
    for value in (0, -8):
        with pytest.raises(ValueError, match=f"{name}` must be positive"):
            arguments.validate_batch_sizes(use_tpu, **{**sizes, name: value})


def test_batch_axis():
    for axis in (None, (0, 3), [0], ()):
        arguments.validate_batch_axis(axis)
    with pytest.raises(TypeError, match="`batch_axis` must be a tuple of ints"):
        arguments.validate_batch_axis(3)
    with pytest.raises(TypeError, match="batch_axis must be int"):
        arguments.validate_batch_axis((0, None))
    with pytest.raises(ValueError, match="`batch_axis` must hold axes >= 0"):
        arguments.validate_batch_axis((0, -1))


@pytest.mark.parametrize("version", [1, 2, *ExportSavedModelApiVersion])
def test_export_api_versions(version):
    resolved = arguments.resolve_export_api_version(version)
    assert isinstance(resolved, ExportSavedModelApiVersion)
    assert resolved == version


@pytest.mark.parametrize("version", [0, 3, "1", None, 1.0, True])
def test_other_export_api_versions(version):
    with pytest.raises(
        ValueError, match=f"export_saved_model_api_version should be 1 or 2; got {version}."
    ):
        arguments.resolve_export_api_version(version)


def test_model_parallelism_needs_input_per_host():
    def make(per_host):
        tpu = TPUConfig(num_cores_per_replica=2, per_host_input_for_training=per_host)
        return RunConfig(tpu_config=tpu)

    arguments.validate_model_parallelism(make(True))
    arguments.validate_model_parallelism(RunConfig())
    with pytest.raises(ValueError, match="Model parallelism only supports per host input"):
        arguments.validate_model_parallelism(make(False))
