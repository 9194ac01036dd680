"""Packages that only some commands need."""

from __future__ import annotations

import importlib.util

import click

_OF_TFX = {
    "tfx": "TFX",
    "ml_metadata": "ML Metadata",
    "tensorflow_model_analysis": "TensorFlow Model Analysis",
}


def require_tfx(exit_code: int = 1) -> None:
    """Ends the command where TFX, or what comes with it, is not installed; loads nothing.

    Args:
        exit_code: Of the command.

    Raises:
        ClickException: It is not; the message says what to install.
    """
    for module, name in _OF_TFX.items():
        if importlib.util.find_spec(module) is None:
            failure = click.ClickException(
                f"{name} is not installed: pip install 'tfx-tpu-estimator[tfx]'."
            )
            failure.exit_code = exit_code
            raise failure
