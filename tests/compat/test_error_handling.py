"""The meeting point for errors of several threads."""

import sys
import threading

import pytest
import tensorflow as tf

from tfx_tpu_estimator.compat import error_handling
from tfx_tpu_estimator.compat.error_handling import ErrorRendezvous


def record(rendezvous, source, error, session=None):
    with rendezvous.catch_errors(source, session):
        raise error


def test_the_recorded_error_is_raised_with_its_type():
    rendezvous = ErrorRendezvous(1)
    record(rendezvous, "infeed", tf.errors.InternalError(None, None, "core dumped"))
    with pytest.raises(tf.errors.InternalError, match="core dumped"):
        rendezvous.raise_errors()


@pytest.mark.parametrize("kind", [tf.errors.AbortedError, tf.errors.UnavailableError])
def test_errors_that_a_session_handles_are_ignored(kind):
    rendezvous = ErrorRendezvous(1)
    record(rendezvous, "infeed", kind(None, None, "worker is gone"))
    rendezvous.raise_errors()


def test_a_cause_is_raised_before_its_consequence():
    rendezvous = ErrorRendezvous(2)
    record(rendezvous, "main", tf.errors.CancelledError(None, None, "session cancelled"))
    record(rendezvous, "infeed", ValueError("bad file"))
    with pytest.raises(ValueError, match="bad file"):
        rendezvous.raise_errors()


def test_a_consequence_is_raised_where_there_is_nothing_else():
    rendezvous = ErrorRendezvous(1)
    record(rendezvous, "main", tf.errors.CancelledError(None, None, "session cancelled"))
    with pytest.raises(tf.errors.CancelledError, match="session cancelled"):
        rendezvous.raise_errors()


def test_done_keeps_an_error_and_ends_waiting():
    rendezvous = ErrorRendezvous(2)
    try:
        raise ValueError("bad file")
    except ValueError:
        rendezvous.record_error("infeed", sys.exc_info())
    rendezvous.record_done("infeed")
    threading.Timer(0.1, rendezvous.record_done, ["outfeed"]).start()
    with pytest.raises(ValueError, match="bad file"):
        rendezvous.raise_errors(timeout_sec=300)


def test_nothing_recorded_raises_nothing():
    ErrorRendezvous(3).raise_errors()


def test_the_session_is_closed(monkeypatch):
    closed = threading.Event()

    class Session:
        def close(self):
            closed.set()

    monkeypatch.setattr(error_handling, "_CLOSE_AFTER_SECS", 0.01)
    rendezvous = ErrorRendezvous(1)
    record(rendezvous, "infeed", ValueError("bad file"), Session())
    assert closed.wait(300)
