import pytest
import tensorflow.compat.v1 as tf

from tfx_tpu_estimator import (
    AdagradParameters,
    EmbeddingConfigSpec,
    FeatureConfig,
    InputPipelineConfig,
    RunConfig,
    StochasticGradientDescentParameters,
    TableConfig,
    TPUEstimator,
)
from tfx_tpu_estimator.config.embedding_plan import resolve_embedding, validate_embedding

SGD = StochasticGradientDescentParameters(0.1)
columns = tf.feature_column
tpu = tf.tpu.experimental


def make_dicts(**options):
    return EmbeddingConfigSpec(
        feature_to_config_dict={"word": FeatureConfig("words"), "tag": FeatureConfig("words")},
        table_to_config_dict={"words": TableConfig(10, 4)},
        optimization_parameters=SGD,
        **options,
    )


def make_column(key="word", **options):
    return tpu.embedding_column(columns.categorical_column_with_identity(key, 10), 4, **options)


def make_columns(*made, **options):
    return EmbeddingConfigSpec(
        feature_columns=list(made) or [make_column()], optimization_parameters=SGD, **options
    )


def validate(spec, use_tpu=True, eval_on_tpu=True, pipeline=InputPipelineConfig.PER_HOST_V1):
    validate_embedding(spec, pipeline=pipeline, use_tpu=use_tpu, eval_on_tpu=eval_on_tpu)


def test_defaults():
    assert FeatureConfig("t") == ("t", 0, None)
    assert TableConfig(3, 2) == (3, 2, None, "mean", False, None, None, None)
    spec = make_dicts()
    assert spec.partition_strategy == "div"
    assert spec.clipping_limit is None
    assert not spec.pipeline_execution_with_tensor_core
    assert spec.feature_columns is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 4), "`vocabulary_size` must be an int >= 1; got 0"),
        ((2.0, 4), "`vocabulary_size`"),
        ((3, 0), "`dimension` must be a positive int"),
        ((3, 2, 1), "`initializer` must be callable"),
        ((3, 2, None, "max"), '`combiner` must be "mean", "sum", "sqrtn" or None; got \'max\''),
        ((3, 2, None, "sum", False, 0.1, lambda step: step), "At most one of `learning_rate`"),
        ((3, 2, None, "sum", False, None, None, 0.1), "`optimization_parameters` must be"),
    ],
)
def test_tables_that_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        TableConfig(*arguments)


@pytest.mark.parametrize("length", [-1, 1.5, None])
def test_lengths_of_sequences_that_are_refused(length):
    with pytest.raises(ValueError, match="`max_sequence_length` must be zero or a positive int"):
        FeatureConfig("t", length)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"feature_to_config_dict": {"a": FeatureConfig("t")}},
        {"table_to_config_dict": {"t": TableConfig(3, 2)}},
    ],
)
def test_one_form_is_needed(arguments):
    with pytest.raises(ValueError, match="Exactly one of `feature_columns` and the pair"):
        EmbeddingConfigSpec(optimization_parameters=SGD, **arguments)


def test_both_forms_at_once_are_refused():
    with pytest.raises(ValueError, match="Exactly one of `feature_columns` and the pair"):
        make_dicts(feature_columns=[make_column()])


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (
            {"partition_strategy": "invalid"},
            ValueError,
            'Invalid partition_strategy invalid. Must be one of "mod" or "div".',
        ),
        ({"clipping_limit": 0}, ValueError, "`clipping_limit` must be None or positive"),
    ],
)
def test_options_that_are_refused(options, error, text):
    with pytest.raises(error, match=text):
        make_dicts(**options)


def test_columns_need_an_optimizer():
    with pytest.raises(ValueError, match=r"AdagradParameters, AdamParameters.*got NoneType"):
        EmbeddingConfigSpec(feature_columns=[make_column()])


def test_tables_need_an_optimizer_of_their_own_or_a_common_one():
    features = {"a": FeatureConfig("t")}
    with pytest.raises(ValueError, match="`optimization_parameters` must be an instance"):
        EmbeddingConfigSpec(
            feature_to_config_dict=features, table_to_config_dict={"t": TableConfig(3, 2)}
        )
    own = TableConfig(3, 2, optimization_parameters=SGD)
    spec = EmbeddingConfigSpec(feature_to_config_dict=features, table_to_config_dict={"t": own})
    assert resolve_embedding(spec).tables[0].optimizer is SGD


@pytest.mark.parametrize(
    ("features", "tables", "error", "text"),
    [
        ({"a": "t"}, {"t": TableConfig(3, 2)}, TypeError, "must be of type `FeatureConfig`"),
        ({"a": FeatureConfig("t")}, {"t": 3}, TypeError, "must be of type `TableConfig`"),
        (
            {"a": FeatureConfig("x")},
            {"t": TableConfig(3, 2)},
            ValueError,
            "Feature a refers to table x which is not in the table_to_config_dict",
        ),
    ],
)
def test_dicts_that_are_refused(features, tables, error, text):
    with pytest.raises(error, match=text):
        EmbeddingConfigSpec(
            feature_to_config_dict=features,
            table_to_config_dict=tables,
            optimization_parameters=SGD,
        )


def test_columns_that_are_no_embeddings_are_refused():
    column = columns.indicator_column(columns.categorical_column_with_identity("a", 3))
    with pytest.raises(TypeError, match=r"All feature columns must be.*Got IndicatorColumn"):
        make_columns(column)


def test_ordinary_columns_are_for_the_host_only():
    column = columns.embedding_column(columns.categorical_column_with_identity("a", 3), 2)
    spec = make_columns(column, columns.numeric_column("x"))
    validate(spec, use_tpu=False)
    with pytest.raises(TypeError, match="Unsupported feature column"):
        validate(spec)


def test_a_feature_has_one_embedding():
    with pytest.raises(
        ValueError, match=r"is used with multiple embeddings and this is not supported\."
    ):
        validate(make_columns(make_column(), make_column(combiner="sum")))


@pytest.mark.parametrize(("use_tpu", "eval_on_tpu"), [(False, True), (True, False)])
def test_mod_is_not_for_hosts(use_tpu, eval_on_tpu):
    spec = make_dicts(partition_strategy="mod")
    validate(spec)
    with pytest.raises(
        ValueError, match=r"Mod sharding of embedding tables not supported on CPU\."
    ):
        validate(spec, use_tpu=use_tpu, eval_on_tpu=eval_on_tpu)


@pytest.mark.parametrize(
    "pipeline", [InputPipelineConfig.PER_SHARD_V1, InputPipelineConfig.BROADCAST]
)
def test_input_must_come_per_host(pipeline):
    with pytest.raises(ValueError, match="Only PER_HOST_V1 and PER_HOST_V2 is supported"):
        validate(make_dicts(), pipeline=pipeline)


def test_something_else_is_refused():
    with pytest.raises(TypeError, match="`embedding_config_spec` must be an EmbeddingConfigSpec"):
        validate({"word": 3})


# TensorFlow's own checks of its columns for TPUs.
def test_sequence_columns_need_a_length():
    sequence = columns.sequence_categorical_column_with_identity("s", 5)
    with pytest.raises(
        ValueError, match=r"max_sequence_length must be greater than 0 for sequence columns\."
    ):
        tpu.embedding_column(sequence, 2)
    with pytest.raises(
        ValueError, match="Non zero max_seq_length=3 specified for non sequence column"
    ):
        make_column(max_sequence_length=3)
    with pytest.raises(ValueError, match="max_sequence_lengths and categorical_columns must be of"):
        tpu.shared_embedding_columns([sequence], 2, max_sequence_lengths=[1, 2])


def test_plan_of_columns():
    word, tag = (columns.categorical_column_with_identity(k, 10) for k in ("word", "tag"))
    weighted = columns.weighted_categorical_column(
        columns.categorical_column_with_identity("id", 7), "weight"
    )
    sequence = columns.sequence_categorical_column_with_identity("s", 5)

    def rate(step):
        return step

    plan = resolve_embedding(
        make_columns(
            *tpu.shared_embedding_columns([word, tag], 4, combiner="sum", learning_rate_fn=rate),
            tpu.embedding_column(weighted, 3, combiner="sqrtn"),
            tpu.embedding_column(sequence, 2, max_sequence_length=6),
        )
    )
    assert [(t.name, t.rows, t.dimension, t.combiner) for t in plan.tables] == [
        ("id_weighted_by_weight", 7, 3, "sqrtn"),
        ("s", 5, 2, "mean"),
        ("tag_word_shared_embedding", 10, 4, "sum"),
    ]
    assert [t.learning_rate_fn for t in plan.tables] == [None, None, rate]
    assert [(f.key, f.table, f.max_sequence_length, f.weight_key) for f in plan.features] == [
        ("id", "id_weighted_by_weight", 0, "weight"),
        ("s", "s", 6, None),
        ("tag", "tag_word_shared_embedding", 0, None),
        ("word", "tag_word_shared_embedding", 0, None),
    ]
    assert plan.from_columns


def test_plan_of_dicts():
    spec = EmbeddingConfigSpec(
        feature_to_config_dict={
            "b": FeatureConfig("t", max_sequence_length=3),
            "a": FeatureConfig("u", weight_key="w"),
        },
        table_to_config_dict={
            "t": TableConfig(5, 2, combiner=None, learning_rate=0.5),
            "u": TableConfig(6, 3, optimization_parameters=AdagradParameters(0.2)),
            "unused": TableConfig(7, 4),
        },
        optimization_parameters=SGD,
    )
    plan = resolve_embedding(spec)
    assert [(t.name, t.combiner, t.learning_rate) for t in plan.tables] == [
        ("t", "sum", 0.5),
        ("u", "mean", 0.2),
    ]
    assert [f.key for f in plan.features] == ["a", "b"]
    assert not plan.from_columns


def test_columns_that_are_looked_up_on_the_core_are_apart():
    on_core = tpu.embedding_column(
        columns.categorical_column_with_identity("a", 3),
        2,
        embedding_lookup_device="tpu_tensor_core",
        tensor_core_shape=[None, 4],
    )
    spec = make_columns(make_column(), on_core)
    assert spec.tensor_core_feature_columns == [on_core]
    plan = resolve_embedding(spec)
    assert [f.key for f in plan.features] == ["word"]
    assert plan.tensor_core_columns == (on_core,)


@pytest.mark.parametrize(
    ("spec", "arguments", "error", "text"),
    [
        (
            make_dicts(partition_strategy="mod"),
            {"use_tpu": False},
            ValueError,
            "Mod sharding of embedding tables not supported on CPU",
        ),
        (
            make_columns(
                columns.embedding_column(columns.categorical_column_with_identity("a", 3), 2)
            ),
            {},
            TypeError,
            "Unsupported feature column",
        ),
        (
            make_columns(make_column(), make_column(combiner="sum")),
            {},
            ValueError,
            "is used with multiple embeddings and this is not supported",
        ),
    ],
)
def test_the_constructor_checks_all_of_it(tmp_path, spec, arguments, error, text):
    with pytest.raises(error, match=text):
        TPUEstimator(
            lambda features, labels, mode, params: None,
            config=RunConfig(model_dir=str(tmp_path)),
            train_batch_size=8,
            embedding_config_spec=spec,
            **arguments,
        )
