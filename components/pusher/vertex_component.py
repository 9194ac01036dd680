"""VertexPusher: deploys a blessed model, checked as the Pusher does, to Vertex AI."""

from __future__ import annotations

import dataclasses

from tfx import types
from tfx.dsl.components.base import base_component, executor_spec
from tfx.types import standard_artifacts, system_executions
from tfx.types import standard_component_specs as specs
from tfx.types.component_spec import ChannelParameter, ComponentSpec, ExecutionParameter
from tfx.utils import json_utils

from ..constants import CODE_DIGEST_KEY, PUSHER_CONFIG_KEY, VERTEX_CONFIG_KEY
from ..digest import code_digest
from .component import PusherSpec
from .options import PusherOptions
from .vertex_executor import Executor
from .vertex_options import VertexDestination


class VertexPusherSpec(ComponentSpec):
    """The Pusher's inputs and output; the destination is in `custom_config`."""

    PARAMETERS = {
        specs.CUSTOM_CONFIG_KEY: ExecutionParameter(type=str),
        CODE_DIGEST_KEY: ExecutionParameter(type=str),
    }
    INPUTS = PusherSpec.INPUTS
    OUTPUTS = {specs.PUSHED_MODEL_KEY: ChannelParameter(type=standard_artifacts.PushedModel)}
    TYPE_ANNOTATION = system_executions.Deploy


class VertexPusher(base_component.BaseComponent):
    """Deploys a blessed model to an endpoint of Vertex AI, through TFX's own extension.

    The blessing and the model are checked as the Pusher does. The model is copied to the output
    artifact, which must be on Cloud Storage, compared, and deployed from there. Vertex AI numbers
    models itself, so versions, retention and rollback of the Pusher have no meaning here.

    Outputs:
        pushed_model: PushedModel with the custom properties `pushed` (1 or 0), `reason` where it
            was refused, `pushed_destination` (the resource name of the model), `model_digest`,
            `pushed_digest` and `source_model`.

    Example:
        VertexPusher(
            model=trainer.outputs["model"],
            model_blessing=evaluator.outputs["blessing"],
            destination=VertexDestination(
                project="my-project",
                region="us-central1",
                endpoint_name="taxi",
                container_image="us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15:latest",
            ),
        )
    """

    SPEC_CLASS = VertexPusherSpec
    EXECUTOR_SPEC = executor_spec.ExecutorClassSpec(Executor)

    def __init__(
        self,
        model: types.BaseChannel | None = None,
        model_blessing: types.BaseChannel | None = None,
        infra_blessing: types.BaseChannel | None = None,
        destination: VertexDestination | None = None,
        options: PusherOptions | None = None,
    ):
        """Declares a deployment.

        Args:
            model: The Model to deploy.
            model_blessing: The Evaluator's verdict; without it any model is deployed.
            infra_blessing: A validator's verdict, or the model with warm-up requests where
                `model` is not given.
            destination: Where to, and how.
            options: The checks to make; default PusherOptions(). What is about a serving
                directory has no effect.

        Raises:
            ValueError: If both models are missing.
            TypeError: If `destination` or `options` is of another type.
        """
        if model is None and infra_blessing is None:
            raise ValueError("one of `model` and `infra_blessing` must be given; got neither.")
        if not isinstance(destination, VertexDestination):
            raise TypeError(f"`destination` must be VertexDestination, got {destination!r}.")
        options = PusherOptions() if options is None else options
        if not isinstance(options, PusherOptions):
            raise TypeError(f"`options` must be PusherOptions, got {options!r}.")
        config = {
            PUSHER_CONFIG_KEY: dataclasses.asdict(options),
            VERTEX_CONFIG_KEY: destination.to_dict(),
        }
        super().__init__(
            spec=VertexPusherSpec(
                model=model,
                model_blessing=model_blessing,
                infra_blessing=infra_blessing,
                custom_config=json_utils.dumps(config),
                code_digest=code_digest(),
                pushed_model=types.Channel(type=standard_artifacts.PushedModel),
            )
        )
