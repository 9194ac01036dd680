"""Loads the example modules by their path, as the components load a user's module file."""

import importlib.util
import pathlib
import sys

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"


def load_example(relative_path):
    """The module at examples/<relative_path>, loaded once."""
    name = "example_" + relative_path.removesuffix(".py").replace("/", "_")
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / relative_path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
