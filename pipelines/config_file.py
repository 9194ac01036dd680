"""A pipeline's parameters from a Python file of the user's."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Iterator

from .config import PipelineConfig

FUNCTION = "make_config"


def load_config(path: str, directory: str) -> PipelineConfig:
    """Calls `make_config(directory)` of a Python file.

    Files beside it can be imported by it, as with `python FILE`; also later, by its functions in
    a run and by the processes that a run starts.

    Args:
      path: The file.
      directory: Where a run writes; handed to the function as an absolute path, or as it is if it
        names another file system, as `gs://bucket/path` does.

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: It has no such function, the function returns something else, or its code fails.

    Example:
      run_local(create_pipeline(load_config("taxi_pipeline.py", "out")))
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path!r}.")
    path = os.path.abspath(path)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path!r} is no Python file: its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    folder = os.path.dirname(path)
    sys.path[:] = [folder, *(entry for entry in sys.path if entry != folder)]
    sys.modules.setdefault(name, module)
    with _name_line(path):
        spec.loader.exec_module(module)
    function = getattr(module, FUNCTION, None)
    if not callable(function):
        raise ValueError(
            f"{path!r} has no function `{FUNCTION}(directory)`; define it, returning a "
            "PipelineConfig whose outputs are below `directory`."
        )
    with _name_line(path):
        config = function(directory if "://" in directory else os.path.abspath(directory))
    if not isinstance(config, PipelineConfig):
        raise ValueError(
            f"`{FUNCTION}` of {path!r} must return a PipelineConfig, got {type(config).__name__}."
        )
    return config


@contextlib.contextmanager
def _name_line(path: str) -> Iterator[None]:
    """Makes what a user's file raises a ValueError that names the line; one is passed on."""
    try:
        yield
    except ValueError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename == path]
        place = f" (line {own[-1].lineno}: {own[-1].line})" if own else ""
        raise ValueError(f"{path!r} fails: {type(error).__name__}: {error}{place}") from error
