"""What to use instead of old names that this package does not have."""

from __future__ import annotations

_GENERAL = "It is not among the names that this package supplies: see docs/migration.md."

# The last part of a dotted name, or a whole one -> what to do. The longest match counts.
_WAYS_OUT = {
    "KMeans": "Use a clustering library such as scikit-learn.",
    "LinearSDCA": "Use LinearClassifier with the optimizer 'Ftrl'.",
    "RNNClassifier": "Write a model_fn with tf.compat.v1.nn.dynamic_rnn or tf.keras layers.",
    "RNNEstimator": "Write a model_fn with tf.compat.v1.nn.dynamic_rnn or tf.keras layers.",
    "BoostedTreesClassifier": "Use TensorFlow Decision Forests.",
    "BoostedTreesEstimator": "Use TensorFlow Decision Forests.",
    "BoostedTreesRegressor": "Use TensorFlow Decision Forests.",
    "from_estimator": "Export the model, and use tf.contrib.predictor.from_saved_model.",
    "model_to_estimator": "Call the Keras layers in a model_fn.",
    "TPUDistributionStrategy": "TPUEstimator distributes by itself: leave the strategy out.",
    "keras_to_tpu_model": "Call the Keras layers in a model_fn.",
    "contrib.learn": "Use tf.estimator, which replaced it.",
    "contrib.distribute": "TPUEstimator with use_tpu=True distributes over all devices; "
    "strategies as `train_distribute` are refused.",
    "contrib.lookup": "Use tf.lookup.StaticHashTable or StaticVocabularyTable.",
    "contrib.seq2seq": "Write the decoder with tf.while_loop, or copy the code into the program.",
    "contrib.crf": "Copy the code into the program; it is in the TensorFlow 1.15 sources.",
    "contrib.image": "Use tf.image, or do it in the input_fn.",
    "contrib.metrics": "Use tf.compat.v1.metrics: streaming_x is metrics.x there.",
    "contrib.losses": "Use tf.compat.v1.losses.",
    "contrib.eager": "Use tf.GradientTape, tf.Variable and tf.train.Checkpoint.",
    "contrib.feature_column": "Use tf.feature_column.",
    "contrib.quantize": "Use the TensorFlow Model Optimization toolkit.",
    "contrib.tensorrt": "Use tf.experimental.tensorrt.",
    "contrib.cudnn_rnn": "Use tf.keras.layers.LSTM or GRU.",
    "contrib.slim.nets": "Install tf_slim and import tf_slim.nets.",
    "contrib.slim": "Install tf_slim, which replaced it: `import tf_slim as slim`.",
    "contrib.layers": "Use tf.compat.v1.layers, or install tf_slim: tf_slim.layers replaced it.",
    "contrib.framework": "Use tf.compat.v1.train and tf.nest, or install tf_slim.",
    "contrib.opt": "Use the optimizers of tf.compat.v1.train, or copy the code into the program.",
    "contrib.training": "Use tf.compat.v1.train; HParams is here, the rest is not.",
    "contrib.data": "Use tf.data and tf.data.experimental.",
    "contrib.rnn": "Use tf.compat.v1.nn.rnn_cell.",
    "contrib.summary": "Use tf.summary of TensorFlow 2.",
    "estimator.inputs": "It is tf.compat.v1.estimator.inputs.",
    "estimator.tpu": "It is tf.compat.v1.estimator.tpu.",
    "tensorflow_estimator": "Import from tfx_tpu_estimator, or from tf.estimator with "
    "tfx_tpu_estimator.compat installed.",
}


def find_way_out(name: str) -> str:
    """Returns a sentence that says what to use instead of an old name.

    Args:
        name: Dotted name, `tensorflow.contrib.learn.DNNClassifier` for example.

    Example:
        >>> find_way_out("tensorflow.contrib.learn.Estimator")
        'Use tf.estimator, which replaced it.'
    """
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        for start in range(len(parts) - length, -1, -1):
            found = _WAYS_OUT.get(".".join(parts[start : start + length]))
            if found is not None:
                return found
    return _GENERAL
