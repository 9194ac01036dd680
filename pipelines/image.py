"""The recipe of a container image that holds a pipeline: this package, what it needs, modules."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tfx.dsl.io import fileio

from tfx_tpu_estimator.components.module_source import read_module_file

from .config import PipelineConfig
from .package_wheel import DISTRIBUTION, check_wheel, read_requirements

DEFAULT_BASE = "python:3.10-slim"
_EXTRAS = ("tfx", "kubeflow", "tpu")
_BASE_PYTHON = re.compile(r"(?:^|/)python:(\d+\.\d+)")
_FILES = "files"
_DOCKERFILE = """\
FROM {base}
ENV TF_USE_LEGACY_KERAS=1 TF_ENABLE_ONEDNN_OPTS=0 TF_CPP_MIN_LOG_LEVEL=3 PYTHONUNBUFFERED=1
COPY requirements.txt /tmp/image/requirements.txt
# Some of them come as source alone, and one of those, pyfarmhash, is C++.
RUN set -e; compiler=; \\
    if ! command -v g++ >/dev/null && command -v apt-get >/dev/null; then \\
      apt-get update; apt-get install -y --no-install-recommends g++; compiler=g++; \\
    fi; \\
    python -m pip install --no-cache-dir --no-deps -r /tmp/image/requirements.txt; \\
    if [ -n "$compiler" ]; then \\
      apt-get purge -y --auto-remove $compiler; rm -rf /var/lib/apt/lists/*; \\
    fi
COPY {wheel} /tmp/image/{wheel}
RUN python -m pip install --no-cache-dir --no-deps /tmp/image/{wheel} && rm -r /tmp/image
{modules}WORKDIR {directory}
"""
_IGNORE = """\
*
!requirements.txt
!*.whl
!files
"""


def write_image(
    config: PipelineConfig, output_dir: str, wheel: str, base: str = DEFAULT_BASE
) -> list[str]:
    """Writes a Dockerfile and all that it copies, for an image that any step can run in.

    The requirements are those of this environment, each at the version that is installed here.
    Local module files and schemas of the pipeline are in the image at the paths they have here,
    with the files beside them that they import.

    Args:
      config: The pipeline.
      output_dir: A directory that does not exist yet or is empty: the context of the build.
      wheel: This package as a wheel; see `build_wheel`.
      base: Image to start from, with the same Python as this one.

    Returns:
      Paths of the files of the pipeline that are in the image.

    Raises:
      ValueError: The directory is not empty, the wheel is of another package, or the base of
        another Python.
      FileNotFoundError: There is no such wheel, or a file is missing.

    Example:
      write_image(config, "image", build_wheel("wheels"))
    """
    _check_base(base)
    check_wheel(wheel)
    output_dir = os.path.abspath(output_dir)
    if os.path.exists(output_dir) and (not os.path.isdir(output_dir) or os.listdir(output_dir)):
        raise ValueError(
            f"`output_dir` {output_dir!r} is there and not empty; name another directory."
        )
    requirements = list_requirements(DISTRIBUTION, _EXTRAS, read_requirements(wheel))
    paths = list_files(config)
    os.makedirs(os.path.dirname(output_dir), exist_ok=True)
    staging = tempfile.mkdtemp(prefix=".image-", dir=os.path.dirname(output_dir))
    try:
        _write_context(staging, base, wheel, requirements, paths, _choose_directory(config))
        check_context(staging)
        os.chmod(staging, 0o755)
        os.replace(staging, output_dir)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return paths


def list_files(config: PipelineConfig) -> list[str]:
    """Returns the absolute paths of a pipeline's local files, with what modules import beside."""
    found: list[str] = []
    for path in (config.module_file, config.evaluator_module_file):
        if path is not None and "://" not in path:
            folder = os.path.dirname(os.path.abspath(path))
            found += [os.path.join(folder, name) for name in read_module_file(path).files]
    if config.schema_file is not None and "://" not in config.schema_file:
        found.append(os.path.abspath(config.schema_file))
    return sorted(set(found))


def list_requirements(name: str, extras: Iterable[str], own: Iterable[str]) -> list[str]:
    """Returns `name==version` of all that an installed distribution needs, itself not.

    Args:
      name: The distribution.
      extras: Of it.
      own: What it requires itself; what is installed of it may be older.

    Raises:
      ValueError: Something that it needs is not installed here.
    """
    pins: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(name, extra) for extra in ("", *extras)]
    while waiting:
        item = waiting.pop()
        if item in seen:
            continue
        seen.add(item)
        for text in own if item[0] == name else importlib.metadata.requires(item[0]) or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": item[1]}):
                continue
            needed = canonicalize_name(requirement.name)
            try:
                pins[needed] = importlib.metadata.version(needed)
            except importlib.metadata.PackageNotFoundError as error:
                raise ValueError(
                    f"{item[0]} needs {requirement}, which is not installed here; the image gets "
                    "what this environment has. Install it first."
                ) from error
            waiting += [(needed, extra) for extra in ("", *requirement.extras)]
    pins.pop(canonicalize_name(name), None)
    return [f"{needed}=={pins[needed]}" for needed in sorted(pins)]


def check_context(directory: str) -> None:
    """Checks that whatever a Dockerfile copies is in its directory.

    Raises:
      FileNotFoundError: A source is missing.
    """
    with open(os.path.join(directory, "Dockerfile")) as file:
        lines = file.read().splitlines()
    for line in lines:
        if line.startswith("COPY "):
            source = line.split()[1]
            if not os.path.exists(os.path.join(directory, source)):
                raise FileNotFoundError(f"{line!r} of the Dockerfile copies what is not there.")


def _write_context(
    context: str, base: str, wheel: str, requirements: list[str], paths: list[str], directory: str
) -> None:
    for path in paths:
        target = os.path.join(context, _FILES, path.lstrip(os.sep))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        fileio.copy(path, target, overwrite=True)
    shutil.copy(wheel, context)
    texts = {
        "requirements.txt": "".join(f"{line}\n" for line in requirements),
        ".dockerignore": _IGNORE,
        "Dockerfile": _DOCKERFILE.format(
            base=base,
            wheel=os.path.basename(wheel),
            # The tree of paths is copied as a whole: names with spaces need no quotes.
            modules=f"COPY {_FILES}/ /\n" if paths else "",
            directory=directory,
        ),
    }
    for name, text in texts.items():
        with open(os.path.join(context, name), "w") as file:
            file.write(text)


def _choose_directory(config: PipelineConfig) -> str:
    """Returns the working directory in the image: this one where paths are relative to it."""
    paths = (config.module_file, config.evaluator_module_file, config.schema_file)
    relative = any(p is not None and "://" not in p and not os.path.isabs(p) for p in paths)
    return os.getcwd() if relative else "/"


def _check_base(base: str) -> None:
    if not isinstance(base, str) or not re.fullmatch(r"\S+", base):
        raise ValueError(f"`base` must be the name of a container image, got {base!r}.")
    found = _BASE_PYTHON.search(base)
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    if found and found[1] != own:
        raise ValueError(
            f"`base` {base!r} has Python {found[1]}; the requirements are those of this "
            f"environment, Python {own}. Take a base of that Python, such as python:{own}-slim."
        )
