"""This package as a wheel, for an image."""

from __future__ import annotations

import email
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.parse
import zipfile

DISTRIBUTION = "tfx-tpu-estimator"
_SOURCES = (
    "setup.py", "pyproject.toml", "README.md", "LICENSE", "tfx_tpu_estimator", "components",
    "pipelines", "examples",
)  # fmt: skip


def build_wheel(directory: str) -> str:
    """Builds a wheel of this package from the checkout that it is installed from.

    Args:
      directory: Where to put it.

    Returns:
      Path of the wheel.

    Raises:
      ValueError: It is not installed from a checkout (`pip install -e`).
      RuntimeError: pip failed; with its last words.
    """
    checkout = _find_checkout()
    with tempfile.TemporaryDirectory() as scratch:
        # A copy: a checkout's `build` folder would bring deleted modules back.
        source = os.path.join(scratch, "source")
        os.makedirs(source)
        for name in _SOURCES:
            path = os.path.join(checkout, name)
            if os.path.isdir(path):
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(path, os.path.join(source, name), ignore=ignored)
            elif os.path.exists(path):
                shutil.copy(path, source)
        made = os.path.join(scratch, "made")
        options = ["--no-deps", "--no-build-isolation", "--no-index", "-w", made]
        command = [sys.executable, "-m", "pip", "wheel", *options, source]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise RuntimeError(f"No wheel could be built: {result.stderr.strip()[-500:]}")
        (name,) = os.listdir(made)
        os.makedirs(directory, exist_ok=True)
        return shutil.copy(os.path.join(made, name), directory)


def check_wheel(path: str) -> None:
    """Checks that a file is a wheel of this package.

    Raises:
      FileNotFoundError: There is no such file.
      ValueError: It is something else.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"`wheel` {path!r} does not exist.")
    name = os.path.basename(path)
    prefix = DISTRIBUTION.replace("-", "_") + "-"
    if not (name.startswith(prefix) and name.endswith(".whl") and zipfile.is_zipfile(path)):
        raise ValueError(f"`wheel` must be a wheel of {DISTRIBUTION}, got {path!r}.")


def read_requirements(path: str) -> list[str]:
    """Returns what a wheel requires, as its metadata say it."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".dist-info/METADATA"):
                message = email.message_from_bytes(archive.read(name))
                return [str(text) for text in message.get_all("Requires-Dist") or ()]
    raise ValueError(f"`wheel` {path!r} has no metadata.")


def _find_checkout() -> str:
    text = importlib.metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
    url = json.loads(text or "{}").get("url", "")
    path = urllib.parse.unquote(urllib.parse.urlparse(url).path)
    if not url.startswith("file://") or not os.path.isfile(os.path.join(path, "setup.py")):
        raise ValueError(
            f"{DISTRIBUTION} is not installed from a checkout, so that no wheel of it can be "
            "built; give one by `--wheel`."
        )
    return path
