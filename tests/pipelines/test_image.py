"""The recipe of an image: what it copies is there, what is refused."""

import dataclasses
import importlib.metadata
import os
import subprocess
import zipfile

import pytest
from helpers.pipeline_runs import make_config

from tfx_tpu_estimator.pipelines.image import check_context, list_requirements, write_image
from tfx_tpu_estimator.pipelines.package_wheel import read_requirements


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "wheels" / "tfx_tpu_estimator-1.0-py3-none-any.whl"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        metadata = (
            "Name: tfx-tpu-estimator\nRequires-Dist: jax\nRequires-Dist: tfx; extra == 'tfx'\n"
        )
        archive.writestr("tfx_tpu_estimator-1.0.dist-info/METADATA", metadata)
    return str(path)


def test_the_context_holds_what_the_image_needs(tmp_path, wheel):
    config = make_config(tmp_path)
    module = config.module_file
    with open(module, "a") as file:
        file.write("\nimport beside\n")
    beside = os.path.join(os.path.dirname(module), "beside.py")
    with open(beside, "w") as file:
        file.write("x = 1\n")
    with open(os.path.join(os.path.dirname(module), "stranger.py"), "w") as file:
        file.write("y = 1\n")
    output = tmp_path / "image"
    paths = write_image(config, str(output), wheel)
    assert set(paths) == {module, beside, config.schema_file}
    for path in paths:
        with open(path) as own, open(f"{output}/files{path}") as copied:
            assert own.read() == copied.read()
    assert sorted(os.listdir(output)) == [
        ".dockerignore", "Dockerfile", "files", "requirements.txt", os.path.basename(wheel),
    ]  # fmt: skip
    text = (output / "Dockerfile").read_text()
    assert text.startswith("FROM python:3.10-slim\n")
    assert "TF_USE_LEGACY_KERAS=1" in text
    assert "COPY files/ /\nWORKDIR /\n" in text
    check_context(str(output))
    os.remove(output / "requirements.txt")
    with pytest.raises(FileNotFoundError, match="COPY requirements"):
        check_context(str(output))
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".image-")]


@pytest.mark.parametrize(
    ("programs", "broken", "called"),
    [
        (["apt-get"], "", ["apt-get update", "apt-get install", "python -m", "apt-get purge"]),
        (["apt-get", "g++"], "", ["python -m"]),
        ([], "", ["python -m"]),
        (["apt-get"], "python", ["apt-get update", "apt-get install", "python -m"]),
        (["apt-get"], "apt-get", ["apt-get update"]),
    ],
)
def test_what_has_to_be_compiled_finds_a_compiler(tmp_path, wheel, programs, broken, called):
    """The command of the image, in a shell whose programs only say that they were called."""
    write_image(make_config(tmp_path), str(tmp_path / "image"), wheel)
    text = (tmp_path / "image" / "Dockerfile").read_text().replace("\\\n", "")
    command = next(line for line in text.splitlines() if line.startswith("RUN set -e"))
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in [*programs, "python", "rm"]:
        code = int(name == broken)
        (folder / name).write_text(
            f'#!/bin/sh\n[ {name} = rm ] || echo "{name} $1" >>{tmp_path}/called\nexit {code}\n'
        )
        (folder / name).chmod(0o755)
    done = subprocess.run(["/bin/sh", "-c", command[4:]], env={"PATH": str(folder)}, check=False)
    assert (tmp_path / "called").read_text().splitlines() == called
    assert done.returncode == bool(broken)


def test_relative_paths_stay_right(tmp_path, wheel, monkeypatch):
    config = make_config(tmp_path)
    monkeypatch.chdir(tmp_path)
    config = dataclasses.replace(config, module_file=os.path.relpath(config.module_file))
    write_image(config, "image", wheel)
    assert (tmp_path / "image" / "Dockerfile").read_text().endswith(f"WORKDIR {tmp_path}\n")


def test_requirements_of_the_wheel_are_what_is_installed_here(wheel):
    own = read_requirements(wheel)
    lines = list_requirements("tfx-tpu-estimator", ["tfx"], own)
    pins = dict(line.split("==") for line in lines)
    for name in ("tensorflow", "tfx", "apache-beam", "jax"):
        assert pins[name] == importlib.metadata.version(name)
    assert "tfx-tpu-estimator" not in pins
    assert "pytest" not in pins


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"base": "python:3.12"}, ValueError, "has Python 3.12; .* such as python:3.10-slim"),
        ({"base": "a b"}, ValueError, "`base` must be the name of a container image"),
        ({"wheel": "none.whl"}, FileNotFoundError, "`wheel` 'none.whl' does not exist"),
        ({"wheel": __file__}, ValueError, "`wheel` must be a wheel of tfx-tpu-estimator"),
        ({"output_dir": os.path.dirname(__file__)}, ValueError, "is there and not empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, wheel, changes, error, message):
    given = {"output_dir": str(tmp_path / "image"), "wheel": wheel, **changes}
    with pytest.raises(error, match=message):
        write_image(make_config(tmp_path), **given)
    assert not (tmp_path / "image").exists()
