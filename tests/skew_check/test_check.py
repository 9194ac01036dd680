"""Both graphs of exported models on the same examples."""

import importlib
import json
import pathlib
import subprocess
import sys

import click.testing
import numpy as np
import pytest
import tensorflow as tf
from helpers import skew_models as models
from helpers.models import FEATURES
from helpers.saved_models import write_saved_model
from helpers.tfrecords import write_records

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.cli.skew import skew

tf1 = tf.compat.v1
EXAMPLES = models.serialize(FEATURES[:21])
OLD_EXPORT = pathlib.Path(__file__).parents[1] / "golden" / "old_export"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return models.export_model(tmp_path_factory.mktemp("several"), models.several_model_fn)


@pytest.fixture(scope="module")
def batched(tmp_path_factory):
    directory = tmp_path_factory.mktemp("batched")
    return models.export_model(
        directory, models.batched_model_fn, export_saved_model_api_version=models.V2
    )


@pytest.fixture(scope="module")
def several_report(several):
    return tpu_estimator.skew_check(several, EXAMPLES, batch_size=8)


def by_name(report):
    return {(s.name, o.name): o for s in report.signatures for o in s.outputs}


def test_equal_graphs_pass_with_numbers(several_report):
    assert several_report.passed, several_report.verdict
    assert several_report.verdict == (
        "PASSED: {serve} and {serve, tpu} compute the same on 21 examples, within tolerance, in 3 "
        "signatures."
    )
    outputs = by_name(several_report)
    values = {name: output.values for name, output in outputs.items()}
    # The last batch was filled up, and what fills it is not counted. A mean is one number a batch.
    assert values == {
        ("mean", "mean"): 3,
        ("serving_default", "half"): 21,
        ("serving_default", "ids"): 21,
        ("serving_default", "p"): 21,
        ("value", "outputs"): 21,
    }
    assert all(0 <= output.max_absolute < 1e-2 for output in outputs.values())
    assert outputs["serving_default", "ids"].tolerance.is_exact
    assert outputs["serving_default", "half"].dtype == "bfloat16"


def test_the_program_is_compiled_once_for_a_filled_last_batch(several_report):
    (program,) = several_report.programs
    assert program.inputs == ("float32[8, 4]",)
    assert program.variables == 3
    assert program.ops["MatMul"] == 3
    assert len(program.digest) == 64


def test_report_survives_json(several_report):
    text = several_report.to_json()
    assert tpu_estimator.SkewReport.from_json(text) == several_report
    assert json.loads(text)["verdict"] == several_report.verdict


@pytest.mark.parametrize("edit", [models.change_constant, models.swap_weights])
def test_a_tampered_tpu_graph_fails(several, tmp_path, edit):
    path = models.edit_tpu_graph(several, tmp_path / "tampered", edit)
    report = tpu_estimator.skew_check(path, EXAMPLES, batch_size=8)
    assert not report.passed
    assert report.verdict.startswith("FAILED: Signature 'mean', output 'mean': ")
    output = by_name(report)["serving_default", "p"]
    assert output.beyond > 10
    worst = output.worst[0]
    assert worst.absolute == pytest.approx(abs(worst.serve - worst.tpu), rel=1e-3)
    assert worst.absolute > 100 * output.tolerance.absolute
    assert len({example.index for example in output.worst}) == 3


def test_a_batch_function_says_the_batch_size_and_strings_are_compared(batched):
    report = tpu_estimator.skew_check(batched, EXAMPLES, batch_size=7)
    assert report.passed, report.verdict
    assert report.batch_size == 4
    outputs = by_name(report)
    assert outputs["serving_default", "name"].dtype == "string"
    assert outputs["serving_default", "name"].values == 21
    assert outputs["classes", "classes"].values == 42
    assert report.programs[0].inputs == ("float32[4, 4]",)


def test_a_changed_string_fails_with_both(batched, tmp_path):
    def edit(metagraph):
        for node in metagraph.graph_def.node:
            tensor = node.attr["value"].tensor
            if node.op == "Const" and list(tensor.string_val) == [b"no", b"yes"]:
                tensor.string_val[0] = b"never"

    path = models.edit_tpu_graph(batched, tmp_path / "m", edit)
    report = tpu_estimator.skew_check(path, EXAMPLES, signatures=["serving_default"])
    output = by_name(report)["serving_default", "name"]
    assert 0 < output.beyond < output.values == 21
    assert (output.worst[0].serve, output.worst[0].tpu) == ("no", "never")
    assert "none may; worst is example" in report.verdict


def test_outside_compilation_divides_a_computation(tmp_path):
    path = models.export_model(tmp_path, models.outside_model_fn)
    report = tpu_estimator.skew_check(path, EXAMPLES)
    assert report.passed, report.verdict
    assert [program.name.split("/")[-1] for program in report.programs] == ["stage_0", "stage_1"]


def test_strings_that_outside_compilation_makes_of_results_are_compared(tmp_path):
    path = models.export_model(tmp_path, models.named_model_fn)
    report = tpu_estimator.skew_check(path, EXAMPLES)
    assert report.passed, report.verdict
    assert by_name(report)["serving_default", "text"].dtype == "string"


def test_lengths_of_sequences_are_counted_on_the_host(tmp_path):
    sequences = [[1, 2, 3], [], [4], [5, 0], [], []]
    column = tf.feature_column.sequence_categorical_column_with_identity("x", 6)
    column = tf.feature_column.embedding_column(column, 2)

    def model_fn(features, labels, mode, params):
        steps, lengths = tf.keras.experimental.SequenceFeatures([column])(features)
        mask = tf.sequence_mask(lengths, tf.shape(steps)[1], dtype=tf.float32)
        outputs = {"h": tf.reduce_sum(steps * mask[..., None], axis=1), "lengths": lengths}
        exported = {"serving_default": tpu_estimator.PredictOutput(outputs)}
        if mode == tpu_estimator.ModeKeys.PREDICT:
            return tpu_estimator.TPUEstimatorSpec(mode, outputs, export_outputs=exported)
        train_op = tf1.assign_add(tf1.train.get_global_step(), 1).op
        return tpu_estimator.TPUEstimatorSpec(
            mode, loss=tf.reduce_sum(outputs["h"]), train_op=train_op
        )

    def input_fn(params):
        ragged = tf.ragged.constant(sequences, tf.int64)
        return tf.data.Dataset.from_tensors({"x": ragged.to_sparse()})

    estimator = tpu_estimator.TPUEstimator(
        model_fn, model_dir=str(tmp_path / "model"), config=tpu_estimator.RunConfig(),
        use_tpu=False, train_batch_size=6,
    )  # fmt: skip
    estimator.train(input_fn, steps=1)
    receiver_fn = tpu_estimator.build_parsing_serving_input_receiver_fn(
        {"x": tf.io.VarLenFeature(tf.int64)}
    )
    path = estimator.export_saved_model(str(tmp_path / "export"), receiver_fn).decode()
    examples = [models.serialize_ids(row) for row in sequences]
    report = tpu_estimator.skew_check(path, examples, batch_size=3)
    assert report.passed, report.verdict
    assert by_name(report)["serving_default", "lengths"].values == 6
    # A program for each width of a batch, not for each number of examples without ids at its end.
    assert [program.inputs[0] for program in report.programs] == ["int32[3, 3]", "int32[3, 2]"]


def test_an_export_of_the_old_estimator_is_read():
    examples = models.serialize(np.load(OLD_EXPORT / "examples.npy"))
    report = tpu_estimator.skew_check(OLD_EXPORT / "saved_model", examples)
    assert report.passed, report.verdict
    assert by_name(report)["serving_default", "p"].values == 3 * len(examples)
    (program,) = report.programs
    assert "BatchFunction" in program.name
    assert report.batch_size == 8


def test_a_fresh_process_needs_no_code_of_the_model(several, several_report, tmp_path):
    records = write_records(tmp_path / "examples.gz", EXAMPLES, "GZIP")
    command = [sys.executable, "-m", "tfx_tpu_estimator.cli", "skew", several]
    done = subprocess.run(
        [*command, "--examples", records, "--batch-size", "8", "--output", "json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = tpu_estimator.SkewReport.from_json(done.stdout)
    assert report.examples == 21
    digests = [program.digest for program in several_report.programs]
    assert [program.digest for program in report.programs] == digests
    assert "Compiling" in done.stderr


def test_command_says_what_differs_and_where(several, tmp_path):
    path = models.edit_tpu_graph(several, tmp_path / "m", models.change_constant)
    records = write_records(tmp_path / "part-0.tfrecord", EXAMPLES)
    arguments = [path, "--examples", str(tmp_path / "part-*"), "--signature", "serving_default"]
    result = click.testing.CliRunner().invoke(skew, arguments)
    assert result.exit_code == 1, result.output
    assert "serving_default/p" in result.output
    assert f"of {records})" in result.output
    allowed = ["--tolerance", "p=1,1", "--tolerance", "half=1,1"]
    result = click.testing.CliRunner().invoke(skew, [*arguments, *allowed])
    assert result.exit_code in (0, 1)
    assert "1 + 1 |x|" in result.output
    page = tmp_path / "out" / "skew.html"
    result = click.testing.CliRunner().invoke(skew, [*arguments, "-o", str(page)])
    assert result.exit_code == 1
    assert f"Report: {page}" in result.output
    text = page.read_text()
    assert "The two graphs do not compute the same." in text
    assert f"skew {path} --examples" in text


def test_command_says_wrong_arguments_with_code_2(several, tmp_path):
    records = write_records(tmp_path / "a", EXAMPLES)
    runner = click.testing.CliRunner()
    for more, text in [
        (["--tolerance", "float32"], "must be NAME=ABSOLUTE,RELATIVE"),
        (["--tolerance", "flot32=0,0"], "neither a dtype nor an output"),
        (["-o", records + "/report.html"], "`--output-file` "),
        (["--signature", "nope"], "the SavedModel has 'mean', 'serving_default', 'value'"),
    ]:
        result = runner.invoke(skew, [several, "--examples", records, *more])
        assert result.exit_code == 2
        assert text in result.output


def rows(count=12):
    return {"x": np.random.RandomState(3).randn(count, 4).astype("float32")}


def test_arrays_are_fed_by_input_key(tmp_path):
    path = write_saved_model(str(tmp_path / "m"))
    report = tpu_estimator.skew_check(path, rows(), batch_size=5, count=11)
    assert report.passed, report.verdict
    assert (report.examples, report.batch_size) == (11, 5)
    one_by_one = [{"x": row} for row in rows()["x"]]
    assert tpu_estimator.skew_check(path, one_by_one).passed


def test_features_of_examples_are_fed_where_a_signature_takes_tensors(tmp_path):
    path = write_saved_model(str(tmp_path / "m"))
    assert tpu_estimator.skew_check(path, EXAMPLES).examples == 21


def test_the_function_is_found_whatever_was_imported_first(saved_model):
    door = importlib.import_module("tfx_tpu_estimator.skew_check")
    direct = tpu_estimator.skew_check(saved_model, rows())
    assert door(saved_model, rows()).signatures == direct.signatures


def test_a_graph_without_tpu_computation_fails(tmp_path):
    path = write_saved_model(str(tmp_path / "m"), tpu="host")
    report = tpu_estimator.skew_check(path, rows())
    assert not report.passed
    assert "No TPU computation is reached by any signature" in report.verdict


def test_an_output_under_another_name_fails(tmp_path):
    path = write_saved_model(str(tmp_path / "m"), output_name="points")
    report = tpu_estimator.skew_check(path, rows())
    assert "{serve, tpu} lacks output 'scores'" in report.verdict
    assert "{serve} lacks output 'points'" in report.verdict


def test_outputs_to_ignore_are_not_looked_at(tmp_path):
    path = write_saved_model(str(tmp_path / "m"), output_name="points")
    report = tpu_estimator.skew_check(path, rows(), ignore=["points", "serving_default/scores"])
    assert report.verdict == "FAILED: No output was compared, so nothing is known."
    with pytest.raises(ValueError, match=r"`ignore` names 'nope'; .* are points, scores"):
        tpu_estimator.skew_check(path, rows(), ignore=["nope"])


def test_a_signature_of_one_graph_fails(several, tmp_path):
    def edit(metagraph):
        del metagraph.signature_def["mean"]

    path = models.edit_tpu_graph(several, tmp_path / "m", edit)
    report = tpu_estimator.skew_check(path, EXAMPLES)
    assert report.verdict == (
        "FAILED: Signature 'mean': only {serve} has it, {serve, tpu} does not."
    )
    assert by_name(report)["value", "outputs"].passed


def test_an_op_that_no_tpu_has_fails_by_name(several, tmp_path):
    def edit(metagraph):
        models.find_tpu_nodes(metagraph, "Tanh")[0].op = "BesselJ0"

    path = models.edit_tpu_graph(several, tmp_path / "m", edit)
    report = tpu_estimator.skew_check(path, EXAMPLES)
    assert [signature.passed for signature in report.signatures] == [False] * 3
    assert "of type BesselJ0 is inside the TPU computation" in report.verdict
    assert "no TPU can run it" in report.verdict


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"examples": []}, "`examples` is empty"),
        ({"examples": 3}, "`examples` must be a file pattern"),
        ({"examples": {"x": np.zeros([0, 4])}}, "has no rows"),
        ({"examples": {"y": np.zeros([2, 4])}}, "example 0 lacks 'x'"),
        ({"examples": {"x": np.zeros([2, 3])}}, r"has shape \[3\]; the signature takes \[4\]"),
        ({"examples": [b"no example"]}, "example 0 is no tf.Example"),
        ({"examples": "no/such/file*"}, "matches no file"),
        ({"batch_size": 0}, "`batch_size` must be an integer > 0"),
        ({"count": -1}, "`count` must be an integer > 0"),
        ({"signatures": "serve"}, "`signatures` must be a sequence"),
        ({"signatures": ["a"]}, "`signatures` names 'a'; the SavedModel has 'serving_default'"),
        ({"tolerances": {"nope": 1}}, "neither a dtype nor an output"),
        ({"tolerances": {"float32": 1}}, "must be a Tolerance"),
        ({"platform": "abacus"}, "must be one of tpu, gpu, cpu"),
    ],
)
def test_wrong_arguments_are_said(saved_model, arguments, message):
    with pytest.raises(ValueError, match=message):
        tpu_estimator.skew_check(saved_model, **{"examples": rows(), **arguments})


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    return write_saved_model(str(tmp_path_factory.mktemp("saved") / "m"))


def damage_pb(path):
    path.joinpath("saved_model.pb").write_bytes(path.joinpath("saved_model.pb").read_bytes()[:-9])


def remove(pattern):
    def damage(path):
        for found in path.glob(pattern):
            found.unlink()

    return damage


def cut_data(path):
    (data,) = path.glob("variables/variables.data*")
    data.write_bytes(data.read_bytes()[:5])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_pb, "is truncated or damaged"),
        (remove("saved_model.pb"), "is no SavedModel: there is no saved_model.pb"),
        (remove("variables/variables.index"), "lacks its variables"),
        (remove("variables/variables.data*"), "the data files are missing"),
        (cut_data, "or are truncated"),
    ],
)
def test_a_damaged_model_is_said(tmp_path, damage, message):
    path = tmp_path / "m"
    write_saved_model(str(path))
    damage(path)
    with pytest.raises(ValueError, match=message):
        tpu_estimator.skew_check(path, rows())


def test_a_model_without_tpu_graph_is_said(tmp_path):
    path = write_saved_model(str(tmp_path / "m"), tpu=None)
    with pytest.raises(ValueError, match=r"no metagraph \{serve, tpu\}; it has \{serve\}"):
        tpu_estimator.skew_check(path, rows())


def test_an_op_that_tensorflow_does_not_know_is_said(saved_model, tmp_path):
    def edit(metagraph):
        models.find_tpu_nodes(metagraph, "Softmax")[0].op = "MySoftmax"

    path = models.edit_tpu_graph(saved_model, tmp_path / "m", edit)
    with pytest.raises(ValueError, match="MySoftmax"):
        tpu_estimator.skew_check(path, rows())


def test_damaged_examples_are_said(several, tmp_path):
    records = pathlib.Path(write_records(tmp_path / "a", EXAMPLES))
    records.write_bytes(records.read_bytes()[:-7])
    with pytest.raises(ValueError, match="is corrupt at record 20"):
        tpu_estimator.skew_check(several, str(records))
    other = [tf.train.Example().SerializeToString()]
    with pytest.raises(ValueError, match=r"do not fit the signature .*Feature: x"):
        tpu_estimator.skew_check(several, other)
