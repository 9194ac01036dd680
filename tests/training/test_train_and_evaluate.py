"""train_and_evaluate on both engines, roles of a cluster, and errors."""

import json
import os
import signal

import numpy as np
import pytest
import tensorflow as tf
from helpers import models
from helpers.events import read_scalars
from helpers.hooks import CountingHook

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator import (
    BestExporter,
    Estimator,
    EvalSpec,
    FeatureNotAvailableError,
    FinalExporter,
    LatestExporter,
    TrainSpec,
    train_and_evaluate,
)
from tfx_tpu_estimator.runs.preemption import TrainingTerminated
from tfx_tpu_estimator.training.run_end import RunEnd, read_run_end, write_run_end

tf1 = tf.compat.v1
ENGINES = pytest.mark.parametrize("use_tpu", [False, True], ids=["host", "devices"])


def make(model_dir, *, use_tpu=False, save_every=8, **arguments):
    run = {"save_checkpoints_steps": save_every}
    if use_tpu:
        return models.make_tpu_estimator(model_dir, run=run, **arguments)
    config = tpu_estimator.RunConfig(tf_random_seed=1, **run)
    return models.make_estimator(model_dir, config=config, **arguments)


def make_specs(max_steps, *, input_fn=models.train_input_fn, hooks=(), **evaluation):
    evaluation = {"steps": 10, "throttle_secs": 0, **evaluation}
    return (
        TrainSpec(input_fn, max_steps=max_steps, hooks=hooks),
        EvalSpec(models.eval_input_fn, **evaluation),
    )


@ENGINES
def test_every_checkpoint_is_evaluated_and_exported(tmp_path, use_tpu):
    exporters = [
        FinalExporter("final", models.receiver_fn),
        LatestExporter("latest", models.receiver_fn, exports_to_keep=2),
        BestExporter("best", models.receiver_fn),
    ]
    estimator = make(tmp_path, use_tpu=use_tpu)
    metrics, exports = train_and_evaluate(
        estimator, *make_specs(20, exporters=exporters, name="test")
    )
    losses = read_scalars(estimator.eval_dir("test"), "loss")
    assert sorted(losses) == [8, 16, 20]
    assert metrics["global_step"] == 20
    assert metrics["loss"] == pytest.approx(losses[20], rel=1e-6)
    versions = {
        path.name: sorted(p.name for p in path.iterdir() if p.name.isdigit())
        for path in (tmp_path / "export").iterdir()
    }
    assert {name: len(found) for name, found in versions.items()} == {
        "final": 1,
        "latest": 2,
        "best": 3,
    }
    assert [os.path.basename(path).decode() for path in exports] == [
        versions[name][-1] for name in ("final", "latest", "best")
    ]
    # Evaluations and exports on the way leave the training as it is.
    _, kernel, _ = models.train_by_hand(20)
    np.testing.assert_allclose(estimator.get_variable_value("kernel"), kernel, rtol=1e-4)
    loaded = tf.saved_model.load(os.fsdecode(exports[0]), tags=["serve"])
    served = loaded.signatures["serving_default"](tf.constant(models.FEATURES))
    predicted = [p["probabilities"] for p in estimator.predict(models.eval_input_fn)]
    np.testing.assert_allclose(served["probabilities"], predicted, rtol=1e-5)


def test_throttled_evaluations_and_the_last_one(tmp_path):
    estimator = make(tmp_path)
    train_and_evaluate(estimator, *make_specs(20, throttle_secs=600))
    assert sorted(read_scalars(estimator.eval_dir(), "loss")) == [8, 20]


@ENGINES
def test_the_final_export_when_training_ends_early(tmp_path, use_tpu):
    """Whether the input ends or a hook stops it; the old one exported nothing then."""
    exporter = FinalExporter("final", models.receiver_fn)
    estimator = make(tmp_path, use_tpu=use_tpu)
    steps = make_specs(
        40 if use_tpu else None,
        input_fn=lambda params: models.train_input_fn(params).take(12),
        exporters=exporter,
    )
    metrics, exports = train_and_evaluate(estimator, *steps)
    assert metrics["global_step"] == 12
    assert len(list((tmp_path / "export/final").iterdir())) == 1
    assert exports[0] is not None


def test_exporters_that_have_exported_are_not_called_again_at_an_early_end(tmp_path):
    exporters = [
        LatestExporter("latest", models.receiver_fn),
        FinalExporter("final", models.receiver_fn),
    ]
    specs = make_specs(
        None, input_fn=lambda params: models.train_input_fn(params).take(8), exporters=exporters
    )
    _, exports = train_and_evaluate(make(tmp_path), *specs)
    assert len(list((tmp_path / "export/latest").iterdir())) == 1
    assert all(exports)


class Terminate(tf1.train.CheckpointSaverListener):
    """Sends SIGTERM after the checkpoint of a step."""

    def __init__(self, step):
        self._step = step

    def after_save(self, session, global_step_value):
        if global_step_value == self._step:
            os.kill(os.getpid(), signal.SIGTERM)


@ENGINES
def test_a_terminated_training_is_not_evaluated_but_goes_on_later(tmp_path, use_tpu):
    estimator = make(tmp_path, use_tpu=use_tpu)
    train_spec, eval_spec = make_specs(20)
    terminated = train_spec._replace(saving_listeners=[Terminate(16)])
    with pytest.raises(TrainingTerminated, match="terminated by SIGTERM"):
        train_and_evaluate(estimator, terminated, eval_spec)
    assert sorted(read_scalars(estimator.eval_dir(), "loss")) == [8]
    metrics, _ = train_and_evaluate(make(tmp_path, use_tpu=use_tpu), train_spec, eval_spec)
    assert metrics["global_step"] == 20


def test_the_final_export_is_made_up_for(tmp_path):
    """A process that died between its last checkpoint and the last export."""
    make(tmp_path).train(models.train_input_fn, max_steps=8)
    specs = make_specs(8, exporters=FinalExporter("final", models.receiver_fn))
    metrics, exports = train_and_evaluate(make(tmp_path), *specs)
    assert metrics["global_step"] == 8
    assert exports[0] is not None
    # Once.
    metrics, exports = train_and_evaluate(make(tmp_path), *specs)
    assert metrics["global_step"] == 8
    assert exports == []
    assert len(list((tmp_path / "export/final").iterdir())) == 1


def test_an_evaluation_of_another_name_has_final_exports_of_its_own(tmp_path):
    train_and_evaluate(make(tmp_path), *make_specs(8))
    specs = make_specs(8, name="b", exporters=FinalExporter("final", models.receiver_fn))
    assert train_and_evaluate(make(tmp_path), *specs)[1][0] is not None
    assert read_run_end(str(tmp_path)).evaluated == ("eval", "eval_b")


def test_the_best_survives_a_restart(tmp_path):
    """With a name of the evaluation, which the old one did not find again."""
    exporter = BestExporter("best", models.receiver_fn, compare_fn=has_larger_step)
    train_and_evaluate(make(tmp_path), *make_specs(16, exporters=exporter, name="x"))
    exporter = BestExporter("best", models.receiver_fn, compare_fn=is_never_better)
    _, exports = train_and_evaluate(make(tmp_path), *make_specs(24, exporters=exporter, name="x"))
    assert exports == [None]
    assert len(list((tmp_path / "export/best").glob("[0-9]*"))) == 2


def has_larger_step(best_eval_result, current_eval_result):
    return current_eval_result["global_step"] > best_eval_result["global_step"]


def is_never_better(best_eval_result, current_eval_result):
    return False


def set_cluster(monkeypatch, task, index=0, **jobs):
    config = {"cluster": jobs or {"chief": ["h:1"]}, "task": {"type": task, "index": index}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def test_the_chief_trains_and_says_when_it_has_ended(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        set_cluster(patch, "chief")
        hook = CountingHook()
        write_run_end(str(tmp_path), RunEnd(global_step=1, max_steps=8))
        result = train_and_evaluate(make(tmp_path), *make_specs(8, hooks=[hook]))
    assert result == (None, [])
    assert hook.calls.count("run") == 8
    assert not (tmp_path / "eval").exists()
    assert read_run_end(str(tmp_path)) == RunEnd(global_step=8, max_steps=8)


def test_a_chief_that_fails_does_not_say_that_it_has_ended(tmp_path, monkeypatch):
    def fail(params):
        raise ValueError("no data")

    with monkeypatch.context() as patch:
        set_cluster(patch, "chief")
        write_run_end(str(tmp_path), RunEnd(global_step=1, max_steps=8))
        with pytest.raises(ValueError, match="no data"):
            train_and_evaluate(make(tmp_path), *make_specs(8, input_fn=fail))
    assert read_run_end(str(tmp_path)) is None


def test_the_master_evaluates_too(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        set_cluster(patch, "master", master=["h:1"])
        estimator = make(tmp_path)
        metrics, _ = train_and_evaluate(estimator, *make_specs(16))
    assert metrics["global_step"] == 16
    assert sorted(read_scalars(estimator.eval_dir(), "loss")) == [8, 16]


def test_parameter_servers_are_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        set_cluster(patch, "ps", chief=["h:1"], ps=["h:2"])
        estimator = make(tmp_path, use_tpu=True)
        with pytest.raises(FeatureNotAvailableError, match=r"Parameter servers.*use_tpu=True"):
            train_and_evaluate(estimator, *make_specs(8))


def test_several_processes_need_an_evaluator(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setenv("TPU_WORKER_ID", "0")
        patch.setenv("TPU_WORKER_HOSTNAMES", "a,b")
        with pytest.raises(FeatureNotAvailableError, match=r"none evaluates.*'evaluator'"):
            train_and_evaluate(make(tmp_path, use_tpu=True), *make_specs(8))
        # On the host nobody asks for others.
        train_and_evaluate(make(tmp_path), *make_specs(8))


def test_there_is_one_evaluator(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        set_cluster(patch, "evaluator", index=1)
        text = "there can only be one `evaluator` task .with task id 0.*Given task id 1"
        with pytest.raises(ValueError, match=text):
            train_and_evaluate(make(tmp_path), *make_specs(8))


@pytest.mark.parametrize(
    ("position", "name"), [(0, "estimator"), (1, "train_spec"), (2, "eval_spec")]
)
@pytest.mark.parametrize("wrong", [None, "x"])
def test_types_are_checked(tmp_path, position, name, wrong):
    arguments = [make(tmp_path), *make_specs(8)]
    arguments[position] = wrong
    wanted = {"estimator": "Estimator", "train_spec": "TrainSpec", "eval_spec": "EvalSpec"}[name]
    text = f"`{name}` must have type `tf.estimator.{wanted}`. Got: <class"
    with pytest.raises(TypeError, match=text):
        train_and_evaluate(*arguments)


def test_something_must_save_checkpoints(tmp_path):
    config = tpu_estimator.RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    estimator = models.make_estimator(tmp_path, config=config)
    with pytest.raises(ValueError, match="There should be a CheckpointSaverHook"):
        train_and_evaluate(estimator, *make_specs(8))


def test_checkpoints_must_be_in_the_model_directory(tmp_path):
    elsewhere = tf1.train.CheckpointSaverHook(str(tmp_path / "elsewhere"), save_steps=4)
    with pytest.raises(RuntimeError, match=r"There was no new checkpoint after the training."):
        train_and_evaluate(make(tmp_path / "model"), *make_specs(8, hooks=[elsewhere]))


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """A model directory in which nothing is left to train."""
    model_dir = tmp_path_factory.mktemp("complete")
    make(model_dir).train(models.train_input_fn, max_steps=8)
    return model_dir


@pytest.mark.parametrize(
    ("metrics", "error", "text"),
    [
        ({}, ValueError, "`Estimator.evaluate` should never return empty metrics"),
        (None, ValueError, "`Estimator.evaluate` should never return empty metrics"),
        (["loss"], TypeError, "`Estimator.evaluate` should return dict."),
        ({"loss": 1.0}, ValueError, "result should have `global_step`"),
    ],
)
def test_metrics_are_checked(complete, monkeypatch, metrics, error, text):
    monkeypatch.setattr(Estimator, "evaluate", lambda self, **arguments: metrics)
    with pytest.raises(error, match=text):
        train_and_evaluate(make(complete), *make_specs(8))
