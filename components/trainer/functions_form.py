"""Trains, evaluates and exports a module of plain functions."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf
from tfx.dsl.io import fileio

from tfx_tpu_estimator.checkpoints import layout
from tfx_tpu_estimator.errors import ExportError
from tfx_tpu_estimator.tpu_estimator import TPUEstimator

from ..data_errors import explain_data_errors
from ..examples import SplitFiles, check_tf_examples
from ..runtime import (
    Program,
    build_program,
    check_receiver,
    count_eval_steps,
    count_steps,
    create_estimator,
    resolve_eval_input_fn,
    resolve_receiver_fn,
    resolve_train_input_fn,
)
from ..transformed_examples import check_transformed
from ..user_module import ModuleForm, UserModule
from .inputs import TrainerInputs

_logger = logging.getLogger(__name__)

_EXPORT_BASE = ".export"
_PASS_ENDED = "pass_ended"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """What training produced.

    Attributes:
        metrics: Result of the final evaluation, by name.
        global_step: Step of the exported checkpoint; None where the model has none.
        program: The program that ran; None for the run_fn form.
        replicas: How many replicas trained it; None for the run_fn form.
    """

    metrics: Mapping[str, Any]
    global_step: int | None
    program: Program | None
    replicas: int | None = None


def train_functions(
    module: UserModule,
    inputs: TrainerInputs,
    checkpoint_dir: str,
    serving_dir: str,
    *,
    exports: bool = True,
) -> TrainedModel:
    """Runs the plain-functions form from the latest checkpoint, if there is one.

    Args:
        module: The user's module.
        inputs: Data, options and configuration.
        checkpoint_dir: Durable directory of checkpoints and events.
        serving_dir: Where the SavedModel has to be; must not exist.
        exports: Whether this process exports the model; of several only the chief does.

    Raises:
        UserModuleError: If a function is missing that cannot be built from the schema.
        DataCorruptionError: If a file of examples cannot be read.
        SchemaMismatchError: If an example does not match the schema.
        ExportError: If the model cannot be written; nothing of it remains.
    """
    # 1. Everything that can be refused without touching the data.
    program = build_program(module, inputs.options, inputs.data, inputs.custom_config)
    train_input_fn = resolve_train_input_fn(program)
    eval_input_fn = resolve_eval_input_fn(program)
    receiver_fn = resolve_receiver_fn(program)
    check_receiver(program, receiver_fn)
    if program.uses_schema_input:
        _check_examples(program, inputs)
    estimator = create_estimator(program, checkpoint_dir, warm_start=True)
    # 2. Train and evaluate.
    with _explain(program, inputs.train, "train_input_fn"):
        _train(estimator, program, train_input_fn, inputs)
    with _explain(program, inputs.evaluation, "eval_input_fn"):
        metrics = estimator.evaluate(
            eval_input_fn, steps=count_eval_steps(program, inputs.evaluation)
        )
    # 3. Export.
    checkpoint = layout.resolve_checkpoint(checkpoint_dir, None)
    if exports:
        _export(estimator, receiver_fn, checkpoint, serving_dir)
    return TrainedModel(
        metrics=metrics,
        global_step=layout.read_global_step(checkpoint),
        program=program,
        replicas=estimator.num_replicas,
    )


def count_epochs(module: UserModule, inputs: TrainerInputs) -> TrainerInputs:
    """Says the steps of so many passes over the examples, where `epochs` are asked for.

    Args:
        module: The user's module; other forms than plain functions know no `epochs`.
        inputs: The inputs of the execution.

    Returns:
        The inputs, with `data.train_steps`: all that look at it later see the same number.

    Raises:
        ValueError: If the number of steps is given too.
    """
    if module.form is not ModuleForm.FUNCTIONS:
        return inputs
    program = build_program(module, inputs.options, inputs.data, inputs.custom_config)
    epochs = program.options.epochs
    if epochs is None:
        return inputs
    if inputs.data.train_steps is not None:
        raise ValueError(
            f"`options.epochs` is {epochs} and `train_args.num_steps` is "
            f"{inputs.data.train_steps}; give one of them."
        )
    steps = count_steps(inputs.train, program.options.train_batch_size, epochs)
    _logger.info("%d passes over the examples are %d steps.", epochs, steps)
    return dataclasses.replace(inputs, data=dataclasses.replace(inputs.data, train_steps=steps))


def _check_examples(program: Program, inputs: TrainerInputs) -> None:
    """Checks that examples can be what a schema-built input function reads."""
    check_tf_examples(inputs.train, "an input function is built from the schema")
    if inputs.data.transform_graph_path is not None:
        # Both have been checked with the input functions.
        assert program.examples_schema_path is not None
        assert program.options.label_key is not None
        for files in (inputs.train, inputs.evaluation):
            check_transformed(files, program.examples_schema_path, program.options.label_key)


def _explain(program: Program, files: SplitFiles, name: str):
    return explain_data_errors(
        files,
        schema_path=program.examples_schema_path,
        label_key=program.options.label_key,
        parsed_by_schema=program.module.get(name) is None,
    )


def _train(
    estimator: TPUEstimator, program: Program, input_fn: Callable, inputs: TrainerInputs
) -> None:
    _log_start(estimator)
    max_steps = inputs.data.train_steps
    if max_steps is None and program.module.get("train_input_fn") is None:
        # The schema's input repeats for ever: one pass has to be counted.
        max_steps = count_steps(inputs.train, program.options.train_batch_size)
        _logger.info("One pass over the examples is %d steps.", max_steps)
    if max_steps is None and program.options.use_tpu:
        raise ValueError(
            "`train_args.num_steps` must be given with `use_tpu=True` and a `train_input_fn` of "
            "the module's own: devices have to be told when to stop."
        )
    # A pass that was interrupted goes on where it was. That one has ended no number of steps tells.
    ended = os.path.join(estimator.model_dir, _PASS_ENDED)
    if max_steps is None and fileio.exists(ended):
        _logger.info("The pass over the examples has ended before.")
        return
    estimator.train(input_fn, max_steps=max_steps)
    if max_steps is None:
        with fileio.open(ended, "w") as file:
            file.write("")


def _log_start(estimator: TPUEstimator) -> None:
    checkpoint = estimator.latest_checkpoint()
    if checkpoint is not None:
        step = layout.read_global_step(checkpoint)
        _logger.info("Resuming training from step %d (%s).", step, checkpoint)


def _export(
    estimator: TPUEstimator, receiver_fn: Callable, checkpoint: str, serving_dir: str
) -> None:
    """Exports aside and renames, so that `serving_dir` is whole or is not there."""
    base = os.path.join(os.path.dirname(serving_dir), _EXPORT_BASE)
    try:
        exported = os.fsdecode(
            estimator.export_saved_model(base, receiver_fn, checkpoint_path=checkpoint)
        )
        fileio.rename(exported, serving_dir)
    except tf.errors.OpError as error:
        raise ExportError(
            f"the model cannot be written to {serving_dir}: {error.message}"
        ) from error
    finally:
        if fileio.exists(base):
            fileio.rmtree(base)
