"""Tests of the Trainer's executor: what a run of plain functions leaves behind."""

import json
import os
import pathlib
import textwrap

import numpy as np
import pytest
import tensorflow as tf
from helpers.trainer_runs import TrainerRun, make_records
from helpers.user_modules import MODEL, OWN_INPUT, OWN_RECEIVER
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components.digest import compute_model_digest
from tfx_tpu_estimator.components.options import TPUEstimatorOptions


@pytest.fixture
def trainer(tmp_path):
    return TrainerRun(tmp_path)


def serve(model, records):
    loaded = tf.saved_model.load(os.path.join(model.uri, "Format-Serving"), tags=["serve"])
    signature = loaded.signatures["serving_default"]
    return signature(examples=tf.constant(records))["probabilities"].numpy()


def read_record(model):
    return json.loads((pathlib.Path(model.uri) / "Run" / "run.json").read_text())


def test_a_model_fn_and_a_schema_are_enough(trainer):
    model, model_run = trainer.run()
    serving = pathlib.Path(model.uri) / "Format-Serving"
    assert sorted(os.listdir(model.uri)) == ["Format-Serving", "Run"]
    for artifact in (model, model_run):
        assert artifact.get_int_custom_property("global_step") == 20
        assert artifact.get_int_custom_property("train_batch_size") == 16
        assert artifact.get_int_custom_property("replicas") == 1
        assert artifact.get_int_custom_property("seed") == 42
        assert artifact.get_string_custom_property("serving_tag_sets") == "serve;serve,tpu"
        assert artifact.get_string_custom_property("model_digest") == compute_model_digest(
            str(serving)
        )
        assert artifact.get_float_custom_property("metric/accuracy") > 0.9
        assert artifact.get_string_custom_property("tensorflow_version") == tf.__version__
        for key in ("module_digest", "code_digest", "tfx_tpu_estimator_version"):
            assert artifact.get_string_custom_property(key)
    assert not model.has_custom_property("metric/global_step")
    records = make_records(8, seed=5)
    probabilities = serve(model, records)
    assert probabilities.shape == (8, 1)
    np.testing.assert_array_equal(serve(model, records), probabilities)


def test_the_label_is_not_needed_to_serve(trainer):
    from helpers.tfrecords import make_example

    model, _ = trainer.run()
    assert serve(model, [make_example(x=[3.0, 3.0], kind=1)]) > 0.5


def test_checkpoints_and_events_are_in_model_run(trainer):
    _, model_run = trainer.run()
    latest = tf.train.latest_checkpoint(model_run.uri)
    assert os.path.basename(latest) == "model.ckpt-20"
    assert latest.startswith(model_run.uri)
    names = os.listdir(model_run.uri)
    assert any("tfevents" in name for name in names)
    assert any("tfevents" in name for name in os.listdir(os.path.join(model_run.uri, "eval")))
    assert trainer.checkpoint_dirs() == []


def test_the_run_is_recorded(trainer):
    trainer.options = TPUEstimatorOptions(
        train_batch_size=16, label_key="label", params={"learning_rate": 0.25}
    )
    trainer.custom_config = {"note": "hello"}
    model, _ = trainer.run()
    record = read_record(model)
    assert record["form"] == "functions"
    assert record["custom_config"] == {"note": "hello"}
    assert record["options"]["params"] == {"learning_rate": 0.25}
    assert record["facts"]["resolved_options"]["train_batch_size"] == 16
    assert record["facts"]["params"]["note"] == "hello"
    assert record["facts"]["metrics"]["global_step"] == 20
    assert (pathlib.Path(model.uri) / "Run" / "module" / "module.py").read_text() == MODEL


def test_two_runs_of_the_same_inputs_give_the_same_model(trainer):
    first, _ = trainer.run()
    second, _ = trainer.run()
    assert first.get_string_custom_property("model_digest") == second.get_string_custom_property(
        "model_digest"
    )


@pytest.mark.parametrize(("records", "steps"), [(64, 4), (65, 5), (3, 1)])
def test_no_step_count_is_one_pass_over_the_schemas_input(trainer, records, steps):
    trainer.write_split("train", make_records(records))
    trainer.train_args = trainer_pb2.TrainArgs()
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == steps


def test_no_step_count_is_one_pass_over_the_users_input(trainer):
    trainer.module_file.write_text(MODEL + OWN_INPUT + OWN_RECEIVER)
    trainer.train_args = trainer_pb2.TrainArgs()
    del trainer.inputs["schema"]
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == 4


def test_estimator_params_set_options_and_hyperparameters(trainer):
    trainer.module_file.write_text(
        MODEL
        + textwrap.dedent(
            """
            def estimator_params():
                return {"train_batch_size": 8, "seed": 7, "learning_rate": 0.125}
            """
        )
    )
    model, _ = trainer.run()
    # The batch size given on the component wins; the seed was left to the module.
    assert model.get_int_custom_property("train_batch_size") == 16
    assert model.get_int_custom_property("seed") == 7
    assert read_record(model)["facts"]["params"]["learning_rate"] == 0.125


def test_a_receiver_may_ask_for_params(trainer):
    trainer.module_file.write_text(
        MODEL
        + OWN_RECEIVER.replace("fn():", "fn(params):").replace(
            '"x": x}, {"x": x}', '"x": x}, {params["input_name"]: x}'
        )
    )
    trainer.custom_config = {"input_name": "point"}
    model, _ = trainer.run()
    loaded = tf.saved_model.load(os.path.join(model.uri, "Format-Serving"), tags=["serve"])
    output = loaded.signatures["serving_default"](point=tf.constant([[5.0, 5.0]]))
    assert output["probabilities"].numpy() > 0.5


def test_only_the_serve_metagraph(trainer):
    trainer.options = TPUEstimatorOptions(
        train_batch_size=16, label_key="label", export_to_tpu=False
    )
    model, _ = trainer.run()
    assert model.get_string_custom_property("serving_tag_sets") == "serve"


def test_other_splits(trainer):
    from helpers.artifacts import make_examples

    trainer.examples = make_examples(trainer.root / "examples" / "2", ["a", "b"])
    trainer.inputs["examples"] = [trainer.examples]
    trainer.write_split("a", make_records(16))
    trainer.write_split("b", make_records(16))
    trainer.train_args = trainer_pb2.TrainArgs(splits=["a"], num_steps=1)
    trainer.eval_args = trainer_pb2.EvalArgs(splits=["b"], num_steps=1)
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == 1


def test_a_base_model_is_where_training_starts(trainer):
    base, _ = trainer.run()
    trainer.inputs["base_model"] = [base]
    # So small a step does not move the weights.
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=1)
    trainer.options = TPUEstimatorOptions(
        train_batch_size=16, label_key="label", params={"learning_rate": 1e-9}
    )
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == 1
    records = make_records(8, seed=5)
    np.testing.assert_allclose(serve(model, records), serve(base, records), rtol=1e-5)


def sharded(trainer):
    trainer.options = TPUEstimatorOptions(
        use_tpu=True, num_shards=4, train_batch_size=16, eval_batch_size=12, label_key="label"
    )
    return trainer.run()[0]


def test_sharded_training_gives_the_model_of_the_host(trainer):
    bare = 'tf1.train.GradientDescentOptimizer(params.get("learning_rate", 0.5))'
    trainer.module_file.write_text(MODEL.replace(bare, f"tf1.tpu.CrossShardOptimizer({bare})"))
    trainer.options = TPUEstimatorOptions(
        train_batch_size=16, eval_batch_size=12, label_key="label"
    )
    host, _ = trainer.run()
    model = sharded(trainer)
    assert host.get_int_custom_property("replicas") == 1
    assert model.get_int_custom_property("replicas") == 4
    records = make_records(20, seed=5)
    np.testing.assert_allclose(serve(model, records), serve(host, records), rtol=1e-4)
    # All examples are evaluated, the last partial batch too, though no step count was given.
    for name in ("metric/accuracy", "metric/loss"):
        assert model.get_float_custom_property(name) == pytest.approx(
            host.get_float_custom_property(name), rel=1e-4
        )


def test_devices_have_to_be_told_when_to_stop(trainer):
    trainer.module_file.write_text(MODEL + OWN_INPUT + OWN_RECEIVER)
    trainer.train_args = trainer_pb2.TrainArgs()
    with pytest.raises(ValueError, match=r"`train_args\.num_steps` must be given with"):
        sharded(trainer)
