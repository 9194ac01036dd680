"""What a trained model keeps of its run, so that others can rebuild the same program.

Layout, beside `Format-Serving` in the Model artifact:

    Run/run.json       options, data, custom configuration, module form, versions
    Run/module/...     source of the module and of the neighbours it imports
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from tfx.dsl.io import fileio
from tfx.utils import io_utils

from . import constants
from .module_source import ModuleSource
from .options import TPUEstimatorOptions
from .runtime import DataParams
from .user_module import ModuleForm, UserModule, load_module_path, load_source

_FORMAT = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as recorded beside the model.

    Attributes:
        form: Form of the user module.
        source: Its source.
        module_path: Dotted name of the module, if that is how it was given.
        options: The options the component was given.
        data: Where the data was.
        custom_config: The component's custom configuration.
        facts: Seed, resolved parameters, versions and digests, for readers.
    """

    form: ModuleForm
    source: ModuleSource
    module_path: str | None
    options: TPUEstimatorOptions
    data: DataParams
    custom_config: Mapping[str, Any]
    facts: Mapping[str, Any]


def write_run_record(model_uri: str, record: RunRecord) -> None:
    """Writes `record` into the Model artifact at `model_uri`."""
    folder = os.path.join(model_uri, constants.RUN_RECORD_DIR)
    for name, text in record.source.files.items():
        io_utils.write_bytes_file(
            os.path.join(folder, constants.MODULE_DIR, name), text.encode("utf-8")
        )
    content = {
        "format": _FORMAT,
        "form": record.form.value,
        "module": {
            "label": record.source.label,
            "main": record.source.main,
            "files": sorted(record.source.files),
            "module_path": record.module_path,
        },
        "options": json.loads(record.options.to_json()),
        "data": record.data.to_params(),
        "custom_config": dict(record.custom_config),
        "facts": dict(record.facts),
    }
    # Functions and arrays among the parameters are there for readers only: repr will do.
    text = json.dumps(content, indent=2, sort_keys=True, default=repr)
    io_utils.write_string_file(os.path.join(folder, constants.RUN_RECORD_FILE), text)


def read_run_record(model_uri: str) -> RunRecord | None:
    """Reads the record of the model at `model_uri`; None where it has none.

    Raises:
        ValueError: If the record was written in a format this release does not know.
    """
    folder = os.path.join(model_uri, constants.RUN_RECORD_DIR)
    file = os.path.join(folder, constants.RUN_RECORD_FILE)
    if not fileio.exists(file):
        return None
    with fileio.open(file, "r") as opened:
        content = json.loads(opened.read())
    if content.get("format") != _FORMAT:
        raise ValueError(
            f"{file} has the format {content.get('format')!r}; this release reads format "
            f"{_FORMAT}. Train the model again, or use the release that wrote it."
        )
    module = content["module"]
    files = {}
    for name in module["files"]:
        with fileio.open(os.path.join(folder, constants.MODULE_DIR, name), "rb") as opened:
            files[name] = opened.read().decode("utf-8")
    data = content["data"]
    patterns = {key: tuple(data[key]) for key in ("train_files", "eval_files")}
    return RunRecord(
        form=ModuleForm(content["form"]),
        source=ModuleSource(label=module["label"], main=module["main"], files=files),
        module_path=module["module_path"],
        options=TPUEstimatorOptions(**content["options"]),
        data=DataParams(**{**data, **patterns}),
        custom_config=content["custom_config"],
        facts=content["facts"],
    )


def load_recorded_module(record: RunRecord) -> UserModule:
    """Imports the module of a record: its recorded source, or the installed module.

    Raises:
        UserModuleError: If it cannot be imported.
        ValueError: If an installed module is no longer the one the model was trained with.
    """
    if record.module_path is None:
        return load_source(record.source)
    module = load_module_path(record.module_path)
    if module.source.digest != record.source.digest:
        raise ValueError(
            f"`module_path` {record.module_path!r} has changed since the model was trained; its "
            "metrics would be those of another program. Train again, or install the version the "
            "model was trained with."
        )
    return module
