"""Keys of exec properties, custom properties and recorded files, in one place."""

from __future__ import annotations

# Exec properties that the standard specs do not have.
OPTIONS_KEY = "tpu_estimator_options"
CODE_DIGEST_KEY = "code_digest"
MODULE_DIGEST_KEY = "module_digest"
BLESS_WITHOUT_THRESHOLDS_KEY = "bless_without_thresholds"
PUSHER_CONFIG_KEY = "tpu_estimator_pusher"
VERTEX_CONFIG_KEY = "tpu_estimator_vertex"
VALIDATOR_OPTIONS_KEY = "tpu_validator_options"
COMPILER_KEY = "compiler"

# Custom properties of Model and ModelRun.
GLOBAL_STEP = "global_step"
TRAIN_BATCH_SIZE = "train_batch_size"
REPLICAS = "replicas"
SERVING_TAG_SETS = "serving_tag_sets"
MODEL_DIGEST = "model_digest"
MODULE_DIGEST = "module_digest"
CODE_DIGEST = "code_digest"
PACKAGE_VERSION = "tfx_tpu_estimator_version"
TENSORFLOW_VERSION = "tensorflow_version"
SEED = "seed"
TRAIN_DATA_DIGEST = "train_data_digest"
EVAL_DATA_DIGEST = "eval_data_digest"
SCHEMA_DIGEST = "schema_digest"
TRANSFORM_GRAPH_DIGEST = "transform_graph_digest"
BASE_MODEL_DIGEST = "base_model_digest"
PROGRAM_HASH = "program_hash"
PROCESSES = "processes"
HYPERPARAMETERS_DIGEST = "hyperparameters_digest"
STATISTICS_DIGEST = "statistics_digest"
MODULE_SOURCE = "module_source"
PYTHON_VERSION = "python_version"
JAX_VERSION = "jax_version"
MACHINE = "machine"
CPUS = "cpus"
SETTINGS = "settings"
METRIC_PREFIX = "metric/"
METRICS_ENGINE = "metrics_engine"

# Custom properties of ModelBlessing, InfraBlessing and PushedModel.
REASON = "reason"
BLESSED = "blessed"
CURRENT_MODEL = "current_model"
CURRENT_MODEL_ID = "current_model_id"
BASELINE_MODEL = "baseline_model"
BASELINE_MODEL_ID = "baseline_model_id"
PUSHED = "pushed"
PUSHED_DESTINATION = "pushed_destination"
PUSHED_VERSION = "pushed_version"
ALREADY_NEWEST = "already_newest"
PUSHED_DIGEST = "pushed_digest"
SOURCE_MODEL = "source_model"
PREVIOUS_VERSION = "previous_version"
TOPOLOGY = "topology"
COMPILER = "compiler"

# Entries of a Trainer's custom_config that TFX's extension for Vertex AI reads; for no module.
VERTEX_ENABLE_KEY = "ai_platform_enable_vertex"
VERTEX_REGION_KEY = "ai_platform_vertex_region"
VERTEX_JOB_KEY = "ai_platform_training_args"
VERTEX_JOB_KEYS = (VERTEX_ENABLE_KEY, VERTEX_REGION_KEY, VERTEX_JOB_KEY)

# Folders and files inside artifacts.
RUN_RECORD_DIR = "Run"
RUN_RECORD_FILE = "run.json"
MODULE_DIR = "module"
CHECKPOINTS_DIR = ".checkpoints"
RUNTIME_METRICS_FILE = "runtime_metrics.json"
SAVED_MODEL_FILE = "saved_model.pb"
FINGERPRINT_FILE = "fingerprint.pb"
BLESSED_FILE = "BLESSED"
NOT_BLESSED_FILE = "NOT_BLESSED"
# As TFX's own InfraValidator names them.
INFRA_BLESSED_FILE = "INFRA_BLESSED"
INFRA_NOT_BLESSED_FILE = "INFRA_NOT_BLESSED"
COMPILE_REPORT = "compile_report"
SKEW_REPORT = "skew_report"

SERVE_TAGS = ("serve",)
SERVE_TPU_TAGS = ("serve", "tpu")
