"""What the Trainer is told of its processes, and what it takes from the environment."""

import json

import pytest
from helpers.user_modules import MODEL

from tfx_tpu_estimator.components import MultiHostOptions, TPUEstimatorOptions
from tfx_tpu_estimator.components.trainer.hosts import joined_hosts, resolve_environment
from tfx_tpu_estimator.components.trainer.inputs import TrainerInputs
from tfx_tpu_estimator.components.user_module import load_module_file

POD = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b"}
JOB = MultiHostOptions(
    num_processes=2, coordinator="a:8476", process_id_variable="JOB_COMPLETION_INDEX"
)


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"num_process": 2}, TypeError, "`num_process` is not a MultiHostOptions.* Did you mean"),
        ({"num_processes": 1}, ValueError, "`num_processes` must be >= 2"),
        ({"num_processes": "2"}, TypeError, "`num_processes` must be int"),
        ({"coordinator": "a"}, ValueError, "`coordinator` must be host:port"),
        ({"connect_timeout_secs": 0}, ValueError, "`connect_timeout_secs` must be positive"),
        ({"launch": "locl"}, ValueError, "`launch` must be one of runner, .*Did you mean 'local'"),
        ({"launch": "local"}, ValueError, "`launch='local'` needs `num_processes`"),
        ({"launch": "local", "num_processes": 2, "coordinator": "a:1"}, ValueError,
         "`launch='local'` chooses `coordinator` itself"),
        ({"process_id_variable": "X", "num_processes": 2}, ValueError, "give `coordinator` too"),
        ({"process_id_variable": "a-b", "num_processes": 2, "coordinator": "a:1"}, ValueError,
         "must be the name of an environment variable"),
    ],
)  # fmt: skip
def test_what_cannot_be(given, error, match):
    with pytest.raises(error, match=match):
        MultiHostOptions(**given)


def test_as_an_option_of_the_trainer():
    options = TPUEstimatorOptions(hosts=JOB, use_tpu=True)
    assert TPUEstimatorOptions.from_json(options.to_json()) == options
    assert json.loads(options.to_json())["hosts"]["num_processes"] == 2
    assert not options.launches_processes
    assert TPUEstimatorOptions(
        hosts=MultiHostOptions(num_processes=2, launch="local")
    ).launches_processes
    with pytest.raises(TypeError, match="`hosts` must be MultiHostOptions"):
        TPUEstimatorOptions(hosts=2)
    with pytest.raises(TypeError, match="is not a MultiHostOptions field"):
        TPUEstimatorOptions.from_json('{"hosts": {"processes": 2}}')


def test_the_place_comes_from_the_environment():
    assert resolve_environment(None, POD) == {}
    found = resolve_environment(MultiHostOptions(connect_timeout_secs=9), POD)
    assert found == {"TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": "9"}
    found = resolve_environment(JOB, {"JOB_COMPLETION_INDEX": "1"})
    assert found["TFX_TPU_ESTIMATOR_PROCESS_ID"] == "1"
    assert found["TFX_TPU_ESTIMATOR_NUM_PROCESSES"] == "2"
    assert found["TFX_TPU_ESTIMATOR_COORDINATOR"] == "a:8476"


@pytest.mark.parametrize(
    ("options", "environ", "match"),
    [
        (MultiHostOptions(), {}, "nothing says which of them this is"),
        (MultiHostOptions(num_processes=3), POD, "is 3, but the environment.* speaks of 2"),
        (JOB, {}, "'JOB_COMPLETION_INDEX', which is not set"),
        (JOB, {"JOB_COMPLETION_INDEX": "2"}, "process id must be from 0 to 1; got 2"),
    ],
)
def test_a_place_that_is_not_known(options, environ, match):
    with pytest.raises(ValueError, match=match):
        resolve_environment(options, environ)


def make_inputs(**options):
    return TrainerInputs(
        train=None, evaluation=None, data=None, options=TPUEstimatorOptions(**options),
        custom_config={},
    )  # fmt: skip


def test_modules_that_several_processes_cannot_train(tmp_path, monkeypatch):
    from tfx_tpu_estimator.components.trainer import hosts

    (tmp_path / "m.py").write_text("def trainer_fn(fn_args, schema): pass")
    module = load_module_file(str(tmp_path / "m.py"))
    with (
        pytest.raises(ValueError, match="has `trainer_fn`, whose exports every process"),
        joined_hosts(module, make_inputs(hosts=JOB)),
    ):
        pass
    (tmp_path / "m.py").write_text(MODEL)
    module = load_module_file(str(tmp_path / "m.py"))
    monkeypatch.setattr(hosts, "_runs_on_devices", lambda module, inputs: False)
    with (
        pytest.raises(ValueError, match="`use_tpu` is False: only programs on devices"),
        joined_hosts(module, make_inputs(hosts=JOB)),
    ):
        pass
    # Without the option and without devices there is nobody to wait for.
    with joined_hosts(module, make_inputs()) as group:
        assert group.count == 1
