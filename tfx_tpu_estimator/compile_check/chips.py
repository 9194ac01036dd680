"""The TPU chips there are, and how names of topologies are read."""

from __future__ import annotations

import math
import re

from tfx_tpu_estimator.compile_check.report import Chip, Topology
from tfx_tpu_estimator.suggestions import suggest

_GIB = 2**30


def _chip(
    name: str, *, tflops: float, gib: float, gbps: float, cores: int, source: str
) -> tuple[str, Chip]:
    """Makes a table entry from figures of a whole chip, as the documentation gives them."""
    return name, Chip(
        name=name,
        hbm_bytes=int(gib * _GIB) // cores,
        peak_flops=tflops * 1e12 / cores,
        hbm_bytes_per_second=gbps * 1e9 / cores,
        cores_per_chip=cores,
        source=source,
    )


# Figures of a chip: peak bfloat16 compute, memory and its bandwidth, each from the page of the
# public Cloud TPU documentation about that generation. Cores are those that libtpu describes: on
# v5p the two TensorCores of a chip work as one, on v4 libtpu describes them one by one.
CHIPS = dict(
    (
        _chip("v2", tflops=45, gib=16, gbps=700, cores=2, source="Cloud TPU docs, TPU v2"),
        _chip("v3", tflops=123, gib=32, gbps=900, cores=2, source="Cloud TPU docs, TPU v3"),
        _chip("v4", tflops=275, gib=32, gbps=1200, cores=2, source="Cloud TPU docs, TPU v4"),
        _chip("v5e", tflops=197, gib=16, gbps=819, cores=1, source="Cloud TPU docs, TPU v5e"),
        _chip("v5p", tflops=459, gib=95, gbps=2765, cores=1, source="Cloud TPU docs, TPU v5p"),
        _chip("v6e", tflops=918, gib=32, gbps=1638, cores=1, source="Cloud TPU docs, TPU v6e"),
        _chip("tpu7x", tflops=2307, gib=192, gbps=7380, cores=2, source="Cloud TPU docs, TPU7x"),
    )
)
# Of a core's memory, what the compiler gives to programs, in GiB: seen in its messages.
_USABLE_GIB = {
    "v2": 7.48,
    "v3": 15.48,
    "v4": 15.25,
    "v5e": 15.75,
    "v5p": 95.73,
    "v6e": 31.24,
    "tpu7x": 94.74,
}
# As people and Cloud's accelerator types write them.
_OTHER_NAMES = {
    "v5litepod": "v5e",
    "v5lite": "v5e",
    "v5": "v5p",
    "v6lite": "v6e",
    "7x": "tpu7x",
    "v7x": "tpu7x",
    "ironwood": "tpu7x",
    "trillium": "v6e",
}
# One of each chip, as a host has it.
EXAMPLES = ("v2:2x2", "v3:2x2", "v4:2x2x1", "v5e:2x2", "v5p:2x2x1", "v6e:2x2", "tpu7x:2x2x1")
# What every libtpu tried describes and compiles for; any other topology is asked for first.
KNOWN = ("v2:2x2", "v3:2x2", "v4:2x2x1", "v5e:2x2", "v5e:4x4", "v5p:2x2x1", "v6e:2x2")
_NAME = re.compile(r"([a-z0-9]+):(\d+(?:x\d+){1,2})")


def parse_topology(name: str) -> Topology:
    """Reads the name of a topology.

    Args:
      name: Chip and layout, such as `v5e:2x2` or `v4:2x2x1`.

    Returns:
      The topology, under the name that libtpu knows.

    Raises:
      ValueError: There is no such chip, or the layout is none; lists those known.
      TypeError: It is no string.

    Example:
      >>> parse_topology("v5e:2x2").cores
      4
    """
    if not isinstance(name, str):
        raise TypeError(f"`topology` must be a string such as 'v5e:2x2'; got {name!r}.")
    found = _NAME.fullmatch(name.strip().lower())
    kind = _OTHER_NAMES.get(found[1], found[1]) if found else ""
    sizes = [int(size) for size in found[2].split("x")] if found else []
    if kind not in CHIPS or not all(sizes):
        raise ValueError(
            f"`topology` {name!r} is unknown. It must be a chip, a colon and its layout in chips; "
            f"known chips are {', '.join(CHIPS)}, for example {', '.join(EXAMPLES)}."
            f"{_suggest(name)}"
        )
    chip = CHIPS[kind]
    layout = "x".join(map(str, sizes))
    return Topology(
        name=f"{kind}:{layout}", chip=chip, cores=math.prod(sizes) * chip.cores_per_chip
    )


def _suggest(name: str) -> str:
    """Returns the nearest name there is as a question, empty if none is near."""
    wanted = name.strip().lower()
    layout = wanted.partition(":")[2]
    # A chip whose layouts are cubes is not suggested with a square one.
    same = [
        each.partition(":")[0]
        for each in EXAMPLES
        if each.split(":")[1].count("x") == layout.count("x")
    ]
    made = [f"{kind}:{layout}" for kind in same]
    possible = [each for each in made if _NAME.fullmatch(each) and each != wanted]
    return suggest(wanted, [*possible, *EXAMPLES])


def usable_bytes(chip: Chip) -> int:
    """Returns how much of a core's memory the compiler gives to programs; all where not known."""
    usable = _USABLE_GIB.get(chip.name)
    return chip.hbm_bytes if usable is None else int(usable * _GIB)
