"""Programs that export, as they were written for the old estimator, run unmodified on both engines.

What they export is what the old estimator exported (tests/golden/exports.json), and answers what
they had predicted: from the CPU's graph in a session, and from the TPU's run on the CPU.
"""

import json
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from helpers.export_descriptions import describe_export
from helpers.script_runs import run_commands
from helpers.tpu_graph import run_tpu_metagraph

TESTS = pathlib.Path(__file__).parent.parent
PROGRAMS = TESTS / "programs" / "exporting"
GOLDEN = json.loads((TESTS / "golden" / "exports.json").read_text())
HOST_ONLY = ("wide_and_deep",)
CASES = [(n, u) for n in sorted(GOLDEN) for u in (False, True) if not (u and n in HOST_ONLY)]
# The others are slow: this one has a receiver, assets, several signatures, devices.
FAST = [("moving_average", False), ("vocabulary", True)]
SLOW = [case for case in CASES if case not in FAST]
MARKED = FAST + [pytest.param(*case, marks=pytest.mark.slow) for case in SLOW]


class Outcomes:
    """Runs of the programs, each group with one start of Python when it is first asked for."""

    def __init__(self, factory):
        self._factory = factory
        self._found = {}

    def __call__(self, name, use_tpu):
        """Returns the output directory of a run that went well."""
        case = (name, use_tpu)
        if case not in self._found:
            self._run(FAST if case in FAST else SLOW)
        result, folder = self._found[case]
        assert result.code == 0, result.stderr[-3000:]
        return folder

    def _run(self, cases):
        root = self._factory.mktemp("exporting")
        folders = [root / f"{name}_{use_tpu}" for name, use_tpu in cases]
        commands = []
        for (name, use_tpu), folder in zip(cases, folders, strict=True):
            folder.mkdir()
            flags = [f"--use_tpu={use_tpu}", f"--output_dir={folder}"]
            commands.append(["run", PROGRAMS / f"{name}.py", *flags])
        results = run_commands(root, commands)
        self._found |= dict(zip(cases, zip(results, folders, strict=True), strict=True))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", "2")
        yield Outcomes(tmp_path_factory)


def load_arrays(path):
    with np.load(path, allow_pickle=True) as stored:
        return {name: stored[name] for name in stored.files}


def answer_on_host(directory, signature, requests):
    tf1 = tf.compat.v1
    with tf.Graph().as_default(), tf1.Session() as session:
        loaded = tf1.saved_model.load(session, ["serve"], directory).signature_def[signature]
        return session.run(
            {name: info.name for name, info in loaded.outputs.items()},
            {loaded.inputs[name].name: value for name, value in requests.items()},
        )


@pytest.mark.parametrize(("name", "use_tpu"), MARKED)
def test_the_export_answers_what_was_predicted(outcomes, name, use_tpu):
    folder = outcomes(name, use_tpu)
    path, signature = (folder / "export.txt").read_text().splitlines()
    requests, expected = (load_arrays(folder / f"{n}.npz") for n in ("requests", "expected"))
    answers = [answer_on_host(path, signature, requests)]
    if "serve,tpu" in GOLDEN[name]["metagraphs"]:
        answers.append(run_tpu_metagraph(path, signature, requests))
    for answer in answers:
        for key, values in expected.items():
            if values.dtype.kind == "S":
                np.testing.assert_array_equal(answer[key].astype("S"), values)
            else:
                np.testing.assert_allclose(answer[key], values, rtol=1e-4, atol=1e-6)


def without_shapes_on_tpu(description):
    """The old estimator did not know the shapes of what a TPU gives."""
    for signature in description["metagraphs"].get("serve,tpu", {}).values():
        for output in signature["outputs"].values():
            output["shape"] = None
    return description


@pytest.mark.parametrize(("name", "use_tpu"), MARKED)
def test_the_export_looks_as_that_of_the_old_estimator(outcomes, name, use_tpu):
    path = (outcomes(name, use_tpu) / "export.txt").read_text().splitlines()[0]
    found, expected = without_shapes_on_tpu(describe_export(path)), GOLDEN[name]
    assert found["metagraphs"] == expected["metagraphs"]
    assert found["files"] == expected["files"]
    assert found["variables"] == expected["variables"]
