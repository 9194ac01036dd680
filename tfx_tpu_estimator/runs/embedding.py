"""Embeddings in a run on devices: a program with lookups and updates around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.config.embedding_plan import EmbeddingFeature, EmbeddingPlan
from tfx_tpu_estimator.errors import FeatureNotAvailableError
from tfx_tpu_estimator.execution.embedded_program import (
    DividedTable,
    EmbeddedProgram,
    LookedUpFeature,
)
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.inputs.structure import InputStructure
from tfx_tpu_estimator.lowering.embedding import TracedTable
from tfx_tpu_estimator.lowering.program import Program, TensorSignature
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.embedded_stage import EmbeddedStage, list_fills


def embed_program(
    program: Program,
    traced: TracedModel,
    plan: EmbeddingPlan,
    structure: InputStructure,
    stage: EmbeddedStage | None = None,
) -> EmbeddedProgram:
    """Puts lookups and updates around a program.

    Args:
      program: What `traced` was lowered to.
      traced: The model on activations.
      plan: The tables and features.
      structure: What one replica is fed, ids in place of activations.
      stage: What the host computes of it first, if there is such.
    """
    training, replicas = program.mode == ModeKeys.TRAIN, program.num_replicas
    fed = zip(structure.list_names(), structure.flatten(), strict=True)
    inputs = [_describe(name, spec) for name, spec in fed if stage is None or name in stage.sent]
    if stage is not None:
        computed = {output.name for output in stage.outputs}
        inputs += [signature for signature in program.inputs if signature.name in computed]
    return EmbeddedProgram(
        program=program,
        tables=tuple(_divide(plan, table, replicas, training) for table in traced.tables),
        inputs=tuple(inputs),
        elastic=frozenset(list_fills(plan)),
    )


def _describe(name: str, spec: Any) -> TensorSignature:
    return TensorSignature(name=name, shape=tuple(spec.shape.as_list()), dtype=spec.dtype.name)


def _divide(
    plan: EmbeddingPlan, traced: TracedTable, num_replicas: int, training: bool
) -> DividedTable:
    table = plan.find_table(traced.name)
    return DividedTable(
        variable=traced.variable,
        slots=traced.slots,
        layout=RowLayout(table.rows, num_replicas, plan.partition),
        dimension=table.dimension,
        combiner=table.combiner,
        optimizer=table.optimizer if training else None,
        limit=plan.clipping_limit,
        rate=table.learning_rate,
        rate_output=traced.rate_output,
        features=tuple(_look_up(f, traced.gradients) for f in plan.list_features(table.name)),
    )


def _look_up(feature: EmbeddingFeature, gradients: Mapping[str, str]) -> LookedUpFeature:
    weights = feature.weight_key
    return LookedUpFeature(
        name=_path(feature.key),
        weights=None if weights is None else _path(weights),
        gradient=gradients.get(feature.key),
    )


def _path(key: str) -> str:
    return f"features/{key}"


def refuse_embedding(plan: EmbeddingPlan | None, processes: int, cores: int) -> None:
    """Refuses embeddings where tables cannot be divided in this release.

    Args:
      plan: The tables, or None.
      processes: Processes of the run.
      cores: Cores of a replica.

    Raises:
      FeatureNotAvailableError: Naming the way out.
    """
    if plan is None or (processes == 1 and cores == 1):
        return
    what = f"{processes} processes" if processes > 1 else f"`num_cores_per_replica`={cores}"
    raise FeatureNotAvailableError(
        f"`embedding_config_spec` with {what} is not available in this release. Train in one "
        "process with one core per replica, or look embeddings up in the model_fn."
    )
