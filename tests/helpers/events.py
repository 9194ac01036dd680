"""Reads event files."""

import glob
import os

import tensorflow as tf

tf1 = tf.compat.v1


def read_scalars(directory, tag):
    """Returns {step: value} of a tag in the event files of a directory."""
    values = {}
    for path in glob.glob(os.path.join(directory, "events.*")):
        for event in tf1.train.summary_iterator(path):
            for value in event.summary.value:
                if value.tag == tag:
                    values[event.step] = _scalar(value)
    return values


def _scalar(value):
    # v1 summaries have `simple_value`, v2 ones a tensor.
    if value.HasField("tensor"):
        return float(tf.make_ndarray(value.tensor))
    return value.simple_value
