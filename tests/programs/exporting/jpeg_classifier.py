"""An image classifier served with JPEGs (base64 over REST: the name ends in _bytes)."""

import numpy as np
import tensorflow.compat.v1 as tf
from common import FLAGS, leave, path

SIZE = 16


def make_images(count, seed):
    random = np.random.RandomState(seed)
    images = random.randint(0, 40, (count, SIZE, SIZE, 3)).astype(np.uint8)
    labels = (np.arange(count) % 3).astype(np.int32)
    for image, label in zip(images, labels):
        image[:, :, label] += 180
    return images, labels


def encode(images):
    with tf.Graph().as_default(), tf.Session() as session:
        pixels = tf.placeholder(tf.uint8, [None, None, 3])
        jpeg = tf.image.encode_jpeg(pixels, quality=95)
        return [session.run(jpeg, {pixels: image}) for image in images]


def preprocess(image_bytes):
    image = tf.image.decode_jpeg(image_bytes, channels=3)
    image = tf.image.convert_image_dtype(image, dtype=tf.float32)
    image = tf.image.resize_bicubic([image], [SIZE, SIZE])[0]
    image.set_shape([SIZE, SIZE, 3])
    return image


def make_input_fn(jpegs, labels, training):
    def input_fn(params):
        d = tf.data.Dataset.from_tensor_slices((jpegs, labels))
        d = d.map(lambda jpeg, label: (preprocess(jpeg), label))
        if training:
            d = d.repeat()
        return d.batch(params["batch_size"], drop_remainder=training)

    return input_fn


def model_fn(features, labels, mode, params):
    if isinstance(features, dict):
        features = features["feature"]
    features -= tf.constant([0.4, 0.4, 0.4], shape=[1, 1, 3], dtype=features.dtype)
    net = tf.layers.conv2d(features, 8, 3, strides=2, padding="same", use_bias=False)
    net = tf.layers.batch_normalization(net, training=mode == tf.estimator.ModeKeys.TRAIN)
    net = tf.reduce_mean(tf.nn.relu(net), axis=[1, 2])
    logits = tf.layers.dense(net, 3)
    if mode == tf.estimator.ModeKeys.PREDICT:
        predictions = {
            "classes": tf.argmax(logits, axis=1),
            "probabilities": tf.nn.softmax(logits, name="softmax_tensor"),
        }
        return tf.estimator.EstimatorSpec(
            mode=mode,
            predictions=predictions,
            export_outputs={"classify": tf.estimator.export.PredictOutput(predictions)},
        )
    loss = tf.losses.sparse_softmax_cross_entropy(labels, logits)
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    if FLAGS.use_tpu:
        optimizer = tf.tpu.CrossShardOptimizer(optimizer)
    update_ops = tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies(update_ops):
        train_op = optimizer.minimize(loss, tf.train.get_global_step())
    return tf.estimator.tpu.TPUEstimatorSpec(mode=mode, loss=loss, train_op=train_op)


def predict_model_fn(features, labels, mode, params):
    spec = model_fn(features, labels, mode, params)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.tpu.TPUEstimatorSpec(
            mode, predictions=spec.predictions, export_outputs=spec.export_outputs
        )
    return spec


def image_serving_input_fn():
    image_bytes_list = tf.placeholder(shape=[None], dtype=tf.string)
    images = tf.map_fn(preprocess, image_bytes_list, back_prop=False, dtype=tf.float32)
    return tf.estimator.export.ServingInputReceiver(images, {"image_bytes": image_bytes_list})


def main(_):
    config = tf.estimator.tpu.RunConfig(
        model_dir=path("model"), tpu_config=tf.estimator.tpu.TPUConfig(iterations_per_loop=4)
    )
    classifier = tf.estimator.tpu.TPUEstimator(
        predict_model_fn,
        config=config,
        use_tpu=FLAGS.use_tpu,
        train_batch_size=16,
        predict_batch_size=8,
        export_to_cpu=True,
    )
    images, labels = make_images(48, 1)
    classifier.train(make_input_fn(encode(images), labels, True), max_steps=12)
    images, labels = make_images(16, 2)
    jpegs = encode(images)
    predicted = list(classifier.predict(make_input_fn(jpegs, labels, False)))
    print("RESULT", np.mean([p["classes"] == label for p, label in zip(predicted, labels)]))
    export = classifier.export_saved_model(path("export"), image_serving_input_fn)
    leave(
        export,
        "classify",
        {"image_bytes": np.array(jpegs, object)},
        probabilities=[p["probabilities"] for p in predicted],
        classes=[p["classes"] for p in predicted],
    )


if __name__ == "__main__":
    tf.app.run()
