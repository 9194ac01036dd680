"""`tfx-tpu-estimator evaluate`: table, JSON, page, exit codes."""

import json
import shutil

import pytest
from click.testing import CliRunner
from helpers.evaluated import write_echo_model, write_scored_examples
from helpers.needs import TFX

from tfx_tpu_estimator.cli import main

pytest.importorskip("tensorflow_model_analysis", reason=TFX)

CONFIG = """
  model_specs { label_key: "label" prediction_key: "probability" }
  slicing_specs {}
  slicing_specs { feature_keys: "color" }
  metrics_specs {
    metrics { class_name: "ExampleCount" }
    metrics { class_name: "AUC" threshold { value_threshold { lower_bound { value: %s } } } }
  }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("evaluated")
    write_echo_model(root / "model")
    write_echo_model(root / "baseline", 0.5)
    write_scored_examples(root / "data" / "data.gz")
    (root / "cut.gz").write_bytes((root / "data" / "data.gz").read_bytes()[:-20])
    (root / "easy.pbtxt").write_text(CONFIG % 0.1)
    (root / "hard.pbtxt").write_text(CONFIG % 0.99)
    (root / "unmatched.pbtxt").write_text(
        CONFIG.replace('"color"', '"colour"') % 0.1
        + 'slicing_specs { feature_values { key: "color" value: "purple" } }'
    )
    (root / "metric.pbtxt").write_text(CONFIG.replace('"AUC"', '"AUCC"') % 0.1)
    (root / "output.pbtxt").write_text(CONFIG.replace('"probability"', '"probabilty"') % 0.1)
    (root / "config.json").write_text(
        '{"modelSpecs": [{"labelKey": "made", "predictionKey": "probability"}],'
        ' "metricsSpecs": [{"metrics": [{"className": "BinaryAccuracy"}]}]}'
    )
    (root / "module.py").write_text(
        "def add_features(features):\n    return {'made': features['score'] > 0.5}\n"
    )
    return root


def invoke(made, config, *more):
    arguments = ["evaluate", made / "model", "--examples", made / "data/*", "--eval-config"]
    return CliRunner().invoke(main, [str(a) for a in (*arguments, made / config, *more)])


def test_json(made):
    done = invoke(made, "hard.pbtxt", "--output", "json", "--baseline", made / "baseline")
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert (found["passed"], found["engine"]) == (False, "runtime")
    overall, *colors = found["slices"]
    assert overall["slice"] == "all examples"
    assert [c["slice"] for c in colors] == ["color=blue", "color=green", "color=red"]
    auc = overall["metrics"]["auc"]
    assert auc["candidate"] == pytest.approx(auc["baseline"] + auc["change"])
    assert "needed >= 0.99" in found["failures"][0]
    assert "not passed: auc on" in done.stderr


def test_table_of_a_model_artifact(made, tmp_path):
    shutil.copytree(made / "model", tmp_path / "Format-Serving")
    examples, config = f"{made}/data/*", f"{made}/easy.pbtxt"
    arguments = ["evaluate", str(tmp_path), "--examples", examples, "--eval-config", config]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "all examples" in done.stdout


def test_table(made):
    done = invoke(made, "easy.pbtxt", "--workers", "2")
    assert done.exit_code == 0, done.output
    assert "All thresholds passed." in done.stderr
    assert "all examples" in done.stdout
    assert "color=blue" in done.stdout


def test_page_and_added_features(made, tmp_path):
    out = tmp_path / "out"
    more = ("--output", "html", "--out", out, "--module-file", made / "module.py")
    done = invoke(made, "config.json", *more)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(out / "evaluation.html")
    page = (out / "evaluation.html").read_text()
    assert "No thresholds are configured." in page
    assert "binary_accuracy" in page
    assert 'class="verdict neutral"' in page


@pytest.mark.parametrize(
    ("config", "tone", "words"),
    [("easy.pbtxt", "good", "All thresholds passed."), ("hard.pbtxt", "bad", "not passed</p><ul>")],
)
def test_the_page_shows_at_once_what_came_out(made, tmp_path, config, tone, words):
    invoke(made, config, "--output", "html", "--out", tmp_path)
    page = (tmp_path / "evaluation.html").read_text()
    assert f'class="verdict {tone}"' in page
    assert words in page


def test_slices_that_no_example_is_in_are_named(made, tmp_path):
    done = invoke(made, "unmatched.pbtxt", "--output", "json", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    by_name, by_value = json.loads(done.stdout)["warnings"]
    assert by_name == (
        "`eval_config`: no example is in a slice by 'colour'. None of the first 60 examples has "
        "the feature 'colour'. Did you mean 'color'?"
    )
    assert by_value == "`eval_config`: no example is in the slice color=purple."
    assert f"Warning: {by_name}" in done.stderr


@pytest.mark.parametrize(
    ("config", "more", "match"),
    [
        ("module.py", (), "is no tfma.EvalConfig"),
        ("nothing", (), "nothing cannot be read: No such file"),
        ("data", (), "data cannot be read: Is a directory"),
        ("metric.pbtxt", (), "there is no metric 'AUCC'. Did you mean 'AUC'?"),
        ("output.pbtxt", (), "are other, probability; name the one"),
        ("output.pbtxt", (), "Did you mean 'probability'?"),
        ("config.json", (), "the label 'made' is in none"),
        ("easy.pbtxt", ("--examples", "no/such*"), "matches no file"),
        ("easy.pbtxt", ("--baseline", "no/such"), "`--baseline` must be a directory"),
        ("easy.pbtxt", ("--out", __file__), "is a file: give a directory"),
        ("easy.pbtxt", ("--examples", "{made}/cut.gz"), "cut.gz' is corrupt at record"),
        ("easy.pbtxt", ("--examples", "{made}/easy.pbtxt"), "`--examples` mixes compressions"),
        ("easy.pbtxt", ("--workers", "many"), "`--workers` must be a positive number or 'beam'"),
        ("easy.pbtxt", ("--workers", "0"), "`--workers` must be positive, got 0"),
        ("easy.pbtxt", ("--workers", "2", "--engine", "tfma"), "`--workers` is 2 and the engine"),
        ("easy.pbtxt", ("--module-file", "no.py"), "`--module-file` 'no.py' does not exist"),
    ],
)
def test_wrong(made, config, more, match):
    done = invoke(made, config, *(word.format(made=made) for word in more))
    assert (done.exit_code, done.stdout) == (2, "")
    assert match in done.stderr
