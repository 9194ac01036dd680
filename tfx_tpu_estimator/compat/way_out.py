"""What to use instead of old names that this package does not have."""

from __future__ import annotations

_GENERAL = "It is not among the names that this package supplies: see docs/migration.md."
_EXPERIMENT = "Use tf.estimator.train_and_evaluate with TrainSpec and EvalSpec."

# A part of a dotted name -> what to do. What ends last counts, and of these the longest.
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
    "contrib.learn.Experiment": _EXPERIMENT,
    "contrib.learn.learn_runner": _EXPERIMENT,
    "contrib.learn.datasets": "Use tf.keras.datasets, or read the files with tf.data.",
    "contrib.learn.preprocessing": "Use tf.keras.layers.TextVectorization in the input_fn.",
    "contrib.distribute": "TPUEstimator with use_tpu=True distributes over all devices; "
    "strategies as `train_distribute` are refused.",
    "contrib.lookup": "Use tf.lookup.StaticHashTable or StaticVocabularyTable.",
    "contrib.seq2seq": "Write the decoder with tf.while_loop, or copy the code into the program.",
    "contrib.seq2seq.sequence_loss": "Weigh tf.nn.sparse_softmax_cross_entropy_with_logits by the "
    "mask, and divide by the sum of the mask.",
    "contrib.legacy_seq2seq": "Use tf.compat.v1.nn.dynamic_rnn, or copy the code into the program.",
    "contrib.crf": "Copy the code into the program; it is in the TensorFlow 1.15 sources.",
    "contrib.image": "Use tf.image, or do it in the input_fn.",
    "contrib.metrics": "Use tf.compat.v1.metrics: streaming_x is metrics.x there.",
    "contrib.losses": "Use tf.compat.v1.losses.",
    "contrib.eager": "Use tf.GradientTape, tf.Variable and tf.train.Checkpoint.",
    "contrib.feature_column": "Use tf.feature_column.",
    "contrib.quantize": "Use the TensorFlow Model Optimization toolkit.",
    "contrib.model_pruning": "Use the TensorFlow Model Optimization toolkit.",
    "contrib.tensorrt": "Use tf.experimental.tensorrt.",
    "contrib.cudnn_rnn": "Use tf.keras.layers.LSTM or GRU.",
    "contrib.slim.nets": "Install tf_slim and import tf_slim.nets.",
    "contrib.slim": "Install tf_slim, which replaced it: `import tf_slim as slim`.",
    "assign_from_checkpoint": "Use tf.compat.v1.train.init_from_checkpoint in the model_fn.",
    "assign_from_checkpoint_fn": "Use tf.compat.v1.train.init_from_checkpoint in the model_fn.",
    "contrib.layers": "Use tf.compat.v1.layers, or install tf_slim: tf_slim.layers replaced it.",
    "contrib.layers.optimize_loss": "Call compute_gradients and apply_gradients of an optimizer.",
    "contrib.layers.embed_sequence": "Look ids up with tf.nn.embedding_lookup.",
    "contrib.framework": "Use tf.compat.v1.train and tf.nest, or install tf_slim.",
    "contrib.opt": "Use the optimizers of tf.compat.v1.train, or copy the code into the program.",
    "contrib.training": "Use tf.compat.v1.train; HParams is here, the rest is not.",
    "contrib.data": "Use tf.data and tf.data.experimental.",
    "contrib.rnn": "Use tf.compat.v1.nn.rnn_cell; static_rnn is tf.compat.v1.nn.static_rnn.",
    "contrib.rnn.LSTMBlockCell": "Use tf.compat.v1.nn.rnn_cell.LSTMCell.",
    "contrib.rnn.LSTMBlockFusedCell": "Use tf.compat.v1.nn.rnn_cell.LSTMCell with "
    "tf.compat.v1.nn.dynamic_rnn.",
    "contrib.rnn.LayerNormBasicLSTMCell": "Derive a cell from tf.compat.v1.nn.rnn_cell.RNNCell, or "
    "copy the code into the program.",
    "contrib.rnn.stack_bidirectional_dynamic_rnn": "Call "
    "tf.compat.v1.nn.bidirectional_dynamic_rnn once for each layer.",
    "contrib.summary": "Use tf.summary of TensorFlow 2.",
    "contrib.nn": "Use tf.compat.v1.nn.",
    "contrib.nn.alpha_dropout": "Use tf.keras.layers.AlphaDropout.",
    "contrib.signal": "Use tf.signal.",
    "contrib.linalg": "Use tf.linalg.",
    "contrib.tfprof": "Use tf.compat.v1.profiler.",
    "contrib.lite": "Use tf.lite.",
    "contrib.autograph": "Use tf.autograph.",
    "contrib.checkpoint": "Use tf.train.Checkpoint.",
    "contrib.saved_model": "Use tf.compat.v1.saved_model.",
    "contrib.distributions": "Install tensorflow-probability, which replaced it.",
    "contrib.gan": "Install tensorflow-gan, which replaced it; its TPUGANEstimator runs here.",
    "contrib.tensor_forest": "Use TensorFlow Decision Forests.",
    "contrib.boosted_trees": "Use TensorFlow Decision Forests.",
    "contrib.factorization": "Use a clustering library such as scikit-learn.",
    "contrib.timeseries": "Write a model_fn.",
    "contrib.compiler": "Leave it out: with use_tpu=True the whole model_fn is compiled by XLA.",
    "contrib.nccl": "Use tf.compat.v1.tpu.cross_replica_sum with use_tpu=True.",
    "contrib.batching": "Use tfx_tpu_estimator.BatchConfig in an export of API version 2.",
    "contrib.util": "make_tensor_proto is in tf; constant_value is tf.get_static_value.",
    "contrib.tpu": "It belongs to the old TPU runtime, of which nothing is needed: leave it out.",
    "contrib.estimator": "Use tf.estimator, or tf.estimator.experimental.",
    "TowerOptimizer": "Use TPUEstimator with use_tpu=True: it trains on all devices.",
    "replicate_model_fn": "Use TPUEstimator with use_tpu=True: it trains on all devices.",
    "forward_features": "Return the feature among the predictions of the model_fn.",
    "contrib.estimator.binary_classification_head": "Use tfx_tpu_estimator.BinaryClassHead.",
    "contrib.estimator.logistic_regression_head": "Use tfx_tpu_estimator.LogisticRegressionHead.",
    "contrib.estimator.multi_class_head": "Use tfx_tpu_estimator.MultiClassHead.",
    "contrib.estimator.multi_head": "Use tfx_tpu_estimator.MultiHead.",
    "contrib.estimator.multi_label_head": "Use tfx_tpu_estimator.MultiLabelHead.",
    "contrib.estimator.poisson_regression_head": "Use tfx_tpu_estimator.PoissonRegressionHead.",
    "contrib.estimator.regression_head": "Use tfx_tpu_estimator.RegressionHead.",
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
    for end in range(len(parts), 0, -1):
        for start in range(end):
            found = _WAYS_OUT.get(".".join(parts[start:end]))
            if found is not None:
                return found
    return _GENERAL
