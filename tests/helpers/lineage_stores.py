"""A lineage store in memory."""

from __future__ import annotations

from tfx_tpu_estimator.pipelines.lineage.store import Artifact, Execution


class MemoryLineage:
    """Artifacts and executions that a test makes; has what `LineageStore` asks for."""

    def __init__(self):
        self.artifacts: dict[int, Artifact] = {}
        self.executions: dict[int, Execution] = {}
        self.used: dict[int, list] = {}
        self.made: dict[int, list] = {}

    def add(self, type_name: str, **properties) -> Artifact:
        """Adds an artifact."""
        number = len(self.artifacts) + 1
        artifact = Artifact(
            id=number,
            type=type_name,
            uri=f"/root/{type_name}/{number}",
            properties={},
            custom_properties=properties,
        )
        self.artifacts[number] = artifact
        return artifact

    def run(self, node: str, inputs: dict, outputs: dict) -> Execution:
        """Adds an execution."""
        number = len(self.executions) + 1
        self.executions[number] = Execution(
            id=number,
            type=node,
            node=node,
            pipeline="taxi",
            run="1",
            state="COMPLETE",
            properties={},
            time=0,
        )
        self.used[number] = sorted(inputs.items(), key=lambda item: item[0])
        self.made[number] = sorted(outputs.items(), key=lambda item: item[0])
        return self.executions[number]

    def get_artifact(self, artifact_id):
        return self.artifacts.get(artifact_id)

    def list_artifacts(self, type_name):
        return [a for a in self.artifacts.values() if a.type == type_name]

    def get_producer(self, artifact_id):
        return next(iter(self._having(self.made, artifact_id)), None)

    def get_consumers(self, artifact_id):
        return self._having(self.used, artifact_id)

    def get_inputs(self, execution_id):
        return self.used[execution_id]

    def get_outputs(self, execution_id):
        return self.made[execution_id]

    def _having(self, edges, artifact_id):
        return [
            self.executions[number]
            for number, named in edges.items()
            if artifact_id in [artifact.id for _, artifact in named]
        ]
