"""The demo pipelines' check for a TPU: there with libtpu, left out with a line without it."""

import logging

from tfx_tpu_estimator.compile_check import compiler
from tfx_tpu_estimator.examples.tpu_check import choose_validator


def test_without_libtpu_it_is_left_out_with_a_line(monkeypatch, caplog):
    monkeypatch.setattr(compiler, "_PACKAGE", "no_such_libtpu")
    with caplog.at_level(logging.INFO, "tfx_tpu_estimator.pipelines"):
        assert choose_validator() is None
    (line,) = caplog.messages
    assert "Without libtpu the model is not checked for a TPU" in line
    assert "pip install 'tfx-tpu-estimator[tpu]'" in line


def test_with_libtpu_training_and_serving_are_compiled(monkeypatch, caplog):
    # Any package that is installed will do: none is loaded.
    monkeypatch.setattr(compiler, "_PACKAGE", "click")
    options = choose_validator()
    assert options.topology == "v5e:2x2"
    assert options.programs == ("train", "serving")
    assert caplog.messages == []
