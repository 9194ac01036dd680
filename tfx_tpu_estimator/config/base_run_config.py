"""BaseRunConfig: where a run keeps its files, how often it saves and logs, and its cluster."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfx_tpu_estimator.config import run_config_validation
from tfx_tpu_estimator.config.cluster import (
    ClusterDescription,
    read_tf_config,
    resolve_cluster,
)

if TYPE_CHECKING:
    from typing_extensions import Self

_DEFAULT_CHECKPOINT_SECS = 600


class _Default:
    """Marks an argument that was not given, where None has a meaning of its own."""

    def __repr__(self) -> str:
        return "DEFAULT"


_DEFAULT = _Default()

_REPLACEABLE = (
    "model_dir",
    "tf_random_seed",
    "save_summary_steps",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "session_config",
    "keep_checkpoint_max",
    "keep_checkpoint_every_n_hours",
    "log_step_count_steps",
    "train_distribute",
    "device_fn",
    "protocol",
    "eval_distribute",
    "experimental_distribute",
    "experimental_max_worker_delay_secs",
    "session_creation_timeout_secs",
    "checkpoint_save_graph_def",
)


class BaseRunConfig:
    """The settings of an Estimator that do not concern the model: `tf.estimator.RunConfig`.

    The description of the cluster is read from TF_CONFIG when the object is made. `RunConfig` has
    the settings for TPUs besides.

    Example:
        >>> config = BaseRunConfig("run1", tf_random_seed=1)
        >>> config.replace(save_checkpoints_steps=500).save_checkpoints_secs is None
        True
    """

    # What `replace` takes.
    _replaceable = _REPLACEABLE

    def __init__(
        self,
        model_dir: str | os.PathLike[str] | None = None,
        tf_random_seed: int | None = None,
        save_summary_steps: int | None = 100,
        save_checkpoints_steps: int | _Default | None = _DEFAULT,
        save_checkpoints_secs: float | _Default | None = _DEFAULT,
        session_config: tf.compat.v1.ConfigProto | None = None,
        keep_checkpoint_max: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000,
        log_step_count_steps: int | None = 100,
        train_distribute: Any = None,
        device_fn: Callable[..., str] | None = None,
        protocol: str | None = None,
        eval_distribute: Any = None,
        experimental_distribute: Any = None,
        experimental_max_worker_delay_secs: int | None = None,
        session_creation_timeout_secs: float = 7200,
        checkpoint_save_graph_def: bool = True,
    ):
        """Checks every field and reads TF_CONFIG.

        Args:
            model_dir: directory of checkpoints and event files.
            tf_random_seed: seed of the graph. Default None: not seeded.
            save_summary_steps: steps between summaries. Default 100; None or 0: none.
            save_checkpoints_steps: steps between checkpoints.
            save_checkpoints_secs: seconds between checkpoints. Default 600 unless either of the
                two is given; None for both: no checkpoints.
            session_config: tf.compat.v1.ConfigProto of the sessions.
            keep_checkpoint_max: newest checkpoints to keep. Default 5; None or 0: all.
            keep_checkpoint_every_n_hours: besides, keep one per so many hours. Default 10000.
            log_step_count_steps: steps between log lines of the speed. Default 100.
            train_distribute: a distribution strategy for training.
            device_fn: function of one argument `op` that returns its device.
            protocol: 'grpc' (default) or 'grpc+verbs', for a server that a program itself starts;
                none is started here.
            eval_distribute: a distribution strategy for evaluation.
            experimental_distribute: strategies for training and evaluation together.
            experimental_max_worker_delay_secs: longest start delay of a worker, in seconds.
            session_creation_timeout_secs: how long to wait for a session. Default 7200.
            checkpoint_save_graph_def: write the graph beside checkpoints. Default True.

        Raises:
            ValueError: if a value is not allowed, two contradict each other, or TF_CONFIG does.
            TypeError: if model_dir or TF_CONFIG's service has the wrong type.
        """
        steps, secs = _resolve_checkpoint_frequency(save_checkpoints_steps, save_checkpoints_secs)
        fields = {
            "model_dir": model_dir,
            "tf_random_seed": tf_random_seed,
            "save_summary_steps": save_summary_steps,
            "save_checkpoints_steps": steps,
            "save_checkpoints_secs": secs,
            "session_config": session_config,
            "keep_checkpoint_max": keep_checkpoint_max,
            "keep_checkpoint_every_n_hours": keep_checkpoint_every_n_hours,
            "log_step_count_steps": log_step_count_steps,
            "train_distribute": train_distribute,
            "device_fn": device_fn,
            "protocol": protocol,
            "eval_distribute": eval_distribute,
            "experimental_distribute": experimental_distribute,
            "experimental_max_worker_delay_secs": experimental_max_worker_delay_secs,
            "session_creation_timeout_secs": session_creation_timeout_secs,
            "checkpoint_save_graph_def": checkpoint_save_graph_def,
        }
        self._place = resolve_cluster(read_tf_config())
        self._fields = _validate_fields(fields, self._place)

    def replace(self, **changes: Any) -> Self:
        """Returns a configuration with some fields replaced, checked again.

        Giving one of save_checkpoints_steps and save_checkpoints_secs unsets the other. The
        cluster stays as it is; TF_CONFIG is not read again.

        Args:
            **changes: new values by field name: the constructor's arguments.

        Returns:
            A new configuration; this one is unchanged.

        Raises:
            ValueError: if a field cannot be replaced or a value is not allowed.
            TypeError: as the constructor raises.
        """
        for name in changes:
            if name not in self._replaceable:
                raise ValueError(
                    f"Replacing {name} is not supported. Allowed properties are "
                    f"{', '.join(self._replaceable)}."
                )
        fields = {**copy.deepcopy(self)._fields, **changes}
        if "save_checkpoints_steps" in changes and "save_checkpoints_secs" not in changes:
            fields["save_checkpoints_secs"] = None
        if "save_checkpoints_secs" in changes and "save_checkpoints_steps" not in changes:
            fields["save_checkpoints_steps"] = None
        replaced = copy.copy(self)
        replaced._fields = _validate_fields(fields, self._place)
        return replaced

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # Only protocol buffers can be changed in place; strategies, resolvers and functions often
        # refuse to be copied and are shared.
        copied = copy.copy(self)
        copied._fields = dict(self._fields)
        copied._fields["session_config"] = copy.deepcopy(self._fields["session_config"], memo)
        return copied

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in self._fields.items())
        return f"{type(self).__name__}({values})"

    @property
    def model_dir(self) -> str | None:
        """Directory of checkpoints and event files."""
        return self._fields["model_dir"]

    @property
    def tf_random_seed(self) -> int | None:
        """Seed of the graph."""
        return self._fields["tf_random_seed"]

    @property
    def save_summary_steps(self) -> int | None:
        """Steps between summaries; None or 0 for none."""
        return self._fields["save_summary_steps"]

    @property
    def save_checkpoints_steps(self) -> int | None:
        """Steps between checkpoints, or None."""
        return self._fields["save_checkpoints_steps"]

    @property
    def save_checkpoints_secs(self) -> float | None:
        """Seconds between checkpoints, or None."""
        return self._fields["save_checkpoints_secs"]

    @property
    def session_config(self) -> tf.compat.v1.ConfigProto | None:
        """Configuration of the sessions."""
        return self._fields["session_config"]

    @property
    def keep_checkpoint_max(self) -> int | None:
        """Newest checkpoints to keep; None or 0 for all."""
        return self._fields["keep_checkpoint_max"]

    @property
    def keep_checkpoint_every_n_hours(self) -> float:
        """Hours of training per checkpoint that is kept for good."""
        return self._fields["keep_checkpoint_every_n_hours"]

    @property
    def log_step_count_steps(self) -> int | None:
        """Steps between log lines of the speed."""
        return self._fields["log_step_count_steps"]

    @property
    def train_distribute(self) -> Any:
        """Distribution strategy for training."""
        return self._fields["train_distribute"]

    @property
    def eval_distribute(self) -> Any:
        """Distribution strategy for evaluation."""
        return self._fields["eval_distribute"]

    @property
    def experimental_distribute(self) -> Any:
        """Strategies for training and evaluation together."""
        return self._fields["experimental_distribute"]

    @property
    def device_fn(self) -> Callable[..., str] | None:
        """Function from an operation to its device."""
        return self._fields["device_fn"]

    @property
    def protocol(self) -> str | None:
        """Protocol between the processes; None for grpc."""
        return self._fields["protocol"]

    @property
    def experimental_max_worker_delay_secs(self) -> int | None:
        """Longest start delay of a worker, in seconds."""
        return self._fields["experimental_max_worker_delay_secs"]

    @property
    def session_creation_timeout_secs(self) -> float:
        """How long to wait for a session, in seconds."""
        return self._fields["session_creation_timeout_secs"]

    @property
    def checkpoint_save_graph_def(self) -> bool:
        """Whether the graph is written beside checkpoints."""
        return self._fields["checkpoint_save_graph_def"]

    @property
    def cluster_spec(self) -> tf.train.ClusterSpec:
        """Addresses by job; empty for a single process."""
        return self._place.cluster_spec

    @property
    def master(self) -> str:
        """Address of the session; '' is in-process."""
        return self._place.master

    @property
    def evaluation_master(self) -> str:
        """Address of the session for evaluation; '' is in-process."""
        return self._place.evaluation_master

    @property
    def task_type(self) -> str:
        """This process's job: one of TaskType."""
        return self._place.task_type

    @property
    def task_id(self) -> int:
        """This process's index within its job."""
        return self._place.task_id

    @property
    def global_id_in_cluster(self) -> int | None:
        """This process's number over all jobs; None for an evaluator."""
        return self._place.global_id_in_cluster

    @property
    def is_chief(self) -> bool:
        """Whether this process saves checkpoints."""
        return self._place.is_chief

    @property
    def num_ps_replicas(self) -> int:
        """Number of parameter servers."""
        return self._place.num_ps_replicas

    @property
    def num_worker_replicas(self) -> int:
        """Number of workers, the chief among them."""
        return self._place.num_worker_replicas

    @property
    def service(self) -> dict[str, Any] | None:
        """TF_CONFIG's description of the service that started the cluster."""
        return self._place.service

    @property
    def environment(self) -> str | None:
        """TF_CONFIG's name of the environment."""
        return self._place.environment


def _resolve_checkpoint_frequency(steps: Any, secs: Any) -> tuple[Any, Any]:
    """Fills in the defaults: 600 seconds only if neither argument was given."""
    if steps is _DEFAULT and secs is _DEFAULT:
        return None, _DEFAULT_CHECKPOINT_SECS
    return (None if steps is _DEFAULT else steps), (None if secs is _DEFAULT else secs)


def _validate_fields(fields: dict[str, Any], place: ClusterDescription) -> dict[str, Any]:
    """Checks all fields and returns them with the model directory as a str."""
    model_dir = run_config_validation.resolve_model_dir(fields["model_dir"], place.model_dir)
    run_config_validation.validate_fields(fields)
    return {**fields, "model_dir": model_dir}
