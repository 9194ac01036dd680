"""Tests of resolving splits."""

import pytest
from helpers.artifacts import make_examples
from helpers.tfrecords import make_example, write_gzip_cut_between_records, write_records

from tfx_tpu_estimator.components import examples
from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError

RECORDS = [make_example(x=i) for i in range(5)]


@pytest.fixture
def make(tmp_path):
    def make_with_records(name, **formats):
        artifact = make_examples(tmp_path / name, ["train", "eval"], **formats)
        for split in ("train", "eval"):
            write_records(tmp_path / name / f"Split-{split}" / "data.gz", RECORDS, "GZIP")
        return artifact

    return make_with_records


def test_patterns_of_all_artifacts_and_splits(make):
    first, second = make("one"), make("two")
    files = examples.resolve_splits([first, second], ["train", "eval"], "splits")
    assert files.patterns == tuple(
        f"{artifact.uri}/Split-{split}/*"
        for split in ("train", "eval")
        for artifact in (first, second)
    )
    assert (files.data_format, files.payload_format) == ("tfrecords_gzip", "FORMAT_TF_EXAMPLE")
    assert len(examples.list_split_files(files)) == 4
    assert examples.resolve_compression(files) == "GZIP"


def test_no_examples():
    with pytest.raises(ValueError, match="`examples` is empty"):
        examples.resolve_splits([], ["train"], "splits")


def test_a_split_one_artifact_lacks(make, tmp_path):
    other = make_examples(tmp_path / "other", ["train"])
    match = "names the split 'eval', which examples at .*other do not have; available: train"
    with pytest.raises(ValueError, match=match):
        examples.resolve_splits([make("one"), other], ["eval"], "splits")


@pytest.mark.parametrize(
    "formats", [{"file_format": "tfrecords"}, {"payload_format": "FORMAT_PROTO"}]
)
def test_artifacts_of_different_formats(make, formats):
    with pytest.raises(ValueError, match=f"differ in their {next(iter(formats))}"):
        examples.resolve_splits([make("one"), make("two", **formats)], ["train"], "splits")


def test_an_empty_file_is_an_empty_split(make, tmp_path):
    artifact = make("one")
    (tmp_path / "one" / "Split-train" / "data.gz").write_bytes(b"")
    with pytest.raises(EmptySplitError, match="has no records"):
        examples.resolve_splits([artifact], ["train"], "splits")


def test_a_stream_cut_between_two_records_is_found(make, tmp_path):
    """TensorFlow reads three of the five records and reports no error."""
    artifact = make("one")
    write_gzip_cut_between_records(tmp_path / "one" / "Split-train" / "data.gz", RECORDS, 3)
    files = examples.resolve_splits([artifact], ["train"], "splits")
    with pytest.raises(DataCorruptionError, match="truncated"):
        examples.verify_files(files)
