"""A program with embeddings around it: rows are looked up before it and updated after it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.config.embedding_optimizers import OptimizationParameters
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.execution.embedding_lookup import Lookups, gather_lookups, look_up
from tfx_tpu_estimator.execution.embedding_update import update_table
from tfx_tpu_estimator.execution.program_call import bind_program
from tfx_tpu_estimator.lowering.jax_compat import import_jax
from tfx_tpu_estimator.lowering.program import Program, StateSignature, TensorSignature


@dataclasses.dataclass(frozen=True, kw_only=True)
class LookedUpFeature:
    """One feature of a table.

    Attributes:
      name: Of the ids among the inputs, and of the activations among those of the inner program.
      weights: Name of the ids' weights among the inputs, or None.
      gradient: Name of the output with the gradient of the activations, or None.
    """

    name: str
    weights: str | None
    gradient: str | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DividedTable:
    """One table whose rows are divided over the replicas.

    Attributes:
      variable: Name of its variable.
      slots: Names of the variables of its optimizer; none unless it is trained.
      layout: Where its rows are.
      dimension: Its columns.
      combiner: `mean`, `sum` or `sqrtn`.
      optimizer: How it is trained; None unless it is.
      limit: Largest absolute value of an element of a gradient, or None.
      rate: The static learning rate.
      rate_output: Name of the output with the learning rate, where that is not static.
      features: What is looked up in it.
    """

    variable: str
    slots: tuple[str, ...]
    layout: RowLayout
    dimension: int
    combiner: str
    optimizer: OptimizationParameters | None
    limit: float | None
    rate: float
    rate_output: str | None
    features: tuple[LookedUpFeature, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddedProgram:
    """One step of one replica that looks up, runs a program on the activations, and updates.

    Attributes:
      program: What runs on the activations; its outputs have their gradients.
      tables: The tables.
      inputs: The batch of one replica: what the program takes, with ids in place of activations,
        int32 or int64 [..., ids per row], and their weights.
      elastic: Names of inputs whose last dimension may be larger than declared.
    """

    program: Program
    tables: tuple[DividedTable, ...]
    inputs: tuple[TensorSignature, ...]
    elastic: frozenset[str]

    @property
    def mode(self) -> str:
        """A value of `ModeKeys`."""
        return self.program.mode

    @property
    def num_replicas(self) -> int:
        """For how many replicas it was made."""
        return self.program.num_replicas

    @functools.cached_property
    def state(self) -> tuple[StateSignature, ...]:
        """The variables of the program, then tables and slots in their whole shape."""
        return (*self.program.state, *(s for table in self.tables for s in _describe(table)))

    @property
    def updated_state(self) -> tuple[StateSignature, ...]:
        """The variables that a step may change, in order."""
        return tuple(variable for variable in self.state if variable.updated)

    @functools.cached_property
    def layouts(self) -> dict[str, RowLayout]:
        """By name of a table's or slot's variable how its rows are divided."""
        return {
            name: table.layout for table in self.tables for name in (table.variable, *table.slots)
        }

    @functools.cached_property
    def outputs(self) -> tuple[TensorSignature, ...]:
        """What leaves the device: outputs of the program, less what updates need."""
        used = {t.rate_output for t in self.tables}
        used |= {f.gradient for t in self.tables for f in t.features}
        return tuple(signature for signature in self.program.outputs if signature.name not in used)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the program and all around it."""
        around = (self.program.digest, self.tables, self.inputs, sorted(self.elastic))
        return hashlib.sha256(repr(around).encode()).hexdigest()

    def bind(
        self, position: Any, inputs: Sequence[Any], state: Mapping[str, Any], axis: str
    ) -> tuple[dict[str, Any], list[Any]]:
        """Runs one step of one replica, in a jax function that is being traced.

        Args:
          position: int64 [2], global step and replica id.
          inputs: The replica's batch, in order of `inputs`.
          state: Variables by name; of a table the replica's shard.
          axis: Name of the replicas' axis.

        Returns:
          New values of the variables that the step updates, and `outputs` in order.
        """
        shard = position[1].astype("int32")
        given = dict(zip((s.name for s in self.inputs), inputs, strict=True))
        lookups = [self._gather(table, given, axis) for table in self.tables]
        for table, found in zip(self.tables, lookups, strict=True):
            rows = look_up(state[table.variable], found, table.layout, shard, axis)
            for feature, activations in zip(table.features, rows, strict=True):
                shape = (*given[feature.name].shape[:-1], table.dimension)
                given[feature.name] = activations.reshape(shape)
        updates, results = bind_program(
            self.program, position, [given[s.name] for s in self.program.inputs], state
        )
        outputs = dict(zip((s.name for s in self.program.outputs), results, strict=True))
        for table, found in zip(self.tables, lookups, strict=True):
            if table.optimizer is not None:
                updates.update(_update(table, found, outputs, state, shard, axis))
        return updates, [outputs[signature.name] for signature in self.outputs]

    def _gather(self, table: DividedTable, given: Mapping[str, Any], axis: str) -> Lookups:
        features = []
        for feature in table.features:
            ids = given[feature.name].astype("int32")
            weights = None if feature.weights is None else given[feature.weights]
            width = ids.shape[-1]
            features.append(
                (
                    ids.reshape(-1, width),
                    None if weights is None else weights.reshape(-1, width),
                )
            )
        return gather_lookups(features, table.combiner, axis)


def _describe(table: DividedTable) -> list[StateSignature]:
    shape = (table.layout.rows, table.dimension)
    updated = table.optimizer is not None
    return [
        StateSignature(name=name, shape=shape, dtype="float32", updated=updated)
        for name in (table.variable, *table.slots)
    ]


def _update(
    table: DividedTable,
    lookups: Lookups,
    outputs: Mapping[str, Any],
    state: Mapping[str, Any],
    shard: Any,
    axis: str,
) -> dict[str, Any]:
    jnp = import_jax().numpy
    gradients = [
        outputs[feature.gradient].reshape(-1, table.dimension)
        for feature in table.features
        if feature.gradient is not None
    ]
    static = jnp.float32(table.rate)
    assert table.optimizer is not None, "only tables that are trained are updated"
    weights, slots = update_table(
        state[table.variable],
        tuple(state[name] for name in table.slots),
        lookups,
        jnp.concatenate(gradients),
        layout=table.layout,
        optimizer=table.optimizer,
        rate=static if table.rate_output is None else outputs[table.rate_output],
        limit=table.limit,
        shard=shard,
        axis=axis,
    )
    return {table.variable: weights, **dict(zip(table.slots, slots, strict=True))}
