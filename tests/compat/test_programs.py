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
# Run by the slow tests only.
SLOW = [("resnet", True), ("resnet_bfloat16", False)]
FAST = [(k, u) for k in KINDS for u in (False, True) if (k, u) not in SLOW]


def mark(cases):
    """Makes parameters of (kind, use_tpu, ...), slow ones marked."""
    return [
        pytest.param(*case, marks=[pytest.mark.slow] if tuple(case[:2]) in SLOW else [])
        for case in cases
    ]


class Outcomes:
    """Runs of the programs, each group with one start of Python when it is first asked for."""

    def __init__(self, factory):
        self._factory = factory
        self._found = {}

    def __call__(self, kind, use_tpu):
        """Returns the result of a run and its model directory."""
        if (kind, use_tpu) not in self._found:
            self._run(SLOW if (kind, use_tpu) in SLOW else FAST)
        return self._found[kind, use_tpu]

    def _run(self, cases):
        folder = self._factory.mktemp("programs")
        commands, folders = [], []
        for kind, use_tpu in cases:
            path, directory_flag, flags, model = KINDS[kind]
            output = folder / f"{kind}_{use_tpu}"
            arguments = [f"{directory_flag}={output}", f"--use_tpu={use_tpu}", *flags]
            commands.append(["run", PROGRAMS / path, *arguments])
            folders.append(output / model)
        results = run_commands(folder, commands)
        self._found |= dict(zip(cases, zip(results, folders, strict=True), strict=True))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    return Outcomes(tmp_path_factory)


@pytest.mark.parametrize(("kind", "use_tpu"), mark(FAST + SLOW))
def test_trains_evaluates_predicts_and_exports(outcomes, kind, use_tpu):
    result, model_dir = outcomes(kind, use_tpu)
    assert result.code == 0, result.stderr[-3000:]
    accuracy = float(re.search(r"RESULT accuracy ([\d.]+)", result.stdout)[1])
    assert accuracy >= (0.4 if "resnet" in kind else 0.9)
    assert list(model_dir.parent.glob("**/export/*/saved_model.pb"))


@pytest.mark.parametrize(
    ("kind", "use_tpu"), mark((k, u) for k in ("bert", "resnet") for u in (False, True))
)
def test_losses_are_those_of_the_old_estimator(outcomes, kind, use_tpu):
    _, model_dir = outcomes(kind, use_tpu)
    losses = read_scalars(str(model_dir), "loss")
    steps, rtol = (10, 1e-4) if not use_tpu else ON_DEVICES[kind]
    for step in range(1, steps + 1):
        expected = GOLDEN[kind][str(step)]
        assert losses[step] == pytest.approx(expected, rel=rtol, abs=1e-6), f"step {step}"


@pytest.mark.parametrize(
    ("kind", "use_tpu", "tag"),
    [
        ("mnist_tf1", False, "host_loss"),
        ("mnist_tf1", True, "host_loss"),
        ("resnet", False, "loss"),
        ("resnet_bfloat16", True, "loss"),
    ],
)
def test_host_calls_write_their_summaries(outcomes, kind, use_tpu, tag):
    _, model_dir = outcomes(kind, use_tpu)
    values = read_scalars(str(model_dir / "host"), tag)
    assert values
    assert all(value > 0 for value in values.values())


@pytest.mark.parametrize(
    ("kind", "use_tpu", "runs"), [("resnet", False, "12"), ("resnet_bfloat16", True, "4")]
)
def test_hooks_run_once_for_each_run_of_the_session(outcomes, kind, use_tpu, runs):
    assert outcomes(kind, use_tpu)[0].stdout.split("RUNS ")[1].strip() == runs


def test_the_log_says_what_the_old_one_said(outcomes):
    stderr = outcomes("mnist_tf1", True)[0].stderr
    assert "uses tf." in stderr
    assert re.search(r"Evaluated .*accuracy = ", stderr)
