"""Settings that every test runs under."""

import logging
import os

# Before TensorFlow is imported: no start-up noise, and TF1 layers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TFX_TPU_ESTIMATOR_PROGRESS", "off")
# Said aloud, so that no default of a command changes the digits of processes that tests start.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import helpers.devices  # before jax can start: it makes the virtual devices  # noqa: F401
import pytest


@pytest.fixture(autouse=True)
def _keep_environment():
    """Fails a test that leaves TF_CONFIG behind, which would change every later one."""
    before = os.environ.get("TF_CONFIG")
    yield
    assert os.environ.get("TF_CONFIG") == before, "the test left TF_CONFIG changed"


@pytest.fixture(autouse=True, scope="module")
def _keep_logging():
    """A file's tests leave the loggers' levels as they were, and no handlers of Airflow.

    Airflow, when it is imported, sends all log records to the standard output; programs of users
    set TensorFlow's verbosity.
    """
    root = logging.getLogger()
    loggers = [root, logging.getLogger("tensorflow"), logging.getLogger("absl")]
    levels = [logger.level for logger in loggers]
    yield
    for handler in list(root.handlers):
        if type(handler).__module__.startswith("airflow"):
            root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
