"""`tfx-tpu-estimator check`: what is said about a program without running it."""

import json
import pathlib
import subprocess
import sys
import textwrap

import pytest
from click.testing import CliRunner

from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.compat.findings import Level
from tfx_tpu_estimator.compat.report import check_program, find_source


def check(tmp_path, **sources):
    for name, text in sources.items():
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
    return check_program(str(tmp_path / "main.py"))


def find(report, level):
    return {f.what: f for f in report.findings if f.level is level}


@pytest.mark.parametrize(
    ("source", "level", "name", "text"),
    [
        ("import tensorflow as tf; tf.estimator.RunConfig()", Level.SUPPLIED,
         "tensorflow.estimator.RunConfig", "compat"),
        ("from tensorflow_estimator.python.estimator.tpu import tpu_estimator", Level.SUPPLIED,
         "tensorflow_estimator.python.estimator.tpu.tpu_estimator", "compat"),
        ("import tensorflow as tf; tf.contrib.tpu.TPUConfig()", Level.SUPPLIED,
         "tensorflow.contrib.tpu.TPUConfig", "compat"),
        ("import tensorflow as tf; tf.contrib.seq2seq.dynamic_decode()", Level.UNSUPPORTED,
         "tensorflow.contrib.seq2seq.dynamic_decode", "decoder"),
        ("import tensorflow as tf; tf.contrib.estimator.multi_class_head(3)", Level.UNSUPPORTED,
         "tensorflow.contrib.estimator.multi_class_head", "tfx_tpu_estimator.MultiClassHead"),
        ("import tensorflow as tf; tf.contrib.estimator.RNNClassifier()", Level.UNSUPPORTED,
         "tensorflow.contrib.estimator.RNNClassifier", "dynamic_rnn"),
        ("import tensorflow as tf; tf.contrib.framework.assign_from_checkpoint()",
         Level.UNSUPPORTED, "tensorflow.contrib.framework.assign_from_checkpoint",
         "init_from_checkpoint"),
        ("import tensorflow as tf; tf.contrib.learn.Experiment()", Level.UNSUPPORTED,
         "tensorflow.contrib.learn.Experiment", "train_and_evaluate"),
        ("import tensorflow as tf; slim = tf.contrib.slim; slim.separable_conv2d(1)",
         Level.UNSUPPORTED, "tensorflow.contrib.slim.separable_conv2d", "tf_slim"),
        ("from tensorflow.contrib import lookup", Level.UNSUPPORTED,
         "tensorflow.contrib.lookup", "StaticHashTable"),
        ("import tensorflow as tf; tf.estimator.experimental.KMeans()", Level.UNSUPPORTED,
         "tensorflow.estimator.experimental.KMeans", "clustering"),
        ("from tensorflow_estimator.python.estimator.canned import rnn", Level.UNSUPPORTED,
         "tensorflow_estimator.python.estimator.canned.rnn", "tfx_tpu_estimator"),
        ("import tensorflow.compat.v1 as tf; tf.no_such_thing()", Level.UNSUPPORTED,
         "tensorflow.compat.v1.no_such_thing", "Not in TensorFlow"),
        ("from tensorflow.python.tpu import no_such_module", Level.UNSUPPORTED,
         "tensorflow.python.tpu.no_such_module", "private part"),
        ("from tensorflow.python.tpu import tpu_function", Level.ATTENTION,
         "tensorflow.python.tpu.tpu_function", "Private to TensorFlow"),
        ("import tensorflow as tf; tf.train.shuffle_batch([], 1, 2, 3)", Level.ATTENTION,
         "tensorflow.train.shuffle_batch", "tf.data"),
        ("import tensorflow as tf; tf.lookup.index_to_string(1)", Level.UNSUPPORTED,
         "tensorflow.lookup.index_to_string", "Not in TensorFlow"),
        ("import tensorflow as tf; tf.keras.estimator.model_to_estimator(1)", Level.UNSUPPORTED,
         "tensorflow.keras.estimator.model_to_estimator", "in a model_fn"),
        ("import tensorflow as tf; tf.distribute.MirroredStrategy()", Level.ATTENTION,
         "tensorflow.distribute.MirroredStrategy", "train_distribute"),
    ],
)  # fmt: skip
def test_names(tmp_path, source, level, name, text):
    found = find(check(tmp_path, main=source), level)
    assert text in found[name].advice


@pytest.mark.parametrize(
    "source",
    [
        "import tensorflow as tf; tf.placeholder(tf.float32).shape[0].value",
        "import tensorflow as tf; tf.compat.v1.train.AdamOptimizer(); tf.float32.name",
        "import tensorflow.compat.v1 as tf; tf.layers.dense(1, 2); tf.train.Saver().save()",
        "import tensorflow as tf; x = [1][tf.newaxis]",
        "import numpy as np; np.no_such_thing()",
    ],
)
def test_names_that_are_there_are_not_mentioned(tmp_path, source):
    assert check(tmp_path, main=source).findings == ()


MODEL = """
    import tensorflow.compat.v1 as tf

    def input_fn(params):
        return tf.data.Dataset.range(9).batch(params["batch_size"]){batch}

    def model_fn(features, labels, mode, params):
        {body}
        return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=1)

    def serving_input_fn():
        return tf.data.Dataset.range(9).batch(3)

    estimator = tf.estimator.tpu.TPUEstimator(model_fn)
    estimator.{call}
"""


def model(body="pass", batch="", call="train(input_fn=input_fn, max_steps=3)"):
    return MODEL.format(body=body, batch=batch, call=call)


@pytest.mark.parametrize(
    ("source", "what", "text"),
    [
        (model(), "batch() without drop_remainder", "static shape"),
        (model("tf.py_func(len, [features], tf.int64)"), "tf.py_func", "host_call"),
        (model("tf.strings.join([features])"), "tf.strings.join", "on the host"),
        (model("tf.summary.scalar('a', 1)"), "tf.summary.scalar", "host_call"),
        (model("tf.boolean_mask(features, labels)"), "tf.boolean_mask", "static shape"),
        (model("opt = tf.train.AdamOptimizer(); opt.minimize(1)"),
         "model_fn: no CrossShardOptimizer", "wrap"),
        (model(call="train(input_fn=input_fn)"), "train() without steps", "max_steps"),
        (model(call="evaluate(input_fn=input_fn)"), "evaluate() without steps", "`steps`"),
        (model(call="train(input_fn)"), "train() without steps", "max_steps"),
        (model("tf.unique(features)"), "tf.unique", "on the host"),
        ("def _eval_input_receiver_fn(): pass", "_eval_input_receiver_fn", "eval_config"),
    ],
)  # fmt: skip
def test_code_that_devices_run_otherwise(tmp_path, source, what, text):
    found = find(check(tmp_path, main=source), Level.ATTENTION)
    assert text in found[what].advice


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("f(train_distribute=strategy)", "train_distribute="),
        (model("f(training_chief_hooks=[])"), "training_chief_hooks="),
    ],
)
def test_code_that_is_refused(tmp_path, source, what):
    report = check(tmp_path, main=source)
    assert set(find(report, Level.UNSUPPORTED)) == {what}
    assert not report.is_supported


def test_code_without_tpu_estimator_may_do_what_devices_cannot(tmp_path):
    source = model("tf.py_func(len, [features], tf.int64)").replace("TPUEstimator", "Estimator")
    report = check(tmp_path, main=source.replace("estimator.tpu", "estimator"))
    assert find(report, Level.ATTENTION) == {}


CALLED = """
    import tensorflow.compat.v1 as tf
    from tfx_tpu_estimator import TPUEstimatorSpec

    class Net:
        def __call__(self, x):
            return tf.image.crop_and_resize(x, 1, 2, [3, 3])

    def network(x):
        return Net()(x)

    def train(loss):
        {wrapped}
        return opt.minimize(loss)

    def metric_fn(x):
        return tf.strings.join([x])

    def model_fn(features, labels, mode, params):
        train_op = train(network(features))
        return TPUEstimatorSpec(mode, train_op=train_op, eval_metrics=(metric_fn, [labels]))

    def train_input_fn(params):
        pass
"""


@pytest.mark.parametrize(
    ("wrapped", "others"),
    [
        ("opt = tf.train.AdamOptimizer()", {"model_fn: no CrossShardOptimizer"}),
        ("opt = tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer())", set()),
    ],
)
def test_what_a_model_fn_calls_is_part_of_it(tmp_path, wrapped, others):
    report = check(tmp_path, main=CALLED.format(wrapped=wrapped))
    assert set(find(report, Level.ATTENTION)) == {"tf.image.crop_and_resize", *others}


def test_methods_that_a_model_fn_calls_are_part_of_it(tmp_path):
    source = """
        import tensorflow.compat.v1 as tf

        class Other:
            def net(self, x):
                return tf.unique(x)

        class Model:
            def model_fn(self, features, labels, mode, params):
                return tf.estimator.tpu.TPUEstimatorSpec(mode, loss=self.net(features))

            def net(self, x):
                return self.net(tf.boolean_mask(x, x > 0))
    """
    report = check(tmp_path, main=source)
    assert set(find(report, Level.ATTENTION)) == {"tf.boolean_mask"}


NETS = {
    "nets/__init__.py": "from .cnn import build as from_package",
    "nets/cnn.py": """
        import tensorflow.compat.v1 as tf
        from . import layers

        class Net:
            def __call__(self, x):
                return layers.crop(x)

        def build(x):
            return Net()(x)

        def unused(x):
            return tf.unique(x)
    """,
    "nets/layers.py": """
        import tensorflow.compat.v1 as tf

        def crop(x):
            return tf.image.crop_and_resize(x, 1, 2, [3, 3])
    """,
    "training.py": """
        import tensorflow.compat.v1 as tf

        def make_train_op(loss):
            return tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer()).minimize(loss)
    """,
}


@pytest.mark.parametrize(
    ("imported", "called", "expected"),
    [
        ("import nets.cnn", "nets.cnn.build(x)", {"tf.image.crop_and_resize"}),
        ("import nets.cnn as cnn", "cnn.build(x)", {"tf.image.crop_and_resize"}),
        ("from nets import cnn", "cnn.build(x)", {"tf.image.crop_and_resize"}),
        ("from nets.cnn import build as make", "make(x)", {"tf.image.crop_and_resize"}),
        ("from nets import from_package", "from_package(x)", {"tf.image.crop_and_resize"}),
        ("from nets.cnn import Net", "Net()(x)", {"tf.image.crop_and_resize"}),
        ("from nets.cnn import Net, unused", "len(x)", set()),
    ],
)
def test_what_a_model_fn_calls_in_other_files_is_part_of_it(tmp_path, imported, called, expected):
    for name, text in NETS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    source = f"""
        import training
        {imported}
        from tfx_tpu_estimator import TPUEstimatorSpec

        def model_fn(features, labels, mode, params):
            x = features["x"]
            return TPUEstimatorSpec(mode, loss={called}, train_op=training.make_train_op(x))

        def other_model_fn(features, labels, mode, params):
            return TPUEstimatorSpec(mode, loss={called})
    """
    report = check(tmp_path, main=source)
    found = [finding for finding in report.findings if finding.level is Level.ATTENTION]
    assert {finding.what for finding in found} == expected
    places = {(pathlib.Path(f.path).relative_to(tmp_path.resolve()), f.line) for f in found}
    assert len(places) == len(found)
    assert {str(path) for path, _ in places} == ({"nets/layers.py"} if expected else set())


def test_modules_that_are_not_found(tmp_path):
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "__init__.py").touch()
    (tmp_path / "nets" / "cnn.py").write_text("from . import gone_too\nfrom .layers import crop\n")
    source = """
        import sys, os.path, xml.dom.minidom
        import numpy.no_such_module
        from no_such_package import model
        import no_such_package.model
        from nets.gone import build
        from nets import cnn
        import tensorflow_estimator.no_such_module
        try:
            import ujson as json
        except ImportError:
            import json

        def model_fn():
            import no_such_package
            import no_such_library
    """
    report = check(tmp_path, main=source)
    found = [f for f in report.findings if f.what.startswith("import ")]
    assert [(pathlib.Path(f.path).name, f.line, f.what) for f in found] == [
        ("main.py", 4, "import no_such_package"),
        ("main.py", 6, "import nets.gone"),
        ("main.py", 16, "import no_such_library"),
        ("cnn.py", 2, "import .layers"),
    ]
    assert all(f.level is Level.ATTENTION and "install it" in f.advice for f in found)


def test_files_that_import_each_other_are_followed_once(tmp_path):
    source = """
        import other
        from other import nothing
        from tfx_tpu_estimator import TPUEstimatorSpec

        def model_fn(features, labels, mode, params):
            return TPUEstimatorSpec(mode, loss=other.net(nothing(features)))

        def net(x):
            return other.net(x)
    """
    other = """
        import tensorflow.compat.v1 as tf
        import main
        from main import nothing

        def net(x):
            return main.net(tf.boolean_mask(x, x > 0))
    """
    report = check(tmp_path, main=source, other=other)
    assert set(find(report, Level.ATTENTION)) == {"tf.boolean_mask"}


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("def run_fn(fn_args): pass", "run_fn"),
        ("def trainer_fn(fn_args, schema): pass", "trainer_fn"),
        ("def model_fn(features, mode): pass\ndef train_input_fn(): pass", "model_fn"),
        ("def model_fn(features, mode): pass", ""),
        ("def model_fn(features, mode): pass\ndef train_input_fn(): pass\n"
         "if __name__ == '__main__': pass", ""),
    ],
)  # fmt: skip
def test_module_files_are_told_from_scripts(tmp_path, source, form):
    path = tmp_path / "main.py"
    path.write_text(f"import tensorflow as tf\n{source}\ntf.estimator.RunConfig()\n")
    report = check_program(str(path))
    assert report.module_form == form
    # The Trainer supplies it to old modules only.
    level = Level.ATTENTION if form in ("run_fn", "model_fn") else Level.SUPPLIED
    assert "tensorflow.estimator.RunConfig" in find(report, level)
    assert ("module file" if form else "run main.py") in invoke(path).output.splitlines()[-1]


def test_what_is_in_order_is_not_mentioned(tmp_path):
    body = "opt = tf.tpu.CrossShardOptimizer(tf.train.AdamOptimizer()); opt.minimize(1)"
    source = model(body).replace('params["batch_size"]', "8, drop_remainder=True")
    report = check(tmp_path, main=source + "    f(train_distribute=None)\n")
    assert find(report, Level.ATTENTION) == {}
    assert report.is_supported


def test_batches_of_an_evaluation_may_be_partial(tmp_path):
    source = model().replace("def input_fn", "def eval_input_fn")
    assert "def eval_input_fn" in source
    assert "batch() without drop_remainder" not in find(
        check(tmp_path, main=source), Level.ATTENTION
    )


def test_places_are_those_of_the_files(tmp_path):
    report = check(
        tmp_path,
        main="import helper\n",
        helper="import tensorflow as tf\n\ntf.contrib.crf.crf_log_likelihood()\n",
    )
    (finding,) = report.findings
    assert (finding.path, finding.line) == (str((tmp_path / "helper.py").resolve()), 3)
    assert report.tf1


def invoke(*args):
    return CliRunner().invoke(main, ["check", *map(str, args)])


def test_the_table_and_the_exit_code(tmp_path):
    path = tmp_path / "main.py"
    path.write_text("import tensorflow as tf\ntf.contrib.crf.x()\ntf.estimator.RunConfig()\n")
    result = invoke(path)
    assert result.exit_code == 1
    assert result.output.startswith("main.py:2  unsupported  tensorflow.contrib.crf.x  Copy")
    assert "1 unsupported, 0 to look at, 1 supplied by this package." in result.output
    assert "RunConfig" not in result.output
    assert "main.py:3" in invoke("--all", path).output


def test_imports_warn_of_nothing(tmp_path):
    path = tmp_path / "main.py"
    path.write_text("import tensorflow as tf\ntf.estimator.RunConfig()\n")
    command = [sys.executable, "-m", "tfx_tpu_estimator.cli", "check", "--format", "json", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)
    assert "Warning" not in done.stderr


def test_json_has_everything(tmp_path):
    path = tmp_path / "main.py"
    path.write_text("import tensorflow as tf\ntf.estimator.RunConfig()\n")
    result = invoke("--format", "json", path)
    assert result.exit_code == 0
    content = json.loads(result.output)
    assert content["supported"] is True
    assert [f["level"] for f in content["findings"]] == ["supplied"]


@pytest.mark.parametrize(
    ("source", "text"), [(None, "neither a file nor a module"), ("print 1\n", "no Python 3")]
)
def test_wrong_usage(tmp_path, source, text):
    path = tmp_path / "main.py"
    if source:
        path.write_text(source)
    result = invoke(path)
    assert result.exit_code == 2
    assert text in result.output


def test_a_module_is_found_by_its_name(tmp_path):
    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "mod.py").write_text("")
    assert find_source("pkg.mod", ["", str(tmp_path)]) == str(tmp_path / "pkg" / "mod.py")
