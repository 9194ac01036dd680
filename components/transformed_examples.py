"""Which schema transformed examples have, and whether examples are transformed."""

from __future__ import annotations

import dataclasses
import os

from tfx.dsl.io import fileio

from tfx_tpu_estimator.errors import SchemaMismatchError
from tfx_tpu_estimator.inputs.example_parsing import ExampleParser
from tfx_tpu_estimator.inputs.record_scan import iterate_records
from tfx_tpu_estimator.inputs.schema import read_schema

from .examples import SplitFiles, list_split_files, resolve_compression

_TRANSFORMED_SCHEMA = os.path.join("transformed_metadata", "schema.pbtxt")


@dataclasses.dataclass(frozen=True)
class TransformSource:
    """A graph of TensorFlow Transform.

    Attributes:
        path: The TransformGraph.
        schema_path: Schema of raw examples, for a graph that was written without one.
    """

    path: str
    schema_path: str | None = None


def find_transformed_schema(path: str) -> str:
    """Returns where the schema of transformed examples is.

    Args:
        path: A TransformGraph.

    Raises:
        ValueError: If it has none.
    """
    file = os.path.join(path, _TRANSFORMED_SCHEMA)
    if not fileio.exists(file):
        raise ValueError(
            f"`transform_graph` at {path} has no {_TRANSFORMED_SCHEMA}; give the outputs of a "
            "Transform component."
        )
    return file


def check_transformed(files: SplitFiles, schema_path: str, label_key: str) -> None:
    """Checks by the first record of each file that examples are transformed.

    Args:
        files: The files to be read.
        schema_path: Of `find_transformed_schema`.
        label_key: Name of the label feature.

    Raises:
        SchemaMismatchError: If it does not match the schema of transformed examples.
    """
    parser = ExampleParser.from_schema(read_schema(schema_path), label_key)
    compression = resolve_compression(files)
    for file in list_split_files(files):
        record = next(iterate_records(file, compression), None)
        problem = None if record is None else parser.check_record(record)
        if problem is not None:
            raise SchemaMismatchError(
                f"File {file!r}, record 0 is not what the transform graph makes: {problem}. Give "
                "the Trainer `examples=transform.outputs['transformed_examples']`, or write "
                "`train_input_fn` and `eval_input_fn`."
            )
