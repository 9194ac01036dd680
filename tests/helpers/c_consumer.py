"""Builds and runs tests/consumers/serve.c: a C program that answers from SavedModels."""

from __future__ import annotations

import pathlib
import shutil
import struct
import subprocess

import numpy as np
import pytest
import tensorflow as tf

SOURCE = pathlib.Path(__file__).parents[1] / "consumers" / "serve.c"
_LIBRARIES = ("libtensorflow_cc.so.2", "libtensorflow_framework.so.2")


def compile_consumer(directory: pathlib.Path) -> pathlib.Path:
    """Compiles the program against the headers and libraries of the installed TensorFlow.

    Skips the test where there is no gcc.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs gcc, to compile the C program: `apt-get install gcc`")
    folder = pathlib.Path(tf.sysconfig.get_lib())
    program = directory / "serve"
    command = [compiler, "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]
    command += ["-o", str(program), str(SOURCE), f"-I{tf.sysconfig.get_include()}", f"-L{folder}"]
    command += [*(f"-l:{name}" for name in _LIBRARIES), f"-Wl,-rpath,{folder}"]
    subprocess.run(command, check=True)
    return program


def run_consumer(program: pathlib.Path, examples: list[bytes], runs: list[tuple]):
    """Returns {output: array} of each run.

    Args:
      program: From `compile_consumer`.
      examples: Serialized tf.Examples, which every run is fed with.
      runs: Of each the directory, the tags, the signature, and how often the training op runs.
    """
    path = program.with_name("examples")
    path.write_bytes(b"".join(struct.pack("I", len(e)) + e for e in examples))
    arguments = [
        str(argument)
        for directory, tags, signature, steps in runs
        for argument in (directory, ",".join(tags), signature, steps)
    ]
    done = subprocess.run([program, path, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers: list[dict[str, np.ndarray]] = [{} for _ in runs]
    for line in done.stdout.splitlines():
        run, name, dtype, rank, *rest = line.split(" ")
        shape, values = [int(size) for size in rest[: int(rank)]], rest[int(rank) :]
        answers[int(run)][name] = _to_array(tf.as_dtype(int(dtype)), values).reshape(shape)
    return answers


def _to_array(dtype: tf.DType, values: list[str]) -> np.ndarray:
    if dtype == tf.string:
        decoded = [b"" if value == "-" else bytes.fromhex(value) for value in values]
        return np.array(decoded, object)
    if dtype == tf.bool:
        return np.array([value == "1" for value in values])
    return np.array(values).astype(dtype.as_numpy_dtype)
