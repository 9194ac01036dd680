"""Tests of loading user modules."""

import inspect
import sys
import textwrap
import traceback

import pytest

from tfx_tpu_estimator.components import user_module
from tfx_tpu_estimator.components.user_module import ModuleForm
from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.lowering.unsupported import describe_line

MODEL_FN = "def model_fn(features, labels, mode, params):\n    return 'spec'\n"


@pytest.fixture
def write(tmp_path):
    def write_file(text, name="module.py", folder="."):
        path = tmp_path / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return str(path)

    return write_file


def test_plain_functions(write):
    module = user_module.load_module_file(write(MODEL_FN + "def estimator_params(): return {}"))
    assert module.form is ModuleForm.FUNCTIONS
    assert set(module.functions) == {"model_fn", "estimator_params"}
    assert module.get("train_input_fn") is None
    assert module.get("model_fn")(1, 2, 3, {}) == "spec"


def test_run_fn_wins_where_both_are_there(write):
    module = user_module.load_module_file(write(MODEL_FN + "def run_fn(fn_args): return 7"))
    assert module.form is ModuleForm.RUN_FN


def test_the_source_can_be_inspected(write):
    module = user_module.load_module_file(write(MODEL_FN))
    assert inspect.getsource(module.get("model_fn")) == MODEL_FN


def test_messages_name_the_file_of_the_user_and_not_its_copy(write):
    write("def fail():\n    raise ValueError('no')\n", "neighbour.py")
    path = write("import neighbour\n\ndef model_fn(features, params): neighbour.fail()\n")
    module = user_module.load_module_file(path)
    with pytest.raises(ValueError, match="no") as raised:
        module.get("model_fn")(1, {})
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert describe_line(frames[:-1]) == f"{path}:3"
    assert describe_line(frames) == path.replace("module.py", "neighbour.py:2")


def test_two_modules_and_their_neighbours_do_not_meet(write):
    values = []
    for folder, value in [("one", 1), ("two", 2)]:
        write(f"VALUE = {value}", "neighbour.py", folder)
        path = write("from neighbour import VALUE\n" + MODEL_FN, "module.py", folder)
        module = user_module.load_module_file(path)
        values.append(module.get("model_fn").__globals__["VALUE"])
    assert values == [1, 2]
    assert "neighbour" not in sys.modules


def test_a_neighbour_does_not_replace_a_loaded_module(write, monkeypatch):
    import types

    loaded = types.ModuleType("neighbour")
    monkeypatch.setitem(sys.modules, "neighbour", loaded)
    write("VALUE = 3", "neighbour.py")
    module = user_module.load_module_file(write("import neighbour\n" + MODEL_FN))
    assert module.get("model_fn").__globals__["neighbour"].VALUE == 3
    assert sys.modules["neighbour"] is loaded


def test_packages_and_indirect_neighbours_belong_to_the_source(write):
    write("from second import X", "first.py")
    write("X = 5", "second.py")
    write("", "__init__.py", "pkg")
    write("Y = 6", "part.py", "pkg")
    write("raise ValueError('never imported')", "unused.py")
    module = user_module.load_module_file(
        write("from first import X\nfrom pkg.part import Y\n" + MODEL_FN)
    )
    assert set(module.source.files) == {
        "module.py",
        "first.py",
        "second.py",
        "pkg/__init__.py",
        "pkg/part.py",
    }


def test_the_digest_covers_neighbours(write):
    write("X = 1", "first.py")
    path = write("from first import X\n" + MODEL_FN)
    before = user_module.load_module_file(path).source.digest
    assert user_module.load_module_file(path).source.digest == before
    write("X = 2", "first.py")
    assert user_module.load_module_file(path).source.digest != before


def test_recorded_source_loads_again(write):
    module = user_module.load_module_file(write(MODEL_FN))
    again = user_module.load_source(module.source)
    assert again.get("model_fn")(1, 2, 3, {}) == "spec"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"lacks `run_fn` or `model_fn`; it has no functions.*run_fn\(fn_args\)"),
        ("def modelfn(): pass\ndef other(): pass", r"it has modelfn, other\. Accepted are"),
        ("from os.path import join", "it has no functions"),
        (
            "def model_fn(labels, mode, params): pass",
            r"`model_fn` .* does not take `features`; its signature is "
            r"model_fn\(labels, mode, params\)",
        ),
        ("def model_fn(features, labels): pass", r"`model_fn` .* does not take `params`"),
        (
            MODEL_FN + "def train_input_fn(): pass",
            r"`train_input_fn` .* does not take `params`",
        ),
        ("import no_such_thing_at_all", r"ModuleNotFoundError.*\(line 1: import no_such_thing"),
        ("x = 1\nraise KeyError('why')", r"KeyError: 'why' \(line 2: raise KeyError"),
        ("x = 1\ndef f(:\n", r"SyntaxError.*\(line 2: def f\(:\)"),
    ],
)
def test_modules_that_cannot_be_used(write, text, match):
    path = write(text)
    with pytest.raises(UserModuleError, match=f"(?s){match}") as caught:
        user_module.load_module_file(path)
    assert path in str(caught.value)


def test_keyword_arguments_take_everything(write):
    module = user_module.load_module_file(write("def model_fn(features, **kwargs): return 1"))
    assert module.form is ModuleForm.FUNCTIONS


def test_missing_file(tmp_path):
    with pytest.raises(UserModuleError, match=r"`module_file` .*none\.py' is not a file"):
        user_module.load_module_file(str(tmp_path / "none.py"))


def test_module_path(write, tmp_path, monkeypatch):
    write(MODEL_FN, "module_by_path.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = user_module.load_module_path("module_by_path")
    assert module.form is ModuleForm.FUNCTIONS
    assert module.source.text == MODEL_FN
    sys.modules.pop("module_by_path")


@pytest.mark.parametrize("name", ["no_such_module_here", "no_such.module", "sys"])
def test_unknown_module_path(name):
    with pytest.raises(UserModuleError, match=r"`module_path` .* cannot be found"):
        user_module.load_module_path(name)


def test_run_fn_by_dotted_name(write, tmp_path, monkeypatch):
    write("def train(fn_args): return fn_args + 1", "module_with_train.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    module = user_module.load_run_fn("module_with_train.train")
    assert module.get("run_fn")(1) == 2
    with pytest.raises(UserModuleError, match="has no function 'other'"):
        user_module.load_run_fn("module_with_train.other")
    with pytest.raises(UserModuleError, match=r"package\.module\.function"):
        user_module.load_run_fn("train")
    sys.modules.pop("module_with_train")
