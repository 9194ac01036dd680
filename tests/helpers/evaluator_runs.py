"""Runs the Evaluator's executor on temporary directories."""

from __future__ import annotations

import os
import pathlib

from google.protobuf import text_format
from helpers.artifacts import make_output
from tensorflow_model_analysis.proto import config_pb2
from tfx.types import standard_artifacts
from tfx.utils import json_utils, proto_utils

from tfx_tpu_estimator.components.evaluator.executor import Executor


def parse_config(text: str) -> config_pb2.EvalConfig:
    """Parses an EvalConfig from its text form."""
    return text_format.Parse(text, config_pb2.EvalConfig())


class EvaluatorRun:
    """Inputs and arguments of an Evaluator execution, to be changed by a test before `run`."""

    def __init__(self, root: pathlib.Path, inputs: dict):
        self.root = root
        self.inputs = dict(inputs)
        self.eval_config = None
        self.splits = None
        self.bless_without_thresholds = 0
        self.executions = 0
        self.options = None

    @property
    def exec_properties(self) -> dict:
        """The exec properties, as the component makes them."""
        config = self.eval_config
        return {
            "eval_config": proto_utils.proto_to_json(config) if config is not None else None,
            "example_splits": json_utils.dumps(self.splits),
            "bless_without_thresholds": self.bless_without_thresholds,
            "code_digest": "x",
            "tpu_estimator_options": None if self.options is None else self.options.to_json(),
        }

    def run(self, **more):
        """Runs Do on new outputs and returns them: (evaluation, blessing).

        Args:
            **more: Further exec properties.
        """
        self.executions += 1
        node = self.root / "Evaluator"
        evaluation = make_output(
            standard_artifacts.ModelEvaluation, node, "evaluation", self.executions
        )
        blessing = make_output(standard_artifacts.ModelBlessing, node, "blessing", self.executions)
        self.blessing = blessing
        Executor().Do(
            self.inputs,
            {"evaluation": [evaluation], "blessing": [blessing]},
            {**self.exec_properties, **more},
        )
        return evaluation, blessing

    def verdict(self):
        """Runs and returns (blessed, reason, files of the blessing)."""
        _, blessing = self.run()
        return (
            blessing.get_int_custom_property("blessed"),
            blessing.get_string_custom_property("reason"),
            os.listdir(blessing.uri),
        )
