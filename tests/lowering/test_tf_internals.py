import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.lowering.tf_internals import run_on_tpu_when_served, single_replica

tf1 = tf.compat.v1


def test_cross_replica_ops_are_identities_for_one_replica():
    with tf.Graph().as_default(), tf1.Session() as session, single_replica():
        x = tf.constant([1.0, 2.0])
        y = tf1.tpu.cross_replica_sum(x * 3.0)
        (gradient,) = tf.gradients(y, x)
        np.testing.assert_allclose(session.run(y), [3.0, 6.0])
        np.testing.assert_allclose(session.run(gradient), [3.0, 3.0])


def test_outside_the_block_the_real_op_is_built():
    with tf.Graph().as_default() as graph:
        with single_replica():
            tf1.tpu.cross_replica_sum(tf.constant([1.0]))
        assert "CrossReplicaSum" not in {o.type for o in graph.get_operations()}
        tf1.tpu.cross_replica_sum(tf.constant([1.0]), group_assignment=[[0]])
        assert "CrossReplicaSum" in {o.type for o in graph.get_operations()}


def test_wrapped_optimizer_does_what_the_bare_one_does():
    results = []
    for wrap in (lambda o: o, tf1.tpu.CrossShardOptimizer):
        with tf.Graph().as_default(), tf1.Session() as session, single_replica():
            v = tf1.get_variable("v", [2], initializer=tf1.ones_initializer())
            step = wrap(tf1.train.AdamOptimizer(0.1)).minimize(tf.reduce_sum(v * v * v))
            session.run(tf1.global_variables_initializer())
            for _ in range(3):
                session.run(step)
            results.append(session.run(v))
    np.testing.assert_array_equal(*results)


def test_computation_goes_into_a_function_of_a_partitioned_call():
    with tf.Graph().as_default() as graph:
        x = tf1.placeholder(tf.float32, [None, 3])
        (y,) = run_on_tpu_when_served(lambda a: [tf.nn.relu(a)], [x])
        assert y.shape.as_list() == [None, 3]
        definition = graph.as_graph_def()
    outside = {n.op for n in definition.node}
    inside = {n.op for f in definition.library.function for n in f.node_def}
    assert "TPUPartitionedCall" in outside
    assert "Relu" not in outside
    assert {"Relu", "TPUReplicateMetadata"} <= inside


def test_calls_of_another_thread_are_not_affected():
    import threading

    seen = []

    def build():
        with tf.Graph().as_default() as graph:
            tf1.tpu.cross_replica_sum(tf.constant([1.0]), group_assignment=[[0]])
            seen.extend(o.type for o in graph.get_operations())

    with single_replica():
        thread = threading.Thread(target=build)
        thread.start()
        thread.join()
    assert "CrossReplicaSum" in seen


def test_the_block_restores_its_state_after_an_error():
    with tf.Graph().as_default() as graph:
        with pytest.raises(KeyError, match="x"), single_replica():
            raise KeyError("x")
        tf1.tpu.cross_replica_sum(tf.constant([1.0]), group_assignment=[[0]])
        assert "CrossReplicaSum" in {o.type for o in graph.get_operations()}
