"""Where a component may keep what must outlive a failed execution."""

from __future__ import annotations

import os

from .constants import CHECKPOINTS_DIR


def resolve_durable_dir(output_uri: str, key: str, override: str | None = None) -> str:
    """Returns a directory that a retry of the same execution finds again.

    A launcher deletes the outputs of a failed execution, so checkpoints are kept outside them.

    Args:
        output_uri: Where an output artifact is: `<root>/<node>/<output>/<execution id>` for the
            local runner, `<root>/.../<task>/<output>` for others.
        key: What identifies the execution.
        override: A directory to use instead of one beside the outputs.

    Returns:
        `<override>/<key>`, or `<root>/<node>/.checkpoints/<key>`, or, where the last part of the
        path is no execution id, `<root>/.../<task>/.checkpoints/<key>`.
    """
    if override is not None:
        return os.path.join(override, key)
    output_dir, last = os.path.split(output_uri.rstrip("/"))
    node_dir = os.path.dirname(output_dir) if last.isdigit() else output_dir
    return os.path.join(node_dir, CHECKPOINTS_DIR, key)
