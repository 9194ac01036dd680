"""Real processes that share a run: the same results as one process, and no one waits for ever."""

import json

import numpy as np
import pytest
from helpers import process_script
from helpers.process_runs import by_pod, by_tf_config, by_variables, run_processes

SCRIPT = "helpers/process_script.py"


def start(tmp_path, variables, **options):
    """Runs the script in processes; returns [(exit code, output)] and the model directory."""
    model_dir = tmp_path / "model"
    file = tmp_path / "options.json"
    file.write_text(json.dumps({"model_dir": str(model_dir), "steps": 9, **options}))
    return run_processes(SCRIPT, variables, file), model_dir


def find(word, output):
    """The JSON that a process printed after `word`."""
    lines = [x.removeprefix(word) for x in output.splitlines() if x.startswith(word)]
    assert lines, output
    return json.loads(lines[-1])


def train_alone(tmp_path, **options):
    """The same run in this process alone."""
    options = {"model_dir": str(tmp_path / "alone"), "steps": 9, **options}
    estimator = process_script.make_estimator(options)
    sharded = options["pipeline"] == "PER_SHARD_V1"
    input_fn = process_script.tensor_input_fn if sharded else process_script.sharded_input_fn
    estimator.train(input_fn, max_steps=options["steps"])
    return estimator


@pytest.mark.parametrize(
    ("count", "describe", "pipeline", "calls"),
    [
        (2, by_tf_config, "PER_HOST_V1", ["CALL 0 of 2 on host 0", "CALL 1 of 2 on host 1"]),
        (2, by_pod, "BROADCAST", ["CALL 0 of 1 on host 0"] * 2),
        (2, by_tf_config, "PER_SHARD_V1", ["CALL 1 of 4 on host 0", "CALL 3 of 4 on host 1"]),
        pytest.param(
            4,
            by_variables,
            "PER_HOST_V2",
            [f"CALL {i} of 4 on host {i}" for i in range(4)],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_same_results_as_one_process(tmp_path, count, describe, pipeline, calls):
    options = {"replicas": 4, "pipeline": pipeline}
    if pipeline == "PER_SHARD_V1":
        options["evaluation"] = "SLICED"
    alone = train_alone(tmp_path, **options)
    results, model_dir = start(tmp_path, describe(count), evaluate={"steps": 20}, **options)
    for (code, output), call in zip(results, calls, strict=True):
        assert code == 0, output
        assert call in output
        values = find("RESULT ", output)
        for name in ("kernel", "bias"):
            expected = np.ravel(alone.get_variable_value(name))
            np.testing.assert_allclose(values[name], expected, rtol=1e-6)
    check_files(model_dir)
    if pipeline == "PER_HOST_V1":
        for _, output in results:
            assert "REFUSED TPUEstimator.evaluate is only supported under three" in output
        return
    assert len(list((model_dir / "eval").iterdir())) == 1
    expected = alone.evaluate(process_script.evaluation_input_fn, steps=20)
    for _, output in results:
        metrics = find("METRICS ", output)
        # The loss is a mean over batches, which hosts divide differently.
        for name in ["accuracy", "count", "global_step", *["loss"] * (pipeline != "PER_HOST_V2")]:
            np.testing.assert_allclose(metrics[name], float(expected[name]), rtol=1e-6)


def check_files(model_dir):
    """One process has written: one event file, and checkpoints as one process writes them."""
    names = sorted(p.name for p in model_dir.iterdir())
    assert sum("events" in name for name in names) == 1
    saved = [n for n in names if n.endswith(".index")]
    assert saved == [f"model.ckpt-{step}.index" for step in (0, 4, 8, 9)]
    assert not [n for n in names if "tmp" in n]


def test_processes_stop_together(tmp_path):
    results, _ = start(tmp_path, by_tf_config(2), replicas=2, stops=True)
    for code, output in results:
        assert code == 0, output
        # Five batches on one host; then the hook's 9, at the end of a loop of two: 10 - 1.
        assert find("STEPS ", output) == [5, 9]


@pytest.mark.parametrize(
    ("process", "how", "text"),
    [(1, "SIGKILL", "gives no sign of life"), (0, "raise", "ValueError: the disk is gone")],
)
def test_when_one_process_dies_the_others_end_and_say_so(tmp_path, process, how, text):
    harm = {"process": process, "how": how, "batches": 30}
    results, _ = start(tmp_path, by_tf_config(2), replicas=2, steps=10**6, harm=harm)
    (other,) = [result for i, result in enumerate(results) if i != process]
    code, output = other
    assert code not in (0, None), output
    task = ["chief 0", "worker 0"][process]
    assert f"another process of this run is gone (process {process} ({task}" in output
    assert text in output


def test_sigterm_to_one_ends_all_with_a_checkpoint(tmp_path):
    harm = {"process": 1, "how": "SIGTERM", "batches": 9}
    results, model_dir = start(tmp_path, by_tf_config(2), replicas=2, steps=10**6, harm=harm)
    assert [code for code, _ in results] == [143, 143], results
    state = (model_dir / "checkpoint").read_text()
    assert state.startswith('model_checkpoint_path: "model.ckpt-')
    # Its position in the input is there as well: training goes on where it was stopped.
    assert (model_dir / (state.split('"')[1] + ".input.json")).exists()


@pytest.mark.slow
def test_a_missing_process_is_named(tmp_path):
    variables = [{**v, "TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": "10"} for v in by_variables(3)]
    results, _ = start(tmp_path, [*variables[:2], None], replicas=3)
    for code, output in results:
        assert code == 1
        assert "Of 3 processes, 1 did not start within 10 s: process 2." in output
