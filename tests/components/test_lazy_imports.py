"""The package of components loads TFX only when a component is used."""

import subprocess
import sys

import pytest

import tfx_tpu_estimator.components as components


def test_importing_the_package_loads_neither_tfx_nor_tensorflow():
    code = (
        "import sys, tfx_tpu_estimator.components as c; c.TPUEstimatorOptions; c.__all__; dir(c); "
        "print([m for m in ('tfx', 'tensorflow', 'apache_beam', 'jax') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


def test_names():
    assert components.__all__ == [
        "Evaluator",
        "EvaluatorOptions",
        "ImportExampleGen",
        "ImportSchemaGen",
        "MultiHostOptions",
        "Pusher",
        "PusherOptions",
        "TPUEstimatorOptions",
        "TPUValidator",
        "TPUValidatorOptions",
        "Trainer",
        "VertexDestination",
        "VertexPusher",
    ]
    assert set(components.__all__) <= set(dir(components))
    with pytest.raises(AttributeError, match="has no attribute 'Tuner'; it offers Evaluator"):
        _ = components.Tuner
