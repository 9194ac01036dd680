"""Tests of the Trainer's run_fn form."""

import json
import os
import pathlib

import pytest
from helpers.tfrecords import truncate
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import RUN_FN
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.errors import DataCorruptionError


@pytest.fixture
def trainer(tmp_path):
    run = TrainerRun(tmp_path)
    run.module_file.write_text(RUN_FN)
    run.custom_config = {"batch": 8}
    run.options = TPUEstimatorOptions()
    return run


def test_run_fn_trains_and_exports(trainer):
    model, model_run = trainer.run()
    assert sorted(os.listdir(model.uri)) == ["Format-Serving", "Run"]
    assert model.get_int_custom_property("global_step") == 20
    assert model.get_string_custom_property("serving_tag_sets") == "serve;serve,tpu"
    assert model.get_int_custom_property("train_batch_size") == 8
    assert model.get_int_custom_property("replicas") == 1
    assert "model.ckpt-20.index" in "".join(os.listdir(model_run.uri)) or any(
        name.startswith("model.ckpt-20") for name in os.listdir(model_run.uri)
    )
    record = json.loads((pathlib.Path(model.uri) / "Run" / "run.json").read_text())
    assert record["form"] == "run_fn"
    assert trainer.checkpoint_dirs() == []


def test_fn_args_are_those_of_the_standard_trainer(trainer):
    trainer.module_file.write_text(
        """
def run_fn(fn_args):
    import json
    import os

    values = {
        name: getattr(fn_args, name)
        for name in (
            "train_files", "eval_files", "train_steps", "eval_steps", "schema_path", "schema_file",
            "transform_graph_path", "transform_output", "serving_model_dir", "eval_model_dir",
            "model_run_dir", "base_model", "hyperparameters", "custom_config",
        )
    }
    assert callable(fn_args.data_accessor.tf_dataset_factory)
    raise RuntimeError("FOUND" + json.dumps(values))
"""
    )
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=3)
    with pytest.raises(RuntimeError, match="FOUND") as caught:
        trainer.run()
    values = json.loads(str(caught.value)[5:])
    model_uri = trainer.outputs["model"][0].uri
    assert values["train_files"] == [f"{trainer.examples.uri}/Split-train/*"]
    assert values["eval_files"] == [f"{trainer.examples.uri}/Split-eval/*"]
    assert (values["train_steps"], values["eval_steps"]) == (3, None)
    assert values["schema_path"] == f"{trainer.schema.uri}/schema.pbtxt" == values["schema_file"]
    assert values["serving_model_dir"] == f"{model_uri}/Format-Serving"
    assert values["eval_model_dir"] == f"{model_uri}/Format-TFMA"
    assert values["custom_config"] == {"batch": 8}
    assert ".checkpoints" in values["model_run_dir"]
    for name in ("transform_graph_path", "transform_output", "base_model", "hyperparameters"):
        assert values[name] is None


def test_run_fn_must_write_a_model(trainer):
    trainer.module_file.write_text("def run_fn(fn_args): pass")
    with pytest.raises(RuntimeError, match=r"there is no saved_model\.pb in `fn_args.serving"):
        trainer.run()
    assert trainer.output_files() == []


def test_bad_data_is_explained(trainer):
    # Another file format than the property says: TensorFlow fails inside run_fn.
    trainer.options = TPUEstimatorOptions(verify_examples=False)
    content = bytearray(trainer.split_file("train").read_bytes())
    content[400] ^= 0xFF
    trainer.split_file("train").write_bytes(content)
    with pytest.raises(DataCorruptionError, match=r"Split-train/data\.gz' is corrupt"):
        trainer.run()


def test_truncated_data_is_found_before_run_fn(trainer):
    truncate(trainer.split_file("eval"), -30)
    with pytest.raises(DataCorruptionError, match=r"Split-eval/data\.gz' is corrupt"):
        trainer.run()


def test_run_fn_by_dotted_name(trainer, monkeypatch):
    name = "module_for_run_fn_by_name"
    (trainer.root / f"{name}.py").write_text(RUN_FN)
    monkeypatch.syspath_prepend(str(trainer.root))
    trainer.module = {"run_fn": f"{name}.run_fn"}
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == 20


@pytest.mark.parametrize("module", [{}, {"module_file": "a", "run_fn": "b.c"}])
def test_exactly_one_module(trainer, module):
    trainer.module = module
    with pytest.raises(ValueError, match="exactly one of `module_file`"):
        trainer.run()
