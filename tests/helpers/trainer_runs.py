"""Runs the Trainer's executor on temporary directories."""

from __future__ import annotations

import pathlib

import numpy as np
from helpers.artifacts import make_examples, make_input, make_output
from helpers.tfrecords import make_example, write_records
from helpers.user_modules import MODEL, SCHEMA
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils, proto_utils

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.components.trainer.executor import Executor


def make_records(count: int, seed: int = 0) -> list[bytes]:
    """Makes examples with the features x [2], kind and label; the label is x0 + x1 > 0."""
    generator = np.random.default_rng(seed)
    records = []
    for x in generator.normal(size=(count, 2)):
        kind = int(x[0] > 0)
        records.append(make_example(x=[float(v) for v in x], kind=kind, label=int(x.sum() > 0)))
    return records


class TrainerRun:
    """Inputs and arguments of a Trainer execution, to be changed by a test before `run`."""

    def __init__(self, root: pathlib.Path):
        self.root = root
        self.node = root / "pipeline" / "Trainer"
        self.examples = make_examples(root / "examples" / "1", ["train", "eval"])
        self.schema = make_input(
            standard_artifacts.Schema, root / "schema" / "1", "schema.pbtxt", SCHEMA
        )
        self.inputs = {"examples": [self.examples], "schema": [self.schema]}
        self.write_split("train", make_records(64))
        self.write_split("eval", make_records(32, seed=1))
        self.module_file = root / "module.py"
        self.module_file.write_text(MODEL)
        self.train_args = trainer_pb2.TrainArgs(num_steps=20)
        self.eval_args = trainer_pb2.EvalArgs()
        self.options = TPUEstimatorOptions(train_batch_size=16, label_key="label")
        self.custom_config = None
        self.module = {"module_file": str(self.module_file)}
        self.executions = 0

    def split_file(self, split: str) -> pathlib.Path:
        """The file that holds a split."""
        return pathlib.Path(self.examples.uri) / f"Split-{split}" / "data.gz"

    def write_split(self, split: str, records: list[bytes]) -> None:
        """Writes the records of a split."""
        write_records(self.split_file(split), records, "GZIP")

    @property
    def exec_properties(self) -> dict:
        """The exec properties, as the component makes them."""
        return {
            **self.module,
            "train_args": proto_utils.proto_to_json(self.train_args),
            "eval_args": proto_utils.proto_to_json(self.eval_args),
            "custom_config": json_utils.dumps(self.custom_config),
            "tpu_estimator_options": self.options.to_json(),
            "code_digest": "x",
        }

    def prepare(self) -> None:
        """Makes new outputs."""
        self.executions += 1
        self.outputs = {
            "model": [make_output(standard_artifacts.Model, self.node, "model", self.executions)],
            "model_run": [
                make_output(standard_artifacts.ModelRun, self.node, "model_run", self.executions)
            ],
        }

    def run(self):
        """Runs Do on new outputs and returns them: (model, model_run)."""
        self.prepare()
        Executor().Do(self.inputs, self.outputs, self.exec_properties)
        return self.outputs["model"][0], self.outputs["model_run"][0]

    def output_files(self) -> list[str]:
        """All files in the outputs of the last run."""
        return sorted(
            str(path.relative_to(artifact.uri))
            for artifacts in self.outputs.values()
            for artifact in artifacts
            for path in pathlib.Path(artifact.uri).rglob("*")
            if path.is_file()
        )

    def checkpoint_dirs(self) -> list[pathlib.Path]:
        """The durable checkpoint directories that exist."""
        return sorted((self.node / ".checkpoints").glob("*"))
