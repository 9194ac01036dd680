"""Input functions over arrays and data frames in memory."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

# Larger arrays stay out of the graph: a graph of more than 2 GB cannot be written, and every event
# file holds a copy.
_MAX_CONSTANT_BYTES = 64 * 2**20

InputFn = Callable[[], tf.data.Dataset]


def numpy_input_fn(
    x: np.ndarray | Mapping[str, np.ndarray],
    y: np.ndarray | Mapping[str, np.ndarray] | None = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = 1000,
    num_threads: int = 1,
) -> InputFn:
    """Returns an input_fn over numpy arrays.

    Args:
        x: One feature [n, ...], or several by name, all of the same n.
        y: The label [n, ...], or several by name; None for prediction.
        batch_size: Examples of a batch; the last one of a finite input may have fewer.
        num_epochs: How often the examples are read; None for endlessly.
        shuffle: Whether every epoch is in another order. Must be given: True for training, False
            for prediction. The order depends on RunConfig's `tf_random_seed`.
        queue_capacity: Accepted and ignored: there is no queue.
        num_threads: Accepted and ignored.

    Returns:
        A function without arguments that returns a Dataset of batches of x, or of (x, y).

    Raises:
        ValueError: If `shuffle` is not given, `x` or `y` is empty, lengths differ, or `x` and `y`
            share names.
        TypeError: If `x` is neither array nor dict.

    Example:
        >>> input_fn = numpy_input_fn({"age": np.arange(4.0)}, np.arange(4), 2, shuffle=False)
        >>> next(iter(input_fn()))[0]["age"].numpy()
        array([0., 1.])
    """
    _check_reading(batch_size, num_epochs, shuffle)
    features = _check_features(x)
    labels = _check_labels(y, features)
    _check_lengths(features, labels)
    inputs = dict(features) if isinstance(x, Mapping) else features[_SINGLE]
    if y is None:
        return _make_input_fn(inputs, batch_size, num_epochs, bool(shuffle))
    targets = dict(labels) if isinstance(y, Mapping) else labels[_SINGLE]
    return _make_input_fn((inputs, targets), batch_size, num_epochs, bool(shuffle))


def pandas_input_fn(
    x: Any,
    y: Any = None,
    batch_size: int = 128,
    num_epochs: int | None = 1,
    shuffle: bool | None = None,
    queue_capacity: int | None = 1000,
    num_threads: int = 1,
    target_column: str = "target",
) -> InputFn:
    """Returns an input_fn over a pandas DataFrame.

    Args:
        x: The DataFrame: a feature for each column.
        y: A Series or a DataFrame with the same index: the label, or several by name; None for
            prediction.
        batch_size: As `numpy_input_fn` takes it, and so are the following.
        num_epochs: How often the examples are read; None for endlessly.
        shuffle: Whether every epoch is in another order. Must be given.
        queue_capacity: Accepted and ignored.
        num_threads: Accepted and ignored.
        target_column: A name that no column of `x` may have; the label is not put into `x`.

    Returns:
        A function without arguments that returns a Dataset of batches.

    Raises:
        ValueError: If `shuffle` is not given, the indexes differ, or `x` has a column called
            `target_column`.
        TypeError: If `target_column` is no string.
    """
    _check_reading(batch_size, num_epochs, shuffle)
    if not isinstance(target_column, str):
        raise TypeError(f"`target_column` must be a string type, got {target_column!r}.")
    features = {column: x[column].to_numpy() for column in x.columns}
    if y is None:
        return _make_input_fn(features, batch_size, num_epochs, bool(shuffle))
    if target_column in features:
        raise ValueError(
            f"Cannot use name {target_column} for target column: DataFrame already has a column "
            f"with that name; its columns are {list(x.columns)}. Give another `target_column`."
        )
    if not np.array_equal(x.index, y.index):
        raise ValueError(
            f"Index for x and y are mismatched: that of x is {x.index}, that of y {y.index}."
        )
    is_frame = hasattr(y, "columns")
    labels = {column: y[column].to_numpy() for column in y.columns} if is_frame else y.to_numpy()
    return _make_input_fn((features, labels), batch_size, num_epochs, bool(shuffle))


# What the one array is called where there are no names.
_SINGLE = ""


def _check_reading(batch_size: Any, num_epochs: Any, shuffle: Any) -> None:
    if not isinstance(shuffle, bool):
        raise ValueError(
            "`shuffle` must be provided and explicitly set as boolean (True for training, False "
            f"for prediction); got {shuffle!r}."
        )
    if not isinstance(batch_size, numbers.Integral) or batch_size < 1:
        raise ValueError(f"`batch_size` must be an integer > 0, got {batch_size!r}.")
    if num_epochs is not None and (not isinstance(num_epochs, numbers.Integral) or num_epochs < 1):
        raise ValueError(f"`num_epochs` must be an integer > 0 or None, got {num_epochs!r}.")


def _check_features(x: Any) -> dict[str, np.ndarray]:
    if isinstance(x, Mapping):
        if not x:
            raise ValueError("`x` cannot be an empty dict: give at least one feature.")
        return {name: np.asarray(x[name]) for name in sorted(x)}
    if not isinstance(x, np.ndarray):
        raise TypeError(f"`x` must be a dict or array; got {type(x).__name__}.")
    if x.size == 0:
        raise ValueError(f"`x` cannot be an empty array; its shape is {x.shape}.")
    return {_SINGLE: x}


def _check_labels(y: Any, features: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    if y is None:
        return {}
    if not isinstance(y, Mapping):
        return {_SINGLE: np.asarray(y)}
    if not y:
        raise ValueError("`y` cannot be empty dict, use None instead.")
    shared = sorted(set(features) & set(y))
    if shared:
        raise ValueError(
            f"{len(shared)} duplicate keys are found in both x and y: {shared}. Rename them in one."
        )
    return {name: np.asarray(y[name]) for name in sorted(y)}


def _check_lengths(features: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray]) -> None:
    arrays = [*features.values(), *labels.values()]
    if any(array.ndim == 0 for array in arrays) or len({array.shape[0] for array in arrays}) != 1:
        shapes = [{name: a.shape for name, a in side.items()} for side in (features, labels)]
        raise ValueError(
            "Length of tensors in x and y is mismatched: all must have the same number of "
            f"examples. Shapes in x: {shapes[0]}. Shapes in y: {shapes[1]}."
        )


def _make_input_fn(
    arrays: Any, batch_size: int, num_epochs: int | None, shuffle: bool
) -> Callable[[], tf.data.Dataset]:
    flat = [_prepare(array) for array in tf.nest.flatten(arrays)]
    count = len(flat[0])

    def input_fn() -> tf.data.Dataset:
        # Row numbers are shuffled rather than rows: they are small whatever the examples are.
        rows = tf.data.Dataset.range(count)
        if shuffle:
            rows = rows.shuffle(count, reshuffle_each_iteration=True)
        rows = rows.repeat(num_epochs)
        # An endless input has full batches only: their shape is static, as devices need it.
        rows = rows.batch(batch_size, drop_remainder=num_epochs is None)
        gather = _gather_constants if _fits_graph(flat) else _gather_outside
        return rows.map(lambda indices: tf.nest.pack_sequence_as(arrays, gather(flat, indices)))

    return input_fn


def _prepare(array: np.ndarray) -> np.ndarray:
    """Makes text bytes, which both ways into TensorFlow take."""
    if array.dtype.kind == "U" or array.dtype == object:
        as_bytes = [v.encode() if isinstance(v, str) else v for v in array.ravel()]
        return np.array(as_bytes, dtype=object).reshape(array.shape)
    return array


def _fits_graph(arrays: list[np.ndarray]) -> bool:
    return sum(array.nbytes for array in arrays) <= _MAX_CONSTANT_BYTES


def _gather_constants(arrays: list[np.ndarray], rows: Any) -> list[Any]:
    return [tf.gather(tf.constant(array), rows) for array in arrays]


def _gather_outside(arrays: list[np.ndarray], rows: Any) -> list[Any]:
    """Looks rows up in Python, so that the arrays are not part of the graph."""
    dtypes = [_to_dtype(array) for array in arrays]
    found = tf.numpy_function(lambda index: [array[index] for array in arrays], [rows], dtypes)
    for tensor, array in zip(found, arrays, strict=True):
        tensor.set_shape([*rows.shape, *array.shape[1:]])
    return list(found)


def _to_dtype(array: np.ndarray) -> tf.DType:
    return tf.string if array.dtype.kind in "OS" else tf.as_dtype(array.dtype)
