import pytest
import tensorflow as tf

from tfx_tpu_estimator.config.context import TPUContext
from tfx_tpu_estimator.config.input_pipeline import plan_input_calls
from tfx_tpu_estimator.config.topology import Topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig as Pipeline

TWO_HOSTS = Topology(num_hosts=2, cores_per_host=4)


def make_input_contexts(pipeline):
    return [TPUContext(TWO_HOSTS, call) for call in plan_input_calls(pipeline, TWO_HOSTS).calls]


@pytest.mark.parametrize(
    ("pipeline", "total", "fed"),
    [
        (Pipeline.PER_SHARD_V1, 8, 1),
        (Pipeline.PER_HOST_V1, 2, 4),
        (Pipeline.PER_HOST_V2, 2, 4),
        (Pipeline.BROADCAST, 1, 8),
        (Pipeline.SLICED, 1, 8),
    ],
)
def test_deployment_of_each_call(pipeline, total, fed):
    deployments = [c.current_input_fn_deployment() for c in make_input_contexts(pipeline)]
    assert deployments == [("/device:CPU:0", index, total, fed) for index in range(total)]


def test_current_host():
    assert [c.current_host for c in make_input_contexts(Pipeline.PER_HOST_V1)] == [0, 1]


@pytest.mark.parametrize("call", [None, plan_input_calls(Pipeline.PER_HOST_V1, TWO_HOSTS).calls[0]])
def test_what_both_functions_may_ask(call):
    context = TPUContext(TWO_HOSTS, call)
    assert (context.num_replicas, context.num_hosts) == (8, 2)
    assert context.num_of_replicas_per_host == 4
    assert context.device_for_replica(5) == "/task:1/device:TPU:1"
    assert TPUContext(Topology(num_hosts=1, cores_per_host=4), call).device_for_replica(3) == (
        "/device:TPU:3"
    )
    place = context.tpu_host_placement_function
    assert place(replica_id=7) == place(host_id=1) == "/device:CPU:0"
    with pytest.raises(ValueError, match="`host` must be from 0 to 1"):
        place(host_id=2)
    with pytest.raises(RuntimeError, match="either `replica_id` or `host_id`"):
        place()


def test_questions_for_model_fn_only():
    (context, _) = make_input_contexts(Pipeline.PER_HOST_V1)
    text = r"This TPUContext instance must not be called from input_fn\."
    with pytest.raises(RuntimeError, match=text):
        _ = context.device_assignment
    assignment = TPUContext(TWO_HOSTS).device_assignment
    assert (assignment.num_replicas, assignment.num_cores_per_replica) == (8, 1)
    assert assignment.tpu_ordinal(replica=6) == 2
    assert assignment.lookup_replicas(1, 0) == [4, 5, 6, 7]


@pytest.mark.parametrize(
    "topology",
    [
        Topology(num_hosts=1, cores_per_host=8, cores_per_replica=2),
        Topology(num_hosts=2, cores_per_host=4, cores_per_replica=4),
        Topology(num_hosts=2, cores_per_host=4, cores_per_replica=8),
    ],
)
def test_the_device_assignment_is_that_of_the_topology(topology):
    assignment = TPUContext(topology).device_assignment
    assert isinstance(assignment, tf.tpu.experimental.DeviceAssignment)
    assert assignment.num_replicas == topology.num_replicas
    assert assignment.num_cores_per_replica == topology.cores_per_replica
    assert tuple(assignment.topology.mesh_shape) == (topology.num_hosts, 1, 1,
                                                     topology.cores_per_host)  # fmt: skip
    for replica in range(topology.num_replicas):
        for logical, (host, core) in enumerate(topology.cores_of_replica(replica)):
            assert assignment.coordinates(replica, logical) == (host, 0, 0, core)
            assert assignment.tpu_device(replica, logical) == f"/task:{host}/device:TPU:{core}"
            assert replica in assignment.lookup_replicas(host, logical)


def test_questions_for_input_fn_only():
    context = TPUContext(TWO_HOSTS)
    text = r"This TPUContext instance must not be called from model_fn\."
    with pytest.raises(RuntimeError, match=text):
        context.current_input_fn_deployment()
    with pytest.raises(RuntimeError, match=text):
        _ = context.current_host


def test_replicas_across_hosts_have_no_count_per_host():
    spanning = Topology(num_hosts=2, cores_per_host=4, cores_per_replica=8)
    with pytest.raises(ValueError, match="num_of_replicas_per_host"):
        _ = TPUContext(spanning).num_of_replicas_per_host
