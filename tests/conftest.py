"""Settings that every test runs under."""

import logging
import os
import shutil
import signal
import sys
import tempfile

# Before TensorFlow is imported: no start-up noise, and TF1 layers.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TFX_TPU_ESTIMATOR_PROGRESS", "off")
# Said aloud, so that no default of a command changes the digits of processes that tests start.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

import helpers.devices  # before jax can start: it makes the virtual devices  # noqa: F401
import pytest

# Ignored where a shell runs the tests in its background, and then by what they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config):
    """What tests, and the processes that they start, leave as temporary files goes with the run.

    TFX leaves a copy of itself, and an Estimator without a model_dir the one it makes. `tmp_path`
    stays where it is, so that what a failed test wrote can be looked at.
    """
    if hasattr(config, "workerinput"):  # the folder is made by who starts the workers
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    folder = tempfile.mkdtemp(prefix="tests-")
    os.chmod(folder, 0o1777)  # for database servers, too, which run as another user
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(autouse=True)
def _keep_environment():
    """What commands and files of users change for their process is undone for the next test.

    A test that leaves TF_CONFIG behind fails: whatever trains then would take it for a cluster's.
    """
    before, path = dict(os.environ), list(sys.path)
    yield
    tf_config = os.environ.get("TF_CONFIG")
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)
    sys.path[:] = path
    assert tf_config == before.get("TF_CONFIG"), "the test left TF_CONFIG changed"


@pytest.fixture(autouse=True, scope="module")
def _keep_logging():
    """A file's tests leave the loggers' levels and filters as they were, and no Airflow's handlers.

    Airflow, when it is imported, sends all log records to the standard output; programs of users
    set TensorFlow's verbosity, and commands leave out some of what it logs.
    """
    root = logging.getLogger()
    loggers = [root, logging.getLogger("tensorflow"), logging.getLogger("absl")]
    before = [(logger.level, list(logger.filters)) for logger in loggers]
    yield
    for handler in list(root.handlers):
        if type(handler).__module__.startswith("airflow"):
            root.removeHandler(handler)
    for logger, (level, filters) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.filters[:] = filters
