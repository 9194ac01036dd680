"""What the programs of this directory share: flags, and what they leave behind for a test."""

import os

import numpy as np
import tensorflow as tf

flags = tf.compat.v1.flags
flags.DEFINE_bool("use_tpu", True, "Use TPUs rather than plain CPUs.")
flags.DEFINE_string("output_dir", None, "Where the model, its export and the answers go.")
FLAGS = flags.FLAGS


def path(name):
    return os.path.join(FLAGS.output_dir, name)


def leave(export, signature, requests, **expected):
    """Notes how to ask the exported model, and what predict said to the same."""
    with open(path("export.txt"), "w") as f:
        f.write("%s\n%s\n" % (export.decode("utf-8"), signature))
    np.savez(path("requests.npz"), **requests)
    np.savez(path("expected.npz"), **{k: np.asarray(v) for k, v in expected.items()})
