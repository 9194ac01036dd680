"""`tfx-tpu-estimator pipeline`: run, compile and image."""

from __future__ import annotations

import dataclasses
import importlib
import os
import shlex
import sys
import tempfile
from typing import Any

import click

from tfx_tpu_estimator.cli import INTERRUPTED
from tfx_tpu_estimator.cli.common_options import (
    no_cache_option,
    pipeline_file,
    run_directory_option,
)
from tfx_tpu_estimator.cli.needed_packages import require_tfx


@click.group()
def pipeline() -> None:
    """Run a pipeline on this machine, or compile it for a cluster."""


@pipeline.command()
@pipeline_file
@run_directory_option("pipeline_output")
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
@no_cache_option
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

    Exit code: 0 if all is done, 1 after a failure, 2 for wrong usage, 130 after an interruption.
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
        click.echo("\nInterrupted; the same command goes on where it ended.", err=True)
        code = INTERRUPTED
    sys.exit(code)


@pipeline.command()
@pipeline_file
@click.option(
    "--to",
    "target",
    type=click.Choice(["kubeflow", "airflow", "airflow3"]),
    default="kubeflow",
    show_default=True,
    help="kubeflow: Kubeflow Pipelines v2 and Vertex. airflow: a DAG for Airflow 2.10 in this "
    "environment. airflow3: a DAG of commands, for Airflow 3 in an environment of its own.",
)
@click.option(
    "--root",
    help="Where the steps write, as they see it: a bucket or a mounted path. Airflow: "
    "pipeline_output if it is not given.",
)
@click.option(
    "--image",
    "images",
    multiple=True,
    help="Kubeflow: container image of all steps; COMPONENT=IMAGE for one step.",
)
@click.option(
    "--resources",
    multiple=True,
    help="Kubeflow: COMPONENT:cpu=8,memory=32,accelerator=NVIDIA_L4,count=1; memory is in GiB.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Airflow: schedule=@daily, retries=2, tags=a,b, queues.Trainer=tpu and other fields of "
    "AirflowConfig. Kubeflow: display_name=TEXT, environment.NAME=TEXT; vertex.tpu=v5e:2x4, "
    "vertex.project=ID, vertex.region=us-west1 and other fields of VertexTPUJob have the Trainer "
    "train as a job on a TPU of Vertex AI.",
)
@click.option(
    "--output-file",
    help="Kubeflow: .yaml, and .json for Vertex; pipeline.yaml if it is not given. Airflow: a .py "
    "of the DAG folder.",
)
def compile(
    file: str,
    target: str,
    root: str | None,
    images: tuple[str, ...],
    resources: tuple[str, ...],
    settings: tuple[str, ...],
    output_file: str | None,
) -> None:
    """Compile the pipeline of FILE for Kubeflow Pipelines v2, Vertex or Airflow, checked.

    FILE is a Python file with a function make_config(directory) that returns a PipelineConfig;
    it is called with ROOT.

    \b
    tfx-tpu-estimator pipeline compile taxi_pipeline.py --root gs://bucket/taxi \\
        --image region-docker.pkg.dev/project/images/tfx:1 \\
        --resources Trainer:cpu=8,memory=32 --output-file taxi.yaml
    tfx-tpu-estimator pipeline compile taxi_pipeline.py --to airflow --root /data/taxi \\
        --set schedule=@daily --set retries=2 --output-file dags/taxi.py
    """
    if target != "kubeflow":
        for option, value in {"--image": images, "--resources": resources}.items():
            if value:
                raise click.UsageError(f"`{option}` is not for `--to {target}`.")
    try:
        if target == "kubeflow":
            _compile_kubeflow(
                file, root, images, resources, settings, output_file or "pipeline.yaml"
            )
        else:
            _compile_airflow(file, root or "pipeline_output", target, settings, output_file)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{output_file or 'pipeline.yaml'}: {error}") from error


@pipeline.command()
@pipeline_file
@click.option(
    "--output-dir",
    required=True,
    type=click.Path(file_okay=False),
    help="A directory that is new or empty: the context of the build.",
)
@click.option("--base", default="python:3.10-slim", show_default=True, help="Image to start from.")
@click.option(
    "--root",
    default="pipeline_output",
    show_default=True,
    help="What make_config is called with, as for `compile`.",
)
@click.option(
    "--wheel",
    type=click.Path(exists=True, dir_okay=False),
    help="This package as a wheel. Default: built from the checkout it is installed from.",
)
def image(file: str, output_dir: str, base: str, root: str, wheel: str | None) -> None:
    """Write the recipe of a container image for the pipeline of FILE: a Dockerfile and its files.

    The image gets this package, what it needs at the versions installed here, and the pipeline's
    local modules and schema at the paths they have here. Nothing is built.

    \b
    tfx-tpu-estimator pipeline image taxi_pipeline.py --output-dir image
    docker build -t region-docker.pkg.dev/project/images/tfx:1 image
    """
    config = _load(file, root, None)
    recipe = importlib.import_module("tfx_tpu_estimator.pipelines.image")
    building = importlib.import_module("tfx_tpu_estimator.pipelines.package_wheel")
    try:
        with tempfile.TemporaryDirectory() as scratch:
            made = wheel or building.build_wheel(scratch)
            paths = recipe.write_image(config, output_dir, made, base)
    except (FileNotFoundError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    for path in paths:
        click.echo(f"In the image: {path}", err=True)
    build = shlex.join(["docker", "build", output_dir])
    click.echo(f"Wrote {output_dir}; build it with: {build}", err=True)


def _compile_kubeflow(
    file: str,
    root: str | None,
    images: tuple[str, ...],
    resources: tuple[str, ...],
    settings: tuple[str, ...],
    output_file: str,
) -> None:
    for option, value in {"--root": root, "--image": images}.items():
        if not value:
            raise click.UsageError(f"Missing option '{option}', which Kubeflow needs.")
    kubeflow = importlib.import_module("tfx_tpu_estimator.pipelines.kubeflow")
    kubeflow_config, job = kubeflow.read_settings(
        settings, kubeflow.read_options(images, resources)
    )
    config = _load(file, root or "", None)
    create = importlib.import_module("tfx_tpu_estimator.pipelines.pipeline").create_pipeline
    made = create(config)
    if job is not None:
        (trainer,) = (node for node in made.components if node.id == "Trainer")
        kubeflow.train_on_vertex(trainer, job)
    kubeflow.compile_kubeflow(made, kubeflow_config, output_file)
    click.echo(f"Wrote {output_file}: PipelineSpec 2.1.0, checked.", err=True)
    if job is not None:
        click.echo(
            f"The Trainer starts a job on {job.shape.machine_type} of Vertex AI ({job.tpu}).",
            err=True,
        )


def _compile_airflow(
    file: str, root: str, target: str, settings: tuple[str, ...], output_file: str | None
) -> None:
    if not output_file:
        raise click.UsageError("Missing option '--output-file': a .py of Airflow's DAG folder.")
    airflow = importlib.import_module("tfx_tpu_estimator.pipelines.airflow")
    airflow_config = airflow.read_settings(settings)
    config = _load(file, root, None)
    create = importlib.import_module("tfx_tpu_estimator.pipelines.pipeline").create_pipeline
    made = create(config)
    airflow_config.check_ids([component.id for component in made.components])
    if target == "airflow":
        airflow.write_dag(file, root, airflow_config, output_file)
    else:
        airflow.write_command_dag(file, root, made, airflow_config, output_file)
    click.echo(f"Wrote {output_file}: DAG {config.name!r}, which writes to {root}.", err=True)


def _load(file: str, directory: str, log_file: str | None) -> Any:
    """Loads the configuration; logs go to the file, and only our own to the terminal."""
    from tfx_tpu_estimator.pipelines import console

    require_tfx()
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
