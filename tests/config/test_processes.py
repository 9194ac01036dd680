"""Which processes run together, from the three places that can say it."""

import json

import pytest

from tfx_tpu_estimator.config.processes import resolve_place
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError

POD = {"TPU_WORKER_ID": "1", "TPU_WORKER_HOSTNAMES": "a,b,c"}
OWN = {
    "TFX_TPU_ESTIMATOR_COORDINATOR": "h:1",
    "TFX_TPU_ESTIMATOR_NUM_PROCESSES": "2",
    "TFX_TPU_ESTIMATOR_PROCESS_ID": "1",
}


def make_config(monkeypatch, cluster, task, index, **fields):
    config = {"cluster": cluster, "task": {"type": task, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    return RunConfig(**fields)


@pytest.mark.parametrize("environ", [{}, {"TPU_WORKER_ID": "0", "TPU_WORKER_HOSTNAMES": "a"}])
def test_alone(environ):
    assert resolve_place(RunConfig(), environ) is None


@pytest.mark.parametrize(
    ("task", "index", "process"), [("chief", 0, 0), ("worker", 0, 1), ("worker", 1, 2)]
)
def test_tf_config(monkeypatch, task, index, process):
    cluster = {"worker": ["b:2", "c:3"], "chief": ["a:1"]}
    place = resolve_place(make_config(monkeypatch, cluster, task, index), {})
    assert (place.coordinator, place.num_processes, place.process_id) == ("a:1", 3, process)
    assert place.names[2] == "process 2 (worker 1, c:3)"


def test_an_evaluator_is_alone(monkeypatch):
    cluster = {"worker": ["b:2"], "chief": ["a:1"]}
    assert resolve_place(make_config(monkeypatch, cluster, "evaluator", 0), {}) is None


def test_parameter_servers_are_refused(monkeypatch):
    config = make_config(monkeypatch, {"chief": ["a:1"], "ps": ["b:2"]}, "chief", 0)
    with pytest.raises(FeatureNotAvailableError, match=r"jobs \['chief', 'ps'\].*not available"):
        resolve_place(config, {})


def test_a_pod():
    place = resolve_place(RunConfig(), POD)
    assert (place.coordinator, place.num_processes, place.process_id) == ("a:8476", 3, 1)
    assert place.names[1] == "process 1 (b)"


def test_the_coordinator_alone_replaces_the_address():
    place = resolve_place(RunConfig(), {**POD, "TFX_TPU_ESTIMATOR_COORDINATOR": "z:99"})
    assert (place.coordinator, place.num_processes) == ("z:99", 3)


def test_own_variables_come_first(monkeypatch):
    config = make_config(monkeypatch, {"chief": ["a:1"], "worker": ["b:2"]}, "chief", 0)
    place = resolve_place(config, {**POD, **OWN})
    assert (place.coordinator, place.num_processes, place.process_id) == ("h:1", 2, 1)


@pytest.mark.parametrize(
    ("given", "limit", "expected"), [(None, 7200, 300.0), ("5", 7200, 5.0), ("500", 20, 20.0)]
)
def test_the_timeout(given, limit, expected):
    environ = {**OWN, **({"TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": given} if given else {})}
    config = RunConfig(session_creation_timeout_secs=limit)
    assert resolve_place(config, environ).timeout_secs == expected


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"TFX_TPU_ESTIMATOR_COORDINATOR": ""}, "needs TFX_TPU_ESTIMATOR_COORDINATOR as well"),
        ({"TFX_TPU_ESTIMATOR_PROCESS_ID": ""}, "needs TFX_TPU_ESTIMATOR_PROCESS_ID as well"),
        ({"TFX_TPU_ESTIMATOR_PROCESS_ID": "2"}, "must be from 0 to 1; got 2"),
        ({"TFX_TPU_ESTIMATOR_PROCESS_ID": "one"}, "must be an integer, at least 0; got 'one'"),
        ({"TFX_TPU_ESTIMATOR_NUM_PROCESSES": "0"}, "must be at least 1; got 0"),
        ({"TFX_TPU_ESTIMATOR_COORDINATOR": "h"}, "must be host:port.*got 'h'"),
        ({"TFX_TPU_ESTIMATOR_COORDINATOR": "h:70000"}, "must be host:port.*got 'h:70000'"),
        ({"TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": "soon"}, "seconds > 0; got 'soon'"),
        ({"TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": "-1"}, "seconds > 0; got '-1'"),
    ],
)
def test_settings_that_are_wrong(changes, text):
    with pytest.raises(ValueError, match=text):
        resolve_place(RunConfig(), {**OWN, **changes})


def test_a_pod_without_this_workers_id():
    with pytest.raises(ValueError, match="`TPU_WORKER_ID`, which says"):
        resolve_place(RunConfig(), {"TPU_WORKER_HOSTNAMES": "a,b"})
