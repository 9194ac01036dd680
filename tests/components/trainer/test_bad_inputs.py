"""Bad inputs to the Trainer, one by one: one clear error and nothing half-written."""

import os
import resource

import pytest
from helpers.tfrecords import flip_byte, make_example, truncate
from helpers.trainer_runs import TrainerRun, make_records
from helpers.user_modules import MODEL, OWN_INPUT, OWN_RECEIVER
from tfx.proto import trainer_pb2

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.errors import (
    DataCorruptionError,
    EmptySplitError,
    ExportError,
    SchemaMismatchError,
    UserModuleError,
)


@pytest.fixture
def trainer(tmp_path):
    return TrainerRun(tmp_path)


def fails(trainer, error, match):
    """Runs and checks the error, and that the outputs hold nothing."""
    with pytest.raises(error, match=f"(?s){match}") as caught:
        trainer.run()
    assert trainer.output_files() == []
    return caught.value


@pytest.mark.parametrize("argument", ["train_args", "eval_args"])
def test_unknown_split(trainer, argument):
    kind = trainer_pb2.TrainArgs if argument == "train_args" else trainer_pb2.EvalArgs
    setattr(trainer, argument, kind(splits=["test"]))
    fails(
        trainer,
        ValueError,
        rf"`{argument}\.splits` names the split 'test'.*available: train, eval",
    )


@pytest.mark.parametrize("split", ["train", "eval"])
def test_empty_split(trainer, split):
    trainer.write_split(split, [])
    fails(trainer, EmptySplitError, f"split '{split}' at .*Split-{split} has no records")


def test_split_without_files(trainer):
    trainer.split_file("eval").unlink()
    fails(trainer, EmptySplitError, "split 'eval' has no files at .*Split-eval")


@pytest.mark.parametrize("split", ["train", "eval"])
def test_truncated_file(trainer, split):
    truncate(trainer.split_file(split), -30)
    fails(trainer, DataCorruptionError, rf"Split-{split}/data\.gz' is corrupt at record \d+")


def test_a_byte_changed_inside_a_file(trainer):
    flip_byte(trainer.split_file("train"), 400)
    fails(trainer, DataCorruptionError, r"Split-train/data\.gz' is corrupt at record \d+")


def test_a_damaged_file_is_named_even_if_not_looked_for(trainer):
    """Without the check before training, TensorFlow's own error leads to the file."""
    trainer.options = TPUEstimatorOptions(
        train_batch_size=16, label_key="label", verify_examples=False
    )
    trainer.write_split("train", make_records(500) * 40)
    flip_byte(trainer.split_file("train"), trainer.split_file("train").stat().st_size // 4)
    error = fails(trainer, DataCorruptionError, r"Split-train/data\.gz' is corrupt at record")
    assert error.__cause__ is not None


def test_not_a_tfrecord_file(trainer):
    trainer.split_file("train").write_text("x,label\n1.0,0\n")
    fails(trainer, DataCorruptionError, r"Split-train/data\.gz' is corrupt at record 0")


@pytest.mark.parametrize("split", ["train", "eval"])
@pytest.mark.parametrize(
    ("record", "match"),
    [
        ({"x": [1.0], "kind": 1, "label": 1}, "'x'"),
        ({"x": [1.0, 2.0], "kind": 1}, "'label'"),
        ({"x": [1.0, 2.0], "kind": b"left", "label": 1}, "'kind'"),
    ],
    ids=["length", "missing", "type"],
)
def test_a_record_that_does_not_match_the_schema(trainer, split, record, match):
    trainer.write_split(split, [*make_records(20), make_example(**record)])
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=4)
    error = fails(trainer, SchemaMismatchError, rf"Split-{split}/data\.gz', record 20 .*{match}")
    assert error.__cause__ is not None


def test_an_error_of_the_model_stays_what_it_is(trainer):
    trainer.module_file.write_text(
        MODEL.replace(
            "loss = tf1",
            "x = tf.debugging.check_numerics(x / 0.0, 'mine'); logits = tf.matmul(x, weights)\n"
            "    loss = tf1",
        )
    )
    import tensorflow as tf

    fails(trainer, tf.errors.InvalidArgumentError, "mine")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "lacks `run_fn` or `model_fn`"),
        ("def model_fn(labels, params): pass", "does not take `features`"),
        ("import no_such_thing", r"cannot be imported: ModuleNotFoundError.*line 1"),
    ],
)
def test_modules_that_cannot_be_used(trainer, text, match):
    trainer.module_file.write_text(text)
    error = fails(trainer, UserModuleError, match)
    assert str(trainer.module_file) in str(error)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (MODEL, "train_input_fn"),
        (MODEL + OWN_INPUT.replace("def eval_input_fn", "def other"), "eval_input_fn"),
        (MODEL + OWN_INPUT, "serving_input_receiver_fn"),
    ],
)
def test_nothing_to_build_a_missing_function_from(trainer, text, name):
    trainer.module_file.write_text(text)
    trainer.options = TPUEstimatorOptions(train_batch_size=16)
    fails(trainer, UserModuleError, f"lacks `{name}`, and .* needs to know the label.*label_key")
    del trainer.inputs["schema"]
    fails(trainer, UserModuleError, f"lacks `{name}`, and without a schema .*`schema`")
    # Nothing was trained to find that out.
    assert all(not os.listdir(folder) for folder in trainer.checkpoint_dirs())


def test_a_receiver_that_is_none(trainer):
    trainer.module_file.write_text(MODEL + "def serving_input_receiver_fn(): return None")
    fails(trainer, UserModuleError, "must return a ServingInputReceiver, got None")


def test_a_disk_that_is_full_during_export(trainer):
    """From the export on, no file may grow beyond 8 KiB: real writes fail as on a full disk."""
    trainer.module_file.write_text(
        MODEL
        + OWN_RECEIVER.replace(
            "():\n",
            "():\n    import resource\n    calls.append(1)\n    if len(calls) > 1:\n"
            "        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]\n"
            "        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))\n",
        )
        + "\ncalls = []\n"
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        fails(trainer, ExportError, "Could not write the SavedModel below .*model/1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    # The checkpoints are still there for a retry.
    (folder,) = trainer.checkpoint_dirs()
    assert "checkpoint" in os.listdir(folder)


def test_batch_size_that_does_not_divide_over_the_cores(trainer):
    trainer.options = TPUEstimatorOptions(
        use_tpu=True, num_shards=4, train_batch_size=30, label_key="label"
    )
    fails(trainer, ValueError, "train batch size 30 must be divisible by number of replicas 4")


def test_payloads_that_are_no_examples(trainer):
    trainer.examples.set_string_custom_property("payload_format", "FORMAT_PROTO")
    fails(trainer, ValueError, "payload format 'FORMAT_PROTO', not 'FORMAT_TF_EXAMPLE'")


def test_files_that_are_no_tfrecords(trainer):
    trainer.examples.set_string_custom_property("file_format", "parquet")
    fails(trainer, ValueError, "file format 'parquet'")


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ({"train_files": []}, "`custom_config` sets `train_files`, which the component sets"),
        ({"batch_size": 3}, "are reserved keys"),
        ([1], r"`custom_config` must be a dict, got \[1\]"),
    ],
)
def test_custom_config(trainer, config, match):
    trainer.custom_config = config
    fails(trainer, ValueError, match)


def test_hyperparameters_that_are_the_components_own(trainer):
    trainer.module_file.write_text(MODEL + "def estimator_params(): return {'eval_files': []}")
    fails(trainer, ValueError, "sets `eval_files`, which the component sets itself")


def test_estimator_params_that_are_no_dict(trainer):
    trainer.module_file.write_text(MODEL + "def estimator_params(): return 3")
    fails(trainer, UserModuleError, r"`estimator_params\(\)` .* must return a dict, got 3")


def test_negative_steps(trainer):
    trainer.train_args = trainer_pb2.TrainArgs(num_steps=-1)
    fails(trainer, ValueError, r"`train_args\.num_steps` must be >= 0")


def test_a_schema_that_is_no_schema(trainer):
    from pathlib import Path

    (Path(trainer.schema.uri) / "schema.pbtxt").write_text("{{{")
    fails(trainer, ValueError, "is not a tensorflow_metadata Schema")


def test_a_label_the_schema_does_not_have(trainer):
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="labl")
    fails(trainer, ValueError, "labl")
