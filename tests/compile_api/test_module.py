import types

import pytest
from helpers.models import linear_model_fn

from tfx_tpu_estimator import UserModuleError
from tfx_tpu_estimator.compile_api.module import find_functions

SOURCE = """
import neighbour_of_module

def model_fn(features, labels, mode, params):
    return neighbour_of_module.VALUE

def train_input_fn(params):
    return None

def estimator_params():
    return {"train_batch_size": 64}
"""


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "neighbour_of_module.py").write_text("VALUE = 3\n")
        path = tmp_path / "my_model.py"
        path.write_text(text)
        return path

    return write


def test_a_file_and_what_is_beside_it(write):
    found = find_functions(write(SOURCE))
    assert found.name == "my_model"
    assert found.model_fn(None, None, None, None) == 3
    assert sorted(found.functions) == ["estimator_params", "train_input_fn"]
    assert found.read_params() == {"train_batch_size": 64}


def test_other_forms_of_a_model():
    assert find_functions(linear_model_fn).name == "linear_model_fn"
    module = types.ModuleType("made")
    module.model_fn = linear_model_fn
    assert find_functions(module).model_fn is linear_model_fn
    assert find_functions(module).read_params() == {}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x = 1", "lacks `model_fn`; it has no functions. Needed are"),
        ("def run_fn(fn_args): pass", "its `run_fn` builds an estimator of its own.*preflight"),
        ("def f(:", r"cannot be imported: SyntaxError.*\(line 1: def f\(:\)"),
        ("import os\nimport no_such_library", r"No module named 'no_such_library' \(line 2: impo"),
        ("\n1 / 0\n", r"ZeroDivisionError: division by zero \(line 2: 1 / 0\)"),
    ],
)
def test_modules_that_do_not_do(write, text, match):
    with pytest.raises(UserModuleError, match=match):
        find_functions(write(text))


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("no/such/file.py", "is not a file; give the path of a Python file"),
        ("no_such_package.module", "cannot be found: it must be the path of a Python file, or"),
        ("json", "module 'json' lacks `model_fn`; it has det"),
    ],
)
def test_names_that_are_none(name, match):
    with pytest.raises(UserModuleError, match=match):
        find_functions(name)


def test_no_model():
    with pytest.raises(TypeError, match="must be the path or dotted name of a module"):
        find_functions(3)


def test_parameters_are_a_dict(write):
    found = find_functions(write(SOURCE.replace('{"train_batch_size": 64}', "3")))
    with pytest.raises(UserModuleError, match=r"`estimator_params\(\)` of 'my_model' must return"):
        found.read_params()
