"""Executor of the Trainer."""

from __future__ import annotations

import contextlib
import json
import logging
import tempfile
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import io_utils, path_utils

from .. import constants
from ..digest import code_digest, compute_model_digest
from ..examples import verify_files
from ..layout import resolve_durable_dir
from ..properties import describe_versions, join_tag_sets, set_custom_properties, set_metrics
from ..run_record import RunRecord, write_run_record
from ..saved_model import list_tag_sets
from ..user_module import ModuleForm, UserModule
from .functions_form import TrainedModel, count_epochs, train_functions
from .hosts import joined_hosts
from .inputs import TrainerInputs, compute_run_key, load_user_module, resolve_inputs
from .launch import launch_processes
from .lock import hold_directory
from .preflight import check_preflight, run_preflight
from .provenance import describe_provenance, describe_training, is_source
from .recorded_properties import restore_properties
from .repeatable import TrainingNotes, repeatable
from .run_fn_form import train_run_fn
from .trainer_fn_form import train_trainer_fn

_logger = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Trains a user module of any form and records the run."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains, evaluates and exports a model.

        Args:
            input_dict: examples, and where given transform_graph, schema, base_model,
                hyperparameters.
            output_dict: model, model_run.
            exec_properties: train_args, eval_args, custom_config, tpu_estimator_options (JSON),
                and one of module_file, module_path, run_fn.

        Raises:
            ValueError: If something given cannot be used; the message names it.
            OSError: If the model cannot be written.
            RuntimeError: If another process runs the same training, one of several processes
                fails, or a compile check is asked for and there is no libtpu.
            CompileCheckError: If a program does not compile for the TPU that the options name.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(output_dict[specs.MODEL_KEY])
        model_run = artifact_utils.get_single_instance(output_dict[specs.MODEL_RUN_KEY])
        # 1. Checks.
        inputs = resolve_inputs(input_dict, exec_properties)
        if inputs.options.launches_processes:
            launch_processes(inputs.options, input_dict, output_dict, exec_properties)
            restore_properties(model, model_run)
            return
        module = load_user_module(exec_properties)
        check_preflight(module, inputs.options)
        # 2. A place for checkpoints that a retry finds again.
        key = compute_run_key(inputs, input_dict, exec_properties, module)
        durable = resolve_durable_dir(model_run.uri, key, inputs.options.checkpoint_dir)
        with joined_hosts(module, inputs) as hosts, contextlib.ExitStack() as stack:
            # 3. What takes long, the cheapest first.
            with hosts.running("prepare the training"):
                if hosts.is_chief:
                    stack.enter_context(hold_directory(durable))
                inputs = _prepare(module, inputs, durable, is_chief=hosts.is_chief)
            hosts.wait("begin to train")
            # 4. Training and export.
            notes = TrainingNotes(durable, writes=hosts.is_chief)
            with repeatable(inputs.options.seed, notes):
                if hosts.is_chief:
                    uri = model.uri
                else:
                    uri = stack.enter_context(tempfile.TemporaryDirectory(prefix="not-chief-"))
                trained = _train(
                    module, inputs, input_dict, exec_properties, uri, durable, hosts.is_chief
                )
            # 5. Records.
            if hosts.is_chief:
                io_utils.copy_dir(durable, model_run.uri)
                facts = {
                    **_describe_model(module, trained, path_utils.serving_model_path(model.uri)),
                    **describe_training(inputs, trained, notes.facts, durable),
                    **describe_provenance(inputs, module.source),
                }
                _write_record(model.uri, module, inputs, exec_properties, facts, trained)
                for artifact in (model, model_run):
                    set_custom_properties(artifact, facts)
                    set_metrics(artifact, trained.metrics)
                fileio.rmtree(durable)
            hosts.wait("end: process 0 writes the model")


def _prepare(
    module: UserModule, inputs: TrainerInputs, durable: str, *, is_chief: bool
) -> TrainerInputs:
    """Does what is to be done before training: by the chief, who alone writes, once for all."""
    inputs = count_epochs(module, inputs)
    if is_chief:
        _logger.info("Checkpoints are in %s until the run has succeeded.", durable)
        fileio.makedirs(durable)
        run_preflight(module, inputs, durable)
        if inputs.options.verify_examples:
            verify_files(inputs.train, inputs.evaluation)
    return inputs


def _train(
    module: UserModule,
    inputs: TrainerInputs,
    input_dict: dict[str, list[types.Artifact]],
    exec_properties: dict[str, Any],
    model_uri: str,
    durable: str,
    is_chief: bool,
) -> TrainedModel:
    """Trains a module in the way of its form."""
    if module.form is ModuleForm.FUNCTIONS:
        serving_dir = path_utils.serving_model_dir(model_uri)
        return train_functions(module, inputs, durable, serving_dir, exports=is_chief)
    arguments = (module, inputs, input_dict, exec_properties, model_uri, durable)
    if module.form is ModuleForm.RUN_FN:
        return train_run_fn(*arguments, exports=is_chief)
    return train_trainer_fn(*arguments)


def _describe_model(module: UserModule, trained: TrainedModel, serving_path: str) -> dict[str, Any]:
    """Collects what is known about the model, as custom properties."""
    return {
        constants.GLOBAL_STEP: trained.global_step,
        constants.SERVING_TAG_SETS: join_tag_sets(list_tag_sets(serving_path)),
        constants.MODEL_DIGEST: compute_model_digest(serving_path),
        constants.MODULE_DIGEST: module.source.digest,
        constants.CODE_DIGEST: code_digest(),
        **describe_versions(),
    }


def _write_record(
    model_uri: str,
    module: UserModule,
    inputs: TrainerInputs,
    exec_properties: dict[str, Any],
    facts: dict[str, Any],
    trained: TrainedModel,
) -> None:
    params = dict(trained.program.params) if trained.program else {}
    options = trained.program.options if trained.program else inputs.options
    write_run_record(
        model_uri,
        RunRecord(
            form=module.form,
            source=module.source,
            module_path=exec_properties.get(specs.MODULE_PATH_KEY)
            or exec_properties.get(specs.RUN_FN_KEY),
            options=inputs.options,
            data=inputs.data,
            custom_config=inputs.custom_config,
            facts={
                # The source is beside the record, as files.
                **{key: value for key, value in facts.items() if not is_source(key)},
                "params": params,
                "resolved_options": json.loads(options.to_json()),
                "metrics": {name: _to_number(value) for name, value in trained.metrics.items()},
            },
        ),
    )


def _to_number(value: Any) -> Any:
    """Turns numpy scalars into what JSON can say."""
    return value.item() if hasattr(value, "item") and getattr(value, "size", 1) == 1 else value
