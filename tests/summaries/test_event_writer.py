import glob

import numpy as np
import pytest
import tensorflow as tf

from tfx_tpu_estimator.summaries.event_writer import TrainingRecorder, write_evaluation

tf1 = tf.compat.v1


def read_events(directory):
    (path,) = glob.glob(f"{directory}/events.*")
    return [e for e in tf1.train.summary_iterator(path) if e.summary.value]


def test_evaluation_becomes_one_event(tmp_path):
    image = tf1.Summary(value=[tf1.Summary.Value(tag="x", simple_value=4.0)]).SerializeToString()
    results = {
        "global_step": 7,
        "auc": np.float32(0.5),
        "count": np.int64(3),
        "vector": np.array([1.0, 2.0], "float32"),
        "proto": image,
    }
    write_evaluation(str(tmp_path), results, 7)
    (event,) = read_events(tmp_path)
    values = {v.tag: v for v in event.summary.value}
    assert event.step == 7
    assert set(values) == {"auc", "count", "vector", "proto"}
    assert values["auc"].simple_value == 0.5
    assert values["count"].simple_value == 3
    assert values["proto"].simple_value == 4
    np.testing.assert_array_equal(tf.make_ndarray(values["vector"].tensor), [1.0, 2.0])


def test_the_checkpoint_is_a_text(tmp_path):
    write_evaluation(str(tmp_path), {"auc": 0.5}, 1, "m/model.ckpt-1")
    (event,) = read_events(tmp_path)
    (value,) = [v for v in event.summary.value if v.tag == "checkpoint_path"]
    assert tf.make_ndarray(value.tensor).item() == b"m/model.ckpt-1"
    assert value.metadata.plugin_data.plugin_name == "text"


def test_a_value_without_summary_form_is_told(tmp_path, caplog):
    write_evaluation(str(tmp_path), {"name": "text", "auc": 0.5}, 1)
    (event,) = read_events(tmp_path)
    assert [v.tag for v in event.summary.value] == ["auc"]
    assert "Metric 'name' of type str has no summary form" in caplog.text


class Writer:
    def __init__(self):
        self.values = []

    def add_event(self, event):
        self.add_summary(event.summary, event.step)

    def add_summary(self, summary, step):
        self.values += [(v.tag, step, v.simple_value) for v in summary.value]


def test_speed_is_measured_every_so_many_steps():
    writer = Writer()
    recorder = TrainingRecorder(writer, batch_size=8, log_every_steps=2)
    for step in range(1, 6):
        recorder.record(step, 0.5, now=step * 0.25)
    speeds = {(tag, step): value for tag, step, value in writer.values if tag != "loss"}
    assert speeds == {
        ("global_step/sec", 3): 4.0,
        ("examples/sec", 3): 32.0,
        ("global_step/sec", 5): 4.0,
        ("examples/sec", 5): 32.0,
    }
    assert [step for tag, step, _ in writer.values if tag == "loss"] == [1, 2, 3, 4, 5]
    assert recorder.describe() == "loss 0.5000, 4.0 steps/s"


@pytest.mark.parametrize(("batch_size", "every"), [(None, 2), (8, None)])
def test_speed_without_batch_size_or_frequency(batch_size, every):
    writer = Writer()
    recorder = TrainingRecorder(writer, batch_size=batch_size, log_every_steps=every)
    for step in range(1, 4):
        recorder.record(step, 1.0, now=float(step))
    tags = {tag for tag, _, _ in writer.values}
    assert tags == ({"loss", "global_step/sec"} if every else {"loss"})
