"""What is recommended instead of old names is there."""

import re

import pytest
import tensorflow as tf

import tfx_tpu_estimator
from tfx_tpu_estimator import compat
from tfx_tpu_estimator.compat import way_out

_NAME = re.compile(r"\b(tf|tfx_tpu_estimator)\.((?:\w+\.)*\w+)")


def list_recommended():
    texts = way_out._WAYS_OUT.values()
    return sorted({match.groups() for text in texts for match in _NAME.finditer(text)})


@pytest.fixture(scope="module", autouse=True)
def installed():
    with compat.installed(contrib=True):
        yield


@pytest.mark.parametrize(("root", "path"), list_recommended())
def test_what_is_recommended_exists(root, path):
    value = {"tf": tf, "tfx_tpu_estimator": tfx_tpu_estimator}[root]
    for part in path.split("."):
        value = getattr(value, part)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tensorflow.contrib.learn.Estimator", "Use tf.estimator, which"),
        ("tensorflow.contrib.learn.Experiment", "train_and_evaluate"),
        ("tensorflow.contrib.estimator.BoostedTreesClassifier", "Decision Forests"),
        ("tensorflow.contrib.framework.assign_from_checkpoint_fn", "init_from_checkpoint"),
        ("tensorflow.contrib.tpu.keras_to_tpu_model", "in a model_fn"),
        ("tensorflow.contrib.slim.nets.resnet_v1", "tf_slim.nets"),
        ("tensorflow.contrib.no_such_corner", "docs/migration.md"),
    ],
)
def test_the_most_specific_way_out_counts(name, text):
    assert text in way_out.find_way_out(name)
