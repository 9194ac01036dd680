"""Embeddings in a run on devices: from what the input gives to a program with lookups around it."""

from __future__ import annotations

from collections.abc import Mapping

from tfx_tpu_estimator.config.embedding_plan import EmbeddingFeature, EmbeddingPlan
from tfx_tpu_estimator.errors import FeatureNotAvailableError
from tfx_tpu_estimator.execution.embedded_program import (
    DividedTable,
    EmbeddedProgram,
    LookedUpFeature,
)
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.inputs.sparse_padding import NO_ID
from tfx_tpu_estimator.inputs.structure import InputStructure
from tfx_tpu_estimator.lowering.embedding import TracedTable
from tfx_tpu_estimator.lowering.program import Program, TensorSignature
from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.modes import ModeKeys


def list_fills(plan: EmbeddingPlan) -> dict[str, float]:
    """Returns, by path of an input that is looked up, what fills its rows up."""
    fills: dict[str, float] = {}
    for feature in plan.features:
        fills[_path(feature.key)] = NO_ID
        if feature.weight_key is not None:
            fills[_path(feature.weight_key)] = 0.0
    return fills


def embed_program(
    program: Program, traced: TracedModel, plan: EmbeddingPlan, structure: InputStructure
) -> EmbeddedProgram:
    """Puts lookups and updates around a program.

    Args:
      program: What `traced` was lowered to.
      traced: The model on activations.
      plan: The tables and features.
      structure: What one replica is fed, ids in place of activations.
    """
    training = program.mode == ModeKeys.TRAIN
    return EmbeddedProgram(
        program=program,
        tables=tuple(
            _divide(plan, table, program.num_replicas, training) for table in traced.tables
        ),
        inputs=tuple(
            TensorSignature(name=name, shape=tuple(spec.shape.as_list()), dtype=spec.dtype.name)
            for name, spec in zip(structure.list_names(), structure.flatten(), strict=True)
        ),
        elastic=frozenset(list_fills(plan)),
    )


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
