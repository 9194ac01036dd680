"""BatchConfig: its defaults, and what it refuses."""

import pytest

from tfx_tpu_estimator.config.batching import BatchConfig


def make(**changes):
    settings = {
        "num_batch_threads": 2,
        "max_batch_size": 8,
        "batch_timeout_micros": 1000,
        "allowed_batch_sizes": [2, 8],
    }
    return BatchConfig(**{**settings, **changes})


def test_fields_and_defaults():
    config = BatchConfig(2, 8, 1000, [2, 8])
    assert config._asdict() == {
        "num_batch_threads": 2,
        "max_batch_size": 8,
        "batch_timeout_micros": 1000,
        "allowed_batch_sizes": [2, 8],
        "max_enqueued_batches": 100,
    }
    assert config._replace(batch_timeout_micros=0).batch_timeout_micros == 0


@pytest.mark.parametrize("sizes", [None, [], (), [8], (1, 2, 8)])
def test_sizes_that_are_allowed(sizes):
    assert make(allowed_batch_sizes=sizes).allowed_batch_sizes == sizes


@pytest.mark.parametrize("largest", [None, 0])
def test_without_batching_the_rest_does_not_matter(largest):
    assert BatchConfig(None, largest, None, None).max_batch_size == largest


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"num_batch_threads": 0}, ValueError, "`num_batch_threads` must be at least 1; got 0"),
        ({"num_batch_threads": "2"}, TypeError, "num_batch_threads must be int"),
        ({"max_batch_size": -8}, ValueError, "`max_batch_size` must be at least 1; got -8"),
        ({"max_batch_size": 8.0}, TypeError, "max_batch_size must be int"),
        ({"batch_timeout_micros": -1}, ValueError, "`batch_timeout_micros` must be at least 0"),
        ({"max_enqueued_batches": 0}, ValueError, "`max_enqueued_batches` must be at least 1"),
        ({"max_enqueued_batches": None}, TypeError, "max_enqueued_batches must be int"),
        ({"allowed_batch_sizes": 8}, TypeError, "must be a list of ints or None; got 8"),
        ({"allowed_batch_sizes": [2.0, 8]}, TypeError, "allowed_batch_sizes must be int"),
        ({"allowed_batch_sizes": [0, 8]}, ValueError, "`allowed_batch_sizes` must be at least 1"),
        ({"allowed_batch_sizes": [8, 2]}, ValueError, r"increase monotonically; got \[8, 2\]"),
        ({"allowed_batch_sizes": [2, 2, 8]}, ValueError, "increase monotonically"),
        ({"allowed_batch_sizes": [2, 4]}, ValueError, r"final entry .* must equal `max_batch_size"),
        ({"allowed_batch_sizes": [8, 16]}, ValueError, r"must equal .*; got \[8, 16\] and 8"),
    ],
)
def test_settings_that_are_refused(changes, error, match):
    with pytest.raises(error, match=match):
        make(**changes)
    with pytest.raises(error, match=match):
        make()._replace(**changes)
