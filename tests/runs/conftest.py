"""What tests of whole runs share."""

import pytest

from tfx_tpu_estimator.execution.executable import Executable


@pytest.fixture
def forbid_compiling(monkeypatch):
    """Fails a test in which a program is compiled."""

    def compile_program(self, steps):
        raise AssertionError("compiled before it was refused")

    monkeypatch.setattr(Executable, "compile", compile_program)
