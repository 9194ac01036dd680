"""The command `tfx-tpu-estimator demo`, run as a user runs it."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf
from helpers.needs import needs_libtpu
from helpers.tpu_graph import read_metagraphs

from tfx_tpu_estimator.pipelines.report import read_latest_run


def run_demo(name, output, *arguments):
    command = os.path.join(os.path.dirname(sys.executable), "tfx-tpu-estimator")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF", "TFX"))}
    return subprocess.run(
        [command, "demo", name, "--output", str(output), *arguments],
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture(scope="module")
def taxi(tmp_path_factory):
    output = tmp_path_factory.mktemp("demo")
    return output, run_demo("taxi", output), run_demo("taxi", output)


@pytest.mark.slow
def test_taxi_model_beats_the_label_frequency_and_is_pushed(taxi):
    output, first, _ = taxi
    assert first.returncode == 0, first.stderr
    auc = float(re.search(r"auc +([0-9.]+) +\(constant baseline 0\.5000\)", first.stdout).group(1))
    assert auc > 0.9
    assert "Blessed: yes" in first.stdout
    report = read_latest_run(str(output / "taxi" / "metadata.sqlite"), "taxi")
    pushed = report.artifacts["PushedModel"]
    assert pushed["pushed"] == 1
    # The default: one program over 8 virtual cores.
    assert report.artifacts["Model"]["replicas"] == 8
    assert "trained over 8 cores" in first.stdout
    assert {frozenset(["serve"]), frozenset(["serve", "tpu"])} == set(
        read_metagraphs(pushed["pushed_destination"])
    )
    loaded = tf.saved_model.load(pushed["pushed_destination"], tags=["serve"])
    assert "predict" in loaded.signatures


@pytest.mark.slow
def test_progress_is_shown_and_noise_is_not(taxi):
    _, first, _ = taxi
    lines = first.stderr.splitlines()
    nodes = 7 if find_spec("libtpu") else 6
    assert any(line.startswith(f"[4/{nodes}] Trainer") for line in lines)
    assert any(line.startswith("train: 2000/2000 steps") for line in lines)
    ours = ("[", "train", "evaluate", "compile check", "skew check", "Running", "Loading")
    ours = (*ours, "Without libtpu", "TensorFlow Model Analysis")
    assert [line for line in lines if not line.startswith(ours)] == []


@pytest.mark.slow
@needs_libtpu
def test_the_model_is_checked_for_a_tpu(taxi):
    output, first, _ = taxi
    assert "Ready for a TPU v5e:2x2: yes" in first.stdout
    report = read_latest_run(str(output / "taxi" / "metadata.sqlite"), "taxi")
    assert report.artifacts["InfraBlessing"]["blessed"] == 1


@pytest.mark.slow
def test_second_run_uses_the_cache_and_says_so(taxi):
    _, _, second = taxi
    assert second.returncode == 0, second.stderr
    assert re.search(r"From the cache .*Trainer", second.stdout)
    assert "it was already the newest version" in second.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("switch", "replicas"), [("--use-tpu", 8), ("--no-use-tpu", 1)])
def test_digits_pipeline_on_either_engine(tmp_path, switch, replicas):
    result = run_demo("digits", tmp_path, switch)
    assert result.returncode == 0, result.stderr
    accuracy = float(re.search(r"accuracy +([0-9.]+)", result.stdout).group(1))
    assert accuracy > 0.9
    assert "Blessed: yes" in result.stdout
    report = read_latest_run(str(tmp_path / "digits" / "metadata.sqlite"), "digits")
    assert report.artifacts["Model"]["replicas"] == replicas


@pytest.mark.slow
def test_a_failure_is_one_clear_line_and_exit_code_1(tmp_path):
    (tmp_path / "taxi" / "metadata.sqlite").mkdir(parents=True)  # in the way of the store
    result = run_demo("taxi", tmp_path)
    assert result.returncode == 1
    assert "The pipeline failed:" in result.stderr
    assert "Traceback" not in result.stderr


def test_unknown_demo_lists_the_known_ones(tmp_path):
    result = run_demo("mnist", tmp_path)
    assert result.returncode == 2
    assert "'taxi', 'digits'" in result.stderr


@pytest.mark.slow
def test_pushed_model_predicts_what_the_estimator_predicts(taxi, tmp_path):
    from tfx_tpu_estimator.components.run_record import load_recorded_module, read_run_record
    from tfx_tpu_estimator.components.runtime import build_program, create_estimator

    output, *_ = taxi
    artifacts = read_latest_run(str(output / "taxi" / "metadata.sqlite"), "taxi").artifacts
    pushed = artifacts["PushedModel"]["pushed_destination"]
    record = read_run_record(artifacts["Model"]["uri"])
    module = load_recorded_module(record)
    program = build_program(module, record.options, record.data, record.custom_config)
    rows = create_estimator(program, str(tmp_path)).predict(
        module.get("predict_input_fn"), checkpoint_path=f"{pushed}/variables/variables"
    )
    predicted = np.stack([row["probabilities"] for row in rows])

    files = sorted(f for pattern in record.data.eval_files for f in tf.io.gfile.glob(pattern))
    records = [r.numpy() for r in tf.data.TFRecordDataset(files, compression_type="GZIP")]
    loaded = tf.saved_model.load(pushed, tags=["serve"])
    served = loaded.signatures["predict"](examples=tf.constant(records))["probabilities"].numpy()
    assert len(predicted) == len(served) > 5000
    np.testing.assert_allclose(served, predicted, rtol=1e-5, atol=1e-6)
