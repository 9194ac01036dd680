"""Runs a compiled pipeline on this machine, step by step, through TFX's container entry point.

No cluster and no container takes part: each step's command line is run as it stands in the
PipelineSpec, with this interpreter in place of the image's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any

import yaml

from .artifact_store import ArtifactStore, StoredArtifact
from .validate import validate_job

_logger = logging.getLogger("tfx_tpu_estimator.pipelines")
_INPUT = "{{$}}"
_PLACEHOLDER = re.compile(r"\{\{\$\.inputs\.artifacts\['(\w+)'\]\.metadata\['(\w+)'\]\}\}")
_LOG_LINES = 30


class StepFailedError(RuntimeError):
    """A step of a compiled pipeline failed; the message has the end of its log."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class IrStep:
    """What one task of a run did.

    Attributes:
      task: Name of the task.
      outputs: {output: artifact}.
      cached: Whether an earlier step with the same inputs had made them.
      seconds: How long it took.
    """

    task: str
    outputs: Mapping[str, StoredArtifact]
    cached: bool
    seconds: float


def run_ir(job: dict[str, Any] | str, root: str) -> list[IrStep]:
    """Runs a compiled pipeline on this machine; steps whose inputs have not changed are skipped.

    After a failure, a second call goes on with the step that failed.

    Args:
      job: A PipelineJob of `compile_kubeflow`, or the path of the .json file that it wrote.
      root: Directory of the artifacts, logs and the file of what was made.

    Returns:
      The steps, in the order they ran.

    Raises:
      ValueError: The job is no valid PipelineJob.
      StepFailedError: A step failed.

    Example:
      run_ir(compile_kubeflow(pipeline, KubeflowConfig(image="trainer:1")), "out")
    """
    if isinstance(job, str):
        with open(job) as file:
            job = json.load(file)
    assert isinstance(job, dict)
    validate_job(job)
    return _IrRun(job, os.path.abspath(root)).run()


class _IrRun:
    def __init__(self, job: dict[str, Any], root: str):
        spec = job["pipelineSpec"]
        self._tasks = spec["root"]["dag"]["tasks"]
        self._components = spec["components"]
        self._executors = spec["deploymentSpec"]["executors"]
        self._parameters = job.get("runtimeConfig", {}).get("parameterValues", {})
        self._root = root
        self._id = time.strftime("%Y%m%d%H%M%S") + f"-{os.getpid()}"
        self._store = ArtifactStore(os.path.join(root, "artifacts.json"))
        self._outputs: dict[str, Mapping[str, StoredArtifact]] = {}

    def run(self) -> list[IrStep]:
        order = _sort_tasks(self._tasks)
        steps = []
        for index, name in enumerate(order):
            _logger.info("[%d/%d] %s ...", index + 1, len(order), name)
            step = self._run_task(name)
            done = "unchanged" if step.cached else f"done in {step.seconds:.1f} s"
            _logger.info("[%d/%d] %s %s", index + 1, len(order), name, done)
            self._outputs[name] = step.outputs
            steps.append(step)
        return steps

    def _run_task(self, name: str) -> IrStep:
        began = time.monotonic()
        task = self._tasks[name]
        component = self._components[task["componentRef"]["name"]]
        executor = self._executors[component["executorLabel"]]
        inputs = self._find_inputs(task)
        cached = False
        if "resolver" in executor:
            outputs = self._resolve(executor["resolver"], inputs)
        elif "container" in executor:
            outputs, cached = self._run_container(name, component, executor["container"], inputs)
        else:
            raise ValueError(f"Task `{name}` is of a kind that a local run does not have.")
        seconds = time.monotonic() - began
        return IrStep(task=name, outputs=outputs, cached=cached, seconds=seconds)

    def _find_inputs(self, task: Mapping[str, Any]) -> dict[str, StoredArtifact]:
        found = {}
        for key, source in task.get("inputs", {}).get("artifacts", {}).items():
            producer = source["taskOutputArtifact"]
            outputs = self._outputs[producer["producerTask"]]
            # A resolver may have found nothing.
            if producer["outputArtifactKey"] in outputs:
                found[key] = outputs[producer["outputArtifactKey"]]
        return found

    def _resolve(
        self, resolver: Mapping[str, Any], inputs: Mapping[str, StoredArtifact]
    ) -> dict[str, StoredArtifact]:
        def fill(match: re.Match) -> str:
            artifact = inputs.get(match[1])
            return "" if artifact is None else str(artifact.metadata.get(match[2], ""))

        found = {}
        for key, query in resolver["outputArtifactQueries"].items():
            artifact = self._store.find(_PLACEHOLDER.sub(fill, query["filter"]))
            if artifact is not None:
                found[key] = artifact
        return found

    def _run_container(
        self,
        name: str,
        component: Mapping[str, Any],
        container: Mapping[str, Any],
        inputs: Mapping[str, StoredArtifact],
    ) -> tuple[dict[str, StoredArtifact], bool]:
        task_root = os.path.join(self._root, self._id, name)
        os.makedirs(task_root)
        executor_input = self._make_input(name, component, inputs, task_root)
        variables = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        hook = container.get("lifecycle", {}).get("preCacheCheck")
        if hook:
            self._call(name, hook, executor_input, task_root, variables)
        output_file = executor_input["outputs"]["outputFile"]
        key = _compute_key(container, executor_input, _read_json(output_file))
        caching = self._tasks[name].get("cachingOptions", {}).get("enableCache", False)
        cached = self._store.find_cached(key) if caching else None
        if cached is not None:
            return cached, True
        self._call(name, container, executor_input, task_root, variables)
        outputs = self._collect(component, executor_input, _read_json(output_file))
        self._store.put_cached(key, outputs)
        self._store.save()
        return outputs, False

    def _make_input(
        self,
        name: str,
        component: Mapping[str, Any],
        inputs: Mapping[str, StoredArtifact],
        task_root: str,
    ) -> dict[str, Any]:
        given = self._tasks[name].get("inputs", {}).get("parameters", {})
        outputs = component.get("outputDefinitions", {}).get("artifacts", {})
        declared = component.get("inputDefinitions", {}).get("artifacts", {})
        return {
            "inputs": {
                "parameterValues": {k: self._read_parameter(v) for k, v in given.items()},
                "artifacts": {
                    key: {"artifacts": [_describe(artifact, declared[key]["artifactType"])]}
                    for key, artifact in inputs.items()
                },
            },
            "outputs": {
                "outputFile": os.path.join(task_root, "executor_output.json"),
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": f"{self._store.new_name()}-{self._id}-{name}-{key}",
                                "uri": os.path.join(task_root, key),
                                "type": definition["artifactType"],
                            }
                        ]
                    }
                    for key, definition in outputs.items()
                },
            },
        }

    def _read_parameter(self, source: Mapping[str, Any]) -> Any:
        if "componentInputParameter" in source:
            return self._parameters[source["componentInputParameter"]]
        return source["runtimeValue"]["constant"]

    def _call(
        self,
        name: str,
        spec: Mapping[str, Any],
        executor_input: Any,
        task_root: str,
        variables: Mapping[str, str],
    ) -> None:
        command = [*spec["command"], *spec.get("args", [])]
        command = [json.dumps(executor_input) if part == _INPUT else part for part in command]
        if command[0] == "python":
            command[0] = sys.executable
        log = os.path.join(task_root, "log.txt")
        with open(log, "ab") as file:
            environment = {**os.environ, **variables}
            code = subprocess.run(
                command, stdout=file, stderr=file, env=environment, check=False
            ).returncode
        if code:
            with open(log, errors="replace") as file:
                end = "".join(file.readlines()[-_LOG_LINES:])
            raise StepFailedError(f"Task `{name}` ended with code {code}; its log, {log}:\n{end}")

    def _collect(
        self, component: Mapping[str, Any], executor_input: Any, result: Mapping[str, Any]
    ) -> dict[str, StoredArtifact]:
        definitions = component.get("outputDefinitions", {}).get("artifacts", {})
        collected = {}
        for key, expected in executor_input["outputs"]["artifacts"].items():
            (artifact,) = expected["artifacts"]
            written = result.get("artifacts", {}).get(key, {}).get("artifacts", [{}])[0]
            collected[key] = StoredArtifact(
                name=artifact["name"],
                title=_read_title(definitions[key]["artifactType"]),
                uri=written.get("uri", artifact["uri"]),
                metadata=written.get("metadata", {}),
            )
            self._store.add(collected[key])
        return collected


def _sort_tasks(tasks: Mapping[str, Any]) -> list[str]:
    """Returns the tasks' names such that each comes after those it depends on."""
    order: list[str] = []
    while len(order) < len(tasks):
        ready = [
            name
            for name, task in tasks.items()
            if name not in order and set(task.get("dependentTasks", [])) <= set(order)
        ]
        if not ready:
            raise ValueError("The tasks of the pipeline depend on each other in a circle.")
        order += sorted(ready)
    return order


def _read_title(artifact_type: Mapping[str, Any]) -> str:
    if "schemaTitle" in artifact_type:
        return artifact_type["schemaTitle"]
    return yaml.safe_load(artifact_type["instanceSchema"])["title"]


def _describe(artifact: StoredArtifact, artifact_type: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": artifact.name,
        "uri": artifact.uri,
        "type": artifact_type,
        "metadata": dict(artifact.metadata),
    }


def _compute_key(container: Any, executor_input: Any, from_hook: Any) -> str:
    """Returns a digest of what a step does: its command, parameters and inputs, and their files."""
    inputs = executor_input["inputs"]
    data = [container, inputs["parameterValues"], inputs["artifacts"]]
    data.append(from_hook.get("parameterValues", {}))
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _read_json(path: str) -> dict[str, Any]:
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)
