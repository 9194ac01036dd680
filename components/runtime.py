"""From a user module of plain functions to a TPUEstimator and its input functions.

Shared by the Trainer and the Evaluator, so that both run the same program.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.export.receivers import build_schema_serving_input_receiver_fn
from tfx_tpu_estimator.inputs import tfrecord
from tfx_tpu_estimator.inputs.schema import read_schema
from tfx_tpu_estimator.inputs.schema_input import make_schema_input_fn
from tfx_tpu_estimator.tpu_estimator import TPUEstimator

from .estimator_from_options import create_estimator_from_options, split_estimator_params
from .examples import SplitFiles, list_split_files, resolve_compression
from .hyperparameters import check_hyperparameters, read_tuned
from .options import TPUEstimatorOptions
from .transformed_examples import find_transformed_schema
from .user_module import MODEL_FN, UserModule, accepts


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataParams:
    """The entries of `params` that say where the data of a run is.

    Attributes:
        train_files: File patterns of the training splits.
        eval_files: File patterns of the evaluation splits.
        schema_path: Path of the schema's text form.
        data_format: The Examples property `file_format`, e.g. `tfrecords_gzip`.
        payload_format: What a record holds, e.g. `FORMAT_TF_EXAMPLE`.
        transform_graph_path: Path of a TransformGraph.
        statistics_path: Path of an ExampleStatistics artifact, a folder for each split.
        train_steps: Steps to train up to; None: one pass over the input.
        eval_steps: Steps to evaluate; None: one pass over the input.
        base_model: SavedModel directory of the base model.
        hyperparameters: Contents of the HyperParameters artifact.
    """

    train_files: tuple[str, ...] = ()
    eval_files: tuple[str, ...] = ()
    schema_path: str | None = None
    data_format: str | None = None
    payload_format: str | None = None
    transform_graph_path: str | None = None
    statistics_path: str | None = None
    train_steps: int | None = None
    eval_steps: int | None = None
    base_model: str | None = None
    hyperparameters: Mapping[str, Any] | None = None

    def to_params(self) -> dict[str, Any]:
        """Returns the entries as a user's function finds them; patterns are lists."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**values, "train_files": [*self.train_files], "eval_files": [*self.eval_files]}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """A user module with everything its functions are called with.

    Attributes:
        module: The loaded module, of the plain-functions form.
        options: The component's options, filled up from the module's `estimator_params()`.
        params: What the functions get as `params`, but for the batch size.
        data: Where the data is.
    """

    module: UserModule
    options: TPUEstimatorOptions
    params: Mapping[str, Any]
    data: DataParams

    @property
    def uses_schema_input(self) -> bool:
        """Whether an input function is built from the schema."""
        return any(self.module.get(name) is None for name in ("train_input_fn", "eval_input_fn"))

    @property
    def examples_schema_path(self) -> str | None:
        """Schema of the examples that are read: with a transform graph, of transformed ones."""
        if self.data.transform_graph_path is None:
            return self.data.schema_path
        return find_transformed_schema(self.data.transform_graph_path)


def build_program(
    module: UserModule,
    options: TPUEstimatorOptions,
    data: DataParams,
    custom_config: Mapping[str, Any] | None = None,
) -> Program:
    """Joins a module with options, data and custom configuration.

    Args:
        module: A module of the plain-functions form.
        options: The component's options; those given win over `estimator_params()` and over what
            was tuned.
        data: Where the data is; its hyperparameters win over `estimator_params()`.
        custom_config: The component's `custom_config`; each key becomes one of `params`.

    Raises:
        UserModuleError: If `estimator_params()` returns no dict.
        ValueError: If a hyperparameter has the name of an entry the runtime sets, or is nearly
            that of something else.
    """
    declared = _read_declared(module)
    chosen, hyperparameters = split_estimator_params(declared)
    tuned = read_tuned(data.hyperparameters)
    tuned_options, tuned_hyperparameters = split_estimator_params(tuned)
    merged = options.with_defaults({**chosen, **tuned_options})
    params = {**hyperparameters, **tuned_hyperparameters, **merged.params}
    own = {**data.to_params(), "label_key": merged.label_key, "seed": merged.seed}
    check_hyperparameters(declared, tuned, options.params, custom_config or {}, own)
    _check_free(params, own, "`estimator_params()`, `hyperparameters` or `options.params`")
    _check_free(custom_config or {}, own, "`custom_config`")
    params = {**params, **(custom_config or {}), **own}
    return Program(module=module, options=merged, params=params, data=data)


def create_estimator(program: Program, model_dir: str, *, warm_start: bool = False) -> TPUEstimator:
    """Builds the TPUEstimator of `program`.

    Args:
        program: What to run.
        model_dir: Directory of checkpoints and events.
        warm_start: Whether training starts from the variables of the base model, if the
            component was given one.

    Raises:
        FeatureNotAvailableError: If the options ask for what this release does not have.
        ValueError: If model_fn or an option cannot be used.
    """
    return create_estimator_from_options(
        program.module.functions[MODEL_FN],
        program.options,
        program.params,
        model_dir,
        warm_start_from=program.data.base_model if warm_start else None,
    )


def count_eval_steps(program: Program, files: SplitFiles) -> int | None:
    """Returns the steps of an evaluation: those asked for, or on devices those of all examples.

    Devices have to be told when to stop; the host goes on to the end of the input.

    Args:
        program: What is evaluated.
        files: The examples.
    """
    if program.data.eval_steps is not None or not program.options.use_tpu:
        return program.data.eval_steps
    options = program.options
    return count_steps(files, options.eval_batch_size or options.train_batch_size)


def count_steps(files: SplitFiles, batch_size: int, passes: int = 1) -> int:
    """Returns the batches of passes over `files`, the last partial one included."""
    records = tfrecord.count_records(list_split_files(files), resolve_compression(files))
    return math.ceil(passes * records / batch_size)


def resolve_train_input_fn(program: Program) -> Callable[..., Any]:
    """Returns the module's `train_input_fn`, or one built from the schema.

    Raises:
        UserModuleError: If there is neither the function nor what a schema-built one needs.
    """
    own = program.module.get("train_input_fn")
    if own is not None:
        return own
    _check_schema(program, "train_input_fn", "an input function")
    if program.options.shuffle_buffer is None:
        input_fn = make_schema_input_fn("train_files", training=True)
    else:
        input_fn = make_schema_input_fn(
            "train_files", training=True, shuffle_buffer=program.options.shuffle_buffer
        )
    return _with_examples_schema(program, input_fn)


def resolve_eval_input_fn(program: Program) -> Callable[..., Any]:
    """Returns the module's `eval_input_fn`, or one built from the schema.

    Raises:
        UserModuleError: If there is neither the function nor what a schema-built one needs.
    """
    own = program.module.get("eval_input_fn")
    if own is not None:
        return own
    _check_schema(program, "eval_input_fn", "an input function")
    return _with_examples_schema(program, make_schema_input_fn("eval_files", training=False))


def resolve_receiver_fn(program: Program) -> Callable[[], Any]:
    """Returns the module's `serving_input_receiver_fn`, or one built from the schema.

    The module's function is given `params` if it names that argument. With a transform graph, the
    one built here takes raw examples and transforms them.

    Raises:
        UserModuleError: If there is neither the function nor what a schema-built one needs.
    """
    own = program.module.get("serving_input_receiver_fn")
    if own is None:
        _check_schema(program, "serving_input_receiver_fn", "a serving receiver")
        return _build_receiver_fn(program)
    if accepts(own, "params"):
        return lambda: own(params=dict(program.params))
    return own


def check_receiver(program: Program, receiver_fn: Callable[[], Any]) -> None:
    """Calls the receiver function once, so that its faults show before training rather than after.

    Raises:
        UserModuleError: If it returns no receiver.
    """
    with tf.Graph().as_default():
        receiver = receiver_fn()
    features = getattr(receiver, "features", None)
    if features is None:
        raise UserModuleError(
            f"`serving_input_receiver_fn` of module {program.module.label!r} must return a "
            f"ServingInputReceiver, got {receiver!r}."
        )


def _read_declared(module: UserModule) -> Mapping[str, Any]:
    """Returns the options and hyperparameters of a module's own `estimator_params()`."""
    function = module.get("estimator_params")
    values = function() if function else {}
    if not isinstance(values, Mapping):
        raise UserModuleError(
            f"`estimator_params()` of module {module.label!r} must return a dict, got {values!r}."
        )
    return values


def _check_free(values: Mapping[str, Any], own: Mapping[str, Any], origin: str) -> None:
    taken = sorted(set(values) & set(own))
    if taken:
        raise ValueError(
            f"{origin} sets {', '.join(f'`{name}`' for name in taken)}, which the component sets "
            "itself; rename the hyperparameter or use the component's argument."
        )


def _with_examples_schema(program: Program, input_fn: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a schema-built input function read the schema of the examples that there are."""
    if program.data.transform_graph_path is None:
        return input_fn
    schema_path = program.examples_schema_path

    def read_transformed(params):
        return input_fn({**params, "schema_path": schema_path})

    return read_transformed


def _build_receiver_fn(program: Program) -> Callable[[], Any]:
    label_key, data = program.options.label_key, program.data
    assert label_key is not None  # has been checked
    if data.transform_graph_path is None:
        assert data.schema_path is not None
        schema = read_schema(data.schema_path)
        return build_schema_serving_input_receiver_fn(schema, label_key)
    # TensorFlow Transform is loaded by those who have a graph of it.
    from .transform_receiver import build_transform_receiver_fn

    return build_transform_receiver_fn(data.transform_graph_path, label_key, data.schema_path)


def _check_schema(program: Program, name: str, what: str) -> None:
    """Says which function is missing and what could replace it, if there is no schema."""
    label = program.module.label
    if program.examples_schema_path is None:
        raise UserModuleError(
            f"module {label!r} lacks `{name}`, and without a schema {what} cannot be built: write "
            f"`{name}`, or give the component `schema` and "
            "`options=TPUEstimatorOptions(label_key=...)`."
        )
    if program.options.label_key is None:
        raise UserModuleError(
            f"module {label!r} lacks `{name}`, and {what} built from the schema needs to know the "
            f"label: write `{name}`, or give "
            "`options=TPUEstimatorOptions(label_key=...)`."
        )
