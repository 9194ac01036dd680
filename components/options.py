"""TPUEstimatorOptions: what the plain-functions form of a user module needs to run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.compile_check.chips import parse_topology

from .host_options import LOCAL, MultiHostOptions
from .option_checks import check_int, check_names, check_type, read_json_object

_POSITIVE = (
    "train_batch_size",
    "eval_batch_size",
    "predict_batch_size",
    "iterations_per_loop",
    "num_shards",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "log_step_count_steps",
    "shuffle_buffer",
    "epochs",
)
_NON_NEGATIVE = ("save_summary_steps", "keep_checkpoint_max")
_LEAST = {**dict.fromkeys(_POSITIVE, 1), **dict.fromkeys(_NON_NEGATIVE, 0), "seed": None}
_BOOLEAN = ("use_tpu", "export_to_tpu", "verify_examples")
_TEXT = ("label_key", "checkpoint_dir", "compile_check")
# These stand for "let RunConfig or the input function decide".
_OPTIONAL = frozenset(
    [
        "eval_batch_size",
        "predict_batch_size",
        "iterations_per_loop",
        "num_shards",
        "save_checkpoints_steps",
        "save_checkpoints_secs",
        "save_summary_steps",
        "log_step_count_steps",
        "keep_checkpoint_max",
        "shuffle_buffer",
        "epochs",
        *_TEXT,
    ]
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TPUEstimatorOptions:
    """How a module of plain functions is trained, evaluated and exported.

    An option given here wins over the same key returned by the module's
    `estimator_params()`; one left out takes the module's value, then the default.

    Attributes:
        use_tpu: Runs the model_fn as one program on TPU cores, GPUs or virtual CPU
            devices, rather than on TensorFlow's own kernels.
        train_batch_size: Global batch size of training, in examples.
        eval_batch_size: Global batch size of evaluation; None means `train_batch_size`.
        predict_batch_size: Global batch size of prediction; None means `eval_batch_size`.
        epochs: Passes over the training examples, instead of `train_args.num_steps`: the steps
            are counted from the records. An input function of the module's own must go on for so
            long.
        label_key: Name of the label feature, for input functions and serving receivers
            built from the schema.
        seed: Seed of the graph and of shuffling.
        iterations_per_loop: Training steps per return to the host.
        num_shards: Replicas. Without an accelerator so many virtual CPU devices are
            made; with one it must be the number that there is. None: what there is.
        save_checkpoints_steps: Steps between checkpoints; excludes the next one.
        save_checkpoints_secs: Seconds between checkpoints.
        save_summary_steps: Steps between summaries; 0 turns them off.
        log_step_count_steps: Steps between log lines of the step rate.
        keep_checkpoint_max: Checkpoints to keep; 0 keeps all.
        shuffle_buffer: Examples held for shuffling by a schema-built input function.
        checkpoint_dir: Folder for checkpoints that a retry resumes from, instead of
            one beside the component's outputs.
        export_to_tpu: Whether the export has a {serve, tpu} metagraph too.
        verify_examples: Whether all files of examples are read once before training, to find
            damaged and truncated ones; a truncated gzip file otherwise often goes unnoticed.
        compile_check: A TPU such as `v5e:2x2`. Before training, the programs of training,
            evaluation and serving are compiled for it with the TPU compiler, which needs libtpu and
            no TPU; one that does not compile or does not fit ends the execution there. The report
            is in the ModelRun. None: no check.
        hosts: The processes that train the model together, for a program with `use_tpu`. None:
            as the environment says, which is one unless a cluster or a TPU pod is described there.
        params: Hyperparameters handed to the functions in `params`.

    Example:
        TPUEstimatorOptions(train_batch_size=256, label_key="big_tipper")
    """

    use_tpu: bool = False
    train_batch_size: int = 128
    eval_batch_size: int | None = None
    predict_batch_size: int | None = None
    epochs: int | None = None
    label_key: str | None = None
    seed: int = 42
    iterations_per_loop: int | None = None
    num_shards: int | None = None
    save_checkpoints_steps: int | None = None
    save_checkpoints_secs: int | None = None
    save_summary_steps: int | None = None
    log_step_count_steps: int | None = None
    keep_checkpoint_max: int | None = None
    shuffle_buffer: int | None = None
    checkpoint_dir: str | None = None
    export_to_tpu: bool = True
    verify_examples: bool = True
    compile_check: str | None = None
    hosts: MultiHostOptions | None = None
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __new__(cls, **given: Any) -> TPUEstimatorOptions:
        """Notes which options were given, so that a default does not hide a module's value."""
        check_names("TPUEstimatorOptions", given, option_names())
        self = super().__new__(cls)
        object.__setattr__(self, "_given", frozenset(given))
        return self

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                check_int(name, value, least)
        for name in _BOOLEAN:
            check_type(name, getattr(self, name), bool)
        for name in _TEXT:
            if getattr(self, name) is not None:
                check_type(name, getattr(self, name), str)
        if self.compile_check is not None:
            # As the compiler calls it.
            object.__setattr__(self, "compile_check", parse_topology(self.compile_check).name)
        if self.save_checkpoints_steps and self.save_checkpoints_secs:
            raise ValueError(
                "`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set."
            )
        object.__setattr__(self, "hosts", _read_hosts(self.hosts))
        _check_params(self.params)
        object.__setattr__(self, "params", dict(self.params))

    @property
    def launches_processes(self) -> bool:
        """Whether the Trainer starts the processes itself."""
        return self.hosts is not None and self.hosts.launch == LOCAL

    @property
    def given(self) -> frozenset[str]:
        """Names of the options that were given rather than left at their default."""
        return self._given  # type: ignore[attr-defined]

    def with_defaults(self, values: Mapping[str, Any]) -> TPUEstimatorOptions:
        """Fills options that were not given here.

        Args:
            values: Option names and values, for example from `estimator_params()`.

        Returns:
            New options; those given here keep their values.

        Raises:
            TypeError: If a name is no option or a value has the wrong type.
            ValueError: If a value is out of range.
        """
        own = {name: getattr(self, name) for name in self.given}
        return TPUEstimatorOptions(**{**values, **own})

    def to_json(self) -> str:
        """Serialises the options that were given, with sorted keys."""
        values = {name: getattr(self, name) for name in self.given}
        return json.dumps(values, sort_keys=True, default=dataclasses.asdict)

    @classmethod
    def from_json(cls, text: str) -> TPUEstimatorOptions:
        """Reads what `to_json` wrote.

        Args:
            text: A JSON object of option names and values.

        Raises:
            ValueError: If `text` is no JSON object or has a key that is no option.
        """
        return cls(**read_json_object("TPUEstimatorOptions", text, option_names()))


def option_names() -> list[str]:
    """Returns the names of all options, in order."""
    return [field.name for field in dataclasses.fields(TPUEstimatorOptions)]


def _read_hosts(hosts: Any) -> MultiHostOptions | None:
    # As recorded with a run.
    if isinstance(hosts, Mapping):
        return MultiHostOptions(**hosts)
    if hosts is not None:
        check_type("hosts", hosts, MultiHostOptions)
    return hosts


def _check_params(params: Any) -> None:
    if not isinstance(params, Mapping):
        raise TypeError(f"`params` must be a dict, got {params!r}.")
    for name in params:
        if not isinstance(name, str):
            raise TypeError(f"keys of `params` must be str, got {name!r}.")
        if name in option_names():
            raise ValueError(
                f"`params` has the key {name!r}, which is an option of its own: "
                f"give TPUEstimatorOptions({name}=...)."
            )
    try:
        json.dumps(dict(params))
    except (TypeError, ValueError) as error:
        raise TypeError(
            "`params` must hold only what JSON can say (numbers, strings, lists, dicts), because "
            f"it is recorded with the run: {error}. Other values belong in the module's "
            "`estimator_params()`."
        ) from error
