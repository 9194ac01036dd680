"""TFX components that embed a TPUEstimator runtime, and the runtime itself.

    import tfx_tpu_estimator as tpu_estimator

    estimator = tpu_estimator.TPUEstimator(model_fn, config=tpu_estimator.RunConfig(), ...)

Names are loaded when they are first used: importing this package loads neither TensorFlow nor TFX.
"""

import importlib
import os
from typing import TYPE_CHECKING

from tfx_tpu_estimator.version import __version__

# `tf.compat.v1.layers`, which TF1 model_fns use, exists only with Keras 2. TensorFlow reads this
# when it is first used, so it must be set before; a value that the user set is kept.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

# Public name -> the module that defines it.
_EXPORTS = {
    "AdagradParameters": "config.embedding_optimizers",
    "AdamParameters": "config.embedding_optimizers",
    "BaseRunConfig": "config.base_run_config",
    "BaselineClassifier": "canned.baseline_estimators",
    "BaselineClassifierV2": "canned.baseline_estimators",
    "BaselineEstimator": "canned.baseline_estimators",
    "BaselineEstimatorV2": "canned.baseline_estimators",
    "BaselineRegressor": "canned.baseline_estimators",
    "BaselineRegressorV2": "canned.baseline_estimators",
    "BatchConfig": "config.batching",
    "BestExporter": "export.best_exporter",
    "BinaryClassHead": "canned.binary_head",
    "ClassificationOutput": "export_output",
    "CompileCheckError": "errors",
    "CompilePreflight": "config.preflight",
    "CompileReport": "compile_check.report",
    "DNNClassifier": "canned.dnn_estimators",
    "DNNClassifierV2": "canned.dnn_estimators",
    "DNNEstimator": "canned.dnn_estimators",
    "DNNEstimatorV2": "canned.dnn_estimators",
    "DNNLinearCombinedClassifier": "canned.dnn_linear_estimators",
    "DNNLinearCombinedClassifierV2": "canned.dnn_linear_estimators",
    "DNNLinearCombinedEstimator": "canned.dnn_linear_estimators",
    "DNNLinearCombinedEstimatorV2": "canned.dnn_linear_estimators",
    "DNNLinearCombinedRegressor": "canned.dnn_linear_estimators",
    "DNNLinearCombinedRegressorV2": "canned.dnn_linear_estimators",
    "DNNRegressor": "canned.dnn_estimators",
    "DNNRegressorV2": "canned.dnn_estimators",
    "DataCorruptionError": "errors",
    "EmbeddingConfigSpec": "config.embedding",
    "EmptySplitError": "errors",
    "Estimator": "estimator",
    "EstimatorSpec": "specs",
    "EstimatorV2": "estimator",
    "EvalOutput": "export.eval_output",
    "EvalSpec": "training.train_eval_specs",
    "ExportError": "errors",
    "ExportOutput": "export_output",
    "ExportSavedModelApiVersion": "config.arguments",
    "Exporter": "export.exporters",
    "FeatureConfig": "config.embedding",
    "FeatureNotAvailableError": "errors",
    "FinalExporter": "export.exporters",
    "FtrlParameters": "config.embedding_optimizers",
    "Head": "canned.head",
    "InMemoryEvaluatorHook": "training.in_memory_evaluator",
    "InputPipelineConfig": "config.tpu_config",
    "LatestExporter": "export.exporters",
    "LinearClassifier": "canned.linear_estimators",
    "LinearClassifierV2": "canned.linear_estimators",
    "LinearEstimator": "canned.linear_estimators",
    "LinearEstimatorV2": "canned.linear_estimators",
    "LinearRegressor": "canned.linear_estimators",
    "LinearRegressorV2": "canned.linear_estimators",
    "LogisticRegressionHead": "canned.regression_heads",
    "ModeKeys": "specs",
    "MultiClassHead": "canned.multi_class_head",
    "MultiHead": "canned.multi_head",
    "MultiLabelHead": "canned.multi_label_head",
    "NanLossError": "execution.host_train",
    "PoissonRegressionHead": "canned.regression_heads",
    "PredictOutput": "export_output",
    "RegressionHead": "canned.regression_heads",
    "RegressionOutput": "export_output",
    "RunConfig": "config.run_config",
    "SchemaMismatchError": "errors",
    "ServingInputReceiver": "export.receivers",
    "SkewReport": "skew_check.report",
    "StochasticGradientDescentParameters": "config.embedding_optimizers",
    "SupervisedInputReceiver": "export.supervised_receivers",
    "TPUConfig": "config.tpu_config",
    "TPUEstimator": "tpu_estimator",
    "TPUEstimatorSpec": "specs",
    "TableConfig": "config.embedding",
    "TensorServingInputReceiver": "export.receivers",
    "Tolerance": "skew_check.tolerance",
    "TrainSpec": "training.train_eval_specs",
    "UserModuleError": "errors",
    "VocabInfo": "checkpoints.warm_start",
    "WarmStartSettings": "checkpoints.warm_start",
    "add_metrics": "training.add_metrics",
    "baseline_model_fn": "canned.model_fns",
    "build_parsing_serving_input_receiver_fn": "export.receivers",
    "build_raw_serving_input_receiver_fn": "export.receivers",
    "build_raw_supervised_input_receiver_fn": "export.supervised_receivers",
    "build_schema_serving_input_receiver_fn": "export.receivers",
    "build_supervised_input_receiver_fn_from_input_fn": "export.supervised_receivers",
    "call_logit_fn": "lowering.logit_fn",
    "classifier_parse_example_spec": "inputs.parse_spec",
    "compile_for_tpu": "compile_api.compile_model",
    "compile_saved_model": "compile_check.saved_model",
    "dnn_linear_combined_model_fn": "canned.model_fns",
    "dnn_logit_fn_builder": "canned.logit_fns",
    "dnn_model_fn": "canned.model_fns",
    "inference_on_tpu": "export.inference",
    "linear_logit_fn_builder": "canned.logit_fns",
    "linear_model_fn": "canned.model_fns",
    "make_early_stopping_hook": "training.early_stopping",
    "make_stop_at_checkpoint_step_hook": "training.checkpoint_step_hook",
    "model_fn_inference_on_tpu": "export.inference",
    "numpy_input_fn": "inputs.arrays",
    "pandas_input_fn": "inputs.arrays",
    "read_eval_metrics": "training.eval_metrics",
    "regressor_parse_example_spec": "inputs.parse_spec",
    "skew_check": "skew_check.check",
    "stop_if_higher_hook": "training.early_stopping",
    "stop_if_lower_hook": "training.early_stopping",
    "stop_if_no_decrease_hook": "training.early_stopping",
    "stop_if_no_increase_hook": "training.early_stopping",
    "train_and_evaluate": "training.train_and_evaluate",
}

__all__ = ["__version__", *sorted(_EXPORTS)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from tfx_tpu_estimator.canned.baseline_estimators import (
        BaselineClassifier,
        BaselineClassifierV2,
        BaselineEstimator,
        BaselineEstimatorV2,
        BaselineRegressor,
        BaselineRegressorV2,
    )
    from tfx_tpu_estimator.canned.binary_head import (
        BinaryClassHead,
    )
    from tfx_tpu_estimator.canned.dnn_estimators import (
        DNNClassifier,
        DNNClassifierV2,
        DNNEstimator,
        DNNEstimatorV2,
        DNNRegressor,
        DNNRegressorV2,
    )
    from tfx_tpu_estimator.canned.dnn_linear_estimators import (
        DNNLinearCombinedClassifier,
        DNNLinearCombinedClassifierV2,
        DNNLinearCombinedEstimator,
        DNNLinearCombinedEstimatorV2,
        DNNLinearCombinedRegressor,
        DNNLinearCombinedRegressorV2,
    )
    from tfx_tpu_estimator.canned.head import (
        Head,
    )
    from tfx_tpu_estimator.canned.linear_estimators import (
        LinearClassifier,
        LinearClassifierV2,
        LinearEstimator,
        LinearEstimatorV2,
        LinearRegressor,
        LinearRegressorV2,
    )
    from tfx_tpu_estimator.canned.logit_fns import (
        dnn_logit_fn_builder,
        linear_logit_fn_builder,
    )
    from tfx_tpu_estimator.canned.model_fns import (
        baseline_model_fn,
        dnn_linear_combined_model_fn,
        dnn_model_fn,
        linear_model_fn,
    )
    from tfx_tpu_estimator.canned.multi_class_head import (
        MultiClassHead,
    )
    from tfx_tpu_estimator.canned.multi_head import (
        MultiHead,
    )
    from tfx_tpu_estimator.canned.multi_label_head import (
        MultiLabelHead,
    )
    from tfx_tpu_estimator.canned.regression_heads import (
        LogisticRegressionHead,
        PoissonRegressionHead,
        RegressionHead,
    )
    from tfx_tpu_estimator.checkpoints.warm_start import VocabInfo, WarmStartSettings
    from tfx_tpu_estimator.compile_api.compile_model import compile_for_tpu
    from tfx_tpu_estimator.compile_check.report import CompileReport
    from tfx_tpu_estimator.compile_check.saved_model import compile_saved_model
    from tfx_tpu_estimator.config.arguments import ExportSavedModelApiVersion
    from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
    from tfx_tpu_estimator.config.batching import BatchConfig
    from tfx_tpu_estimator.config.embedding import EmbeddingConfigSpec, FeatureConfig, TableConfig
    from tfx_tpu_estimator.config.embedding_optimizers import (
        AdagradParameters,
        AdamParameters,
        FtrlParameters,
        StochasticGradientDescentParameters,
    )
    from tfx_tpu_estimator.config.preflight import CompilePreflight
    from tfx_tpu_estimator.config.run_config import RunConfig
    from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig, TPUConfig
    from tfx_tpu_estimator.errors import (
        CompileCheckError,
        DataCorruptionError,
        EmptySplitError,
        ExportError,
        FeatureNotAvailableError,
        SchemaMismatchError,
        UserModuleError,
    )
    from tfx_tpu_estimator.estimator import Estimator, EstimatorV2
    from tfx_tpu_estimator.execution.host_train import NanLossError
    from tfx_tpu_estimator.export.best_exporter import BestExporter
    from tfx_tpu_estimator.export.eval_output import EvalOutput
    from tfx_tpu_estimator.export.exporters import Exporter, FinalExporter, LatestExporter
    from tfx_tpu_estimator.export.inference import inference_on_tpu, model_fn_inference_on_tpu
    from tfx_tpu_estimator.export.receivers import (
        ServingInputReceiver,
        TensorServingInputReceiver,
        build_parsing_serving_input_receiver_fn,
        build_raw_serving_input_receiver_fn,
        build_schema_serving_input_receiver_fn,
    )
    from tfx_tpu_estimator.export.supervised_receivers import (
        SupervisedInputReceiver,
        build_raw_supervised_input_receiver_fn,
        build_supervised_input_receiver_fn_from_input_fn,
    )
    from tfx_tpu_estimator.export_output import (
        ClassificationOutput,
        ExportOutput,
        PredictOutput,
        RegressionOutput,
    )
    from tfx_tpu_estimator.inputs.arrays import numpy_input_fn, pandas_input_fn
    from tfx_tpu_estimator.inputs.parse_spec import (
        classifier_parse_example_spec,
        regressor_parse_example_spec,
    )
    from tfx_tpu_estimator.lowering.logit_fn import call_logit_fn
    from tfx_tpu_estimator.skew_check.check import skew_check
    from tfx_tpu_estimator.skew_check.report import SkewReport
    from tfx_tpu_estimator.skew_check.tolerance import Tolerance
    from tfx_tpu_estimator.specs import EstimatorSpec, ModeKeys, TPUEstimatorSpec
    from tfx_tpu_estimator.tpu_estimator import TPUEstimator
    from tfx_tpu_estimator.training.add_metrics import add_metrics
    from tfx_tpu_estimator.training.checkpoint_step_hook import make_stop_at_checkpoint_step_hook
    from tfx_tpu_estimator.training.early_stopping import (
        make_early_stopping_hook,
        stop_if_higher_hook,
        stop_if_lower_hook,
        stop_if_no_decrease_hook,
        stop_if_no_increase_hook,
    )
    from tfx_tpu_estimator.training.eval_metrics import read_eval_metrics
    from tfx_tpu_estimator.training.in_memory_evaluator import InMemoryEvaluatorHook
    from tfx_tpu_estimator.training.train_and_evaluate import train_and_evaluate
    from tfx_tpu_estimator.training.train_eval_specs import EvalSpec, TrainSpec
