"""What the Trainer records so that a run can be repeated: source, environment."""

import os
import random

from tfx_tpu_estimator.components.module_source import ModuleSource
from tfx_tpu_estimator.components.trainer.provenance import (
    is_source,
    pack_source,
    read_settings,
    restore_settings,
    unpack_source,
)


def make_source(size):
    draw = random.Random(1)
    text = "".join(draw.choice("abcdefghijklm\\\n'\"ü") for _ in range(size))
    return ModuleSource(label="m.py", main="m.py", files={"m.py": text, "helper.py": "x = '\\n'"})


def test_a_source_is_divided_and_read_back():
    source = make_source(20_000)
    packed = pack_source(source)
    assert len(packed) > 2
    assert all(is_source(key) for key in packed)
    # What ML Metadata takes on PostgreSQL.
    assert all(len(part) <= 2_000 and "\\" not in part for part in packed.values())
    assert unpack_source({"seed": 1, **packed}.get) == source


def test_a_source_that_is_too_long_is_left_out():
    assert pack_source(make_source(400_000)) == {}
    assert unpack_source({}.get) is None
    assert not is_source("module_digest")


def test_settings_are_restored(monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setenv("XLA_FLAGS", "--a")
    recorded = read_settings()
    # TensorFlow has it on where nothing is said.
    assert (recorded["TF_ENABLE_ONEDNN_OPTS"], recorded["XLA_FLAGS"]) == ("1", "--a")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "1")
    environment = restore_settings(recorded)
    assert environment["PATH"] == os.environ["PATH"]
    assert "TF_DETERMINISTIC_OPS" not in environment
    assert environment["TF_ENABLE_ONEDNN_OPTS"] == "1"
