"""Where the objects are that commonly used corners of `tf.contrib` had."""

from __future__ import annotations

from tfx_tpu_estimator.compat import estimator_names as names
from tfx_tpu_estimator.lowering.tf_internals_legacy import LEGACY_TPU_MODULES

_OWN = "tfx_tpu_estimator"
_V1 = "tensorflow.compat.v1"
_LAYERS_MODULE = f"{_OWN}.compat.contrib.layers"
_SCOPES_MODULE = f"{_OWN}.compat.contrib.arg_scope"
_SUMMARY_MODULE = f"{_OWN}.compat.contrib.summary"
_PREDICTOR_MODULE = f"{_OWN}.compat.contrib.predictor"


def _from(module: str, *attributes: str, path: str = "") -> dict[str, str]:
    prefix = f"{path}." if path else ""
    return {name: f"{module}:{prefix}{name}" for name in attributes}


_TPU_FUNCTIONS = (
    "CrossShardOptimizer",
    "batch_parallel",
    "bfloat16_scope",
    "core",
    "cross_replica_sum",
    "initialize_system",
    "outside_compilation",
    "replicate",
    "rewrite",
    "shard",
    "shutdown_system",
)
_TPU = {
    **names.TPU,
    **names.TPU_EXPERIMENTAL,
    **names.EMBEDDING_PARAMETERS,
    **_from(_V1, *_TPU_FUNCTIONS, path="tpu"),
    **_from(_V1, "DeviceAssignment", "Topology", path="tpu.experimental"),
    **names.ASYNC_CHECKPOINT,
    "TPUContext": f"{_OWN}.config.context:TPUContext",
}
_DATA = {
    **_from(
        _V1,
        "AUTOTUNE",
        "Counter",
        "CsvDataset",
        "Optional",
        "RandomDataset",
        "SqlDataset",
        "TFRecordWriter",
        "bucket_by_sequence_length",
        "choose_from_datasets",
        "copy_to_device",
        "dense_to_sparse_batch",
        "enumerate_dataset",
        "get_next_as_optional",
        "get_single_element",
        "group_by_reducer",
        "group_by_window",
        "ignore_errors",
        "make_batched_features_dataset",
        "make_csv_dataset",
        "make_saveable_from_iterator",
        "map_and_batch",
        "parallel_interleave",
        "parse_example_dataset",
        "prefetch_to_device",
        "rejection_resample",
        "sample_from_datasets",
        "scan",
        "shuffle_and_repeat",
        "unbatch",
        "unique",
        path="data.experimental",
    ),
    "batch_and_drop_remainder": f"{_OWN}.compat.contrib.data:batch_and_drop_remainder",
}
_LAYERS = _from(
    _LAYERS_MODULE,
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "convolution2d",
    "dropout",
    "flatten",
    "fully_connected",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "linear",
    "max_pool2d",
    "relu",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
)
_SCOPES = _from(_SCOPES_MODULE, "add_arg_scope", "arg_scope")
_VARIABLES = {
    **_from(
        _V1,
        "assert_global_step",
        "create_global_step",
        "get_global_step",
        "get_or_create_global_step",
        "init_from_checkpoint",
        "list_variables",
        "load_checkpoint",
        "load_variable",
        path="train",
    ),
    "is_tensor": f"{_V1}:is_tensor",
    "nest": f"{_V1}:nest",
    **_from(
        f"{_OWN}.compat.contrib.framework",
        "get_model_variables",
        "get_trainable_variables",
        "get_variables",
        "get_variables_by_name",
        "get_variables_to_restore",
    ),
}
_SLIM = {
    **_LAYERS,
    **_SCOPES,
    **_from(
        f"{_OWN}.compat.contrib.framework",
        "get_model_variables",
        "get_trainable_variables",
        "get_variables",
        "get_variables_by_name",
        "get_variables_to_restore",
    ),
}
_ESTIMATOR = {
    **names.EARLY_STOPPING,
    **names.EXPERIMENTAL,
    "add_metrics": f"{_OWN}:add_metrics",
    "clip_gradients_by_norm": f"{_OWN}.compat.contrib.optimizers:clip_gradients_by_norm",
}
_SUMMARY = _from(
    _SUMMARY_MODULE,
    "all_summary_ops",
    "always_record_summaries",
    "create_file_writer",
    "flush",
    "histogram",
    "image",
    "initialize",
    "never_record_summaries",
    "record_summaries_every_n_global_steps",
    "scalar",
    "should_record_summaries",
)
_OPT = _from(
    f"{_OWN}.compat.contrib.optimizers", "AdamWOptimizer", "LARSOptimizer", "MomentumWOptimizer"
)
_RESOLVERS = {
    "TPUClusterResolver": f"{_OWN}.compat.cluster_resolver:TPUClusterResolver",
    **_from(
        _V1,
        "GCEClusterResolver",
        "SimpleClusterResolver",
        "TFConfigClusterResolver",
        path="distribute.cluster_resolver",
    ),
}
_PYTHON_TPU = {
    "tpu_estimator": {**_TPU, **names.MODULES["tensorflow.python.tpu.tpu_estimator"]},
    "tpu_config": names.MODULES["tensorflow.python.tpu.tpu_config"],
    "tpu_context": names.MODULES["tensorflow.python.tpu.tpu_context"],
    "error_handling": names.MODULES["tensorflow.python.tpu.error_handling"],
    "tpu_optimizer": _from(_V1, "CrossShardOptimizer", path="tpu"),
    "tpu": _from(_V1, *_TPU_FUNCTIONS, path="tpu"),
    "bfloat16": _from(_V1, "bfloat16_scope", path="tpu"),
    "async_checkpoint": names.ASYNC_CHECKPOINT,
}
_BELOW: dict[str, dict[str, str]] = {
    "tpu": _TPU,
    **{f"tpu.python.tpu.{name}": targets for name, targets in _PYTHON_TPU.items()},
    **{f"tpu.python.{name}": targets for name, targets in LEGACY_TPU_MODULES.items()},
    "data": _DATA,
    "data.python.ops.batching": {k: _DATA[k] for k in ("batch_and_drop_remainder",
                                                       "map_and_batch", "unbatch")},
    "data.python.ops.interleave_ops": {k: _DATA[k] for k in ("parallel_interleave",)},
    "layers": _LAYERS,
    "layers.python.layers": _LAYERS,
    "cluster_resolver": _RESOLVERS,
    "cluster_resolver.python.training": _RESOLVERS,
    "cluster_resolver.python.training.tpu_cluster_resolver": _RESOLVERS,
    "training": {
        "HParams": f"{_OWN}.compat.contrib.hparams:HParams",
        "checkpoints_iterator": f"{_V1}:train.checkpoints_iterator",
    },
    "training.python.training.hparam": {"HParams": f"{_OWN}.compat.contrib.hparams:HParams"},
    "training.python.training.evaluation": _from(_V1, "checkpoints_iterator", path="train"),
    "framework": {**_SCOPES, **_VARIABLES},
    "framework.python.ops": {**_SCOPES, **_VARIABLES},
    "summary": _SUMMARY,
    "slim": _SLIM,
    "estimator": _ESTIMATOR,
    "opt": _OPT,
    "predictor": _from(_PREDICTOR_MODULE, "from_saved_model"),
    "rnn": _from(
        _V1,
        "BasicLSTMCell",
        "BasicRNNCell",
        "DropoutWrapper",
        "GRUCell",
        "LSTMCell",
        "LSTMStateTuple",
        "MultiRNNCell",
        "RNNCell",
        "ResidualWrapper",
        path="nn.rnn_cell",
    ),
}  # fmt: skip
_ROOTS = ("tensorflow.contrib", "tensorflow.compat.v1.contrib")

# Import path -> name -> where the object is.
MODULES: dict[str, dict[str, str]] = {
    **{root: {} for root in _ROOTS},
    **{f"{root}.{path}": targets for root in _ROOTS for path, targets in _BELOW.items()},
}
