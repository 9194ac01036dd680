"""Models that predict what a feature says, and examples for them."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from helpers.tfrecords import make_example

tf1 = tf.compat.v1


def write_echo_model(
    path: pathlib.Path,
    scale: float = 1.0,
    *,
    serialized: bool = True,
    feature: str = "score",
    outputs: Sequence[str] = ("probability", "other"),
) -> str:
    """Writes a {serve} graph whose `probability` is a feature, scaled.

    Args:
        path: A directory that does not exist.
        scale: Factor.
        serialized: Whether it takes tf.Examples rather than the feature.
        feature: The feature; of several values the first counts.
        outputs: Of the outputs `probability` and `other`, which is not scaled, those to have.
    """
    builder = tf1.saved_model.Builder(str(path))
    with tf.Graph().as_default(), tf1.Session() as session:
        if serialized:
            inputs = tf1.placeholder(tf.string, [None])
            spec = {feature: tf.io.VarLenFeature(tf.float32)}
            parsed = tf.io.parse_example(inputs, spec)[feature]
            score = tf.sparse.to_dense(parsed)[:, :1]
        else:
            inputs = score = tf1.placeholder(tf.float32, [None, 1])
        made = {"probability": score * scale, "other": score}
        output = {key: made[key] for key in outputs}
        name = "examples" if serialized else "score"
        signature = tf1.saved_model.predict_signature_def({name: inputs}, output)
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
    builder.save()
    return str(path)


def write_scored_examples(path: pathlib.Path, count: int = 60, *, nan: bool = False) -> str:
    """Writes examples with `score`, `label`, `weight`, `color` and `sizes` of 0 to 2 values."""
    random = np.random.default_rng(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in range(count):
            score = float("nan") if nan and row == 3 else float(random.random())
            example = make_example(
                score=[score],
                label=int(random.random() < 0.2 + 0.6 * (score if score == score else 0)),
                weight=[float(random.choice([0.5, 1.0, 2.0]))],
                color=random.choice([b"red", b"blue", b"green"]).item(),
                sizes=random.integers(3, size=row % 3).tolist() or None,
            )
            writer.write(example)
    return str(path)
