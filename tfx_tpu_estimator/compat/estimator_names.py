"""Where the objects are that `tf.estimator` and `tf.compat.v1.estimator` had."""

from __future__ import annotations

_OWN = "tfx_tpu_estimator"
_V1 = "tensorflow.compat.v1"

# Hooks are TensorFlow's own and still there.
_HOOKS = {
    name: f"{_V1}:train.{name}"
    for name in (
        "CheckpointSaverHook",
        "CheckpointSaverListener",
        "FeedFnHook",
        "FinalOpsHook",
        "GlobalStepWaiterHook",
        "LoggingTensorHook",
        "NanLossDuringTrainingError",
        "NanTensorHook",
        "ProfilerHook",
        "SecondOrStepTimer",
        "SessionRunArgs",
        "SessionRunContext",
        "SessionRunHook",
        "SessionRunValues",
        "StepCounterHook",
        "StopAtStepHook",
        "SummarySaverHook",
        "VocabInfo",
    )
}
_SHARED = (
    "BestExporter",
    "EstimatorSpec",
    "EvalSpec",
    "Exporter",
    "FinalExporter",
    "LatestExporter",
    "ModeKeys",
    "TrainSpec",
    "WarmStartSettings",
    "add_metrics",
    "classifier_parse_example_spec",
    "regressor_parse_example_spec",
    "train_and_evaluate",
)
# TensorFlow 2's `tf.estimator` had other classes than version 1 under these names.
_VERSIONED = (
    "BaselineClassifier",
    "BaselineEstimator",
    "BaselineRegressor",
    "DNNClassifier",
    "DNNEstimator",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedRegressor",
    "DNNRegressor",
    "Estimator",
    "LinearClassifier",
    "LinearEstimator",
    "LinearRegressor",
)
_HEADS = (
    "BinaryClassHead",
    "Head",
    "LogisticRegressionHead",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "PoissonRegressionHead",
    "RegressionHead",
)


def _own(*names: str) -> dict[str, str]:
    return {name: f"{_OWN}:{name}" for name in names}


# Estimator had a RunConfig of its own, without the settings for TPUs.
_BASE_RUN_CONFIG = {"RunConfig": f"{_OWN}:BaseRunConfig"}
ESTIMATOR_V1 = {**_HOOKS, **_BASE_RUN_CONFIG, **_own(*_SHARED, *_VERSIONED, *_HEADS)}
ESTIMATOR_V2 = {
    **_HOOKS,
    **_BASE_RUN_CONFIG,
    **_own(*_SHARED, *_HEADS),
    **{name: f"{_OWN}:{name}V2 | {_OWN}:{name}" for name in _VERSIONED},
}
EXPORT = _own(
    "ClassificationOutput",
    "EvalOutput",
    "ExportOutput",
    "PredictOutput",
    "RegressionOutput",
    "ServingInputReceiver",
    "TensorServingInputReceiver",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
)
EXPERIMENTAL = _own(
    "InMemoryEvaluatorHook",
    "build_raw_supervised_input_receiver_fn",
    "call_logit_fn",
    "dnn_logit_fn_builder",
    "linear_logit_fn_builder",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
)
EARLY_STOPPING = {
    **_own(
        "make_early_stopping_hook",
        "read_eval_metrics",
        "stop_if_higher_hook",
        "stop_if_lower_hook",
        "stop_if_no_decrease_hook",
        "stop_if_no_increase_hook",
    )
}
INPUTS = _own("numpy_input_fn", "pandas_input_fn")
# The old module had these, its public namespace did not; here both have.
_INFERENCE = _own(
    "BatchConfig", "ExportSavedModelApiVersion", "inference_on_tpu", "model_fn_inference_on_tpu"
)
TPU = {
    **_own("InputPipelineConfig", "RunConfig", "TPUConfig", "TPUEstimator", "TPUEstimatorSpec"),
    **_INFERENCE,
}
TPU_EXPERIMENTAL = _own("EmbeddingConfigSpec")
# Gone from tf.compat.v1.tpu.experimental since TensorFlow 2.16.
EMBEDDING_PARAMETERS = _own(
    "AdagradParameters",
    "AdamParameters",
    "FtrlParameters",
    "StochasticGradientDescentParameters",
)

_LEGACY = "tensorflow_estimator.python.estimator"
_TPU_ESTIMATOR = {
    **_INFERENCE,
    **_own(
        "EmbeddingConfigSpec",
        "InputPipelineConfig",
        "RunConfig",
        "TPUConfig",
        "TPUEstimator",
        "TPUEstimatorSpec",
    ),
    "TPUContext": f"{_OWN}.config.context:TPUContext",
    "CrossShardOptimizer": f"{_V1}:tpu.CrossShardOptimizer",
    "error_handling": f"{_OWN}.compat.error_handling",
}
_TPU_MODULES = {
    "tpu_estimator": _TPU_ESTIMATOR,
    "tpu_config": _own("InputPipelineConfig", "RunConfig", "TPUConfig"),
    "tpu_context": {"TPUContext": f"{_OWN}.config.context:TPUContext"},
    "error_handling": {"ErrorRendezvous": f"{_OWN}.compat.error_handling:ErrorRendezvous"},
    "_tpu_estimator_embedding": _own("EmbeddingConfigSpec", *EMBEDDING_PARAMETERS),
}

# Gone from TensorFlow itself, where programs with feature and table dicts take them from.
_TPU_EMBEDDING = _own("FeatureConfig", "TableConfig", *EMBEDDING_PARAMETERS)
# Checkpoints are written in the background anyhow.
ASYNC_CHECKPOINT = {"AsyncCheckpointSaverHook": f"{_V1}:train.CheckpointSaverHook"}
_GONE_TPU_MODULES = {"async_checkpoint": ASYNC_CHECKPOINT, "tpu_embedding": _TPU_EMBEDDING}


def _modules_of(root: str, children: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {f"{root}.{name}": targets for name, targets in children.items()}


def _namespace(root: str, names: dict[str, str]) -> dict[str, dict[str, str]]:
    below = {"experimental": EXPERIMENTAL, "export": EXPORT}
    if names is ESTIMATOR_V1:  # TensorFlow 2 left these behind
        below |= {"inputs": INPUTS, "tpu": TPU, "tpu.experimental": TPU_EXPERIMENTAL}
    return {root: names, **_modules_of(root, below)}


_RECEIVERS = {
    **EXPORT,
    "build_raw_supervised_input_receiver_fn": EXPERIMENTAL[
        "build_raw_supervised_input_receiver_fn"
    ],
    "SupervisedInputReceiver": f"{_OWN}:SupervisedInputReceiver",
}
_LEGACY_CHILDREN: dict[str, dict[str, str]] = {
    "estimator": {
        # Private, and called by many programs that train and evaluate in turns.
        "_load_global_step_from_checkpoint_dir": f"{_OWN}.compat.global_step:load_global_step",
        "EstimatorV2": f"{_OWN}:EstimatorV2 | {_OWN}:Estimator",
        **{k: ESTIMATOR_V1[k] for k in ("Estimator", "VocabInfo", "WarmStartSettings")},
    },
    "estimator_lib": {**ESTIMATOR_V1, "export": f"{_LEGACY}.export.export_lib",
                      "inputs": f"{_LEGACY}.inputs.inputs"},
    "model_fn": _own("EstimatorSpec", "ModeKeys", "call_logit_fn"),
    "mode_keys": _own("ModeKeys"),
    "run_config": {**_BASE_RUN_CONFIG, "TaskType": f"{_OWN}.config.cluster:TaskType"},
    "training": _own("EvalSpec", "TrainSpec", "train_and_evaluate"),
    "exporter": _own("BestExporter", "Exporter", "FinalExporter", "LatestExporter"),
    "early_stopping": EARLY_STOPPING,
    "extenders": _own("add_metrics"),
    "export.export": _RECEIVERS,
    "export.export_lib": _RECEIVERS,
    "export.export_output": EXPORT,
    "hooks.hooks": _own("InMemoryEvaluatorHook", "make_stop_at_checkpoint_step_hook"),
    "hooks.basic_session_run_hooks": _HOOKS,
    "hooks.session_run_hook": _HOOKS,
    "inputs.inputs": INPUTS,
    "inputs.numpy_io": _own("numpy_input_fn"),
    "inputs.pandas_io": _own("pandas_input_fn"),
    "canned.metric_keys": {"MetricKeys": f"{_OWN}.canned.keys:MetricKeys"},
    "canned.prediction_keys": {"PredictionKeys": f"{_OWN}.canned.keys:PredictionKeys"},
    "head.base_head": _own("Head"),
    "head.binary_class_head": _own("BinaryClassHead"),
    "head.multi_class_head": _own("MultiClassHead"),
    "head.multi_head": _own("MultiHead"),
    "head.multi_label_head": _own("MultiLabelHead"),
    "head.regression_head": _own(
        "LogisticRegressionHead", "PoissonRegressionHead", "RegressionHead"
    ),
    "canned.parsing_utils": _own("classifier_parse_example_spec", "regressor_parse_example_spec"),
    "canned.baseline": _own(*(k for k in _VERSIONED if k.startswith("Baseline"))),
    "canned.dnn": _own("DNNClassifier", "DNNEstimator", "DNNRegressor", "dnn_logit_fn_builder"),
    "canned.linear": _own(
        "LinearClassifier", "LinearEstimator", "LinearRegressor", "linear_logit_fn_builder"
    ),
    "canned.dnn_linear_combined": _own(*(k for k in _VERSIONED if k.startswith("DNNLinear"))),
    **_modules_of("tpu", _TPU_MODULES),
}  # fmt: skip

# Import path -> name -> where the object is.
MODULES: dict[str, dict[str, str]] = {
    **_namespace("tensorflow.estimator", ESTIMATOR_V2),
    **_namespace("tensorflow.compat.v1.estimator", ESTIMATOR_V1),
    **_namespace("tensorflow.compat.v2.estimator", ESTIMATOR_V2),
    **_namespace("tensorflow_estimator.estimator", ESTIMATOR_V1),
    **_namespace(f"{_LEGACY}.api._v1.estimator", ESTIMATOR_V1),
    **_namespace(f"{_LEGACY}.api._v2.estimator", ESTIMATOR_V2),
    **_modules_of(_LEGACY, _LEGACY_CHILDREN),
    # TensorFlow 1 had them here, too, and programs of that time import them from here.
    **_modules_of("tensorflow.python.estimator", _LEGACY_CHILDREN),
    **_modules_of("tensorflow.python.tpu", {**_TPU_MODULES, **_GONE_TPU_MODULES}),
}
