"""Writes scikit-learn's handwritten digits as TFRecords, with their schema beside them.

    python write_digits.py digits

makes digits/Split-train/*.gz, digits/Split-eval/*.gz and digits/schema.pbtxt: 1,797
images of 8x8 pixels, every fifth for evaluation. The same files come out every time.
"""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

LABEL_KEY = "digit"
# Pixels are whole numbers from 0 to this.
MAX_PIXEL = 16
_EVAL_EVERY = 5
_SHARDS = {"train": 4, "eval": 2}
_SCHEMA = """\
feature {
  name: "image"
  type: FLOAT
  presence { min_fraction: 1.0 }
  shape { dim { size: 8 } dim { size: 8 } }
}
feature {
  name: "digit"
  type: INT
  presence { min_fraction: 1.0 }
  shape { }
  int_domain { min: 0 max: 9 is_categorical: true }
}
"""


def write_digits(output_dir: str | os.PathLike) -> pathlib.Path:
    """Writes both splits and the schema.

    Args:
        output_dir: folder to write to; made if it is not there.

    Returns:
        The folder.
    """
    from sklearn.datasets import load_digits

    folder = pathlib.Path(output_dir)
    digits = load_digits()
    records = [
        _make_record(image, label)
        for image, label in zip(digits.images, digits.target, strict=True)
    ]
    splits = {
        "train": [record for i, record in enumerate(records) if i % _EVAL_EVERY],
        "eval": records[::_EVAL_EVERY],
    }
    for split, members in splits.items():
        _write_split(folder / f"Split-{split}", members, _SHARDS[split])
    (folder / "schema.pbtxt").write_text(_SCHEMA)
    return folder


def _make_record(image: np.ndarray, label: int) -> bytes:
    """One serialized tf.Example; pixels are scaled to 0..1."""
    pixels = (image / MAX_PIXEL).ravel().tolist()
    features = {
        "image": tf.train.Feature(float_list=tf.train.FloatList(value=pixels)),
        LABEL_KEY: tf.train.Feature(int64_list=tf.train.Int64List(value=[int(label)])),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _write_split(folder: pathlib.Path, records: list[bytes], shards: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for shard in range(shards):
        path = folder / f"data_tfrecord-{shard:05d}-of-{shards:05d}.gz"
        _write_file(path, records[shard::shards])


def _write_file(path: pathlib.Path, records: Iterable[bytes]) -> None:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for record in records:
            writer.write(record)


def main() -> None:
    """Command line: write_digits.py OUTPUT_DIR."""
    parser = argparse.ArgumentParser(description="Writes the handwritten digits as TFRecords.")
    parser.add_argument("output_dir", help="folder to write to")
    print(write_digits(parser.parse_args().output_dir))


if __name__ == "__main__":
    main()
