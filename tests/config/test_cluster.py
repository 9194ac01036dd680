"""TF_CONFIG: what it says about this process, and every way in which it can be wrong."""

import dataclasses
import json

import pytest

from tfx_tpu_estimator.config.cluster import read_tf_config, resolve_cluster

CLUSTER = {
    "chief": ["chief0:1"],
    "worker": ["worker0:2", "worker1:3"],
    "ps": ["ps0:4", "ps1:5", "ps2:6"],
}


def resolve(cluster=None, **task):
    config = {"task": task}
    if cluster is not None:
        config["cluster"] = cluster
    return resolve_cluster(config)


def test_without_tf_config_there_is_one_process():
    place = resolve_cluster({})
    assert place.cluster_spec.as_dict() == {}
    assert (place.task_type, place.task_id, place.master) == ("worker", 0, "")
    assert place.is_chief
    assert (place.num_ps_replicas, place.num_worker_replicas) == (0, 1)
    assert place.global_id_in_cluster == 0
    assert place.service is place.environment is place.model_dir is None


@pytest.mark.parametrize(
    ("task_type", "index", "master", "number"),
    [
        ("chief", 0, "grpc://chief0:1", 0),
        ("worker", 1, "grpc://worker1:3", 2),
        ("ps", 2, "grpc://ps2:6", 5),
    ],
)
def test_places_in_a_cluster(task_type, index, master, number):
    place = resolve(CLUSTER, type=task_type, index=index)
    assert (place.task_type, place.task_id, place.master) == (task_type, index, master)
    assert place.global_id_in_cluster == number
    assert place.is_chief == (task_type == "chief")
    assert (place.num_ps_replicas, place.num_worker_replicas) == (3, 3)
    assert place.cluster_spec.as_dict() == CLUSTER


def test_master_is_the_older_name_of_the_chief():
    place = resolve({"master": ["a:1"], "worker": ["b:2"]}, type="master", index=0)
    assert place.is_chief
    assert place.num_worker_replicas == 2


def test_a_cluster_of_one_runs_in_process():
    place = resolve({"chief": ["a:1"]}, type="chief", index=0)
    assert place.master == ""
    assert place.is_chief


def test_an_evaluator_stands_outside():
    place = resolve(CLUSTER, type="evaluator", index=0)
    assert place.cluster_spec.as_dict() == {}
    assert (place.task_type, place.master, place.is_chief) == ("evaluator", "", False)
    assert (place.num_ps_replicas, place.num_worker_replicas) == (0, 0)
    assert place.global_id_in_cluster is None


def test_session_masters():
    config = {"cluster": CLUSTER, "task": {"type": "chief", "index": "0"}}
    place = resolve_cluster({**config, "session_master": "a", "eval_session_master": "b"})
    assert (place.master, place.evaluation_master) == ("a", "b")
    config["task"]["type"] = "evaluator"
    place = resolve_cluster({**config, "session_master": "a", "eval_session_master": "b"})
    assert (place.master, place.evaluation_master) == ("", "b")


def test_tasks_need_not_be_counted_from_0():
    place = resolve({"chief": {"3": "a:1"}, "worker": {"1": "w:1"}}, type="worker", index=1)
    assert place.master == "grpc://w:1"


def test_processes_are_numbered_with_the_parameter_servers_last():
    cluster = {"ps": ["p:1"], "worker": ["w:1"], "chief": ["c:1"], "other": ["o:1"]}
    order = ("chief", "other", "worker", "ps")
    numbers = [resolve(cluster, type=job, index=0).global_id_in_cluster for job in order]
    assert numbers == [0, 1, 2, 3]


def test_service_environment_and_model_dir():
    place = resolve_cluster({"service": {"k": 1}, "environment": "cloud", "model_dir": "m"})
    assert (place.service, place.environment, place.model_dir) == ({"k": 1}, "cloud", "m")


@pytest.mark.parametrize(
    ("cluster", "task", "text"),
    [
        (None, {"type": "ps"}, 'If "cluster" is not set in TF_CONFIG, task type must be WORKER.'),
        (None, {"index": 1}, 'If "cluster" is not set in TF_CONFIG, task index must be 0.'),
        (
            {"chief": ["a:1", "b:1"]},
            {"type": "chief", "index": 0},
            'The "cluster" in TF_CONFIG must have only one "chief" node.',
        ),
        (
            {"worker": ["a:1"]},
            {"type": "worker", "index": 0},
            'If "cluster" is set .* it must have one "chief" node',
        ),
        (CLUSTER, {"index": 0}, 'If "cluster" is set in TF_CONFIG, task type must be set'),
        (CLUSTER, {"type": "chief"}, 'If "cluster" is set in TF_CONFIG, task index must be set'),
        (CLUSTER, {"type": "evaluator"}, "task index must be set"),
        (CLUSTER, {"type": "worker", "index": 2}, "2 is not a valid task_id"),
        (CLUSTER, {"type": "other", "index": 0}, "other is not a valid task_type"),
        (CLUSTER, {"type": "chief", "index": -1}, "Task index must be non-negative number."),
        (None, {"index": -1}, "Task index must be non-negative number."),
        (CLUSTER, {"type": "chief", "index": "x"}, "Task index must be a number"),
        (
            {"master": ["a:1"], "chief": ["b:1"]},
            {"type": "master", "index": 0},
            "If `master` node exists in `cluster`, job `chief` is not supported.",
        ),
        (
            {"master": ["a:1"]},
            {"type": "evaluator", "index": 0},
            "If `master` node exists in `cluster`, task_type `evaluator` is not supported.",
        ),
    ],
)
def test_contradictions(cluster, task, text):
    with pytest.raises(ValueError, match=text):
        resolve(cluster, **task)


def test_service_must_be_a_dict():
    with pytest.raises(
        TypeError, match=r'If "service" is set in TF_CONFIG, it must be a dict. Given'
    ):
        resolve_cluster({"service": 5})


def test_model_dir_must_not_be_empty():
    with pytest.raises(ValueError, match="model_dir in TF_CONFIG should be non-empty"):
        resolve_cluster({"model_dir": ""})


@pytest.mark.parametrize(("text", "found"), [(None, {}), ("", {}), ('{"a": 1}', {"a": 1})])
def test_reading_the_variable(text, found):
    assert read_tf_config({} if text is None else {"TF_CONFIG": text}) == found


@pytest.mark.parametrize("text", ["{", "[1]", json.dumps("x")])
def test_what_is_no_json_object(text):
    with pytest.raises(ValueError, match="TF_CONFIG must be"):
        read_tf_config({"TF_CONFIG": text})


def test_description_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="task_id"):
        resolve_cluster({}).task_id = 3
