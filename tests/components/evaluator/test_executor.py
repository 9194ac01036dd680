"""Tests of the Evaluator's executor on models that were really trained."""

import json
import os
import pathlib
import shutil

import pytest
from helpers.artifacts import make_artifact
from helpers.evaluated import write_echo_model
from helpers.evaluator_runs import EvaluatorRun, parse_config
from helpers.tfrecords import make_example, truncate
from helpers.trainer_runs import TrainerRun, make_records
from helpers.user_modules import MODEL
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components import EvaluatorOptions
from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError, SchemaMismatchError

SLICES = """
model_specs { label_key: "label" }
slicing_specs {}
slicing_specs { feature_keys: ["kind"] }
"""
METRIC = 'metrics_specs { metrics { class_name: "BinaryAccuracy" %s } }'
EASY = SLICES + METRIC % "threshold { value_threshold { lower_bound { value: 0.5 } } }"
IMPOSSIBLE = SLICES + METRIC % "threshold { value_threshold { lower_bound { value: 1.5 } } }"
NO_THRESHOLD = SLICES + METRIC % ""
PER_SLICE = SLICES + METRIC % (
    "per_slice_thresholds { slicing_specs { feature_keys: 'kind' } "
    "threshold { value_threshold { lower_bound { value: 1.5 } } } }"
)
ECHOED = """
model_specs { label_key: "label" prediction_key: "probability" }
metrics_specs { metrics { class_name: "MeanSquaredError"
  threshold { value_threshold { lower_bound { value: 0 } } } } }
"""
CHANGE = """
model_specs { label_key: "label" }
slicing_specs {}
metrics_specs { metrics { class_name: "BinaryAccuracy"
  threshold { change_threshold { direction: HIGHER_IS_BETTER absolute { value: %s } } } } }
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A good model, a bad one and the run they came from."""
    trainer = TrainerRun(tmp_path_factory.mktemp("trained"))
    good, _ = trainer.run()
    trainer.module_file.write_text(
        MODEL.replace("optimizer.minimize(loss", "optimizer.minimize(-loss")
    )
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=21)
    bad, _ = trainer.run()
    return trainer, good, bad


@pytest.fixture
def evaluator(trained, tmp_path):
    trainer, good, _ = trained
    return EvaluatorRun(tmp_path, {**trainer.inputs, "model": [good]})


@pytest.fixture
def own_examples(evaluator, tmp_path):
    """Gives the evaluation examples of its own, to damage."""
    trainer = TrainerRun(tmp_path / "own")
    evaluator.inputs["examples"] = [trainer.examples]
    return trainer


def test_the_runtimes_metrics_equal_the_trainers(evaluator, trained):
    evaluation, blessing = evaluator.run()
    model = trained[1]
    written = json.loads((pathlib.Path(evaluation.uri) / "runtime_metrics.json").read_text())
    assert written["eval"]["global_step"] == 20
    for name in ("accuracy", "auc", "loss"):
        expected = model.get_float_custom_property(f"metric/{name}")
        assert evaluation.get_float_custom_property(f"metric/{name}") == expected
        assert written["eval"][name] == expected
    assert blessing.get_int_custom_property("blessed") == 0
    assert blessing.get_string_custom_property("reason").startswith("no thresholds configured")
    assert os.listdir(blessing.uri) == ["NOT_BLESSED"]
    assert blessing.get_string_custom_property("current_model") == model.uri
    assert blessing.get_int_custom_property("current_model_id") == model.id


def test_blessed_without_thresholds_when_told_so(evaluator):
    evaluator.bless_without_thresholds = 1
    blessed, reason, files = evaluator.verdict()
    assert (blessed, files) == (1, ["BLESSED"])
    assert "no thresholds configured" in reason


def test_several_splits(evaluator):
    evaluator.splits = ["train", "eval"]
    evaluation, _ = evaluator.run()
    assert evaluation.has_custom_property("metric/train/accuracy")
    assert evaluation.has_custom_property("metric/eval/accuracy")


def test_thresholds_that_pass(evaluator):
    evaluator.eval_config = parse_config(EASY)
    evaluation, blessing = evaluator.run()
    assert blessing.get_int_custom_property("blessed") == 1
    assert blessing.get_string_custom_property("reason").startswith("all thresholds passed")
    assert os.listdir(blessing.uri) == ["BLESSED"]
    assert "runtime_metrics.json" in os.listdir(evaluation.uri)

    import tensorflow_model_analysis as tfma

    result = tfma.load_eval_result(evaluation.uri)
    slices = {slice_key for slice_key, _ in result.slicing_metrics}
    assert slices == {(), (("kind", 0),), (("kind", 1),)}
    (overall,) = [m for key, m in result.slicing_metrics if key == ()]
    accuracy = overall[""][""]["binary_accuracy"]["doubleValue"]
    assert accuracy == pytest.approx(evaluation.get_float_custom_property("metric/accuracy"))


def test_a_threshold_that_fails_is_named(evaluator):
    evaluator.eval_config = parse_config(IMPOSSIBLE)
    blessed, reason, files = evaluator.verdict()
    assert (blessed, files) == (0, ["NOT_BLESSED"])
    assert "binary_accuracy on all examples is " in reason
    assert "needed >= 1.5" in reason


def test_the_slice_of_a_failed_threshold_is_named(evaluator):
    evaluator.eval_config = parse_config(PER_SLICE)
    blessed, reason, _ = evaluator.verdict()
    assert blessed == 0
    assert "binary_accuracy on kind=0 is " in reason
    assert "binary_accuracy on kind=1 is " in reason


def test_an_eval_config_without_thresholds_does_not_bless(evaluator):
    evaluator.eval_config = parse_config(NO_THRESHOLD)
    blessed, reason, files = evaluator.verdict()
    assert (blessed, files) == (0, ["NOT_BLESSED"])
    assert reason.startswith("no thresholds configured")
    evaluator.bless_without_thresholds = 1
    assert evaluator.verdict()[0] == 1


def test_worse_than_the_baseline(evaluator, trained):
    _, good, bad = trained
    evaluator.inputs["model"], evaluator.inputs["baseline_model"] = [bad], [good]
    evaluator.eval_config = parse_config(CHANGE % "-0.01")
    _, blessing = evaluator.run()
    assert blessing.get_int_custom_property("blessed") == 0
    reason = blessing.get_string_custom_property("reason")
    assert "needed a change >= -0.01 against the baseline" in reason
    assert blessing.get_int_custom_property("baseline_model_id") == good.id
    assert blessing.get_string_custom_property("baseline_model") == good.uri


def test_better_than_the_baseline(evaluator, trained):
    evaluator.inputs["baseline_model"] = [trained[2]]
    evaluator.eval_config = parse_config(CHANGE % "0.01")
    assert evaluator.verdict()[0] == 1


def test_no_baseline_yet(evaluator):
    evaluator.inputs["baseline_model"] = []
    evaluator.eval_config = parse_config(CHANGE % "0.01")
    blessed, reason, _ = evaluator.verdict()
    assert blessed == 1
    assert "no baseline model" in reason


def test_metrics_that_are_not_numbers_never_bless(evaluator, tmp_path):
    trainer = TrainerRun(tmp_path / "nan")
    trainer.module_file.write_text(
        MODEL.replace(
            'if mode == "eval":', 'if mode == "eval":\n        loss = loss * float("nan")'
        )
    )
    evaluator.inputs["model"] = [trainer.run()[0]]
    evaluator.bless_without_thresholds = 1
    blessed, reason, _ = evaluator.verdict()
    assert blessed == 0
    assert "metrics are not finite: loss on split eval is nan" in reason
    evaluator.eval_config = parse_config(EASY)
    assert evaluator.verdict()[0] == 0


def test_the_recorded_module_counts_not_the_file(evaluator, tmp_path):
    trainer = TrainerRun(tmp_path / "other")
    trainer.module_file.write_text("from neighbour import *\n" + MODEL)
    (trainer.root / "neighbour.py").write_text("VALUE = 1")
    model, _ = trainer.run()
    trainer.module_file.write_text("raise ValueError('edited since')")
    (trainer.root / "neighbour.py").unlink()
    evaluator.inputs["model"] = [model]
    evaluation, _ = evaluator.run()
    assert evaluation.has_custom_property("metric/auc")


def test_neither_an_eval_config_nor_a_record(evaluator, trained, tmp_path):
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    shutil.copytree(
        os.path.join(trained[1].uri, "Format-Serving"), tmp_path / "model" / "Format-Serving"
    )
    evaluator.inputs["model"] = [model]
    with pytest.raises(ValueError, match="`eval_config` is missing, and the model at"):
        evaluator.run()
    evaluator.eval_config = parse_config(EASY)
    assert evaluator.verdict()[0] == 1


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ('model_specs { model_type: "tfma_eval" }', "model_type 'tfma_eval' needs an EvalSaved"),
        ('model_specs { signature_name: "eval" }', "signature_name 'eval' is that of"),
        (SLICES, "no `metrics_specs`"),
        (EASY + 'model_specs { name: "b" }', "at most one candidate and one baseline"),
        (
            EASY.replace("model_specs {", 'model_specs { signature_name: "predict_it"'),
            "has no signature 'predict_it'; it has serving_default",
        ),
    ],
)
def test_eval_configs_that_cannot_work(evaluator, config, match):
    evaluator.eval_config = parse_config(config)
    with pytest.raises(ValueError, match=match):
        evaluator.run()
    assert os.listdir(evaluator.blessing.uri) == []


def test_no_model(evaluator):
    evaluator.inputs["model"] = []
    with pytest.raises(ValueError, match="`model` is missing"):
        evaluator.run()


def test_a_model_without_a_saved_model(evaluator, tmp_path):
    evaluator.inputs["model"] = [make_artifact(standard_artifacts.Model, tmp_path / "empty")]
    with pytest.raises(ValueError, match=r"has no saved_model\.pb"):
        evaluator.run()


def test_unknown_split(evaluator):
    evaluator.splits = ["test"]
    match = "`example_splits` names the split 'test'.*available: train, eval"
    with pytest.raises(ValueError, match=match):
        evaluator.run()


def test_empty_split(evaluator, own_examples):
    own_examples.write_split("eval", [])
    with pytest.raises(EmptySplitError, match=r"split 'eval' at .* has no records"):
        evaluator.run()


@pytest.mark.parametrize("config", [None, EASY])
def test_truncated_file(evaluator, own_examples, config):
    truncate(own_examples.split_file("eval"), -40)
    evaluator.eval_config = parse_config(config) if config else None
    with pytest.raises(DataCorruptionError, match=r"data\.gz' is corrupt at record \d+"):
        evaluator.run()


def test_truncated_file_without_a_record_of_the_run(evaluator, own_examples, trained, tmp_path):
    """TFMA alone reads the examples: its Beam pipeline fails, the message is the same."""
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    shutil.copytree(
        os.path.join(trained[1].uri, "Format-Serving"), tmp_path / "model" / "Format-Serving"
    )
    evaluator.inputs["model"] = [model]
    evaluator.eval_config = parse_config(EASY)
    truncate(own_examples.split_file("eval"), -40)
    with pytest.raises(DataCorruptionError, match=r"data\.gz' is corrupt at record \d+"):
        evaluator.run()


def test_a_record_that_does_not_match_the_schema(evaluator, own_examples):
    own_examples.write_split("eval", [*make_records(3), make_example(x=[1.0], kind=1, label=1)])
    with pytest.raises(SchemaMismatchError, match=r"record 3 .*'x'"):
        evaluator.run()


def test_the_engine_tfma_gives_the_same_verdict(evaluator, caplog):
    evaluator.eval_config = parse_config(PER_SLICE)
    found = []
    for engine in ("runtime", "tfma"):
        evaluator.options = EvaluatorOptions(engine=engine, model_fn_metrics=False)
        evaluation, blessing = evaluator.run()
        assert evaluation.get_string_custom_property("metrics_engine") == engine
        reason = blessing.get_string_custom_property("reason")
        found.append((blessing.get_int_custom_property("blessed"), set(reason.split("; "))))
        assert "evaluation.html" in os.listdir(evaluation.uri)
        assert "runtime_metrics.json" not in os.listdir(evaluation.uri)
    assert found[0] == found[1]


def test_forced(evaluator):
    evaluator.eval_config = parse_config(IMPOSSIBLE)
    evaluator.options = EvaluatorOptions(force_blessing="a fix that cannot wait", html_page=False)
    evaluation, blessing = evaluator.run(current_component_id="Evaluator.x")
    assert os.listdir(blessing.uri) == ["BLESSED"]
    assert blessing.get_string_custom_property("component_id") == "Evaluator.x"
    reason = blessing.get_string_custom_property("reason")
    assert reason.startswith("blessed by force: a fix that cannot wait (without that not blessed: ")
    assert "needed >= 1.5" in reason
    assert "evaluation.html" not in os.listdir(evaluation.uri)


def test_skew_check(evaluator):
    evaluator.options = EvaluatorOptions(skew_check=True, skew_examples=8)
    evaluator.eval_config = parse_config(EASY)
    evaluation, blessing = evaluator.run()
    assert blessing.get_string_custom_property("reason").startswith("all thresholds passed")
    report = json.loads((pathlib.Path(evaluation.uri) / "skew_check.json").read_text())
    assert report["passed"]
    assert report["examples"] == 8


def test_skew_check_of_a_model_without_a_tpu_graph(evaluator, tmp_path):
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    write_echo_model(tmp_path / "model" / "Format-Serving")
    evaluator.inputs["model"] = [model]
    evaluator.options = EvaluatorOptions(skew_check=True)
    evaluator.eval_config = parse_config(NO_THRESHOLD)
    with pytest.raises(ValueError, match="are other, probability; name the one"):
        evaluator.run()
    evaluator.eval_config = parse_config(ECHOED)
    blessed, reason, _ = evaluator.verdict()
    assert blessed == 0
    assert reason.startswith("the skew check was asked for, and the model has no {serve, tpu}")


def test_predictions_that_are_not_numbers_never_bless(evaluator, tmp_path):
    model = make_artifact(standard_artifacts.Model, tmp_path / "model")
    write_echo_model(tmp_path / "model" / "Format-Serving", float("nan"), feature="x")
    evaluator.inputs["model"] = [model]
    evaluator.eval_config = parse_config(ECHOED)
    blessed, reason, _ = evaluator.verdict()
    assert blessed == 0
    assert "metrics by slice cannot be computed: the model predicts NaN for" in reason
