"""Every way in which a TFRecord file can be damaged, made and found."""

import gzip

import pytest
import tensorflow as tf
from helpers.tfrecords import (
    flip_byte,
    truncate,
    write_gzip_cut_between_records,
    write_gzip_text,
    write_records,
)

from tfx_tpu_estimator.inputs.record_scan import find_corrupt_record, iterate_records

RECORDS = [bytes([i]) * 100 for i in range(20)]
# Length (8 bytes), its checksum (4), data, checksum of the data (4).
FRAME_BYTES = 100 + 16
CSV = "trip,fare,tips\n1,2.5,0.0\n2,8.0,1.5\n" * 20


def damage_data(path):
    write_records(path, RECORDS)
    flip_byte(path, 7 * FRAME_BYTES + 50)


def damage_length(path):
    write_records(path, RECORDS)
    flip_byte(path, 7 * FRAME_BYTES)


def cut_within_record(path):
    write_records(path, RECORDS)
    truncate(path, 7 * FRAME_BYTES + 50)


def cut_within_header(path):
    write_records(path, RECORDS)
    truncate(path, 7 * FRAME_BYTES + 5)


def write_csv(path):
    path.write_text(CSV)


def read_gzip_as_plain(path):
    write_records(path, RECORDS, "GZIP")


@pytest.mark.parametrize(
    ("make", "index", "reason"),
    [
        (damage_data, 7, "wrong checksum"),
        (damage_length, 7, "wrong checksum"),
        (cut_within_record, 7, "ends in the middle of the record"),
        (cut_within_header, 7, "ends in the middle of the record"),
        (write_csv, 0, "may be no TFRecord file"),
        (read_gzip_as_plain, 0, "compressed with gzip, but is read as an uncompressed"),
    ],
)
def test_damaged_plain_file(tmp_path, make, index, reason):
    good = write_records(tmp_path / "good", RECORDS)
    make(tmp_path / "bad")
    found = find_corrupt_record([good, str(tmp_path / "bad")], "")
    assert found[:2] == (str(tmp_path / "bad"), index)
    assert reason in found[2]


def cut_gzip(path):
    write_records(path, RECORDS, "GZIP")
    truncate(path, -20)


def cut_gzip_end_mark(path):
    write_records(path, RECORDS, "GZIP")
    truncate(path, -4)


def cut_gzip_between_records(path):
    write_gzip_cut_between_records(path, RECORDS, kept=5)


def damage_gzip(path):
    write_records(path, RECORDS, "GZIP")
    flip_byte(path, 30)


def damage_gzip_checksum(path):
    write_records(path, RECORDS, "GZIP")
    flip_byte(path, -6)


def write_packed_csv(path):
    write_gzip_text(path, CSV)


def write_plain(path):
    write_records(path, RECORDS)


def pack_damaged_records(path):
    write_records(path, RECORDS)
    flip_byte(path, 3 * FRAME_BYTES + 50)
    path.write_bytes(gzip.compress(path.read_bytes()))


def pack_cut_records(path):
    cut_within_header(path)
    path.write_bytes(gzip.compress(path.read_bytes()))


@pytest.mark.parametrize(
    ("make", "index", "reason"),
    [
        (cut_gzip, None, "truncated"),
        (cut_gzip_end_mark, 20, "truncated"),
        (cut_gzip_between_records, 5, "truncated"),
        (damage_gzip, None, "gzip stream is damaged"),
        (damage_gzip_checksum, None, "gzip stream is damaged"),
        (write_packed_csv, 0, "may be no TFRecord file"),
        (write_csv, 0, "not compressed with gzip"),
        (write_plain, 0, "not compressed with gzip"),
        (pack_damaged_records, 3, "wrong checksum"),
        (pack_cut_records, 7, "ends in the middle of the record"),
    ],
)
def test_damaged_gzip_file(tmp_path, make, index, reason):
    good = write_records(tmp_path / "good", RECORDS, "GZIP")
    make(tmp_path / "bad")
    found = find_corrupt_record([good, str(tmp_path / "bad")], "GZIP")
    assert found[0] == str(tmp_path / "bad")
    assert index is None or found[1] == index
    assert reason in found[2]


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_good_and_empty_files_are_not_corrupt(tmp_path, compression):
    (tmp_path / "empty").touch()
    files = [
        write_records(tmp_path / "good", RECORDS, compression),
        write_records(tmp_path / "none", [], compression),
        str(tmp_path / "empty"),
    ]
    assert find_corrupt_record(files, compression) is None


@pytest.mark.parametrize("compression", ["", "GZIP"])
def test_iterate_records_also_inside_a_graph(tmp_path, compression):
    path = write_records(tmp_path / "good", RECORDS, compression)
    with tf.Graph().as_default():
        assert list(iterate_records(path, compression)) == RECORDS
