"""A lowered model: what an engine needs to run it, and nothing that only TensorFlow knows."""

from __future__ import annotations

import dataclasses
import functools
import hashlib

import numpy as np


@dataclasses.dataclass(frozen=True, kw_only=True)
class TensorSignature:
    """One tensor that goes into or comes out of a program, on one replica.

    Attributes:
      name: Of an input, its path in (features, labels); of an output, its role and key; of a
        variable, its name in a checkpoint.
      shape: Its static shape.
      dtype: Name of its TensorFlow dtype, such as `float32`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def numpy_dtype(self) -> np.dtype:
        """The dtype of its numpy arrays."""
        try:
            return np.dtype(self.dtype)
        except TypeError:
            # Only here: a process that compiles what another one has lowered has no TensorFlow.
            import ml_dtypes

            found = getattr(ml_dtypes, self.dtype, None)
            return np.dtype(object if found is None else found)


@dataclasses.dataclass(frozen=True, kw_only=True)
class StateSignature(TensorSignature):
    """One variable of a program.

    Attributes:
      updated: Whether a step may change it.
    """

    updated: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """One step of one replica, as StableHLO.

    The module's `main` takes `parameters` and returns `outputs`, then the new values of the
    variables with `updated`, in order of `state`; whatever it returns beyond is of no use.

    Attributes:
      mode: A value of `ModeKeys`.
      num_replicas: For how many replicas it was made; sums over replicas name each of them.
      module: The StableHLO module, serialized.
      inputs: The batch of one replica, flat.
      state: The variables that it uses.
      outputs: What it computes.
      parameters: For each parameter of `main` its index among position, inputs and state; the
        position is int64 [2], global step and replica id.
    """

    mode: str
    num_replicas: int
    module: bytes
    inputs: tuple[TensorSignature, ...]
    state: tuple[StateSignature, ...]
    outputs: tuple[TensorSignature, ...]
    parameters: tuple[int, ...]

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 of the program and its signatures, for caches and records."""
        signatures = (self.mode, self.num_replicas, self.inputs, self.state, self.outputs,
                      self.parameters)  # fmt: skip
        return hashlib.sha256(repr(signatures).encode() + self.module).hexdigest()

    @property
    def updated_state(self) -> tuple[StateSignature, ...]:
        """The variables that a step may change, in order."""
        return tuple(variable for variable in self.state if variable.updated)
