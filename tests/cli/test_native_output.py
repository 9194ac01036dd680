"""What of TensorFlow's own notes reaches a terminal."""

import logging

import pytest

from tfx_tpu_estimator.cli.native_output import quiet_deprecations

NOTE = "From %s: %s (from %s) is deprecated and will be removed %s.\nInstructions for updating:\n%s"


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ("/x/lib/python3.10/site-packages/tensorflow/python/ops/nn.py:7", False),
        ("/x/lib/python3.10/site-packages/tf_keras/src/layers/batch_normalization.py:883", False),
        ("/x/lib/python3.10/site-packages/of_a_user/model.py:3", True),
        ("/home/me/tensorflow/model.py:3", True),
    ],
)
def test_deprecated_functions_are_told_to_those_that_call_them(file, told, caplog, monkeypatch):
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "propagate", True)
    quiet_deprecations()
    quiet_deprecations()
    assert len(logger.filters) == 1
    logger.warning(NOTE, file, "_colocate_with", "ops", "in a future version", "Do not.")
    logger.warning("Another.")
    assert ("_colocate_with" in caplog.text) is told
    assert "Another." in caplog.text
