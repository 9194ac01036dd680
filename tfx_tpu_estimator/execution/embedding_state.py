"""Moves variables between the host and the devices where tables are divided over the devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution import state as states
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.embedding_layout import RowLayout
from tfx_tpu_estimator.lowering import jax_compat


def place_state(program: EmbeddedProgram, mesh: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Copies variables to the devices: tables in parts, one to each, all else whole.

    Args:
      program: What will use them.
      mesh: Its devices.
      values: Arrays by variable name, tables whole; more than the program uses are left out.

    Returns:
      Device arrays by name. Programs that update them consume them: keep what `run` returns.

    Raises:
      KeyError: A variable is missing.
      ValueError: One has another shape or dtype.
    """
    states.validate_state(program, values)
    placed = states.place_state(program.program, mesh, values)
    for name, layout in program.layouts.items():
        placed[name] = _divide(np.asarray(values[name]), layout, mesh)
    return placed


def _divide(whole: np.ndarray, layout: RowLayout, mesh: Any) -> Any:
    jax = jax_compat.import_jax()

    def cut(index: tuple[slice, ...]) -> np.ndarray:
        return layout.cut(whole, (index[0].start or 0) // layout.shard_rows)

    with jax_compat.enable_x64():
        placed = jax.make_array_from_callback(
            (layout.padded_rows, *whole.shape[1:]), states.split(mesh, 0), cut
        )
        return states.own_memory(placed)
