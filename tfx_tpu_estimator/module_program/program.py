"""From a module of plain functions to a TPUEstimator and its input functions, without TFX."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.compile_api.module import ModelFunctions, find_functions
from tfx_tpu_estimator.components.estimator_from_options import (
    create_estimator_from_options,
    split_estimator_params,
)
from tfx_tpu_estimator.components.hyperparameters import find_near
from tfx_tpu_estimator.components.options import TPUEstimatorOptions, option_names
from tfx_tpu_estimator.errors import UserModuleError
from tfx_tpu_estimator.inputs import tfrecord
from tfx_tpu_estimator.suggestions import suggest
from tfx_tpu_estimator.tpu_estimator import TPUEstimator


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFiles:
    """Where the data of a program is.

    Attributes:
        train_files: File patterns for training.
        eval_files: File patterns for evaluation.
        predict_files: File patterns of examples to predict.
        schema_path: Path of the schema's text form, which stands in for missing functions.
        train_steps: Global step to train up to.
        eval_steps: Batches of an evaluation.
    """

    train_files: Sequence[str] = ()
    eval_files: Sequence[str] = ()
    predict_files: Sequence[str] = ()
    schema_path: str | None = None
    train_steps: int | None = None
    eval_steps: int | None = None

    def to_params(self) -> dict[str, Any]:
        """Returns the entries as a module's functions find them in `params`."""
        return {
            "train_files": [*self.train_files],
            # A module without `predict_input_fn` reads what it predicts as it reads evaluations.
            "eval_files": [*(self.predict_files or self.eval_files)],
            "predict_files": [*self.predict_files],
            "schema_path": self.schema_path,
            "train_steps": self.train_steps,
            "eval_steps": self.eval_steps,
            "data_format": self._find_format(),
            # Entries that only the Trainer knows; functions may look at them.
            **dict.fromkeys(("payload_format", "transform_graph_path",
                             "statistics_path", "base_model", "hyperparameters")),
        }  # fmt: skip

    def _find_format(self) -> str | None:
        """Returns what the Trainer calls the files' compression; None without files or for both."""
        found = set()
        for name in ("train_files", "eval_files", "predict_files"):
            if getattr(self, name):
                files = tfrecord.list_files(getattr(self, name), name)
                found.add(tfrecord.resolve_compression(None, files))
        formats = {tfrecord.GZIP: "tfrecords_gzip", tfrecord.UNCOMPRESSED: "tfrecords"}
        return formats[found.pop()] if len(found) == 1 else None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModuleProgram:
    """A module with everything its functions are called with.

    Attributes:
        functions: Those of the module.
        options: Those given, filled up from `estimator_params()`.
        params: What the functions get as `params`, but for the batch size.
        data: Where the data is.
    """

    functions: ModelFunctions
    options: TPUEstimatorOptions
    params: Mapping[str, Any]
    data: DataFiles

    def create_estimator(self, model_dir: str, api_version: int = 1) -> TPUEstimator:
        """Builds the estimator.

        Args:
            model_dir: Directory of checkpoints and event files.
            api_version: `export_saved_model_api_version` of TPUEstimator.

        Raises:
            ValueError: The model_fn or an option cannot be used.
        """
        return create_estimator_from_options(
            self.functions.model_fn,
            self.options,
            self.params,
            model_dir,
            export_saved_model_api_version=api_version,
        )

    def resolve_train_input(self) -> Callable[..., Any]:
        """Returns `train_input_fn`, or one built from the schema.

        Raises:
            ValueError: There is neither.
        """
        return self._own("train_input_fn") or self._schema_input("train_files", True)

    def resolve_eval_input(self) -> Callable[..., Any]:
        """Returns `eval_input_fn`, or one built from the schema.

        Raises:
            ValueError: There is neither.
        """
        return self._own("eval_input_fn") or self._schema_input("eval_files", False)

    def resolve_predict_input(self) -> Callable[..., Any]:
        """Returns `predict_input_fn`, else one of the schema's features, else `eval_input_fn`.

        Raises:
            ValueError: There is none of them.
        """
        own = self._own("predict_input_fn")
        if own is not None:
            return own
        if self._own("eval_input_fn") is None or self.data.schema_path is not None:
            self._require_schema("predict_input_fn` or `eval_input_fn")
            from tfx_tpu_estimator.module_program.unlabelled import make_unlabelled_input_fn

            return make_unlabelled_input_fn()
        return self.functions.functions["eval_input_fn"]

    def resolve_receiver(self) -> Callable[[], Any]:
        """Returns `serving_input_receiver_fn`, or one built from the schema.

        Raises:
            ValueError: There is neither.
        """
        own = self._own("serving_input_receiver_fn")
        if own is not None:
            if "params" in inspect.signature(own).parameters:
                return lambda: own(params=dict(self.params))
            return own
        path = self._require_schema("serving_input_receiver_fn")
        from tfx_tpu_estimator.export.receivers import build_schema_serving_input_receiver_fn
        from tfx_tpu_estimator.inputs.schema import read_schema

        return build_schema_serving_input_receiver_fn(read_schema(path), self.options.label_key)

    def explain_data_errors(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Makes errors in the block name the bad record of files that the schema parses.

        Args:
            key: Which files the block reads: `train_files`, `eval_files` or `predict_files`.
        """
        own = self._own(f"{key.removesuffix('_files')}_input_fn")
        path, label_key = self.data.schema_path, self.options.label_key
        if own is not None or path is None or label_key is None or not getattr(self.data, key):
            return contextlib.nullcontext()
        from tfx_tpu_estimator.module_program.data_errors import explain_data_errors

        return explain_data_errors(
            getattr(self.data, key), path, label_key, labelled=key != "predict_files"
        )

    def count_eval_steps(self) -> int | None:
        """Returns the batches of an evaluation; None for the whole input.

        Devices have to be told when to stop; the host goes on to the end of the input.

        Raises:
            ValueError: Devices evaluate, and neither steps nor files are given.
        """
        if self.data.eval_steps is not None or not self.options.use_tpu:
            return self.data.eval_steps
        if not self.data.eval_files:
            raise ValueError(
                "`eval_steps` must be given with `use_tpu` where there are no `eval_files` to "
                "count: devices have to be told when to stop."
            )
        files = tfrecord.list_files(self.data.eval_files, "eval_files")
        records = tfrecord.count_records(files, tfrecord.resolve_compression(None, files))
        size = self.options.eval_batch_size or self.options.train_batch_size
        return -(-records // size)

    def _own(self, name: str) -> Callable[..., Any] | None:
        return self.functions.functions.get(name)

    def _schema_input(self, key: Any, training: bool) -> Callable[..., Any]:
        self._require_schema(f"{key.removesuffix('_files')}_input_fn")
        if not getattr(self.data, key):
            raise ValueError(f"`{key}` must be given: the input is built from the schema.")
        from tfx_tpu_estimator.inputs.schema_input import SHUFFLE_BUFFER, make_schema_input_fn

        buffer = self.options.shuffle_buffer or SHUFFLE_BUFFER
        return make_schema_input_fn(key, training=training, shuffle_buffer=buffer)

    def _require_schema(self, name: str) -> str:
        path, label_key = self.data.schema_path, self.options.label_key
        if path is None or label_key is None:
            raise UserModuleError(
                f"module {self.functions.name!r} lacks `{name}`: write it, or give both `schema` "
                f"and `label_key`, from which one is built; got {path!r} and {label_key!r}."
            )
        from tfx_tpu_estimator.inputs.schema import read_schema

        names = [feature.name for feature in read_schema(path).feature]
        if label_key not in names:
            raise ValueError(
                f"`label_key` is {label_key!r}; the schema has the features {names}."
                f"{suggest(label_key, names)}"
            )
        return path


def build_program(
    module: str,
    options: Mapping[str, Any],
    data: DataFiles,
    params: Mapping[str, Any] | None = None,
) -> ModuleProgram:
    """Loads a module and joins it with options, data and hyperparameters.

    Args:
        module: Path of a Python file, or dotted name of a module.
        options: Options of `TPUEstimatorOptions`; they win over `estimator_params()`.
        data: Where the data is.
        params: Hyperparameters; they win over `estimator_params()`.

    Raises:
        UserModuleError: The module cannot be imported, or lacks `model_fn`.
        ValueError: An option is out of range, a hyperparameter has a name that is taken, or a
            pattern matches no file.
        TypeError: An option is of the wrong type.

    Example:
        program = build_program("model.py", {"train_batch_size": 64}, DataFiles())
        program.create_estimator("runs/m").train(program.resolve_train_input(), max_steps=1000)
    """
    functions = find_functions(module)
    chosen, rest = split_estimator_params(functions.read_params())
    merged = TPUEstimatorOptions(**{**chosen, **options})
    own = {**data.to_params(), "label_key": merged.label_key, "seed": merged.seed}
    _check_free(rest, own, "`estimator_params()`")
    _check_free(params or {}, {**own, **dict.fromkeys(option_names())}, "`params`")
    _check_far(params or {}, [*rest, *own, *option_names()])
    return ModuleProgram(
        functions=functions, options=merged, params={**rest, **(params or {}), **own}, data=data
    )


def _check_far(params: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuses a hyperparameter of nearly the name of something that there is, as the Trainer."""
    for name in sorted(set(params) - set(known)):
        near = find_near(name, known)
        if near is not None:
            raise ValueError(
                f"`params` has {name!r}, which is nearly `{near}`. Did you mean `{near}`? If it is "
                "a hyperparameter of its own, return it from `estimator_params()` too."
            )


def _check_free(values: Mapping[str, Any], taken: Mapping[str, Any], origin: str) -> None:
    found = sorted(set(values) & set(taken))
    if found:
        raise ValueError(
            f"{origin} sets {', '.join(f'`{name}`' for name in found)}, which has an option of "
            "its own or is set by the runtime; rename the hyperparameter or give the option."
        )
