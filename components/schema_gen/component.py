"""ImportSchemaGen: TFX's own, run again when the schema file has changed."""

from __future__ import annotations

from tfx.components.schema_gen.import_schema_gen import component as tfx_component
from tfx.dsl.io import fileio

from ..constants import SCHEMA_DIGEST
from ..digest import compute_file_digest


class ImportSchemaGen(tfx_component.ImportSchemaGen):
    """Imports a schema, and imports it anew when the file has other contents.

    A drop-in for `tfx.components.ImportSchemaGen`. The cache key of TFX's own has the path of the
    file only: a schema that was edited is not seen, and models are trained with the old one.

    Args:
      schema_file: Path of the schema, `schema.pbtxt` for example.

    Example:
      schema_gen = ImportSchemaGen(schema_file="data/schema.pbtxt")
    """

    def __init__(self, schema_file: str):
        super().__init__(schema_file=schema_file)
        # A path that only the machine sees where this runs has no digest here.
        if isinstance(schema_file, str) and fileio.exists(schema_file):
            self.spec.exec_properties[SCHEMA_DIGEST] = compute_file_digest(schema_file)
