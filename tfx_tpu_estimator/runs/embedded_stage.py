"""What the host does with a batch of a model with embeddings, before it goes to the devices."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import tensorflow as tf

from tfx_tpu_estimator.config.embedding_plan import EmbeddingPlan
from tfx_tpu_estimator.inputs.host_stage import StageOutput
from tfx_tpu_estimator.inputs.sparse_padding import NO_ID
from tfx_tpu_estimator.inputs.structure import InputStructure
from tfx_tpu_estimator.lowering.host_part import HostPart
from tfx_tpu_estimator.lowering.node_references import producer


def list_fills(plan: EmbeddingPlan) -> dict[str, float]:
    """Returns, by path of an input that is looked up, what fills its rows up."""
    fills: dict[str, float] = {}
    for feature in plan.features:
        fills[f"features/{feature.key}"] = NO_ID
        if feature.weight_key is not None:
            fills[f"features/{feature.weight_key}"] = 0.0
    return fills


@dataclasses.dataclass(frozen=True, kw_only=True)
class EmbeddedStage:
    """A `HostStage` of a model with embeddings: ids go to the devices beside what the host makes.

    Attributes:
      host: What the host does.
      sent: Names of the inputs that go to the devices as they are.
      fed: For each flat tensor that the model was traced with its place among the flat tensors
        that are fed; None for activations, which no host has.
    """

    host: HostPart
    sent: tuple[str, ...]
    fed: tuple[int | None, ...]

    @property
    def outputs(self) -> tuple[StageOutput, ...]:
        """What the host computes."""
        return self.host.outputs

    def install(self) -> Callable[[Sequence[tf.Tensor]], list[tf.Tensor]]:
        """Prepares the default graph; returns what adds the work on one flat batch to it."""
        run = self.host.install()

        def run_fed(batch: Sequence[tf.Tensor]) -> list[tf.Tensor]:
            given = []
            for place, tensor in zip(self.fed, self.host.traced.inputs, strict=True):
                missing = place is None
                given.append(tf.zeros(tensor.shape, tensor.dtype) if missing else batch[place])
            return run(given)

        return run_fed


def embed_stage(host: HostPart, plan: EmbeddingPlan, structure: InputStructure) -> EmbeddedStage:
    """Makes the host's part of a model on activations one of its input, which has ids.

    Args:
      host: The part.
      plan: The tables and features.
      structure: What one replica is fed.

    Raises:
      ValueError: The host would need activations.
    """
    looked_up = {f"features/{feature.key}" for feature in plan.features}
    read = {producer(i) for inputs in host.nodes.values() for i in inputs}
    names = host.traced.input_names
    for name, tensor in zip(names, host.traced.inputs, strict=True):
        if name in looked_up and tensor.op.name in read:
            raise ValueError(
                f"`{name}`, the looked up rows of an embedding, is used where only the host can "
                "work (strings, sparse tensors), and the host has no rows. Use another feature."
            )
    flat = {name: i for i, name in enumerate(_list_components(structure))}
    ids = set(list_fills(plan))
    return EmbeddedStage(
        host=host,
        sent=tuple(n for n in structure.list_names() if n in ids or n in host.sent),
        fed=tuple(None if name in looked_up else flat[name] for name in names),
    )


def _list_components(structure: InputStructure) -> list[str]:
    """Returns the names of all flat tensors, those that make up a sparse one included."""
    listed = []
    for name, spec in zip(structure.list_names(), structure.flatten(), strict=True):
        count = len(tf.nest.flatten(spec, expand_composites=True))
        listed += [name] if count == 1 else [f"{name}/{i}" for i in range(count)]
    return listed
