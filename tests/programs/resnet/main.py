"""A small residual network: bfloat16, UPDATE_OPS, LARS, host_call, moving averages, hooks."""

import zlib

import numpy as np
import tensorflow as tf

flags = tf.compat.v1.flags
FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", None, "Where checkpoints go.")
flags.DEFINE_bool("use_tpu", True, "Whether to use TPUs.")
flags.DEFINE_string("precision", "bfloat16", "bfloat16 or float32.")
BATCH, STEPS, SIZE, CLASSES = 16, 12, 8, 4
v1 = tf.compat.v1


class LARSOptimizer(v1.train.Optimizer):
    """Layer-wise adaptive rates over momentum."""

    def __init__(self, learning_rate, momentum=0.9, weight_decay=1e-4, eeta=0.01):
        super().__init__(False, "LARS")
        self._rate, self._momentum = learning_rate, momentum
        self._weight_decay, self._eeta = weight_decay, eeta

    def _create_slots(self, var_list):
        for v in var_list:
            self._zeros_slot(v, "momentum", self._name)

    def _resource_apply_dense(self, grad, var):
        rate = self._rate
        if "batch_normalization" not in var.name and "bias" not in var.name:
            w_norm, g_norm = tf.norm(var, ord=2), tf.norm(grad, ord=2)
            trust = self._eeta * w_norm / (g_norm + self._weight_decay * w_norm)
            rate *= tf.where(w_norm > 0, tf.where(g_norm > 0, trust, 1.0), 1.0)
            grad += self._weight_decay * var
        velocity = self.get_slot(var, "momentum")
        next_velocity = self._momentum * velocity + grad * rate
        return tf.group(velocity.assign(next_velocity), var.assign_sub(next_velocity))


def batch_norm_relu(inputs, training, relu=True):
    inputs = v1.layers.batch_normalization(
        inputs, axis=3, momentum=0.9, epsilon=1e-5, training=training, fused=True
    )
    return tf.nn.relu(inputs) if relu else inputs


def network(images, training):
    def conv(inputs, filters, strides):
        return v1.layers.conv2d(
            inputs,
            filters,
            3,
            strides,
            padding="same",
            use_bias=False,
            kernel_initializer=v1.variance_scaling_initializer(),
        )

    net = batch_norm_relu(conv(images, 8, 1), training)
    shortcut = net
    net = batch_norm_relu(conv(net, 8, 1), training)
    net = batch_norm_relu(conv(net, 8, 1), training, relu=False)
    net = tf.nn.relu(net + shortcut)
    net = tf.reduce_mean(batch_norm_relu(conv(net, 16, 2), training), [1, 2])
    init = tf.random_normal_initializer(stddev=0.01)
    return v1.layers.dense(net, CLASSES, kernel_initializer=init)


def model_fn(features, labels, mode, params):
    images = features["image"] if isinstance(features, dict) else features
    training = mode == tf.estimator.ModeKeys.TRAIN
    if params["precision"] == "bfloat16":
        with v1.tpu.bfloat16_scope():
            logits = network(tf.cast(images, tf.bfloat16), training)
        logits = tf.cast(logits, tf.float32)
    else:
        logits = network(images, training)
    if mode == tf.estimator.ModeKeys.PREDICT:
        predictions = {"classes": tf.argmax(logits, 1), "probabilities": tf.nn.softmax(logits)}
        return v1.estimator.EstimatorSpec(
            mode=mode,
            predictions=predictions,
            export_outputs={"classify": tf.estimator.export.PredictOutput(predictions)},
        )
    one_hot = tf.one_hot(labels, CLASSES)
    loss = v1.losses.softmax_cross_entropy(one_hot, logits, label_smoothing=0.1)
    step = v1.train.get_global_step()
    averages = tf.train.ExponentialMovingAverage(0.9, step)
    averaged = v1.trainable_variables()
    train_op = host_call = scaffold_fn = None
    if training:
        rate = v1.train.piecewise_constant(step, [6, 10], [0.5, 0.25, 0.1])
        optimizer = LARSOptimizer(rate)
        if params["use_tpu"]:
            optimizer = v1.tpu.CrossShardOptimizer(optimizer)
        update_ops = v1.get_collection(v1.GraphKeys.UPDATE_OPS)
        with tf.control_dependencies(update_ops):
            train_op = optimizer.minimize(loss, step)
        with tf.control_dependencies([train_op]):
            train_op = averages.apply(averaged)
        host_call = (host_call_fn, [tf.reshape(t, [1]) for t in (step, loss, rate)])
    else:

        def scaffold_fn():
            return v1.train.Scaffold(saver=v1.train.Saver(averages.variables_to_restore(averaged)))

    return v1.estimator.tpu.TPUEstimatorSpec(
        mode=mode,
        loss=loss,
        train_op=train_op,
        host_call=host_call,
        eval_metrics=(metric_fn, [labels, logits]),
        scaffold_fn=scaffold_fn,
    )


def host_call_fn(step, loss, rate):
    step = step[0]
    writer = tf.compat.v2.summary.create_file_writer(FLAGS.model_dir + "/host", max_queue=10)
    with writer.as_default(), tf.compat.v2.summary.record_if(True):
        tf.compat.v2.summary.scalar("loss", tf.reduce_mean(loss), step=step)
        tf.compat.v2.summary.scalar("learning_rate", rate[0], step=step)
        return v1.summary.all_v2_summary_ops()


def metric_fn(labels, logits):
    in_top_2 = tf.cast(tf.nn.in_top_k(labels, logits, 2), tf.float32)
    return {
        "top_1_accuracy": v1.metrics.accuracy(labels, tf.argmax(logits, axis=1)),
        "top_2_accuracy": v1.metrics.mean(in_top_2),
    }


def make_images(count, seed):
    random = np.random.RandomState(seed)
    labels = random.randint(0, CLASSES, count).astype(np.int32)
    images = random.normal(0, 0.3, (count, SIZE, SIZE, 3)).astype(np.float32)
    for image, label in zip(images, labels):
        image[:, :, :] += np.sin((label + 1) * np.arange(SIZE))[:, None, None]
    return {"image": images}, labels


def input_fn(params, seed=0):
    data = tf.data.Dataset.from_tensor_slices(make_images(64, seed)).repeat(8)
    data = data.batch(params["batch_size"], drop_remainder=True)
    options = tf.data.Options()
    options.deterministic = True
    return data.with_options(options).prefetch(tf.data.experimental.AUTOTUNE)


class CountingHook(tf.estimator.SessionRunHook):
    """Counts runs of the session: one per loop on TPUs, one per step elsewhere."""

    runs = 0

    def after_run(self, run_context, run_values):
        CountingHook.runs += 1


def image_serving_input_fn():
    images = v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], "image")
    return tf.estimator.export.TensorServingInputReceiver(images, {"image": images})


def make_pretrained(path):
    """Saves weights to start from, and returns the checkpoint."""
    with tf.Graph().as_default(), v1.Session() as session:
        network(v1.placeholder(tf.float32, [None, SIZE, SIZE, 3]), training=False)
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():
            random = np.random.RandomState(zlib.crc32(variable.op.name.encode()))
            scale = 0.1 if "kernel" in variable.op.name else 0.0
            start = 1.0 if "gamma" in variable.op.name else 0.0
            variable.load(start + random.normal(0, scale, variable.shape.as_list()), session)
        return v1.train.Saver(v1.trainable_variables()).save(session, path)


def main(unused_argv):
    v1.gfile.MakeDirs(FLAGS.model_dir)
    config = v1.estimator.tpu.RunConfig(
        model_dir=FLAGS.model_dir,
        save_checkpoints_steps=6,
        save_summary_steps=1,
        tf_random_seed=2,
        keep_checkpoint_max=None,
        log_step_count_steps=6,
        tpu_config=v1.estimator.tpu.TPUConfig(iterations_per_loop=3, num_shards=4),
    )
    estimator = v1.estimator.tpu.TPUEstimator(
        use_tpu=FLAGS.use_tpu,
        model_fn=model_fn,
        config=config,
        params={"precision": FLAGS.precision},
        train_batch_size=BATCH,
        eval_batch_size=BATCH,
        predict_batch_size=BATCH,
        export_to_tpu=False,
        warm_start_from=make_pretrained(FLAGS.model_dir + "/pretrained/weights"),
    )
    estimator.train(input_fn, max_steps=STEPS, hooks=[CountingHook()])
    for checkpoint in v1.train.checkpoints_iterator(FLAGS.model_dir, timeout=1):
        result = estimator.evaluate(
            lambda params: input_fn(params, 1), steps=4, checkpoint_path=checkpoint
        )
        if result["global_step"] >= STEPS:
            break
    estimator.export_saved_model(FLAGS.model_dir + "/export", image_serving_input_fn)
    print("RESULT accuracy %.4f loss %.5f" % (result["top_1_accuracy"], result["loss"]))
    print("RUNS", CountingHook.runs)


if __name__ == "__main__":
    v1.logging.set_verbosity(v1.logging.INFO)
    v1.app.run(main)
