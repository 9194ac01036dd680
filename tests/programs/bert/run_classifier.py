"""A tiny text classifier, fine-tuned from a checkpoint: tf.gradients, scaffold_fn, TFRecords."""

import os
import zlib

import numpy as np
import optimization
import tensorflow.compat.v1 as tf
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("output_dir", None, "Where checkpoints go.", required=True)
flags.DEFINE_bool("use_tpu", False, "Whether to use TPUs.")
flags.DEFINE_string("tpu_name", None, "Name of the TPU.")
flags.DEFINE_float("dropout", 0.1, "Share of attention that is dropped while training.")
SEQ, VOCAB, WIDTH, HEADS, BATCH, STEPS = 8, 32, 16, 2, 16, 30


def write_examples(path, count, seed):
    """Writes sentences of token ids; the label says which half of the vocabulary prevails."""
    random = np.random.RandomState(seed)
    with tf.python_io.TFRecordWriter(path) as writer:
        for _ in range(count):
            label = random.randint(2)
            ids = random.randint(1, VOCAB // 2, SEQ) + label * (VOCAB // 2)
            mask = np.arange(SEQ) < random.randint(4, SEQ + 1)
            features = {
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=list(map(int, value))))
                for name, value in (("ids", ids * mask), ("mask", mask), ("label", [label]))
            }
            example = tf.train.Example(features=tf.train.Features(feature=features))
            writer.write(example.SerializeToString())


def file_based_input_fn_builder(path, is_training, drop_remainder):
    spec = {
        "ids": tf.FixedLenFeature([SEQ], tf.int64),
        "mask": tf.FixedLenFeature([SEQ], tf.int64),
        "label": tf.FixedLenFeature([], tf.int64),
    }

    def decode(record):
        example = tf.parse_single_example(record, spec)
        return {name: tf.cast(value, tf.int32) for name, value in example.items()}

    def input_fn(params):
        data = tf.data.TFRecordDataset(path)
        if is_training:
            data = data.repeat().shuffle(buffer_size=100, seed=5)
        return data.apply(
            tf.data.experimental.map_and_batch(
                decode, batch_size=params["batch_size"], drop_remainder=drop_remainder
            )
        )

    return input_fn


def layer_norm(inputs):
    with tf.variable_scope("LayerNorm"):
        beta = tf.get_variable("beta", [WIDTH], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [WIDTH], initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(inputs, [-1], keep_dims=True)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, 1e-12)


def encoder(ids, mask, training):
    """Embeds tokens and lets them look at each other once."""
    table = tf.get_variable(
        "bert/embeddings/word_embeddings",
        [VOCAB, WIDTH],
        initializer=tf.truncated_normal_initializer(stddev=0.02),
    )
    with tf.variable_scope("bert/encoder"):
        hidden = tf.nn.embedding_lookup(table, ids)
        query, key, value = (
            tf.reshape(tf.layers.dense(hidden, WIDTH, name=name), [-1, SEQ, HEADS, WIDTH // HEADS])
            for name in ("query", "key", "value")
        )
        scores = tf.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(WIDTH / HEADS)
        scores += (1.0 - tf.cast(mask[:, tf.newaxis, tf.newaxis, :], tf.float32)) * -10000.0
        weights = tf.nn.softmax(scores)
        if training and FLAGS.dropout:
            weights = tf.nn.dropout(weights, rate=FLAGS.dropout)
        context = tf.reshape(tf.einsum("bhqk,bkhd->bqhd", weights, value), [-1, SEQ, WIDTH])
        hidden = layer_norm(hidden + context)
    return tf.tanh(tf.layers.dense(hidden[:, 0, :], WIDTH, name="bert/pooler"))


def model_fn_builder(init_checkpoint):
    def model_fn(features, labels, mode, params):
        del labels, params
        training = mode == tf.estimator.ModeKeys.TRAIN
        pooled = encoder(features["ids"], features["mask"], training)
        logits = tf.layers.dense(pooled, 2, name="output")
        probabilities = tf.nn.softmax(logits, axis=-1)
        tvars = tf.trainable_variables()
        scaffold_fn = None
        if init_checkpoint:
            known = dict(tf.train.list_variables(init_checkpoint))
            assignment = {v.op.name: v.op.name for v in tvars if v.op.name in known}
            if FLAGS.use_tpu:

                def scaffold_fn():
                    tf.train.init_from_checkpoint(init_checkpoint, assignment)
                    return tf.train.Scaffold()
            else:
                tf.train.init_from_checkpoint(init_checkpoint, assignment)
        if mode == tf.estimator.ModeKeys.PREDICT:
            return tf.estimator.tpu.TPUEstimatorSpec(
                mode=mode, predictions={"probabilities": probabilities}, scaffold_fn=scaffold_fn
            )
        one_hot = tf.one_hot(features["label"], depth=2, dtype=tf.float32)
        per_example_loss = -tf.reduce_sum(one_hot * tf.nn.log_softmax(logits), axis=-1)
        loss = tf.reduce_mean(per_example_loss)
        if training:
            train_op = optimization.create_optimizer(loss, 2e-2, STEPS, 5, FLAGS.use_tpu)
            return tf.estimator.tpu.TPUEstimatorSpec(
                mode=mode, loss=loss, train_op=train_op, scaffold_fn=scaffold_fn
            )

        def metric_fn(per_example_loss, label_ids, logits):
            predictions = tf.argmax(logits, axis=-1, output_type=tf.int32)
            return {
                "eval_accuracy": tf.metrics.accuracy(labels=label_ids, predictions=predictions),
                "eval_loss": tf.metrics.mean(values=per_example_loss),
            }

        return tf.estimator.tpu.TPUEstimatorSpec(
            mode=mode,
            loss=loss,
            eval_metrics=(metric_fn, [per_example_loss, features["label"], logits]),
            scaffold_fn=scaffold_fn,
        )

    return model_fn


def make_pretrained(path):
    """Saves weights as a pre-training would have left them, and returns the checkpoint."""
    with tf.Graph().as_default(), tf.Session() as session:
        ids = tf.placeholder(tf.int32, [None, SEQ])
        tf.layers.dense(encoder(ids, ids, training=False), 2, name="output")
        for variable in tf.trainable_variables():
            random = np.random.RandomState(zlib.crc32(variable.op.name.encode()))
            variable.load(random.normal(0, 0.1, variable.shape.as_list()), session)
        return tf.train.Saver(tf.trainable_variables()).save(session, path)


def make_estimator(init_checkpoint):
    cluster = None
    if FLAGS.use_tpu and FLAGS.tpu_name:
        cluster = tf.distribute.cluster_resolver.TPUClusterResolver(FLAGS.tpu_name)
    run_config = tf.estimator.tpu.RunConfig(
        cluster=cluster,
        model_dir=os.path.join(FLAGS.output_dir, "model"),
        tf_random_seed=11,
        save_checkpoints_steps=15,
        save_summary_steps=1,
        tpu_config=tf.estimator.tpu.TPUConfig(
            iterations_per_loop=10,
            num_shards=4,
            per_host_input_for_training=tf.estimator.tpu.InputPipelineConfig.PER_HOST_V2,
        ),
    )
    return tf.estimator.tpu.TPUEstimator(
        use_tpu=FLAGS.use_tpu,
        model_fn=model_fn_builder(init_checkpoint),
        config=run_config,
        train_batch_size=BATCH,
        eval_batch_size=BATCH,
        predict_batch_size=BATCH,
    )


def serving_input_fn():
    features = {name: tf.placeholder(tf.int32, [None, SEQ], name=name) for name in ("ids", "mask")}
    return tf.estimator.export.build_raw_serving_input_receiver_fn(features)()


def main(_):
    tf.gfile.MakeDirs(FLAGS.output_dir)
    paths = {name: os.path.join(FLAGS.output_dir, name + ".tf_record") for name in ("train", "dev")}
    write_examples(paths["train"], 128, 0)
    write_examples(paths["dev"], 40, 1)
    estimator = make_estimator(make_pretrained(os.path.join(FLAGS.output_dir, "pretrained.ckpt")))
    estimator.train(file_based_input_fn_builder(paths["train"], True, True), max_steps=STEPS)
    # 40 examples are two whole batches; the old runtime could not evaluate the rest on TPUs.
    result = estimator.evaluate(
        file_based_input_fn_builder(paths["dev"], False, FLAGS.use_tpu), steps=2
    )
    found = list(estimator.predict(file_based_input_fn_builder(paths["dev"], False, False)))
    assert len(found) == 40
    path = estimator.export_saved_model(os.path.join(FLAGS.output_dir, "export"), serving_input_fn)
    assert tf.gfile.Exists(os.path.join(path.decode(), "saved_model.pb"))
    print("RESULT accuracy %.4f loss %.5f" % (result["eval_accuracy"], result["eval_loss"]))


if __name__ == "__main__":
    app.run(main)
