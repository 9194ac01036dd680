"""What is in an export, compared with the files of the old estimator, which a script recorded."""

import functools
import json
import pathlib

import pytest
from golden import tpu_export_cases as cases

import tfx_tpu_estimator as tpu_estimator

GOLDEN = pathlib.Path(cases.__file__).parent / "tpu_exports.json"


@functools.cache
def read_golden():
    return json.loads(GOLDEN.read_text())


def test_every_case_was_recorded():
    assert set(read_golden()) == set(cases.CASES)


@pytest.mark.parametrize("case", [c for c in cases.CASES if c not in ("tpu_only", "neither")])
def test_it_is_what_the_old_estimator_wrote(case, tmp_path):
    path = cases.export(tpu_estimator, case, str(tmp_path))
    assert cases.describe(path) == read_golden()[case]


def test_the_metagraph_for_tpus_alone(tmp_path):
    # The old estimator could not write it on a machine without a TPU.
    assert "error" in read_golden()["tpu_only"]
    path = cases.export(tpu_estimator, "tpu_only", str(tmp_path))
    expected = read_golden()["several"]["serve,tpu"]
    assert cases.describe(path) == {"serve,tpu": expected}


def test_neither_metagraph(tmp_path):
    with pytest.raises(ValueError, match="One of export_to_cpu and export_to_tpu must be true"):
        cases.export(tpu_estimator, "neither", str(tmp_path))
    assert read_golden()["neither"]["error"].startswith("One of export_to_cpu and export_to_tpu")
