"""RunConfig: a BaseRunConfig with the settings for TPUs."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfx_tpu_estimator.config.base_run_config import BaseRunConfig
from tfx_tpu_estimator.config.cluster import TaskType
from tfx_tpu_estimator.config.preflight import CompilePreflight, resolve_preflight
from tfx_tpu_estimator.config.tpu_config import TPUConfig

if TYPE_CHECKING:
    from typing_extensions import Self


class RunConfig(BaseRunConfig):
    """The settings of a TPUEstimator that do not concern the model.

    Example:
        >>> config = RunConfig(model_dir="run1", tpu_config=TPUConfig(iterations_per_loop=50))
        >>> config.replace(save_checkpoints_steps=500).tpu_config.iterations_per_loop
        50
    """

    def __init__(
        self,
        tpu_config: TPUConfig | None = None,
        evaluation_master: str | None = None,
        master: str | None = None,
        cluster: Any = None,
        compile_preflight: Any = None,
        **base: Any,
    ):
        """Checks every field and reads TF_CONFIG.

        Args:
            tpu_config: settings for TPUs. Default: TPUConfig().
            evaluation_master: address of the session for evaluation. Default: `master`.
            master: address of the session. Default: from TF_CONFIG, '' (in-process) without it.
            cluster: a cluster resolver; gives `master` and the cluster's addresses.
            compile_preflight: a topology such as 'v5e:2x2', several, or a `CompilePreflight`: a
                training first compiles its program for them, and does not start unless it fits.
                Default None: it does not.
            **base: the fields of `BaseRunConfig`: model_dir, tf_random_seed, save_summary_steps
                (100), save_checkpoints_steps, save_checkpoints_secs (600), session_config,
                keep_checkpoint_max (5), keep_checkpoint_every_n_hours (10000),
                log_step_count_steps (100), train_distribute, device_fn, protocol,
                eval_distribute, experimental_distribute, experimental_max_worker_delay_secs,
                session_creation_timeout_secs (7200), checkpoint_save_graph_def (True).

        Raises:
            ValueError: if a value is not allowed, two contradict each other, or TF_CONFIG does.
            TypeError: if tpu_config, model_dir or TF_CONFIG's service has the wrong type.
        """
        self._tpu_config = _validate_tpu_config(tpu_config)
        self._compile_preflight = resolve_preflight(compile_preflight)
        super().__init__(**base)
        self._cluster = cluster
        if master is not None:
            self._place = dataclasses.replace(self._place, master=master)
        if cluster is not None:
            self._apply_resolver(cluster, master)
        if evaluation_master is None:
            evaluation_master = self._default_evaluation_master()
        self._place = dataclasses.replace(self._place, evaluation_master=evaluation_master)

    def replace(self, **changes: Any) -> Self:
        """Returns a configuration with some fields replaced, checked again.

        Args:
            **changes: as `BaseRunConfig.replace` takes them, `tpu_config` and
                `compile_preflight`.

        Returns:
            A new configuration; this one is unchanged.

        Raises:
            ValueError, TypeError: as `BaseRunConfig.replace` and the constructor do.
        """
        tpu_config = _validate_tpu_config(changes.pop("tpu_config", self._tpu_config))
        preflight = changes.pop("compile_preflight", self._compile_preflight)
        replaced = super().replace(**changes)
        replaced._tpu_config = tpu_config
        replaced._compile_preflight = resolve_preflight(preflight)
        return replaced

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]}, tpu_config={self._tpu_config!r})"

    def _apply_resolver(self, cluster: Any, master: str | None) -> None:
        """Takes master and addresses from a cluster resolver."""
        if master is not None:
            raise ValueError(
                "You cannot provide both a `cluster` (resolver) and a `master`; got "
                f"{cluster!r} and {master!r}. Leave `master` out."
            )
        session_config = self._fields["session_config"]
        if session_config is not None and session_config.HasField("cluster_def"):
            raise ValueError(
                "You cannot provide both a `cluster` (resolver) and a `session_config` with a "
                "cluster_def. Leave cluster_def out."
            )
        cluster_spec = cluster.cluster_spec() or tf.train.ClusterSpec({})
        self._place = dataclasses.replace(
            self._place, master=cluster.master(), cluster_spec=cluster_spec
        )
        if cluster_spec.jobs:
            copied = tf.compat.v1.ConfigProto()
            if session_config is not None:
                copied.CopyFrom(session_config)
            copied.cluster_def.CopyFrom(cluster_spec.as_cluster_def())
            self._fields["session_config"] = copied

    def _default_evaluation_master(self) -> str:
        if self._place.evaluation_master or self._place.task_type == TaskType.EVALUATOR:
            return self._place.evaluation_master
        return self._place.master

    @property
    def tpu_config(self) -> TPUConfig:
        """Settings for TPUs."""
        return self._tpu_config

    @property
    def compile_preflight(self) -> CompilePreflight | None:
        """For which TPUs a training compiles its program before it starts."""
        return self._compile_preflight

    @property
    def cluster(self) -> Any:
        """The cluster resolver given, or None."""
        return self._cluster


def _validate_tpu_config(tpu_config: Any) -> TPUConfig:
    """Returns settings for TPUs, the default ones for None."""
    if tpu_config is None:
        return TPUConfig()
    if not isinstance(tpu_config, TPUConfig):
        raise TypeError(f"`tpu_config` must be an instance of TPUConfig; got {tpu_config!r}.")
    return tpu_config
