"""Writes small TFRecord files of tf.Examples, and finds the taxi data inside the tfx package."""

import gzip
import importlib.util
import pathlib
import zlib

import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def make_feature(values):
    """A tf.train.Feature by the type of its values; None: a feature of no kind at all."""
    if values is None:
        return tf.train.Feature()
    values = values if isinstance(values, list) else [values]
    if isinstance(values[0], bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))
    if isinstance(values[0], int):
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def make_example(**features):
    """A serialized tf.Example."""
    made = {name: make_feature(values) for name, values in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=made)).SerializeToString()


def write_records(path, records, compression=""):
    """Writes a TFRecord file and returns its path as a string."""
    with tf.io.TFRecordWriter(str(path), compression or None) as writer:
        for record in records:
            writer.write(record)
    return str(path)


def flip_byte(path, position):
    """Damages one byte of a file; a negative position counts from its end."""
    content = bytearray(pathlib.Path(path).read_bytes())
    content[position] ^= 0xFF
    pathlib.Path(path).write_bytes(content)


def truncate(path, size):
    """Cuts a file to `size` bytes; a negative size cuts that many off its end."""
    content = pathlib.Path(path).read_bytes()
    pathlib.Path(path).write_bytes(content[:size])


def write_gzip_cut_between_records(path, records, kept):
    """A gzip TFRecord whose stream stops, without its end mark, right after `kept` records."""
    plain = write_records(str(path) + ".plain", records[:kept])
    packer = zlib.compressobj(wbits=31)
    content = packer.compress(pathlib.Path(plain).read_bytes())
    pathlib.Path(path).write_bytes(content + packer.flush(zlib.Z_SYNC_FLUSH))
    pathlib.Path(plain).unlink()
    return str(path)


def write_gzip_text(path, text):
    """A gzip file of text, which is no TFRecord."""
    pathlib.Path(path).write_bytes(gzip.compress(text.encode()))
    return str(path)


def make_schema(text):
    """A Schema from its text form."""
    return text_format.Parse(text, schema_pb2.Schema())


def find_taxi_data():
    """The folder of test data in the installed tfx package, found without importing tfx.

    Where this environment has no tfx, the one that `make setup` makes beside it is looked into.
    """
    spec = importlib.util.find_spec("tfx")
    places = spec.submodule_search_locations if spec is not None else []
    found = [*map(pathlib.Path, places), *ROOT.glob(".venv/lib/python*/site-packages/tfx")]
    if not found:
        pytest.skip(
            "needs the taxi data of the tfx package: `make setup` makes .venv, which has it"
        )
    return found[0] / "components" / "testdata"


def make_taxi_params(**more):
    """The parameters a Trainer would hand to the input functions of the taxi data."""
    folder = find_taxi_data()
    params = {
        "train_files": [str(folder / "csv_example_gen" / "Split-train" / "*")],
        "eval_files": [str(folder / "csv_example_gen" / "Split-eval" / "*")],
        "schema_path": str(folder / "schema_gen" / "schema.pbtxt"),
        "data_format": "tfrecords_gzip",
        "payload_format": "FORMAT_TF_EXAMPLE",
        "label_key": "tips",
        "seed": 7,
        "batch_size": 256,
    }
    return {**params, **more}
