"""Options that `train`, `predict` and `export` share, and how they become a program."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import click

from tfx_tpu_estimator.cli.common_options import count_option
from tfx_tpu_estimator.cli.compile_options import ParameterType
from tfx_tpu_estimator.cli.option_names import replace_arguments, spell_options
from tfx_tpu_estimator.execution.device import NUM_CORES_VARIABLE

# Names of the Python API, and those of the options.
_RENAMED = {
    "predict_files": "--files",
    "params": "--param",
    "predict_keys": "--key",
    "checkpoint_path": "--checkpoint",
    "export_dir_base": "--export-dir",
    "seed": "--seed",
    "schema_path": "--schema",
    **{f"params['{name}_files']": f"--{name}-files" for name in ("train", "eval")},
    "params['predict_files']": "--files",
    **spell_options(
        "train_files", "eval_files", "label_key", "train_batch_size", "eval_batch_size",
        "predict_batch_size", "max_steps", "eval_steps", "save_checkpoints_steps", "use_tpu",
        "model_dir", "schema",
    ),
}  # fmt: skip


class HyperparametersType(ParameterType):
    """KEY=VALUE, or a JSON object of several; a dict either way."""

    name = "KEY=VALUE|JSON"

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if isinstance(value, dict):  # converted already
            return value
        if not value.lstrip().startswith(("{", "[")):
            return dict([super().convert(value, param, ctx)])
        try:
            given = json.loads(value)
        except ValueError as error:
            self.fail(f"is no JSON object: {error}; got {value!r}.", param, ctx)
        if not isinstance(given, dict):
            self.fail(f"is no JSON object; got {value!r}.", param, ctx)
        return given


_SHARED = (
    click.argument("module", type=click.Path()),
    click.option(
        "--model-dir",
        required=True,
        type=click.Path(file_okay=False),
        help="Directory of the checkpoints.",
    ),
    click.option(
        "--schema",
        type=click.Path(exists=True, dir_okay=False),
        help="Schema from which functions are built that MODULE lacks; needs --label-key.",
    ),
    click.option("--label-key", help="The schema's feature that is the label."),
    click.option(
        "--param",
        "--params",
        "params",
        type=HyperparametersType(),
        multiple=True,
        help="An entry of `params`, VALUE as JSON, else as text; or several as a JSON object. May "
        "be given several times.",
    ),
    click.option("-q", "--quiet", is_flag=True, help="On the standard error only warnings."),
    click.option(
        "--traceback", is_flag=True, help="With an error also where in the code it came up."
    ),
)
_DEVICES = (
    click.option(
        "--use-tpu/--no-use-tpu",
        default=None,
        help="Run on TPU cores, else GPUs, else virtual cores of this machine; or in a TensorFlow "
        "session. Default: that of estimator_params(), else --no-use-tpu.",
    ),
    count_option(
        "--num-cores",
        "Virtual cores for --use-tpu on a machine without an accelerator. Default: 8.",
    ),
)


def shared_options(function: Callable) -> Callable:
    """Adds MODULE and the options that all three commands have."""
    for add in reversed(_SHARED):
        function = add(function)
    return function


def device_options(function: Callable) -> Callable:
    """Adds --use-tpu and --num-cores."""
    for add in reversed(_DEVICES):
        function = add(function)
    return function


def load_program(values: Mapping[str, Any], options: Mapping[str, Any], **data: Any) -> Any:
    """Loads the module of a command line.

    Args:
        values: The shared options, by name.
        options: Options of TPUEstimatorOptions; those that are None are left out.
        **data: Fields of DataFiles.

    Returns:
        A ModuleProgram.

    Raises:
        ValueError: As `build_program` does, or cores are asked for that nothing uses.
    """
    cores = values.get("num_cores")
    if cores is not None:
        os.environ[NUM_CORES_VARIABLE] = str(cores)
    api = importlib.import_module("tfx_tpu_estimator.module_program.program")
    chosen = {**options, "label_key": values["label_key"], "use_tpu": values.get("use_tpu")}
    program = api.build_program(
        values["module"],
        {key: value for key, value in chosen.items() if value is not None},
        api.DataFiles(schema_path=values["schema"], **data),
        {key: value for given in values["params"] for key, value in given.items()},
    )
    if cores is not None and not program.options.use_tpu:
        raise ValueError("`--num-cores` says how many devices there are: give `--use-tpu` too.")
    return program


def name_program_options(message: str) -> str:
    """Returns an error of the Python API with the names of options in the place of arguments.

    Example:
        >>> name_program_options("`eval_files`: the pattern 'x' matches no file")
        "`--eval-files`: the pattern 'x' matches no file"
    """
    return replace_arguments(message, _RENAMED)
