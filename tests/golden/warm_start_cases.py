"""A model to warm-start and the settings to do it with, for the old estimator and for ours.

Engine-independent: `settings_of` and `make_model_fn` take the namespace that has EstimatorSpec,
WarmStartSettings and VocabInfo.
"""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

tf1 = tf.compat.v1
HERE = pathlib.Path(__file__).parent / "warm_start"

WORDS = {
    "old_words.txt": ["ant", "bee", "cat", "dog", "eel"],
    # One is gone, three are in another place, two are new.
    "new_words.txt": ["dog", "fox", "ant", "gnu", "cat", "eel"],
    "old_classes.txt": ["no", "yes"],
    "new_classes.txt": ["yes", "maybe", "no"],
}
# Rows of the embedding: the words and one for all others.
OLD_SIZES = {"words": 5 + 1, "classes": 2}
NEW_SIZES = {"words": 6 + 1, "classes": 3}


def write_words(directory: pathlib.Path) -> None:
    """Writes the vocabularies."""
    for name, words in WORDS.items():
        (directory / name).write_text("\n".join(words) + "\n")


def make_model_fn(
    spec_class, *, hidden="hidden", scale=1.0, shards=None, wrap=lambda optimizer: optimizer
):
    """Returns a model_fn whose variables start from known numbers.

    Args:
      spec_class: EstimatorSpec.
      hidden: The name of the hidden layer.
      scale: Of the initial values; 0 makes what was not warm-started easy to see.
      shards: Into how many parts the embedding, then of zeros, is cut; None for a whole one.
      wrap: What to put around the optimizer.
    """

    def model_fn(features, labels, mode, params):
        def variable(name, shape, trainable=True):
            values = scale * np.arange(1, 1 + np.prod(shape), dtype="float32").reshape(shape)
            return tf1.get_variable(name, initializer=tf.constant(values), trainable=trainable)

        if shards is None:
            embedding = variable("embedding", [params["words"], 2])
        else:
            embedding = tf1.get_variable(
                "embedding",
                [params["words"], 2],
                initializer=tf1.zeros_initializer(),
                partitioner=tf1.fixed_size_partitioner(shards),
            )
        kernel = variable(f"{hidden}/kernel", [2, 3])
        bias = variable(f"{hidden}/bias", [3])
        head = variable("head/kernel", [3, params["classes"]])
        head_bias = variable("head/bias", [params["classes"]])
        seen = variable("steps_seen", [1], trainable=False)
        rows = tf1.nn.embedding_lookup(embedding, features["word"], partition_strategy="div")
        logits = tf.matmul(tf.matmul(rows, kernel) + bias, head) + head_bias
        if mode == "infer":
            return spec_class(mode, predictions={"logits": logits})
        loss = tf1.losses.sparse_softmax_cross_entropy(labels, logits)
        optimizer = wrap(tf1.train.AdagradOptimizer(params["rate"], 0.5))
        with tf.control_dependencies([seen.assign_add([1.0])]):
            train_op = optimizer.minimize(loss, tf1.train.get_global_step())
        return spec_class(mode, loss=loss, train_op=train_op)

    return model_fn


def input_fn(params=None):
    """Eight examples, for ever."""
    del params
    words = np.array([0, 1, 2, 3, 4, 5, 0, 1], "int32")
    labels = np.array([0, 1, 0, 1, 0, 1, 1, 0], "int32")
    return tf.data.Dataset.from_tensor_slices(({"word": words}, labels)).repeat().batch(8, True)


def vocab_info(namespace, name: str, **changes):
    """Returns the VocabInfo of `words` or `classes`."""
    words = name == "words"
    values = {
        "new_vocab": str(HERE / f"new_{name}.txt"),
        "new_vocab_size": 6 if words else 3,
        "num_oov_buckets": 1 if words else 0,
        "old_vocab": str(HERE / f"old_{name}.txt"),
        "old_vocab_size": 5 if words else 2,
        "backup_initializer": tf1.ones_initializer(),
        **changes,
    }
    return namespace.VocabInfo(**values)


def settings_of(namespace) -> dict:
    """Returns {case: (warm_start_from, name of the hidden layer, sizes)}."""
    checkpoint = str(HERE / "model.ckpt-3")

    def settings(**arguments):
        return namespace.WarmStartSettings(checkpoint, **arguments)

    def remap(name, **changes):
        return vocab_info(namespace, name, **changes)

    words = {"embedding": remap("words")}
    only_words = {**OLD_SIZES, "words": NEW_SIZES["words"]}
    only_classes = {**OLD_SIZES, "classes": NEW_SIZES["classes"]}
    return {
        "prefix": (checkpoint, "hidden", OLD_SIZES),
        "directory": (str(HERE), "hidden", OLD_SIZES),
        "saved_model": (str(HERE / "saved_model"), "hidden", OLD_SIZES),
        "pattern": (settings(vars_to_warm_start="hidden/"), "hidden", OLD_SIZES),
        "patterns": (
            settings(vars_to_warm_start=["hidden/.*[^d]$", "steps_seen", "global_step"]),
            "hidden",
            OLD_SIZES,
        ),
        "renamed": (
            settings(
                vars_to_warm_start=".*/bias|.*/kernel",
                var_name_to_prev_var_name={
                    "other/kernel": "hidden/kernel",
                    "other/bias": "hidden/bias",
                },
            ),
            "other",
            OLD_SIZES,
        ),
        "words": (settings(var_name_to_vocab_info=words), "hidden", only_words),
        "words_only": (
            settings(vars_to_warm_start=None, var_name_to_vocab_info=words),
            "hidden",
            only_words,
        ),
        "words_cut": (
            settings(
                vars_to_warm_start="embedding",
                var_name_to_vocab_info={"embedding": remap("words", old_vocab_size=3)},
            ),
            "hidden",
            only_words,
        ),
        "words_into_a_smaller_one": (
            settings(
                vars_to_warm_start="embedding",
                var_name_to_vocab_info={
                    "embedding": remap("words", new_vocab_size=4, num_oov_buckets=2)
                },
            ),
            "hidden",
            OLD_SIZES,
        ),
        "classes": (
            settings(
                vars_to_warm_start="hidden|head/kernel",
                var_name_to_vocab_info={"head/kernel": remap("classes", axis=1)},
            ),
            "hidden",
            only_classes,
        ),
    }


def read_variables(checkpoint: str) -> dict[str, list]:
    """Returns the values of all variables but the global step, as lists."""
    reader = tf.train.load_checkpoint(checkpoint)
    return {
        name: reader.get_tensor(name).tolist()
        for name in sorted(reader.get_variable_to_shape_map())
        if name != "global_step"
    }
