"""Classes by number and by name: what classification heads share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.canned import keys
from tfx_tpu_estimator.canned.keys import PredictionKeys
from tfx_tpu_estimator.export_output import ClassificationOutput, ExportOutput, PredictOutput


def predict_classes(
    scores: tf.Tensor,
    class_logits: tf.Tensor,
    vocabulary: Sequence[str] | None,
    *,
    on_devices: bool,
) -> dict[str, tf.Tensor]:
    """Returns the predictions that say which class.

    Args:
      scores: float32 [batch, classes], the probabilities.
      class_logits: float32 [batch, classes], whose largest is the class.
      vocabulary: Names of the classes, or None: their numbers.
      on_devices: Whether to leave out strings.

    Returns:
      probabilities, class_ids (int64 [batch, 1]), all_class_ids (int32 [batch, classes]); and
      classes and all_classes, which are strings.
    """
    class_ids = tf.expand_dims(tf.argmax(class_logits, axis=-1), axis=-1)
    count = scores.shape[-1]
    found = {
        PredictionKeys.PROBABILITIES: scores,
        PredictionKeys.CLASS_IDS: class_ids,
    }
    if not on_devices:
        found[PredictionKeys.CLASSES] = name_classes(class_ids, vocabulary)
    found[PredictionKeys.ALL_CLASS_IDS] = repeat_for_batch(tf.range(count), scores)
    if not on_devices:
        found[PredictionKeys.ALL_CLASSES] = name_all_classes(scores, vocabulary)
    return found


def name_classes(class_ids: tf.Tensor, vocabulary: Sequence[str] | None) -> tf.Tensor:
    """Returns the names of classes given by number."""
    if vocabulary:
        return tf.gather(tf.constant(list(vocabulary)), class_ids)
    return tf.strings.as_string(class_ids)


def name_all_classes(scores: tf.Tensor, vocabulary: Sequence[str] | None) -> tf.Tensor:
    """Returns the names of all classes for each example, string [batch, classes]."""
    if vocabulary:
        return repeat_for_batch(tf.constant(list(vocabulary)), scores)
    return repeat_for_batch(tf.strings.as_string(tf.range(scores.shape[-1])), scores)


def repeat_for_batch(row: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Returns `row` once for every example of `like`."""
    return tf.tile(tf.expand_dims(row, axis=0), tf.stack([tf.shape(like)[0], 1]))


def look_up_labels(labels: tf.Tensor, vocabulary: Sequence[str]) -> tf.Tensor:
    """Returns the numbers of labels given by name, int64; -1 for what is no class.

    Raises:
      ValueError: The labels are not strings.
    """
    if labels.dtype != tf.string:
        raise ValueError(
            "Labels dtype should be string if there is a vocabulary. "
            f"Instead got {labels.dtype.name}. Leave out `label_vocabulary` for class numbers."
        )
    names = tf.constant(list(vocabulary))
    ids = tf.range(len(vocabulary), dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(names, ids), -1)
    return table.lookup(labels)


def refuse_strings(labels: tf.Tensor) -> None:
    """Refuses labels by name where there is no vocabulary.

    Raises:
      ValueError: They are strings.
    """
    if labels.dtype == tf.string:
        raise ValueError(
            "Labels dtype should be a number without a vocabulary. Instead got string. Give "
            "`label_vocabulary`, the list of the classes' names."
        )


def export_classes(
    predictions: Mapping[str, tf.Tensor], vocabulary: Sequence[str] | None, *, on_devices: bool
) -> dict[str, ExportOutput]:
    """Returns the signatures of a classifier.

    Args:
      predictions: Of the head, with probabilities.
      vocabulary: Names of the classes, or None.
      on_devices: Whether to leave out strings.
    """
    scores: Any = predictions[PredictionKeys.PROBABILITIES]
    names = None if on_devices else name_all_classes(scores, vocabulary)
    classification = ClassificationOutput(scores=scores, classes=names)
    return {
        keys.SERVING_DEFAULT: classification,
        keys.CLASSIFICATION: classification,
        keys.PREDICT: PredictOutput(predictions),
    }
