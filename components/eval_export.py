"""What `tfma.export` gave to old module files, so that they load; nothing is exported.

TensorFlow Model Analysis reads no EvalSavedModels any more: the Evaluator reads the serving model.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

_logger = logging.getLogger(__name__)


class EvalInputReceiver(NamedTuple):
    """What an `eval_input_receiver_fn` returned.

    Attributes:
        features: Features by name.
        labels: The label, or several by name.
        receiver_tensors: What is fed.
    """

    features: Any
    labels: Any
    receiver_tensors: Any


def build_parsing_eval_input_receiver_fn(
    feature_spec: dict[str, Any], label_key: str | None
) -> Callable[[], EvalInputReceiver]:
    """Returns a function that parses serialized tf.Examples.

    Args:
        feature_spec: As `tf.io.parse_example` takes it.
        label_key: The feature that is the label.
    """

    def eval_input_receiver_fn() -> EvalInputReceiver:
        serialized = tf.compat.v1.placeholder(tf.string, [None], "input_example_placeholder")
        features = tf.io.parse_example(serialized, feature_spec)
        labels = None if label_key is None else features[label_key]
        return EvalInputReceiver(features, labels, {"examples": serialized})

    return eval_input_receiver_fn


def export_eval_savedmodel(*args: Any, **kwargs: Any) -> None:
    """Exports nothing, and says so."""
    warn_of_eval_export()


def warn_of_eval_export() -> None:
    """Says that no EvalSavedModel is exported, and what takes its place."""
    _logger.warning(
        "`eval_input_receiver_fn` is not used: no EvalSavedModel is exported, as TensorFlow Model "
        "Analysis reads them no more. Give the Evaluator an `eval_config`; it reads the serving "
        "model."
    )
