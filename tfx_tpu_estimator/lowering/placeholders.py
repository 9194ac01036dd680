"""Which placeholders a part of a traced graph needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.lowering.trace import TracedModel
from tfx_tpu_estimator.lowering.unsupported import find_line


def list_needed_placeholders(
    elements: Iterable[Any], given: Collection[tf.Tensor] = ()
) -> list[tf.Operation]:
    """Returns the placeholders without a default that must be fed to run some of a graph.

    Args:
      elements: Tensors and operations.
      given: Tensors that are fed anyway.
    """
    known = {id(tensor) for tensor in given}
    waiting = [e if isinstance(e, tf.Operation) else e.op for e in elements if id(e) not in known]
    seen = set(waiting)
    found = []
    while waiting:
        op = waiting.pop()
        if op.type == "Placeholder" and not any(id(t) in known for t in op.outputs):
            found.append(op)
        needed = [t.op for t in op.inputs if id(t) not in known] + list(op.control_inputs)
        new = {o for o in needed if o not in seen}
        seen |= new
        waiting += new
    return found


def refuse_unfed_placeholders(traced: TracedModel) -> None:
    """Refuses a model_fn that waits for a hook to feed a placeholder.

    Raises:
      ValueError: It has such a placeholder; names it and the line that made it.
    """
    fetched = [*traced.outputs.tensors.values(), *filter(None, [traced.train_op])]
    for op in list_needed_placeholders(fetched, (traced.position, *traced.inputs)):
        raise ValueError(
            f"model_fn has a placeholder, `{op.name}` ({find_line(traced.graph, op.name)}), but on "
            "devices nobody feeds it: steps run outside of the session, which a FeedFnHook feeds. "
            "Give its values by the input_fn, in `params` or as a variable, or use use_tpu=False."
        )
