"""The page of an evaluation: what it says, that it escapes, that it can be sorted."""

import dataclasses
import html.parser
import math

import numpy as np
import pytest
from helpers.evaluated import write_echo_model, write_scored_examples
from helpers.evaluator_runs import parse_config

from tfx_tpu_estimator.components.blessing import Verdict
from tfx_tpu_estimator.components.evaluator.engine.recipes_matrices import Histogram
from tfx_tpu_estimator.components.evaluator.report.curves import make_curves
from tfx_tpu_estimator.components.evaluator.report.data import read_results
from tfx_tpu_estimator.components.evaluator.report.slices_table import format_number
from tfx_tpu_estimator.components.evaluator.report.writing import write_evaluation_page
from tfx_tpu_estimator.components.evaluator.sliced import SlicedEvaluation

CONFIG = """
  model_specs { label_key: "label" prediction_key: "probability" }
  slicing_specs {} slicing_specs { feature_keys: "color" }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics { class_name: "AUC" config: '"name": "a<b>"'
      threshold { value_threshold { lower_bound { value: 0.8 } } } }
    metrics { class_name: "MeanLabel" }
  }
"""


class Reader(html.parser.HTMLParser):
    """Collects texts by class, and all tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def count(self, tag, name):
        return sum(name in (a.get("class") or "").split() for t, a in self.tags if t == tag)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    sliced = SlicedEvaluation(
        config=parse_config(CONFIG),
        model=write_echo_model(root / "model"),
        baseline=write_echo_model(root / "base", 0.5),
        files=[write_scored_examples(root / "data.gz")],
        compression="GZIP",
        data_location="data <here>",
    )
    return root, sliced, sliced.run(str(root / "out"))


@pytest.fixture(scope="module")
def page(made):
    return write_page(*made)


def write_page(root, sliced, evaluation):
    path = write_evaluation_page(
        str(root / "out"),
        title="<script>alert(1)</script>",
        verdict=Verdict(blessed=False, reason="why & <why>"),
        validation=evaluation.validation,
        sliced=sliced,
        evaluation=evaluation,
        engine="runtime",
        model_fn_metrics={"eval": {"loss": 0.25}},
    )
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_says_everything(page):
    reader = Reader(page)
    assert {"Not blessed", "all examples", "color=red", "a<b>", "loss", "0.2500"} <= set(
        reader.texts
    )
    assert reader.count("svg", "chart") == 3
    assert reader.count("div", "row") == 4
    # Both models are drawn, and a baseline's mark is on every bar but those of counts.
    assert reader.count("polyline", "line2") == 3
    assert reader.count("div", "failed") == page.count("threshold not passed") > 0


def test_classes_have_curves_of_their_own(made):
    root, sliced, evaluation = made
    random = np.random.default_rng(1)
    histograms = {}
    for number in range(6):
        positive = random.random(50)
        sums = np.stack([positive, positive, np.ones(50)], axis=1)
        histograms["candidate", number] = Histogram(np.arange(1, 51) * 190, sums, 10002)
    reader = Reader(
        write_page(root, sliced, dataclasses.replace(evaluation, histograms=histograms))
    )
    # One for each colour there is, of this model alone; no line of guessing is that of all.
    assert {"class 0", "class 3"} <= set(reader.texts)
    assert "class 4" not in reader.texts
    assert reader.count("polyline", "line4") == 3
    assert reader.count("polyline", "guide") == 2


def test_metrics_with_thresholds_come_first(made):
    root, sliced, evaluation = made
    results = read_results(str(root / "out"), sliced.resolved_config, evaluation.validation)
    assert results.metrics == ["example_count", "a<b>", "mean_label"]


def test_escapes(page):
    tags = {tag for tag, _ in Reader(page).tags}
    assert not tags & {"script", "why", "here"}
    assert "&lt;script&gt;alert(1)" in page
    assert "default-src 'none'" in page.replace("&#x27;", "'")


def test_sorts_without_a_script(page):
    reader = Reader(page)
    orders = [a["style"] for t, a in reader.tags if t == "div" and a.get("class") == "row"]
    ranks = [dict(part.split(":") for part in style.split(";")) for style in orders]
    for column in ("--o0", "--o1", "--o2", "--o3"):
        assert sorted(int(rank[column]) for rank in ranks) == [0, 1, 2, 3]
    inputs = [a["id"] for t, a in reader.tags if t == "input"]
    assert inputs == [a["for"] for t, a in reader.tags if t == "label"]
    for name in inputs:
        assert f"#{name}:checked" in page


def test_curves_are_those_of_the_data():
    random = np.random.default_rng(2)
    score = np.sort(random.random(500))
    label = (random.random(500) < score).astype(float)
    ids = (score * 10000).astype(int) + 1
    unique, inverse = np.unique(ids, return_inverse=True)
    sums = [np.bincount(inverse, w) for w in (label, score, np.ones(500))]
    curves = make_curves(Histogram(unique, np.stack(sums, axis=1), 10002))
    area = np.trapz(curves.roc[:, 1], curves.roc[:, 0])
    pairs = score[label == 1][:, None] > score[label == 0][None, :]
    assert area == pytest.approx(pairs.mean(), abs=0.01)
    assert curves.base_rate == label.mean()
    assert curves.calibration[:, 2].sum() == 500
    assert len(curves.roc) <= 201
    assert (curves.roc[0].tolist(), curves.roc[-1].tolist()) == ([0, 0], [1, 1])


def test_one_class_has_no_curves():
    assert make_curves(Histogram(np.array([5]), np.array([[2.0, 1.0, 2.0]]), 10002)) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.123456, "0.1235"),
        (0.00001234, "1.23e-05"),
        (4769.5, "4,769.5"),
        (686.5, "686.5"),
        (38172.0, "38,172"),
        (math.nan, "NaN"),
        (-math.inf, "-∞"),
        (0.0, "0"),
    ],
)
def test_numbers(value, words):
    assert format_number(value) == words
