"""TPUConfig: how training is spread over the cores and split into loops."""

from __future__ import annotations

import dataclasses
import enum
import re
from typing import Any, NamedTuple

from tfx_tpu_estimator.config.checked_replace import CheckedReplace
from tfx_tpu_estimator.config.integers import is_int

ALLOWED_CORES_PER_REPLICA = (1, 2, 4, 8, 16, 32, 64, 128)

# fullmatch, and no alternatives inside a character class: '5|' and '5\n' are not accepted.
_LOOP_PATTERN = re.compile(r"([1-9][0-9]*)([smh]?)")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}


class InputPipelineConfig(enum.IntEnum):
    """Who calls the input_fn, and how its batches reach the cores.

    Attributes:
        PER_SHARD_V1: once per core; training only.
        PER_HOST_V1: once per host, its batch split over the host's cores.
        PER_HOST_V2: once per host, one batch per replica; the input must be a Dataset.
        BROADCAST: once, every replica gets the same batch.
        SLICED: once, the batch split over all replicas; evaluation only.

    Example:
        >>> int(InputPipelineConfig.PER_HOST_V2)
        3
    """

    PER_SHARD_V1 = 1
    PER_HOST_V1 = 2
    PER_HOST_V2 = 3
    BROADCAST = 4
    SLICED = 5


@dataclasses.dataclass(frozen=True)
class LoopLength:
    """How long the device loops before it returns to the host: steps, or seconds.

    Attributes:
        steps: number of steps, or None if the length is given in seconds.
        seconds: wanted duration in seconds, or None if it is given in steps.
    """

    steps: int | None = None
    seconds: int | None = None


def parse_iterations_per_loop(value: int | str) -> LoopLength:
    """Reads the two forms of iterations_per_loop.

    Args:
        value: a positive int or its digits (steps), or digits and one of s, m, h (a duration).

    Returns:
        The length of a loop.

    Raises:
        ValueError: if it is anything else.

    Example:
        >>> parse_iterations_per_loop("2m").seconds
        120
    """
    if isinstance(value, str):
        match = _LOOP_PATTERN.fullmatch(value)
        if match:
            number, unit = int(match.group(1)), match.group(2)
            return LoopLength(seconds=number * _UNIT_SECONDS[unit]) if unit else LoopLength(number)
    elif is_int(value) and value > 0:
        return LoopLength(steps=int(value))
    raise ValueError(
        "Invalid TPUConfig `iterations_per_loop` value. It must be positive: an int (steps), or a "
        f"string of digits followed by s, m or h (a duration, such as '30s'); got {value!r}."
    )


class _TPUConfigFields(NamedTuple):
    iterations_per_loop: int | str
    num_shards: int | None
    num_cores_per_replica: int | None
    per_host_input_for_training: InputPipelineConfig
    tpu_job_name: str | None
    initial_infeed_sleep_secs: int | None
    input_partition_dims: Any
    eval_training_input_configuration: InputPipelineConfig
    experimental_host_call_every_n_steps: int
    experimental_allow_per_host_v2_parallel_get_next: bool
    experimental_feed_hook: type | None


class TPUConfig(CheckedReplace, _TPUConfigFields):
    """The settings of a RunConfig that concern TPUs.

    Example:
        >>> TPUConfig(iterations_per_loop=100)._replace(num_shards=8).num_shards
        8
    """

    __slots__ = ()

    def __new__(
        cls,
        iterations_per_loop: int | str = 2,
        num_shards: int | None = None,
        num_cores_per_replica: int | None = None,
        per_host_input_for_training: bool | int = True,
        tpu_job_name: str | None = None,
        initial_infeed_sleep_secs: int | None = None,
        input_partition_dims: Any = None,
        eval_training_input_configuration: int = InputPipelineConfig.PER_HOST_V1,
        experimental_host_call_every_n_steps: int = 1,
        experimental_allow_per_host_v2_parallel_get_next: bool = False,
        experimental_feed_hook: type | None = None,
    ):
        """Checks every field.

        Args:
            iterations_per_loop: training steps between two returns to the host, or a duration as
                '<N>s', '<N>m' or '<N>h'. Default 2.
            num_shards: number of replicas; deprecated. Default: as found.
            num_cores_per_replica: cores that share one model replica. Default: one.
            per_host_input_for_training: an InputPipelineConfig; True is PER_HOST_V1 (default),
                False is PER_SHARD_V1.
            tpu_job_name: name of the TPU workers' job. Default: inferred.
            initial_infeed_sleep_secs: seconds to wait before the first batch is sent.
            input_partition_dims: one or two elements, for features and labels; needs PER_HOST_V2
                and num_cores_per_replica.
            eval_training_input_configuration: PER_HOST_V1 (default) or SLICED.
            experimental_host_call_every_n_steps: run a host_call every so many steps. Default 1.
            experimental_allow_per_host_v2_parallel_get_next: faster, but batches reach the cores
                in no fixed order. Default False.
            experimental_feed_hook: class that replaces the session hook for feeding.

        Returns:
            The configuration, with InputPipelineConfig members for bools and ints.

        Raises:
            ValueError: if a value is out of range or two contradict each other.
            TypeError: if a value has the wrong type.
        """
        parse_iterations_per_loop(iterations_per_loop)
        _validate_positive("num_shards", num_shards)
        _validate_cores_per_replica(num_cores_per_replica)
        training_input = _resolve_training_input(per_host_input_for_training)
        _validate_job_name(tpu_job_name)
        _validate_positive("initial_infeed_sleep_secs", initial_infeed_sleep_secs)
        _validate_partition_dims(input_partition_dims, training_input, num_cores_per_replica)
        _validate_positive(
            "experimental_host_call_every_n_steps",
            experimental_host_call_every_n_steps,
            optional=False,
        )
        _validate_bool(
            "experimental_allow_per_host_v2_parallel_get_next",
            experimental_allow_per_host_v2_parallel_get_next,
        )
        _validate_feed_hook(experimental_feed_hook)
        return super().__new__(
            cls,
            iterations_per_loop=iterations_per_loop,
            num_shards=num_shards,
            num_cores_per_replica=num_cores_per_replica,
            per_host_input_for_training=training_input,
            tpu_job_name=tpu_job_name,
            initial_infeed_sleep_secs=initial_infeed_sleep_secs,
            input_partition_dims=input_partition_dims,
            eval_training_input_configuration=_resolve_eval_input(
                eval_training_input_configuration
            ),
            experimental_host_call_every_n_steps=experimental_host_call_every_n_steps,
            experimental_allow_per_host_v2_parallel_get_next=(
                experimental_allow_per_host_v2_parallel_get_next
            ),
            experimental_feed_hook=experimental_feed_hook,
        )

    @property
    def loop_length(self) -> LoopLength:
        """iterations_per_loop as steps or seconds."""
        return parse_iterations_per_loop(self.iterations_per_loop)


def _validate_positive(name: str, value: Any, optional: bool = True) -> None:
    if value is None and optional:
        return
    if not is_int(value):
        raise TypeError(f"`{name}` must be int; got {value!r} of {type(value)}.")
    if value < 1:
        raise ValueError(f"`{name}` must be positive; got {value!r}.")


def _validate_bool(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise TypeError(f"`{name}` must be True or False; got {value!r}.")


def _validate_cores_per_replica(cores: Any) -> None:
    if cores is not None and (not is_int(cores) or cores not in ALLOWED_CORES_PER_REPLICA):
        allowed = ", ".join(map(str, ALLOWED_CORES_PER_REPLICA))
        raise ValueError(f"num_cores_per_replica must be {allowed}; got {cores}")


def _resolve_training_input(value: Any) -> InputPipelineConfig:
    # `is`, because True == 1 == PER_SHARD_V1 while True means PER_HOST_V1.
    if value is True:
        return InputPipelineConfig.PER_HOST_V1
    if value is False:
        return InputPipelineConfig.PER_SHARD_V1
    allowed = [c for c in InputPipelineConfig if c is not InputPipelineConfig.SLICED]
    if not is_int(value) or value not in allowed:
        raise ValueError(
            "`per_host_input_for_training` must be True, False or one of InputPipelineConfig "
            f"{', '.join(c.name for c in allowed)}; got {value!r}. SLICED is for evaluation: see "
            "`eval_training_input_configuration`."
        )
    return InputPipelineConfig(value)


def _resolve_eval_input(value: Any) -> InputPipelineConfig:
    allowed = (InputPipelineConfig.PER_HOST_V1, InputPipelineConfig.SLICED)
    if not is_int(value) or value not in allowed:
        raise ValueError(
            "`eval_training_input_configuration` must be InputPipelineConfig.PER_HOST_V1 or "
            f"InputPipelineConfig.SLICED; got {value!r}."
        )
    return InputPipelineConfig(value)


def _validate_job_name(name: Any) -> None:
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f"`tpu_job_name` must be a non-empty string or None; got {name!r}.")


def _validate_feed_hook(hook: Any) -> None:
    if hook is not None and not isinstance(hook, type):
        raise TypeError(f"`experimental_feed_hook` must be a class or None; got {hook!r}.")


def _validate_partition_dims(dims: Any, training_input: InputPipelineConfig, cores: Any) -> None:
    if dims is None:
        return
    if not isinstance(dims, list | tuple) or len(dims) not in (1, 2):
        raise ValueError(
            f"input_partition_dims must be a list/tuple with one or two elements. Got {dims!r}; "
            "the first is for the features, the second for the labels."
        )
    if training_input is not InputPipelineConfig.PER_HOST_V2:
        raise ValueError(
            "input_partition_dims is only supported in PER_HOST_V2 mode. Got "
            f"`per_host_input_for_training` = {training_input.name}."
        )
    if cores is None:
        raise ValueError(
            "input_partition_dims requires setting num_cores_per_replica. Set it to the product "
            "of each element's partitions."
        )
