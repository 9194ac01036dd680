"""Programs written for TPUEstimator run unmodified on both engines."""

import json
import pathlib
import re

import pytest
from helpers.events import read_scalars
from helpers.script_runs import run_commands

TESTS = pathlib.Path(__file__).parent.parent
PROGRAMS = TESTS / "programs"
GOLDEN = json.loads((TESTS / "golden" / "programs.json").read_text())
# Name -> (main file, flag of the output directory, flags, model directory in it).
KINDS = {
    "mnist_tf1": ("mnist_tf1/main.py", "--model_dir", [], "."),
    "bert": ("bert/run_classifier.py", "--output_dir", ["--dropout=0"], "model"),
    "embedding": ("embedding/main.py", "--model_dir", [], "."),
    "resnet": ("resnet/main.py", "--model_dir", ["--precision=float32"], "."),
    "resnet_bfloat16": ("resnet/main.py", "--model_dir", ["--precision=bfloat16"], "."),
}
# On several replicas these models are others by design: gradients are clipped before they are
# summed, and batch norm is over a replica's own examples. Only the start is alike.
# Kind -> (steps, tolerance).
ON_DEVICES = {"bert": (2, 1e-4), "resnet": (3, 0.02)}
CASES = [(kind, use_tpu) for kind in KINDS for use_tpu in (False, True)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Returns {(kind, use_tpu): (result of the run, model directory)}."""
    folder = tmp_path_factory.mktemp("programs")
    commands, folders = [], []
    for kind, use_tpu in CASES:
        path, directory_flag, flags, model = KINDS[kind]
        output = folder / f"{kind}_{use_tpu}"
        commands.append(
            ["run", PROGRAMS / path, f"{directory_flag}={output}", f"--use_tpu={use_tpu}", *flags]
        )
        folders.append(output / model)
    results = run_commands(folder, commands)
    return dict(zip(CASES, zip(results, folders, strict=True), strict=True))


@pytest.mark.parametrize(("kind", "use_tpu"), CASES)
def test_trains_evaluates_predicts_and_exports(outcomes, kind, use_tpu):
    result, model_dir = outcomes[kind, use_tpu]
    assert result.code == 0, result.stderr[-3000:]
    accuracy = float(re.search(r"RESULT accuracy ([\d.]+)", result.stdout)[1])
    assert accuracy >= (0.4 if "resnet" in kind else 0.9)
    assert list(model_dir.parent.glob("**/export/*/saved_model.pb"))


@pytest.mark.parametrize("kind", ["bert", "resnet"])
@pytest.mark.parametrize("use_tpu", [False, True])
def test_losses_are_those_of_the_old_estimator(outcomes, kind, use_tpu):
    _, model_dir = outcomes[kind, use_tpu]
    losses = read_scalars(str(model_dir), "loss")
    steps, rtol = (10, 1e-4) if not use_tpu else ON_DEVICES[kind]
    for step in range(1, steps + 1):
        expected = GOLDEN[kind][str(step)]
        assert losses[step] == pytest.approx(expected, rel=rtol, abs=1e-6), f"step {step}"


@pytest.mark.parametrize("use_tpu", [False, True])
@pytest.mark.parametrize(("kind", "tag"), [("mnist_tf1", "host_loss"), ("resnet", "loss")])
def test_host_calls_write_their_summaries(outcomes, kind, tag, use_tpu):
    _, model_dir = outcomes[kind, use_tpu]
    values = read_scalars(str(model_dir / "host"), tag)
    assert values
    assert all(value > 0 for value in values.values())


def test_hooks_run_once_for_each_run_of_the_session(outcomes):
    runs = {u: outcomes["resnet", u][0].stdout.split("RUNS ")[1].strip() for u in (False, True)}
    assert runs == {False: "12", True: "4"}


def test_the_log_says_what_the_old_one_said(outcomes):
    stderr = outcomes["mnist_tf1", True][0].stderr
    assert "uses tf." in stderr
    assert re.search(r"Evaluated .*accuracy = ", stderr)
