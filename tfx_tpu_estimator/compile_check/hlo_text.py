"""Reads collectives and large tensors out of the text of an optimized HLO module."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from tfx_tpu_estimator.compile_check.report import Buffer, Collective

_KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
)
# What makes no tensor of its own, but passes on or names others.
_PASS_ON = frozenset(
    ["tuple", "get-tuple-element", "bitcast", "while", "conditional", "call", "opt-barrier",
     "after-all", "async-update", "add-dependency"]
)  # fmt: skip
_COMPUTATION = re.compile(r"^%?([\w.\-]+) .*\{$")
_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%?([\w.\-]+) = (.*)$")
_OPCODE = re.compile(r"([a-z][a-z0-9\-]*)\(")
_ARRAY = re.compile(r"\b([a-z][a-z0-9]*)\[([\d,]*)\](\{[^}]*\})?")
_CALLED = re.compile(r"(?:calls|to_apply)=%?([\w.\-]+)")
_OP_NAME = re.compile(r'op_name="((?:[^"\\]|\\.)*)"')
_BITS = re.compile(r"(\d+)")
# Of layouts: a space other than 0, which is HBM.
_OTHER_SPACE = re.compile(r"S\([1-9]")
_HOW_MANY = 10


def find_collectives(text: str) -> tuple[Collective, ...]:
    """Counts the collectives of a module by kind, and the bytes of their results.

    Args:
      text: The module after all of the compiler's passes. A collective in two parts, start and
        done, counts once; one in a loop counts once too.
    """
    counts: dict[str, list[int]] = {}
    for _, type_text, opcode, _ in _list_instructions(text):
        kind = opcode.removesuffix("-start")
        if kind not in _KINDS:
            continue
        sizes = [count_bytes(dtype, shape) for dtype, shape, _ in parse_arrays(type_text)]
        if opcode == "collective-permute-start":  # operand, result, and two words of its own
            sizes = sizes[1:2]
        elif opcode == "all-gather-start":  # operands, then results
            sizes = sizes[len(sizes) // 2 :]
        found = counts.setdefault(kind, [0, 0])
        found[0] += 1
        found[1] += sum(sizes)
    return tuple(
        Collective(kind=kind, count=counts[kind][0], bytes=counts[kind][1])
        for kind in _KINDS
        if kind in counts
    )


def find_largest(text: str, count: int = _HOW_MANY) -> tuple[Buffer, ...]:
    """Returns the largest tensors in HBM that a module makes or is given, largest first.

    Args:
      text: The module after all of the compiler's passes. Tensors inside a fusion are never in
        memory, and do not count.
      count: How many to return at most.
    """
    inner = {name for _, _, _, rest in _list_instructions(text) for name in _CALLED.findall(rest)}
    found = []
    for (computation, name), type_text, opcode, rest in _list_instructions(text):
        if computation in inner or opcode in _PASS_ON or opcode.endswith("-start"):
            continue
        # What was copied is listed where it came from; what cores exchanged is new.
        if opcode.endswith("-done") and opcode.removesuffix("-done") not in _KINDS:
            continue
        is_entry = computation.startswith("ENTRY ")
        if opcode == "parameter" and not is_entry:
            continue
        for dtype, shape, layout in parse_arrays(type_text):
            if not _OTHER_SPACE.search(layout):
                found.append(
                    Buffer(
                        bytes=count_bytes(dtype, shape),
                        shape=shape,
                        dtype=dtype,
                        op=name,
                        name=read_op_name(rest),
                    )
                )
    found.sort(key=lambda buffer: -buffer.bytes)
    return tuple(found[:count])


def parse_arrays(text: str) -> list[tuple[str, tuple[int, ...], str]]:
    """Returns dtype, shape and layout of each array of a type, that of a tuple included.

    Example:
      >>> parse_arrays("(f32[2,3]{1,0:T(8,128)}, u32[])")
      [('f32', (2, 3), '{1,0:T(8,128)}'), ('u32', (), '')]
    """
    return [
        (dtype, tuple(int(size) for size in shape.split(",") if size), layout)
        for dtype, shape, layout in _ARRAY.findall(text)
    ]


def count_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """Returns the bytes of an array, without what a layout adds to fill tiles up.

    Example:
      >>> count_bytes("bf16", (2, 3))
      12
    """
    bits = _BITS.search(dtype)
    size = 8 if bits is None else int(bits[1])
    return math.ceil(math.prod(shape) * size / 8)


def read_op_name(metadata: str) -> str:
    """Returns which part of the model an instruction comes from, as far as its metadata says."""
    found = _OP_NAME.search(metadata)
    if found is None:
        return ""
    return tidy_op_name(found[1].replace("\\'", "'").replace('\\"', '"'))


def tidy_op_name(name: str) -> str:
    """Takes the frame that jax puts around a program out of an op's name.

    Example:
      >>> tidy_op_name("jit(_run_steps)/jit(main)/while/body/tensorflow_program/dense/MatMul")
      'dense/MatMul'
      >>> tidy_op_name("updated['dense/kernel']")
      'dense/kernel'
    """
    variable = re.fullmatch(r"(?:updated|constant)\['(.*)'\]", name)
    if variable:
        return variable[1]
    _, frame, inner = name.rpartition("tensorflow_program")
    return inner.strip("/") if frame else ("" if "jit(_run_steps)" in name else name)


def _list_instructions(text: str) -> Iterator[tuple[tuple[str, str], str, str, str]]:
    """Yields of each instruction (computation, name), type, opcode and what follows it.

    The name of the computation that runs begins with "ENTRY ".
    """
    computation = ""
    for line in text.splitlines():
        if not line.startswith(" "):
            opened = _COMPUTATION.match(line)
            if line.startswith("ENTRY "):
                computation = line.split("(")[0].strip()
            elif opened:
                computation = opened[1]
            continue
        found = _INSTRUCTION.match(line)
        if not found:
            continue
        type_text, rest = _split_type(found[2])
        opcode = _OPCODE.match(rest)
        if opcode:
            yield (computation, found[1]), type_text, opcode[1], rest


def _split_type(text: str) -> tuple[str, str]:
    """Splits `<type> <opcode>(...)` after the type."""
    if not text.startswith("("):
        head, _, rest = text.partition(" ")
        return head, rest
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return text[: index + 1], text[index + 1 :].lstrip()
    return text, ""
