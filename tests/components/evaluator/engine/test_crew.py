"""What several processes add up is what one adds up, bit for bit."""

import os
import signal
import time

import numpy as np
import pytest
from google.protobuf import text_format
from helpers.evaluated import write_echo_model, write_scored_examples
from tensorflow_model_analysis.proto import config_pb2

from tfx_tpu_estimator.components.evaluator.engine.blocks import read_blocks
from tfx_tpu_estimator.components.evaluator.engine.crew import Crew
from tfx_tpu_estimator.components.evaluator.engine.evaluation import evaluate
from tfx_tpu_estimator.components.evaluator.engine.pairs import NotANumberError
from tfx_tpu_estimator.components.evaluator.engine.partial_sums import Adding
from tfx_tpu_estimator.components.evaluator.engine.plan import Plan

CONFIG = """
  model_specs { label_key: "made" example_weight_key: "weight" prediction_key: "probability" }
  slicing_specs {} slicing_specs { feature_keys: "color" feature_keys: "sizes" }
  metrics_specs {
    metrics { class_name: "ExampleCount" } metrics { class_name: "AUC" }
    metrics { class_name: "Calibration" } metrics { class_name: "BinaryCrossentropy" }
    metrics { class_name: "MeanSquaredError" } metrics { class_name: "CalibrationPlot" }
    metrics { class_name: "SquaredPearsonCorrelation" }
  }
  options { compute_confidence_intervals { value: true }
            confidence_intervals { method: POISSON_BOOTSTRAP } }
"""
LIMIT = 0.5


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    model = write_echo_model(tmp_path_factory.mktemp("models") / "model")

    def add_features(features):
        return {"made": features["score"] > LIMIT}

    config = text_format.Parse(CONFIG, config_pb2.EvalConfig())
    return Plan(models={"": model}, config=config, add_features=add_features)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    root = tmp_path_factory.mktemp("examples")
    return [write_scored_examples(root / str(count), count=count) for count in (60, 33, 70)]


@pytest.fixture(scope="module")
def crew(plan):
    """This process and one more, which takes seconds to start."""
    with Crew(plan, workers=2) as made:
        made.wait_until_ready()
        yield made


def read(files):
    # Blocks of 32 examples.
    return read_blocks(files, "GZIP", 2)


def read_for(crew, files):
    """Goes on once a helper has begun the first block, however busy the machine is."""
    blocks = read(files)
    yield next(blocks)
    while crew.queued:
        time.sleep(0.01)
    yield from blocks


def to_text(evaluation):
    """All numbers to their last bit."""
    parts = (evaluation.metrics, evaluation.plots, evaluation.validation, evaluation.count)
    with np.printoptions(floatmode="unique"):
        return repr([repr(part) for part in parts])


def test_the_same_bits(plan, files, crew):
    alone = evaluate(read(files), plan)
    shared = evaluate(read_for(crew, files), plan, crew=crew)
    assert sum(crew.evaluated) > 0
    assert alone.count == 163
    assert alone.left_to_tfma == shared.left_to_tfma == ["squared_pearson_correlation"]
    assert list(alone.metrics) == list(shared.metrics)
    assert to_text(alone) == to_text(shared)


def test_blocks_stay_within_files(files):
    found = [(block.file, block.first, block.count) for block in read(files)]
    assert found == [
        (0, 0, 32), (0, 16, 28), (1, 0, 32), (1, 16, 1), (2, 0, 32), (2, 16, 32), (2, 32, 6),
    ]  # fmt: skip


def test_intervals_depend_on_the_place_of_an_example_only(plan, files):
    """Files evaluated one by one and merged: the same samples."""
    adding = Adding(plan)
    first, second = (list(adding.sampling.draw((1, 3), 8)) for _ in range(2))
    other = list(adding.sampling.draw((1, 4), 8))
    for (rows, groups), (rows_again, groups_again) in zip(first, second, strict=True):
        np.testing.assert_array_equal(groups, groups_again)
        np.testing.assert_array_equal(rows, rows_again)
    assert any(a[0].tolist() != b[0].tolist() for a, b in zip(first[1:], other[1:], strict=True))


def test_nobody_else_is_started_for_little(plan, files):
    with Crew(plan, workers=3, patience=1000.0) as idle:
        assert evaluate(read(files[:1]), plan, crew=idle).count == 60
        assert idle.evaluated == []


def test_what_goes_wrong_there_is_raised_here(crew, plan, tmp_path):
    # A single block: the error leaves no other to the process.
    file = write_scored_examples(tmp_path / "nan", count=32, nan=True)
    adding = Adding(plan)
    with pytest.raises(NotANumberError, match="predicts NaN for 1 of 2 examples") as caught:
        list(crew.evaluate(lambda block: adding.start(), read_for(crew, [file])))
    assert "block_evaluator" in str(caught.value.__cause__)


def test_a_process_that_dies_is_said(crew, plan, files):
    adding = Adding(plan)
    (pid,) = crew.pids
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=r"died with exit code -9.*fewer `workers`"):
        list(crew.evaluate(lambda block: adding.start(), read_for(crew, files)))


def test_functions_that_cannot_be_sent(plan):
    lock = __import__("threading").Lock()
    unsendable = Plan(
        models=plan.models, config=plan.config, add_features=lambda features: {"a": lock}
    )
    with pytest.raises(ValueError, match="`add_features` cannot be sent to the other `workers`"):
        unsendable.to_bytes()
