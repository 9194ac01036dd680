"""What `tf.contrib.data` had and `tf.data` does by itself."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def batch_and_drop_remainder(batch_size: int) -> Callable[[tf.data.Dataset], tf.data.Dataset]:
    """Returns what `Dataset.apply` needs to make batches of one size.

    Args:
        batch_size: Examples of a batch; fewer at the end of the input are left out.
    """
    return lambda dataset: dataset.batch(batch_size, drop_remainder=True)
