"""Signatures of a SavedModel, from a receiver and the model_fn's export outputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.export_output import ExportOutput, PredictOutput
from tfx_tpu_estimator.specs import EstimatorSpec, TPUEstimatorSpec

_logger = logging.getLogger(__name__)

DEFAULT_KEY = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def list_export_outputs(spec: EstimatorSpec | TPUEstimatorSpec) -> dict[str, ExportOutput]:
    """Returns what `spec` exports under which names, with the default one among them.

    A spec without export_outputs exports its predictions; one with a single output exports it as
    the default, too.

    Raises:
      ValueError: There is nothing to export, or several outputs and none is the default.
    """
    outputs = spec.export_outputs
    if not outputs:
        if not spec.predictions:
            raise ValueError(
                "export_outputs must be defined to export a model: return them, or predictions, "
                "in the model_fn's spec for mode PREDICT."
            )
        return {DEFAULT_KEY: PredictOutput(spec.predictions)}
    outputs = dict(outputs)
    if DEFAULT_KEY not in outputs:
        if len(outputs) > 1:
            raise ValueError(
                f"Multiple export_outputs were provided ({sorted(outputs)}), but none of them is "
                f"specified as the default: give one of them the key {DEFAULT_KEY!r}."
            )
        outputs[DEFAULT_KEY] = next(iter(outputs.values()))
    return outputs


def list_tensors(outputs: dict[str, ExportOutput]) -> list[tf.Tensor]:
    """Returns all tensors of export outputs in order, without the components that are missing."""
    return [t for output in outputs.values() for t in output.tensors() if t is not None]


def replace_tensors(
    outputs: dict[str, ExportOutput], tensors: Sequence[tf.Tensor]
) -> dict[str, ExportOutput]:
    """Returns export outputs of the same form with other tensors.

    Args:
      outputs: What they replace; components that are missing stay so.
      tensors: In the order of `list_tensors`.
    """
    remaining = iter(tensors)
    return {
        name: output.with_tensors(
            [None if t is None else next(remaining) for t in output.tensors()]
        )
        for name, output in outputs.items()
    }


def build_signatures(receiver: Any, outputs: dict[str, ExportOutput]) -> dict[str, Any]:
    """Returns {name: SignatureDef} for every way to feed the model and every output.

    An output whose signature cannot have the receiver's input (classification and regression
    signatures take one string tensor of tf.Examples), or that needs more than is fed, is left out
    with a warning.

    Args:
      receiver: A `ServingInputReceiver` or `TensorServingInputReceiver`.
      outputs: Of `list_export_outputs`.

    Raises:
      ValueError: No signature at all is possible.
    """
    alternatives = getattr(receiver, "receiver_tensors_alternatives", None)
    ways = {None: receiver.receiver_tensors, **(alternatives or {})}
    signatures, left_out = {}, {}
    for way, tensors in ways.items():
        for key, output in outputs.items():
            name = key if way is None else f"{way}:{key}"
            try:
                signature = output.as_signature_def(tensors)
                _refuse_unfed(tensors, output)
            except ValueError as error:
                left_out[name] = str(error)
            else:
                signatures[name] = signature
    for name, reason in left_out.items():
        _logger.warning("Signature %r is left out of the SavedModel: %s", name, reason)
    if not signatures:
        raise ValueError(f"No signature can be exported: {left_out}.")
    return signatures


def _refuse_unfed(receiver_tensors: dict[str, Any], output: ExportOutput) -> None:
    """Refuses an output that depends on a placeholder which is not among those fed."""
    parts = tf.nest.flatten(receiver_tensors, expand_composites=True)
    fed = {tensor.ref() for tensor in parts}
    outputs = [tensor for tensor in output.tensors() if tensor is not None]
    waiting = list(tf.nest.flatten(outputs, expand_composites=True))
    seen = set()
    while waiting:
        tensor = waiting.pop()
        if tensor.ref() in fed or tensor.ref() in seen:
            continue
        seen.add(tensor.ref())
        if tensor.op.type == "Placeholder":
            raise ValueError(
                f"its inputs {sorted(receiver_tensors)} are insufficient, as it depends on the "
                f"placeholder {tensor.op.name!r}, which is not among them."
            )
        waiting += tensor.op.inputs
