"""Lowers the programs of a model as a run on a described topology would: no device is there."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.compile_check.jobs import CompileJob
from tfx_tpu_estimator.compile_check.report import Topology
from tfx_tpu_estimator.config.batch_size import BatchSizes
from tfx_tpu_estimator.config.input_pipeline import plan_input_calls
from tfx_tpu_estimator.config.topology import Topology as CoreLayout
from tfx_tpu_estimator.config.topology import resolve_topology
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.execution.distributed import ProcessGroup
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.inputs.structure import describe_structure
from tfx_tpu_estimator.lowering.embedding_inputs import prepare_features
from tfx_tpu_estimator.lowering.program import Program
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.embedding import refuse_embedding
from tfx_tpu_estimator.runs.engine import Engine, InputSetting, TpuModel

_logger = logging.getLogger(__name__)
# Hosts of all generations have four chips where there are several hosts.
_CHIPS_PER_HOST = 4
_SEED = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Lowered:
    """One program, ready to be compiled.

    Attributes:
      job: What the compiler gets.
      per_core_batch: Examples of one replica in a step.
      varies: Whether the host fills rows of some input up, and they were taken to have one element.
    """

    job: CompileJob
    per_core_batch: int | None
    varies: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Placed:
    """Stands where an engine has a program on its devices."""

    program: Program | EmbeddedProgram
    broadcast: bool = False
    partitions: tuple[Any, ...] = ()


class _DescribedEngine(Engine):
    """An engine that stops where devices would be needed.

    Args:
      model: The model.
      layout: Hosts and cores.
    """

    def __init__(self, model: TpuModel, layout: CoreLayout):
        super().__init__(model)
        self._group = ProcessGroup()
        self._layout = layout
        # Without a seed of its own a program would differ from run to run, and so its hash.
        self._seed = _SEED if model.config.tf_random_seed is None else self._seed
        self.varies = False

    @property
    def topology(self) -> CoreLayout:
        return self._layout

    def _find_executable(
        self, program: Program, setting: InputSetting, partitions: Mapping[str, list[int] | None]
    ) -> Any:
        cut = tuple(partitions.get(signature.name) for signature in program.inputs)
        return _Placed(program=program, broadcast=setting.broadcast, partitions=cut)

    def _find_embedding(self, program: EmbeddedProgram) -> Any:
        self.varies = self.varies or bool(program.elastic)
        return _Placed(program=program)

    def _vary(self, first: Any, padded: Sequence[bool], make: Any) -> Any:
        self.varies = self.varies or any(padded)
        return first


def lower_mode(model: TpuModel, topology: Topology, mode: str, input_fn: Callable) -> Lowered:
    """Lowers the program of a mode, as training, evaluation or prediction would run it.

    Args:
      model: The model, with its batch sizes.
      topology: For which TPUs.
      mode: A value of `ModeKeys`.
      input_fn: The user's function; it is called, and nothing is read.

    Raises:
      Exception: What a run would raise before anything is compiled.
    """
    engine = _DescribedEngine(model, _lay_out(model, topology))
    layout = engine.topology
    refuse_embedding(model.embedding, layout.num_hosts, layout.cores_per_replica)
    setting = engine.resolve_input(mode)
    deployed = engine.deploy(setting, input_fn)
    built = engine.build(setting, deployed.structure.features, deployed.structure.labels)
    length = model.config.tpu_config.loop_length.steps if mode == ModeKeys.TRAIN else 1
    # Of a length in seconds the number of steps is not known: single steps are what it begins with.
    return _describe(built.executable, engine, topology, length or 1, setting.sizes.model_fn)


def lower_serving(
    model: TpuModel, topology: Topology, receiver_fn: Callable[[], Any], batch_size: int
) -> Lowered:
    """Lowers the program that an export of the model runs on one core.

    Args:
      model: The model.
      topology: For which TPUs.
      receiver_fn: The user's serving_input_receiver_fn.
      batch_size: Examples of a request; taken for dimensions that the receiver leaves open.

    Raises:
      Exception: What lowering raises; ValueError for a shape that is not known.
    """
    features, labels = describe_receiver(receiver_fn, model, batch_size)
    layout = CoreLayout(num_hosts=1, cores_per_host=1)
    tpu_config = model.config.tpu_config._replace(
        num_cores_per_replica=None, input_partition_dims=None, num_shards=None
    )
    alone = dataclasses.replace(model, config=model.config.replace(tpu_config=tpu_config))
    engine = _DescribedEngine(alone, layout)
    plan = plan_input_calls(InputPipelineConfig.PER_HOST_V1, layout)
    sizes = BatchSizes(total=batch_size, input_fn=batch_size, model_fn=batch_size)
    setting = InputSetting(mode=ModeKeys.PREDICT, plan=plan, sizes=sizes)
    built = engine.build(setting, features, labels)
    return _describe(built.executable, engine, topology, 1, batch_size)


def describe_receiver(
    receiver_fn: Callable[[], Any], model: TpuModel, batch_size: int
) -> tuple[Any, Any]:
    """Returns the structures of tf.TensorSpec of a receiver's features, and of labels or None.

    Raises:
      ValueError: It is no receiver, or a feature has another open dimension than the first.
    """
    with tf.Graph().as_default():
        receiver = receiver_fn()
        if not hasattr(receiver, "features"):
            raise ValueError(
                "`serving_input_receiver_fn` must return a ServingInputReceiver; got "
                f"{type(receiver).__name__}."
            )
        features = receiver.features
        if model.embedding is not None:
            features = prepare_features(model.embedding, features, batch_size)
        structure = describe_structure(features, None)
    specs = [
        _fill_in(name, spec, batch_size)
        for name, spec in zip(structure.list_names(), structure.flatten(), strict=True)
    ]
    return structure.replace_specs(specs).features, None


def _fill_in(name: str, spec: Any, batch_size: int) -> Any:
    """Gives a spec a batch size; sparse ones know no other sizes anyway."""
    shape = spec.shape.as_list() if spec.shape.rank is not None else None
    if isinstance(spec, tf.TensorSpec) and (shape is None or None in shape[1:]):
        raise ValueError(
            f"The {name} of `serving_input_receiver_fn` must have static shape but for the batch; "
            f"got {spec.shape}. A TPU program has fixed shapes: pad to a fixed size in the "
            "receiver, with tf.ensure_shape or default values in the parsing spec."
        )
    if not shape:
        return spec
    made = [batch_size if shape[0] is None else shape[0], *shape[1:]]
    if isinstance(spec, tf.TensorSpec):
        return tf.TensorSpec(made, spec.dtype, spec.name)
    if isinstance(spec, tf.SparseTensorSpec):
        return tf.SparseTensorSpec(made, spec.dtype)
    return spec


def _lay_out(model: TpuModel, topology: Topology) -> CoreLayout:
    """Returns hosts and cores as a run on the topology finds them."""
    chips = topology.cores // topology.chip.cores_per_chip
    hosts = max(1, chips // _CHIPS_PER_HOST)
    tpu_config = model.config.tpu_config
    return resolve_topology(tpu_config, num_hosts=hosts, cores_per_host=topology.cores // hosts)


def _describe(
    placed: Any, engine: _DescribedEngine, topology: Topology, steps: int, batch: int | None
) -> Lowered:
    layout = engine.topology
    job = CompileJob(
        program=placed.program,
        topology=topology.name,
        steps=steps,
        cores=layout.num_cores,
        cores_per_replica=layout.cores_per_replica,
        broadcast=placed.broadcast,
        partitions=placed.partitions,
    )
    return Lowered(job=job, per_core_batch=batch, varies=engine.varies)
