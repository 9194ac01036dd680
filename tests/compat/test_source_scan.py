"""Names that source files use, and which files are written for TensorFlow 1."""

import ast
import pathlib

import pytest

from tfx_tpu_estimator.compat import program, tf1_source
from tfx_tpu_estimator.compat.module_finder import ModuleFinder, is_own_file
from tfx_tpu_estimator.compat.source_scan import scan_source


def scan(source):
    return scan_source(ast.parse(source))


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import tensorflow as tf\ntf.app.run()", ["tensorflow", "tensorflow.app.run"]),
        ("import tensorflow\ntensorflow.app.run()", ["tensorflow", "tensorflow.app.run"]),
        ("import tensorflow.contrib.slim as slim\nslim.conv2d(1)",
         ["tensorflow.contrib.slim", "tensorflow.contrib.slim.conv2d"]),
        ("from tensorflow.contrib import tpu\ntpu.TPUConfig()",
         ["tensorflow.contrib.tpu", "tensorflow.contrib.tpu.TPUConfig"]),
        ("import tensorflow.keras\ntensorflow.keras.Model", ["tensorflow.keras",
                                                             "tensorflow.keras.Model"]),
        ("from tensorflow_estimator.python.estimator import model_fn",
         ["tensorflow_estimator.python.estimator.model_fn"]),
        ("import numpy as tf\ntf.app.run()", []),
        ("import tensorflow as tf\nslim = tf.contrib.slim\nslim.conv2d(1)",
         ["tensorflow", "tensorflow.contrib.slim", "tensorflow.contrib.slim.conv2d"]),
        ("import tensorflow as tf\nx = tf.constant(1)\nx.shape", ["tensorflow",
                                                                 "tensorflow.constant"]),
        ("def f():\n  import tensorflow as tf\n  return tf.constant(1).shape[0].value",
         ["tensorflow", "tensorflow.constant"]),
    ],
)  # fmt: skip
def test_uses_are_found(source, names):
    assert [use.name for use in scan(source).uses] == names


def test_lines_are_those_of_the_source():
    uses = scan("import tensorflow as tf\n\n\nx = tf.placeholder(1)").uses
    assert [(use.line, use.imported) for use in uses] == [(1, True), (4, False)]


def read(tmp_path, **files):
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    path = (tmp_path / "main.py").resolve()
    return {f.path.stem: f for f in program.read_program(path, ModuleFinder([str(tmp_path)]))}


@pytest.mark.parametrize(
    ("source", "tf1", "tf2"),
    [
        ("import tensorflow as tf; tf.Session()", ["Session"], []),
        ("import tensorflow as tf; tf.contrib.seq2seq.x", ["contrib.seq2seq.x"], []),
        ("import tensorflow as tf; tf.summary.create_file_writer('x')", [],
         ["summary.create_file_writer"]),
        ("import tensorflow as tf; tf.compat.v1.Session(); tf.reduce_sum(1)", [], []),
        ("import tensorflow.compat.v1 as tf; tf.Session()", [], []),
        ("from tensorflow import flags", ["flags"], []),
        ("import tensorflow as tf; tf.float32.no_such_attribute", [], []),
    ],
)  # fmt: skip
def test_versions_are_told_apart(tmp_path, source, tf1, tf2):
    file = read(tmp_path, main=source)["main"]
    assert (file.tf1_names, file.tf2_names) == (tf1, tf2)


def test_a_program_is_followed_through_its_imports(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "__init__.py").write_text("from . import deep")
    (tmp_path / "lib" / "deep.py").write_text("import numpy, os")
    files = read(tmp_path, main="import a\nfrom lib import deep", a="import main", b="")
    assert set(files) == {"main", "a", "__init__", "deep"}


def test_a_broken_import_is_left_to_python(tmp_path):
    assert set(read(tmp_path, main="import a", a="def")) == {"main"}
    with pytest.raises(SyntaxError):
        read(tmp_path, main="def")


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/home/me/model.py", True),
        ("/x/site-packages/lib/a.py", False),
        (ast.__file__, False),
        (program.__file__, False),
    ],
)
def test_own_files(path, own):
    assert is_own_file(path) is own


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import tensorflow as tf", "tf is v1"),
        ("import tensorflow", "tensorflow is v1"),
        ("from tensorflow import placeholder as p", "p is v1.placeholder"),
        ("import tensorflow.compat.v2 as tf", "tf is v2"),
        ("from tensorflow import compat", "compat.v1 is v1"),
        ("import tensorflow.keras as keras", "keras is not None"),
        ("from __future__ import annotations\nimport tensorflow as tf", "tf is v1"),
    ],
)
def test_imports_mean_tensorflow_1(source, expected):
    import tensorflow.compat.v1 as v1
    import tensorflow.compat.v2 as v2

    scope = {}
    exec(tf1_source.compile_as_tf1(source, "x.py"), scope)
    assert eval(expected, {**scope, "v1": v1, "v2": v2})


def test_finder_loads_chosen_files_only(tmp_path, monkeypatch):
    for name in ("old_style_module", "new_style_module"):
        (tmp_path / f"{name}.py").write_text("import tensorflow as tf\nname = tf.__name__\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    finder = tf1_source.TF1Finder(lambda path: pathlib.Path(path).name.startswith("old"))
    finder.install()
    try:
        import new_style_module
        import old_style_module
    finally:
        finder.remove()
    assert old_style_module.name.endswith("compat.v1")
    assert new_style_module.name == "tensorflow"
