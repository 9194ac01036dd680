"""The one pipeline that every runner shares."""

from __future__ import annotations

from typing import Any

from tfx.dsl.components.common import resolver
from tfx.dsl.input_resolution.strategies import latest_blessed_model_strategy
from tfx.orchestration import pipeline as tfx_pipeline
from tfx.proto import example_gen_pb2, pusher_pb2, trainer_pb2
from tfx.types import Channel, standard_artifacts

from tfx_tpu_estimator.components import (
    Evaluator,
    ImportExampleGen,
    ImportSchemaGen,
    Pusher,
    TPUValidator,
    Trainer,
)

from .config import PipelineConfig
from .metadata_store import check_parameters, make_room, read_connection


def create_pipeline(config: PipelineConfig) -> tfx_pipeline.Pipeline:
    """Builds ImportExampleGen -> latest blessed model -> Trainer -> Evaluator -> Pusher.

    With a schema there is an ImportSchemaGen, with `config.validator` a TPUValidator too.

    Args:
      config: The parameters.

    Returns:
      A TFX pipeline, for any of TFX's runners.

    Raises:
      ValueError: PostgreSQL cannot keep a parameter of a component.

    Example:
      LocalDagRunner().run(create_pipeline(config))
    """
    make_room(config.metadata_path)
    examples = _create_example_gen(config)
    nodes: list[Any] = [examples]
    schema = None
    if config.schema_file:
        schema_gen = ImportSchemaGen(schema_file=config.schema_file)
        nodes.append(schema_gen)
        schema = schema_gen.outputs["schema"]
    blessed = resolver.Resolver(
        strategy_class=latest_blessed_model_strategy.LatestBlessedModelStrategy,
        model=Channel(type=standard_artifacts.Model),
        model_blessing=Channel(type=standard_artifacts.ModelBlessing),
    ).with_id("latest_blessed_model")
    trainer = Trainer(
        examples=examples.outputs["examples"],
        schema=schema,
        base_model=blessed.outputs["model"] if config.warm_start else None,
        module_file=config.module_file,
        options=config.options,
        custom_config=dict(config.custom_config) or None,
        train_args=trainer_pb2.TrainArgs(splits=["train"], num_steps=config.train_steps or 0),
        eval_args=trainer_pb2.EvalArgs(splits=["eval"], num_steps=config.eval_steps or 0),
    )
    evaluator = Evaluator(
        examples=examples.outputs["examples"],
        model=trainer.outputs["model"],
        baseline_model=blessed.outputs["model"],
        schema=schema,
        eval_config=config.eval_config,
        module_file=config.evaluator_module_file,
        options=config.evaluator_options,
    )
    nodes += [trainer, blessed, evaluator]
    infra_blessing = None
    if config.validator is not None:
        validator = TPUValidator(
            model=trainer.outputs["model"],
            examples=examples.outputs["examples"],
            options=config.validator,
        )
        nodes.append(validator)
        infra_blessing = validator.outputs["blessing"]
    pusher = Pusher(
        model=trainer.outputs["model"],
        model_blessing=evaluator.outputs["blessing"],
        infra_blessing=infra_blessing,
        push_destination=pusher_pb2.PushDestination(
            filesystem=pusher_pb2.PushDestination.Filesystem(base_directory=config.push_dir)
        ),
        options=config.pusher_options,
    )
    check_parameters(config.metadata_path, [*nodes, pusher])
    return tfx_pipeline.Pipeline(
        pipeline_name=config.name,
        pipeline_root=config.root,
        components=[*nodes, pusher],
        enable_cache=config.enable_cache,
        metadata_connection_config=read_connection(config.metadata_path),
        beam_pipeline_args=list(config.beam_pipeline_args),
    )


def _create_example_gen(config: PipelineConfig) -> ImportExampleGen:
    splits = [
        example_gen_pb2.Input.Split(name=name, pattern=pattern)
        for name, pattern in config.splits.items()
    ]
    return ImportExampleGen(
        input_base=config.examples_dir, input_config=example_gen_pb2.Input(splits=splits)
    )
