import pytest
import tensorflow as tf

from tfx_tpu_estimator.inputs.partition_dims import resolve_partition_dims
from tfx_tpu_estimator.inputs.structure import InputStructure

IMAGES = tf.TensorSpec([8, 4, 4])
LABELS = tf.TensorSpec([8])


@pytest.mark.parametrize(
    ("dims", "features", "labels", "expected"),
    [
        ([[1, 2, 1]], IMAGES, None, [[1, 2, 1]]),
        ([[1, 2, 1]], IMAGES, LABELS, [[1, 2, 1], None]),
        ([[1, 2, 1], [2]], IMAGES, LABELS, [[1, 2, 1], [2]]),
        ([{"b": None, "a": [2, 1, 1]}, None], {"a": IMAGES, "b": LABELS}, LABELS,
         [[2, 1, 1], None, None]),
        ([None], IMAGES, {"y": LABELS, "z": LABELS}, [None, None, None]),
        ([None, {"y": [2]}], IMAGES, {"y": LABELS}, [None, [2]]),
        ([None, None], IMAGES, None, [None]),
    ],
)  # fmt: skip
def test_partitions_by_flat_tensor(dims, features, labels, expected):
    structure = InputStructure(features=features, labels=labels)
    assert resolve_partition_dims(dims, structure, 2) == expected


@pytest.mark.parametrize(
    ("dims", "features", "labels", "text"),
    [
        ([[1, 0, 1]], IMAGES, None, r"All input partition dims must be >= 1\. Got .* `features`"),
        ([3], IMAGES, None, r"All input partition dims must be >= 1\."),
        ([[1, 4, 1]], IMAGES, None, "The product of each input partition dim should equal to num"),
        ([[1, 2]], IMAGES, None, "Input partition dims must have the same number"),
        ([{"c": None}], {"a": IMAGES}, None, r"input_partition_dims\[0\] mismatched feature keys"),
        ([None], {"a": IMAGES}, None, r"input_partition_dims\[0\] mismatched feature keys"),
        ([{"a": None}], IMAGES, None, r"input_partition_dims\[0\] mismatched feature structure"),
        ([None, {"c": [2]}], IMAGES, {"y": LABELS}, r"dims\[1\] mismatched label keys"),
        ([None, {"y": [2]}], IMAGES, LABELS, r"dims\[1\] mismatched the structure of labels\. "),
        ([None, [2]], IMAGES, None, r"dims\[1\] mismatched the structure of labels\. .* no labels"),
    ],
)
def test_partitions_that_do_not_fit(dims, features, labels, text):
    structure = InputStructure(features=features, labels=labels)
    with pytest.raises(ValueError, match=text):
        resolve_partition_dims(dims, structure, 2)
