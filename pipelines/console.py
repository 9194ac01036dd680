"""What a person sees of a run: our own lines; everything else goes to a log file."""

from __future__ import annotations

import logging
import os
import sys
import warnings


def quiet_third_parties() -> None:
    """Silences start-up noise of TensorFlow and Google libraries; call before importing them.

    A value of TF_CPP_MIN_LOG_LEVEL that the user set is kept.

    Example:
      quiet_third_parties()
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    warnings.simplefilter("ignore")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")


def send_logs_to(log_file: str) -> None:
    """Sends all log records to `log_file` and only this package's own to the terminal.

    Args:
      log_file: Path of the file; it is appended to, and its directory is made.

    Example:
      send_logs_to("out/pipeline.log")
    """
    os.makedirs(os.path.dirname(os.path.abspath(log_file)), exist_ok=True)
    _divert_native_output(log_file)
    everything = logging.FileHandler(log_file)
    everything.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    ours = logging.StreamHandler(sys.stderr)
    ours.setFormatter(logging.Formatter("%(message)s"))
    ours.addFilter(_is_for_people)
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(everything)
    root.addHandler(ours)
    root.setLevel(logging.INFO)
    _adopt_absl()


def _divert_native_output(log_file: str) -> None:
    """Sends what native code writes to file descriptor 2 to `log_file`.

    XLA's messages about its devices know no log level. `sys.stderr`, through which Python and this
    package write, goes on to the terminal.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    target = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 2)
    os.close(target)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding="utf-8", errors="replace")


def _is_for_people(record: logging.LogRecord) -> bool:
    return record.name.startswith("tfx_tpu_estimator") and (
        record.levelno >= logging.WARNING
        or record.name.startswith(("tfx_tpu_estimator.pipelines", "tfx_tpu_estimator.progress"))
    )


def _adopt_absl() -> None:
    """Makes absl's logger, which TFX uses, hand its records to the root logger's handlers."""
    from absl import logging as absl_logging

    absl_logging.set_verbosity(absl_logging.INFO)
    logger = logging.getLogger("absl")
    logger.handlers.clear()
    logger.propagate = True
    tensorflow_logger = logging.getLogger("tensorflow")
    tensorflow_logger.handlers.clear()
    tensorflow_logger.propagate = True
