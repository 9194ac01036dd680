"""Tests of following a model back and forward, and of drawing that."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from helpers.lineage_stores import MemoryLineage

from tfx_tpu_estimator.pipelines.lineage.drawing import lay_out, render_lineage, write_drawing
from tfx_tpu_estimator.pipelines.lineage.tracing import trace_model
from tfx_tpu_estimator.pipelines.lineage.words import describe_artifact


@pytest.fixture
def store():
    """Two models, the second warm-started from the first, one set of examples for both."""
    store = MemoryLineage()
    examples, schema = store.add("Examples"), store.add("Schema")
    store.run("ImportExampleGen", {}, {"examples": examples})
    first, second = store.add("Model"), store.add("Model", global_step=7, **{"metric/auc": 0.5})
    store.run("Trainer", {"examples": examples, "schema": schema}, {"model": first})
    store.run("Trainer", {"base_model": first, "examples": examples}, {"model": second})
    verdict = store.add("ModelBlessing", blessed=1, current_model_id=second.id)
    store.run("Evaluator", {"baseline_model": first, "model": second}, {"blessing": verdict})
    pushed = store.add("PushedModel", pushed_destination="/<serving>/1")
    store.run("Pusher", {"model": second, "model_blessing": verdict}, {"pushed_model": pushed})
    return store


def test_back_to_the_data(store):
    (_, second) = store.list_artifacts("Model")
    origin = trace_model(store, second).origin
    assert origin.execution.node == "Trainer"
    assert [used.name for used in origin.inputs] == ["base_model", "examples"]
    base, examples = origin.inputs
    assert [used.name for used in base.inputs] == ["examples", "schema"]
    assert base.inputs[0].inputs == []
    assert base.inputs[0].execution.node == "ImportExampleGen"
    # Nothing is known of where the schema came from; the examples were shown already.
    assert base.inputs[1].execution is None
    assert examples.repeated


def test_forward_to_what_became_of_it(store):
    first, second = store.list_artifacts("Model")
    results = trace_model(store, second).results
    assert [(r.execution.node, r.artifact.type) for r in results] == [
        ("Evaluator", "ModelBlessing"),
        ("Pusher", "PushedModel"),
    ]
    # The verdict about the second is none about the first, which it was compared with.
    assert [r.artifact.type for r in trace_model(store, first).results] == ["Model"]


def test_an_evaluation_is_about_its_model_not_about_the_baseline(store):
    first, second = store.list_artifacts("Model")
    evaluation = store.add("ModelEvaluation", auc=0.5)
    store.run("Evaluator", {"baseline_model": first, "model": second}, {"evaluation": evaluation})
    assert [r.artifact.type for r in trace_model(store, first).results] == ["Model"]
    assert trace_model(store, second).results[-1].artifact is evaluation


def test_plain_data(store):
    content = trace_model(store, store.list_artifacts("Model")[1]).to_dict()
    assert content["model"]["artifact"]["properties"]["global_step"] == 7
    assert content["model"]["execution"]["node"] == "Trainer"
    assert content["results"][1]["properties"] == {"pushed_destination": "/<serving>/1"}


def test_every_box_is_right_of_what_it_was_made_of(store):
    boxes, edges = lay_out(trace_model(store, store.list_artifacts("Model")[1]))
    assert len(boxes) == 11
    assert ("a1", "e3") in edges
    assert ("e3", "a4") in edges
    assert ("a5", "e5") in edges  # the verdict, and the push that asked for it
    text = render_lineage(trace_model(store, store.list_artifacts("Model")[1]))
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    places = {
        group.find("title").text.split(":")[0]: float(group.find("rect").get("x"))
        for group in drawing.iter("g")
    }
    order = ["ImportExampleGen", "Examples 1", "Model 3", "Model 4", "Evaluator", "Pusher"]
    assert [places[name] for name in order] == sorted({places[name] for name in order})


def test_no_line_runs_behind_a_box(store):
    text = render_lineage(trace_model(store, store.list_artifacts("Model")[1]))
    drawing = ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    boxes = [
        [float(group.find("rect").get(name)) for name in ("x", "y", "width", "height")]
        for group in drawing.iter("g")
    ]
    level = [
        (*re.search(r" ([\d.]+),([\d.]+) H([\d.]+)", path.get("d")).groups(),)
        for path in drawing.findall("path")
        if "H" in path.get("d")
    ]
    assert level  # what the evaluation used, past the model
    for start, at, end in level:
        for x, y, width, height in boxes:
            if x < float(end) and float(start) < x + width:
                assert not y <= float(at) <= y + height
    assert len({at for _, at, _ in level}) == len(level)


def test_the_page_escapes_and_needs_nothing(store, tmp_path):
    path = tmp_path / "lineage.html"
    write_drawing(path, trace_model(store, store.list_artifacts("Model")[1]))
    text = path.read_text()
    assert "/&lt;serving&gt;/1" in text
    assert "<serving>" not in text
    assert "http" not in text.replace("http-equiv", "")


def test_words(store):
    assert describe_artifact(store.list_artifacts("Model")[1]) == [
        "global_step 7",
        "metrics: auc 0.5",
    ]
