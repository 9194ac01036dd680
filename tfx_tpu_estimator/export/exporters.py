"""What to export after an evaluation: the last model, or every one."""

from __future__ import annotations

import abc
import logging
import os
from collections.abc import Callable
from typing import Any

from tfx_tpu_estimator.export.versions import delete_old_versions

_logger = logging.getLogger(__name__)


class Exporter(abc.ABC):
    """A kind of export; an EvalSpec lists those to call after each evaluation.

    Example:
      class WriteStep(Exporter):
          name = "step"

          def export(self, estimator, export_path, checkpoint_path, eval_result,
                     is_the_final_export):
              ...
    """

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The directory below `<model_dir>/export` that exports go into."""

    @abc.abstractmethod
    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> Any:
        """Exports the model of a checkpoint, or does not.

        Args:
          estimator: The Estimator.
          export_path: Directory for this exporter's exports; it may not exist yet.
          checkpoint_path: Prefix of the checkpoint that was evaluated.
          eval_result: Its metrics by name.
          is_the_final_export: Whether training has reached its last step.

        Returns:
          The path of the export, or None.
        """


class FinalExporter(Exporter):
    """Exports once, when training has reached its last step.

    Args:
      name: The directory below `<model_dir>/export`.
      serving_input_receiver_fn: As for `export_saved_model`.
      assets_extra: As for `export_saved_model`.
      as_text: As for `export_saved_model`.

    Example:
      >>> FinalExporter("last", lambda: None).name
      'last'
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
    ):
        self._name = name
        self._write = SavedModelWriter(serving_input_receiver_fn, assets_extra, as_text)

    @property
    def name(self) -> str:
        """The directory below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes | None:
        """Exports if `is_the_final_export`; see `Exporter.export`."""
        if not is_the_final_export:
            return None
        _logger.info("Exporting the final model for %r.", self._name)
        return self._write(estimator, export_path, checkpoint_path)


class LatestExporter(Exporter):
    """Exports after every evaluation, and deletes old exports.

    Args:
      name: The directory below `<model_dir>/export`.
      serving_input_receiver_fn: As for `export_saved_model`.
      assets_extra: As for `export_saved_model`.
      as_text: As for `export_saved_model`.
      exports_to_keep: How many exports to keep, > 0; None for all.

    Raises:
      ValueError: `exports_to_keep` is not positive.

    Example:
      >>> LatestExporter("latest", lambda: None, exports_to_keep=2).name
      'latest'
    """

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Callable,
        assets_extra: dict[str, str] | None = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ):
        validate_exports_to_keep(exports_to_keep)
        self._name = name
        self._write = SavedModelWriter(serving_input_receiver_fn, assets_extra, as_text)
        self._exports_to_keep = exports_to_keep

    @property
    def name(self) -> str:
        """The directory below `<model_dir>/export`."""
        return self._name

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: dict[str, Any],
        is_the_final_export: bool,
    ) -> bytes:
        """Exports, and deletes all but the newest exports; see `Exporter.export`."""
        path = self._write(estimator, export_path, checkpoint_path)
        delete_old_versions(export_path, self._exports_to_keep, get_version(path))
        return path


class SavedModelWriter:
    """Writes SavedModels for an exporter.

    Args:
      serving_input_receiver_fn: As for `export_saved_model`.
      assets_extra: As for `export_saved_model`.
      as_text: As for `export_saved_model`.
    """

    def __init__(
        self, serving_input_receiver_fn: Any, assets_extra: dict[str, str] | None, as_text: bool
    ):
        self._receiver_fn = serving_input_receiver_fn
        self._assets_extra = assets_extra
        self._as_text = as_text

    def __call__(self, estimator: Any, export_path: str, checkpoint_path: str) -> bytes:
        """Writes the model of a checkpoint, and returns where."""
        return estimator.export_saved_model(
            export_path,
            self._receiver_fn,
            assets_extra=self._assets_extra,
            as_text=self._as_text,
            checkpoint_path=checkpoint_path,
        )


def get_version(path: bytes | str) -> int:
    """Returns the number that an export's directory is named by."""
    return int(os.path.basename(os.fsdecode(path)))


def validate_exports_to_keep(exports_to_keep: Any) -> None:
    """Checks how many exports to keep.

    Raises:
      ValueError: It is not positive, and not None.
    """
    if exports_to_keep is not None and exports_to_keep <= 0:
        raise ValueError(
            "`exports_to_keep`, if provided, must be a positive number. Got "
            f"{exports_to_keep}; None keeps all."
        )
