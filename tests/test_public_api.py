"""The public names, and what importing the package costs."""

import json
import subprocess
import sys

import pytest

import tfx_tpu_estimator

PUBLIC_NAMES = [
    "AdagradParameters",
    "AdamParameters",
    "BaseRunConfig",
    "BaselineClassifier",
    "BaselineClassifierV2",
    "BaselineEstimator",
    "BaselineEstimatorV2",
    "BaselineRegressor",
    "BaselineRegressorV2",
    "BatchConfig",
    "BestExporter",
    "BinaryClassHead",
    "ClassificationOutput",
    "CompileCheckError",
    "CompilePreflight",
    "CompileReport",
    "DNNClassifier",
    "DNNClassifierV2",
    "DNNEstimator",
    "DNNEstimatorV2",
    "DNNLinearCombinedClassifier",
    "DNNLinearCombinedClassifierV2",
    "DNNLinearCombinedEstimator",
    "DNNLinearCombinedEstimatorV2",
    "DNNLinearCombinedRegressor",
    "DNNLinearCombinedRegressorV2",
    "DNNRegressor",
    "DNNRegressorV2",
    "DataCorruptionError",
    "EmbeddingConfigSpec",
    "EmptySplitError",
    "Estimator",
    "EstimatorSpec",
    "EstimatorV2",
    "EvalOutput",
    "EvalSpec",
    "ExportError",
    "ExportOutput",
    "ExportSavedModelApiVersion",
    "Exporter",
    "FeatureConfig",
    "FeatureNotAvailableError",
    "FinalExporter",
    "FtrlParameters",
    "Head",
    "InMemoryEvaluatorHook",
    "InputPipelineConfig",
    "LatestExporter",
    "LinearClassifier",
    "LinearClassifierV2",
    "LinearEstimator",
    "LinearEstimatorV2",
    "LinearRegressor",
    "LinearRegressorV2",
    "LogisticRegressionHead",
    "ModeKeys",
    "MultiClassHead",
    "MultiHead",
    "MultiLabelHead",
    "NanLossError",
    "PoissonRegressionHead",
    "PredictOutput",
    "RegressionHead",
    "RegressionOutput",
    "RunConfig",
    "SchemaMismatchError",
    "ServingInputReceiver",
    "SkewReport",
    "StochasticGradientDescentParameters",
    "SupervisedInputReceiver",
    "TPUConfig",
    "TPUEstimator",
    "TPUEstimatorSpec",
    "TableConfig",
    "TensorServingInputReceiver",
    "Tolerance",
    "TrainSpec",
    "UserModuleError",
    "VocabInfo",
    "WarmStartSettings",
    "__version__",
    "add_metrics",
    "baseline_model_fn",
    "build_parsing_serving_input_receiver_fn",
    "build_raw_serving_input_receiver_fn",
    "build_raw_supervised_input_receiver_fn",
    "build_schema_serving_input_receiver_fn",
    "build_supervised_input_receiver_fn_from_input_fn",
    "call_logit_fn",
    "classifier_parse_example_spec",
    "compile_for_tpu",
    "compile_saved_model",
    "dnn_linear_combined_model_fn",
    "dnn_logit_fn_builder",
    "dnn_model_fn",
    "inference_on_tpu",
    "linear_logit_fn_builder",
    "linear_model_fn",
    "make_early_stopping_hook",
    "make_stop_at_checkpoint_step_hook",
    "model_fn_inference_on_tpu",
    "numpy_input_fn",
    "pandas_input_fn",
    "read_eval_metrics",
    "regressor_parse_example_spec",
    "skew_check",
    "stop_if_higher_hook",
    "stop_if_lower_hook",
    "stop_if_no_decrease_hook",
    "stop_if_no_increase_hook",
    "train_and_evaluate",
]


def test_public_names_are_pinned():
    assert sorted(tfx_tpu_estimator.__all__) == sorted(PUBLIC_NAMES)


def test_every_public_name_resolves_and_is_documented():
    for name in PUBLIC_NAMES:
        value = getattr(tfx_tpu_estimator, name)
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="NoSuchName"):
        tfx_tpu_estimator.NoSuchName  # noqa: B018


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_root_import_loads_no_heavy_library():
    code = (
        "import sys, json, tfx_tpu_estimator, tfx_tpu_estimator.components, "
        "tfx_tpu_estimator.pipelines; "
        "print(json.dumps([m for m in ('tensorflow', 'tfx', 'apache_beam', 'jax', 'numpy') "
        "if m in sys.modules]))"
    )
    assert json.loads(run_python(code).stdout) == []


def test_command_line_help_is_cheap():
    code = (
        "import sys, time, tfx_tpu_estimator.cli as cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert 'tensorflow' not in sys.modules\n"
        "print('cpu', time.process_time())"
    )
    lines = run_python(code).stdout.splitlines()
    assert any("demo" in line for line in lines)
    assert float(lines[-1].split()[1]) < 1.0
