"""Whether ids that a user gives are those of a pipeline's nodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tfx_tpu_estimator.suggestions import suggest


def check_node_ids(
    name: str, given: Iterable[str], known: Sequence[str], kind: str = "component"
) -> None:
    """Checks that each id is one of the pipeline's.

    Args:
      name: The argument or field that holds the ids, for the message.
      given: The ids.
      known: Ids of the pipeline.
      kind: What the message calls that which has an id.

    Raises:
      ValueError: One is not; the message has the nearest.
    """
    for node_id in given:
        if node_id not in known:
            raise ValueError(
                f"`{name}` has {node_id!r}, which is no {kind} of the pipeline."
                f"{suggest(node_id, known)} {kind.capitalize()}s: {', '.join(known)}."
            )
