"""The three modes in which a model_fn is called."""

from __future__ import annotations


class ModeKeys:
    """Names of the modes; plain strings, as model_fns compare them.

    Attributes:
        TRAIN: 'train'.
        EVAL: 'eval'.
        PREDICT: 'infer'.

    Example:
        >>> ModeKeys.PREDICT
        'infer'
    """

    TRAIN = "train"
    EVAL = "eval"
    PREDICT = "infer"


ALL_MODES = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)


def validate_mode(mode: str) -> None:
    """Refuses anything that is not one of the three modes.

    Args:
        mode: what the model_fn was called with.

    Raises:
        ValueError: if it is none of ModeKeys' values.
    """
    if mode not in ALL_MODES:
        raise ValueError(
            f"`mode` must be one of {', '.join(map(repr, ALL_MODES))}; got {mode!r}. "
            "Pass on the `mode` your model_fn was called with."
        )
