"""Schema features -> shapes, types and what is required."""

import pytest
import tensorflow as tf
from helpers.tfrecords import make_schema

from tfx_tpu_estimator.inputs.feature_layout import create_feature_layouts

EVERYWHERE = "presence { min_fraction: 1.0 }"


def layout_of(text, **options):
    schema = make_schema(f'feature {{ name: "x" {text} }} feature {{ name: "y" type: INT }}')
    return create_feature_layouts(schema, **options)["x"]


@pytest.mark.parametrize(
    ("text", "dtype", "shape", "required", "exact"),
    [
        ("type: BYTES", tf.string, (1,), False, False),
        (f"type: INT {EVERYWHERE}", tf.int64, (1,), False, False),
        ("type: FLOAT value_count { min: 1 max: 1 }", tf.float32, (1,), False, False),
        (f"type: FLOAT value_count {{ min: 1 max: 1 }} {EVERYWHERE}", tf.float32, (1,), True, None),
        ("type: INT value_count { max: 5 }", tf.int64, (5,), False, False),
        ("type: INT value_count { min: 2 max: 5 }", tf.int64, (5,), False, False),
        ("type: INT value_count { min: 3 }", tf.int64, (3,), False, False),
        ("type: INT value_count { min: 3 max: 3 }", tf.int64, (3,), False, True),
        (f"type: INT shape {{}} {EVERYWHERE}", tf.int64, (), True, None),
        ("type: INT shape {}", tf.int64, (), False, False),
        ("type: FLOAT shape { dim { size: 8 } dim { size: 4 } }", tf.float32, (8, 4), False, True),
        ("type: INT shape {} presence { min_fraction: 0.9 }", tf.int64, (), False, False),
    ],
)
def test_layout(text, dtype, shape, required, exact):
    layout = layout_of(text)
    assert (layout.dtype, layout.shape, layout.required) == (dtype, shape, required)
    assert exact is None or layout.exact == exact


def test_label_is_required_whatever_the_schema_says():
    assert layout_of("type: INT", label_key="x").required


@pytest.mark.parametrize(
    "text", ["deprecated: true", "lifecycle_stage: DEPRECATED", "lifecycle_stage: PLANNED"]
)
def test_features_out_of_use_are_left_out(text):
    unused = f'feature {{ name: "x" type: INT {text} }}'
    schema = make_schema(unused + 'feature { name: "y" type: INT }')
    assert list(create_feature_layouts(schema)) == ["y"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("type: STRUCT", "feature 'x' has type STRUCT; allowed: .*BYTES"),
        ("", "feature 'x' has type TYPE_UNKNOWN"),
        ("type: INT shape { dim { size: -1 } }", "feature 'x' has shape"),
        (
            "type: INT value_counts { value_count { min: 1 } }",
            "'x' has nested value_counts",
        ),
    ],
)
def test_features_that_cannot_be_dense(text, message):
    with pytest.raises(ValueError, match=message):
        layout_of(text)


def test_such_features_can_be_excluded():
    schema = make_schema('feature { name: "x" type: STRUCT } feature { name: "y" type: INT }')
    assert list(create_feature_layouts(schema, exclude=["x"])) == ["y"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_key": "z"}, r"`label_key` is 'z'; the schema has the features \['x', 'y'\]"),
        ({"label_key": "x", "exclude": ["x"]}, "`label_key` is 'x'"),
        ({"exclude": ["z"]}, r"`exclude` names \['z'\]"),
        ({"exclude": ["x", "y"]}, "no feature is left"),
    ],
)
def test_names_are_checked(options, message):
    schema = make_schema('feature { name: "x" type: INT } feature { name: "y" type: INT }')
    with pytest.raises(ValueError, match=message):
        create_feature_layouts(schema, **options)
