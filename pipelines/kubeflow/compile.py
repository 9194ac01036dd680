"""A pipeline as the PipelineSpec (IR 2.1) that Kubeflow Pipelines v2 and Vertex run."""

from __future__ import annotations

import json
from typing import Any

import yaml
from kfp.pipeline_spec import pipeline_spec_pb2
from tfx.dsl.components.base import base_component
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.orchestration.kubeflow.v2 import kubeflow_v2_dag_runner

from tfx_tpu_estimator.whole_files import write_local_file

from ..container_environment import list_variables
from .config import KubeflowConfig, StepResources
from .validate import validate_job

_Resources = pipeline_spec_pb2.PipelineDeploymentConfig.PipelineContainerSpec.ResourceSpec
_DEFAULT_ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "0"}
# Nodes that Kubeflow itself runs, without a container.
_WITHOUT_CONTAINER = ("Resolver", "Importer")


def compile_kubeflow(
    pipeline: tfx_pipeline.Pipeline, config: KubeflowConfig, output_file: str | None = None
) -> dict[str, Any]:
    """Compiles a pipeline for Kubeflow Pipelines v2 and Vertex, and checks the result.

    The result is a PipelineJob with a PipelineSpec of schema version 2.1.0, which both read, old
    and new versions of kfp alike. It is parsed by kfp's own messages, every executor is imported,
    and every task must find what it reads.

    Args:
      pipeline: Of `create_pipeline`, or any other of TFX. Its root should be a path that the
        containers can reach, such as a bucket.
      config: Images and resources.
      output_file: Where to write it: `.json` for a PipelineJob, as Vertex takes it, `.yaml` for
        the PipelineSpec alone, as Kubeflow Pipelines takes it. None to write nothing.

    Returns:
      The PipelineJob as plain data.

    Raises:
      ValueError: The configuration does not fit the pipeline, or the pipeline cannot run there.

    Example:
      compile_kubeflow(create_pipeline(config), KubeflowConfig(image="..."), "taxi.yaml")
    """
    if output_file is not None and not output_file.endswith((".json", ".yaml", ".yml")):
        raise ValueError(f"`output_file` must end in .json, .yaml or .yml, got {output_file!r}.")
    config.check_ids([c.id for c in pipeline.components if _has_container(c)])
    _set_resources(pipeline, config)
    runner = kubeflow_v2_dag_runner.KubeflowV2DagRunner(
        kubeflow_v2_dag_runner.KubeflowV2DagRunnerConfig(
            display_name=config.display_name,
            default_image=_choose_images(config),
            use_pipeline_spec_2_1=True,
        )
    )
    job = runner.run(pipeline, write_out=False)
    _name_tasks(job)
    _set_environment(job, config)
    job["pipelineSpec"]["defaultPipelineRoot"] = pipeline.pipeline_info.pipeline_root
    validate_job(job)
    if output_file is not None:
        _write(job, output_file)
    return job


def _choose_images(config: KubeflowConfig) -> Any:
    # TFX warns of a default image in a dictionary that it is missing.
    return {"default_image_path": config.image, **config.images} if config.images else config.image


def _has_container(component: Any) -> bool:
    return isinstance(component, base_component.BaseComponent) and (
        type(component).__name__ not in _WITHOUT_CONTAINER
    )


def _set_resources(pipeline: tfx_pipeline.Pipeline, config: KubeflowConfig) -> None:
    for component in pipeline.components:
        if component.id in config.resources:
            component.with_platform_config(_to_proto(config.resources[component.id]))


def _to_proto(resources: StepResources) -> Any:
    proto = _Resources()
    if resources.cpu_limit is not None:
        proto.cpu_limit = resources.cpu_limit
    if resources.memory_limit_gib is not None:
        # The field counts in GB of 10**9 bytes.
        proto.memory_limit = resources.memory_limit_gib * 2**30 / 1e9
    if resources.accelerator_type is not None:
        proto.accelerator.type = resources.accelerator_type
        proto.accelerator.count = resources.accelerator_count
    return proto


def _name_tasks(job: dict[str, Any]) -> None:
    """Gives each task a name; without one, outputs of the same name collide in newer kfp."""
    for name, task in job["pipelineSpec"]["root"]["dag"]["tasks"].items():
        task.setdefault("taskInfo", {}).setdefault("name", name)


def _set_environment(job: dict[str, Any], config: KubeflowConfig) -> None:
    """Gives each container its variables, for which TFX's runner has no option."""
    entries = list_variables(_DEFAULT_ENVIRONMENT, config.environment)
    for executor in job["pipelineSpec"]["deploymentSpec"]["executors"].values():
        if "container" in executor:
            executor["container"]["env"] = entries


def _write(job: dict[str, Any], output_file: str) -> None:
    if output_file.endswith(".json"):
        text = json.dumps(job, indent=2, sort_keys=True)
    else:
        text = yaml.safe_dump(job["pipelineSpec"], sort_keys=True)
    write_local_file(output_file, text)
