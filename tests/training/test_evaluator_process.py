"""A chief that trains and an evaluator beside it, in processes of their own."""

import json

import pytest
from helpers.events import read_scalars
from helpers.process_runs import find_ports, run_processes

from tfx_tpu_estimator.checkpoints.layout import find_latest, read_global_step

SCRIPT = "helpers/evaluator_script.py"


def run(model_dir, how, tasks=("chief", "evaluator")):
    """Runs the processes; returns what the call in each returned."""
    addresses = [f"127.0.0.1:{port}" for port in find_ports(len(tasks) - 1)]
    cluster = {task: [address] for task, address in zip(tasks, addresses, strict=False)}
    variables = [
        {
            "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": task, "index": 0}}),
            "TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS": "600",
        }
        for task in tasks
    ]
    results = []
    for code, output in run_processes(SCRIPT, variables, model_dir, how):
        assert code == 0, output
        (line,) = [x for x in output.splitlines() if x.startswith("RESULT ")]
        results.append(json.loads(line.removeprefix("RESULT ")))
    return results


def check(model_dir, results):
    """The evaluator has evaluated the last checkpoint, and some before, and exported it."""
    *others, (step, names) = results
    assert others == [[None, []]] * len(others)
    assert step == read_global_step(find_latest(str(model_dir)))
    evaluated = sorted(read_scalars(str(model_dir / "eval"), "loss"))
    assert evaluated[-1] == step
    assert len(evaluated) > 1
    assert [p.name for p in (model_dir / "export/final").iterdir()] == names


def test_the_chief_stops_early_by_what_the_evaluator_finds(tmp_path):
    results = run(tmp_path, "stop early")
    check(tmp_path, results)
    assert read_scalars(str(tmp_path / "eval"), "accuracy")[results[1][0]] > 0.9


@pytest.mark.slow
def test_the_evaluator_ends_with_the_training(tmp_path):
    results = run(tmp_path, "100")
    check(tmp_path, results)
    assert results[1][0] == 100


@pytest.mark.slow
def test_two_processes_train_on_devices_and_a_third_evaluates(tmp_path):
    results = run(tmp_path, "60", ("chief", "worker", "evaluator"))
    check(tmp_path, results)
    assert results[2][0] == 60
