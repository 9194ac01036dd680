import pytest
from ml_metadata.proto import metadata_store_pb2

from tfx_tpu_estimator.pipelines.config import PipelineConfig
from tfx_tpu_estimator.pipelines.report import RunReport, connect, read_latest_run
from tfx_tpu_estimator.pipelines.summary import describe


def test_store_without_a_run(tmp_path):
    path = str(tmp_path / "metadata.sqlite")
    run = metadata_store_pb2.ContextType(
        name="pipeline_run", properties={"pipeline_name": metadata_store_pb2.STRING}
    )
    connect(path).put_context_type(run)
    with pytest.raises(ValueError, match="holds no run of a pipeline called 'taxi'"):
        read_latest_run(path, "taxi")


def make_report(**changes):
    model = {
        "metric/auc": 0.9,
        "metric/label/mean": 0.25,
        "metric/average_loss": 0.2,
        "serving_tag_sets": "serve;serve,tpu",
    }
    artifacts = {
        "Model": model,
        "ModelRun": {"uri": "/logs"},
        "ModelBlessing": {"blessed": 1, "reason": "all thresholds passed"},
        "PushedModel": {"pushed": 1, "pushed_destination": "/pushed/12"},
    }
    artifacts.update(changes)
    nodes = {"Trainer": "COMPLETE", "Evaluator": "COMPLETE", "Pusher": "CACHED"}
    return RunReport(nodes=nodes, artifacts=artifacts)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "m.py").write_text("")
    return PipelineConfig(
        name="taxi", root="/r", metadata_path="/m.sqlite", examples_dir="/d",
        splits={"train": "*"}, module_file=str(tmp_path / "m.py"), push_dir="/pushed",
    )  # fmt: skip


def test_summary_says_what_a_person_wants_to_know(config):
    text = describe(make_report(), config, seconds=12.3)
    assert "Pipeline 'taxi' finished in 12 s" in text
    assert "From the cache (nothing they depend on has changed): Pusher" in text
    assert "auc" in text
    assert "0.9000   (constant baseline 0.5000)" in text
    # The log loss of always saying 0.25 for a label with that mean.
    assert "0.2000   (constant baseline 0.5623)" in text
    assert "Blessed: yes - all thresholds passed" in text
    assert "Pushed to: /pushed/12" in text
    assert "serve;serve,tpu" in text
    assert "/m.sqlite" in text
    assert "tensorboard --logdir /logs" in text


def test_summary_of_a_model_that_was_not_pushed(config):
    report = make_report(
        ModelBlessing={"blessed": 0, "reason": "auc is 0.4, needed >= 0.5"},
        PushedModel={"pushed": 0, "reason": "the model is not blessed"},
    )
    text = describe(report, config, seconds=1)
    assert "Blessed: no - auc is 0.4, needed >= 0.5" in text
    assert "Not pushed: the model is not blessed" in text


def test_summary_of_a_model_that_was_there_already(config):
    pushed = {"pushed": 1, "pushed_destination": "/pushed/12", "already_newest": 1}
    text = describe(make_report(PushedModel=pushed), config, seconds=1)
    assert "/pushed/12 (it was already the newest version)" in text


def test_summary_of_a_part_of_a_pipeline(config):
    # What a resolver found of earlier runs belongs to the run, too.
    artifacts = {"Model": {"metric/auc": 0.9}, "ModelBlessing": {"blessed": 0}}
    report = RunReport(nodes={"Trainer": "COMPLETE"}, artifacts=artifacts)
    text = describe(report, config, seconds=1)
    assert "Blessed: not decided, as Evaluator was not part of this run" in text
    assert "Not pushed: Pusher was not part of this run" in text
    assert "..." not in text
    assert "logdir" not in text
    first = describe(RunReport(nodes={"ImportExampleGen": "COMPLETE"}, artifacts={}), config, 1)
    assert "Tag sets" not in first
