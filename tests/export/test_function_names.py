"""Functions in an export are numbered by their place, not by what the process did before."""

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tfx_tpu_estimator.export.function_names import number_functions

v1 = tf.compat.v1


def write_model(path):
    """A model with a cond in a while loop, and a tf.function with a gradient."""

    @tf.function
    def square(x):
        return x * x

    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.enable_control_flow_v2()
        x = v1.placeholder(tf.float32, [], name="x")
        weight = v1.get_variable("w", [], initializer=v1.ones_initializer(), use_resource=True)
        _, y = tf.while_loop(
            lambda i, _: i < 3,
            lambda i, y: (i + 1, tf.cond(y > 5.0, lambda: y * weight, lambda: square(y))),
            [0, x],
        )
        gradient = tf.gradients(square(x), x)[0]
        session.run(v1.global_variables_initializer())
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y, "g": gradient})
        builder = v1.saved_model.Builder(str(path))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
    return path / "saved_model.pb"


def number(file):
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    changed = number_functions(model)
    file.write_bytes(model.SerializeToString(deterministic=True))
    return changed


def serve(path, x):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(path))
        graph = v1.get_default_graph()
        fed = graph.get_tensor_by_name("x:0")
        names = v1.saved_model.load(session, ["serve"], str(path)).signature_def
        outputs = names["serving_default"].outputs
        return session.run({k: v.name for k, v in outputs.items()}, {fed: x})


def test_equal_models_are_equal_bytes_and_work(tmp_path):
    files = [write_model(tmp_path / name) for name in "ab"]
    assert files[0].read_bytes() != files[1].read_bytes()
    before = serve(tmp_path / "a", 2.0)
    assert all(map(number, files))
    assert files[0].read_bytes() == files[1].read_bytes()
    assert serve(tmp_path / "a", 2.0) == before == {"y": 16.0, "g": 4.0}
    # Whatever is numbered already stays.
    assert not number(files[0])


def test_a_model_without_functions_is_left_alone(tmp_path):
    with tf.Graph().as_default(), v1.Session() as session:
        v1.get_variable("w", [], use_resource=True)
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(tmp_path / "m"))
        builder.add_meta_graph_and_variables(session, ["serve"])
        builder.save()
    file = tmp_path / "m" / "saved_model.pb"
    content = file.read_bytes()
    assert not number(file)
    assert file.read_bytes() == content
