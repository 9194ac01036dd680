"""The nearest name that there is."""

import pytest

from tfx_tpu_estimator.suggestions import suggest

KNOWN = ["Trainer", "Evaluator", "Pusher"]


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        ("Trainr", {}, " Did you mean 'Trainer'?"),
        ("Trainr", {"quote": "`"}, " Did you mean `Trainer`?"),
        ("trainer", {}, " Did you mean 'Trainer'?"),
        ("Zzz", {}, ""),
        (3, {}, ""),
    ],
)
def test_the_nearest_is_asked_for(given, options, said):
    assert suggest(given, iter(KNOWN), **options) == said
