"""A model with embeddings in feature and table dicts, and one with columns, on any engine."""

import numpy as np
import tensorflow as tf
from helpers.events import read_scalars

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
columns = tf1.feature_column

EXAMPLES, DIMENSION = 32, 4
GOLDEN_RATE = 0.3  # of the recorded training, see tests/golden
RNG = np.random.RandomState(3)
VOCABULARY = ["a", "b", "c", "d"]


def _draw_rows(largest, low, high):
    return [RNG.randint(0, largest, RNG.randint(low, high)).tolist() for _ in range(EXAMPLES)]


BAG = _draw_rows(11, 0, 4)
WEIGHTS = [RNG.uniform(0.5, 2.0, len(row)).astype("float32").tolist() for row in BAG]
SEQUENCE = _draw_rows(6, 0, 4)
SINGLE = RNG.randint(0, 6, EXAMPLES)
SHARED = _draw_rows(6, 0, 3)
WORDS = [[VOCABULARY[i] if i < 4 else "other" for i in row] for row in _draw_rows(5, 0, 4)]
LABELS = RNG.randn(EXAMPLES, 1).astype("float32")
ROWS = {"bag": 11, "items": 6, "words": 5, "steps": 6}


def draw_table(name):
    """The initial values of a table."""
    return np.random.RandomState(len(name)).randn(ROWS[name], DIMENSION).astype("float32")


def make_features():
    """All features, ragged where their rows differ in length."""
    return {
        "bag": tf.ragged.constant(BAG, tf.int64, ragged_rank=1),
        "weight": tf.ragged.constant(WEIGHTS, tf.float32, ragged_rank=1),
        "sequence": tf.ragged.constant(SEQUENCE, tf.int64, ragged_rank=1),
        "single": SINGLE,
        "shared": tf.ragged.constant(SHARED, tf.int64, ragged_rank=1),
        "words": tf.ragged.constant(WORDS, tf.string, ragged_rank=1),
    }


def make_input_fn(names, *, repeat=True, make=make_features):
    """An input_fn of some of the features, as sparse tensors where they are ragged."""

    def input_fn(params):
        features = make()
        made = {name: features[name] for name in names}
        data = tf.data.Dataset.from_tensor_slices((made, LABELS))
        data = data.repeat() if repeat else data
        batches = data.batch(params["batch_size"], drop_remainder=repeat)
        return batches.map(lambda features, y: (_to_sparse(features), y))

    return input_fn


def _to_sparse(features):
    return {k: v.to_sparse() if isinstance(v, tf.RaggedTensor) else v for k, v in features.items()}


DICT_FEATURES = ["bag", "weight", "sequence", "single"]
COLUMN_FEATURES = [*DICT_FEATURES, "shared", "words"]


def make_optimizer(parameters):
    """The TensorFlow optimizer that does to dense variables what `parameters` do to tables."""
    if isinstance(parameters, tpu_estimator.AdagradParameters):
        return tf1.train.AdagradOptimizer(parameters.learning_rate)
    if isinstance(parameters, tpu_estimator.FtrlParameters):
        return tf1.train.FtrlOptimizer(
            parameters.learning_rate,
            l1_regularization_strength=parameters.l1_regularization_strength,
            l2_regularization_strength=parameters.l2_regularization_strength,
        )
    return tf1.train.GradientDescentOptimizer(parameters.learning_rate)


def make_head(mode, hidden, labels, params):
    """A model on joined activations."""
    kernel = np.linspace(-1, 1, hidden.shape[1] * 6).reshape(hidden.shape[1], 6)
    initializer = tf1.constant_initializer(kernel)
    hidden = tf1.layers.dense(hidden, 6, tf.tanh, kernel_initializer=initializer, name="hidden")
    initializer = tf1.constant_initializer(0.3)
    predicted = tf1.layers.dense(hidden, 1, kernel_initializer=initializer, name="out")
    if mode == tpu_estimator.ModeKeys.PREDICT:
        return tpu_estimator.TPUEstimatorSpec(
            mode,
            predictions={"y": predicted},
            export_outputs={"serving_default": tpu_estimator.PredictOutput({"y": predicted})},
        )
    loss = tf1.losses.mean_squared_error(labels, predicted)
    if mode == tpu_estimator.ModeKeys.EVAL:
        metrics = (lambda y, p: {"mse": tf1.metrics.mean_squared_error(y, p)}, [labels, predicted])
        return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, eval_metrics=metrics)
    optimizer = tf1.tpu.CrossShardOptimizer(make_optimizer(params["optimizer"]))
    train_op = optimizer.minimize(loss, tf1.train.get_global_step())
    return tpu_estimator.TPUEstimatorSpec(mode, loss=loss, train_op=train_op)


def dict_model_fn(features, labels, mode, params):
    """Sees activations under the names of the features."""
    steps = features["sequence"]
    mask = tf.sequence_mask(features["sequence_seq_length_"], 3, dtype=tf.float32)
    joined = [
        features["bag"],
        features["single"],
        tf.reduce_sum(steps * mask[..., None] * tf.constant([[[1.0], [2.0], [3.0]]]), axis=1),
    ]
    return make_head(mode, tf.concat(joined, axis=1), labels, params)


def make_dict_spec(parameters, **options):
    """Two tables, the second of which two features read."""

    def make_table(name, combiner):
        return tpu_estimator.TableConfig(
            ROWS[name],
            DIMENSION,
            initializer=tf1.constant_initializer(draw_table(name)),
            combiner=combiner,
            **options.pop(name, {}),
        )

    return tpu_estimator.EmbeddingConfigSpec(
        table_to_config_dict={
            "bag": make_table("bag", options.pop("combiner", "mean")),
            "items": make_table("items", "sum"),
        },
        feature_to_config_dict={
            "bag": tpu_estimator.FeatureConfig("bag", weight_key="weight"),
            "single": tpu_estimator.FeatureConfig("items"),
            "sequence": tpu_estimator.FeatureConfig("items", max_sequence_length=3),
        },
        optimization_parameters=parameters,
        **options,
    )


def make_columns():
    """Columns of every kind: vocabulary, weighted, shared, sequence."""
    tpu = tf1.tpu.experimental

    def initial(name):
        return tf1.constant_initializer(draw_table(name))

    words = columns.categorical_column_with_vocabulary_list("words", VOCABULARY, num_oov_buckets=1)
    bag = columns.categorical_column_with_identity("bag", ROWS["bag"])
    weighted = columns.weighted_categorical_column(bag, "weight")
    shared = [columns.categorical_column_with_identity(k, 6) for k in ("single", "shared")]
    sequence = columns.sequence_categorical_column_with_identity("sequence", ROWS["steps"])
    return {
        "dense": [
            tpu.embedding_column(words, DIMENSION, initializer=initial("words")),
            tpu.embedding_column(weighted, DIMENSION, "sqrtn", initializer=initial("bag")),
        ],
        "shared": tpu.shared_embedding_columns(shared, DIMENSION, initializer=initial("items")),
        "sequence": [
            tpu.embedding_column(
                sequence, DIMENSION, initializer=initial("steps"), max_sequence_length=3
            )
        ],
    }


def make_column_model_fn(made):
    """A model_fn that uses the columns of `make_columns`."""

    def model_fn(features, labels, mode, params):
        steps, lengths = tf.keras.experimental.SequenceFeatures(made["sequence"])(features)
        mask = tf.sequence_mask(lengths, tf.shape(steps)[1], dtype=tf.float32)
        joined = [
            columns.input_layer(features, made["dense"]),
            tf1.keras.layers.DenseFeatures(made["shared"])(features),
            tf.reduce_sum(steps * mask[..., None], axis=1),
        ]
        return make_head(mode, tf.concat(joined, axis=1), labels, params)

    return model_fn


def make_column_spec(made, parameters, **options):
    return tpu_estimator.EmbeddingConfigSpec(
        feature_columns=[c for listed in made.values() for c in listed],
        optimization_parameters=parameters,
        **options,
    )


def make_estimator(model_dir, model_fn, spec, parameters, *, replicas=None, **arguments):
    """On so many virtual devices, or on the host without `replicas`."""
    tpu_config = tpu_estimator.TPUConfig(num_shards=replicas, iterations_per_loop=2)
    config = tpu_estimator.RunConfig(
        model_dir=str(model_dir), tf_random_seed=1, tpu_config=tpu_config, log_step_count_steps=1
    )
    return tpu_estimator.TPUEstimator(
        model_fn,
        config=config,
        params={"optimizer": parameters},
        use_tpu=replicas is not None,
        train_batch_size=8,
        eval_batch_size=24,
        predict_batch_size=24,
        embedding_config_spec=spec,
        **arguments,
    )


def make_dict_estimator(model_dir, parameters, *, replicas=None, **options):
    spec = make_dict_spec(parameters, **options)
    return make_estimator(model_dir, dict_model_fn, spec, parameters, replicas=replicas)


def make_column_estimator(model_dir, parameters, *, replicas=None, **options):
    made = make_columns()
    spec = make_column_spec(made, parameters, **options)
    model_fn = make_column_model_fn(made)
    return make_estimator(model_dir, model_fn, spec, parameters, replicas=replicas)


def read_variables(estimator):
    return {name: estimator.get_variable_value(name) for name in estimator.get_variable_names()}


def train_and_read(estimator, input_fn, steps):
    """Returns the loss of every step and the variables of the checkpoint."""
    estimator.train(input_fn, max_steps=steps)
    losses = read_scalars(estimator.model_dir, "loss")
    return [losses[step] for step in sorted(losses)], read_variables(estimator)
