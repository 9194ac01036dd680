"""`tfx-tpu-estimator pipeline`: run and compile."""

from __future__ import annotations

import dataclasses
import importlib
import os
import sys
from typing import Any

import click


@click.group()
def pipeline() -> None:
    """Run a pipeline on this machine, or compile it for a cluster."""


@pipeline.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--output",
    default="pipeline_output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Directory for everything the run writes.",
)
@click.option(
    "--runner",
    type=click.Choice(["local", "ir"]),
    default="local",
    show_default=True,
    help="local: TFX's LocalDagRunner, with ML Metadata. ir: what a cluster would run, compiled, "
    "each step as the process that a container would start.",
)
@click.option("--from", "from_nodes", multiple=True, help="Begin with this node (local only).")
@click.option("--to", "to_nodes", multiple=True, help="End with this node (local only).")
@click.option("--no-cache", is_flag=True, help="Run every node even if nothing has changed.")
def run(
    file: str,
    output: str,
    runner: str,
    from_nodes: tuple[str, ...],
    to_nodes: tuple[str, ...],
    no_cache: bool,
) -> None:
    """Run the pipeline of FILE on this machine.

    FILE is a Python file with a function make_config(directory) that returns a PipelineConfig.
    After a failure, the same command goes on where it failed.

    \b
    tfx-tpu-estimator pipeline run taxi_pipeline.py --output out
    tfx-tpu-estimator pipeline run taxi_pipeline.py --output out --from Evaluator
    """
    if runner == "ir" and (from_nodes or to_nodes):
        raise click.UsageError("`--from` and `--to` are for the local runner.")
    log_file = os.path.join(os.path.abspath(output), "pipeline.log")
    config = _load(file, output, log_file)
    if no_cache:
        config = dataclasses.replace(config, enable_cache=False)
    if runner == "ir":
        sys.exit(_run_ir(config, output, log_file))
    presentation = importlib.import_module("tfx_tpu_estimator.pipelines.presentation")
    try:
        code = presentation.run_and_present(
            config, log_file, from_nodes=list(from_nodes) or None, to_nodes=list(to_nodes) or None
        )
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


@pipeline.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--root",
    required=True,
    help="Where the steps write, as their containers see it: a bucket or a mounted path.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    required=True,
    help="Container image of all steps; COMPONENT=IMAGE for one step.",
)
@click.option(
    "--resources",
    multiple=True,
    help="COMPONENT:cpu=8,memory=32,accelerator=NVIDIA_L4,count=1; memory is in GiB.",
)
@click.option(
    "--output-file",
    default="pipeline.yaml",
    show_default=True,
    help=".yaml for Kubeflow Pipelines, .json for Vertex.",
)
def compile(
    file: str, root: str, images: tuple[str, ...], resources: tuple[str, ...], output_file: str
) -> None:
    """Compile the pipeline of FILE for Kubeflow Pipelines v2 or Vertex, and check the result.

    FILE is a Python file with a function make_config(directory) that returns a PipelineConfig;
    it is called with ROOT.

    \b
    tfx-tpu-estimator pipeline compile taxi_pipeline.py --root gs://bucket/taxi \\
        --image region-docker.pkg.dev/project/images/tfx:1 \\
        --resources Trainer:cpu=8,memory=32 --output-file taxi.yaml
    """
    config = _load(file, root, None)
    kubeflow = importlib.import_module("tfx_tpu_estimator.pipelines.kubeflow")
    create = importlib.import_module("tfx_tpu_estimator.pipelines.pipeline").create_pipeline
    try:
        settings = kubeflow.read_options(images, resources)
        kubeflow.compile_kubeflow(create(config), settings, output_file)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"Wrote {output_file}: PipelineSpec 2.1.0, checked.", err=True)


def _load(file: str, directory: str, log_file: str | None) -> Any:
    """Loads the configuration; logs go to the file, and only our own to the terminal."""
    from tfx_tpu_estimator.pipelines import console

    console.quiet_third_parties()
    if log_file is not None:
        console.send_logs_to(log_file)
    click.echo("Loading TensorFlow, TFX and Beam ...", err=True)
    load_config = importlib.import_module("tfx_tpu_estimator.pipelines.config_file").load_config
    try:
        return load_config(file, directory)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _run_ir(config: Any, output: str, log_file: str) -> int:
    kubeflow = importlib.import_module("tfx_tpu_estimator.pipelines.kubeflow")
    create = importlib.import_module("tfx_tpu_estimator.pipelines.pipeline").create_pipeline
    settings = kubeflow.KubeflowConfig(image="local")
    root = os.path.join(os.path.abspath(output), "ir")
    try:
        job = kubeflow.compile_kubeflow(create(config), settings, os.path.join(root, "ir.json"))
        steps = kubeflow.run_ir(job, root)
    except (ValueError, kubeflow.StepFailedError) as error:
        click.echo(f"The pipeline failed: {error}\nSee {log_file}", err=True)
        return 1
    for step in steps:
        for key, artifact in step.outputs.items():
            click.echo(f"{step.task}.{key}: {artifact.uri}")
    return 0
