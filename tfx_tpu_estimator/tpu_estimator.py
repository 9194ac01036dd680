"""TPUEstimator: an Estimator that also runs on TPU cores, GPUs and virtual devices."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

from tfx_tpu_estimator.config import arguments, unsupported
from tfx_tpu_estimator.config.arguments import ExportSavedModelApiVersion
from tfx_tpu_estimator.config.embedding import EmbeddingConfigSpec
from tfx_tpu_estimator.config.embedding_plan import (
    EmbeddingPlan,
    resolve_embedding,
    validate_embedding,
)
from tfx_tpu_estimator.config.preflight import DEFAULT_TIMEOUT_SECS
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.execution.host_graph import HostModel
from tfx_tpu_estimator.export.saved_model import ExportTargets
from tfx_tpu_estimator.modes import ALL_MODES
from tfx_tpu_estimator.runs.host import HostRunner
from tfx_tpu_estimator.runs.requests import Runner
from tfx_tpu_estimator.runs.tpu import TpuModel, TpuRunner
from tfx_tpu_estimator.specs import ModeKeys

if TYPE_CHECKING:
    from tfx_tpu_estimator.compile_check.report import CompileReport

_logger = logging.getLogger(__name__)


class TPUEstimator(Estimator):
    """Runs a TPUEstimator model_fn: the API of `tf.compat.v1.estimator.tpu.TPUEstimator`.

    With `use_tpu` the model_fn is lowered to one XLA program that runs on every TPU core, GPU or
    virtual CPU device at once; without, it runs as a plain graph on TensorFlow's own kernels.
    Arguments whose feature is not in this release are checked and refused, never ignored.

    Args:
      model_fn: `model_fn(features, labels, mode, params[, config])` returning a `TPUEstimatorSpec`
        or `EstimatorSpec`. `features` and `params` are required of its signature.
      model_dir: Directory of checkpoints and event files. Default: the one of `config`, else a
        new temporary directory.
      config: A `RunConfig`. Required.
      params: Hyperparameters, a dict; input_fn and model_fn get a copy with `batch_size` added.
      use_tpu: Whether to run on TPU cores: on those of this host, else on its GPUs, else on virtual
        CPU devices, whose number TPUConfig.num_shards or the environment variable
        TFX_TPU_ESTIMATOR_NUM_CORES says (default 8).
      train_batch_size: Global batch size for training, an int > 0; seen as params['batch_size'].
        Required when `use_tpu`.
      eval_batch_size: The same for evaluation.
      predict_batch_size: The same for prediction.
      batch_axis: Along which dimension each input tensor is split over cores; no effect when
        `use_tpu` is False.
      eval_on_tpu: Whether evaluation follows `use_tpu`; no effect when `use_tpu` is False.
      export_to_tpu: Whether an export holds the metagraph {serve, tpu}.
      export_to_cpu: Whether an export holds the metagraph {serve}.
      warm_start_from: A checkpoint or SavedModel path, or `WarmStartSettings`; used when
        `model_dir` has no checkpoint yet.
      embedding_config_spec: An `EmbeddingConfigSpec`: embeddings whose tables are divided over the
        cores. With `use_tpu=False` they are ordinary variables.
      export_saved_model_api_version: V1 (1): the runtime puts the model_fn on the TPU when
        exporting. V2 (2): the model_fn does so itself when params['use_tpu'].

    Raises:
      ValueError: An argument is wrong; the message names it and says what is allowed.
      TypeError: An argument is of the wrong type.
      FeatureNotAvailableError: An argument asks for what this release does not have.

    Example:
      estimator = TPUEstimator(
          model_fn, model_dir="runs/m", config=RunConfig(), use_tpu=False, train_batch_size=64)
      estimator.train(input_fn, max_steps=1000)
      estimator.evaluate(eval_input_fn)
    """

    def __init__(
        self,
        model_fn: Callable | None = None,
        model_dir: str | os.PathLike | None = None,
        config: RunConfig | None = None,
        params: dict | None = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        batch_axis: tuple[int, ...] | None = None,
        eval_on_tpu: bool = True,
        export_to_tpu: bool = True,
        export_to_cpu: bool = True,
        warm_start_from: Any = None,
        embedding_config_spec: Any = None,
        export_saved_model_api_version: int | ExportSavedModelApiVersion = (
            ExportSavedModelApiVersion.V1
        ),
    ):
        config = arguments.validate_config(config)
        arguments.validate_params(params)
        arguments.validate_batch_sizes(
            use_tpu, train_batch_size, eval_batch_size, predict_batch_size
        )
        arguments.validate_batch_axis(batch_axis)
        arguments.validate_model_parallelism(config)
        api_version = arguments.resolve_export_api_version(export_saved_model_api_version)
        unsupported.refuse_unsupported_config(config)
        self._embedding_spec = embedding_config_spec
        self._embedding = _resolve_embedding(embedding_config_spec, config, use_tpu, eval_on_tpu)
        if use_tpu:
            unsupported.refuse_device_fn(config)
        if use_tpu and not eval_on_tpu:
            unsupported.refuse_host_evaluation(config)
        if not use_tpu and not eval_on_tpu:
            _logger.warning("`eval_on_tpu` has no effect with use_tpu=False.")
        self._batch_sizes = {
            ModeKeys.TRAIN: train_batch_size,
            ModeKeys.EVAL: eval_batch_size,
            ModeKeys.PREDICT: predict_batch_size,
        }
        self._batch_axis = batch_axis
        self._use_tpu = use_tpu
        self._eval_on_tpu = eval_on_tpu
        super().__init__(model_fn, model_dir, config, params, warm_start_from)
        self._export_targets = ExportTargets(
            to_cpu=export_to_cpu,
            to_tpu=export_to_tpu,
            wrap_tpu=api_version is ExportSavedModelApiVersion.V1,
        )

    @property
    def num_replicas(self) -> int:
        """How many replicas train the model; with `use_tpu` this looks for the devices."""
        return self._runners[ModeKeys.TRAIN].num_replicas

    def compile_check(
        self,
        *,
        topologies: Sequence[str] | str,
        train_input_fn: Callable | None = None,
        eval_input_fn: Callable | None = None,
        predict_input_fn: Callable | None = None,
        serving_input_receiver_fn: Callable | None = None,
        programs: Sequence[str] | None = None,
        serving_batch_size: int | None = None,
        search_batch: bool = False,
        timeout_secs: float = DEFAULT_TIMEOUT_SECS,
        cache_dir: str | os.PathLike | None = None,
        use_cache: bool = True,
        progress: Callable[[Any], None] | None = None,
        name: str | None = None,
    ) -> CompileReport:
        """Compiles the model's programs for TPUs that need not be there.

        Batch sizes, `params` and `config` are those of this estimator, whatever its `use_tpu`; the
        cores are those of each topology. Programs whose function is not given are left out. Needs
        libtpu: `pip install 'tfx-tpu-estimator[tpu]'`.

        Args:
          topologies: For which TPUs: a name such as `v5e:2x2`, or several.
          train_input_fn: As for `train`; it is called, and nothing is read.
          eval_input_fn: As for `evaluate`.
          predict_input_fn: As for `predict`. Default: `eval_input_fn`, less its labels.
          serving_input_receiver_fn: As for `export_saved_model`.
          programs: Some of `train`, `eval`, `predict` and `serving`. Default: all there are.
          serving_batch_size: Examples of a request. Default: those of a core in prediction.
          search_batch: Whether to search for the largest batch per core that fits, with at most
            six more compiles of each program.
          timeout_secs: Of one compile.
          cache_dir: Where results of compiles are kept. Default: the user's cache directory.
          use_cache: Whether results of before are used.
          progress: Called with an `Event` when there is news, several times a second.
          name: Of the model, for the report. Default: that of the model_fn.

        Returns:
          The report; its `ok` says whether all programs compile and fit.

        Raises:
          ValueError: A topology or program is unknown, or a function that is needed is missing.
          CompilerMissingError: libtpu is not installed; a RuntimeError.

        Example:
          report = estimator.compile_check(topologies="v5e:2x2", train_input_fn=train_input_fn)
          print(report.ok, report.programs[0].peak_bytes)
        """
        # Only here: nobody else needs any of it.
        from tfx_tpu_estimator.compile_check.check import check_model
        from tfx_tpu_estimator.compile_check.options import CheckInputs, make_options

        options = make_options(
            topologies,
            programs=programs,
            serving_batch_size=serving_batch_size,
            search_batch=search_batch,
            timeout_secs=timeout_secs,
            cache_dir=cache_dir,
            use_cache=use_cache,
        )
        inputs = CheckInputs(
            train_input_fn=train_input_fn,
            eval_input_fn=eval_input_fn,
            predict_input_fn=predict_input_fn,
            serving_input_receiver_fn=serving_input_receiver_fn,
        )
        label = name or getattr(self._model_fn, "__name__", type(self).__name__)
        return check_model(label, self._tpu_model(), inputs, options, progress)

    def _before_training(self, input_fn: Callable) -> None:
        """Compiles the training program where the configuration asks for that.

        Raises:
          CompileCheckError: It does not compile, or does not fit.
        """
        preflight = cast(RunConfig, self._config).compile_preflight
        if preflight is None or not self._runners[ModeKeys.TRAIN].is_chief:
            return
        from tfx_tpu_estimator.compile_check.preflight import LogProgress, require_ok

        require_ok(
            self.compile_check(
                topologies=preflight.topologies,
                train_input_fn=input_fn,
                programs=["train"],
                timeout_secs=preflight.timeout_secs,
                cache_dir=preflight.cache_dir,
                progress=LogProgress(),
            )
        )

    def _tpu_model(self) -> TpuModel:
        """The model as runs on devices take it."""
        config = cast(RunConfig, self._config)
        embedding = self._embedding
        if embedding is None and self._embedding_spec is not None:
            # On the host its columns look up by themselves.
            embedding = _resolve_embedding(self._embedding_spec, config, True, True)
        return TpuModel(
            model_fn=self._model_fn,
            params=self._params,
            config=config,
            batch_sizes=self._batch_sizes,
            batch_axis=self._batch_axis,
            embedding=embedding,
        )

    # Programs of the old class set these two before an export, for servers without a TPU.
    @property
    def _export_to_tpu(self) -> bool:
        return self._export_targets.to_tpu

    @_export_to_tpu.setter
    def _export_to_tpu(self, value: bool) -> None:
        self._export_targets = dataclasses.replace(self._export_targets, to_tpu=value)

    @property
    def _export_to_cpu(self) -> bool:
        return self._export_targets.to_cpu

    @_export_to_cpu.setter
    def _export_to_cpu(self, value: bool) -> None:
        self._export_targets = dataclasses.replace(self._export_targets, to_cpu=value)

    def _host_model(self) -> HostModel:
        model = super()._host_model()
        return dataclasses.replace(model, for_tpu=True, embedding=self._embedding)

    def _create_runners(self) -> dict[str, Runner]:
        host = HostRunner(self._host_model(), self._batch_sizes)
        if not self._use_tpu:
            return dict.fromkeys(ALL_MODES, host)
        runners: dict[str, Runner] = dict.fromkeys(ALL_MODES, TpuRunner(self._tpu_model()))
        return runners if self._eval_on_tpu else {**runners, ModeKeys.EVAL: host}


def _resolve_embedding(
    spec: EmbeddingConfigSpec | None, config: RunConfig, use_tpu: bool, eval_on_tpu: bool
) -> EmbeddingPlan | None:
    """Checks the constructor's `embedding_config_spec` and works it out, if there is one."""
    if spec is None:
        return None
    validate_embedding(
        spec,
        pipeline=config.tpu_config.per_host_input_for_training,
        use_tpu=use_tpu,
        eval_on_tpu=eval_on_tpu,
    )
    # On a host columns look up by themselves, ordinary ones included.
    return resolve_embedding(spec) if use_tpu or spec.feature_to_config_dict else None
