"""Metrics by slice for the Evaluator and the command line: reads, evaluates, writes."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Sequence

import tensorflow_model_analysis as tfma
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from ..transformed_examples import TransformSource
from .engine.blocks import read_blocks
from .engine.crew import Crew
from .engine.evaluation import Evaluation, evaluate
from .engine.plan import AddFeatures, Plan
from .engine.writing import write_evaluation

_logger = logging.getLogger(__name__)

Progress = Callable[[int], None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SlicedEvaluation:
    """What is evaluated on what.

    Attributes:
        config: The user's EvalConfig.
        model: The SavedModel.
        baseline: Another one to compare with, or None.
        files: TFRecord files of tf.Examples.
        compression: 'GZIP' or ''.
        data_location: Where the examples are, for display.
        batch_size: Examples that are predicted at a time.
        schema: Of the examples, or None.
        add_features: {feature: values} of a batch -> more features of it, or None.
        transform: The graph of TensorFlow Transform that the model was trained with, or None.
        workers: Processes that evaluate.
        progress: Called with the number of examples that were evaluated, or None.
    """

    config: config_pb2.EvalConfig
    model: str
    baseline: str | None
    files: Sequence[str]
    compression: str
    data_location: str
    batch_size: int = 1024
    schema: schema_pb2.Schema | None = None
    add_features: AddFeatures | None = None
    transform: TransformSource | None = None
    workers: int = 1
    progress: Progress | None = None

    @property
    def resolved_config(self) -> config_pb2.EvalConfig:
        """The EvalConfig with its defaults, as TensorFlow Model Analysis fills them in."""
        config = tfma.utils.update_eval_config_with_defaults(
            self.config, has_baseline=self.baseline is not None, rubber_stamp=True
        )
        tfma.utils.verify_eval_config(config)
        return config

    @property
    def models(self) -> dict[str, str]:
        """SavedModel by name in the resolved EvalConfig."""
        return {
            spec.name: self.baseline if spec.is_baseline and self.baseline else self.model
            for spec in self.resolved_config.model_specs
        }

    @property
    def is_rubber_stamp(self) -> bool:
        """Whether change thresholds are left out for want of a baseline."""
        return self.baseline is None and tfma.utils.has_change_threshold(self.config)

    @property
    def plan(self) -> Plan:
        """What is computed, for every process that computes."""
        return Plan(
            models=self.models,
            config=self.resolved_config,
            schema=self.schema,
            add_features=self.add_features,
            transform=self.transform,
        )

    def run(self, path: str) -> Evaluation:
        """Evaluates in one pass and writes the result.

        Args:
            path: Directory for the files of TensorFlow Model Analysis.

        Raises:
            ValueError: If something cannot be evaluated; the message says what.
        """
        plan = self.plan
        with contextlib.ExitStack() as stack:
            crew = None
            if self.workers > 1:
                crew = stack.enter_context(Crew(plan, workers=self.workers))
            evaluation = evaluate(
                read_blocks(self.files, self.compression, self.batch_size),
                plan,
                rubber_stamp=self.is_rubber_stamp,
                crew=crew,
                progress=self.progress,
            )
        self.write(path, evaluation)
        return evaluation

    def write(self, path: str, evaluation: Evaluation) -> None:
        """Writes an evaluation to the directory `path`."""
        if evaluation.left_to_tfma:
            names = ", ".join(evaluation.left_to_tfma)
            _logger.info("TensorFlow Model Analysis's own code computed: %s.", names)
        write_evaluation(path, evaluation, data_location=self.data_location, models=self.models)
