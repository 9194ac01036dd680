"""RunConfig: defaults, checks, replace(), and what it takes from TF_CONFIG or a resolver."""

import copy
import json
import pathlib

import pytest
import tensorflow as tf

from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import TPUConfig


@pytest.fixture(autouse=True)
def no_tf_config(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def set_tf_config(monkeypatch, **config):
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


class FakeResolver:
    """A cluster resolver with fixed answers."""

    def __init__(self, cluster):
        self._cluster = cluster

    def master(self):
        return "grpc://tpu:8470"

    def cluster_spec(self):
        return tf.train.ClusterSpec(self._cluster) if self._cluster else None


def test_defaults():
    config = RunConfig()
    assert config.tpu_config == TPUConfig()
    assert config.model_dir is config.tf_random_seed is config.session_config is None
    assert (config.save_summary_steps, config.log_step_count_steps) == (100, 100)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (None, 600)
    assert (config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours) == (5, 10000)
    assert config.train_distribute is config.eval_distribute is None
    assert config.experimental_distribute is config.device_fn is config.protocol is None
    assert config.experimental_max_worker_delay_secs is None
    assert config.session_creation_timeout_secs == 7200
    assert config.checkpoint_save_graph_def is True
    assert (config.master, config.evaluation_master) == ("", "")
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 0, True)
    assert (config.num_ps_replicas, config.num_worker_replicas) == (0, 1)
    assert config.global_id_in_cluster == 0
    assert config.cluster is config.service is config.environment is None
    assert config.cluster_spec.as_dict() == {}


@pytest.mark.parametrize(
    ("given", "steps", "secs"),
    [
        ({}, None, 600),
        ({"save_checkpoints_steps": 10}, 10, None),
        ({"save_checkpoints_secs": 20}, None, 20),
        ({"save_checkpoints_steps": None}, None, None),
        ({"save_checkpoints_secs": None}, None, None),
        ({"save_checkpoints_steps": None, "save_checkpoints_secs": None}, None, None),
        ({"save_checkpoints_steps": 10, "save_checkpoints_secs": None}, 10, None),
    ],
)
def test_checkpoint_frequency(given, steps, secs):
    for config in (RunConfig(**given), RunConfig().replace(**given)):
        assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (steps, secs)


def test_replacing_one_checkpoint_frequency_unsets_the_other():
    by_steps = RunConfig(save_checkpoints_steps=10)
    by_secs = by_steps.replace(save_checkpoints_secs=20)
    assert (by_secs.save_checkpoints_steps, by_secs.save_checkpoints_secs) == (None, 20)
    again = by_secs.replace(save_checkpoints_steps=30)
    assert (again.save_checkpoints_steps, again.save_checkpoints_secs) == (30, None)


BAD_FIELDS = [
    ({"model_dir": ""}, "model_dir should be non-empty"),
    ({"save_summary_steps": -1}, "save_summary_steps should be >= 0"),
    ({"save_checkpoints_steps": -1}, "save_checkpoints_steps should be >= 0"),
    ({"save_checkpoints_secs": -1}, "save_checkpoints_secs should be >= 0"),
    (
        {"save_checkpoints_steps": 1, "save_checkpoints_secs": 1},
        "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set.",
    ),
    ({"session_config": {}}, "session_config must be instance of ConfigProto"),
    ({"keep_checkpoint_max": -1}, "keep_checkpoint_max should be >= 0"),
    ({"keep_checkpoint_every_n_hours": 0}, "keep_checkpoint_every_n_hours should be > 0"),
    ({"log_step_count_steps": -1}, "log_step_count_steps should be >= 0"),
    ({"session_creation_timeout_secs": 0}, "session_creation_timeout_secs should be > 0"),
    ({"tf_random_seed": 1.0}, "tf_random_seed must be integer"),
    ({"protocol": "http"}, "protocol should be grpc or grpc"),
    ({"device_fn": "x"}, 'device_fn must be callable with exactly one argument "op".'),
    ({"device_fn": lambda x: ""}, 'device_fn must be callable with exactly one argument "op".'),
    (
        {"device_fn": lambda op, x: ""},
        'device_fn must be callable with exactly one argument "op".',
    ),
    (
        {"experimental_max_worker_delay_secs": "5"},
        "experimental_max_worker_delay_secs must be an integer if set.",
    ),
    ({"checkpoint_save_graph_def": 1}, "checkpoint_save_graph_def must be True or False"),
]


@pytest.mark.parametrize(("fields", "text"), BAD_FIELDS)
def test_wrong_fields_are_refused_when_made_and_when_replaced(fields, text):
    with pytest.raises(ValueError, match=text):
        RunConfig(**fields)
    with pytest.raises(ValueError, match=text):
        RunConfig().replace(**fields)


@pytest.mark.parametrize("fields", [{"tpu_config": {}}, {"model_dir": 5}])
def test_wrong_types(fields):
    (name,) = fields
    with pytest.raises(TypeError, match=f"`{name}` must be"):
        RunConfig(**fields)
    with pytest.raises(TypeError, match=f"`{name}` must be"):
        RunConfig().replace(**fields)


def test_every_field_is_kept_and_replaced():
    fields = {
        "tpu_config": TPUConfig(iterations_per_loop=7),
        "model_dir": "m",
        "tf_random_seed": 3,
        "save_summary_steps": 0,
        "save_checkpoints_steps": 5,
        "session_config": tf.compat.v1.ConfigProto(allow_soft_placement=True),
        "keep_checkpoint_max": None,
        "keep_checkpoint_every_n_hours": 0.5,
        "log_step_count_steps": None,
        "train_distribute": object(),
        "device_fn": lambda op: "/cpu:0",
        "protocol": "grpc",
        "eval_distribute": object(),
        "experimental_distribute": object(),
        "experimental_max_worker_delay_secs": 9,
        "session_creation_timeout_secs": 10,
        "checkpoint_save_graph_def": False,
    }
    for config in (RunConfig(**fields), RunConfig().replace(**fields)):
        assert {name: getattr(config, name) for name in fields} == fields


def test_replace_leaves_the_original_alone():
    config = RunConfig(model_dir="a")
    changed = config.replace(model_dir=pathlib.Path("b"), tpu_config=TPUConfig(num_shards=2))
    assert (config.model_dir, changed.model_dir) == ("a", "b")
    assert config.tpu_config.num_shards is None
    assert changed.replace(tf_random_seed=1).tpu_config.num_shards == 2
    assert changed.replace(tpu_config=None).tpu_config == TPUConfig()


@pytest.mark.parametrize("name", ["master", "evaluation_master", "cluster", "task_id", "x"])
def test_only_documented_fields_can_be_replaced(name):
    with pytest.raises(ValueError, match=f"Replacing {name} is not supported"):
        RunConfig().replace(**{name: 1})


def test_deep_copies_share_no_session_config_but_keep_what_cannot_be_copied():
    class Uncopyable:
        def __deepcopy__(self, memo):
            raise RuntimeError("not copyable")

    strategy = Uncopyable()
    config = RunConfig(session_config=tf.compat.v1.ConfigProto(), train_distribute=strategy)
    copied = copy.deepcopy(config)
    copied.session_config.allow_soft_placement = True
    assert not config.session_config.allow_soft_placement
    assert copied.train_distribute is strategy


def test_masters_given_as_arguments():
    config = RunConfig(master="grpc://a:1")
    assert (config.master, config.evaluation_master) == ("grpc://a:1", "grpc://a:1")
    assert RunConfig(master="a", evaluation_master="b").evaluation_master == "b"


def test_cluster_of_tf_config(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:2"]}
    set_tf_config(
        monkeypatch,
        cluster=cluster,
        task={"type": "worker", "index": 0},
        service={"s": 1},
        environment="cloud",
    )
    config = RunConfig()
    assert config.cluster_spec.as_dict() == cluster
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 0, False)
    assert (config.master, config.evaluation_master) == ("grpc://b:2", "grpc://b:2")
    assert (config.service, config.environment) == ({"s": 1}, "cloud")
    monkeypatch.delenv("TF_CONFIG")
    assert config.replace(model_dir="m").task_type == "worker"


def test_an_evaluator_evaluates_in_process(monkeypatch):
    set_tf_config(monkeypatch, cluster={"chief": ["a:1"]}, task={"type": "evaluator", "index": 0})
    config = RunConfig(master="grpc://a:1")
    assert (config.master, config.evaluation_master) == ("grpc://a:1", "")


def test_session_masters_of_tf_config(monkeypatch):
    set_tf_config(monkeypatch, session_master="x", eval_session_master="y")
    assert (RunConfig().master, RunConfig().evaluation_master) == ("x", "y")


def test_model_dir_of_tf_config(monkeypatch):
    set_tf_config(monkeypatch, model_dir="m")
    assert RunConfig().model_dir == "m"
    assert RunConfig(model_dir=pathlib.Path("m")).model_dir == "m"
    text = "`model_dir` provided in RunConfig construct, if set, must have the same value as the"
    with pytest.raises(ValueError, match=text):
        RunConfig(model_dir="other")


def test_cluster_resolver_gives_master_and_addresses():
    given = tf.compat.v1.ConfigProto(allow_soft_placement=True)
    resolver = FakeResolver({"worker": ["tpu:8470"]})
    config = RunConfig(cluster=resolver, session_config=given)
    assert config.cluster is resolver
    assert (config.master, config.evaluation_master) == ("grpc://tpu:8470",) * 2
    assert config.cluster_spec.as_dict() == {"worker": ["tpu:8470"]}
    assert config.session_config.cluster_def.job[0].name == "worker"
    assert config.session_config.allow_soft_placement
    assert not given.HasField("cluster_def")


def test_cluster_resolver_without_addresses():
    config = RunConfig(cluster=FakeResolver(None))
    assert config.cluster_spec.as_dict() == {}
    assert config.session_config is None


def test_cluster_resolver_contradictions():
    resolver = FakeResolver({"worker": ["tpu:8470"]})
    with pytest.raises(ValueError, match=r"both a `cluster` .* and a `master`"):
        RunConfig(cluster=resolver, master="x")
    session_config = tf.compat.v1.ConfigProto()
    session_config.cluster_def.job.add(name="worker")
    with pytest.raises(ValueError, match=r"both a `cluster` .* with a cluster_def"):
        RunConfig(cluster=resolver, session_config=session_config)


def test_repr_names_the_fields():
    assert "model_dir='m'" in repr(RunConfig(model_dir="m"))
