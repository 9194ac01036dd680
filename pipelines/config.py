"""What a pipeline is made of: parameters only, checked before anything runs."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any

from tfx_tpu_estimator.components.evaluator.options import EvaluatorOptions
from tfx_tpu_estimator.components.option_checks import CheckedNames, check_type, field_names
from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.components.pusher.options import PusherOptions
from tfx_tpu_estimator.components.tpu_validator.options import TPUValidatorOptions


@dataclasses.dataclass(frozen=True, kw_only=True)
class PipelineConfig(CheckedNames):
    """Parameters of the pipeline that every runner shares.

    Attributes:
      name: Name of the pipeline in the metadata: letters, digits, `-`, `_` and `.`.
      root: Directory of the artifacts.
      metadata_path: The SQLite file of ML Metadata, made if it does not exist; or
        "postgresql://user:password@host:port/database", or "mysql://" likewise.
      examples_dir: Directory with TFRecords of tf.Examples.
      splits: {split name: file pattern relative to `examples_dir`}.
      module_file: The user's module, as the Trainer takes it.
      push_dir: Where blessed models are pushed, one numbered directory each.
      schema_file: A `schema.pbtxt`, or None if the module does without.
      options: How the estimator is built.
      train_steps: Steps to train; None for one pass over the data.
      eval_steps: Batches to evaluate; None for all.
      warm_start: Whether training starts from the latest blessed model, where there is one.
      eval_config: A `tfma.EvalConfig` with metrics, slices and thresholds, or None.
      evaluator_module_file: A module with `add_features` (or TFX's `custom_extractors`) for the
        Evaluator, or None.
      evaluator_options: How the Evaluator computes, and what else decides; None for its defaults.
      validator: For which TPU the TPUValidator checks a model before it is pushed; None for no
        such check.
      pusher_options: What the Pusher checks and keeps; None for its defaults.
      custom_config: Further entries of `params`.
      enable_cache: Whether nodes whose inputs have not changed are skipped.
      beam_pipeline_args: Options for Beam, such as its runner; one process of this machine needs
        none. With any, unless they name an image or a package for Beam's workers, each node that
        uses Beam packs TFX for them and leaves 44 MB in the temporary folder (TFX 1.16).

    Raises:
      TypeError: A name is no field, with the nearest that is one.
      ValueError: A value is wrong; the message names it.

    Example:
      PipelineConfig(
          name="taxi",
          root="out/artifacts",
          metadata_path="out/metadata.sqlite",
          examples_dir="data",
          splits={"train": "train/*", "eval": "eval/*"},
          module_file="taxi_module.py",
          push_dir="out/pushed",
      )
    """

    name: str
    root: str
    metadata_path: str
    examples_dir: str
    splits: dict[str, str]
    module_file: str
    push_dir: str
    schema_file: str | None = None
    options: TPUEstimatorOptions = dataclasses.field(default_factory=TPUEstimatorOptions)
    train_steps: int | None = None
    eval_steps: int | None = None
    warm_start: bool = False
    eval_config: Any = None
    evaluator_module_file: str | None = None
    evaluator_options: EvaluatorOptions | None = None
    validator: TPUValidatorOptions | None = None
    pusher_options: PusherOptions | None = None
    custom_config: dict[str, Any] = dataclasses.field(default_factory=dict)
    enable_cache: bool = True
    beam_pipeline_args: tuple[str, ...] = ()

    def __repr__(self) -> str:
        # Who prints a configuration does not mean the password of a server.
        from .metadata_store import hide_password

        values = {name: getattr(self, name) for name in field_names(self)}
        values["metadata_path"] = hide_password(str(self.metadata_path))
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in values.items())})"

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            raise ValueError(
                f"`name` {self.name!r} must start with a letter or digit and hold only letters, "
                "digits, '-', '_' and '.'."
            )
        if not self.splits:
            raise ValueError("`splits` is empty; give {split name: file pattern}.")
        for key in ("train_steps", "eval_steps"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or value <= 0):
                raise ValueError(f"`{key}` must be an int > 0 or None, got {value!r}.")
        check_type("warm_start", self.warm_start, bool)
        if self.validator is not None and not isinstance(self.validator, TPUValidatorOptions):
            raise TypeError(
                f"`validator` must be TPUValidatorOptions or None, got {self.validator!r}."
            )
        if self.pusher_options is not None and not isinstance(self.pusher_options, PusherOptions):
            raise TypeError(
                f"`pusher_options` must be PusherOptions or None, got {self.pusher_options!r}."
            )
        for key in ("module_file", "schema_file", "evaluator_module_file"):
            path = getattr(self, key)
            if path is not None and "://" not in path and not os.path.isfile(path):
                raise ValueError(f"`{key}` {path!r} does not exist.")
