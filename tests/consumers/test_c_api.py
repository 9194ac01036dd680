"""A C program opens every metagraph that a CPU can run, and answers as the estimator does."""

import numpy as np
import pytest
from helpers.c_consumer import compile_consumer, run_consumer

ORIGINS = ("devices", "host", "old estimator")
STEPS = 5


@pytest.fixture(scope="module")
def answers(exports, examples, tmp_path_factory):
    """{(origin, run): {output: array}}."""
    program = compile_consumer(tmp_path_factory.mktemp("program"))
    kinds = {
        "serve": (["serve"], "serving_default", 0),
        "eval": (["eval"], "eval", 0),
        "train": (["train"], "train", 0),
        "trained": (["train"], "train", STEPS),
    }
    keys = [(origin, kind) for origin in ORIGINS for kind in kinds]
    runs = [(exports[origin].path, *kinds[kind]) for origin, kind in keys]
    return dict(zip(keys, run_consumer(program, examples, runs), strict=True))


@pytest.mark.parametrize("origin", ORIGINS)
def test_serving_answers_what_predict_yields(answers, exports, origin):
    served, expected = answers[origin, "serve"], exports[origin].predictions
    assert sorted(served) == ["classes", "probabilities"]
    np.testing.assert_array_equal(served["classes"], expected["classes"])
    np.testing.assert_allclose(served["probabilities"], expected["probabilities"], rtol=1e-6)


@pytest.mark.parametrize("origin", ORIGINS)
def test_evaluation_gives_the_metrics(answers, exports, origin):
    found, expected = answers[origin, "eval"], exports[origin]
    for name in ("accuracy", "auc"):
        np.testing.assert_allclose(
            found[f"metrics/{name}/update_op"], expected.metrics[name], rtol=1e-6
        )
    # All examples are one batch here.
    np.testing.assert_allclose(found["loss"], expected.loss, rtol=1e-5)


@pytest.mark.parametrize("origin", ORIGINS)
def test_training_goes_on_from_the_checkpoint(answers, exports, origin):
    start = answers[origin, "train"]["loss"]
    np.testing.assert_allclose(start, exports[origin].loss, rtol=1e-5)
    assert answers[origin, "trained"]["loss"] < start
