"""Reading schema.pbtxt."""

import pytest
from helpers.tfrecords import find_taxi_data

from tfx_tpu_estimator.inputs.schema import read_schema


@pytest.mark.parametrize("name", ["schema.pbtxt", ""])
def test_reads_file_or_artifact_folder(name):
    schema = read_schema(str(find_taxi_data() / "schema_gen" / name))
    assert len(schema.feature) == 18


@pytest.mark.parametrize("path", [None, ""])
def test_no_path(path):
    with pytest.raises(ValueError, match=r"`schema_path` is .*a schema is needed here"):
        read_schema(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"`schema_path`: there is no file .*schema.pbtxt"):
        read_schema(str(tmp_path))


@pytest.mark.parametrize("content", [b"feature { nmae: 'x' }", b"\xff\xfe\x00", b"a,b\n1,2\n"])
def test_no_schema(tmp_path, content):
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"schema.pbtxt' is not a tensorflow_metadata Schema"):
        read_schema(str(path))


def test_empty_schema(tmp_path):
    path = tmp_path / "schema.pbtxt"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="has no features"):
        read_schema(str(path))
