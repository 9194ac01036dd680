"""TensorFlow's saved_model_cli shows every metagraph of an export, and runs {serve}."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
from golden import golden_models


@pytest.fixture
def call(exports):
    def run(verb, *arguments):
        command = os.path.join(os.path.dirname(sys.executable), "saved_model_cli")
        done = subprocess.run(
            [command, verb, "--dir", exports["devices"].path, *arguments],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    return run


def test_show_lists_all_metagraphs_with_the_same_signature_for_serving(call):
    shown = call("show", "--all")
    parts = re.split(r"MetaGraphDef with tag-set: '(.*)' contains", shown)[1:]
    signatures = dict(zip(parts[::2], parts[1::2], strict=True))
    assert sorted(signatures) == ["eval", "serve", "serve, tpu", "train"]
    for tags in ("serve", "serve, tpu"):
        assert "signature_def['serving_default']" in signatures[tags]
        assert "outputs['probabilities'] tensor_info:\n        dtype: DT_FLOAT" in signatures[tags]
    assert "Method name is: tensorflow/supervised/training" in signatures["train"]


def test_run_answers_from_the_metagraph_for_the_cpu(call, exports, tmp_path):
    x = golden_models.make_data("dense", "eval")[0][:3].tolist()
    fed = f"examples={[{'x': row} for row in x]}"
    signature = ["--tag_set", "serve", "--signature_def", "serving_default"]
    call("run", *signature, "--input_examples", fed, "--outdir", str(tmp_path))
    found = np.load(tmp_path / "probabilities.npy")
    expected = exports["devices"].predictions["probabilities"][:3]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
