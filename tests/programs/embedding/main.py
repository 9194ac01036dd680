"""Ratings of words by users: tables in TPU memory through feature columns, strings in the input."""

import numpy as np
import tensorflow as tf2
import tensorflow.compat.v1 as tf
from absl import app, flags
from tensorflow.compat.v1 import estimator as tf_estimator

FLAGS = flags.FLAGS
flags.DEFINE_string("model_dir", None, "Where checkpoints go.")
flags.DEFINE_bool("use_tpu", True, "Whether to use TPUs.")
BATCH, STEPS, USERS = 16, 60, 20
WORDS = ["good", "bad", "fine", "poor"]


def make_columns():
    word, other = (
        tf.feature_column.categorical_column_with_vocabulary_list(key, WORDS, default_value=0)
        for key in ("word", "other")
    )
    user = tf.feature_column.categorical_column_with_identity("user", USERS)
    words = tf.tpu.experimental.shared_embedding_columns([word, other], dimension=4)
    return [*words, tf.tpu.experimental.embedding_column(user, dimension=4, combiner="sum")]


def input_fn(params, repeat=True):
    random = np.random.RandomState(0)
    words = random.randint(0, len(WORDS), (256, 2))
    features = {
        "word": np.array(WORDS)[words[:, :1]],
        "other": np.array(WORDS)[words[:, 1:]],
        "user": random.randint(0, USERS, (256, 1)),
    }
    labels = (words % 2).sum(axis=1, keepdims=True).astype(np.float32)
    data = tf.data.Dataset.from_tensor_slices((features, labels))
    data = data.repeat() if repeat else data.take(40)
    return data.batch(params["batch_size"], drop_remainder=repeat)


def model_fn(features, labels, mode, params):
    net = tf.keras.layers.DenseFeatures(params["feature_columns"])(features)
    prediction = tf.layers.dense(tf.layers.dense(net, 8, tf.nn.relu), 1)
    if mode == tf_estimator.ModeKeys.PREDICT:
        return tf_estimator.tpu.TPUEstimatorSpec(mode, predictions={"rating": prediction})
    loss = tf.losses.mean_squared_error(labels, prediction)
    optimizer = tf.train.AdagradOptimizer(0.5)
    if params["use_tpu"]:
        optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    return tf_estimator.tpu.TPUEstimatorSpec(
        mode,
        loss=loss,
        train_op=optimizer.minimize(loss, tf.train.get_global_step()),
        eval_metrics=(
            lambda labels, found: {"near": tf.metrics.mean(tf.abs(labels - found) < 0.5)},
            [labels, prediction],
        ),
    )


def main(_):
    columns = make_columns()
    estimator = tf_estimator.tpu.TPUEstimator(
        model_fn=model_fn,
        config=tf_estimator.tpu.RunConfig(
            model_dir=FLAGS.model_dir,
            tf_random_seed=4,
            tpu_config=tf_estimator.tpu.TPUConfig(
                iterations_per_loop=20,
                num_shards=4,
                per_host_input_for_training=tf_estimator.tpu.InputPipelineConfig.PER_HOST_V2,
            ),
        ),
        params={"feature_columns": columns},
        use_tpu=FLAGS.use_tpu,
        train_batch_size=BATCH,
        eval_batch_size=BATCH,
        predict_batch_size=BATCH,
        embedding_config_spec=tf_estimator.tpu.experimental.EmbeddingConfigSpec(
            feature_columns=columns,
            optimization_parameters=tf.tpu.experimental.AdagradParameters(0.5),
        ),
        export_to_tpu=False,
    )
    estimator.train(input_fn, max_steps=STEPS)
    result = estimator.evaluate(input_fn, steps=4)
    found = list(estimator.predict(lambda params: input_fn(params, repeat=False)))
    assert len(found) == 40
    receiver_fn = tf_estimator.export.build_parsing_serving_input_receiver_fn(
        tf2.feature_column.make_parse_example_spec(columns)
    )
    estimator.export_saved_model(FLAGS.model_dir + "/export", receiver_fn)
    print("RESULT accuracy %.4f loss %.5f" % (result["near"], result["loss"]))


if __name__ == "__main__":
    app.run(main)
