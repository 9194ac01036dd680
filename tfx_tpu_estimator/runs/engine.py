"""The devices of an estimator, and its model_fn made ready to run on them."""

from __future__ import annotations

import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tfx_tpu_estimator.config.batch_size import BatchSizes, resolve_batch_sizes
from tfx_tpu_estimator.config.context import TPUContext
from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan
from tfx_tpu_estimator.config.input_pipeline import (
    InputPlan,
    plan_input_calls,
    resolve_input_pipeline,
    validate_hosts,
)
from tfx_tpu_estimator.config.run_config import RunConfig
from tfx_tpu_estimator.config.seeds import choose_seed
from tfx_tpu_estimator.config.topology import (
    Topology,
    refuse_replica_across_hosts,
    resolve_topology,
)
from tfx_tpu_estimator.config.tpu_config import InputPipelineConfig
from tfx_tpu_estimator.execution.device import share_cores, validate_processes
from tfx_tpu_estimator.execution.distributed import ProcessGroup, join_processes
from tfx_tpu_estimator.execution.embedded_program import EmbeddedProgram
from tfx_tpu_estimator.execution.embedding_executable import EmbeddingExecutable
from tfx_tpu_estimator.execution.executable import Executable
from tfx_tpu_estimator.execution.pjrt import find_devices
from tfx_tpu_estimator.inputs.deployment import DeployedInput, deploy_input, make_params
from tfx_tpu_estimator.inputs.host_stage import attach_stage
from tfx_tpu_estimator.inputs.partition_dims import resolve_partition_dims
from tfx_tpu_estimator.inputs.position import InputPosition
from tfx_tpu_estimator.inputs.sharding import merge_replicas
from tfx_tpu_estimator.inputs.structure import InputStructure
from tfx_tpu_estimator.lowering.embedding import EmbeddingTrace
from tfx_tpu_estimator.lowering.embedding_inputs import describe_activations, prepare_features
from tfx_tpu_estimator.lowering.extract import DeviceGraph, extract_device_graph
from tfx_tpu_estimator.lowering.hlo import lower_model
from tfx_tpu_estimator.lowering.host_part import HostPart
from tfx_tpu_estimator.lowering.placeholders import refuse_unfed_placeholders
from tfx_tpu_estimator.lowering.program import Program
from tfx_tpu_estimator.lowering.trace import TracedModel, trace_model
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.runs.embedded_stage import EmbeddedStage, embed_stage, list_fills
from tfx_tpu_estimator.runs.embedding import embed_program, refuse_embedding
from tfx_tpu_estimator.runs.width_variants import WidthVariants

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TpuModel:
    """What an estimator was constructed with, as far as its runs on devices need it.

    Attributes:
      model_fn: The user's function.
      params: What input_fn and model_fn see, less what the runtime adds.
      config: The RunConfig.
      batch_sizes: Global batch size by mode.
      batch_axis: Along which dimension each flat input tensor is split, or None.
      embedding: What is looked up around the model's program, or None.
    """

    model_fn: Callable
    params: dict
    config: RunConfig
    batch_sizes: dict[str, int | None]
    batch_axis: tuple[int, ...] | None
    embedding: EmbeddingPlan | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputSetting:
    """How a mode gets its input.

    Attributes:
      mode: A value of `ModeKeys`.
      plan: Which calls of input_fn feed which replicas.
      sizes: The batch size as the host, input_fn and model_fn see it.
    """

    mode: str
    plan: InputPlan
    sizes: BatchSizes

    @property
    def broadcast(self) -> bool:
        """Whether all replicas get the same batch."""
        return self.plan.pipeline is InputPipelineConfig.BROADCAST


@dataclasses.dataclass(frozen=True, kw_only=True)
class BuiltModel:
    """A model_fn traced, lowered and on its devices; compiled when it first runs."""

    traced: TracedModel
    executable: Executable | EmbeddingExecutable | WidthVariants
    host: HostPart | EmbeddedStage | None = None

    def prepare(self, deployed: DeployedInput) -> DeployedInput:
        """Adds to an input what the host does with each batch before it goes to the devices."""
        return deployed if self.host is None else attach_stage(deployed, self.host)

    def place(self, arrays: Sequence[np.ndarray]) -> list[Any]:
        """Moves a loop's input to the devices.

        Args:
          arrays: One per flat tensor, [K, replicas, n, ...], as the input has them.
        """
        return self.executable.place_batches(merge_replicas(arrays))


class Engine:
    """Runs one estimator's model_fn on devices.

    Devices are looked for when they are first needed. Programs that were compiled are kept, so
    that a second training or evaluation of the same model does not compile again.

    Args:
      model: What to run.
    """

    def __init__(self, model: TpuModel):
        self.model = model
        self._devices: tuple[Any, ...] | None = None
        self._group: ProcessGroup | None = None
        self._executables: dict[str, Any] = {}
        self._seed = choose_seed(model.config.tf_random_seed)

    @property
    def group(self) -> ProcessGroup:
        """The processes of this run; the first use waits for them."""
        if self._group is None:
            self._group = join_processes(self.model.config)
        return self._group

    @property
    def seed(self) -> int:
        """The seed of the run, the chief's in all processes; known once there are devices."""
        return self._seed

    def resume_seed(self, seed: int | None) -> None:
        """Goes on with the seed of a run that was interrupted, if the user has set none.

        The devices must be known.

        Args:
          seed: The seed of that run; None if it is not known.
        """
        if self.model.config.tf_random_seed is None and seed is not None:
            self._seed = seed

    @property
    def devices(self) -> tuple[Any, ...]:
        """The devices, in the order of the replicas."""
        if self._devices is None:
            group, tpu_config = self.group, self.model.config.tpu_config
            shards = share_cores(tpu_config.num_shards, group.count)
            cores = tpu_config.num_cores_per_replica or 1
            found = find_devices(num_shards=None if shards is None else shards * cores)
            _logger.info("%s", found.describe())
            validate_processes(found.devices, group.count)
            (seed,) = group.broadcast([np.array(self._seed, np.int64)])
            self._seed = int(seed)
            self._devices = found.devices
        return self._devices

    @property
    def topology(self) -> Topology:
        """Hosts, cores and replicas.

        Raises:
          ValueError: TPUConfig asks for what the devices do not have.
          tf.errors.InvalidArgumentError: A replica takes more cores than there are.
          FeatureNotAvailableError: A replica takes the cores of several processes; embeddings
            with several processes or cores per replica.
        """
        topology = resolve_topology(
            self.model.config.tpu_config,
            num_hosts=self.group.count,
            cores_per_host=len(self.devices) // self.group.count,
        )
        refuse_replica_across_hosts(topology)
        refuse_embedding(self.model.embedding, self.group.count, topology.cores_per_replica)
        return topology

    def resolve_input(self, mode: str) -> InputSetting:
        """Checks batch size and input configuration of a mode, and says how input is divided.

        Raises:
          ValueError: The batch size is missing or does not divide.
        """
        pipeline = resolve_input_pipeline(mode, self.model.config.tpu_config)
        topology = self.topology
        validate_hosts(mode, pipeline, topology)
        sizes = resolve_batch_sizes(mode, self.model.batch_sizes[mode], pipeline, topology)
        return InputSetting(mode=mode, plan=plan_input_calls(pipeline, topology), sizes=sizes)

    def deploy(
        self, setting: InputSetting, input_fn: Callable, position: InputPosition | None = None
    ) -> DeployedInput:
        """Makes this host's calls of input_fn and checks what they return.

        Where one call feeds all hosts, only the chief will read it; the others make it as well, to
        know its shapes.

        Args:
          setting: The mode and its input.
          input_fn: The user's function.
          position: Where in the data to start; None for the beginning.
        """
        host = self.group.index if setting.plan.calls_of_host(self.group.index) else 0
        return deploy_input(
            input_fn,
            mode=setting.mode,
            params=self.model.params,
            config=self.model.config,
            plan=setting.plan,
            batch_sizes=setting.sizes,
            host=host,
            batch_axis=self.model.batch_axis,
            seed=self.seed,
            position=position,
            **self._embedded_input(setting),
        )

    def _embedded_input(self, setting: InputSetting) -> dict[str, Any]:
        """What makes ids of an input dense, where there are embeddings."""
        plan = self.model.embedding
        if plan is None:
            return {}
        size = setting.sizes.input_fn if setting.mode == ModeKeys.TRAIN else None
        prepare = functools.partial(prepare_features, plan, batch_size=size)
        return {"prepare": prepare, "fills": list_fills(plan)}

    def session_master(self, mode: str) -> str:
        """Returns the address of the host's session; in-process where processes share a run."""
        if self.group.count > 1:
            return ""
        config = self.model.config
        return (config.evaluation_master if mode == ModeKeys.EVAL else config.master) or ""

    def build(
        self,
        setting: InputSetting,
        features: Any,
        labels: Any,
        *,
        num_replicas: int | None = None,
        batch_size: int | None = None,
    ) -> BuiltModel:
        """Traces and lowers the model_fn.

        Args:
          setting: The mode and its input.
          features: tf.TensorSpec structure of one replica's features.
          labels: The same of its labels, or None.
          num_replicas: Default: all.
          batch_size: Examples of one replica; default: as the setting says.

        Raises:
          ValueError: The model_fn cannot run on a TPU; the message says why and what to do.
        """
        started = time.monotonic()
        topology = self.topology
        count = num_replicas or topology.num_replicas
        partitions = self._resolve_partitions(setting.mode, features, labels)
        embedding, plan = None, self.model.embedding
        fed = InputStructure(features=features, labels=labels)
        if plan is not None:
            embedding = EmbeddingTrace(plan, setting.mode)
            features = describe_activations(plan, features)
        traced = trace_model(
            self.model.model_fn,
            features=features,
            labels=labels,
            mode=setting.mode,
            params=make_params(
                self.model.params,
                batch_size or setting.sizes.model_fn,
                TPUContext(topology),
            ),
            config=self.model.config,
            num_replicas=count,
            seed=self.seed,
            embedding=embedding,
        )
        refuse_unfed_placeholders(traced)
        device_graph = extract_device_graph(traced)
        host: HostPart | EmbeddedStage | None = device_graph.host
        if plan is not None:
            stage = None if device_graph.host is None else embed_stage(device_graph.host, plan, fed)
            executable = self._find_embedded(traced, device_graph, plan, fed, stage)
            host = stage
        else:
            names = fed.list_names()
            by_name = dict(zip(names, partitions or [None] * len(names), strict=True))
            executable = self._find_variants(traced, device_graph, setting, by_name)
        seconds = time.monotonic() - started
        _logger.debug("Traced and lowered model_fn for mode %s in %.1f s", setting.mode, seconds)
        return BuiltModel(traced=traced, executable=executable, host=host)

    def _find_embedded(
        self,
        traced: TracedModel,
        device_graph: DeviceGraph,
        plan: EmbeddingPlan,
        fed: InputStructure,
        stage: EmbeddedStage | None,
    ) -> EmbeddingExecutable | WidthVariants:
        """Returns what runs a model with embeddings around it."""

        def make(widths: Mapping[str, int]) -> EmbeddingExecutable:
            program = lower_model(traced, device_graph, widths)
            return self._find_embedding(embed_program(program, traced, plan, fed, stage))

        first = make({})
        fills = {} if stage is None else {output.name: output.fill for output in stage.outputs}
        padded = [fills.get(s.name) is not None for s in first.program.inputs]
        return self._vary(first, padded, make)

    def _find_embedding(self, program: EmbeddedProgram) -> EmbeddingExecutable:
        """Returns a program with embeddings on its devices, the one that there is."""
        if program.digest not in self._executables:
            devices = self._choose_devices(program.num_replicas)
            self._executables[program.digest] = EmbeddingExecutable(program, devices)
        return self._executables[program.digest]

    def _vary(
        self, first: Any, padded: Sequence[bool], make: Callable[[Mapping[str, int]], Any]
    ) -> Any:
        """Returns what runs rows of any width where some of the inputs have such."""
        return WidthVariants(first, padded, make) if any(padded) else first

    def _find_variants(
        self,
        traced: TracedModel,
        device_graph: DeviceGraph,
        setting: InputSetting,
        partitions: Mapping[str, list[int] | None],
    ) -> Executable | WidthVariants:
        """Returns what runs a model, for rows of any width where the host makes such."""

        def make(widths: Mapping[str, int]) -> Executable:
            program = lower_model(traced, device_graph, widths)
            return self._find_executable(program, setting, partitions)

        return self._vary(make({}), device_graph.list_padded(), make)

    def _find_executable(
        self,
        program: Program,
        setting: InputSetting,
        partitions: Mapping[str, list[int] | None],
    ) -> Executable:
        """Returns a program on its devices; the one that there is, if it was built before."""
        cores = self.topology.cores_per_replica
        cut = [partitions.get(signature.name) for signature in program.inputs]
        key = f"{program.digest}/{setting.broadcast}/{cut}"
        if key not in self._executables:
            self._executables[key] = Executable(
                program,
                self._choose_devices(program.num_replicas * cores),
                broadcast=setting.broadcast,
                cores_per_replica=cores,
                partitions=cut,
            )
        return self._executables[key]

    def _resolve_partitions(
        self, mode: str, features: Any, labels: Any
    ) -> list[list[int] | None] | None:
        """How the cores of a replica share each flat input; None where all have it whole."""
        tpu_config = self.model.config.tpu_config
        dims, cores = tpu_config.input_partition_dims, tpu_config.num_cores_per_replica
        if dims is None or cores is None:
            return None
        # One configuration serves all modes, of which prediction has no labels.
        used = dims[:1] if mode == ModeKeys.PREDICT and labels is None else dims
        structure = InputStructure(features=features, labels=labels)
        return resolve_partition_dims(used, structure, cores)

    def _choose_devices(self, count: int) -> tuple[Any, ...]:
        """All devices, or else `count` of this process's."""
        if count == len(self.devices) or self.group.count == 1:
            return self.devices[:count]
        own = [d for d in self.devices if d.process_index == self.group.index]
        return tuple(own[:count])
