"""Reads a TensorFlow Metadata schema, the description of the features of a data set."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import tensorflow as tf

if TYPE_CHECKING:
    from tensorflow_metadata.proto.v0 import schema_pb2

SCHEMA_FILE_NAME = "schema.pbtxt"


def read_schema(path: str) -> schema_pb2.Schema:
    """Reads a schema from its text form.

    Args:
        path: a `schema.pbtxt`, or the folder of a Schema artifact that has one.

    Returns:
        The `schema_pb2.Schema`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: `path` is empty, the text is no schema, or the schema has no feature.

    Example:
        >>> read_schema("/pipeline/SchemaGen/schema/3").feature[0].name  # doctest: +SKIP
        'company'
    """
    # Imported here: the protos are only needed by those who use a schema.
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    if not path:
        raise ValueError(
            f"`schema_path` is {path!r}; a schema is needed here. Connect a Schema artifact (from "
            "SchemaGen or ImportSchemaGen), or write the input function yourself."
        )
    if tf.io.gfile.isdir(path):
        path = os.path.join(path, SCHEMA_FILE_NAME)
    if not tf.io.gfile.exists(path):
        raise FileNotFoundError(f"`schema_path`: there is no file {path!r}.")
    with tf.io.gfile.GFile(path, "rb") as file:
        content = file.read()
    try:
        schema = text_format.Parse(content.decode("utf-8"), schema_pb2.Schema())
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ValueError(
            f"`schema_path`: {path!r} is not a tensorflow_metadata Schema in text form: {error}"
        ) from error
    if not schema.feature:
        raise ValueError(f"`schema_path`: the schema {path!r} has no features.")
    return schema
