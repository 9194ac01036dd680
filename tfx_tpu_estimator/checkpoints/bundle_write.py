"""Writes arrays as one tensor bundle, in a graph and session of its own.

A session of its own works in any thread, whichever graphs and sessions are in use elsewhere, and
whether or not eager execution is on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints.saved_tensors import SavedTensor


class BundleWriter:
    """Writes the tensors it was made for, any number of times.

    Args:
      tensors: What to write under which names.

    Example:
      >>> import tempfile
      >>> shape = tf.TensorShape([2])
      >>> a = SavedTensor(source="a", name="a", slice_spec="", shape=shape, dtype=tf.float32)
      >>> writer = BundleWriter([a])
      >>> prefix = tempfile.mkdtemp() + "/model.ckpt-1"
      >>> writer.write(prefix, {"a": np.ones(2, "float32")})
      >>> tf.train.load_variable(prefix, "a").tolist()
      [1.0, 1.0]
      >>> writer.close()
    """

    def __init__(self, tensors: Sequence[SavedTensor]):
        self._tensors = tuple(tensors)
        with tf.Graph().as_default() as graph:
            self._prefix = tf.compat.v1.placeholder(tf.string, [])
            self._feeds = [
                tf.compat.v1.placeholder(t.dtype, t.shape, name=f"tensor_{i}")
                for i, t in enumerate(self._tensors)
            ]
            self._save = tf.raw_ops.SaveV2(
                prefix=self._prefix,
                tensor_names=[t.name for t in self._tensors],
                shape_and_slices=[t.slice_spec for t in self._tensors],
                tensors=self._feeds,
            )
        # Without this, a session takes the memory of every GPU it sees.
        config = tf.compat.v1.ConfigProto(device_count={"GPU": 0})
        self._session = tf.compat.v1.Session(graph=graph, config=config)

    def write(self, prefix: str, values: Mapping[str, np.ndarray]) -> None:
        """Writes `<prefix>.index` and `<prefix>.data-00000-of-00001`; blocks until they are there.

        Args:
          prefix: Path without `.index`, in a directory that exists.
          values: {source: array}. Those made by `host_arrays.copy_aligned` are read in place.

        Raises:
          tf.errors.OpError: The files could not be written.
        """
        feeds: dict[Any, Any] = {
            feed: values[tensor.source]
            for feed, tensor in zip(self._feeds, self._tensors, strict=True)
        }
        self._session.run(self._save, {self._prefix: prefix, **feeds})

    def close(self) -> None:
        """Frees the session."""
        self._session.close()
