"""What some tests need beside this package; a test that is skipped says how to have it."""

import contextlib
import importlib.util
import os
import subprocess

import pytest

TFX = "needs TFX, which is for Python 3.10: `make setup`, then `.venv/bin/python -m pytest`"
# An interpreter with the estimator of TensorFlow 2.15.
OLD_PYTHON = os.environ.get("OLD_ESTIMATOR_PYTHON")

needs_libtpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None,
    reason="needs the TPU compiler: `pip install libtpu`, or `make setup`, which installs it",
)
needs_old_estimator = pytest.mark.skipif(
    not OLD_PYTHON,
    reason="needs the old estimator: OLD_ESTIMATOR_PYTHON=..., see tests/golden/README.md",
)


@contextlib.contextmanager
def small_disk(path, megabytes):
    """Mounts an empty file system at `path`, which is made; the test is skipped without root."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small file system")
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"needs CAP_SYS_ADMIN, to mount a small file system: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)
