"""Reads the compiler's message about a program that is too large for the memory of a core."""

from __future__ import annotations

import re
from typing import Any

from tfx_tpu_estimator.compile_check.hlo_text import parse_arrays, tidy_op_name
from tfx_tpu_estimator.compile_check.report import TOO_LARGE, Buffer

_UNITS = {"B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = r"([\d.]+)([BKMGT])"
_USED = re.compile(rf"memory space hbm\. Used {_SIZE} of {_SIZE} hbm")
# The newer compiler's words for the same.
_NEW_USED = re.compile(
    rf"total memory required for ([\w ]+) \({_SIZE}\) exceeds available HBM \({_SIZE}\)"
)
_PART = re.compile(rf"^\s+(arguments|HLO temp|program|reserved)\s+{_SIZE}", re.MULTILINE)
_ONE_TENSOR = re.compile(
    r"Allocation \(size=(\d+)\) would exceed memory \(size=(\d+)\)(?:.*?shape = '([^']*)')?"
    r"(?:.*?tag = '([^']*)')?",
    re.DOTALL,
)
_ALLOCATION = re.compile(r"^\s+\d+\. Size: ", re.MULTILINE)
_HOW_MANY = 10


def read_exhausted(message: str) -> dict[str, Any] | None:
    """Returns what a message says, as fields of `Outcome`; None if it is about something else.

    Args:
      message: The compiler's error.
    """
    if "RESOURCE_EXHAUSTED" not in message:
        return None
    one = _ONE_TENSOR.search(message)
    if one is not None:
        return _describe_tensor(one)
    newer = _NEW_USED.search(message)
    if newer is not None:
        return {
            "status": TOO_LARGE,
            "peak_bytes": parse_size(newer[2], newer[3]),
            "limit_bytes": parse_size(newer[4], newer[5]),
            "largest": tuple(_list_allocations(message))[:_HOW_MANY],
        }
    return _describe_program(message) if _USED.search(message) else None


def parse_size(number: str, unit: str) -> int:
    """Returns bytes.

    Example:
      >>> parse_size("15.75", "G")
      16911433728
    """
    return int(float(number) * _UNITS[unit])


def _describe_tensor(found: re.Match[str]) -> dict[str, Any]:
    size, limit, shape_text, tag = int(found[1]), int(found[2]), found[3] or "", found[4] or ""
    arrays = parse_arrays(shape_text)
    op = tag.removeprefix("output of ").split("@")[0]
    dtype, shape, _ = arrays[0] if arrays else ("", (), "")
    return {
        "status": TOO_LARGE,
        "message": "A single tensor is larger than the memory of a core.",
        "peak_bytes": size,
        "limit_bytes": limit,
        "largest": (Buffer(bytes=size, shape=shape, dtype=dtype, op=op),),
    }


def _describe_program(message: str) -> dict[str, Any]:
    used = _USED.search(message)
    assert used is not None, "only messages with these figures come here"
    parts = {name: parse_size(number, unit) for name, number, unit in _PART.findall(message)}
    return {
        "status": TOO_LARGE,
        "peak_bytes": parse_size(used[1], used[2]),
        "limit_bytes": parse_size(used[3], used[4]),
        "argument_bytes": parts.get("arguments"),
        "temp_bytes": parts.get("HLO temp"),
        "largest": tuple(_list_allocations(message))[:_HOW_MANY],
    }


def _list_allocations(message: str) -> list[Buffer]:
    found = []
    for text in _ALLOCATION.split(message)[1:]:
        size = re.match(_SIZE, text)
        shape = re.search(r"Shape: (.*)", text)
        if size is None or shape is None:
            continue
        label = re.search(r"XLA label: ([\w.\-]+)", text)
        name = re.search(r'op_name="([^"]*)"', text)
        arrays = parse_arrays(shape[1])
        dtype, dimensions, _ = arrays[0] if arrays else ("", (), "")
        found.append(
            Buffer(
                bytes=parse_size(size[1], size[2]),
                shape=dimensions,
                dtype=dtype,
                op=label[1] if label else "",
                name=tidy_op_name(name[1]) if name else "",
            )
        )
    return found
