"""Properties of a model that another process has trained, from the record that it left."""

from __future__ import annotations

from tfx import types

from ..properties import set_custom_properties, set_metrics
from ..run_record import read_run_record
from .provenance import pack_source


def restore_properties(model: types.Artifact, model_run: types.Artifact) -> None:
    """Sets the properties that the executor has set in another process.

    Args:
        model: The Model; its files are there.
        model_run: The ModelRun.

    Raises:
        RuntimeError: If there is no record of a run in the model.
    """
    record = read_run_record(model.uri)
    if record is None:
        raise RuntimeError(
            f"The training succeeded but left no record of a run in {model.uri}. Where it ran must "
            "be this package and the same files: on Vertex AI by its image and Cloud Storage."
        )
    facts = dict(record.facts)
    metrics = facts.pop("metrics", {})
    scalars = {k: v for k, v in facts.items() if isinstance(v, int | float | str)}
    scalars.update(pack_source(record.source))
    for artifact in (model, model_run):
        set_custom_properties(artifact, scalars)
        set_metrics(artifact, metrics)
