"""What each page of the API documentation shows, and in which order."""

from __future__ import annotations

import dataclasses

import tfx_tpu_estimator
import tfx_tpu_estimator.components


@dataclasses.dataclass(frozen=True)
class Group:
    """Names under one heading.

    Attributes:
        title: The heading.
        names: Public names, in the order shown.
    """

    title: str
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        file_name: Name of the file in docs/api.
        title: Heading of the page.
        introduction: Text below it, in Markdown.
        package: The package whose names it shows.
        sources: {public name: module relative to the package}.
        groups: What is shown.
    """

    file_name: str
    title: str
    introduction: str
    package: str
    sources: dict[str, str]
    groups: tuple[Group, ...]

    def __post_init__(self) -> None:
        shown = {name for group in self.groups for name in group.names}
        if shown != set(self.sources):
            raise ValueError(
                f"{self.file_name}: the public names of {self.package} and those in the groups "
                f"differ: {sorted(shown ^ set(self.sources))}; correct tools/api_pages.py."
            )

    def source_of(self, name: str) -> str:
        """Returns where `name` is defined, as a path of members of the package."""
        return f"{self.sources[name].lstrip('.')}.{name}"


_RUNTIME = {
    name: module
    for name, module in tfx_tpu_estimator._EXPORTS.items()
    if not module.startswith("canned.")
}
_CANNED = {
    name: module
    for name, module in tfx_tpu_estimator._EXPORTS.items()
    if module.startswith("canned.")
}


def _with_v2(*names: str) -> tuple[str, ...]:
    return tuple(version for name in names for version in (name, f"{name}V2"))


PAGES = (
    Page(
        file_name="tfx_tpu_estimator.md",
        title="tfx_tpu_estimator",
        introduction="The runtime. `import tfx_tpu_estimator as tpu_estimator`; names are loaded "
        "when they are first used. Canned estimators have [a page of their own](canned.md).",
        package="tfx_tpu_estimator",
        sources=_RUNTIME,
        groups=(
            Group("Estimators", ("TPUEstimator", "Estimator", "EstimatorV2", "add_metrics")),
            Group(
                "Configuration",
                (
                    "RunConfig",
                    "BaseRunConfig",
                    "TPUConfig",
                    "InputPipelineConfig",
                    "ExportSavedModelApiVersion",
                    "WarmStartSettings",
                    "VocabInfo",
                ),
            ),
            Group(
                "Training with evaluation",
                (
                    "train_and_evaluate",
                    "TrainSpec",
                    "EvalSpec",
                    "Exporter",
                    "FinalExporter",
                    "LatestExporter",
                    "BestExporter",
                ),
            ),
            Group(
                "Early stopping and hooks",
                (
                    "stop_if_higher_hook",
                    "stop_if_lower_hook",
                    "stop_if_no_decrease_hook",
                    "stop_if_no_increase_hook",
                    "make_early_stopping_hook",
                    "make_stop_at_checkpoint_step_hook",
                    "read_eval_metrics",
                    "InMemoryEvaluatorHook",
                ),
            ),
            Group(
                "Embeddings",
                (
                    "EmbeddingConfigSpec",
                    "TableConfig",
                    "FeatureConfig",
                    "AdagradParameters",
                    "AdamParameters",
                    "FtrlParameters",
                    "StochasticGradientDescentParameters",
                ),
            ),
            Group(
                "Input functions",
                (
                    "numpy_input_fn",
                    "pandas_input_fn",
                    "classifier_parse_example_spec",
                    "regressor_parse_example_spec",
                ),
            ),
            Group(
                "What a model_fn returns",
                ("ModeKeys", "TPUEstimatorSpec", "EstimatorSpec", "call_logit_fn"),
            ),
            Group(
                "Export outputs",
                (
                    "ExportOutput",
                    "PredictOutput",
                    "ClassificationOutput",
                    "RegressionOutput",
                    "EvalOutput",
                ),
            ),
            Group(
                "Inference on TPUs, in exports of API version 2",
                ("inference_on_tpu", "model_fn_inference_on_tpu", "BatchConfig"),
            ),
            Group(
                "Serving receivers",
                (
                    "ServingInputReceiver",
                    "TensorServingInputReceiver",
                    "build_parsing_serving_input_receiver_fn",
                    "build_raw_serving_input_receiver_fn",
                    "build_schema_serving_input_receiver_fn",
                    "SupervisedInputReceiver",
                    "build_raw_supervised_input_receiver_fn",
                    "build_supervised_input_receiver_fn_from_input_fn",
                ),
            ),
            Group(
                "Compile check",
                (
                    "compile_for_tpu",
                    "compile_saved_model",
                    "CompileReport",
                    "CompilePreflight",
                    "CompileCheckError",
                ),
            ),
            Group("Skew check", ("skew_check", "SkewReport", "Tolerance")),
            Group(
                "Exceptions",
                (
                    "DataCorruptionError",
                    "SchemaMismatchError",
                    "EmptySplitError",
                    "UserModuleError",
                    "ExportError",
                    "FeatureNotAvailableError",
                    "NanLossError",
                ),
            ),
        ),
    ),
    Page(
        file_name="canned.md",
        title="Canned estimators",
        introduction="Ready-made models and their parts, also names of `tfx_tpu_estimator`; see "
        "[Canned estimators](../canned.md).",
        package="tfx_tpu_estimator",
        sources=_CANNED,
        groups=(
            Group("Deep", _with_v2("DNNClassifier", "DNNRegressor", "DNNEstimator")),
            Group("Linear", _with_v2("LinearClassifier", "LinearRegressor", "LinearEstimator")),
            Group(
                "Wide and deep",
                _with_v2(
                    "DNNLinearCombinedClassifier",
                    "DNNLinearCombinedRegressor",
                    "DNNLinearCombinedEstimator",
                ),
            ),
            Group(
                "Baselines",
                _with_v2("BaselineClassifier", "BaselineRegressor", "BaselineEstimator"),
            ),
            Group(
                "Heads",
                (
                    "Head",
                    "BinaryClassHead",
                    "MultiClassHead",
                    "MultiLabelHead",
                    "RegressionHead",
                    "LogisticRegressionHead",
                    "PoissonRegressionHead",
                    "MultiHead",
                ),
            ),
            Group(
                "Models for TPUEstimator",
                (
                    "dnn_model_fn",
                    "linear_model_fn",
                    "dnn_linear_combined_model_fn",
                    "baseline_model_fn",
                    "dnn_logit_fn_builder",
                    "linear_logit_fn_builder",
                ),
            ),
        ),
    ),
    Page(
        file_name="compat.md",
        title="tfx_tpu_estimator.compat",
        introduction="Old names for programs that cannot be changed; see "
        "[Migration](../migration.md).",
        package="tfx_tpu_estimator",
        sources=dict.fromkeys(
            ("install", "installed", "uninstall", "is_installed"), "compat.installation"
        ),
        groups=(Group("Functions", ("install", "installed", "uninstall", "is_installed")),),
    ),
    Page(
        file_name="components.md",
        title="tfx_tpu_estimator.components",
        introduction="TFX components: drop-ins for the standard ones of the same names. "
        "`from tfx_tpu_estimator.components import Evaluator, Pusher, Trainer`.",
        package="tfx_tpu_estimator.components",
        sources=tfx_tpu_estimator.components._EXPORTS,
        groups=(
            Group(
                "Components",
                (
                    "ImportExampleGen",
                    "ImportSchemaGen",
                    "Trainer",
                    "Evaluator",
                    "TPUValidator",
                    "Pusher",
                    "VertexPusher",
                ),
            ),
            Group(
                "Options",
                (
                    "TPUEstimatorOptions",
                    "MultiHostOptions",
                    "EvaluatorOptions",
                    "TPUValidatorOptions",
                    "PusherOptions",
                    "VertexDestination",
                ),
            ),
        ),
    ),
    Page(
        file_name="pipelines.md",
        title="tfx_tpu_estimator.pipelines",
        introduction="Pipelines built from the components. Each name is imported from the module "
        "named here: `config.PipelineConfig`, `pipeline.create_pipeline`, `local_dag.run_local`, "
        "`report.read_latest_run`, `report.RunReport`, `metadata_store.connect`, "
        "`config_file.load_config`, `kubeflow.compile_kubeflow`, `kubeflow.KubeflowConfig`, "
        "`kubeflow.StepResources`, `kubeflow.run_ir`, `kubeflow.IrStep`, "
        "`kubeflow.StepFailedError`, `kubeflow.VertexTPUJob`, `kubeflow.train_on_vertex`, "
        "`image.write_image`, `package_wheel.build_wheel`, "
        "`gke.JobSetConfig`, `gke.create_jobset`, `gke.write_jobset`, "
        "`airflow.create_dag`, `airflow.AirflowConfig`, "
        "`airflow.write_dag`, `airflow.write_command_dag`, "
        "`lineage.mlmd_store.MetadataLineage`, `lineage.store.LineageStore`, "
        "`lineage.finding.find_model`, `lineage.tracing.trace_model`, "
        "`lineage.recorded_run.read_recorded_run`, `lineage.retraining.retrain`, "
        "`lineage.retraining.RetrainReport`, "
        "`console.quiet_third_parties`, `console.send_logs_to`.",
        package="tfx_tpu_estimator.pipelines",
        # The package itself exports nothing: its modules load TFX.
        sources={
            "PipelineConfig": "config",
            "create_pipeline": "pipeline",
            "run_local": "local_dag",
            "RunReport": "report",
            "connect": "metadata_store",
            "load_config": "config_file",
            "AirflowConfig": "airflow.config",
            "create_dag": "airflow.dag",
            "write_dag": "airflow.dag_files",
            "write_command_dag": "airflow.dag_files",
            "compile_kubeflow": "kubeflow.compile",
            "KubeflowConfig": "kubeflow.config",
            "StepResources": "kubeflow.config",
            "run_ir": "kubeflow.local_run",
            "IrStep": "kubeflow.local_run",
            "StepFailedError": "kubeflow.local_run",
            "VertexTPUJob": "kubeflow.vertex",
            "train_on_vertex": "kubeflow.vertex",
            "write_image": "image",
            "build_wheel": "package_wheel",
            "JobSetConfig": "gke.jobset",
            "create_jobset": "gke.jobset",
            "write_jobset": "gke.jobset",
            "read_latest_run": "report",
            "MetadataLineage": "lineage.mlmd_store",
            "LineageStore": "lineage.store",
            "find_model": "lineage.finding",
            "trace_model": "lineage.tracing",
            "read_recorded_run": "lineage.recorded_run",
            "retrain": "lineage.retraining",
            "RetrainReport": "lineage.retraining",
            "quiet_third_parties": "console",
            "send_logs_to": "console",
        },
        groups=(
            Group(
                "Building and running",
                ("PipelineConfig", "create_pipeline", "load_config", "run_local"),
            ),
            Group(
                "Kubeflow Pipelines and Vertex",
                (
                    "compile_kubeflow",
                    "KubeflowConfig",
                    "StepResources",
                    "run_ir",
                    "IrStep",
                    "StepFailedError",
                    "VertexTPUJob",
                    "train_on_vertex",
                ),
            ),
            Group("Airflow", ("create_dag", "AirflowConfig", "write_dag", "write_command_dag")),
            Group("Container images", ("write_image", "build_wheel")),
            Group("Google Kubernetes Engine", ("JobSetConfig", "create_jobset", "write_jobset")),
            Group("Reading what a run did", ("read_latest_run", "RunReport", "connect")),
            Group(
                "Lineage and retraining",
                (
                    "MetadataLineage",
                    "LineageStore",
                    "find_model",
                    "trace_model",
                    "read_recorded_run",
                    "retrain",
                    "RetrainReport",
                ),
            ),
            Group("What is shown", ("quiet_third_parties", "send_logs_to")),
        ),
    ),
)
