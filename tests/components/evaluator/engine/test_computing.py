"""Every recipe gives what TensorFlow Model Analysis's own code gives for the same predictions."""

import logging
import pickle

import numpy as np
import pytest
from google.protobuf import message
from helpers.predicted import make_batch, make_lists, parse_config

from tfx_tpu_estimator.components.evaluator.engine.computing import Computing, make_recipe
from tfx_tpu_estimator.components.evaluator.engine.finishing import Deriving
from tfx_tpu_estimator.components.evaluator.engine.pairs import NotANumberError
from tfx_tpu_estimator.components.evaluator.engine.tfma_names import (
    metric_specs,
    separate_computations,
)
from tfx_tpu_estimator.components.evaluator.engine.tfma_route import TfmaRoute

GROUPS = 3
BINARY = """
  metrics { class_name: "ExampleCount" } metrics { class_name: "WeightedExampleCount" }
  metrics { class_name: "AUC" }
  metrics { class_name: "AUC" config: '"name": "pr", "curve": "PR"' }
  metrics { class_name: "BinaryAccuracy" }
  metrics { class_name: "BinaryAccuracy" config: '"name": "at", "threshold": 0.3' }
  metrics { class_name: "Precision" config: '"thresholds": [0.3, 0.9]' }
  metrics { class_name: "Recall" config: '"thresholds": [0.3, 0.25]' }
  metrics { class_name: "ConfusionMatrixAtThresholds" config: '"thresholds": [0.1, 0.5, 0.75]' }
  metrics { class_name: "SpecificityAtSensitivity" config: '"sensitivity": 0.5' }
  metrics { class_name: "MeanLabel" } metrics { class_name: "MeanPrediction" }
  metrics { class_name: "Calibration" }
  metrics { class_name: "BinaryCrossEntropy" config: '"name": "entropy"' }
  metrics { class_name: "BinaryCrossentropy" }
  metrics { class_name: "CalibrationPlot" } metrics { class_name: "ConfusionMatrixPlot" }
"""
ERRORS = """
  metrics { class_name: "MeanSquaredError" } metrics { class_name: "MeanAbsoluteError" }
  metrics { class_name: "RootMeanSquaredError" }
  metrics { class_name: "MeanAbsolutePercentageError" }
  metrics { class_name: "MeanSquaredLogarithmicError" }
  metrics { class_name: "MeanPrediction" } metrics { class_name: "LogCoshError" }
"""
CLASSES = """
  metrics { class_name: "SparseCategoricalAccuracy" }
  metrics { class_name: "SparseCategoricalCrossentropy" }
  metrics { class_name: "SparseTopKCategoricalAccuracy" config: '"k": 2' }
"""
ONE_HOT = """
  metrics { class_name: "CategoricalAccuracy" } metrics { class_name: "CategoricalCrossentropy" }
  metrics { class_name: "CategoricalCrossEntropy" config: '"name": "own"' }
"""
PER_CLASS = """
  metrics { class_name: "AUC" } metrics { class_name: "Precision" }
  metrics { class_name: "MeanLabel" } metrics { class_name: "BinaryCrossentropy" }
"""
BINARIZE = "binarize { class_ids { values: [0, 2] } }"
AVERAGE = """
  aggregate { %s: true class_weights { key: 0 value: 1.0 } class_weights { key: 2 value: 0.5 } }
"""


def make_config(metrics, weighted):
    weight = 'example_weight_key: "weight"' if weighted else ""
    return parse_config(
        f'model_specs {{ label_key: "label" {weight} }} metrics_specs {{ {metrics} }}'
    )


def compute(config, batches, rows):
    """Metrics by group: by recipes where there are, and by TFMA's code alone.

    Sums of the first batch and those of the others are made apart, sent and merged.
    """
    computations = separate_computations(
        metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    )
    deriving = Deriving(config, computations.derived_computations, [], [])
    ours, theirs = (kind(computations.non_derived_computations) for kind in (Computing, TfmaRoute))
    total, first, others, alone = ours.start(), ours.start(), ours.start(), {}
    for number, (batch, (places, groups)) in enumerate(zip(batches, rows, strict=True)):
        ours.add(others if number else first, batch, places, groups)
        theirs.add(alone, batch, places, groups)
    for sums in (first, others):
        ours.merge(total, pickle.loads(pickle.dumps(sums)), np.arange(GROUPS))
    found = []
    for route, sums in ((ours, total), (theirs, alone)):
        by_group = {(("group", g),): route.extract(sums, [g]) for g in range(GROUPS)}
        metrics = deriving.derive(by_group)
        found.append({key: deriving.finish(values) for key, values in metrics.items()})
    return found


def assert_same(ours, theirs, tolerance=2e-6):
    assert ours.keys() == theirs.keys()
    for group, metrics in ours.items():
        assert metrics.keys() == theirs[group].keys()
        for key, value in metrics.items():
            _assert_close(value, theirs[group][key], tolerance, key)


def _assert_close(ours, theirs, tolerance, key):
    kwargs = {"rtol": tolerance, "atol": 1e-9, "err_msg": str(key)}
    if isinstance(theirs, message.Message):
        # A plot: numbers in order.
        np.testing.assert_allclose(list_numbers(ours), list_numbers(theirs), **kwargs)
    elif isinstance(theirs, tuple):
        for own, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(own, other, **kwargs)
    else:
        np.testing.assert_allclose(ours, theirs, **kwargs)


def list_numbers(plot):
    found = []
    for field, value in plot.ListFields():
        for item in value if field.label == field.LABEL_REPEATED else [value]:
            found += list_numbers(item) if isinstance(item, message.Message) else [float(item)]
    return found


def draw_groups(random, count):
    """Each example in one, two or no group of 0 and 1; nobody is in group 2."""
    rows = np.sort(random.choice(np.arange(count).repeat(2), count, replace=False))
    return rows, random.integers(2, size=count)


def run(metrics, random, draw, *, weighted, batches=2, count=40):
    config = make_config(metrics, weighted)
    made, rows = [], []
    for _ in range(batches):
        label, prediction = draw(count)
        # Examples of no weight, and of negative ones of none.
        weight = random.choice([0.0, 0.25, 1.0, 3.0], size=count).astype(np.float32)
        made.append(make_batch(config, prediction, label=label, weight=weight))
        rows.append(draw_groups(random, count))
    return compute(config, made, rows)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_binary(seed, weighted):
    random = np.random.default_rng(seed)

    def draw(count):
        # Ties, predictions on thresholds, and 0 and 1 themselves.
        prediction = random.choice(
            [0.0, 0.1, 0.25, 0.3, 0.5, 0.50005, 0.75, 0.9, 1.0, *random.random(20)], size=count
        )
        return random.integers(2, size=count), prediction.astype(np.float32)[:, None]

    with np.errstate(all="ignore"):
        assert_same(*run(BINARY, random, draw, weighted=weighted))


@pytest.mark.parametrize("only", [0, 1])
def test_one_class(only):
    random = np.random.default_rng(5)

    def draw(count):
        return np.full([count], only), random.random([count, 1]).astype(np.float32)

    with np.errstate(all="ignore"):
        assert_same(*run(BINARY, random, draw, weighted=True))


def test_labels_that_are_shares():
    random = np.random.default_rng(6)

    def draw(count):
        return random.random(count).astype(np.float32), random.random([count, 1])

    assert_same(*run('metrics { class_name: "AUC" }' + PER_CLASS, random, draw, weighted=True))


@pytest.mark.parametrize("weighted", [False, True])
def test_regression(weighted):
    random = np.random.default_rng(7)

    def draw(count):
        label = random.choice([0.0, 1.5, 2.0, 10.0], size=count).astype(np.float32)
        return label, random.normal(3, 0.5, size=[count]).astype(np.float32)

    assert_same(*run(ERRORS, random, draw, weighted=weighted))


def draw_classes(random, one_hot):
    def draw(count):
        scores = random.random([count, 3]).astype(np.float32)
        label = random.integers(3, size=count)
        if one_hot:
            label = np.eye(3, dtype=np.int64)[label]
        return label, scores / scores.sum(axis=1, keepdims=True)

    return draw


@pytest.mark.parametrize(
    ("metrics", "one_hot"),
    [
        (CLASSES, False),
        (ONE_HOT, True),
        (PER_CLASS + BINARIZE, False),
        (PER_CLASS + BINARIZE, True),
        (PER_CLASS.replace("BinaryCross", "CategoricalCross") + AVERAGE % "micro_average", True),
        (PER_CLASS + AVERAGE % "macro_average", True),
    ],
    ids=["sparse", "one-hot", "sparse-classes", "classes", "micro", "macro"],
)
def test_classes(metrics, one_hot):
    random = np.random.default_rng(8)
    assert_same(*run(metrics, random, draw_classes(random, one_hot), weighted=True))


def test_a_sparse_label_counts_for_its_class():
    random = np.random.default_rng(9)
    metrics = 'metrics { class_name: "MeanLabel" } metrics { class_name: "MeanAbsoluteError" }'
    assert_same(*run(metrics, random, draw_classes(random, False), weighted=True))


@pytest.mark.parametrize("seed", [1])
def test_what_has_no_recipe_is_left_to_tfma(seed):
    random = np.random.default_rng(seed)
    metrics = 'metrics { class_name: "SquaredPearsonCorrelation" } metrics { class_name: "AUC" }'
    config = make_config(metrics, False)
    computations = separate_computations(
        metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    ).non_derived_computations
    assert [make_recipe(c) is None for c in computations] == [True, False]
    computing = Computing(computations)
    assert computing.list_left(computing.start()) == ["squared_pearson_correlation"]

    def draw(count):
        return random.integers(2, size=count), random.random([count, 1])

    assert_same(*run(metrics, random, draw, weighted=False))


def test_means_have_recipes_beside_metrics_of_keras_that_have_none():
    random = np.random.default_rng(2)
    metrics = ERRORS + 'metrics { class_name: "BinaryIoU" } metrics { class_name: "Hinge" }'
    config = make_config(metrics, False)
    computing = Computing(
        separate_computations(
            metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
        ).non_derived_computations
    )
    assert computing.list_left(computing.start()) == ["binary_io_u"]

    def draw(count):
        return random.integers(2, size=count), random.random([count, 1])

    assert_same(*run(metrics, random, draw, weighted=True), tolerance=2e-5)


SET_MATCH = 'metrics_specs { metrics { class_name: "SetMatchPrecision" } }'


def test_what_changes_labels_before_counting_has_no_recipe():
    """A combiner of confusion matrices, but of pairs that were made by a preprocessor."""
    config = parse_config('model_specs { label_key: "label" }' + SET_MATCH)
    computations = separate_computations(
        metric_specs.to_computations(list(config.metrics_specs), eval_config=config)
    ).non_derived_computations
    assert [make_recipe(computation) for computation in computations] == [None]


def test_a_label_that_is_nan_or_missing_is_said():
    config = make_config('metrics { class_name: "AUC" }', False)
    scores = np.array([[0.5], [0.2], [0.1]])
    cases = [
        (np.array([1.0, np.nan, 0.0]), "label is NaN for 1 of 3 examples"),
        (make_lists([[1.0], [], [0.0]]), r"example cannot be counted by calib.*without a label"),
    ]
    for label, match in cases:
        batch = make_batch(config, scores, label=label)
        with pytest.raises(ValueError, match=match):
            compute(config, [batch], [(np.arange(3), np.zeros(3, np.int64))])


def test_a_batch_of_an_unusual_form_is_left_to_tfma_and_added(caplog):
    random = np.random.default_rng(3)
    metrics = 'metrics { class_name: "MeanLabel" } metrics { class_name: "AUC" }' + BINARIZE
    config = make_config(metrics, False)
    usual = make_batch(config, random.random([20, 3]), label=random.integers(3, size=20))
    # Multi-hot labels of differing length, which a whole batch of has no shape.
    lists = make_lists([[0.0, 1.0, 0.0] if row % 2 else [2.0] for row in range(20)])
    unusual = make_batch(config, random.random([20, 3]), label=lists)
    batches = [usual, unusual, usual]
    rows = [draw_groups(random, 20) for _ in batches]
    with caplog.at_level(logging.INFO):
        assert_same(*compute(config, batches, rows))
    assert "left to TensorFlow Model Analysis" in caplog.text


def test_nan_is_said():
    config = make_config('metrics { class_name: "AUC" }', False)
    batch = make_batch(config, np.array([[0.5], [np.nan], [0.1]]), label=[1, 0, 1])
    with pytest.raises(NotANumberError, match="predicts NaN for 1 of 3 examples"):
        compute(config, [batch], [(np.arange(3), np.zeros(3, np.int64))])
