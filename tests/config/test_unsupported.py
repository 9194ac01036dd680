"""Features of later releases are refused with the way out, never ignored."""

import json

import pytest

from tfx_tpu_estimator.config import unsupported
from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import TPUConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError


@pytest.mark.parametrize(
    "config",
    [
        RunConfig(),
        RunConfig(tpu_config=TPUConfig(num_cores_per_replica=1, num_shards=8)),
    ],
)
def test_ordinary_configurations_pass(config):
    unsupported.refuse_strategies(config)
    unsupported.refuse_unsupported_config(config)


@pytest.mark.parametrize("name", ["train_distribute", "eval_distribute", "experimental_distribute"])
def test_strategies(name):
    with pytest.raises(
        FeatureNotAvailableError, match=f"`{name}` is not supported.*Leave it None.*use_tpu=True"
    ):
        unsupported.refuse_strategies(BaseRunConfig(**{name: object()}))


def test_several_processes(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:2"]}
    config = {"cluster": cluster, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    text = r"several processes needs `eval_on_tpu`=True.*unset TF_CONFIG"
    with pytest.raises(FeatureNotAvailableError, match=text):
        unsupported.refuse_host_evaluation(RunConfig())


def test_a_cluster_of_one_passes(monkeypatch):
    config = {"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    unsupported.refuse_host_evaluation(RunConfig())


def test_devices_of_ones_own():
    unsupported.refuse_device_fn(RunConfig())
    with pytest.raises(FeatureNotAvailableError, match=r"`device_fn` .*Leave it None.*use_tpu=F"):
        unsupported.refuse_device_fn(RunConfig(device_fn=lambda op: "/cpu:0"))


def test_feed_hooks():
    tpu_config = TPUConfig(experimental_feed_hook=object)
    with pytest.raises(FeatureNotAvailableError, match="`experimental_feed_hook`"):
        unsupported.refuse_unsupported_config(RunConfig(tpu_config=tpu_config))
