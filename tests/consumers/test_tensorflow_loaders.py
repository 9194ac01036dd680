"""What TensorFlow itself loads of an export, in both of its ways."""

import numpy as np
import pytest
import tensorflow as tf

ORIGINS = ("devices", "host", "old estimator")
tf1 = tf.compat.v1


@pytest.mark.parametrize("origin", ORIGINS)
def test_tf2_loads_the_metagraph_for_serving(exports, examples, origin):
    loaded = tf.saved_model.load(exports[origin].path, tags=["serve"])
    served = loaded.signatures["serving_default"](examples=tf.constant(examples))
    for name, expected in exports[origin].predictions.items():
        np.testing.assert_allclose(served[name].numpy(), expected, rtol=1e-6)
    assert {v.name for v in loaded.variables} >= {"hidden_1/kernel:0", "logits/bias:0"}


@pytest.mark.parametrize("origin", ORIGINS)
def test_tf1_loads_it_into_a_session(exports, examples, origin):
    with tf.Graph().as_default(), tf1.Session() as session:
        metagraph = tf1.saved_model.load(session, ["serve"], exports[origin].path)
        signature = metagraph.signature_def["serving_default"]
        fetches = {name: info.name for name, info in signature.outputs.items()}
        served = session.run(fetches, {signature.inputs["examples"].name: examples})
    for name, expected in exports[origin].predictions.items():
        np.testing.assert_allclose(served[name], expected, rtol=1e-6)


def test_without_tags_tf2_says_that_there_are_several(exports):
    with pytest.raises(ValueError, match=r"tags.*\['train'\]"):
        tf.saved_model.load(exports["host"].path)
