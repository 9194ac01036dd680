"""TPUEstimator: an Estimator that also runs on TPU cores, GPUs and virtual devices."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable
from typing import Any, cast

from tfx_tpu_estimator.config import arguments, unsupported
from tfx_tpu_estimator.config.arguments import ExportSavedModelApiVersion
from tfx_tpu_estimator.config.embedding import EmbeddingConfigSpec
from tfx_tpu_estimator.config.embedding_plan import (
    EmbeddingPlan,
    resolve_embedding,
    validate_embedding,
)
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.estimator import Estimator
from tfx_tpu_estimator.execution.host_graph import HostModel
from tfx_tpu_estimator.export.saved_model import ExportTargets
from tfx_tpu_estimator.modes import ALL_MODES
from tfx_tpu_estimator.runs.host import HostRunner
from tfx_tpu_estimator.runs.requests import Runner
from tfx_tpu_estimator.runs.tpu import TpuModel, TpuRunner
from tfx_tpu_estimator.specs import ModeKeys

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

    def _host_model(self) -> HostModel:
        model = super()._host_model()
        return dataclasses.replace(model, for_tpu=True, embedding=self._embedding)

    def _create_runners(self) -> dict[str, Runner]:
        host = HostRunner(self._host_model(), self._batch_sizes)
        if not self._use_tpu:
            return dict.fromkeys(ALL_MODES, host)
        model = TpuModel(
            model_fn=self._model_fn,
            params=self._params,
            config=cast(RunConfig, self._config),
            batch_sizes=self._batch_sizes,
            batch_axis=self._batch_axis,
            embedding=self._embedding,
        )
        runners: dict[str, Runner] = dict.fromkeys(ALL_MODES, TpuRunner(model))
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
