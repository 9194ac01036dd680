import logging

import pytest

from tfx_tpu_estimator.config.input_pipeline import (
    plan_input_calls,
    resolve_input_pipeline,
    validate_hosts,
)
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline
from tfx_tpu_estimator.config.tpu_config import TPUConfig

TWO_HOSTS = Topology(num_hosts=2, cores_per_host=2)
ONE_HOST = Topology(num_hosts=1, cores_per_host=4)


@pytest.mark.parametrize(
    ("training", "evaluation", "mode", "expected"),
    [
        (False, 2, "train", Pipeline.PER_SHARD_V1),
        (False, 2, "eval", Pipeline.PER_HOST_V1),
        (False, 2, "infer", Pipeline.PER_HOST_V1),
        (True, 2, "eval", Pipeline.PER_HOST_V1),
        (3, 2, "infer", Pipeline.PER_HOST_V2),
        (4, 2, "eval", Pipeline.BROADCAST),
        (True, 5, "train", Pipeline.PER_HOST_V1),
        (True, 5, "eval", Pipeline.SLICED),
        (True, 5, "infer", Pipeline.PER_HOST_V1),
    ],
)
def test_pipeline_of_each_mode(training, evaluation, mode, expected):
    config = TPUConfig(
        per_host_input_for_training=training, eval_training_input_configuration=evaluation
    )
    assert resolve_input_pipeline(mode, config) is expected


@pytest.mark.parametrize(
    ("pipeline", "calls", "gets", "parts", "copies"),
    [
        (Pipeline.PER_SHARD_V1, [(0, (0,)), (0, (1,)), (1, (2,)), (1, (3,))], 1, 1, 2),
        (Pipeline.PER_HOST_V1, [(0, (0, 1)), (1, (2, 3))], 1, 2, 2),
        (Pipeline.PER_HOST_V2, [(0, (0, 1)), (1, (2, 3))], 2, 1, 2),
        (Pipeline.BROADCAST, [(0, (0, 1, 2, 3))], 1, 1, 1),
        (Pipeline.SLICED, [(0, (0, 1, 2, 3))], 1, 4, 4),
    ],
)
def test_calls_on_two_hosts(pipeline, calls, gets, parts, copies):
    plan = plan_input_calls(pipeline, TWO_HOSTS)
    assert [(call.host, call.replicas) for call in plan.calls] == calls
    assert [call.index for call in plan.calls] == list(range(len(calls)))
    assert {call.total for call in plan.calls} == {len(calls)}
    assert plan.gets_per_step(plan.calls[0]) == gets
    assert plan.parts_per_batch(plan.calls[0]) == parts
    assert plan.copies_of_host(0) == copies
    assert len(plan.calls_of_host(1)) == sum(host == 1 for host, _ in calls)


def test_a_replica_across_hosts_is_fed_by_its_first_host():
    topology = Topology(num_hosts=4, cores_per_host=2, cores_per_replica=4)
    plan = plan_input_calls(Pipeline.PER_HOST_V2, topology)
    assert [(call.host, call.replicas) for call in plan.calls] == [(0, (0,)), (2, (1,))]


@pytest.mark.parametrize(("mode", "method"), [("eval", "evaluate"), ("infer", "predict")])
def test_several_hosts_need_a_pipeline_that_gives_right_results(mode, method):
    validate_hosts(mode, Pipeline.PER_HOST_V1, ONE_HOST)
    validate_hosts(mode, Pipeline.BROADCAST, TWO_HOSTS)
    text = f"TPUEstimator.{method} is only supported under three conditions"
    with pytest.raises(ValueError, match=text):
        validate_hosts(mode, Pipeline.PER_HOST_V1, TWO_HOSTS)


def test_per_host_v2_on_several_hosts(caplog):
    validate_hosts("train", Pipeline.PER_HOST_V1, TWO_HOSTS)
    with caplog.at_level(logging.WARNING):
        validate_hosts("eval", Pipeline.PER_HOST_V2, TWO_HOSTS)
    assert "equally many batches" in caplog.text
    with pytest.raises(ValueError, match=r"predict .* PER_HOST_V2 mode with num_replicas=1"):
        validate_hosts("infer", Pipeline.PER_HOST_V2, TWO_HOSTS)
    one_replica = Topology(num_hosts=2, cores_per_host=2, cores_per_replica=4)
    validate_hosts("infer", Pipeline.PER_HOST_V2, one_replica)
