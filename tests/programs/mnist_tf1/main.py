"""Digits with tf.contrib.tpu: written as programs for TensorFlow 1.12 were."""

import numpy as np
import tensorflow as tf
from model import network
from tensorflow.contrib import summary
from tensorflow.contrib.tpu.python.tpu import tpu_config, tpu_estimator

flags = tf.flags
flags.DEFINE_string("tpu", None, "Name of the TPU.")
flags.DEFINE_string("model_dir", None, "Where checkpoints go.")
flags.DEFINE_bool("use_tpu", True, "Use TPUs rather than plain CPUs.")
flags.DEFINE_integer("train_steps", 40, "Steps.")
FLAGS = flags.FLAGS
BATCH = 32
HPARAMS = tf.contrib.training.HParams(learning_rate=0.05, decay_steps=100)


def make_digits(count, seed):
    """Returns images [count, 14, 14, 1] of bright bars whose place is the label."""
    random = np.random.RandomState(seed)
    labels = random.randint(0, 10, count).astype(np.int32)
    images = random.uniform(0, 0.1, (count, 14, 14, 1)).astype(np.float32)
    for image, label in zip(images, labels):
        image[label : label + 3] += 1.0
    return images, labels


def train_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(make_digits(256, 0))
    data = data.apply(tf.contrib.data.shuffle_and_repeat(256, seed=3))
    return data.apply(tf.contrib.data.batch_and_drop_remainder(params["batch_size"]))


def eval_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(make_digits(64, 1))
    return data.batch(params["batch_size"], drop_remainder=True)


def predict_input_fn(params):
    data = tf.data.Dataset.from_tensor_slices(make_digits(10, 1)[0])
    return data.batch(params["batch_size"])


def serving_input_receiver_fn():
    images = tf.placeholder(tf.float32, [None, 14, 14, 1], "images")
    return tf.estimator.export.TensorServingInputReceiver(images, images)


def metric_fn(labels, logits):
    return {"accuracy": tf.metrics.accuracy(labels, tf.argmax(logits, axis=1))}


def host_call_fn(global_step, loss):
    step = global_step[0]
    with summary.create_file_writer(FLAGS.model_dir + "/host").as_default():
        with summary.record_summaries_every_n_global_steps(5, step):
            summary.scalar("host_loss", tf.reduce_mean(loss), step=step)
            return summary.all_summary_ops()


def model_fn(features, labels, mode, params):
    logits = network(features, mode == tf.estimator.ModeKeys.TRAIN)
    assert logits.shape[-1].value == 10  # dimensions are objects in TensorFlow 1
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(
            mode, predictions={"class_ids": tf.argmax(logits, axis=1)}
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    loss += tf.losses.get_regularization_loss()
    train_op = host_call = None
    if mode == tf.estimator.ModeKeys.TRAIN:
        step = tf.train.get_or_create_global_step()
        rate = tf.train.exponential_decay(
            HPARAMS.learning_rate, step, HPARAMS.decay_steps, 0.96, staircase=False
        )
        optimizer = tf.train.MomentumOptimizer(rate, 0.9)
        if params["use_tpu"]:
            optimizer = tf.contrib.tpu.CrossShardOptimizer(optimizer)
        train_op = optimizer.minimize(loss, global_step=step)
        host_call = (host_call_fn, [tf.reshape(step, [1]), tf.reshape(loss, [1])])
    return tf.contrib.tpu.TPUEstimatorSpec(
        mode=mode,
        loss=loss,
        train_op=train_op,
        host_call=host_call,
        eval_metrics=(metric_fn, {"labels": labels, "logits": logits}),
    )


def main(argv):
    del argv
    resolver = tf.contrib.cluster_resolver.TPUClusterResolver(FLAGS.tpu)
    config = tpu_config.RunConfig(
        cluster=resolver,
        model_dir=FLAGS.model_dir,
        tf_random_seed=1,
        session_config=tf.ConfigProto(allow_soft_placement=True),
        tpu_config=tpu_config.TPUConfig(iterations_per_loop=10, num_shards=4),
    )
    estimator = tf.contrib.tpu.TPUEstimator(
        model_fn=model_fn,
        use_tpu=FLAGS.use_tpu,
        train_batch_size=BATCH,
        eval_batch_size=BATCH,
        predict_batch_size=BATCH,
        config=config,
    )
    estimator.train(train_input_fn, max_steps=FLAGS.train_steps)
    metrics = estimator.evaluate(eval_input_fn, steps=2)
    classes = [int(p["class_ids"]) for p in estimator.predict(predict_input_fn)]
    path = estimator.export_savedmodel(FLAGS.model_dir + "/export", serving_input_receiver_fn)
    predictor = tf.contrib.predictor.from_saved_model(path.decode())
    served = predictor({"input": make_digits(10, 1)[0]})["class_ids"]
    assert classes == list(served), (classes, served)
    print("RESULT accuracy %.4f loss %.5f" % (metrics["accuracy"], metrics["loss"]))
    tf.logging.info("done")


if __name__ == "__main__":
    tf.logging.set_verbosity(tf.logging.INFO)
    tf.app.run()
