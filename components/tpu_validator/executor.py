"""Executor of the TPUValidator."""

from __future__ import annotations

import logging
from typing import Any

from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import path_utils

from tfx_tpu_estimator.skew_check.saved_graphs import read_metagraphs

from .. import constants
from ..blessing import Verdict
from ..digest import compute_model_digest
from ..examples import SplitFiles, check_tf_examples, resolve_splits
from ..properties import describe_versions
from ..run_record import read_run_record
from .blessing import join_verdicts, write_infra_blessing
from .checks import check_record, find_compiler, run_compile_check, run_skew_check
from .options import TPUValidatorOptions

_logger = logging.getLogger(__name__)


class Executor(base_executor.BaseExecutor):
    """Checks a model for a TPU and writes the blessing."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Blesses the model or does not; what is wrong with the model is no error.

        Args:
            input_dict: model, and where given examples.
            output_dict: blessing.
            exec_properties: tpu_validator_options (JSON).

        Raises:
            CompilerMissingError: If there is no libtpu and the compile check must be made.
            ValueError: If the options cannot be met, or the examples do not fit the model.
            DataCorruptionError: If the examples cannot be read.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        # 1. What is given, and whether it can be checked at all.
        options = TPUValidatorOptions.from_json(exec_properties[constants.VALIDATOR_OPTIONS_KEY])
        compiler = find_compiler(options)
        examples = _resolve_examples(input_dict, options)
        model = artifact_utils.get_single_instance(input_dict[specs.MODEL_KEY])
        blessing = artifact_utils.get_single_instance(output_dict[specs.BLESSING_KEY])
        serving_path = path_utils.serving_model_path(
            model.uri, path_utils.is_old_model_artifact(model)
        )
        record = read_run_record(model.uri)
        check_record(options, record)
        # 2. The checks; the digest is that of the files they are about to read.
        digest = compute_model_digest(serving_path)
        verdict = _check_graphs(serving_path)
        if verdict is None:
            verdicts = [run_compile_check(serving_path, record, options, compiler, blessing.uri)]
            if examples is not None:
                verdicts.append(run_skew_check(serving_path, examples, options, blessing.uri))
            verdict = join_verdicts(*verdicts)
        # 3. The blessing.
        facts = {
            constants.MODEL_DIGEST: digest,
            constants.TOPOLOGY: options.topology,
            constants.COMPILER: compiler,
            **describe_versions(),
        }
        write_infra_blessing(blessing, verdict, model, facts)
        _logger.info("%s: %s", "Blessed" if verdict.blessed else "NOT blessed", verdict.reason)


def _resolve_examples(
    input_dict: dict[str, list[types.Artifact]], options: TPUValidatorOptions
) -> SplitFiles | None:
    examples = input_dict.get(specs.EXAMPLES_KEY)
    if not examples:
        return None
    files = resolve_splits(examples, [options.split], "options.split")
    check_tf_examples(files, "the skew check feeds them to the model")
    return files


def _check_graphs(serving_path: str) -> Verdict | None:
    """Returns a verdict about a model that has not both graphs, or none that can be read."""
    try:
        read_metagraphs(serving_path)
    except ValueError as error:
        return Verdict(blessed=False, reason=str(error))
    return None
