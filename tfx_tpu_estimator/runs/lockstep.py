"""The input of a run in several processes: every process has as many loops as the others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.execution.distributed import ProcessGroup
from tfx_tpu_estimator.execution.state import take_steps
from tfx_tpu_estimator.inputs.deployment import DeployedInput
from tfx_tpu_estimator.inputs.host_stream import HostStream, InputLoop
from tfx_tpu_estimator.inputs.reader import find_counted
from tfx_tpu_estimator.inputs.row_widths import widen
from tfx_tpu_estimator.modes import ModeKeys

_MANY = 2**31 - 1


class LockstepInput:
    """Iterates over the loops of this process's input; all processes get the same steps.

    Training ends where the input of any process does. Evaluation goes on until all have ended,
    with padding for those that have. Where all calls of input_fn are the chief's (BROADCAST,
    SLICED), it alone reads.

    Args:
      group: The processes.
      deployed: This host's input; the chief's where it alone reads.
      next_loop: As for `HostStream`.
      place: As for `HostStream`; None leaves arrays on the host.

    Attributes:
      terminating: Whether a process was told to terminate, known to all when iteration has ended.
    """

    def __init__(
        self,
        group: ProcessGroup,
        deployed: DeployedInput,
        *,
        next_loop: Callable[[int], int],
        place: Callable[[list[np.ndarray]], Any] | None = None,
    ):
        self._group = group
        self._deployed = deployed
        self._shared = group.count > 1 and all(call.host == 0 for call in deployed.plan.calls)
        self._place = place or list
        # Rows that the host fills up must be as wide in all processes, which is known only here.
        self._padded = [i for i, shard in enumerate(deployed.shards) if shard.fill is not None]
        self._late = group.count > 1 and (self._shared or bool(self._padded))
        self._stopped = False
        self.terminating = False
        self._stream: HostStream | None = None
        if not self._shared or group.is_chief:
            self._stream = HostStream(
                deployed, next_loop=next_loop, place=None if self._late else place
            )

    def __enter__(self) -> LockstepInput:
        return self

    def __exit__(self, *exception: Any) -> None:
        if self._stream is not None:
            self._stream.close()

    def stop(self, *, terminating: bool = False) -> None:
        """Ends the input of all processes before the next loop.

        Args:
          terminating: Because this process was told to terminate: all shall.
        """
        self._stopped = True
        self.terminating = self.terminating or terminating

    def __iter__(self) -> Iterator[InputLoop]:
        while True:
            loop = None
            if self._stream is not None and not self._stopped:
                loop = next(self._stream, None)
            agreed = self._agree(loop)
            if agreed is None:
                return
            yield agreed

    def _agree(self, loop: InputLoop | None) -> InputLoop | None:
        if self._group.count == 1:
            return loop
        if self._shared:
            return self._share(loop)
        if self._deployed.mode != ModeKeys.TRAIN:
            return self._pad(loop)
        steps = self._agree_on_steps(0 if loop is None else loop.steps)
        if loop is None or not steps:
            return None
        if self._late:
            arrays = self._agree_on_widths([array[:steps] for array in loop.batches])
            return dataclasses.replace(loop, steps=steps, batches=self._place(arrays))
        if steps == loop.steps:
            return loop
        batches = [take_steps(batch, steps) for batch in loop.batches]
        return dataclasses.replace(loop, steps=steps, batches=batches)

    def _agree_on_widths(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Makes rows as wide as the widest of any process."""
        made = list(arrays)
        if self._padded:
            widths = self._group.minimum(*(-made[i].shape[-1] for i in self._padded))
            for i, width in zip(self._padded, widths, strict=True):
                made[i] = widen(made[i], -width, self._deployed.shards[i].fill)
        return made

    def _agree_on_steps(self, own: int) -> int:
        """Returns the steps that all processes can take, 0 to end."""
        steps, going_on = self._group.minimum(own, not self.terminating)
        self.terminating = not going_on
        return steps

    def _pad(self, loop: InputLoop | None) -> InputLoop | None:
        """Evaluation: one step, without examples in processes whose input has ended."""
        going_on, found = self._group.minimum(not self._stopped, -(loop is not None))
        if not going_on or not found:
            return None
        if loop is not None and not self._late:
            return loop
        loop = loop or self._make_empty(1)
        arrays = self._agree_on_widths(loop.batches)
        return dataclasses.replace(loop, batches=self._place(arrays))

    def _share(self, loop: InputLoop | None) -> InputLoop | None:
        """Gives every process what the chief has read, or its replicas' part of that."""
        own = 0 if self._stopped else _MANY
        if self._group.is_chief:
            own = 0 if loop is None else loop.steps
        steps = self._agree_on_steps(own)
        if not steps:
            return None
        loop = loop or self._make_empty(steps)
        arrays = self._group.broadcast(self._agree_on_widths(loop.batches))
        valid = loop.valid
        if valid is not None:
            (valid,) = self._group.broadcast([valid])
        if self._deployed.plan.pipeline is InputPipelineConfig.SLICED:
            replicas = self._deployed.plan.topology.replicas_of_host(self._group.index)
            arrays = [array[:, list(replicas)] for array in arrays]
            valid = None if valid is None else valid[:, list(replicas)]
        return dataclasses.replace(loop, batches=self._place(arrays), valid=valid)

    def _make_empty(self, steps: int) -> InputLoop:
        deployed = self._deployed
        batches = [
            np.zeros((steps, deployed.copies, *s.replica_shape), s.spec.dtype.as_numpy_dtype)
            for s in deployed.shards
        ]
        valid = None
        if deployed.mode != ModeKeys.TRAIN:
            counted = find_counted(deployed)
            valid = np.zeros((steps, deployed.copies, counted.size // counted.parts), bool)
        return InputLoop(
            steps=steps, first_step=0, batches=batches, valid=valid, position=deployed.position
        )
