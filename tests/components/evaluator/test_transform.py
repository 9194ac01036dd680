"""The Evaluator on raw examples of a pipeline with a Transform component."""

import json
import os
import shutil

import pytest
import tensorflow_model_analysis as tfma
from helpers.evaluator_runs import EvaluatorRun, parse_config
from helpers.trainer_runs import TrainerRun
from helpers.transform_graphs import MODULE, make_rows, write_transform
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components import EvaluatorOptions
from tfx_tpu_estimator.components.options import TPUEstimatorOptions

# The label and a slice are made by the graph; another slice is a raw feature.
CONFIG = """
model_specs { label_key: "label" prediction_key: "logits" }
slicing_specs {}
slicing_specs { feature_keys: ["town_xf"] }
slicing_specs { feature_keys: ["town"] }
metrics_specs {
  metrics { class_name: "ExampleCount" }
  metrics { class_name: "MeanLabel"
    threshold { value_threshold { lower_bound { value: 0.0 } } } }
}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("transform")
    graph, raw, transformed = write_transform(root, False)
    trainer = TrainerRun(root / "trainer")
    trainer.inputs = {"examples": [transformed], "transform_graph": [graph]}
    trainer.module_file.write_text(MODULE)
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=5)
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="label", use_tpu=False)
    model, _ = trainer.run()
    return graph, raw, transformed, model


@pytest.fixture
def evaluator(trained, tmp_path):
    _, raw, _, model = trained
    return EvaluatorRun(tmp_path, {"examples": [raw], "model": [model]})


def read_runtime_metrics(evaluation):
    with open(os.path.join(evaluation.uri, "runtime_metrics.json"), encoding="utf-8") as file:
        return json.load(file)["eval"]


def test_raw_examples_with_a_label_that_the_graph_makes(evaluator, trained):
    evaluator.eval_config = parse_config(CONFIG)
    evaluation, blessing = evaluator.run()
    assert blessing.get_string_custom_property("reason") == "all thresholds passed"
    found = {
        key: {name: value["doubleValue"] for name, value in metrics[""][""].items()}
        for key, metrics in tfma.load_eval_result(evaluation.uri).slicing_metrics
    }
    labels = [row["tips"] > 2 for row in make_rows(200)]
    assert found[()] == {"example_count": 200.0, "mean_label": sum(labels) / 200}
    # The graph numbers towns by how often they occur; tips are given in one of them.
    by_town = {key[0][1]: value for key, value in found.items() if key and key[0][0] == "town"}
    by_number = {key[0][1]: value for key, value in found.items() if key and key[0][0] == "town_xf"}
    assert set(by_town) == {"rome", "oslo", "bern"}
    assert set(by_number) == {0, 1, 2}
    assert sorted(map(str, by_town.values())) == sorted(map(str, by_number.values()))
    # The model_fn's own metrics, too, are of raw examples that were transformed.
    metrics = read_runtime_metrics(evaluation)
    evaluator.inputs["examples"] = [trained[2]]
    evaluator.eval_config = None
    again, _ = evaluator.run()
    assert read_runtime_metrics(again) == metrics


def test_transformed_examples_are_refused(evaluator, trained):
    evaluator.inputs["examples"] = [trained[2]]
    evaluator.eval_config = parse_config(CONFIG)
    match = r"`examples` are transformed.*Give `examples=example_gen\.outputs\['examples'\]`"
    with pytest.raises(ValueError, match=match):
        evaluator.run()


def test_a_graph_that_is_gone(evaluator, trained, tmp_path):
    graph, _, _, model = trained
    copy = shutil.copytree(model.uri, tmp_path / "model")
    record = copy / "Run" / "run.json"
    record.write_text(record.read_text().replace(graph.uri, str(tmp_path / "gone")))
    model.uri, uri = str(copy), model.uri
    evaluator.options = EvaluatorOptions(model_fn_metrics=False)
    evaluator.eval_config = parse_config(CONFIG)
    try:
        with pytest.raises(ValueError, match=r"label 'label' is in none.*`transform_graph`"):
            evaluator.run()
    finally:
        model.uri = uri
