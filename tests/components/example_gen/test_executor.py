"""The checks that ImportExampleGen makes; whole runs are in tests/pipelines/test_local_dag.py."""

import json

import pytest
from helpers.tfrecords import make_example, write_records

from tfx_tpu_estimator.components.example_gen.executor import check_files, list_input_files
from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError


def properties(base, **patterns):
    splits = [{"name": name, "pattern": pattern} for name, pattern in patterns.items()]
    return {"input_base": str(base), "input_config": json.dumps({"splits": splits})}


@pytest.fixture
def files(tmp_path):
    for name in ("a-1", "a-2", "b-1"):
        write_records(tmp_path / name, [make_example(x=1.0)] * 3)
    return tmp_path


def test_files_of_all_splits_are_listed_once(files):
    listed = list_input_files(properties(files, one="a-*", two="b-*", again="a-1"))
    assert listed == [str(files / name) for name in ("a-1", "a-2", "b-1")]


def test_a_pattern_without_files_names_split_and_pattern(files):
    with pytest.raises(EmptySplitError, match=r"split 'two'.*c-\*"):
        list_input_files(properties(files, one="a-*", two="c-*"))


def test_whole_files_pass(files):
    check_files([str(p) for p in files.iterdir()])


def test_the_damaged_one_of_many_is_named(files):
    path = files / "a-2"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataCorruptionError, match="a-2"):
        check_files([str(p) for p in sorted(files.iterdir())])
