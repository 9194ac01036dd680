"""Op by op: what lowers to XLA, and that it then computes what a session computes."""

import numpy as np
import pytest
import tensorflow as tf
from helpers.lowered import run_on_device, run_on_host

from tfx_tpu_estimator.specs import ModeKeys

tf1 = tf.compat.v1
RNG = np.random.default_rng(0)
M = RNG.normal(size=[4, 8]).astype("float32")
IDS = np.array([0, 1, 1, 3], "int32")
IMAGE = RNG.normal(size=[2, 8, 8, 3]).astype("float32")
SEQUENCE = RNG.normal(size=[4, 5, 3]).astype("float32")
WEIGHTS = RNG.normal(size=[8, 8]).astype("float32")
F32 = tf.float32


def with_gradient(fn):
    """The value of a scalar function and its gradient by the first argument."""

    def build(x, *others):
        x = tf.identity(x)
        y = fn(x, *others)
        return [y, tf1.gradients(y, x)[0]]

    return build


def total(x):
    return tf.reduce_sum(tf.square(x))


def add_one(x, before):
    with tf1.control_dependencies([before]):
        return [x + 1.0]


def loop_with_gradient(x):
    def body(i, h):
        return i + 1, tf.tanh(tf.matmul(h, WEIGHTS) + x)

    start = [0, tf.zeros([4, 8])]
    _, h = tf1.while_loop(lambda i, h: i < 5, body, start, maximum_iterations=5)
    return total(h)


def boxes_of(x):
    return tf.image.non_max_suppression_padded(
        tf.abs(x[:, :4]), x[:, 4], 3, pad_to_max_output_size=True
    )[0]


# Rows: arrays that go in, and what is computed of them.
FINE = {
    "conv2d": ([IMAGE], with_gradient(
        lambda x: total(tf.nn.conv2d(x, tf.ones([3, 3, 3, 4]), 1, "SAME")))),
    "depthwise": ([IMAGE], with_gradient(lambda x: total(
        tf.nn.depthwise_conv2d(x, tf.ones([3, 3, 3, 2]), [1, 1, 1, 1], "SAME")))),
    "conv2d_transpose": ([IMAGE], with_gradient(lambda x: total(
        tf.nn.conv2d_transpose(x, tf.ones([3, 3, 4, 3]), [2, 16, 16, 4], 2)))),
    "max_pool": ([IMAGE], with_gradient(lambda x: total(tf.nn.max_pool2d(x, 2, 2, "VALID")))),
    "avg_pool": ([IMAGE], with_gradient(lambda x: total(tf.nn.avg_pool2d(x, 2, 2, "VALID")))),
    "fused_batch_norm": ([IMAGE], lambda x: list(
        tf1.nn.fused_batch_norm(x, tf.ones([3]), tf.zeros([3])))[:3]),
    "top_k": ([M], lambda x: list(tf.nn.top_k(x, 3))),
    "in_top_k": ([M, IDS], lambda x, y: [tf.math.in_top_k(y, x, 2)]),
    "argmax": ([M], lambda x: [tf.argmax(x, 1), tf.argmin(x, 1)]),
    "cumsum": ([M], lambda x: [tf.cumsum(x, 1), tf.math.cumprod(x, 1)]),
    "sort": ([M], lambda x: [tf.sort(x), tf.argsort(x)]),
    "gather_nd": ([M, IDS], lambda x, y: [tf.gather_nd(x, y[:, None]),
                                          tf.scatter_nd(y[:, None], x, [10, 8])]),
    "unsorted_segment_sum": ([M, IDS], lambda x, y: [tf.math.unsorted_segment_sum(x, y, 5)]),
    "softmax_loss": ([M, IDS], with_gradient(lambda x, y: tf.reduce_sum(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)))),
    "sigmoid_loss": ([M, IDS], lambda x, y: [
        tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.one_hot(y, 8), logits=x)]),
    "while_with_gradient": ([M], with_gradient(loop_with_gradient)),
    "cond": ([M], with_gradient(lambda x: tf1.cond(
        total(x) > 0, lambda: tf.reduce_sum(x * 2), lambda: tf.reduce_sum(x * 3)))),
    "switch_case": ([M, IDS], lambda x, y: [tf.switch_case(y[1], [lambda: x, lambda: x * 2])]),
    "assert": ([M], lambda x: add_one(x, tf1.Assert(tf.reduce_all(x > -1e9), [x]))),
    "assert_greater": ([M], lambda x: add_one(x, tf1.debugging.assert_greater(x, -1e9))),
    "summary_that_nobody_needs": ([M], lambda x: [tf1.summary.scalar("a", total(x)), x + 1.0][1:]),
    "where": ([M], lambda x: [tf.where(x > 0, x, x * 2)]),
    "unique_reduced": ([IDS], lambda y: [tf.size(tf.unique(y)[0])]),
    "where_reduced": ([M], lambda x: [tf.reduce_sum(tf.gather_nd(x, tf.where(x > 0)))]),
    "bfloat16": ([M], lambda x: [
        tf.cast(tf.matmul(tf.cast(x, tf.bfloat16), tf.ones([8, 8], tf.bfloat16)), F32)]),
    "float64": ([M], lambda x: [tf.matmul(tf.cast(x, tf.float64), tf.ones([8, 8], tf.float64))]),
    "cholesky": ([M], lambda x: [tf.linalg.cholesky(tf.matmul(x, x, transpose_b=True) + tf.eye(4)),
                                 tf.abs(tf.linalg.qr(x)[1])]),
    "fft": ([M], lambda x: [tf.abs(tf.signal.rfft(x))]),
    "resize": ([IMAGE], lambda x: [tf.image.resize(x, [16, 16])]),
    "padded_nms": ([RNG.normal(size=[6, 8]).astype("float32")], lambda x: [boxes_of(x)]),
    "ctc_loss": ([RNG.normal(size=[6, 2, 5]).astype("float32")], lambda x: [tf.nn.ctc_loss(
        tf.ones([2, 3], tf.int32), x, tf.constant([3, 3]), tf.constant([6, 6]),
        logits_time_major=True, blank_index=0)]),
    "special_functions": ([M], lambda x: [tf.math.erf(x), tf.math.lgamma(x),
                                          tf.math.igamma(tf.abs(x) + 1, tf.abs(x))]),
    "einsum_map_fn": ([M], lambda x: [tf.einsum("ij,kj->ik", x, x), tf.map_fn(lambda r: r * 2, x)]),
    "clip_by_global_norm": ([M], with_gradient(
        lambda x: tf.reduce_sum(tf.clip_by_global_norm([x], 1.0)[0][0]))),
    "boolean_mask_with_gradient": ([M[0]], with_gradient(
        lambda x: tf.reduce_mean(tf.square(tf.boolean_mask(x, x > 0))))),
    "boolean_mask_reduced": ([M], lambda x: [tf.reduce_mean(tf.boolean_mask(x, x > 0)),
                                             tf.reduce_sum(tf.boolean_mask(x, x > 0))]),
    "sorted_segment_sum_reduced": ([M, IDS], with_gradient(
        lambda x, y: tf.reduce_mean(tf.square(tf.math.segment_sum(x, y))))),
    "sorted_segment_sum_of_constant_ids": ([M], lambda x: [
        total(tf.math.segment_sum(x, tf.constant([0, 0, 2, 5])))]),
    "sorted_segment_sum_in_a_loop": ([M, IDS], lambda x, y: [tf1.while_loop(
        lambda i, a: i < 3,
        lambda i, a: (i + 1, a + tf.reduce_mean(tf.math.segment_sum(x, y))),
        [0, 0.0], maximum_iterations=3)[1]]),
}  # fmt: skip


@pytest.mark.parametrize("row", FINE)
def test_rows_that_lower(row):
    arrays, build = FINE[row]
    # XLA keeps more bits between operations of bfloat16 than the host does.
    check(build, arrays, ModeKeys.PREDICT, tolerance=2e-2 if row == "bfloat16" else 1e-5)


def check(build, arrays, mode, tolerance=1e-5):
    values, state, tensors = run_on_device(build, arrays, mode=mode)
    expected_state, expected = run_on_host(build, arrays, values)
    assert len(tensors) == len(expected)
    for ours, theirs in zip(tensors, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
        assert ours.dtype == theirs.dtype
    for name, value in state.items():
        np.testing.assert_allclose(
            value, expected_state[name], rtol=tolerance, atol=tolerance / 10, err_msg=name
        )
    return state


def train(loss, optimizer=None):
    optimizer = optimizer or tf1.train.GradientDescentOptimizer(0.1)
    step = tf1.train.get_or_create_global_step()
    return [loss], tf1.tpu.CrossShardOptimizer(optimizer).minimize(loss, global_step=step)


def dynamic_rnn(x):
    cell = tf1.nn.rnn_cell.LSTMCell(8)
    outputs, _ = tf1.nn.dynamic_rnn(cell, x, dtype=F32)
    return train(total(outputs))


def batch_norm(x):
    y = tf1.layers.batch_normalization(x, training=True)
    loss = tf.reduce_mean(tf1.layers.dense(y, 2) ** 2)
    with tf1.control_dependencies(tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)):
        return train(loss)


def linear(x, **arguments):
    return tf.matmul(x, tf1.get_variable("w", [8, 2], **arguments))


def custom_getter(x):
    def double(getter, name, *arguments, **keywords):
        return getter(name, *arguments, **keywords) * 2.0

    with tf1.variable_scope("scope", custom_getter=double):
        return train(total(linear(x)))


def average(x):
    loss = total(linear(x))
    _, train_op = train(loss)
    averages = tf1.train.ExponentialMovingAverage(0.9)
    with tf1.control_dependencies([train_op]):
        return [loss], averages.apply(tf1.trainable_variables())


def bfloat16_scope(x):
    with tf1.tpu.bfloat16_scope():
        y = tf.cast(linear(tf.cast(x, tf.bfloat16), dtype=tf.bfloat16), F32)
    return train(total(y))


def reused(x):
    with tf1.variable_scope("a", reuse=tf1.AUTO_REUSE):
        return train(total(linear(linear(x) @ tf.ones([2, 8]))))


def gradients_applied_by_hand(x):
    loss = total(linear(x))
    variables = tf1.trainable_variables()
    gradients, _ = tf.clip_by_global_norm(tf1.gradients(loss, variables), 1.0)
    optimizer = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(0.1))
    step = tf1.train.get_or_create_global_step()
    pairs = list(zip(gradients, variables, strict=True))
    return [loss], optimizer.apply_gradients(pairs, global_step=step)


def learning_rate_decay(x):
    step = tf1.train.get_or_create_global_step()
    rate = tf1.train.exponential_decay(0.1, step, 10, 0.9)
    loss = total(linear(x))
    op = tf1.tpu.CrossShardOptimizer(tf1.train.AdamOptimizer(rate)).minimize(loss, step)
    return [loss, rate], op


def update_metrics(x):
    y = linear(x)
    mean = tf1.metrics.mean(y)
    accuracy = tf1.metrics.accuracy(tf.zeros([4], tf.int32), tf.argmax(y, 1))
    return [total(y)], tf.group(mean[1], accuracy[1])


def assign_in_cond(x):
    v = tf1.get_variable("v", [2], initializer=tf1.zeros_initializer())
    op = tf1.cond(total(x) > 0, lambda: tf1.assign_add(v, [1.0, 2.0]), lambda: tf.identity(v))
    return [total(x)], tf.group(op)


def partitioned(x):
    parts = tf1.fixed_size_partitioner(2, axis=0)
    w = tf1.get_variable("w", [8, 6], partitioner=parts)
    return train(total(tf.matmul(x, tf.convert_to_tensor(w))), tf1.train.AdamOptimizer())


def keras_layers(x):
    y = tf.keras.layers.BatchNormalization()(tf.keras.layers.Dense(3)(x), training=True)
    return train(total(y))


def reference_variable(x):
    v = tf1.Variable(tf.ones([8, 2]), use_resource=False, name="v")
    return train(total(tf.matmul(x, v) + linear(x, use_resource=False)))


TRAINING = {
    "dynamic_rnn": ([SEQUENCE], dynamic_rnn),
    "batch_norm_update_ops": ([M], batch_norm),
    "custom_getter": ([M], custom_getter),
    "moving_average": ([M], average),
    "reuse": ([M], reused),
    "apply_gradients": ([M], gradients_applied_by_hand),
    "learning_rate_decay": ([M], learning_rate_decay),
    "metrics_on_the_device": ([M], update_metrics),
    "assign_in_cond": ([M], assign_in_cond),
    "partitioned_variable": ([M], partitioned),
    "keras_layers": ([M], keras_layers),
    "reference_variable": ([M], reference_variable),
}


@pytest.mark.parametrize("row", TRAINING)
def test_training_rows(row):
    arrays, build = TRAINING[row]
    state = check(build, arrays, ModeKeys.TRAIN, tolerance=2e-5)
    assert state


def test_bfloat16_variables():
    state = check(bfloat16_scope, [M], ModeKeys.TRAIN, tolerance=3e-2)
    assert state["w"].dtype == np.float32


OPTIMIZERS = {
    "adagrad": lambda: tf1.train.AdagradOptimizer(0.1),
    "adam": tf1.train.AdamOptimizer,
    "ftrl": lambda: tf1.train.FtrlOptimizer(0.1),
    "rmsprop": lambda: tf1.train.RMSPropOptimizer(0.1),
    "momentum": lambda: tf1.train.MomentumOptimizer(0.1, 0.9),
    "adadelta": lambda: tf1.train.AdadeltaOptimizer(0.1),
    "proximal_adagrad": lambda: tf1.train.ProximalAdagradOptimizer(0.1),
    "proximal_sgd": lambda: tf1.train.ProximalGradientDescentOptimizer(0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_optimizers(optimizer):
    check(lambda x: train(total(linear(x)), OPTIMIZERS[optimizer]()), [M], ModeKeys.TRAIN)


def embedding(x, optimizer=None, strategy="div", **arguments):
    table = tf1.get_variable("table", [10, 3], **arguments)
    loss = total(tf1.nn.embedding_lookup(table, tf.abs(x), partition_strategy=strategy) + 1.0)
    step = tf1.train.get_or_create_global_step()
    optimizer = optimizer or tf1.train.AdagradOptimizer(0.1)
    return [loss], optimizer.minimize(loss, global_step=step)


def variable_of_a_tensor(x):
    start = tf.reshape(tf.range(16, dtype=F32), [8, 2]) / 16.0
    return train(total(tf.matmul(x, tf1.Variable(start, name="v"))))


HELPED = {
    "sparse_adagrad": lambda x: embedding(x),
    "sparse_sgd": lambda x: embedding(x, tf1.train.GradientDescentOptimizer(0.1)),
    # Without gradients there is no difference yet between dense and sparse moments.
    "sparse_momentum": lambda x: embedding(x, tf1.train.MomentumOptimizer(0.1, 0.9)),
    "partitioned_embedding": lambda x: embedding(
        x, partitioner=tf1.fixed_size_partitioner(3, axis=0)),
    "partitioned_embedding_mod": lambda x: embedding(
        x, strategy="mod", partitioner=tf1.fixed_size_partitioner(3, axis=0)),
}  # fmt: skip


@pytest.mark.parametrize("row", HELPED)
def test_sparse_gradients_are_applied_densely(row):
    check(HELPED[row], [IDS], ModeKeys.TRAIN)


def test_a_variable_made_of_a_tensor():
    check(variable_of_a_tensor, [M], ModeKeys.TRAIN)


def test_a_variable_made_of_the_batch():
    def build(x):
        return train(total(tf1.Variable(tf.reduce_mean(x, 0), name="v")))

    with pytest.raises(ValueError, match=r"initial value of variable `v`, made at .*:\d+, depends"):
        run_on_device(build, [M], mode=ModeKeys.TRAIN)


def test_ids_with_gaps_give_nan_rather_than_too_little():
    def build(x, y):
        return [tf.reduce_sum(tf.math.segment_sum(x, y))]

    _, _, (ours,) = run_on_device(build, [M, np.array([0, 1, 1, 9], "int32")])
    assert np.isnan(ours)


def print_before(x):
    return add_one(x, tf.print("mean", tf.reduce_mean(x)))


def old_print(x):
    return [tf1.Print(x + 1.0, [x], "x = ")]


def summary_before(x):
    return add_one(x, tf1.summary.merge([tf1.summary.histogram("h", x)]))


def print_in_a_branch(x):
    def log_and_double():
        with tf1.control_dependencies([tf.print("branch", x)]):
            return x * 2.0

    return [tf1.cond(total(x) > 0, log_and_double, lambda: x)]


def summary_writer_in_the_model(x):
    writer = tf.summary.create_file_writer("never_written")
    with writer.as_default(step=1), tf.summary.record_if(total(x) > 0):
        tf.summary.scalar("loss", total(x))
    return add_one(x, tf1.summary.all_v2_summary_ops()[0])


PRUNED = {
    "print": (print_before, "PrintV2"),
    "old_print": (old_print, "Print"),
    "summary": (summary_before, "HistogramSummary"),
    "print_in_a_branch": (print_in_a_branch, "PrintV2"),
    "summary_writer": (summary_writer_in_the_model, "WriteSummary"),
    "assert": (FINE["assert"][1], "Assert"),
}


@pytest.mark.parametrize("row", PRUNED)
def test_what_belongs_to_the_host_is_left_out_and_named(row, caplog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build, op_type = PRUNED[row]
    _, _, (ours,) = run_on_device(build, [M])
    expected = M * 2 if row == "print_in_a_branch" else M + 1
    np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert f"({op_type}, " in caplog.text
    assert f"{__name__.split('.')[-1]}.py:" in caplog.text


def test_an_update_that_hangs_on_a_print_still_happens(caplog):
    def build(x):
        v = tf1.get_variable("v", [], initializer=tf1.zeros_initializer())
        with tf1.control_dependencies([v.assign_add(3.0)]):
            printed = tf.print("v", v.read_value())
        return [total(x)], printed

    _, state, _ = run_on_device(build, [M], mode=ModeKeys.TRAIN)
    assert state["v"] == 3.0
    assert "PrintV2" in caplog.text


def hash_table(x):
    keys = tf.constant([1, 2], tf.int64)
    table = tf1.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys), -1)
    return [table.lookup(tf.cast(x, tf.int64))]


def boxes(x):
    return [tf.image.crop_and_resize(x, tf.constant([[0, 0, 1, 1.0]]), [0], [4, 4])]


def sparse_matmul(x):
    sparse = tf.sparse.SparseTensor(tf.constant([[0, 1]], tf.int64), [1.0], [4, 4])
    return [tf.sparse.sparse_dense_matmul(sparse, x)]


def loop_without_bound(x):
    x = tf.identity(x)
    _, h = tf1.while_loop(lambda i, h: i < 5, lambda i, h: (i + 1, tf.tanh(h)), [0, x])
    return [tf1.gradients(total(h), x)[0]]


def in_a_loop(x):
    def body(i, h):
        return i + 1, tf.ensure_shape(tf1.py_func(np.tanh, [h], F32), [4, 8])

    return [tf1.while_loop(lambda i, h: i < 3, body, [0, x], maximum_iterations=3)[1]]


IMPOSSIBLE = {
    "strings": ([IDS], lambda x: [tf.strings.length(tf.strings.as_string(x))],
                "AsString", "Strings exist only on the host. Do it in input_fn"),
    "hash_table": ([IDS], hash_table, "LookupTableFindV2", "Lookup tables exist only on the host"),
    "py_func": ([M], lambda x: [tf.ensure_shape(tf1.py_func(np.tanh, [x], F32), [4, 8])],
                "PyFunc", "Python code cannot run on a TPU"),
    "py_func_in_a_loop": ([M], in_a_loop, "PyFunc", "Python code cannot run on a TPU"),
    "crop_and_resize": ([IMAGE], boxes, "CropAndResize", "crop with tf.slice"),
    "sparse_matmul": ([M], sparse_matmul, "SparseTensorDenseMatMul", "no sparse tensors"),
    "random_gamma": ([M], lambda x: [tf.random.gamma([4], 1.0) + x[:, 0]], "RandomGamma", "Draw"),
    "random_poisson": ([M], lambda x: [tf.random.poisson([4], 1.0)], "RandomPoisson", "Draw from"),
    "loop_without_bound": ([M], loop_without_bound, "EmptyTensorList", "`maximum_iterations`"),
    "summary_in_the_data": ([M], lambda x: [tf.strings.length(tf1.summary.scalar("a", total(x)))],
                            "", "cannot run on a TPU"),
}  # fmt: skip


def of_device(build):
    """The same of something that depends on a variable: of the batch alone the host could do it."""

    def build_of_device(x):
        offset = tf1.get_variable("offset", [], initializer=tf1.zeros_initializer())
        return build(x + tf.cast(offset, x.dtype))

    return build_of_device


@pytest.mark.parametrize("row", IMPOSSIBLE)
def test_what_no_tpu_can_do_is_said_with_the_line_and_the_way_out(row):
    arrays, build, op_type, way_out = IMPOSSIBLE[row]
    with pytest.raises(ValueError, match=op_type) as raised:
        run_on_device(of_device(build), arrays)
    message = str(raised.value)
    assert f"{__name__.split('.')[-1]}.py:" in message
    assert way_out in message
