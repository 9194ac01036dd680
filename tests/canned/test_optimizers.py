import pytest
import tensorflow as tf

from tfx_tpu_estimator.canned import optimizers

tf1 = tf.compat.v1


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "Ftrl", "RMSProp", "SGD"])
@pytest.mark.parametrize("keras", [False, True])
def test_names_stand_for_optimizers_of_either_kind(name, keras):
    with tf.Graph().as_default():
        found = optimizers.resolve_optimizer(
            optimizers.validate_optimizer(name), keras=keras, learning_rate=0.125
        )
    assert optimizers.is_keras_optimizer(found) == keras
    assert isinstance(found, tf1.train.Optimizer) != keras
    assert optimizers.is_optimizer(found)


def test_a_function_is_called_in_the_graph_in_which_it_is_used():
    graph = tf.Graph()

    def make():
        assert tf1.get_default_graph() is graph
        return tf1.train.AdamOptimizer(0.1)

    with graph.as_default():
        found = optimizers.resolve_optimizer(make, keras=False, learning_rate=None)
    assert isinstance(found, tf1.train.AdamOptimizer)


def test_a_keras_optimizer_is_made_anew_for_every_graph():
    given = tf.keras.optimizers.legacy.Adam(0.25)
    with tf.Graph().as_default():
        found = optimizers.resolve_optimizer(given, keras=False, learning_rate=None)
    assert found is not given
    assert found.get_config()["learning_rate"] == 0.25


def test_a_keras_optimizer_for_eager_use_is_converted_with_its_settings():
    given = tf.keras.optimizers.Adam(learning_rate=0.25, beta_1=0.5)
    found = optimizers.validate_optimizer(given)
    assert isinstance(found, tf.keras.optimizers.legacy.Adam)
    assert found.get_config()["learning_rate"] == 0.25
    assert found.get_config()["beta_1"] == 0.5


def test_one_that_a_function_makes_in_the_graph_is_refused_with_the_way_out():
    with (
        tf.Graph().as_default(),
        pytest.raises(ValueError, match=r"instance of tf\.keras\.optimizers\.legacy\.Adam"),
    ):
        optimizers.resolve_optimizer(tf.keras.optimizers.Adam, keras=True, learning_rate=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("adam", r"Unsupported optimizer name: adam\. Supported names are: .*'Adam'"),
        (3.0, r"not an Optimizer instance\. Given: 3\.0 for `dnn_optimizer`"),
    ],
)
def test_anything_else_is_refused_before_anything_is_built(wrong, message):
    with pytest.raises(ValueError, match=message):
        optimizers.validate_optimizer(wrong, "dnn_optimizer")


def test_what_a_function_returns_is_checked():
    with tf.Graph().as_default(), pytest.raises(ValueError, match="not an Optimizer instance"):
        optimizers.resolve_optimizer(lambda: "Adam", keras=False, learning_rate=0.1)
