"""Executor of the VertexPusher."""

from __future__ import annotations

import logging
import time
from typing import Any

from tfx import types
from tfx.components.pusher import executor as tfx_executor
from tfx.extensions.google_cloud_ai_platform import runner
from tfx.types import artifact_utils
from tfx.types import standard_component_specs as specs
from tfx.utils import json_utils, name_utils, telemetry_utils

from .. import constants
from ..properties import set_custom_properties
from .blessing import find_refusal
from .content import write_content
from .executor import find_source, prepare, read_options, refuse
from .vertex_options import VertexDestination

_logger = logging.getLogger(__name__)


class Executor(tfx_executor.Executor):
    """Refuses, checks, copies to the artifact, deploys by TFX's own extension."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Deploys the model to an endpoint of Vertex AI if every blessing says so.

        Args:
            input_dict: model, model_blessing, infra_blessing, each optional.
            output_dict: pushed_model; Vertex reads the model from there, so on Cloud Storage.
            exec_properties: custom_config (JSON) with the destination and the options.

        Raises:
            ValueError: If a blessing is for another model, the model fails a check, or the output
                is not on Cloud Storage.
            RuntimeError: If Vertex AI refuses the model.
        """
        self._log_startup(input_dict, output_dict, exec_properties)
        pushed_model = artifact_utils.get_single_instance(output_dict[specs.PUSHED_MODEL_KEY])
        destination = _read_destination(exec_properties)
        options = read_options(exec_properties)
        if not pushed_model.uri.startswith("gs://"):
            raise ValueError(
                f"`pipeline_root` must be on Cloud Storage (gs://...): Vertex AI reads the model "
                f"from {pushed_model.uri}."
            )
        refusal = find_refusal(input_dict)
        if refusal is not None:
            refuse(pushed_model, refusal)
            return
        content = prepare(self.GetModelPath(input_dict), input_dict, options)
        write_content(content, pushed_model.uri)
        resource = _deploy(pushed_model.uri, destination, name_utils.get_full_name(type(self)))
        set_custom_properties(
            pushed_model,
            {
                constants.PUSHED: 1,
                constants.PUSHED_DESTINATION: resource,
                constants.MODEL_DIGEST: content.source_digest,
                constants.PUSHED_DIGEST: content.digest,
                constants.SOURCE_MODEL: find_source(input_dict),
            },
        )
        _logger.info("Deployed %s to endpoint %s.", resource, destination.endpoint_name)


def _read_destination(exec_properties: dict[str, Any]) -> VertexDestination:
    custom_config = json_utils.loads(exec_properties[specs.CUSTOM_CONFIG_KEY])
    return VertexDestination(**custom_config[constants.VERTEX_CONFIG_KEY])


def _deploy(uri: str, destination: VertexDestination, executor: str) -> str:
    with telemetry_utils.scoped_labels({telemetry_utils.LABEL_TFX_EXECUTOR: executor}):
        labels = telemetry_utils.make_labels_dict()
    return runner.deploy_model_for_aip_prediction(
        serving_path=uri,
        # Vertex wants another name for each model of an endpoint.
        model_version_name=f"v{int(time.time())}",
        ai_platform_serving_args={
            **destination.deploy_args,
            "project": destination.project,
            "endpoint_name": destination.endpoint_name,
        },
        labels=labels,
        serving_container_image_uri=destination.container_image,
        endpoint_region=destination.region,
        enable_vertex=True,
    )
