"""An artifact that is two inputs of one execution, as TFX's launcher for Airflow records it."""

import pytest
from ml_metadata.proto import metadata_store_pb2
from tfx.dsl.components.base import base_driver
from tfx.orchestration import data_types, metadata
from tfx.types import standard_artifacts

from tfx_tpu_estimator.pipelines.airflow.tries import make_driver
from tfx_tpu_estimator.pipelines.metadata_store import connect, read_connection


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "metadata.sqlite")


class Run:
    """What one run of a pipeline does to ML Metadata for its Evaluator."""

    def __init__(self, path, number):
        self.path = path
        self.info = data_types.PipelineInfo("small", "/r", run_id=f"run{number}")
        self.component = data_types.ComponentInfo("Evaluator", "Evaluator", self.info)

    def open(self):
        handle = metadata.Metadata(read_connection(self.path))
        handle.__enter__()
        make_driver(base_driver.BaseDriver)(handle)
        return handle

    def evaluate(self, inputs):
        """Registers an execution; finishes it, unless an earlier one has what it would make."""
        handle = self.open()
        contexts = handle.register_pipeline_contexts_if_not_exists(self.info)
        execution = handle.register_execution(
            pipeline_info=self.info,
            component_info=self.component,
            contexts=contexts,
            input_artifacts=inputs,
        )
        cached = handle.get_cached_outputs(inputs, {}, self.info, self.component)
        if cached is None:
            blessing = standard_artifacts.ModelBlessing()
            blessing.uri = f"/blessing/{execution.id}"
            handle.publish_execution(self.component, output_artifacts={"blessing": [blessing]})
        return execution.id, cached


def make_artifacts(path):
    """An Examples and two Models in ML Metadata, as inputs are resolved."""
    with metadata.Metadata(read_connection(path)) as handle:
        made = []
        for kind in (
            standard_artifacts.Examples,
            standard_artifacts.Model,
            standard_artifacts.Model,
        ):
            artifact = kind()
            artifact.uri = f"/{len(made)}"
            handle.publish_artifacts([artifact])
            made.append(artifact)
        return made


def test_a_model_that_is_its_own_baseline_is_recorded_once_and_found_again(path):
    examples, model, older = make_artifacts(path)
    first = {"examples": [examples], "model": [model]}
    itself = {**first, "baseline_model": [model]}
    assert Run(path, 1).evaluate(first)[1] is None
    # Another evaluation, which must not be taken for the first.
    execution, cached = Run(path, 2).evaluate(itself)
    assert cached is None
    events = connect(path).get_events_by_execution_ids([execution])
    inputs = {
        event.artifact_id: [step.key for step in event.path.steps[::2]]
        for event in events
        if event.type == metadata_store_pb2.Event.INPUT
    }
    assert inputs == {examples.id: ["examples"], model.id: ["model", "baseline_model"]}
    # The third run finds the second, and a baseline that is another model finds neither.
    cached = Run(path, 3).evaluate(itself)[1]
    assert cached["blessing"][0].uri == f"/blessing/{execution}"
    assert Run(path, 4).evaluate({**first, "baseline_model": [older]})[1] is None
    assert Run(path, 5).evaluate(first)[1]["blessing"][0].uri != f"/blessing/{execution}"


def test_the_order_of_inputs_does_not_matter(path):
    examples, model, _ = make_artifacts(path)
    inputs = {"baseline_model": [model], "examples": [examples], "model": [model]}
    execution, _ = Run(path, 1).evaluate(inputs)
    cached = Run(path, 2).evaluate(dict(sorted(inputs.items(), reverse=True)))[1]
    assert cached["blessing"][0].uri == f"/blessing/{execution}"
