"""compile_for_tpu: the compile check of a module, a model_fn or an estimator."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.compile_api.module import ModelFunctions, find_functions
from tfx_tpu_estimator.compile_check.report import CompileReport
from tfx_tpu_estimator.config.preflight import DEFAULT_TIMEOUT_SECS
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.tpu_config import TPUConfig
from tfx_tpu_estimator.tpu_estimator import TPUEstimator

DEFAULT_TRAIN_BATCH_SIZE = 128
_INPUTS = ("train_input_fn", "eval_input_fn", "predict_input_fn", "serving_input_receiver_fn")
_BATCH_SIZES = ("train_batch_size", "eval_batch_size", "predict_batch_size")
# Entries of `params` that the Trainer sets; a module's functions may look at them.
_NO_DATA: dict[str, Any] = {
    "train_files": [], "eval_files": [], "schema_path": None, "data_format": None,
    "payload_format": None, "transform_graph_path": None, "statistics_path": None,
    "train_steps": None, "eval_steps": None,
    "base_model": None, "hyperparameters": None, "label_key": None, "seed": 0,
}  # fmt: skip


def compile_for_tpu(
    model: Any,
    *,
    topologies: Sequence[str] | str,
    train_input_fn: Callable | None = None,
    eval_input_fn: Callable | None = None,
    predict_input_fn: Callable | None = None,
    serving_input_receiver_fn: Callable | None = None,
    params: Mapping[str, Any] | None = None,
    config: RunConfig | None = None,
    embedding_config_spec: Any = None,
    train_batch_size: int | None = None,
    eval_batch_size: int | None = None,
    predict_batch_size: int | None = None,
    schema: str | None = None,
    label_key: str | None = None,
    programs: Sequence[str] | None = None,
    serving_batch_size: int | None = None,
    search_batch: bool = False,
    timeout_secs: float = DEFAULT_TIMEOUT_SECS,
    cache_dir: str | os.PathLike | None = None,
    use_cache: bool = True,
    progress: Callable[[Any], None] | None = None,
) -> CompileReport:
    """Compiles every program of a model with the TPU compiler, for TPUs that need not be there.

    What cannot run on a TPU is found while lowering, in seconds, before anything is compiled.
    Needs libtpu: `pip install 'tfx-tpu-estimator[tpu]'`.

    Args:
      model: A `TPUEstimator`; or a module as the Trainer takes it (path of a file, dotted name or
        the module) with `model_fn` and those of `train_input_fn`, `eval_input_fn`,
        `predict_input_fn`, `serving_input_receiver_fn` and `estimator_params` that there are; or a
        model_fn.
      topologies: For which TPUs: a name such as `v5e:2x2`, or several.
      train_input_fn: Instead of the module's. It is called, and nothing is read.
      eval_input_fn: The same for evaluation.
      predict_input_fn: The same for prediction. Default: the features of `eval_input_fn`.
      serving_input_receiver_fn: The same for serving.
      params: More hyperparameters, and entries such as `train_files` that the input functions look
        at; they win over `estimator_params()`. Not with a TPUEstimator, which has its own.
      config: A RunConfig, with the TPUConfig of training. Not with a TPUEstimator.
      embedding_config_spec: As for TPUEstimator. Not with one.
      train_batch_size: Global batch size. Default: that of `estimator_params()`, else 128. Not with
        a TPUEstimator, nor the next two.
      eval_batch_size: Default: `train_batch_size`.
      predict_batch_size: Default: `eval_batch_size`.
      schema: Path of a schema, from which shapes come where a module has no `train_input_fn` or
        `eval_input_fn`, as in the Trainer.
      label_key: Name of the label in the schema. Default: that of `estimator_params()`.
      programs: Some of `train`, `eval`, `predict` and `serving`. Default: all there are.
      serving_batch_size: Examples of a request. Default: those of a core in prediction.
      search_batch: Whether to search for the largest batch per core that fits, with at most six
        more compiles of each program.
      timeout_secs: Of one compile. Default: an hour.
      cache_dir: Where results of compiles are kept. Default: the user's cache directory.
      use_cache: Whether results of before are used.
      progress: Called with an `Event` when there is news, several times a second.

    Returns:
      The report; its `ok` says whether all programs compile and fit.

    Raises:
      UserModuleError: The module cannot be imported, or has no `model_fn`.
      ValueError: A topology, program or batch size is wrong, or a function that is needed is
        missing.
      CompilerMissingError: libtpu is not installed; a RuntimeError.

    Example:
      report = compile_for_tpu("model.py", topologies=["v5e:2x2"], train_batch_size=256)
      for program in report.programs:
          print(program.program, program.status, program.peak_bytes)
    """
    inputs: dict[str, Any] = {
        "train_input_fn": train_input_fn,
        "eval_input_fn": eval_input_fn,
        "predict_input_fn": predict_input_fn,
        "serving_input_receiver_fn": serving_input_receiver_fn,
    }
    settings: dict[str, Any] = {
        "params": params,
        "config": config,
        "embedding_config_spec": embedding_config_spec,
        "train_batch_size": train_batch_size,
        "eval_batch_size": eval_batch_size,
        "predict_batch_size": predict_batch_size,
        "schema": schema,
        "label_key": label_key,
    }
    check: dict[str, Any] = {
        "topologies": topologies,
        "programs": programs,
        "serving_batch_size": serving_batch_size,
        "search_batch": search_batch,
        "timeout_secs": timeout_secs,
        "cache_dir": cache_dir,
        "use_cache": use_cache,
        "progress": progress,
    }
    if isinstance(model, TPUEstimator):
        _refuse_settings(settings)
        return model.compile_check(**inputs, **check)
    functions = find_functions(model)
    # Of no use but to the eyes of a model_fn; nothing is trained.
    with tempfile.TemporaryDirectory(prefix="compile_check_") as model_dir:
        estimator, inputs = _create_estimator(functions, inputs, settings, model_dir)
        return estimator.compile_check(**inputs, **check, name=functions.name)


def _refuse_settings(settings: Mapping[str, Any]) -> None:
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise ValueError(
            f"`{given[0]}` is given, but `model` is a TPUEstimator, which has its own. Leave it "
            "out, or give the model_fn instead."
        )


def _create_estimator(
    functions: ModelFunctions,
    inputs: Mapping[str, Callable | None],
    settings: Mapping[str, Any],
    model_dir: str,
) -> tuple[TPUEstimator, dict[str, Callable | None]]:
    """Builds what the Trainer would build of a module; returns it and its input functions."""
    own = functions.read_params()
    own = {**own, **own.pop("params", {})}
    given = dict(settings["params"] or {})
    train = settings["train_batch_size"] or own.get("train_batch_size", DEFAULT_TRAIN_BATCH_SIZE)
    evaluation = settings["eval_batch_size"] or own.get("eval_batch_size") or train
    predict = settings["predict_batch_size"] or own.get("predict_batch_size") or evaluation
    label_key = settings["label_key"] or given.get("label_key") or own.get("label_key")
    schema = settings["schema"] or given.get("schema_path")
    params = {**_NO_DATA, **own, "label_key": label_key, "schema_path": schema, **given}
    params = {key: value for key, value in params.items() if key not in _BATCH_SIZES}
    config = settings["config"] or _make_config(own)
    estimator = TPUEstimator(
        functions.model_fn,
        config=config.replace(model_dir=model_dir),
        params=params,
        # Devices are those of the topologies; none are looked for.
        use_tpu=False,
        train_batch_size=train,
        eval_batch_size=evaluation,
        predict_batch_size=predict,
        embedding_config_spec=settings["embedding_config_spec"],
    )
    found: dict[str, Callable | None] = {
        name: inputs[name] or functions.functions.get(name) for name in _INPUTS
    }
    return estimator, _add_of_schema(found, params, schema, label_key)


def _make_config(own: Mapping[str, Any]) -> RunConfig:
    loop = own.get("iterations_per_loop")
    tpu_config = TPUConfig() if loop is None else TPUConfig(iterations_per_loop=loop)
    return RunConfig(tpu_config=tpu_config, tf_random_seed=own.get("seed"))


def _add_of_schema(
    inputs: dict[str, Callable | None],
    params: Mapping[str, Any],
    schema: str | None,
    label_key: str | None,
) -> dict[str, Callable | None]:
    """Adds what the Trainer builds from a schema, and hands `params` to a receiver that asks."""
    # Only here: they load TensorFlow metadata.
    from tfx_tpu_estimator.compile_api.schema_specs import make_spec_input_fn
    from tfx_tpu_estimator.export.receivers import build_schema_serving_input_receiver_fn
    from tfx_tpu_estimator.inputs.schema import read_schema

    receiver_fn = inputs["serving_input_receiver_fn"]
    if receiver_fn is not None and _takes_params(receiver_fn):
        given: Any = receiver_fn
        inputs = {**inputs, "serving_input_receiver_fn": lambda: given(params=dict(params))}
    if schema is None:
        return inputs
    if label_key is None:
        raise ValueError(
            "`label_key` must be given with `schema`: the name of the feature that is the label."
        )
    made = {
        "train_input_fn": make_spec_input_fn(schema, label_key),
        "eval_input_fn": make_spec_input_fn(schema, label_key),
        "serving_input_receiver_fn": build_schema_serving_input_receiver_fn(
            read_schema(schema), label_key
        ),
    }
    return {name: function or made.get(name) for name, function in inputs.items()}


def _takes_params(function: Callable) -> bool:
    return "params" in inspect.signature(function).parameters
