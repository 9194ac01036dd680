import os
import shlex

import pytest
from helpers.pipeline_runs import make_config

from tfx_tpu_estimator.pipelines.failure import describe_failure
from tfx_tpu_estimator.pipelines.local_dag import check_part
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline
from tfx_tpu_estimator.pipelines.presentation import run_and_present


def test_a_fault_of_the_model_fn_is_told_with_its_line(tmp_path, capsys):
    config = make_config(tmp_path)
    module = tmp_path / "user_module.py"
    module.write_text(module.read_text().replace('features["x"]', 'features["z"]'))
    assert run_and_present(config, "the.log") == 1
    error = capsys.readouterr().err
    line = 1 + next(i for i, t in enumerate(module.read_text().splitlines()) if '"z"' in t)
    assert "The pipeline failed: KeyError: 'z'" in error
    assert f'user_module.py, line {line}: logits = tf.layers.dense(features["z"]' in error
    assert "See the.log" in error
    assert "Traceback" not in error


def test_success_ends_with_the_summary(tmp_path, capsys):
    folder = tmp_path / "a folder"
    folder.mkdir()
    assert run_and_present(make_config(folder), "the.log") == 0
    shown = capsys.readouterr().out
    assert "Pipeline 'small' finished" in shown
    assert "Blessed: yes" in shown
    page = next(line for line in shown.splitlines() if "Page of the evaluation: " in line)
    assert os.path.isfile(page.partition(": ")[2])
    # Lines for the shell work as they stand.
    commands = [shlex.split(line) for line in shown.splitlines() if "bin/" in line]
    assert [os.path.basename(words[0]) for words in commands] == [
        "tensorboard",
        "saved_model_cli",
        "tfx-tpu-estimator",
    ]
    assert all(os.path.isfile(words[0]) and os.path.isdir(words[-1]) for words in commands)


@pytest.mark.parametrize(
    ("from_nodes", "to_nodes", "part"),
    [
        (["Evaluator"], None, ["Evaluator", "Pusher"]),
        (["Trainer"], ["Trainer"], ["Trainer"]),
        (None, ["Trainer"], ["ImportExampleGen", "ImportSchemaGen", "Trainer"]),
        (["latest_blessed_model"], ["Evaluator"], ["latest_blessed_model", "Evaluator"]),
    ],
)
def test_parts_of_a_pipeline(tmp_path, from_nodes, to_nodes, part):
    assert check_part(create_pipeline(make_config(tmp_path)), from_nodes, to_nodes) == part


def test_what_cannot_be_a_part_of_a_pipeline(tmp_path, capsys):
    config = make_config(tmp_path)
    assert run_and_present(config, "the.log", from_nodes=["Trianer"]) == 2
    error = capsys.readouterr().err
    assert "`from_nodes` has 'Trianer', which is no node of the pipeline. Did you mean" in error
    assert "failed" not in error
    upside_down = {"from_nodes": ["Pusher"], "to_nodes": ["Trainer"]}
    assert run_and_present(config, "the.log", **upside_down) == 2
    assert "Nothing lies between `from_nodes` Pusher and `to_nodes` Tr" in capsys.readouterr().err
    assert run_and_present(config, "the.log", from_nodes=["Evaluator"]) == 1
    error = capsys.readouterr().err
    assert "`from_nodes` Evaluator: the latest run has not all that these nodes need" in error
    assert "Run the pipeline up to there first" in error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("`steps` must be > 0."), "`steps` must be > 0."),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError(), "RuntimeError: no message"),
    ],
)
def test_the_type_is_told_where_the_message_alone_says_little(error, text):
    assert describe_failure(error, "/m/module.py") == text
