"""The {serve, tpu} graph, ready to run: its host part in TensorFlow, its programs on a device."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.execution.device import DeviceSet
from tfx_tpu_estimator.lowering.node_references import producer
from tfx_tpu_estimator.skew_check.bfloat16 import Bfloat16Nodes
from tfx_tpu_estimator.skew_check.cut import cut_programs
from tfx_tpu_estimator.skew_check.flatten import flatten_graph
from tfx_tpu_estimator.skew_check.graph_nodes import find_reachable
from tfx_tpu_estimator.skew_check.host_session import HostSession, list_needed
from tfx_tpu_estimator.skew_check.programs import DevicePrograms

_RANDOM = re.compile(
    r"^(Random|TruncatedNormal|Multinomial|ParameterizedTruncated|StatefulRandom|StatefulUniform|"
    r"StatefulStandardNormal)"
)
_ASSIGNING = re.compile(r"^(Assign|Resource(Apply|SparseApply|Scatter))")


@dataclasses.dataclass(frozen=True)
class TensorFacts:
    """What a tensor of the graph depends on.

    Attributes:
      parts: Names of the programs.
      in_bfloat16: Whether it is computed from anything in bfloat16, or by a device that multiplies
        in it, as TPUs do with float32 unless told otherwise.
      notes: What may make it differ without being a fault.
    """

    parts: frozenset[str]
    in_bfloat16: bool
    notes: tuple[str, ...]

    @property
    def on_tpu(self) -> bool:
        """Whether anything of it is computed on a TPU."""
        return bool(self.parts)


class TPUGraph:
    """A {serve, tpu} graph.

    Args:
      directory: Of the SavedModel.
      metagraph: Its metagraph.
      wanted: Names of the tensors to feed and to fetch.
      devices: Where the programs run.

    Raises:
      ValueError: It cannot be taken apart, or the variables are missing.
    """

    def __init__(self, directory: str, metagraph: Any, wanted: Sequence[str], devices: DeviceSet):
        flat = flatten_graph(metagraph.graph_def)
        self._resolve = flat.resolve
        self._bfloat16 = Bfloat16Nodes(flat)
        host = cut_programs(flat, [*wanted, *list_needed(metagraph)])
        self._host = host
        self._platform = devices.platform
        self.device_kind = getattr(devices.devices[0], "device_kind", devices.platform)
        self.batch_rules = flat.batch_rules
        self.programs = DevicePrograms(host.parts, devices)
        self.programs.add_tokens(host.graph_def)
        self._nodes = {node.name: node for node in host.graph_def.node}
        self._session = HostSession(directory, metagraph, host.graph_def)
        self.programs.place_variables(self._session.read_variables(self.programs.variables))

    def close(self) -> None:
        """Frees the session."""
        self._session.close()

    def run(
        self,
        fetches: dict[Any, str],
        feeds: dict[str, np.ndarray],
        tell: Callable[[str], None],
    ) -> dict[Any, np.ndarray]:
        """Returns values of the tensors `fetches` for those of `feeds`, both by name.

        Raises:
          PartError: A program cannot be built.
          tf.errors.OpError: The host's part fails.
        """
        named = {key: self._resolve(name) for key, name in fetches.items()}
        return self.programs.serve(lambda: self._session.run(named, feeds), tell)

    @functools.cache  # noqa: B019  # lives as long as one check
    def inspect(self, name: str) -> TensorFacts:
        """Returns what the tensor `name` of the saved graph depends on."""
        reached = find_reachable(self._nodes, [producer(self._resolve(name))])
        parts = {n: self._host.parts[n] for n in self._host.parts if n in reached}
        return TensorFacts(
            parts=frozenset(parts),
            in_bfloat16=bool(parts and self._platform == "tpu")
            or self._bfloat16.is_before(self._resolve(name)),
            notes=tuple(note for part in parts.values() for note in _list_notes(part)),
        )


def _list_notes(part: Any) -> list[str]:
    counted = part.count_ops()
    random = [op for op in counted if _RANDOM.search(op)]
    assigning = [op for op in counted if _ASSIGNING.search(op)]
    notes = []
    if random:
        notes.append(
            f"the TPU computation {part.name} draws random numbers ({', '.join(random)}), which "
            "cannot be those of {serve}."
        )
    if assigning:
        notes.append(
            f"the TPU computation {part.name} changes variables ({', '.join(assigning)}); here "
            "each batch begins with those of the checkpoint."
        )
    return notes
