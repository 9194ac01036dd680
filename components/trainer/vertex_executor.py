"""Executor of the Trainer that has a CustomJob of Vertex AI do the training."""

from __future__ import annotations

from typing import Any

from tfx import types
from tfx.extensions.google_cloud_ai_platform.trainer import executor as vertex_executor
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs

from .executor import Executor as TrainingExecutor
from .recorded_properties import restore_properties


class Executor(vertex_executor.GenericExecutor):
    """Starts a CustomJob that runs the Trainer's executor, and waits for its end."""

    def _GetExecutorClass(self) -> Any:
        return TrainingExecutor

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Trains in a CustomJob, through TFX's own extension.

        Args:
            input_dict: As of the Trainer's executor; on Cloud Storage, where the job reads them.
            output_dict: model, model_run; on Cloud Storage likewise.
            exec_properties: As of the Trainer's executor; custom_config has the job too.

        Raises:
            ValueError: If there is no job in custom_config.
            RuntimeError: If the job failed or was cancelled, or left no record of a run.
        """
        super().Do(input_dict, output_dict, exec_properties)
        model = artifact_utils.get_single_instance(output_dict[specs.MODEL_KEY])
        model_run = artifact_utils.get_single_instance(output_dict[specs.MODEL_RUN_KEY])
        restore_properties(model, model_run)
