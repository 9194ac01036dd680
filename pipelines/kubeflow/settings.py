"""Settings of a compile for Kubeflow Pipelines and Vertex, from the texts of a command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.components.option_checks import describe_unknown

from .config import KubeflowConfig
from .vertex import VertexTPUJob

_VERTEX = "vertex"
_TRAINER = "Trainer"
# Fields of {name: text}; a name follows the point.
_MAPPINGS = ("environment", "labels")
# What --image and --resources say is not said a second time here.
_OWN = ("display_name", "environment")


def read_settings(
    texts: Sequence[str], config: KubeflowConfig
) -> tuple[KubeflowConfig, VertexTPUJob | None]:
    """Reads what `--set` gives beside images and resources.

    Args:
      texts: "KEY=VALUE": `display_name=TEXT`, `environment.NAME=TEXT`, and `vertex.FIELD=VALUE`
        with the fields of VertexTPUJob, such as `vertex.tpu=v5e:2x4` and `vertex.labels.team=ml`.
      config: Images and resources; the job's image is that of the Trainer where none is given.

    Returns:
      The configuration with its further fields, and the job that trains, None without `vertex.`.

    Raises:
      TypeError: A field of the job is missing.
      ValueError: A text is of another form, or there is no such field; the nearest is named.

    Example:
      read_settings(["vertex.project=my-project", "vertex.region=us-west1", "vertex.tpu=v5e:2x4"],
                    KubeflowConfig(image="registry/all:1"))
    """
    given: dict[str, dict[str, Any]] = {"": {}, _VERTEX: {}}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"`--set` must be KEY=VALUE, got {text!r}.")
        group, dot, rest = key.partition(".")
        if group == _VERTEX and dot:
            _add(given[_VERTEX], "VertexTPUJob", _names(VertexTPUJob), rest, value, text)
        else:
            _add(given[""], "KubeflowConfig", [*_OWN, f"{_VERTEX}.FIELD"], key, value, text)
    config = dataclasses.replace(config, **given[""])
    if not given[_VERTEX]:
        return config, None
    return config, _make_job(given[_VERTEX], config)


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind)]


def _add(
    fields: dict[str, Any], kind: str, known: Sequence[str], key: str, value: str, text: str
) -> None:
    field, dot, name = key.partition(".")
    if field not in known:
        raise ValueError(f"`--set` {text!r}: {describe_unknown(kind, field, list(known))}")
    if (field in _MAPPINGS) != bool(dot and name):
        form = f"{field}.NAME=TEXT" if field in _MAPPINGS else f"{field}=TEXT"
        raise ValueError(f"`--set` {text!r} must be {form}.")
    target = fields.setdefault(field, {}) if name else fields
    where = name or field
    if where in target:
        raise ValueError(f"`--set` gives `{key}` twice.")
    target[where] = value


def _make_job(fields: dict[str, Any], config: KubeflowConfig) -> VertexTPUJob:
    values = {"image": config.images.get(_TRAINER, config.image), **fields}
    required = [
        field.name
        for field in dataclasses.fields(VertexTPUJob)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [f"{_VERTEX}.{name}" for name in required if name not in values]
    if missing:
        raise TypeError(f"`--set`: the job on Vertex AI needs {', '.join(missing)} too.")
    return VertexTPUJob(**values)
