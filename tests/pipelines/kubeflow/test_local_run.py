"""A compiled pipeline runs here, each step as the process that its container would start."""

import json
import os

import pytest
from helpers import pipeline_runs

from tfx_tpu_estimator.pipelines.kubeflow import (
    KubeflowConfig,
    StepFailedError,
    compile_kubeflow,
    run_ir,
)
from tfx_tpu_estimator.pipelines.pipeline import create_pipeline

# Each step is a process that imports TFX, some ten seconds of it.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def compile_config(config):
    # As in this process, which has made the model to compare with.
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    settings = KubeflowConfig(image="local", environment={"TF_ENABLE_ONEDNN_OPTS": onednn})
    return compile_kubeflow(create_pipeline(config), settings)


def outputs_of(steps):
    return {f"{s.task}.{key}": a for s in steps for key, a in s.outputs.items()}


def test_the_compiled_pipeline_makes_the_model_of_the_local_runner(tmp_path):
    config = pipeline_runs.make_config(tmp_path)
    local = pipeline_runs.run(config)
    compiled = pipeline_runs.make_config(tmp_path, push_dir=str(tmp_path / "pushed_by_ir"))
    job = compile_config(compiled)
    broken = json.loads(json.dumps(job))
    container = broken["pipelineSpec"]["deploymentSpec"]["executors"]["Evaluator_executor"]
    container["container"]["args"][-1:] = ["--no_such_flag_of_absl"]
    container["container"]["command"] = ["python", "-c", "raise SystemExit('no evaluation')"]
    with pytest.raises(StepFailedError, match=r"`Evaluator` ended with code 1.*\nno evaluation"):
        run_ir(broken, str(tmp_path / "ir"))
    steps = run_ir(job, str(tmp_path / "ir"))
    by_task = {step.task: step for step in steps}
    # The second call goes on where the first one failed.
    assert by_task["Trainer"].cached
    assert by_task["ImportExampleGen"].cached
    assert not by_task["Evaluator"].cached
    outputs = outputs_of(steps)
    digest = outputs["Trainer.model"].metadata["model_digest"]
    assert digest == local.artifacts["Model"]["model_digest"]
    assert outputs["Evaluator.blessing"].metadata["blessed"] == 1
    pushed = outputs["Pusher.pushed_model"].metadata
    assert pushed["pushed_digest"] == digest
    assert os.path.exists(os.path.join(pushed["pushed_destination"], "saved_model.pb"))
