"""Puts part of a model_fn, or all of it, on a TPU in an export of API version 2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.config.batching import BatchConfig
from tfx_tpu_estimator.export.signatures import list_tensors, replace_tensors
from tfx_tpu_estimator.export.tpu_computation import enter_graph
from tfx_tpu_estimator.lowering.model_fn import call_model_fn
from tfx_tpu_estimator.lowering.serving_split import find_host_op
from tfx_tpu_estimator.lowering.tf_internals import (
    is_built_for_host,
    is_in_device_computation,
    run_on_tpu_when_served,
)
from tfx_tpu_estimator.lowering.unsupported import describe_line, unsupported_op_error
from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec
from tfx_tpu_estimator.wording import with_article

_NO_BATCHING = BatchConfig(None, None, None, None)


class SingleOutput(list):
    """The list of one tensor that `inference_on_tpu` returns; also converts to that tensor.

    Without that, TensorFlow would stack the list where a tensor is wanted, and the metagraph for
    TPUs would have a dimension more than that for CPUs.
    """


def _to_tensor(value: SingleOutput, dtype=None, name=None, as_ref=False):
    del as_ref
    tensor = value[0]
    if dtype is not None and not tf.as_dtype(dtype).is_compatible_with(tensor.dtype):
        return NotImplemented
    return tensor if name is None else tf.identity(tensor, name=name)


# Before TensorFlow's own conversion of lists, which has priority 99.
tf.register_tensor_conversion_function(SingleOutput, _to_tensor, priority=50)


def inference_on_tpu(
    computation: Callable[..., Any],
    inputs_to_tpu: Sequence[Any],
    num_batch_threads: int | None,
    max_batch_size: int | None,
    batch_timeout_micros: int | None,
    allowed_batch_sizes: Sequence[int] | None = None,
    max_enqueued_batches: int = 100,
) -> Any:
    """Runs a computation on a TPU core when the exported model is served.

    For model_fns that are exported with `ExportSavedModelApiVersion.V2`; call it only where
    `params['use_tpu']` is true. What is computed before and after it stays on the host. Where the
    model_fn is on devices as a whole already, in `predict` with `use_tpu=True` or an export of V1,
    the computation is simply a part of that, without batching.

    Args:
        computation: function of the inputs that returns a Tensor, or a list or nested structure
            of Tensors; each [batch, ...] if there is batching.
        inputs_to_tpu: list of Tensors, or of nested structures of them, dense and of no strings;
            each [batch, ...] if there is batching.
        num_batch_threads: see `BatchConfig`.
        max_batch_size: rows of a batch at most; None or 0 for no batching: then the other
            settings do not matter, and each request is a batch.
        batch_timeout_micros: see `BatchConfig`.
        allowed_batch_sizes: see `BatchConfig`. Default None.
        max_enqueued_batches: see `BatchConfig`. Default 100.

    Returns:
        What `computation` returns, on the host. A single Tensor comes in a list of one, which
        TensorFlow takes as that Tensor, too.

    Raises:
        ValueError: if a setting is out of its range; it is called for a graph of the host; an
            input or output cannot go to or come from a TPU, or has no dimension to batch along;
            or an op of the computation cannot run on a TPU.
        TypeError: if a setting or `inputs_to_tpu` is of the wrong type.

    Example:
        >>> def model_fn(features, labels, mode, params):
        ...     on_host = features["x"] * 2.0
        ...     dense = lambda x: tf.compat.v1.layers.dense(x, 1)
        ...     if params["use_tpu"]:
        ...         y = tf.identity(inference_on_tpu(dense, [on_host], 1, 8, 1000, [4, 8]))
        ...     else:
        ...         y = dense(on_host)
        ...     return TPUEstimatorSpec(mode, predictions={"y": y})
    """
    config = BatchConfig(
        num_batch_threads,
        max_batch_size,
        batch_timeout_micros,
        allowed_batch_sizes,
        max_enqueued_batches,
    )
    inputs = _validate_inputs(inputs_to_tpu, batched=bool(max_batch_size))
    if is_in_device_computation():
        return _as_list(computation(*inputs))
    _refuse_on_host("inference_on_tpu")
    return _as_list(_build_call(computation, inputs, config))


def model_fn_inference_on_tpu(
    model_fn: Callable[..., Any],
    features: Any,
    labels: Any = None,
    config: Any = None,
    params: Any = None,
    batch_config: BatchConfig | None = None,
) -> EstimatorSpec | TPUEstimatorSpec:
    """Runs a whole model_fn, in mode PREDICT, on a TPU core when the exported model is served.

    For model_fns that are exported with `ExportSavedModelApiVersion.V2`, as `inference_on_tpu`
    is: V1 does the same without batching.

    Args:
        model_fn: function that returns a spec for PREDICT.
        features: Tensor or nested structure of Tensors, dense and of no strings.
        labels: what `model_fn` gets as `labels`. Default None.
        config: what it gets as `config`. Default None.
        params: what it gets as `params`. Default None.
        batch_config: how requests are batched. Default None: not at all.

    Returns:
        The spec that `model_fn` returned, whose predictions and export outputs are on the host.

    Raises:
        ValueError: if a feature is sparse, ragged or of strings, or as `inference_on_tpu` raises.
        TypeError: if `batch_config` is none.

    Example:
        >>> def model_fn(features, labels, mode, params, config):
        ...     if mode == ModeKeys.PREDICT and params["use_tpu"]:
        ...         batching = BatchConfig(2, 8, 1000, [4, 8])
        ...         return model_fn_inference_on_tpu(
        ...             my_model_fn, features, labels, config, params, batching
        ...         )
        ...     return my_model_fn(features, labels, mode, params, config)
    """
    if batch_config is not None and not isinstance(batch_config, tuple):
        raise TypeError(
            f"`batch_config` must be a BatchConfig or None; got {batch_config!r}. Make one with "
            "BatchConfig(num_batch_threads, max_batch_size, batch_timeout_micros, "
            "allowed_batch_sizes)."
        )
    batching = BatchConfig(*(batch_config or _NO_BATCHING))
    inputs = _validate_inputs([features, labels], batched=bool(batching.max_batch_size))
    found: list[EstimatorSpec | TPUEstimatorSpec] = []

    def computation(on_tpu: Any, labels_on_tpu: Any) -> Any:
        spec = call_model_fn(
            model_fn, on_tpu, labels_on_tpu, ModeKeys.PREDICT, params, config, params_required=False
        )
        found.append(spec)
        return spec.predictions, list_tensors(spec.export_outputs or {})

    if is_in_device_computation():
        computation(*inputs)
        return found[-1]
    _refuse_on_host("model_fn_inference_on_tpu")
    predictions, exported = _build_call(computation, inputs, batching)
    spec = found[-1]
    outputs = spec.export_outputs and replace_tensors(spec.export_outputs, exported)
    return spec._replace(predictions=predictions, export_outputs=outputs)


def _validate_inputs(inputs: Any, *, batched: bool) -> list[Any]:
    """Returns the inputs, all of them tensors.

    Raises:
      TypeError: They are no list.
      ValueError: One cannot go to a TPU, or cannot be batched.
    """
    if not isinstance(inputs, list | tuple):
        raise TypeError(
            "`inputs_to_tpu` must be a list, with one entry for each argument of the computation; "
            f"got {type(inputs).__name__}."
        )
    flat = []
    for value in tf.nest.flatten(list(inputs)):
        if isinstance(value, tf.SparseTensor | tf.RaggedTensor) or (
            tf.is_tensor(value) and value.dtype == tf.string
        ):
            raise ValueError(
                "A TPU has dense tensors of numbers only: what goes there cannot be "
                f"{_describe(value)}. Make it dense or look it up on the host, before the "
                "computation; model_fns with sparse features or strings can be exported with "
                "export_saved_model_api_version=V1 as they are."
            )
        tensor = None if value is None else tf.convert_to_tensor(value)
        if batched and tensor is not None and tensor.shape.rank == 0:
            raise ValueError(
                f"Requests are batched along dimension 0, which {tensor!r} does not have. Build "
                "it inside the computation, or set `max_batch_size` to None."
            )
        flat.append(tensor)
    return tf.nest.pack_sequence_as(list(inputs), flat)


def _describe(value: Any) -> str:
    if isinstance(value, tf.Tensor):
        return f"the strings {value.name!r}"
    return f"{with_article(type(value).__name__)}, {value!r}"


def _refuse_on_host(name: str) -> None:
    if is_built_for_host():
        raise ValueError(
            f"{name} was called while the model was built for this host, which cannot run what "
            "is on a TPU. Call it only where params['use_tpu'] is true, and the computation "
            "itself elsewhere."
        )


def _as_list(result: Any) -> Any:
    """Returns a result as `tf.compat.v1.tpu.rewrite` does: what is flat in a list."""
    if tf.is_tensor(result):
        return SingleOutput([result])
    return list(result) if type(result) is tuple else result


def _build_call(computation: Callable[..., Any], inputs: list[Any], config: BatchConfig) -> Any:
    """Builds the computation to run on a TPU and returns its outputs, of the same structure."""
    given = [x for x in tf.nest.flatten(inputs) if x is not None]
    found: list[Any] = []
    shapes: list[tf.TensorShape] = []

    def run(*tensors: tf.Tensor) -> list[tf.Tensor]:
        remaining = iter(tensors)
        flat = [None if x is None else next(remaining) for x in tf.nest.flatten(inputs)]
        result = computation(*tf.nest.pack_sequence_as(inputs, flat))
        outputs = _validate_outputs(computation, result, batched=bool(config.max_batch_size))
        found.append(result)
        shapes[:] = [tensor.shape for tensor in outputs]
        return outputs

    entered = enter_graph(run)
    if config.max_batch_size:
        batched = tf.nondifferentiable_batch_function(
            config.num_batch_threads,
            config.max_batch_size,
            config.batch_timeout_micros,
            allowed_batch_sizes=list(config.allowed_batch_sizes or ()) or None,
            max_enqueued_batches=config.max_enqueued_batches,
            autograph=False,
        )(lambda *tensors: run_on_tpu_when_served(entered, tensors))
        outputs = batched(*given)
        for tensor, shape in zip(outputs, shapes, strict=True):
            tensor.set_shape(shape)
    else:
        outputs = run_on_tpu_when_served(entered, given)
    return tf.nest.pack_sequence_as(found[-1], outputs)


def _validate_outputs(
    computation: Callable[..., Any], result: Any, *, batched: bool
) -> list[tf.Tensor]:
    flat = [None if x is None else tf.convert_to_tensor(x) for x in tf.nest.flatten(result)]
    name = getattr(computation, "__name__", repr(computation))
    if not flat or any(x is None for x in flat):
        raise ValueError(
            f"The computation for the TPU, {name}, must return one Tensor or several; got "
            f"{result!r}."
        )
    op = find_host_op(tf.compat.v1.get_default_graph())
    if op is not None:
        raise unsupported_op_error(op.type, op.name, describe_line(op.traceback))
    scalars = [tensor for tensor in flat if tensor.shape.rank == 0]
    if batched and scalars:
        raise ValueError(
            "The outputs of a batch are split along dimension 0 among the requests, which "
            f"{scalars[0]!r} of {name} does not have. Return a row for each row of the inputs, or "
            "set `max_batch_size` to None."
        )
    return [tensor for tensor in flat if tensor is not None]
