"""What a user says of embeddings that live in the memory of the TPU cores, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tfx_tpu_estimator.config.embedding_columns import (
    is_embedding_column,
    is_numeric_column,
    is_tensor_core_column,
    is_tpu_column,
)
from tfx_tpu_estimator.config.embedding_optimizers import OptimizationParameters
from tfx_tpu_estimator.config.integers import is_int

COMBINERS = ("mean", "sum", "sqrtn", None)
PARTITION_STRATEGIES = ("div", "mod")


class _TableConfig(NamedTuple):
    vocabulary_size: int
    dimension: int
    initializer: Callable | None
    combiner: str | None
    hot_id_replication: bool
    learning_rate: float | None
    learning_rate_fn: Callable | None
    optimization_parameters: OptimizationParameters | None


class TableConfig(_TableConfig):
    """One embedding table.

    Args:
      vocabulary_size: Rows, > 0.
      dimension: Columns, > 0.
      initializer: A TensorFlow 1 initializer; default: a truncated normal distribution of standard
        deviation 1/sqrt(dimension).
      combiner: How the rows of one example are joined: 'mean', 'sum', 'sqrtn', or None, for
        features with one id per example.
      hot_id_replication: Accepted. It has no effect: every row is on one core only.
      learning_rate: Static learning rate of this table; default: that of its optimizer.
      learning_rate_fn: Takes the global step (a tensor) and returns the learning rate; not with
        `learning_rate`.
      optimization_parameters: The table's own optimizer; default: that of the
        `EmbeddingConfigSpec`.

    Raises:
      ValueError: An argument is wrong; the message names it.

    Example:
      >>> TableConfig(vocabulary_size=1000, dimension=8).combiner
      'mean'
    """

    __slots__ = ()

    def __new__(
        cls,
        vocabulary_size: int,
        dimension: int,
        initializer: Callable | None = None,
        combiner: str | None = "mean",
        hot_id_replication: bool = False,
        learning_rate: float | None = None,
        learning_rate_fn: Callable | None = None,
        optimization_parameters: OptimizationParameters | None = None,
    ):
        if not is_int(vocabulary_size) or vocabulary_size < 1:
            raise ValueError(f"`vocabulary_size` must be an int >= 1; got {vocabulary_size!r}.")
        if not is_int(dimension) or dimension < 1:
            raise ValueError(f"`dimension` must be a positive int; got {dimension!r}.")
        if initializer is not None and not callable(initializer):
            raise ValueError(f"`initializer` must be callable if specified; got {initializer!r}.")
        if combiner not in COMBINERS:
            raise ValueError(
                f'`combiner` must be "mean", "sum", "sqrtn" or None; got {combiner!r}.'
            )
        if learning_rate is not None and learning_rate_fn is not None:
            raise ValueError(
                "At most one of `learning_rate` and `learning_rate_fn` can be given; got "
                f"{learning_rate!r} and {learning_rate_fn!r}."
            )
        if optimization_parameters is not None:
            validate_optimizer(optimization_parameters)
        return super().__new__(
            cls,
            vocabulary_size,
            dimension,
            initializer,
            combiner,
            hot_id_replication,
            learning_rate,
            learning_rate_fn,
            optimization_parameters,
        )


class _FeatureConfig(NamedTuple):
    table_id: str
    max_sequence_length: int
    weight_key: str | None


class FeatureConfig(_FeatureConfig):
    """Which table a feature is looked up in.

    Args:
      table_id: A key of `table_to_config_dict`.
      max_sequence_length: If positive, the feature is a sequence of at most so many ids; longer
        ones are cut. 0: the rows of all ids of an example are combined to one.
      weight_key: The feature that holds the weights of the ids, a SparseTensor like theirs.

    Raises:
      ValueError: `max_sequence_length` is not an int >= 0.

    Example:
      >>> FeatureConfig("words", max_sequence_length=20).weight_key is None
      True
    """

    __slots__ = ()

    def __new__(cls, table_id: str, max_sequence_length: int = 0, weight_key: str | None = None):
        if not is_int(max_sequence_length) or max_sequence_length < 0:
            raise ValueError(
                "`max_sequence_length` must be zero or a positive int; got "
                f"{max_sequence_length!r}."
            )
        return super().__new__(cls, table_id, max_sequence_length, weight_key)


class _EmbeddingConfigSpec(NamedTuple):
    feature_columns: Sequence[Any] | None
    tensor_core_feature_columns: Sequence[Any] | None
    optimization_parameters: OptimizationParameters | None
    clipping_limit: float | None
    pipeline_execution_with_tensor_core: bool
    experimental_gradient_multiplier_fn: Callable | None
    feature_to_config_dict: Mapping[str, FeatureConfig] | None
    table_to_config_dict: Mapping[str, TableConfig] | None
    partition_strategy: str
    profile_data_directory: str | None
    lookup_on_host: bool


class EmbeddingConfigSpec(_EmbeddingConfigSpec):
    """Embeddings whose tables are divided over the TPU cores, for TPUEstimator.

    Either `feature_columns`, or both dicts. The model_fn gets the looked up rows; the model's own
    optimizer does not touch the tables. With `use_tpu=False` they are ordinary trainable variables.

    Args:
      feature_columns: Columns made with `tf.compat.v1.tpu.experimental.embedding_column` and
        `shared_embedding_columns`; with `use_tpu=False` ordinary embedding columns as well.
      optimization_parameters: How tables are trained; required with `feature_columns`, and with
        the dicts unless every table has its own.
      clipping_limit: Elements of a table's gradients are clipped to [-limit, limit].
      pipeline_execution_with_tensor_core: Accepted. It lets a TPU look up the rows of a step before
        the step before it is applied, and changes results; here steps follow one another.
      experimental_gradient_multiplier_fn: Takes the global step (a tensor) and returns a factor for
        the gradients of all tables.
      feature_to_config_dict: {name of a feature: FeatureConfig}.
      table_to_config_dict: {name of a table: TableConfig}; the name of its variable, too.
      partition_strategy: 'div', each core has consecutive rows, or 'mod', rows are dealt out in
        turn, which is better where small ids are the frequent ones.
      profile_data_directory: Accepted. It has no effect: rows are placed by `partition_strategy`.
      lookup_on_host: With the dicts, whether the model_fn gets looked up rows on a host as well
        (`use_tpu=False`, and exports). False: it gets ids there and looks them up itself, as
        programs do that were written for a CPU, too; in variables named like the tables.

    Raises:
      ValueError: Neither form or both are given, a table is missing, or a value is not allowed.
      TypeError: A column or a config is of the wrong type.

    Example:
      spec = EmbeddingConfigSpec(
          feature_to_config_dict={"words": FeatureConfig("words")},
          table_to_config_dict={"words": TableConfig(10_000, 32)},
          optimization_parameters=AdagradParameters(0.1))
    """

    __slots__ = ()

    def __new__(
        cls,
        feature_columns: Sequence[Any] | None = None,
        optimization_parameters: OptimizationParameters | None = None,
        clipping_limit: float | None = None,
        pipeline_execution_with_tensor_core: bool = False,
        experimental_gradient_multiplier_fn: Callable | None = None,
        feature_to_config_dict: Mapping[str, FeatureConfig] | None = None,
        table_to_config_dict: Mapping[str, TableConfig] | None = None,
        partition_strategy: str = "div",
        profile_data_directory: str | None = None,
        *,
        lookup_on_host: bool = True,
    ):
        _validate_form(feature_columns, feature_to_config_dict, table_to_config_dict)
        if partition_strategy not in PARTITION_STRATEGIES:
            raise ValueError(
                f'Invalid partition_strategy {partition_strategy}. Must be one of "mod" or "div".'
            )
        if clipping_limit is not None and not clipping_limit > 0:
            raise ValueError(f"`clipping_limit` must be None or positive; got {clipping_limit!r}.")
        tensor_core = None
        if feature_columns:
            _validate_columns(feature_columns)
            validate_optimizer(optimization_parameters)
            tensor_core = [c for c in feature_columns if is_tensor_core_column(c)]
            feature_columns = [c for c in feature_columns if not is_tensor_core_column(c)]
        else:
            _validate_dicts(
                feature_to_config_dict or {}, table_to_config_dict or {}, optimization_parameters
            )
        return super().__new__(
            cls,
            feature_columns,
            tensor_core,
            optimization_parameters,
            clipping_limit,
            pipeline_execution_with_tensor_core,
            experimental_gradient_multiplier_fn,
            feature_to_config_dict,
            table_to_config_dict,
            partition_strategy,
            profile_data_directory,
            lookup_on_host,
        )


def validate_optimizer(parameters: Any) -> None:
    """Checks that something is one of the four optimizer-parameter classes.

    Raises:
      ValueError: It is not.
    """
    if not isinstance(parameters, OptimizationParameters):
        raise ValueError(
            "`optimization_parameters` must be an instance of AdagradParameters, AdamParameters, "
            "FtrlParameters or StochasticGradientDescentParameters; got "
            f"{type(parameters).__name__}."
        )


def _validate_form(columns: Any, features: Any, tables: Any) -> None:
    if bool(columns) == bool(features and tables):
        raise ValueError(
            "Exactly one of `feature_columns` and the pair `feature_to_config_dict` and "
            f"`table_to_config_dict` must be specified; got {columns!r}, {features!r} and "
            f"{tables!r}."
        )


def _validate_columns(columns: Sequence[Any]) -> None:
    for column in columns:
        # Whether there will be a TPU is not known yet: on a host ordinary ones do as well.
        if not (is_tpu_column(column) or is_embedding_column(column) or is_numeric_column(column)):
            raise TypeError(
                "All feature columns must be embedding columns (those of tf.compat.v1.tpu."
                "experimental.embedding_column and shared_embedding_columns) or numeric ones. Got "
                f"{type(column).__name__}: {column!r}."
            )


def _validate_dicts(
    features: Mapping[str, FeatureConfig],
    tables: Mapping[str, TableConfig],
    parameters: OptimizationParameters | None,
) -> None:
    for name, feature in features.items():
        if not isinstance(feature, FeatureConfig):
            raise TypeError(
                f"Config for feature {name} must be of type `FeatureConfig`. Got "
                f"{type(feature).__name__}."
            )
        if feature.table_id not in tables:
            raise ValueError(
                f"Feature {name} refers to table {feature.table_id} which is not in the "
                f"table_to_config_dict; there are {sorted(tables)}."
            )
    for name, table in tables.items():
        if not isinstance(table, TableConfig):
            raise TypeError(
                f"Config for table {name} must be of type `TableConfig`. Got "
                f"{type(table).__name__}."
            )
        if table.optimization_parameters is None:
            validate_optimizer(parameters)
