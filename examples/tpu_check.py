"""For which TPU the demo pipelines check their models."""

from __future__ import annotations

import logging

from tfx_tpu_estimator.compile_check.compiler import CompilerMissingError, describe_compiler
from tfx_tpu_estimator.components import TPUValidatorOptions

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")


def choose_validator() -> TPUValidatorOptions | None:
    """Returns the options of the TPUValidator, or None, with a line that says why, without libtpu.

    The training program is compiled too: all four cores of the topology share a batch.
    """
    try:
        describe_compiler()
    except CompilerMissingError:
        _logger.info(
            "Without libtpu the model is not checked for a TPU before it is pushed: "
            "pip install 'tfx-tpu-estimator[tpu]'"
        )
        return None
    return TPUValidatorOptions(topology="v5e:2x2", programs=("train", "serving"))
