"""The Trainer's compile check: what will not run on the TPU is found before data is touched."""

import json
import pathlib

import pytest
from helpers.needs import needs_libtpu
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import MODEL

from tfx_tpu_estimator import CompileCheckError, CompileReport
from tfx_tpu_estimator.compile_check import compiler
from tfx_tpu_estimator.components.options import TPUEstimatorOptions

pytestmark = needs_libtpu

SHARDED = MODEL.replace(
    'tf1.train.GradientDescentOptimizer(params.get("learning_rate", 0.5))',
    "tf1.tpu.CrossShardOptimizer(tf1.train.GradientDescentOptimizer(0.5))",
)
STRINGS = SHARDED.replace(
    "logits = tf.matmul(x, weights) + bias",
    "logits = tf.strings.to_number(tf.as_string(tf.matmul(x, weights) + bias))",
)


@pytest.fixture
def trainer(tmp_path):
    run = TrainerRun(tmp_path)
    run.options = TPUEstimatorOptions(
        train_batch_size=16, label_key="label", compile_check="v5e:2x2"
    )
    run.module_file.write_text(SHARDED)
    return run


def read_report(folder):
    path = pathlib.Path(folder) / "compile_report.json"
    return CompileReport.from_json(json.loads(path.read_text()))


def test_a_good_module_is_trained_and_the_report_is_with_the_run(trainer):
    model, model_run = trainer.run()
    assert model.get_int_custom_property("global_step") == 20
    report = read_report(model_run.uri)
    assert report.ok
    assert [p.program for p in report.programs] == ["train", "eval", "serving"]
    assert {p.topology.name for p in report.programs} == {"v5e:2x2"}
    assert report.model == "module"
    assert (pathlib.Path(model_run.uri) / "compile_report.html").exists()


def test_a_module_no_tpu_can_run_fails_before_the_data_is_read(trainer):
    trainer.module_file.write_text(STRINGS)
    # Reading this file to its end would be another error.
    file = trainer.split_file("train")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(CompileCheckError, match=r"train for v5e:2x2 \(refused\)") as caught:
        trainer.run()
    assert "StringToNumber" in str(caught.value) or "AsString" in str(caught.value)
    assert trainer.output_files() == []
    # The launcher deletes the outputs of what fails; the report is beside them.
    (folder,) = trainer.checkpoint_dirs()
    assert str(folder) in str(caught.value)
    assert read_report(folder).programs[0].status == "refused"
    assert not list(folder.glob("*.ckpt*"))


@pytest.mark.parametrize("form", ["def run_fn(fn_args):", "def trainer_fn(fn_args, schema):"])
def test_a_module_that_builds_its_own_estimator_is_told_another_way(trainer, form):
    trainer.module_file.write_text(f"{form}\n    raise SystemExit\n")
    with pytest.raises(ValueError, match=r"`options.compile_check` is .* `compile_preflight=...`"):
        trainer.run()


def test_without_libtpu_it_says_what_to_install(trainer, monkeypatch):
    monkeypatch.setattr(compiler, "_PACKAGE", "no_such_libtpu")
    with pytest.raises(RuntimeError, match=r"libtpu, is not installed. Install it"):
        trainer.run()


def test_an_unknown_topology_is_found_when_the_pipeline_is_written():
    with pytest.raises(ValueError, match="`topology` 'v5e' is unknown"):
        TPUEstimatorOptions(compile_check="v5e")
    assert TPUEstimatorOptions(compile_check="trillium:2x2").compile_check == "v6e:2x2"
