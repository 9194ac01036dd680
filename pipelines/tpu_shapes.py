"""Slices of TPUs that Google's services offer: machine types, topologies, hosts."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from tfx_tpu_estimator.components.option_checks import check_choice


@dataclasses.dataclass(frozen=True, kw_only=True)
class TPUShape:
    """One slice: which machines it is made of.

    Attributes:
      generation: Such as `v5e`.
      topology: The arrangement of its chips, such as `4x4`.
      machine_type: What a host is called, such as `ct5lp-hightpu-4t`.
      hosts: Their number.
    """

    generation: str
    topology: str
    machine_type: str
    hosts: int

    @property
    def name(self) -> str:
        """Generation and topology, `v5e:4x4`."""
        return f"{self.generation}:{self.topology}"

    @property
    def chips(self) -> int:
        """Chips of the whole slice."""
        return math.prod(int(side) for side in self.topology.split("x"))

    @property
    def chips_per_host(self) -> int:
        """Chips of one host."""
        return self.chips // self.hosts


def _make_shapes(generation: str, machines: dict[str, tuple[str, ...]]) -> list[TPUShape]:
    """Makes the shapes of a generation; the number before the `t` says a machine's chips."""
    shapes = []
    for machine_type, topologies in machines.items():
        per_host = int(machine_type.rpartition("-")[2].removesuffix("t"))
        for topology in topologies:
            chips = math.prod(int(side) for side in topology.split("x"))
            shapes.append(
                TPUShape(
                    generation=generation,
                    topology=topology,
                    machine_type=machine_type,
                    hosts=chips // per_host,
                )
            )
    return shapes


_FLAT = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
# A machine with all chips of a topology comes before several that share them.
_SHARED = [
    *_make_shapes(
        "v5e",
        {"ct5lp-hightpu-1t": ("1x1",), "ct5lp-hightpu-8t": ("2x4",), "ct5lp-hightpu-4t": _FLAT},
    ),
    *_make_shapes(
        "v6e",
        {"ct6e-standard-1t": ("1x1",), "ct6e-standard-8t": ("2x4",), "ct6e-standard-4t": _FLAT},
    ),
]
# Source: Vertex AI documentation, "Configure compute resources for custom training", section TPUs.
# Of v2 and v3 it says the cores of a single TPU, 8. It has no v4, and neither has "Training with
# TPU accelerators", though the API's list of accelerators has the name TPU_V4_POD.
VERTEX_SHAPES = (
    TPUShape(generation="v2", topology="2x2", machine_type="cloud-tpu", hosts=1),
    TPUShape(generation="v3", topology="2x2", machine_type="cloud-tpu", hosts=1),
    *_SHARED,
)
# Source: the machine types, accelerator names and topologies in Google's tools for GKE: xpk,
# Cluster Toolkit, the cluster autoscaler's tests, and the tables of the accelerated-platforms
# examples, whose long and thin slices of v5p are left out. Of v5e and v6e they are those of Vertex
# AI's table.
GKE_SHAPES = (
    *_make_shapes(
        "v4",
        {
            "ct4p-hightpu-4t": (
                "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x8x8", "8x8x8", "8x8x12",
                "8x8x16", "8x16x16",
            )
        },
    ),
    *_SHARED,
    *_make_shapes(
        "v5p",
        {
            "ct5p-hightpu-4t": (
                "2x2x1", "2x2x2", "2x2x4", "2x4x4", "4x4x4", "4x4x8", "4x4x12", "4x8x8", "4x8x12",
                "8x8x8", "8x8x12", "8x8x16", "8x12x12", "12x12x12", "8x16x16", "12x16x16",
                "16x16x16", "16x16x24",
            )
        },
    ),
)  # fmt: skip


def find_shape(
    option: str, tpu: str, machine_type: str | None, shapes: Sequence[TPUShape]
) -> TPUShape:
    """Finds a slice by its name.

    Args:
      option: What the user calls the name, for messages.
      tpu: Generation and topology, `v5e:4x4`.
      machine_type: Of which machines, where there is a choice; None for the fewest.
      shapes: Those there are.

    Raises:
      ValueError: There is none; the message has the nearest.
    """
    names = list(dict.fromkeys(shape.name for shape in shapes))
    check_choice(option, tpu, names)
    found = [shape for shape in shapes if shape.name == tpu]
    for shape in found:
        if machine_type in (None, shape.machine_type):
            return shape
    machines = ", ".join(shape.machine_type for shape in found)
    raise ValueError(f"`machine_type` of {tpu} must be one of {machines}; got {machine_type!r}.")
