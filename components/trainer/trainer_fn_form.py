"""Runs a module's `trainer_fn` as the standard Trainer did while TensorFlow had an estimator."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfx import types
from tfx.components.trainer import fn_args_utils
from tfx.dsl.io import fileio
from tfx.utils import io_utils, path_utils

from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.inputs.schema import read_schema
from tfx_tpu_estimator.training.train_and_evaluate import train_and_evaluate
from tfx_tpu_estimator.training.train_eval_specs import EvalSpec, TrainSpec

from ..constants import SAVED_MODEL_FILE
from ..data_errors import explain_data_errors
from ..eval_export import warn_of_eval_export
from ..legacy_module import legacy_imports
from ..user_module import TRAINER_FN, UserModule
from .functions_form import TrainedModel
from .inputs import TrainerInputs
from .run_fn_form import find_global_step, make_fn_args

_logger = logging.getLogger(__name__)

_WANTED = {"estimator": Estimator, "train_spec": TrainSpec, "eval_spec": EvalSpec}
_EVAL_RECEIVER = "eval_input_receiver_fn"


def train_trainer_fn(
    module: UserModule,
    inputs: TrainerInputs,
    input_dict: Mapping[str, Sequence[types.Artifact]],
    exec_properties: Mapping[str, Any],
    model_uri: str,
    checkpoint_dir: str,
) -> TrainedModel:
    """Runs the trainer_fn form.

    `trainer_fn(fn_args, schema)` returns the estimator and the specs; they go to
    `train_and_evaluate`, and the newest export of its exporters becomes the model.

    Args:
        module: The user's module.
        inputs: The resolved inputs.
        input_dict: Artifacts, as the executor got them.
        exec_properties: Properties, as the executor got them.
        model_uri: The Model artifact's directory.
        checkpoint_dir: Durable directory. `fn_args.serving_model_dir`, which such modules give to
            RunConfig as `model_dir`, is a directory in it: a retry goes on from its checkpoints.

    Raises:
        UserModuleError: If `trainer_fn` does not return what it must.
        RuntimeError: If no exporter has exported a model.
        DataCorruptionError: If the run failed on its data and a file cannot be read.
    """
    fn_args = make_fn_args(inputs, input_dict, exec_properties, checkpoint_dir)
    fn_args.serving_model_dir = path_utils.serving_model_dir(checkpoint_dir)
    fn_args.eval_model_dir = path_utils.eval_model_dir(checkpoint_dir)
    with legacy_imports(module.source), explain_data_errors(inputs.train, inputs.evaluation):
        training = _call_trainer_fn(module, fn_args)
        estimator = training["estimator"]
        _warn_of_other_model_dir(estimator, checkpoint_dir)
        metrics, exports = train_and_evaluate(
            estimator, training["train_spec"], training["eval_spec"]
        )
    if training.get(_EVAL_RECEIVER) is not None:
        warn_of_eval_export()
    exported = _find_newest_export(estimator.model_dir, exports, module.label)
    serving_dir = path_utils.serving_model_dir(model_uri)
    _copy_whole(exported, serving_dir)
    _logger.info("The model is %s.", exported)
    return TrainedModel(
        metrics=metrics or {},
        global_step=find_global_step(serving_dir, estimator.model_dir),
        program=None,
    )


def _call_trainer_fn(module: UserModule, fn_args: fn_args_utils.FnArgs) -> Mapping[str, Any]:
    schema = read_schema(fn_args.schema_path) if fn_args.schema_path else None
    trainer_fn = module.functions[TRAINER_FN]
    try:
        inspect.signature(trainer_fn).bind(fn_args, schema)
    except TypeError as error:
        raise UserModuleError(
            f"`trainer_fn` of module {module.label!r} must take (fn_args, schema); its signature "
            f"is trainer_fn{inspect.signature(trainer_fn)}."
        ) from error
    training = trainer_fn(fn_args, schema)
    if not isinstance(training, Mapping):
        raise UserModuleError(
            f"`trainer_fn` of module {module.label!r} must return a dict with "
            f"{', '.join(_WANTED)}; it returned {training!r}."
        )
    for key, wanted in _WANTED.items():
        if not isinstance(training.get(key), wanted):
            raise UserModuleError(
                f"`trainer_fn` of module {module.label!r} must return {key!r}: a "
                f"tf.estimator.{wanted.__name__}; got {training.get(key)!r} and the keys "
                f"{sorted(map(str, training))}."
            )
    return training


def _warn_of_other_model_dir(estimator: Any, checkpoint_dir: str) -> None:
    inside = os.path.join(os.path.abspath(checkpoint_dir), "")
    if not os.path.join(os.path.abspath(estimator.model_dir), "").startswith(inside):
        _logger.warning(
            "The estimator's `model_dir` is %s: its checkpoints and events will not be in "
            "`model_run`. Give RunConfig `model_dir=fn_args.serving_model_dir`.",
            estimator.model_dir,
        )


def _find_newest_export(model_dir: str, exports: Sequence[Any], label: str) -> str:
    """Returns the newest export of this run's end, else of those below `<model_dir>/export`."""
    found = [os.fsdecode(path) for path in exports or () if path]
    if not found:
        pattern = os.path.join(model_dir, "export", "*", "*", SAVED_MODEL_FILE)
        found = [os.path.dirname(os.fsdecode(path)) for path in fileio.glob(pattern)]
    versions = [path for path in found if _read_version(path) is not None]
    if not versions:
        raise RuntimeError(
            f"`trainer_fn` of {label!r} has trained, but no exporter has exported a model to "
            f"{os.path.join(model_dir, 'export')}. Give the EvalSpec an exporter: "
            "tf.estimator.FinalExporter('name', serving_input_receiver_fn)."
        )
    return max(versions, key=lambda path: (_read_version(path), path))


def _read_version(path: str) -> int | None:
    name = os.path.basename(os.path.normpath(path))
    return int(name) if name.isdecimal() else None


def _copy_whole(source: str, target: str) -> None:
    """Copies aside and renames, so that `target` is whole or is not there."""
    partial = f"{target}.partial"
    io_utils.copy_dir(source, partial)
    fileio.rename(partial, target)
