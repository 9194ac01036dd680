"""Names of TensorFlow Model Analysis that it does not promise to keep, in one place."""

from __future__ import annotations

from tensorflow_model_analysis.evaluators import (
    confidence_intervals_util,
    jackknife,
    metrics_plots_and_validations_evaluator,
    metrics_validator,
    poisson_bootstrap,
)
from tensorflow_model_analysis.metrics import (
    binary_confusion_matrices,
    calibration,
    calibration_histogram,
    cross_entropy_metrics,
    example_count,
    mean_regression_error,
    metric_specs,
    metric_types,
    metric_util,
    tf_metric_wrapper,
)
from tensorflow_model_analysis.slicer import slicer_lib
from tensorflow_model_analysis.utils import model_util, util
from tensorflow_model_analysis.writers import (
    eval_config_writer,
    metrics_plots_and_validations_writer,
)

# Combiners that recipes stand in for.
CalibrationHistogramCombiner = calibration_histogram._CalibrationHistogramCombiner
BinaryConfusionMatrixCombiner = binary_confusion_matrices._BinaryConfusionMatrixCombiner
TotalsCombiner = calibration._WeightedLabelsPredictionsExamplesCombiner
ExampleCountCombiner = example_count._ExampleCountCombiner
RegressionErrorCombiner = mean_regression_error._MeanRegressionErrorCombiner
AbsoluteErrorCombiner = mean_regression_error._MeanAbsoluteErrorCombiner
SquaredErrorCombiner = mean_regression_error._MeanSquaredErrorCombiner
PercentageErrorCombiner = mean_regression_error._MeanAbsolutePercentageErrorCombiner
LogarithmicErrorCombiner = mean_regression_error._MeanSquaredLogarithmicErrorCombiner
CrossEntropyCombiner = cross_entropy_metrics._CrossEntropyCombiner
BinaryCrossEntropyCombiner = cross_entropy_metrics._BinaryCrossEntropyCombiner
CategoricalCrossEntropyCombiner = cross_entropy_metrics._CategoricalCrossEntropyCombiner
KerasCombiner = tf_metric_wrapper._CompilableMetricsCombiner

# How computations become metrics.
Preprocessor = metrics_plots_and_validations_evaluator._PreprocessorDoFn
CombineAll = metrics_plots_and_validations_evaluator._ComputationsCombineFn
separate_computations = metrics_plots_and_validations_evaluator._filter_and_separate_computations
interval_parameters = metrics_plots_and_validations_evaluator._get_confidence_interval_params
is_diffable = metrics_plots_and_validations_evaluator._is_metric_diffable
is_private = metrics_plots_and_validations_evaluator._is_private_metrics
filter_by_key_type = metrics_plots_and_validations_evaluator._filter_by_key_type
JackknifeCombiner = jackknife._JackknifeSampleCombineFn
BootstrapCombiner = poisson_bootstrap._BootstrapSampleCombineFn
FULL_SAMPLE = jackknife._FULL_SAMPLE_ID
SampleMetrics = confidence_intervals_util.SampleMetrics
CombineValidations = metrics_plots_and_validations_writer.CombineValidations
serialize_eval_run = eval_config_writer._serialize_eval_run
validate_metrics = metrics_validator.validate_metrics

__all__ = [
    "binary_confusion_matrices",
    "calibration_histogram",
    "metric_specs",
    "metric_types",
    "metric_util",
    "metrics_plots_and_validations_writer",
    "model_util",
    "slicer_lib",
    "util",
]
