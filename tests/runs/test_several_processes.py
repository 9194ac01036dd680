"""Real processes that share a run: the same results as one process, and no one waits for ever.

Processes take long to start, so that each goes through several scenarios.
"""

import json

import numpy as np
import pytest
from helpers import process_script
from helpers.process_runs import by_pod, by_tf_config, by_variables, run_processes

SCRIPT = "helpers/process_script.py"
ALL = ("train", "evaluate", "predict")
# By name; each has its own model directory.
SCENARIOS = {
    "PER_HOST_V1": {"acts": ["train", "refuse"]},
    "BROADCAST": {"acts": ALL, "pipeline": "BROADCAST"},
    "SLICED": {
        "acts": ["train", "evaluate"],
        "pipeline": "PER_SHARD_V1",
        "evaluation": "SLICED",
    },
    "PER_HOST_V2": {"acts": ["train", "evaluate", "refuse"], "pipeline": "PER_HOST_V2"},
    "cores": {
        "acts": ["train", "evaluate"],
        "pipeline": "PER_HOST_V2",
        "replicas": 2,
        "cores": 2,
        "cut": [{"x": [1, 2]}],
    },
    "seconds": {"acts": ["train"], "iterations": "30s", "steps": 40, "save_every": 1000},
    "stops": {"acts": ["stop"]},
    "nan": {"acts": ["meet_nan"]},
}
# Of strings and sparse tensors, with longer rows in one process than in the other.
WORDS = {"acts": ["train_words", "evaluate_words"], "pipeline": "PER_HOST_V2", "words": True}


def start(directory, variables, scenarios, replicas):
    """Runs scenarios in processes; returns [(exit code, {scenario: output})]."""
    listed = [
        {"name": name, "model_dir": str(directory / name), "replicas": replicas, "steps": 9, **s}
        for name, s in scenarios.items()
    ]
    file = directory / "scenarios.json"
    file.write_text(json.dumps(listed))
    return [(code, split(output)) for code, output in run_processes(SCRIPT, variables, file)]


def split(output):
    """What a process printed, by scenario."""
    parts = output.split("SCENARIO ")[1:]
    assert parts, output
    return {part.partition("\n")[0]: part for part in parts}


def find(word, output):
    """All JSON that a process printed after `word`."""
    lines = [x.removeprefix(f"{word} ") for x in output.splitlines() if x.startswith(f"{word} ")]
    assert lines, output
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The directory of two processes with two replicas each, and what they printed."""
    directory = tmp_path_factory.mktemp("two")
    scenarios = {name: s for name, s in SCENARIOS.items() if name != "PER_HOST_V2"}
    results = start(directory, by_tf_config(2), scenarios, replicas=4)
    assert [code for code, _ in results] == [0, 0], results
    return directory, [output for _, output in results]


def make_alone(tmp_path, name):
    """The estimator of the same training in this process alone, trained."""
    options = {"steps": 9, **SCENARIOS[name], "model_dir": str(tmp_path / "alone"), "replicas": 4}
    estimator = process_script.make_estimator(options)
    sharded = options.get("pipeline") == "PER_SHARD_V1"
    input_fn = process_script.tensor_input_fn if sharded else process_script.sharded_input_fn
    estimator.train(input_fn, max_steps=options["steps"])
    return estimator


def check_variables(alone, output):
    (values,) = find("RESULT", output)
    for name in ("kernel", "bias"):
        expected = np.ravel(alone.get_variable_value(name))
        np.testing.assert_allclose(values[name], expected, rtol=1e-6)


def check_files(model_dir):
    """One process has written: one event file, and checkpoints as one process writes them."""
    names = sorted(p.name for p in model_dir.iterdir())
    assert sum("events" in name for name in names) == 1
    saved = [n for n in names if n.endswith(".index")]
    assert saved == [f"model.ckpt-{step}.index" for step in (0, 4, 8, 9)]
    assert not [n for n in names if "tmp" in n]


def check_metrics(alone, output, names=("accuracy", "count", "global_step", "loss")):
    (metrics,) = find("METRICS", output)
    expected = alone.evaluate(process_script.evaluation_input_fn, steps=20)
    for name in names:
        np.testing.assert_allclose(metrics[name], float(expected[name]), rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("PER_HOST_V1", ["CALL 0 of 2 on host 0", "CALL 1 of 2 on host 1"]),
        ("BROADCAST", ["CALL 0 of 1 on host 0"] * 2),
        ("SLICED", ["CALL 1 of 4 on host 0", "CALL 3 of 4 on host 1"]),
    ],
)
def test_the_same_results_as_one_process(two, tmp_path, name, calls):
    directory, outputs = two
    alone = make_alone(tmp_path, name)
    for output, call in zip(outputs, calls, strict=True):
        assert call in output[name]
        check_variables(alone, output[name])
        if "evaluate" in SCENARIOS[name]["acts"]:
            check_metrics(alone, output[name])
    check_files(directory / name)
    if name != "PER_HOST_V1":
        assert len(list((directory / name / "eval").iterdir())) == 1


def test_replicas_of_several_cores(two, tmp_path):
    alone = make_alone(tmp_path, "cores")
    for output in two[1]:
        check_variables(alone, output["cores"])
        # The loss is a mean over batches, which hosts divide differently.
        check_metrics(alone, output["cores"], ("accuracy", "count", "global_step"))
    check_files(two[0] / "cores")


def test_every_process_yields_all_predictions_in_order(two, tmp_path):
    alone = make_alone(tmp_path, "BROADCAST")
    found = alone.predict(process_script.prediction_input_fn)
    expected = [float(p["probabilities"][0]) for p in found]
    assert len(expected) == 100  # no multiple of the batch size
    predictions = [find("PREDICTIONS", output["BROADCAST"])[0] for output in two[1]]
    assert predictions[0] == predictions[1]
    np.testing.assert_allclose(predictions[0], expected, rtol=1e-5)


def test_what_cannot_be_divided_over_hosts_is_refused(two):
    for output in two[1]:
        evaluation, prediction = find("REFUSED", output["PER_HOST_V1"])
        assert "TPUEstimator.evaluate is only supported under three conditions" in evaluation
        assert "TPUEstimator.predict is only supported under three conditions" in prediction


def test_loops_of_a_duration_are_equally_long(two, tmp_path):
    alone = make_alone(tmp_path, "seconds")
    for output in two[1]:
        check_variables(alone, output["seconds"])
    (chief,), (worker,) = (find("RESULT", output["seconds"]) for output in two[1])
    # Loops of one step until it is known how long one takes; hooks are the chief's.
    assert 2 <= chief["loops"] < 40
    assert worker["loops"] == 0


def test_processes_stop_together(two):
    for output in two[1]:
        # Five batches on one host; then the hook's 9, at the end of a loop of two: 10 - 1.
        assert find("STEPS", output["stops"]) == [[5, 9]]


def test_a_loss_that_is_not_a_number_is_an_error_in_every_process(two):
    texts = [find("NAN", output["nan"])[0] for output in two[1]]
    assert "`loss` is NaN at step 3 on replica 2" in texts[0]
    assert texts[0] == texts[1]


def test_sigterm_to_one_ends_all_with_a_checkpoint_and_a_killed_one_is_named(tmp_path):
    scenarios = {
        "SIGTERM": {"acts": ["terminate"], "steps": 10**6},
        "SIGKILL": {"acts": ["train"], "steps": 10**6},
    }
    for name, scenario in scenarios.items():
        scenario["harm"] = {"process": 1, "how": name, "batches": 9}
    results = start(tmp_path, by_pod(2), scenarios, replicas=2)
    model_dir = tmp_path / "SIGTERM"
    state = (model_dir / "checkpoint").read_text()
    last = state.split('"')[1]
    assert last.startswith("model.ckpt-")
    # Its position in the input is there as well: training goes on where it was stopped.
    assert (model_dir / f"{last}.input.json").exists()
    for _, output in results:
        ((code, text),) = find("ENDED", output["SIGTERM"])
        assert code == 143
        assert f"checkpoint saved in {model_dir / last}" in text
    check_loss_of_other(results, 1, "process 1 (127.0.0.1)", "gives no sign of life")


def check_loss_of_other(results, process, name, text):
    """The process that is left has failed, and said which other one is gone and why."""
    (other,) = [result for i, result in enumerate(results) if i != process]
    code, output = other[0], "".join(other[1].values())
    assert code not in (0, None), output
    assert f"another process of this run is gone ({name}" in output
    assert text in output


def test_when_the_chief_fails_the_others_end_and_say_so(tmp_path):
    harm = {"process": 0, "how": "raise", "batches": 30}
    scenarios = {"raise": {"acts": ["train"], "steps": 10**6, "harm": harm}}
    results = start(tmp_path, by_tf_config(2), scenarios, replicas=2)
    check_loss_of_other(results, 0, "process 0 (chief 0", "ValueError: the disk is gone")


@pytest.mark.slow
def test_four_processes(tmp_path):
    scenarios = {"PER_HOST_V2": SCENARIOS["PER_HOST_V2"]}
    results = start(tmp_path, by_variables(4), scenarios, replicas=4)
    alone = make_alone(tmp_path, "PER_HOST_V2")
    for i, (code, outputs) in enumerate(results):
        output = outputs["PER_HOST_V2"]
        assert code == 0, output
        assert f"CALL {i} of 4 on host {i}" in output
        check_variables(alone, output)
        # The loss is a mean over batches, which hosts divide differently.
        check_metrics(alone, output, ("accuracy", "count", "global_step"))
    check_files(tmp_path / "PER_HOST_V2")


@pytest.mark.slow
def test_a_missing_process_is_named(tmp_path):
    variables = [{**v, "TFX_TPU_ESTIMATOR_CONNECT_TIMEOUT_SECS": "10"} for v in by_variables(3)]
    scenarios = {"": {"acts": ["gather", "train"], "gathered": 2}}
    results = start(tmp_path, [*variables[:2], None], scenarios, replicas=3)
    for code, output in results:
        assert code == 1
        assert "Of 3 processes, 1 did not start within 10 s: process 2." in output[""]


@pytest.mark.slow
def test_rows_are_as_wide_in_all_processes(tmp_path):
    results = start(tmp_path, by_variables(2), {"words": WORDS}, replicas=4)
    assert [code for code, _ in results] == [0, 0], results
    options = {"steps": 9, **WORDS, "model_dir": str(tmp_path / "alone"), "replicas": 4}
    alone = process_script.make_estimator(options)
    alone.train(process_script.words_input_fn, max_steps=9)
    expected = alone.evaluate(process_script.words_evaluation_input_fn, steps=20)
    for _, output in results:
        (kernel,) = find("RESULT", output["words"])
        found = np.ravel(alone.get_variable_value("kernel"))
        np.testing.assert_allclose(kernel, found, rtol=1e-5)
        (metrics,) = find("METRICS", output["words"])
        for name in ("accuracy", "count"):
            np.testing.assert_allclose(metrics[name], float(expected[name]), rtol=1e-6)
