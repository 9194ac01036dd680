"""Checks of feature columns, and of the features that they are looked up in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def validate_columns(feature_columns: Any, name: str, *, dense: bool) -> tuple:
    """Checks feature columns before anything is built.

    Args:
      feature_columns: An iterable of feature columns.
      name: Of the argument, for messages.
      dense: Whether categorical columns are refused: a network takes numbers only.

    Returns:
      The columns.

    Raises:
      ValueError: There are none, one is no feature column, or two have the same name.
    """
    if isinstance(feature_columns, str) or _is_column(feature_columns):
        raise ValueError(
            f"Items of feature_columns must be feature columns; `{name}` must be a list of them, "
            f"got {feature_columns!r}."
        )
    given: Any = () if feature_columns is None else feature_columns
    if not isinstance(given, Iterable):
        raise ValueError(f"`{name}` must be a list of feature columns; got {feature_columns!r}.")
    columns = tuple(given)
    if not columns:
        raise ValueError(
            f"feature_columns must not be empty. Give `{name}`, such as "
            "[tf.feature_column.numeric_column('x')]."
        )
    seen: dict[str, Any] = {}
    for column in columns:
        _validate_column(column, name, dense)
        if column.name in seen:
            raise ValueError(
                f"Duplicate feature column name found for columns: {seen[column.name]!r} and "
                f"{column!r} in `{name}`. Leave one out, or make it of another feature."
            )
        seen[column.name] = column
    return columns


def validate_features(features: Any) -> Mapping[str, Any]:
    """Returns the features, if columns can be looked up in them.

    Raises:
      ValueError: They are not a dict.
    """
    if not isinstance(features, Mapping):
        raise ValueError(
            f"features should be a dictionary of `Tensor`s. Given type: {type(features)}. Let the "
            "input_fn return ({'<column key>': tensor, ...}, labels)."
        )
    return features


def validate_keys(features: Mapping[Any, Any], columns: Iterable[Any]) -> None:
    """Checks that columns find what they read.

    Args:
      features: By name.
      columns: What `validate_columns` returned.

    Raises:
      ValueError: A column reads a feature that is not there.
    """
    for column in columns:
        for key in _list_keys(column, features):
            if key not in features:
                raise ValueError(
                    f"Feature {key} is not in features dictionary. Column {column.name!r} reads "
                    f"it; the input_fn returned {sorted(map(str, features))}."
                )


def _list_keys(column: Any, features: Mapping[Any, Any]) -> Iterator[str]:
    """Yields the names of the features that a column of TensorFlow 2 reads."""
    for parent in getattr(column, "parents", ()):
        if isinstance(parent, str):
            yield parent
        elif parent not in features:  # a column may be given by its result
            yield from _list_keys(parent, features)


def _is_column(value: Any) -> bool:
    return hasattr(value, "name") and (
        hasattr(value, "parse_example_spec") or hasattr(value, "_parse_example_spec")
    )


def _is_dense(column: Any) -> bool:
    return hasattr(column, "variable_shape") or hasattr(column, "_variable_shape")


def _validate_column(column: Any, name: str, dense: bool) -> None:
    if not _is_column(column):
        raise ValueError(
            "Items of feature_columns must be feature columns (tf.feature_column.*). Given "
            f"(type {type(column)}): {column!r} in `{name}`."
        )
    if dense and not _is_dense(column):
        raise ValueError(
            "Items of feature_columns must be a DenseColumn. You can wrap a categorical column "
            f"with an embedding_column or indicator_column. Given: {column!r} in `{name}`."
        )
    if not dense and hasattr(column, "boundaries") and column.source_column.shape == ():
        raise ValueError(
            f"Column {column.name!r} in `{name}` has a numeric_column of shape (), for which "
            "TensorFlow knows no number of buckets. Give tf.feature_column.numeric_column("
            f"{column.source_column.key!r}, shape=(1,))."
        )
