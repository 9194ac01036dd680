"""An EmbeddingConfigSpec worked out: which tables there are, and which feature reads which."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

from tfx_tpu_estimator.config.embedding import EmbeddingConfigSpec
from tfx_tpu_estimator.config.embedding_columns import is_tpu_column
from tfx_tpu_estimator.config.embedding_optimizers import OptimizationParameters
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig

# TensorFlow's sequence columns look for the lengths of a sequence under this name.
LENGTH_SUFFIX = "_seq_length_"


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingTable:
    """One table.

    Attributes:
      name: Of a table of the dicts, its key; of columns, what they call its variable.
      rows: Its vocabulary.
      dimension: Columns.
      combiner: `mean`, `sum` or `sqrtn`.
      initializer: A TensorFlow 1 initializer, or None for the default.
      optimizer: How it is trained.
      learning_rate: The static learning rate.
      learning_rate_fn: Takes the global step and gives the learning rate; None for the static one.
    """

    name: str
    rows: int
    dimension: int
    combiner: str
    initializer: Callable | None
    optimizer: OptimizationParameters
    learning_rate: float
    learning_rate_fn: Callable | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingFeature:
    """One feature that is looked up.

    Attributes:
      key: Its name among the features.
      table: Name of its table.
      max_sequence_length: 0 where it is no sequence.
      weight_key: Name of the feature with the weights of its ids, or None.
      column: The categorical column that makes ids of it, or None where it holds ids itself.
    """

    key: str
    table: str
    max_sequence_length: int
    weight_key: str | None
    column: Any

    @property
    def length_key(self) -> str:
        """Name of the feature that holds the lengths of a sequence."""
        return self.key + LENGTH_SUFFIX


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddingPlan:
    """All tables and features of an estimator.

    Attributes:
      tables: In order of their names.
      features: In order of their keys.
      tensor_core_columns: Columns that are looked up as ordinary variables of the model.
      from_columns: Whether the model_fn makes the tables' names by using columns.
      partition: `div` or `mod`.
      clipping_limit: Largest absolute value of a gradient's element, or None.
      multiplier_fn: Takes the global step and gives a factor for gradients, or None.
      lookup_on_host: Whether features are looked up for a model_fn on a host, too, rather than by
        columns or by itself.
    """

    tables: tuple[EmbeddingTable, ...]
    features: tuple[EmbeddingFeature, ...]
    tensor_core_columns: tuple[Any, ...]
    from_columns: bool
    partition: str
    clipping_limit: float | None
    multiplier_fn: Callable | None
    lookup_on_host: bool

    def find_table(self, name: str) -> EmbeddingTable:
        """Returns the table called `name`."""
        return next(table for table in self.tables if table.name == name)

    def list_features(self, table: str) -> list[EmbeddingFeature]:
        """Returns the features that are looked up in a table, in order."""
        return [feature for feature in self.features if feature.table == table]


def validate_embedding(
    spec: EmbeddingConfigSpec, *, pipeline: InputPipelineConfig, use_tpu: bool, eval_on_tpu: bool
) -> None:
    """Checks that an embedding fits the other arguments of a TPUEstimator.

    Args:
      spec: The constructor's `embedding_config_spec`.
      pipeline: TPUConfig's `per_host_input_for_training`.
      use_tpu: The constructor's.
      eval_on_tpu: The constructor's.

    Raises:
      TypeError: It is no EmbeddingConfigSpec, or a column is none for TPUs.
      ValueError: The input configuration is not per host, rows are dealt out by `mod` although
        something runs on a CPU, or a feature is used twice.
    """
    if not isinstance(spec, EmbeddingConfigSpec):
        raise TypeError(
            "`embedding_config_spec` must be an EmbeddingConfigSpec or None; got "
            f"{type(spec).__name__}."
        )
    on_devices = use_tpu and eval_on_tpu
    if use_tpu and pipeline not in (
        InputPipelineConfig.PER_HOST_V1,
        InputPipelineConfig.PER_HOST_V2,
    ):
        raise ValueError(
            "Only PER_HOST_V1 and PER_HOST_V2 is supported when using TPU Embedding; got "
            f"`per_host_input_for_training`={pipeline!r}."
        )
    if not on_devices and spec.partition_strategy == "mod":
        raise ValueError(
            "Mod sharding of embedding tables not supported on CPU. Use "
            '`partition_strategy`="div", or run everything on the TPU: use_tpu=True and '
            "eval_on_tpu=True."
        )
    if use_tpu:
        resolve_embedding(spec)


def resolve_embedding(spec: EmbeddingConfigSpec) -> EmbeddingPlan:
    """Works out the tables and features of a checked spec.

    Raises:
      TypeError: A column is none for TPUs.
      ValueError: A feature is used with several tables.
    """
    from_columns = bool(spec.feature_columns or spec.tensor_core_feature_columns)
    if from_columns:
        tables, features = _read_columns(spec.feature_columns or (), spec.optimization_parameters)
    else:
        tables, features = _read_dicts(spec)
    return EmbeddingPlan(
        tables=tuple(sorted(tables, key=lambda table: table.name)),
        features=tuple(sorted(features, key=lambda feature: feature.key)),
        tensor_core_columns=tuple(spec.tensor_core_feature_columns or ()),
        from_columns=from_columns,
        partition=spec.partition_strategy,
        clipping_limit=spec.clipping_limit,
        multiplier_fn=spec.experimental_gradient_multiplier_fn,
        lookup_on_host=spec.lookup_on_host and not from_columns,
    )


def _read_dicts(
    spec: EmbeddingConfigSpec,
) -> tuple[list[EmbeddingTable], list[EmbeddingFeature]]:
    tables = []
    for name, config in (spec.table_to_config_dict or {}).items():
        optimizer: Any = config.optimization_parameters or spec.optimization_parameters
        rate = config.learning_rate
        tables.append(
            EmbeddingTable(
                name=name,
                rows=config.vocabulary_size,
                dimension=config.dimension,
                combiner=config.combiner or "sum",
                initializer=config.initializer,
                optimizer=optimizer,
                learning_rate=optimizer.learning_rate if rate is None else rate,
                learning_rate_fn=config.learning_rate_fn,
            )
        )
    features = [
        EmbeddingFeature(
            key=key,
            table=config.table_id,
            max_sequence_length=config.max_sequence_length,
            weight_key=config.weight_key,
            column=None,
        )
        for key, config in (spec.feature_to_config_dict or {}).items()
    ]
    used = {feature.table for feature in features}
    return [table for table in tables if table.name in used], features


def _read_columns(
    columns: Iterable[Any], optimizer: Any
) -> tuple[list[EmbeddingTable], list[EmbeddingFeature]]:
    tables: dict[str, EmbeddingTable] = {}
    features: dict[str, EmbeddingFeature] = {}
    for column in columns:
        if not is_tpu_column(column):
            raise TypeError(
                f"Unsupported feature column {type(column)}. With use_tpu=True all "
                "`feature_columns` must be made with tf.compat.v1.tpu.experimental."
                "embedding_column or shared_embedding_columns."
            )
        key = column.get_feature_key_name()
        if key in features:
            raise ValueError(
                f"Feature column {key} is used with multiple embeddings and this is not supported. "
                "Give it to input_fn under two names."
            )
        rows, dimension = column.get_embedding_table_size()
        name = column.get_embedding_var_name()
        tables[name] = EmbeddingTable(
            name=name,
            rows=rows,
            dimension=dimension,
            combiner=column.get_combiner(),
            initializer=column.get_initializer(),
            optimizer=optimizer,
            learning_rate=optimizer.learning_rate,
            learning_rate_fn=column.get_learning_rate_fn(),
        )
        features[key] = EmbeddingFeature(
            key=key,
            table=name,
            max_sequence_length=column.get_max_sequence_length(),
            weight_key=column.get_weight_key_name(),
            column=column.categorical_column,
        )
    return list(tables.values()), list(features.values())
