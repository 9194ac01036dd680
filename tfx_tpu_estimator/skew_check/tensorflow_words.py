"""What TensorFlow says in an error, without what it adds about nodes and stacks."""

from __future__ import annotations

import re

_ADDED = re.compile(
    r"^(Graph execution error|Detected at node|Node: |\[\[|Original stack trace|\d+ root error|"
    r"\(\d+\) |No OpKernel was|Registered|<no registered|\s*$)"
)


def explain(error: BaseException) -> str:
    """Returns a sentence of what an error of TensorFlow says."""
    text = str(getattr(error, "message", "") or error).split("\nOriginal stack")[0]
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if not _ADDED.search(line)] or [line for line in lines if line]
    sentence = re.sub(r"\s*\[\[.*", "", said[0] if said else type(error).__name__)
    return sentence[:400].rstrip(". ") + "."
