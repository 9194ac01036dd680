"""A text classifier whose words are looked up in a file, which becomes an asset."""

import os

import numpy as np
import tensorflow.compat.v1 as tf
from common import FLAGS, leave, path

WORDS = ["good", "fine", "great", "bad", "poor", "awful", "film", "the"]
LENGTH = 5


def make_texts(count, seed):
    random = np.random.RandomState(seed)
    texts, labels = [], []
    for i in range(count):
        mood = random.choice(WORDS[:3] if i % 2 else WORDS[3:6])
        rest = random.choice(["film", "the", "unseen"], random.randint(1, LENGTH))
        texts.append(" ".join([mood, *rest]))
        labels.append(i % 2)
    return np.array(texts, object), np.array(labels, np.int32)


def to_ids(texts):
    table = tf.lookup.StaticVocabularyTable(
        tf.lookup.TextFileInitializer(
            path("vocab.txt"),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        ),
        num_oov_buckets=1,
    )
    words = tf.sparse.to_dense(tf.string_split(texts), default_value="")
    words = tf.pad(words, [[0, 0], [0, LENGTH]])[:, :LENGTH]
    ids = tf.cast(table.lookup(words), tf.int32)
    ids = tf.where(tf.equal(words, ""), tf.fill(tf.shape(ids), -1), ids)
    ids.set_shape([texts.shape[0], LENGTH])
    return ids


def make_input_fn(texts, labels, training):
    def input_fn(params):
        d = tf.data.Dataset.from_tensor_slices((texts, labels))
        d = d.repeat() if training else d
        d = d.batch(params["batch_size"], drop_remainder=training)
        return d.map(lambda text, label: ({"ids": to_ids(text)}, label))

    return input_fn


def model_fn(features, labels, mode, params):
    ids = features["ids"]
    table = tf.get_variable("embedding", [len(WORDS) + 1, 4])
    embedded = tf.nn.embedding_lookup(table, tf.maximum(ids, 0))
    weights = tf.cast(ids >= 0, tf.float32)[:, :, None]
    mean = tf.reduce_sum(embedded * weights, 1) / tf.reduce_sum(weights, 1)
    logits = tf.layers.dense(mean, 2)
    probabilities = tf.nn.softmax(logits)
    if mode == tf.estimator.ModeKeys.PREDICT:
        output = tf.estimator.export.ClassificationOutput(scores=probabilities)
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode,
            predictions={"probabilities": probabilities},
            export_outputs={
                tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY: output,
                "predict": tf.estimator.export.PredictOutput({"probabilities": probabilities}),
            },
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    if mode == tf.estimator.ModeKeys.EVAL:
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode,
            loss=loss,
            eval_metrics=(
                lambda labels, logits: {
                    "accuracy": tf.metrics.accuracy(labels, tf.argmax(logits, 1))
                },
                [labels, logits],
            ),
        )
    optimizer = tf.train.AdagradOptimizer(1.0)
    if FLAGS.use_tpu:
        optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    train_op = optimizer.minimize(loss, tf.train.get_global_step())
    return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def serving_input_receiver_fn():
    text = tf.placeholder(tf.string, [None], name="text")
    return tf.estimator.export.ServingInputReceiver({"ids": to_ids(text)}, {"text": text})


def main(_):
    tf.gfile.MakeDirs(FLAGS.output_dir)
    with tf.gfile.GFile(path("vocab.txt"), "w") as f:
        f.write("\n".join(WORDS) + "\n")
    config = tf.estimator.tpu.RunConfig(model_dir=path("model"))
    estimator = tf.estimator.tpu.TPUEstimator(
        model_fn,
        config=config,
        use_tpu=FLAGS.use_tpu,
        train_batch_size=16,
        eval_batch_size=16,
        predict_batch_size=8,
    )
    spec = tf.estimator.TrainSpec(make_input_fn(*make_texts(64, 1), True), max_steps=20)
    exporter = tf.estimator.FinalExporter(
        "final", serving_input_receiver_fn, assets_extra={"docs/vocab.txt": path("vocab.txt")}
    )
    texts, labels = make_texts(16, 2)
    results, exported = tf.estimator.train_and_evaluate(
        estimator,
        spec,
        tf.estimator.EvalSpec(make_input_fn(texts, labels, False), steps=1, exporters=exporter),
    )
    print("RESULT", results["accuracy"])
    predicted = list(estimator.predict(make_input_fn(texts, labels, False)))
    # The model must not need the file any more.
    os.remove(path("vocab.txt"))
    leave(
        exported[0],
        "predict",
        {"text": texts},
        probabilities=[p["probabilities"] for p in predicted],
    )


if __name__ == "__main__":
    tf.app.run()
