"""How the nodes of a graph name each other's outputs."""

from __future__ import annotations


def producer(reference: str) -> str:
    """Returns the node that a reference (`^a`, `a`, `a:0`, `a:output:0`) is about."""
    return reference.lstrip("^").split(":")[0]


def slot(reference: str) -> tuple[str, int]:
    """Returns the node and the output number of a graph's reference that is no control edge."""
    name, _, index = reference.partition(":")
    return name, int(index or 0)


def tensor_name(reference: str) -> str:
    """Returns a graph's reference with its output number."""
    return reference if ":" in reference else f"{reference}:0"
