"""When FinalExporter and LatestExporter export, and what they keep."""

import pytest
from helpers.exports import ExportingEstimator

from tfx_tpu_estimator import Exporter, FinalExporter, LatestExporter


def receiver_fn():
    raise AssertionError("the receiver is for export_saved_model to call")


@pytest.fixture
def estimator(tmp_path):
    return ExportingEstimator(tmp_path)


def test_the_final_exporter_waits_for_the_end(estimator):
    exporter = FinalExporter("final", receiver_fn, {"a": "b"}, as_text=True)
    assert estimator.offer(exporter, 4) is None
    path = estimator.offer(exporter, 8, final=True)
    assert path == f"{estimator.model_dir}/export/final/1700000001".encode()
    ((name, receiver, arguments),) = estimator.exported
    assert (name, receiver) == ("model.ckpt-8", receiver_fn)
    assert arguments["assets_extra"] == {"a": "b"}
    assert arguments["as_text"] is True


def test_the_latest_exporter_exports_each_and_keeps_some(estimator, tmp_path):
    exporter = LatestExporter("latest", receiver_fn, exports_to_keep=2)
    paths = [estimator.offer(exporter, step, final=step == 3) for step in (1, 2, 3)]
    assert estimator.steps == [1, 2, 3]
    kept = sorted(p.name for p in (tmp_path / "export" / "latest").iterdir())
    assert kept == [p.decode()[-10:] for p in paths[1:]]


@pytest.mark.parametrize("keep", [0, -1])
def test_the_number_of_exports_to_keep_is_positive(keep):
    with pytest.raises(ValueError, match=rf"`exports_to_keep`.* positive number. Got {keep}"):
        LatestExporter("latest", receiver_fn, exports_to_keep=keep)


def test_an_exporter_of_ones_own_needs_a_name_and_an_export():
    with pytest.raises(TypeError, match=r"abstract method.* export"):
        type("Own", (Exporter,), {"name": "own"})()
