"""The whole pipeline through LocalDagRunner and ML Metadata on SQLite."""

import logging
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from helpers import pipeline_runs
from helpers.needs import small_disk
from helpers.pipeline_runs import list_outputs, make_config, make_eval_config, run
from helpers.tfrecords import make_example, write_records

from tfx_tpu_estimator.components import TPUEstimatorOptions
from tfx_tpu_estimator.errors import (
    DataCorruptionError,
    EmptySplitError,
    SchemaMismatchError,
    UserModuleError,
)
from tfx_tpu_estimator.pipelines.report import read_latest_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run, a second one and a third one of the same pipeline."""
    config = make_config(tmp_path_factory.mktemp("finished"))
    return config, [run(config) for _ in range(3)]


def test_model_is_blessed_and_pushed(finished):
    config, (first, *_) = finished
    assert set(first.nodes.values()) == {"COMPLETE"}
    pushed = first.artifacts["PushedModel"]
    assert first.artifacts["ModelBlessing"]["blessed"] == 1
    assert pushed["pushed"] == 1
    assert os.path.dirname(pushed["pushed_destination"]) == config.push_dir
    assert os.path.basename(pushed["pushed_destination"]) == pushed["pushed_version"]


def test_pushed_model_predicts_what_the_rule_says(finished):
    _, (first, *_) = finished
    destination = first.artifacts["PushedModel"]["pushed_destination"]
    loaded = tf.saved_model.load(destination, tags=["serve"])
    examples = pipeline_runs.make_records(50, seed=9)
    labels = [
        tf.train.Example.FromString(e).features.feature["y"].float_list.value[0] for e in examples
    ]
    predicted = loaded.signatures["predict"](examples=tf.constant(examples))["p"].numpy()
    assert np.mean((predicted[:, 0] > 0.5) == np.array(labels, bool)) > 0.85


def test_lineage_is_on_the_model(finished):
    _, (first, *_) = finished
    model = first.artifacts["Model"]
    assert model["global_step"] == 60
    assert model["train_batch_size"] == 32
    assert model["replicas"] == 1
    assert model["serving_tag_sets"] == "serve;serve,tpu"
    assert first.metrics["accuracy"] > 0.8
    for key in ("model_digest", "module_digest"):
        assert len(model[key]) == 64
    assert model["code_digest"].startswith(model["tfx_tpu_estimator_version"] + "+")
    assert model["tensorflow_version"] == tf.__version__


def test_a_second_run_uses_the_cache_and_pushes_nothing(finished):
    config, (_, second, third) = finished
    assert second.nodes["Trainer"] == "CACHED"
    assert second.nodes["ImportExampleGen"] == "CACHED"
    # The first run's model is now the baseline, which only the Evaluator and the Pusher see.
    assert second.nodes["Evaluator"] == "COMPLETE"
    assert second.artifacts["PushedModel"]["already_newest"] == 1
    assert len(os.listdir(config.push_dir)) - len(_hidden(config.push_dir)) == 1
    # By the third run nothing at all has changed.
    assert {n for n, state in third.nodes.items() if state != "CACHED"} <= {"latest_blessed_model"}


def _hidden(folder):
    return [name for name in os.listdir(folder) if name.startswith(".")]


def test_checkpoints_are_with_the_run_and_not_left_elsewhere(finished):
    config, (first, *_) = finished
    model_run = pathlib.Path(first.artifacts["ModelRun"]["uri"])
    assert list(model_run.rglob("model.ckpt-60.index"))
    assert list(model_run.rglob("events.out.tfevents.*"))
    durable = pathlib.Path(config.root) / "Trainer" / ".checkpoints"
    assert not durable.exists() or not any(durable.iterdir())


def test_each_node_is_announced(tmp_path, caplog):
    caplog.set_level(logging.INFO, "tfx_tpu_estimator.pipelines")
    run(make_config(tmp_path, train_steps=2, eval_config=make_eval_config(0.0)))
    lines = [r.getMessage() for r in caplog.records if r.name == "tfx_tpu_estimator.pipelines"]
    assert "[1/6] ImportExampleGen ..." in lines
    assert any(line.startswith("[6/6] Pusher done in") for line in lines)


def test_unblessed_model_is_not_pushed_and_the_reason_is_told(tmp_path):
    config = make_config(tmp_path, train_steps=1, eval_config=make_eval_config(0.999999))
    report = run(config)
    assert report.artifacts["ModelBlessing"]["blessed"] == 0
    assert "auc" in report.artifacts["ModelBlessing"]["reason"]
    assert report.artifacts["PushedModel"]["pushed"] == 0
    assert not os.path.exists(config.push_dir)


def fails(config, node, error, message):
    """Runs a pipeline that must fail in `node` and checks what is left behind."""
    with pytest.raises(error, match=message):
        run(config)
    report = read_latest_run(config.metadata_path, config.name)
    assert report.nodes[node] == "FAILED"
    assert list_outputs(config, node) == []
    assert not os.path.exists(config.push_dir)


def test_corrupt_record(tmp_path):
    config = make_config(tmp_path)
    path = tmp_path / "data" / "train" / "b.tfrecord"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    fails(config, "ImportExampleGen", DataCorruptionError, r"b\.tfrecord.*record")


@pytest.mark.parametrize("left", [1000, 5])
def test_truncated_file(tmp_path, left):
    config = make_config(tmp_path)
    path = tmp_path / "data" / "eval" / "a.tfrecord"
    path.write_bytes(path.read_bytes()[:left])
    fails(config, "ImportExampleGen", DataCorruptionError, r"a\.tfrecord")


def test_record_that_is_no_example(tmp_path):
    config = make_config(tmp_path)
    write_records(tmp_path / "data" / "train" / "c.tfrecord", [b"\xff\xffgarbage"])
    fails(config, "ImportExampleGen", DataCorruptionError, r"c\.tfrecord: record 0 is not")


def test_pattern_without_files(tmp_path):
    config = make_config(tmp_path, splits={"train": "train/*", "eval": "nothing/*"})
    fails(config, "ImportExampleGen", EmptySplitError, r"nothing/\*")


def test_unknown_split(tmp_path):
    config = make_config(tmp_path, splits={"training": "train/*", "eval": "eval/*"})
    fails(config, "Trainer", ValueError, r"'train'.*training")


def test_empty_split(tmp_path):
    config = make_config(tmp_path)
    write_records(tmp_path / "data" / "eval" / "a.tfrecord", [])
    fails(config, "Trainer", EmptySplitError, "eval")


def test_record_that_does_not_match_the_schema(tmp_path):
    config = make_config(tmp_path)
    bad = make_example(x=[1.0, 2.0], y=[0.0])  # x has 2 values, not 4
    write_records(tmp_path / "data" / "train" / "c.tfrecord", [bad])
    fails(config, "Trainer", SchemaMismatchError, r"record \d+.*'x'")


def test_module_without_the_needed_functions(tmp_path):
    config = make_config(tmp_path)
    (tmp_path / "user_module.py").write_text("def my_model(features): pass\n")
    fails(config, "Trainer", UserModuleError, "user_module.py.*(run_fn|model_fn)")


def test_module_that_cannot_be_imported(tmp_path):
    config = make_config(tmp_path)
    (tmp_path / "user_module.py").write_text("import no_such_library\n")
    fails(config, "Trainer", UserModuleError, "no_such_library")


def test_model_without_a_serving_receiver(tmp_path):
    config = make_config(tmp_path)
    module = tmp_path / "user_module.py"
    inputs = """
import tensorflow as tf2
def train_input_fn(params):
    data = tf2.data.Dataset.from_tensors(({"x": [1.0] * 4}, [1.0]))
    return data.repeat(100).batch(params["batch_size"])
eval_input_fn = train_input_fn
"""
    module.write_text(module.read_text() + inputs)
    config = make_config(tmp_path, schema_file=None)
    fails(config, "Trainer", ValueError, "serving_input_receiver_fn")


def test_full_disk_during_export(tmp_path):
    config = make_config(tmp_path)
    module = tmp_path / "user_module.py"
    module.write_text(
        module.read_text().replace(
            "    logits =", '    tf.get_variable("big", [1000000])\n    logits ='
        )
    )
    with small_disk(tmp_path / "small", 2) as small:
        config = make_config(
            tmp_path,
            root=str(small / "artifacts"),
            options=TPUEstimatorOptions(
                train_batch_size=32, label_key="y", checkpoint_dir=str(tmp_path / "checkpoints")
            ),
        )
        fails(config, "Trainer", OSError, "Could not write the SavedModel")
