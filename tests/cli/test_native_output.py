"""What of TensorFlow's own notes reaches a terminal."""

import logging

import pytest

from tfx_tpu_estimator.cli.native_output import quiet_deprecations

NOTE = "From %s: %s (from %s) is deprecated and will be removed %s.\nInstructions for updating:\n%s"


@pytest.mark.parametrize(
    ("file", "name", "told"),
    [
        ("/x/lib/python3.10/site-packages/tensorflow/python/ops/nn.py:7", "where", False),
        (
            "/x/lib/python3.10/site-packages/tf_keras/src/layers/norm.py:883",
            "where",
            False,
        ),
        ("/x/lib/python3.10/site-packages/of_a_user/model.py:3", "where", True),
        ("/home/me/tensorflow/model.py:3", "where", True),
        ("/x/__autograph_generated_fileab.py:77", "_colocate_with", False),
        ("/x/__autograph_generated_fileab.py:77", "where", True),
    ],
)
def test_deprecated_functions_are_told_to_their_callers(file, name, told, caplog, monkeypatch):
    logger = logging.getLogger("tensorflow")
    monkeypatch.setattr(logger, "filters", [])
    monkeypatch.setattr(logger, "propagate", True)
    quiet_deprecations()
    quiet_deprecations()
    assert len(logger.filters) == 1
    logger.warning(NOTE, file, name, "tensorflow.python.ops", "in a future version", "Do not.")
    logger.warning("Another.")
    assert (f"{file}: {name}" in caplog.text) is told
    assert "Another." in caplog.text
