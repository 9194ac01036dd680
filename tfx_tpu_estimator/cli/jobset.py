"""`tfx-tpu-estimator jobset`."""

from __future__ import annotations

import importlib
import os
import re

import click


@click.command(
    # Everything after PROGRAM is the program's own, options included.
    context_settings={"allow_interspersed_args": False}
)
@click.option("-m", "as_module", is_flag=True, help="PROGRAM is the name of a module.")
@click.option("--topology", required=True, help="Slice, such as v5e:4x4, v6e:2x4 or v5p:2x2x2.")
@click.option(
    "--machine-type", help="Where a topology has several; default: the one with fewest hosts."
)
@click.option("--image", required=True, help="Container image with this package and PROGRAM.")
@click.option("--name", help="Of the JobSet. Default: after PROGRAM.")
@click.option("--namespace", help="Of Kubernetes. Default: the one that kubectl uses.")
@click.option("--service-account", help="Of Kubernetes. Default: the namespace's own.")
@click.option(
    "--restarts",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="How often all hosts start again after one has failed.",
)
@click.option("--slices", type=click.IntRange(min=1), default=1, help="1: others are refused.")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Of the containers.")
@click.option("--output-file", help="A .yaml to write. Default: the standard output.")
@click.argument("program")
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
def jobset(
    as_module: bool,
    topology: str,
    machine_type: str | None,
    image: str,
    name: str | None,
    namespace: str | None,
    service_account: str | None,
    restarts: int,
    slices: int,
    variables: tuple[str, ...],
    output_file: str | None,
    program: str,
    args: tuple[str, ...],
) -> None:
    """Write the manifest that runs PROGRAM on all hosts of a TPU slice of GKE.

    PROGRAM is a script, by its path in the image, or a module; each host runs it by
    `tfx-tpu-estimator run`. Nothing is sent to a cluster.

    \b
    tfx-tpu-estimator jobset --topology v5e:4x4 --image registry/resnet:1 \\
        --output-file resnet.yaml /app/resnet_main.py --model_dir=gs://bucket/resnet
    kubectl apply -f resnet.yaml

    Exit code: 0 if it was written, 1 if it cannot be, 2 for wrong usage.
    """
    module = importlib.import_module("tfx_tpu_estimator.pipelines.gke.jobset")
    try:
        config = module.JobSetConfig(
            name=name or _derive_name(program),
            image=image,
            topology=topology,
            command=("tfx-tpu-estimator", "run", *(["-m"] if as_module else []), program, *args),
            machine_type=machine_type,
            namespace=namespace,
            service_account=service_account,
            restarts=restarts,
            slices=slices,
            environment=_read_variables(variables),
        )
        if output_file is None:
            click.echo(module.format_jobset(config), nl=False)
            return
        module.write_jobset(config, output_file)
    except (TypeError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{output_file} cannot be written: {error}") from error
    shape = config.shape
    click.echo(
        f"Wrote {output_file}: {shape.hosts} of {shape.machine_type}, {shape.chips} chips.",
        err=True,
    )


def _derive_name(program: str) -> str:
    stem = os.path.basename(program).removesuffix(".py").rpartition(".")[2]
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-") or "program"


def _read_variables(texts: tuple[str, ...]) -> dict[str, str]:
    for text in texts:
        if "=" not in text:
            raise ValueError(f"`--env` must be NAME=VALUE, got {text!r}.")
    return dict(text.split("=", 1) for text in texts)
