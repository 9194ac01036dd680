"""A sentence classifier with the features of BERT, exported as its users did."""

import numpy as np
import tensorflow as tf
from common import FLAGS, leave, path

if not hasattr(tf, "placeholder"):
    tf = tf.compat.v1

SEQ, VOCAB, WIDTH = 8, 30, 12


def make_features(count, seed):
    random = np.random.RandomState(seed)
    labels = (np.arange(count) % 2).astype(np.int32)
    ids = random.randint(2, VOCAB, (count, SEQ)).astype(np.int32)
    ids[:, 0] = labels
    mask = (np.arange(SEQ) < random.randint(3, SEQ + 1, (count, 1))).astype(np.int32)
    return {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": np.zeros_like(ids),
        "label_ids": labels,
        "is_real_example": np.ones_like(labels),
    }


def input_fn_builder(features, is_training, drop_remainder):
    def input_fn(params):
        d = tf.data.Dataset.from_tensor_slices(features)
        if is_training:
            d = d.repeat().shuffle(buffer_size=100, seed=1)
        return d.batch(batch_size=params["batch_size"], drop_remainder=drop_remainder)

    return input_fn


def create_model(input_ids, input_mask, segment_ids, labels, num_labels):
    with tf.variable_scope("bert/embeddings"):
        table = tf.get_variable(
            "word_embeddings", [VOCAB, WIDTH], initializer=tf.truncated_normal_initializer(0.02)
        )
        one_hot = tf.one_hot(tf.reshape(segment_ids, [-1]), depth=2)
        token_types = tf.get_variable("token_type_embeddings", [2, WIDTH])
        output = tf.gather(table, input_ids)
        output += tf.reshape(tf.matmul(one_hot, token_types), tf.shape(output))
    weights = tf.cast(input_mask, tf.float32)[:, :, tf.newaxis]
    pooled = tf.reduce_sum(output * weights, axis=1) / tf.reduce_sum(weights, axis=1)
    pooled = tf.tanh(tf.layers.dense(pooled, WIDTH, name="pooler"))
    logits = tf.layers.dense(pooled + output[:, 0], num_labels, name="output")
    probabilities = tf.nn.softmax(logits, axis=-1)
    one_hot_labels = tf.one_hot(labels, depth=num_labels, dtype=tf.float32)
    per_example_loss = -tf.reduce_sum(one_hot_labels * tf.nn.log_softmax(logits), axis=-1)
    return tf.reduce_mean(per_example_loss), per_example_loss, logits, probabilities


def model_fn(features, labels, mode, params):
    label_ids = features["label_ids"]
    if "is_real_example" in features:
        is_real_example = tf.cast(features["is_real_example"], dtype=tf.float32)
    else:
        is_real_example = tf.ones(tf.shape(label_ids), dtype=tf.float32)
    total_loss, per_example_loss, logits, probabilities = create_model(
        features["input_ids"], features["input_mask"], features["segment_ids"], label_ids, 2
    )
    if mode == tf.estimator.ModeKeys.TRAIN:
        optimizer = tf.train.AdamOptimizer(0.05)
        if FLAGS.use_tpu:
            optimizer = tf.tpu.CrossShardOptimizer(optimizer)
        train_op = optimizer.minimize(total_loss, global_step=tf.train.get_global_step())
        return tf.estimator.tpu.TPUEstimatorSpec(mode=mode, loss=total_loss, train_op=train_op)
    if mode == tf.estimator.ModeKeys.EVAL:

        def metric_fn(per_example_loss, label_ids, logits, is_real_example):
            predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)
            return {
                "eval_accuracy": tf.metrics.accuracy(label_ids, predictions, is_real_example),
                "eval_loss": tf.metrics.mean(values=per_example_loss, weights=is_real_example),
            }

        eval_metrics = (metric_fn, [per_example_loss, label_ids, logits, is_real_example])
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=mode, loss=total_loss, eval_metrics=eval_metrics
        )
    return tf.estimator.tpu.TPUEstimatorSpec(
        mode=mode, predictions={"probabilities": probabilities}
    )


def serving_input_fn():
    label_ids = tf.placeholder(tf.int32, [None], name="label_ids")
    input_ids = tf.placeholder(tf.int32, [None, SEQ], name="input_ids")
    input_mask = tf.placeholder(tf.int32, [None, SEQ], name="input_mask")
    segment_ids = tf.placeholder(tf.int32, [None, SEQ], name="segment_ids")
    return tf.estimator.export.build_raw_serving_input_receiver_fn(
        {
            "label_ids": label_ids,
            "input_ids": input_ids,
            "input_mask": input_mask,
            "segment_ids": segment_ids,
        }
    )()


def main(_):
    run_config = tf.estimator.tpu.RunConfig(
        model_dir=path("model"), tpu_config=tf.estimator.tpu.TPUConfig(iterations_per_loop=5)
    )
    estimator = tf.estimator.tpu.TPUEstimator(
        use_tpu=FLAGS.use_tpu,
        model_fn=model_fn,
        config=run_config,
        train_batch_size=16,
        eval_batch_size=16,
        predict_batch_size=8,
    )
    estimator.train(input_fn_builder(make_features(64, 1), True, True), max_steps=20)
    test = make_features(16, 2)
    results = estimator.evaluate(input_fn_builder(test, False, True), steps=1)
    print("RESULT", results["eval_accuracy"])
    predicted = [
        p["probabilities"] for p in estimator.predict(input_fn_builder(test, False, False))
    ]
    estimator._export_to_tpu = False  # what everybody put here, for servers without a TPU
    export = estimator.export_savedmodel(path("export"), serving_input_fn)
    from tensorflow.contrib import predictor

    predict_fn = predictor.from_saved_model(export)
    requests = {k: v for k, v in test.items() if k != "is_real_example"}
    answer = predict_fn(requests)
    np.testing.assert_allclose(answer["probabilities"], predicted, rtol=1e-4)
    leave(export, "serving_default", requests, probabilities=predicted)


if __name__ == "__main__":
    tf.app.run()
