"""Tests of reading SavedModels without running them."""

import pytest
from helpers.saved_models import write_saved_model

from tfx_tpu_estimator.components import saved_model


def test_both_metagraphs(tmp_path):
    path = write_saved_model(str(tmp_path / "model"))
    graphs = saved_model.read_meta_graphs(path)
    assert saved_model.list_tag_sets(path) == [("serve",), ("serve", "tpu")]
    serve, tpu = graphs[("serve",)], graphs[("serve", "tpu")]
    assert serve.signatures == tpu.signatures
    assert set(serve.signatures) == {"serving_default"}
    assert {item[:2] for item in serve.signatures["serving_default"]} == {
        ("input", "x"),
        ("output", "scores"),
        ("method", "tensorflow/serving/predict"),
    }
    assert "TPUPartitionedCall" in tpu.ops
    assert "TPUReplicateMetadata" in tpu.ops, "ops of functions count"
    assert "TPUPartitionedCall" not in serve.ops


def test_no_saved_model(tmp_path):
    with pytest.raises(ValueError, match=r"there is no saved_model\.pb"):
        saved_model.read_meta_graphs(str(tmp_path))


def test_empty_file(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no metagraph"):
        saved_model.read_meta_graphs(str(tmp_path))
