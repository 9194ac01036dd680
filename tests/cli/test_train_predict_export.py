"""`tfx-tpu-estimator train`, `predict` and `export` on a module of plain functions."""

import json
import os
import re
import signal

import numpy as np
import pytest
from click.testing import CliRunner
from helpers.tfrecords import make_example, write_records
from helpers.user_modules import MODEL, OWN_RECEIVER, SCHEMA

from tfx_tpu_estimator.cli import main

PARAMS = """

print("printed by the module")


def estimator_params():
    return {"train_batch_size": 8, "learning_rate": 0.1}
"""


def invoke(*args):
    return CliRunner().invoke(main, [str(arg) for arg in args])


def make_examples(count, labelled=True):
    rng = np.random.RandomState(0)
    for _ in range(count):
        x = rng.randn(2).astype(np.float32)
        label = {"label": int(x[0] > 0)} if labelled else {}
        yield make_example(x=[float(v) for v in x], kind=1, **label)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A module without input functions, its schema and files, and a model of 20 steps."""
    root = tmp_path_factory.mktemp("program")
    (root / "model.py").write_text(MODEL + PARAMS)
    (root / "schema.pbtxt").write_text(SCHEMA)
    write_records(root / "train.rec", make_examples(40))
    write_records(root / "new.rec", make_examples(5, labelled=False))
    result = train(root, root / "runs", 20, "--eval", "--export-dir", root / "exports")
    assert result.exit_code == 0, result.output
    (root / "result.json").write_text(result.stdout)
    return root


def schema_options(root):
    return "--schema", root / "schema.pbtxt", "--label-key", "label"


def train(root, model_dir, steps, *more):
    return invoke(
        "train", root / "model.py", "--model-dir", model_dir, *schema_options(root),
        "--train-files", root / "train.rec", "--eval-files", root / "train*", "--max-steps", steps,
        "--output", "json", *more,
    )  # fmt: skip


def predict(root, *more):
    return invoke(
        "predict", root / "model.py", "--model-dir", root / "runs", *schema_options(root),
        "--files", root / "new.rec", *more,
    )  # fmt: skip


def test_train_says_what_it_did(root):
    result = json.loads((root / "result.json").read_text())
    assert (result["start_step"], result["global_step"], result["replicas"]) == (0, 20, 1)
    assert result["checkpoint"] == str(root / "runs" / "model.ckpt-20")
    assert 0 <= result["metrics"]["accuracy"] <= 1
    assert os.path.isfile(os.path.join(result["export"], "saved_model.pb"))


def test_train_goes_on_from_its_checkpoint(root, tmp_path):
    assert train(root, tmp_path, 4).exit_code == 0
    again = train(root, tmp_path, 9)
    assert "Going on from step 4" in again.stderr
    result = json.loads(again.stdout)
    assert (result["start_step"], result["global_step"]) == (4, 9)
    assert result["metrics"] is None
    assert "printed by the module" in again.stderr


def test_train_as_a_table(root):
    result = train(root, root / "runs", 20, "--output", "table", "-q")
    assert "global step    20" in result.stdout.splitlines()
    assert "Loading" not in result.stderr


def test_predict_writes_a_line_for_each_example(root):
    result = predict(root)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 5
    assert all(0 < line["probabilities"][0] < 1 for line in lines)
    first = predict(root, "--limit", 2, "--key", "probabilities", "--batch-size", 3)
    assert [json.loads(line) for line in first.stdout.splitlines()] == lines[:2]


def test_both_engines_predict_the_same(root):
    host, devices = (predict(root, option) for option in ("--no-use-tpu", "--use-tpu"))
    assert devices.exit_code == 0, devices.output
    values = [
        [json.loads(line)["probabilities"] for line in result.stdout.splitlines()]
        for result in (host, devices)
    ]
    np.testing.assert_allclose(*values, rtol=1e-5)


@pytest.mark.parametrize(("more", "tags"), [((), 2), (("--no-tpu",), 1)])
def test_export(root, tmp_path, more, tags):
    (tmp_path / "words.txt").write_text("one")
    result = invoke(
        "export", root / "model.py", "--model-dir", root / "runs", "--export-dir", tmp_path / "e",
        *schema_options(root), "--checkpoint", root / "runs" / "model.ckpt-20",
        "--assets-extra", f"more/w.txt={tmp_path / 'words.txt'}", "--output", "json", *more,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["metagraphs"]) == tags
    assert os.path.isfile(os.path.join(found["export"], "assets.extra", "more", "w.txt"))


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--files", "nothing-*"), 2, "`--files`: the pattern 'nothing-\\*' matches no file"),
        (("--num-cores", "2"), 2, "give `--use-tpu` too"),
        (("--params", "{1"), 2, "is no JSON object: .* got '{1'"),
        (("--params", '{"seed": 3}'), 2, "`--param` sets `--seed`, which has an option"),
        (("--param", "seed=3"), 2, "`--param` sets `--seed`, which has an option"),
        (("--checkpoint", "no/such"), 1, "no/such"),
        (("--key", "nothing"), 1, "nothing"),
        (("--params", "[1]"), 2, "is no JSON object; got '\\[1\\]'"),
        (("--label-key", "labl"), 2, "`--label-key` is 'labl'; .* Did you mean 'label'"),
        (("--schema", __file__), 2, "`--schema`: .* is not a tensorflow_metadata Schema"),
    ],
)
def test_mistakes_are_told_in_words(root, monkeypatch, arguments, code, text):
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", "8")
    result = predict(root, *arguments)
    assert result.exit_code == code, result.output
    message = " ".join(result.stderr.split("Error:")[1].split())
    assert re.search(text, message)
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_truncated_file_and_the_record_of_another_schema_are_named(root, tmp_path):
    (tmp_path / "cut.rec").write_bytes((root / "train.rec").read_bytes()[:-7])
    write_records(tmp_path / "other.rec", [make_example(x=[1.0], kind=1, label=0)])
    for file, reason in (("cut.rec", "at record 39"), ("other.rec", "feature 'x': expected")):
        path = tmp_path / file
        result = train(root, tmp_path / file[:3], 20, "--train-files", path)
        assert result.exit_code == 1, result.output
        assert (str(path) in result.stderr, reason in result.stderr) == (True, True), result.stderr
        result = predict(root, "--files", path)
        assert result.exit_code == 1, result.output
        assert (str(path) in result.stderr, reason in result.stderr) == (True, True), result.stderr


def test_a_folder_and_a_hyperparameter_of_nearly_the_same_name(root, tmp_path):
    write_records(tmp_path / "part", [])
    result = predict(root, "--files", tmp_path)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert f"It is a directory: give a pattern of its files, such as '{tmp_path}/*'." in message
    result = predict(root, "--param", "learning_rat=1", "--limit", 1)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert "`--param` has 'learning_rat', which is nearly `learning_rate`. Did you" in message


def test_what_is_missing_is_said_before_training(root, tmp_path):
    result = invoke("train", root / "model.py", "--model-dir", tmp_path / "m", "--max-steps", 3)
    assert result.exit_code == 2
    assert "lacks `train_input_fn`: write it, or give both `--schema` and" in result.stderr
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("option", ["--no-use-tpu", "--use-tpu"])
def test_files_that_are_no_records_are_told(root, tmp_path, option):
    (tmp_path / "text.rec").write_text("this is no file of records, however long it may be")
    result = invoke(
        "predict", root / "model.py", "--model-dir", root / "runs", *schema_options(root),
        "--files", tmp_path / "text.rec", option,
    )  # fmt: skip
    assert result.exit_code == 1
    assert "text.rec' is corrupt at record 0" in result.stderr.splitlines()[-1]


def test_functions_are_told_of_compression(root, tmp_path):
    write_records(tmp_path / "new.gz", make_examples(1), "GZIP")
    text = (
        MODEL + "\n\ndef predict_input_fn(params):\n    raise ValueError(params['data_format'])\n"
    )
    (tmp_path / "asks.py").write_text(text)
    for file, name in ((tmp_path / "new.gz", "tfrecords_gzip"), (root / "new.rec", "tfrecords")):
        result = invoke(
            "predict", tmp_path / "asks.py", "--model-dir", root / "runs", "--files", file
        )
        assert f"Error: {name} (asks.py" in result.stderr


def test_an_error_of_the_module_names_its_line(root, tmp_path):
    text = MODEL + OWN_RECEIVER + "\n\ndef predict_input_fn(params):\n    return {}['x']\n"
    (tmp_path / "bad.py").write_text(text)
    run = ("predict", tmp_path / "bad.py", "--model-dir", root / "runs", "--files",
           root / "new.rec")  # fmt: skip
    result = invoke(*run)
    assert result.exit_code == 1
    assert "return {}['x']" in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in invoke(*run, "--traceback").stderr


def test_sigterm_saves_and_exits_with_143(root, tmp_path):
    text = (
        (root / "model.py").read_text()
        + f"""

def train_input_fn(params):
    import os

    def read(i):
        if i == 5:
            os.kill(os.getpid(), {int(signal.SIGTERM)})
        return 0

    def make(i):
        zero = tf.numpy_function(read, [i], tf.int64)
        return {{"x": tf.ones([8, 2])}}, tf.ones([8, 1], tf.int64) + tf.reshape(zero, [1, 1])

    return tf.data.Dataset.range(10**6).map(make)
"""
    )
    (tmp_path / "long.py").write_text(text)
    result = invoke(
        "train", tmp_path / "long.py", "--model-dir", tmp_path / "m", "--max-steps", 10**6
    )
    assert result.exit_code == 143, result.output
    assert "terminated by SIGTERM" in result.stderr
    assert result.stdout == ""
    assert list((tmp_path / "m").glob("model.ckpt-*.index"))
