"""File patterns, compression, order of the stream, counting."""

import pytest
from helpers.tfrecords import flip_byte, write_records

from tfx_tpu_estimator.errors import DataCorruptionError, EmptySplitError
from tfx_tpu_estimator.inputs.tfrecord import (
    count_records,
    list_files,
    raise_if_corrupt,
    resolve_compression,
    serialized_dataset,
)


@pytest.fixture
def files(tmp_path):
    """Five files of 40 records b'<file>-<record>'."""
    return [
        write_records(tmp_path / f"part-{i}", [f"{i}-{j}".encode() for j in range(40)])
        for i in range(5)
    ]


def read(dataset, count=None):
    return list((dataset if count is None else dataset.take(count)).as_numpy_iterator())


def test_list_files_is_sorted_without_folders_and_duplicates(tmp_path, files):
    (tmp_path / "folder").mkdir()
    assert list_files([str(tmp_path / "*"), files[3]]) == files
    assert list_files(str(tmp_path / "part-1")) == [files[1]]


def test_list_files_names_the_pattern_that_matches_nothing(tmp_path, files):
    with pytest.raises(EmptySplitError, match=r"`eval_files`.*nothing-\*.* matches no file"):
        list_files([files[0], str(tmp_path / "nothing-*")], "eval_files")


@pytest.mark.parametrize("patterns", [[], None, ""])
def test_list_files_refuses_no_pattern(patterns):
    with pytest.raises(EmptySplitError, match="`train_files`"):
        list_files(patterns, "train_files")


@pytest.mark.parametrize(
    ("data_format", "expected"), [("tfrecords_gzip", "GZIP"), ("tfrecords", ""), ("tfrecord", "")]
)
def test_resolve_compression_by_format_reads_no_file(data_format, expected):
    assert resolve_compression(data_format, ["/no/such/file"]) == expected


@pytest.mark.parametrize("compression", ["GZIP", ""])
def test_resolve_compression_by_first_bytes(tmp_path, compression):
    path = write_records(tmp_path / "some", [b"record"], compression)
    (tmp_path / "empty").touch()
    assert resolve_compression(None, [str(tmp_path / "empty"), path]) == compression


def test_resolve_compression_of_empty_files(tmp_path):
    (tmp_path / "empty").touch()
    assert resolve_compression(None, [str(tmp_path / "empty")]) == ""


def test_resolve_compression_refuses_mixed_files(tmp_path, files):
    packed = write_records(tmp_path / "packed.gz", [b"record"], "GZIP")
    with pytest.raises(ValueError, match=r"mixes compressions: .*packed.gz.* is gzip"):
        resolve_compression(None, [files[0], packed])


def test_resolve_compression_refuses_other_formats():
    with pytest.raises(ValueError, match=r"`data_format` is 'parquet'.*Allowed: .*tfrecords_gzip"):
        resolve_compression("parquet", [])


def test_without_seed_the_order_is_that_of_the_files(files):
    expected = [f"{i}-{j}".encode() for i in range(5) for j in range(40)]
    assert read(serialized_dataset(files, "")) == expected


@pytest.mark.parametrize("shuffle_buffer", [0, 16, 1000])
def test_same_seed_same_order(files, shuffle_buffer):
    def draw(seed):
        return read(
            serialized_dataset(
                files, "", shuffle_seed=seed, shuffle_buffer=shuffle_buffer, repeat=True
            ),
            600,
        )

    first = draw(11)
    assert draw(11) == first
    assert draw(12) != first


def test_every_epoch_has_all_records_in_a_new_order(files):
    dataset = serialized_dataset(files, "", shuffle_seed=0, shuffle_buffer=1000, repeat=True)
    drawn = read(dataset, 600)
    epochs = [drawn[:200], drawn[200:400], drawn[400:]]
    plain = read(serialized_dataset(files, ""))
    assert all(sorted(epoch) == sorted(plain) for epoch in epochs)
    assert len({tuple(epoch) for epoch in [plain, *epochs]}) == 4


def test_without_repeat_shuffling_ends_after_one_pass(files):
    dataset = serialized_dataset(files, "", shuffle_seed=3, shuffle_buffer=50)
    assert sorted(read(dataset)) == sorted(read(serialized_dataset(files, "")))


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (([], ""), {}, "`files` must be a list of at least one path"),
        (("some/path", ""), {}, "`files` must be a list of at least one path"),
        ((["a"], "ZLIB"), {}, "`compression` must be 'GZIP' or ''; got 'ZLIB'"),
        ((["a"], ""), {"shuffle_buffer": 5}, "`shuffle_buffer` is 5 but `shuffle_seed` is None"),
    ],
)
def test_stream_arguments_are_checked(arguments, options, text):
    with pytest.raises(ValueError, match=text):
        serialized_dataset(*arguments, **options)


def test_count_records(tmp_path, files):
    assert count_records(files, "") == 200
    assert count_records(files, "", limit=45) == 45
    (tmp_path / "empty").touch()
    assert count_records([str(tmp_path / "empty")], "", limit=1) == 0
    assert count_records([write_records(tmp_path / "z", [], "GZIP")], "GZIP") == 0


def test_count_records_names_the_corrupt_file(files):
    flip_byte(files[2], 14)
    assert count_records(files, "", limit=80) == 80
    with pytest.raises(DataCorruptionError, match="part-2' is corrupt at record 0"):
        count_records(files, "")


def test_raise_if_corrupt_names_file_record_and_reason(files):
    raise_if_corrupt(files, "")
    flip_byte(files[4], -1)
    with pytest.raises(
        DataCorruptionError, match=r"part-4' is corrupt at record 39 .*wrong checksum"
    ):
        raise_if_corrupt(files, "")
