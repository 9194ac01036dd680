"""Pushes that are killed, and pushes at once, while a watcher does what a server does."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys

import pytest
from helpers.serving_models import Watcher, list_served, read_tree, write_model

from tfx_tpu_estimator.components.pusher.content import read_content
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.pusher.records import Records
from tfx_tpu_estimator.components.pusher.versions import push_content

SCRIPT = pathlib.Path(__file__).parents[2] / "helpers" / "push_kill_script.py"


def run_script(root: pathlib.Path, *tasks: str):
    """Runs the script with a watcher for each task; returns its results and the watchers."""
    models = [write_model(root / "models" / f"m{i}", i, 300_000) for i in range(4)]
    trees = [read_tree(model) for model in models]
    with contextlib.ExitStack() as stack:
        watchers = {t: stack.enter_context(Watcher(root / t, trees)) for t in tasks}
        done = subprocess.run(
            [sys.executable, "-W", "ignore", SCRIPT, root / "models", root, *tasks],
            capture_output=True,
            text=True,
            check=True,
        )
    return json.loads(done.stdout.splitlines()[-1]), watchers


def check_next_push_cleans_up(base: pathlib.Path):
    """Pushes once more, and checks that nothing but versions and records is left."""
    model = write_model(base.parent / "last", 99)
    push_content(read_content(str(model)), str(base), PusherOptions())
    served = list_served(base)
    assert sorted(os.listdir(base)) == sorted([*served, ".pushes"])
    recorded = Records(str(base)).numbers
    names = {"lock", *(f"{version}.json" for version in recorded)}
    assert set(os.listdir(base / ".pushes")) == names
    assert {int(name) for name in served} <= set(recorded)
    assert read_tree(base / served[0]) == read_tree(model)


def check_random_kills(result: dict, watcher: Watcher, count: int):
    assert watcher.faults == []
    assert result["other"] == []
    assert result["killed"] > count / 10  # the others ended before their line came
    assert result["finished"] > 0
    assert watcher.seen
    check_next_push_cleans_up(watcher.base)


def test_a_server_never_sees_a_part(tmp_path):
    results, watchers = run_script(tmp_path, "each", "random:20", "together:4")
    # Killed at its first file operation, at its second, and so on.
    assert watchers["each"].faults == []
    assert results["each"]["killed"] > 20
    check_next_push_cleans_up(tmp_path / "each")
    check_random_kills(results["random:20"], watchers["random:20"], 20)
    # At once: they take turns, and each knows the one before it.
    assert watchers["together:4"].faults == []
    assert results["together:4"]["codes"] == [0, 0, 0, 0]
    records = Records(str(tmp_path / "together:4"))
    found = [records.get(version) for version in records.numbers]
    assert len({record.digest for record in found}) == 4
    assert [record.previous_version for record in found] == [None, *records.numbers[:-1]]
    check_next_push_cleans_up(tmp_path / "together:4")


@pytest.mark.slow
def test_a_server_never_sees_a_part_in_many_kills(tmp_path):
    results, watchers = run_script(tmp_path, "random:400")
    check_random_kills(results["random:400"], watchers["random:400"], 400)
