"""What every process that evaluates a part of the examples has to know."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle
from tensorflow_metadata.proto.v0 import schema_pb2
from tensorflow_model_analysis.proto import config_pb2

from ...transformed_examples import TransformSource
from .tfma_names import metric_specs, separate_computations

AddFeatures = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What is computed of which models; it can be sent to other processes.

    Attributes:
        models: SavedModel by name, as in `config.model_specs`; '' where there is one.
        config: With its defaults, see `tfma.utils.update_eval_config_with_defaults`.
        schema: Of the examples, for metrics that ask for it.
        add_features: {feature: values} of a batch -> more features of it, such as a label that
            examples do not hold: [n] or [n, length] each.
        transform: The graph of TensorFlow Transform whose features are labels, weights or slices,
            where there is one.
    """

    models: Mapping[str, str]
    config: config_pb2.EvalConfig
    schema: schema_pb2.Schema | None = None
    add_features: AddFeatures | None = None
    transform: TransformSource | None = None

    def make_computations(self) -> Any:
        """Returns TFMA's computations, by kind; the same in every process."""
        return separate_computations(
            metric_specs.to_computations(
                list(self.config.metrics_specs), eval_config=self.config, schema=self.schema
            )
        )

    def to_bytes(self) -> bytes:
        """Returns the plan for another process; `pickle` reads it.

        Raises:
            ValueError: If `add_features` refers to what cannot be sent.
        """
        module = sys.modules.get(getattr(self.add_features, "__module__", None) or "")
        by_value = module is not None and not _is_found_elsewhere(module.__name__)
        if by_value:
            cloudpickle.register_pickle_by_value(module)
        try:
            return cloudpickle.dumps(self)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise ValueError(
                f"`add_features` cannot be sent to the other `workers`: {error}. Let it use "
                "numbers, functions and modules only, or give workers=1."
            ) from error
        finally:
            if by_value:
                cloudpickle.unregister_pickle_by_value(module)


def _is_found_elsewhere(module: str) -> bool:
    """Whether another process finds a module by its name: not if a file was loaded as one."""
    return importlib.machinery.PathFinder.find_spec(module.partition(".")[0]) is not None
