"""train_and_evaluate does what the old estimator did: evaluations, their order, and results."""

import json
import pathlib

import pytest
from golden import train_eval_scenarios
from helpers.old_names import make_namespace

FILE = pathlib.Path(__file__).parents[1] / "golden" / "train_and_evaluate.json"
GOLDEN = json.loads(FILE.read_text())
BUILD = "build evaluation"
# What is different on purpose: see docs/legacy_differences.md.
DIFFERENCES = {
    # The old one did nothing and returned nothing.
    "complete": {"exports", "log", "metrics", "events"},
    # The old one built one graph for all its evaluations in memory.
    "in_memory": {"log"},
}


def run(name, model_dir):
    record = train_eval_scenarios.SCENARIOS[name](make_namespace(), str(model_dir))
    # As the file has it.
    return json.loads(json.dumps(record))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_same_happens_as_in_the_old_estimator(tmp_path, name):
    found, expected = run(name, tmp_path), GOLDEN[name]
    for part in sorted(set(expected) - DIFFERENCES.get(name, set())):
        if part == "metrics":
            assert sorted(found[part]) == sorted(expected[part])
            for metric, value in expected[part].items():
                assert train_eval_scenarios.is_close(found[part][metric], value), metric
        else:
            assert found[part] == expected[part], part
    if name == "in_memory":
        assert [x for x in found["log"] if x != BUILD] == [x for x in expected["log"] if x != BUILD]


def test_complete_training_is_evaluated_but_not_exported_again(tmp_path):
    found = run("complete", tmp_path)
    assert found["metrics"]["global_step"] == 4
    assert found["exports"] == []
    assert not [line for line in found["log"] if "export" in line or "save" in line]
