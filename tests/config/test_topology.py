import logging

import pytest
import tensorflow as tf

from tfx_tpu_estimator.config.topology import (
    Topology,
    refuse_replica_across_hosts,
    resolve_topology,
)
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig, TPUConfig
from tfx_tpu_estimator.errors import FeatureNotAvailableError


@pytest.mark.parametrize(
    ("hosts", "cores", "per_replica", "replicas", "of_host_1"),
    [
        (2, 8, 1, 16, tuple(range(8, 16))),
        (2, 8, 2, 8, (4, 5, 6, 7)),
        (2, 4, 4, 2, (1,)),
        (4, 8, 16, 2, ()),
    ],
)
def test_replicas_are_numbered_host_by_host(hosts, cores, per_replica, replicas, of_host_1):
    topology = Topology(num_hosts=hosts, cores_per_host=cores, cores_per_replica=per_replica)
    assert topology.num_cores == hosts * cores
    assert topology.num_replicas == replicas
    assert topology.replicas_of_host(1) == of_host_1
    fed = [r for host in range(hosts) for r in topology.replicas_of_host(host)]
    assert fed == list(range(replicas))
    cores_used = [c for r in range(replicas) for c in topology.cores_of_replica(r)]
    assert cores_used == [(h, c) for h in range(hosts) for c in range(cores)]


def test_replicas_per_host():
    assert Topology(num_hosts=2, cores_per_host=8, cores_per_replica=2).replicas_per_host == 4
    spanning = Topology(num_hosts=2, cores_per_host=8, cores_per_replica=16)
    with pytest.raises(ValueError, match="a replica spans hosts"):
        _ = spanning.replicas_per_host


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"num_hosts": 0, "cores_per_host": 1}, ValueError, "`num_hosts` must be positive"),
        ({"num_hosts": 1, "cores_per_host": 1.0}, TypeError, "cores_per_host must be int"),
        (
            {"num_hosts": 1, "cores_per_host": 6, "cores_per_replica": 4},
            ValueError,
            "whole replicas",
        ),
        (
            {"num_hosts": 3, "cores_per_host": 8, "cores_per_replica": 16},
            ValueError,
            "whole replicas",
        ),
    ],
)
def test_impossible_topologies(fields, error, text):
    with pytest.raises(error, match=text):
        Topology(**fields)


@pytest.mark.parametrize("index", [-1, 4])
def test_replica_out_of_range(index):
    topology = Topology(num_hosts=1, cores_per_host=4)
    with pytest.raises(ValueError, match="`replica` must be from 0 to 3"):
        topology.host_of_replica(index)
    with pytest.raises(ValueError, match="`host` must be from 0 to 0"):
        topology.replicas_of_host(index)


def test_num_shards_must_be_the_number_of_replicas():
    assert resolve_topology(TPUConfig(num_shards=8), num_hosts=1, cores_per_host=8).num_cores == 8
    with pytest.raises(ValueError, match=r"num_shards is not set correctly: got 4, .* 8 replicas"):
        resolve_topology(TPUConfig(num_shards=4), num_hosts=1, cores_per_host=8)
    config = TPUConfig(num_shards=4, num_cores_per_replica=2)
    assert resolve_topology(config, num_hosts=1, cores_per_host=8).num_replicas == 4


def test_one_shard_uses_one_core(caplog):
    with caplog.at_level(logging.WARNING):
        topology = resolve_topology(TPUConfig(num_shards=1), num_hosts=2, cores_per_host=4)
    assert (topology.num_hosts, topology.num_cores) == (1, 1)
    assert "the other 7 stay idle" in caplog.text


def test_a_replica_spans_hosts_only_in_per_host_v2():
    with pytest.raises(ValueError) as caught:
        resolve_topology(TPUConfig(num_cores_per_replica=16), num_hosts=2, cores_per_host=8)
    assert str(caught.value) == (
        "Except the PER_HOST_V2 mode, the num of cores required by model parallelism specified by "
        "TPUConfig.num_cores_per_replica should be less than or equal to the num_cores_per_host. "
        "num_cores_per_replica: 16, num_cores_per_host: 8"
    )
    config = TPUConfig(
        num_cores_per_replica=16, per_host_input_for_training=InputPipelineConfig.PER_HOST_V2
    )
    assert resolve_topology(config, num_hosts=2, cores_per_host=8).num_replicas == 1


@pytest.mark.parametrize("cores", [4, 16])
def test_a_replica_that_takes_more_cores_than_there_are(cores):
    config = TPUConfig(
        num_cores_per_replica=cores, per_host_input_for_training=InputPipelineConfig.PER_HOST_V2
    )
    text = rf"takes {cores} cores .* there are only 2 cores in the TPU topology"
    with pytest.raises(tf.errors.InvalidArgumentError, match=text):
        resolve_topology(config, num_hosts=1, cores_per_host=2)


def test_a_replica_of_several_processes_is_refused():
    refuse_replica_across_hosts(Topology(num_hosts=2, cores_per_host=4, cores_per_replica=4))
    with pytest.raises(FeatureNotAvailableError, match="`num_cores_per_replica`=8, and each of 2"):
        refuse_replica_across_hosts(Topology(num_hosts=2, cores_per_host=4, cores_per_replica=8))


def test_no_cores():
    with pytest.raises(RuntimeError, match="Cannot find any TPU cores in the system"):
        resolve_topology(TPUConfig(), num_hosts=1, cores_per_host=0)
