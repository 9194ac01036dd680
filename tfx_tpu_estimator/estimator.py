"""Estimator: trains, evaluates, predicts with and exports a model_fn."""

from __future__ import annotations

import copy
import itertools
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from tfx_tpu_estimator.checkpoints import layout
from tfx_tpu_estimator.checkpoints.initial_values import ModelInitialValues
from tfx_tpu_estimator.checkpoints.warm_start import WarmStartSettings, resolve_warm_start
from tfx_tpu_estimator.config import arguments, run_arguments, unsupported
from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.overrides import HiddenMember, refuse_overrides
from tfx_tpu_estimator.execution.host_graph import HostModel
from tfx_tpu_estimator.execution.host_predict import split_batch
from tfx_tpu_estimator.export.extra_assets import validate_assets_extra
from tfx_tpu_estimator.export.saved_model import (
    ExportTargets,
    resolve_receivers,
    validate_base,
    validate_receiver_fn,
    write_saved_model,
)
from tfx_tpu_estimator.inputs.position import remove_position
from tfx_tpu_estimator.lowering.model_fn import validate_model_fn
from tfx_tpu_estimator.modes import ALL_MODES
from tfx_tpu_estimator.runs.host import HostRunner
from tfx_tpu_estimator.runs.requests import EvaluateRequest, PredictRequest, Runner, TrainRequest
from tfx_tpu_estimator.specs import ModeKeys
from tfx_tpu_estimator.summaries.event_writer import write_evaluation
from tfx_tpu_estimator.summaries.progress import Progress

if TYPE_CHECKING:
    from typing_extensions import Self

_logger = logging.getLogger(__name__)

# Members that subclasses may replace: what is built, and which checkpoint is taken.
_OVERRIDABLE = ("model_fn", "latest_checkpoint")


class Estimator:
    """Runs a model_fn on this host: the API of `tf.estimator.Estimator`.

    The model_fn runs as a plain graph on TensorFlow's own kernels. `TPUEstimator` is the subclass
    that runs it on TPU cores, GPUs or several virtual devices. Subclasses may add members, and a
    constructor of their own; the public members below cannot be overridden.

    Args:
      model_fn: `model_fn(features[, labels][, mode][, params][, config])` returning an
        `EstimatorSpec`. Arguments are given by name; only `features` is required.
      model_dir: Directory of checkpoints and event files. Default: the one of `config`, else a
        new temporary directory.
      config: A `BaseRunConfig` or `RunConfig`. Default: `BaseRunConfig()`.
      params: Hyperparameters, a dict or any object; input_fn and model_fn get a copy of it.
      warm_start_from: A checkpoint or SavedModel path, or `WarmStartSettings`; used when
        `model_dir` has no checkpoint yet.

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.
      FeatureNotAvailableError: The configuration asks for what there is not; the message says
        what to do instead.

    Example:
      estimator = Estimator(model_fn, model_dir="runs/m", params={"learning_rate": 0.1})
      estimator.train(input_fn, steps=1000)
      estimator.evaluate(eval_input_fn)
    """

    def __init__(
        self,
        model_fn: Callable | None = None,
        model_dir: str | os.PathLike | None = None,
        config: BaseRunConfig | None = None,
        params: Any = None,
        warm_start_from: Any = None,
    ):
        refuse_overrides(type(self), Estimator, _OVERRIDABLE)
        config = arguments.resolve_config(config)
        unsupported.refuse_strategies(config)
        self._model_fn = validate_model_fn(model_fn, params)
        self._warm_start = resolve_warm_start(warm_start_from)
        self._params = {} if params is None else copy.deepcopy(params)
        self._config = _with_model_dir(config, model_dir)
        self._runners: dict[str, Runner] = self._create_runners()
        self._export_targets = ExportTargets()

    @property
    def config(self) -> BaseRunConfig:
        """A copy of the configuration, with `model_dir` set."""
        return copy.deepcopy(self._config)

    @property
    def params(self) -> Any:
        """A deep copy of the hyperparameters."""
        return copy.deepcopy(self._params)

    @property
    def model_dir(self) -> str:
        """The directory of checkpoints and event files."""
        return str(self._config.model_dir)

    @property
    def model_fn(self) -> Callable:
        """The model_fn bound to the params: `fn(features, labels, mode, config)`."""

        def public_model_fn(features, labels, mode, config):
            return self._host_model().call(features, labels, mode, self.params, config)

        return public_model_fn

    def train(
        self,
        input_fn: Callable,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        steps: int | None = None,
        max_steps: int | None = None,
        saving_listeners: Sequence[tf.compat.v1.train.CheckpointSaverListener] | None = None,
    ) -> Self:
        """Trains the model, from the latest whole checkpoint of `model_dir` if there is one.

        Args:
          input_fn: `input_fn(params)` returning a tf.data.Dataset of (features, labels), or the
            tensors of one batch. `mode` and `config` are given to it if it names them.
          hooks: SessionRunHooks, called at every step.
          steps: Steps to run in this call.
          max_steps: Global step to stop at; nothing runs when the checkpoint is already there.
            With neither, training goes on to the end of the input.
          saving_listeners: CheckpointSaverListeners, called around every save.

        Returns:
          This estimator.

        Raises:
          ValueError: `steps` and `max_steps` are both given or not positive; the input is empty;
            listeners are given and nothing saves checkpoints; the checkpoint does not fit the
            model_fn, or all of `model_dir` are corrupt.
          TypeError: A hook or listener is of the wrong type.
          NanLossError: The loss became NaN.
        """
        runner = self._runners[ModeKeys.TRAIN]
        run_arguments.validate_train_steps(steps, max_steps, runner.on_devices)
        hooks = run_arguments.validate_hooks(hooks)
        listeners = run_arguments.validate_saving_listeners(saving_listeners)
        run_arguments.validate_training_task(self._config, runner.on_devices)
        checkpoint = self.latest_checkpoint()
        start = layout.read_global_step(checkpoint) if checkpoint else 0
        if max_steps is not None and start >= max_steps:
            _logger.info("Skipping training: max_steps %d is already saved.", max_steps)
            # A kill may have come between the last save and the end.
            if checkpoint and start == max_steps:
                remove_position(checkpoint)
            return self
        target = max_steps if max_steps is not None else (start + steps if steps else None)
        self._before_training(input_fn)
        runner.train(
            TrainRequest(
                input_fn=input_fn,
                hooks=hooks,
                listeners=listeners,
                start=start,
                target=target,
                checkpoint=checkpoint,
                warm_start=self._warm_start,
            )
        )
        return self

    def evaluate(
        self,
        input_fn: Callable,
        steps: int | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        name: str | None = None,
    ) -> dict[str, Any]:
        """Evaluates the model.

        Args:
          input_fn: As for `train`.
          steps: Batches to evaluate; None for the whole input.
          hooks: SessionRunHooks.
          checkpoint_path: Prefix of the checkpoint; default: the latest of `model_dir`, or without
            one what `warm_start_from` gives, or what the model_fn loads for every trainable
            variable with `init_from_checkpoint`.
          name: Results go to the event files of `eval_<name>` rather than `eval`.

        Returns:
          Metric values by name, with `loss` (mean over batches) and `global_step`.

        Raises:
          ValueError: `steps` is not positive; there is no checkpoint, or it is corrupt, or does not
            fit the model_fn; the input is empty.
        """
        runner = self._runners[ModeKeys.EVAL]
        run_arguments.validate_eval_steps(steps, runner.on_devices)
        hooks = run_arguments.validate_hooks(hooks)
        checkpoint, warm_start = self._resolve_start(checkpoint_path)
        with Progress("evaluate", steps, unit="batches") as progress:
            results = runner.evaluate(
                EvaluateRequest(
                    input_fn=input_fn,
                    hooks=hooks,
                    steps=steps,
                    checkpoint=checkpoint,
                    warm_start=warm_start,
                    on_step=progress.update,
                )
            )
        if runner.is_chief:
            step = int(results[tf.compat.v1.GraphKeys.GLOBAL_STEP])
            write_evaluation(self.eval_dir(name), results, step, checkpoint)
        _logger.info("Evaluated %s: %s", checkpoint, _describe(results))
        return results

    def predict(
        self,
        input_fn: Callable,
        predict_keys: Sequence[str] | None = None,
        hooks: Sequence[tf.compat.v1.train.SessionRunHook] | None = None,
        checkpoint_path: str | None = None,
        yield_single_examples: bool = True,
    ) -> Iterator[Any]:
        """Yields predictions for the examples of the input, in order.

        Arguments and the checkpoint are checked when this is called, not at the first example.
        Several predictions can be consumed in turns; one left unconsumed costs nothing.

        Args:
          input_fn: `input_fn(params)` returning features, or (features, labels) whose labels are
            dropped. The input must end.
          predict_keys: Keys of `predictions` to keep; None for all.
          hooks: SessionRunHooks.
          checkpoint_path: As for `evaluate`.
          yield_single_examples: Whether to yield examples or whole batches.

        Yields:
          A dict of arrays (an array, if `predictions` is a tensor) per example or per batch.

        Raises:
          ValueError: There is no checkpoint, or it is corrupt, or does not fit the model_fn;
            `predict_keys` does not fit the predictions; outputs
            differ in length while examples are wanted.
        """
        hooks = run_arguments.validate_hooks(hooks)
        checkpoint, warm_start = self._resolve_start(checkpoint_path)
        batches = self._runners[ModeKeys.PREDICT].predict(
            PredictRequest(
                input_fn=input_fn,
                hooks=hooks,
                checkpoint=checkpoint,
                warm_start=warm_start,
                predict_keys=predict_keys,
            )
        )
        if isinstance(warm_start, ModelInitialValues):
            # Whether the model_fn loads values shows when it is called: now, not later.
            batches = itertools.chain(list(itertools.islice(batches, 1)), batches)
        if not yield_single_examples:
            return batches
        return (example for batch in batches for example in split_batch(batch))

    def export_saved_model(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        experimental_mode: str = ModeKeys.PREDICT,
    ) -> bytes:
        """Writes a SavedModel: the metagraph {serve}, and {serve, tpu} of a TPUEstimator.

        No TPU is needed to write it. It is written aside and renamed when it is whole.

        Args:
          export_dir_base: Directory in which `<seconds since 1970>` is made.
          serving_input_receiver_fn: Returns a `ServingInputReceiver` or
            `TensorServingInputReceiver`; another mode than PREDICT needs a
            `SupervisedInputReceiver`.
          assets_extra: {path relative to assets.extra: source file} to copy along.
          as_text: Write the graph as text.
          checkpoint_path: As for `evaluate`.
          experimental_mode: What to call the model_fn with; TRAIN and EVAL give the metagraphs
            {train} and {eval}.

        Returns:
          The path of the export, as bytes.

        Raises:
          ValueError: No receiver function, no such mode, no checkpoint, nothing to export, or an
            extra asset that would leave the export directory.
          FileNotFoundError: A file that the model reads, a vocabulary for example, is missing.
          ExportError: The files could not be written; nothing is left behind.
        """
        validate_receiver_fn(serving_input_receiver_fn)
        return self.experimental_export_all_saved_models(
            export_dir_base,
            {experimental_mode: serving_input_receiver_fn},
            assets_extra,
            as_text,
            checkpoint_path,
        )

    def experimental_export_all_saved_models(
        self,
        export_dir_base: str,
        input_receiver_fn_map: dict[str, Callable],
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
    ) -> bytes:
        """Writes a SavedModel with a metagraph for each of several modes.

        The metagraphs come in the order {train}, {eval}, {serve} and {serve, tpu}; the variables
        are those of the first.

        Args:
          export_dir_base: As for `export_saved_model`.
          input_receiver_fn_map: {value of `ModeKeys`: receiver function}.
          assets_extra: As for `export_saved_model`.
          as_text: As for `export_saved_model`.
          checkpoint_path: As for `export_saved_model`.

        Returns:
          The path of the export, as bytes.

        Raises:
          ValueError: As `export_saved_model` does.
          ExportError: The files could not be written; nothing is left behind.
        """
        return self._export(
            export_dir_base, input_receiver_fn_map, assets_extra, as_text, checkpoint_path
        )

    def _export(
        self, base, receiver_fns, assets_extra, as_text, checkpoint_path, strip_default_attrs=True
    ) -> bytes:
        validate_base(base)
        receiver_fns = resolve_receivers(receiver_fns)
        self._export_targets.validate()
        validate_assets_extra(assets_extra)
        checkpoint = self._find_exported(checkpoint_path)
        path = write_saved_model(
            self._host_model(),
            receiver_fns,
            export_dir_base=os.fsdecode(base),
            checkpoint=checkpoint,
            targets=self._export_targets,
            assets_extra=assets_extra,
            as_text=as_text,
            strip_default_attrs=strip_default_attrs,
        )
        _logger.info("Exported %s to %s", checkpoint, path)
        return os.fsencode(path)

    def export_savedmodel(
        self,
        export_dir_base: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        checkpoint_path: str | None = None,
        strip_default_attrs: bool = False,
    ) -> bytes:
        """The old name of `export_saved_model`; attributes of default value stay in the graph.

        Args:
          export_dir_base: As for `export_saved_model`.
          serving_input_receiver_fn: As for `export_saved_model`.
          assets_extra: As for `export_saved_model`.
          as_text: As for `export_saved_model`.
          checkpoint_path: As for `export_saved_model`.
          strip_default_attrs: Leave out attributes of default value, as `export_saved_model` does.

        Returns:
          The path of the export, as bytes.
        """
        validate_receiver_fn(serving_input_receiver_fn)
        fns, strip = {ModeKeys.PREDICT: serving_input_receiver_fn}, strip_default_attrs
        return self._export(export_dir_base, fns, assets_extra, as_text, checkpoint_path, strip)

    def eval_dir(self, name: str | None = None) -> str:
        """Returns the directory of the event files of evaluations called `name`.

        Args:
          name: As given to `evaluate`.
        """
        return os.path.join(self.model_dir, "eval" if not name else f"eval_{name}")

    def latest_checkpoint(self) -> str | None:
        """Returns the prefix of the latest whole checkpoint of `model_dir`, or None.

        Where the latest is corrupt, the one before it is used, with a warning that names both.

        Raises:
          DataCorruptionError: There are checkpoints, and all are corrupt; a ValueError.
        """
        return layout.find_latest(self.model_dir)

    def get_variable_names(self) -> list[str]:
        """Returns the names of all variables of the latest checkpoint.

        Raises:
          ValueError: There is no checkpoint.
        """
        return layout.list_variables(self._find_checkpoint(None))

    def get_variable_value(self, name: str) -> np.ndarray:
        """Returns the value of a variable of the latest checkpoint.

        Args:
          name: One of `get_variable_names()`.

        Raises:
          ValueError: There is no checkpoint, or no such variable in it.
        """
        return layout.read_variable(self._find_checkpoint(None), name)

    def _find_checkpoint(self, given: str | None) -> str:
        return layout.resolve_checkpoint(self.model_dir, given, lambda _: self.latest_checkpoint())

    def _find_exported(self, given: str | None) -> str:
        """Returns the checkpoint to export: of what was never trained, that of the warm start."""
        if given or self._warm_start is None:
            return self._find_checkpoint(given)
        return self.latest_checkpoint() or self._warm_start.ckpt_to_initialize_from

    def _resolve_start(
        self, given: str | None
    ) -> tuple[str | None, WarmStartSettings | ModelInitialValues | None]:
        """Returns the checkpoint to run, or None, and where values come from without one."""
        checkpoint = self._find_checkpoint(given) if given else self.latest_checkpoint()
        if checkpoint is None and self._warm_start is None:
            return None, ModelInitialValues(self.model_dir)
        return checkpoint, self._warm_start

    def _host_model(self) -> HostModel:
        return HostModel(model_fn=self._model_fn, params=self._params, config=self._config)

    def _with_model_fn(self, model_fn: Callable) -> Self:
        """Returns an estimator that differs from this one in its model_fn only."""
        other = copy.copy(self)
        other._model_fn = model_fn
        other._runners = other._create_runners()
        return other

    def _before_training(self, input_fn: Callable) -> None:
        """Called when a training is about to start; subclasses may refuse it."""

    def _create_runners(self) -> dict[str, Runner]:
        """Returns the runner of each mode."""
        return dict.fromkeys(ALL_MODES, HostRunner(self._host_model(), {}))


class EstimatorV2(Estimator):
    """`Estimator` without the names that TensorFlow 2 had dropped: `tf.estimator.Estimator`.

    Args:
      model_fn: As for `Estimator`.
      model_dir: As for `Estimator`.
      config: As for `Estimator`.
      params: As for `Estimator`.
      warm_start_from: As for `Estimator`.

    Example:
      >>> hasattr(EstimatorV2, "export_savedmodel")
      False
    """

    export_savedmodel = HiddenMember(  # pyright: ignore[reportAssignmentType]
        "`Estimator.export_savedmodel` has been deprecated. Please use `export_saved_model` "
        "instead."
    )


def _with_model_dir(config: BaseRunConfig, model_dir: str | os.PathLike | None) -> BaseRunConfig:
    """Returns `config` with the directory to use: the argument, its own, or a temporary one."""
    chosen = arguments.resolve_model_dir(model_dir, config)
    if chosen is None:
        chosen = tempfile.mkdtemp(prefix="tfx_tpu_estimator_")
        _logger.warning("Using temporary folder as model directory: %s", chosen)
    return config.replace(model_dir=chosen)


def _describe(results: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value:.6g}" if np.ndim(value) == 0 and not isinstance(value, bytes) else name
        for name, value in sorted(results.items())
    )
