"""Which names of TensorFlow that a program uses are there, are supplied, or are gone."""

from __future__ import annotations

import importlib
import types
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compat import contrib_names, estimator_names
from tfx_tpu_estimator.compat.findings import Finding, Level
from tfx_tpu_estimator.compat.program import SourceFile
from tfx_tpu_estimator.compat.source_scan import NameUse
from tfx_tpu_estimator.compat.way_out import find_way_out

_TABLES = {**estimator_names.MODULES, **contrib_names.MODULES}
_V1 = "tensorflow.compat.v1"
_SUPPLIED = "Supplied by tfx_tpu_estimator.compat."
# Beginning of a name -> what to know about it although it is there.
_NOTES = {
    "distribute.MirroredStrategy": "Refused as `train_distribute`: TPUEstimator with use_tpu=True "
    "distributes over all devices.",
    "distribute.experimental": "Refused as `train_distribute`: TPUEstimator with use_tpu=True "
    "distributes over all devices.",
    "distribute.cluster_resolver.TPUClusterResolver": "No TPU is looked up: the program runs on "
    "the devices of its machine.",
    "tpu.initialize_system": "Not needed: the runtime finds its devices itself.",
    "tpu.experimental.initialize_tpu_system": "Not needed: the runtime finds its devices itself.",
}
_QUEUES = (
    "train.batch",
    "train.shuffle_batch",
    "train.string_input_producer",
    "train.slice_input_producer",
    "train.start_queue_runners",
    "train.batch_join",
    "train.shuffle_batch_join",
)
# It is there in TensorFlow, and needs the old estimator when it is called.
_KERAS_TO_ESTIMATOR = "keras.estimator.model_to_estimator"
_QUEUE_ADVICE = "Queue runners are refused with use_tpu=True: read with tf.data."


def check_names(file: SourceFile, as_tf1: bool) -> list[Finding]:
    """Returns findings about the names a file uses, one for each name.

    Args:
        file: The file.
        as_tf1: Whether `import tensorflow` means TensorFlow 1 in it.
    """
    found: dict[str, Finding] = {}
    for use in file.names.uses:
        result = _judge(use, as_tf1 and not file.reads_as_tf2)
        if result is not None and use.name not in found:
            level, advice = result
            found[use.name] = Finding(str(file.path), use.line, level, use.name, advice)
    return list(found.values())


def _judge(use: NameUse, as_tf1: bool) -> tuple[Level, str] | None:
    """Returns level and advice, or None where there is nothing to say."""
    name = use.name
    if as_tf1 and name.startswith("tensorflow.") and not _is_absolute(name):
        name = f"{_V1}.{name.partition('.')[2]}"
    if name in ("tensorflow", _V1, "tensorflow.compat", "tensorflow.compat.v2"):
        return None
    supplied = _judge_supplied(name)
    if supplied is not None:
        return supplied
    short = name.removeprefix(f"{_V1}.").removeprefix("tensorflow.")
    if short in _QUEUES:
        return Level.ATTENTION, _QUEUE_ADVICE
    if name.endswith(_KERAS_TO_ESTIMATOR):
        return Level.UNSUPPORTED, find_way_out(name)
    private = name.startswith("tensorflow.python.")
    if not _exists(name):
        return Level.UNSUPPORTED, _describe_gone(name, private)
    if private:
        if not use.imported:
            return None  # its import is in the list
        return Level.ATTENTION, "Private to TensorFlow: the next version may not have it."
    for start, note in _NOTES.items():
        if short.startswith(start):
            return Level.ATTENTION, note
    return None


def _judge_supplied(name: str) -> tuple[Level, str] | None:
    """Judges names below a module that this package stands in for; None for all others."""
    module = name
    while "." in module and module not in _TABLES:
        module = module.rpartition(".")[0]
    if module in _TABLES:
        rest = name.removeprefix(module).lstrip(".").split(".")[0]
        if not rest or rest in _TABLES[module]:
            return Level.SUPPLIED, _SUPPLIED
        if any(path.startswith(f"{module}.{rest}.") for path in _TABLES):
            return Level.SUPPLIED, _SUPPLIED
        return Level.UNSUPPORTED, find_way_out(name)
    if name.split(".")[0] == "tensorflow_estimator":
        inside = any(path.startswith(f"{name}.") for path in _TABLES) or "." not in name
        return (Level.SUPPLIED, _SUPPLIED) if inside else (Level.UNSUPPORTED, find_way_out(name))
    return None


def _is_absolute(name: str) -> bool:
    """Whether a name says by itself which TensorFlow it belongs to."""
    return name.split(".")[1] in ("compat", "python", "contrib", "keras", "core")


def _describe_gone(name: str, private: bool) -> str:
    if private:
        return f"Gone from TensorFlow {tf.__version__}, of which it was a private part."
    short = name.removeprefix(f"{_V1}.").removeprefix("tensorflow.")
    advice = f"Not in TensorFlow {tf.__version__}."
    if not name.startswith(_V1) and _find(tf.compat.v1, short, _V1):
        return f"{advice} It is tf.compat.v1.{short}; or: tfx-tpu-estimator run --tf1."
    return advice


def _exists(name: str) -> bool:
    """Whether TensorFlow has a name; attributes of classes and constants are not looked at."""
    root, _, rest = name.partition(".")
    if not rest:
        return True
    if root != "tensorflow":
        return True
    return _find(tf, rest, root)


def _find(module: Any, path: str, name: str) -> bool:
    """Whether `module`, whose name is `name`, has what `path` leads to."""
    value = module
    for part in path.split("."):
        name = f"{name}.{part}"
        if not isinstance(value, types.ModuleType):
            return True
        if hasattr(value, part):
            value = getattr(value, part)
            continue
        try:
            value = importlib.import_module(name)
        except ImportError:
            return False
    return True
