"""Writes a SavedModel, one metagraph or several, aside and renamed when it is whole."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import validate_fits
from tfx_tpu_estimator.checkpoints.saved_tensors import list_restored_shapes
from tfx_tpu_estimator.errors import ExportError
from tfx_tpu_estimator.execution.host_graph import HostModel, session_config
from tfx_tpu_estimator.export.export_graph import ExportGraph
from tfx_tpu_estimator.export.extra_assets import copy_assets_extra
from tfx_tpu_estimator.export.function_names import number_functions
from tfx_tpu_estimator.export.receiver_calls import check_result
from tfx_tpu_estimator.export.serving_graph import SERVE_TAGS, build_cpu_graph, build_tpu_graph
from tfx_tpu_estimator.export.staging import publish_export
from tfx_tpu_estimator.export.supervised_graph import build_supervised_graph
from tfx_tpu_estimator.modes import ModeKeys
from tfx_tpu_estimator.tensorflow_messages import first_line

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportTargets:
    """Which metagraphs an export for serving holds.

    Attributes:
      to_cpu: Whether it has {serve}.
      to_tpu: Whether it has {serve, tpu}.
      wrap_tpu: Whether the runtime puts the model_fn on the TPU (API V1), or that is left to the
        model_fn itself (V2).
    """

    to_cpu: bool = True
    to_tpu: bool = False
    wrap_tpu: bool = True

    def validate(self) -> None:
        """Checks that there is at least one.

        Raises:
          ValueError: Both are off.
        """
        if not self.to_tpu and not self.to_cpu:
            raise ValueError(
                "One of export_to_cpu and export_to_tpu must be true. Got `export_to_cpu`="
                f"{self.to_cpu!r} and `export_to_tpu`={self.to_tpu!r}."
            )


# The first one that is exported writes the variables. Training has them all, as checkpoints do.
_ORDER = (ModeKeys.TRAIN, ModeKeys.EVAL, ModeKeys.PREDICT)


def validate_base(export_dir_base: Any) -> None:
    """Checks the directory of exports.

    Args:
      export_dir_base: What the user gave.

    Raises:
      TypeError: It is no path.
    """
    if not isinstance(export_dir_base, str | bytes | os.PathLike):
        raise TypeError(
            "`export_dir_base` must be a path, that of the directory in which the export gets "
            f"one of its own; got {export_dir_base!r}."
        )


def validate_receiver_fn(receiver_fn: Any) -> None:
    """Checks that there is a receiver function.

    Args:
      receiver_fn: The user's function.

    Raises:
      ValueError: It is None, or no function.
    """
    if not callable(receiver_fn):
        raise ValueError(
            "An input_receiver_fn must be defined: `serving_input_receiver_fn` must be a function "
            f"that returns a ServingInputReceiver, got {receiver_fn!r}."
        )


def resolve_receivers(receiver_fns: Any) -> dict[str, Callable[[], Any]]:
    """Checks the receiver functions of an export.

    Args:
      receiver_fns: {value of `ModeKeys`: function}; a mode whose function is None is left out.

    Returns:
      The modes to export, in the order of their metagraphs. The functions also check what the
      user's give.

    Raises:
      ValueError: There is no mode, a key is no mode, or a value no function.
    """
    given = {mode: fn for mode, fn in dict(receiver_fns or {}).items() if fn is not None}
    unknown = [mode for mode in given if mode not in _ORDER]
    if unknown or not given:
        raise ValueError(
            f"No valid modes for exporting found. Got {list(receiver_fns or {})}; give a receiver "
            f"function for one or several of {list(_ORDER)}."
        )
    for fn in given.values():
        validate_receiver_fn(fn)
    return {mode: check_result(given[mode]) for mode in _ORDER if mode in given}


def write_saved_model(
    model: HostModel,
    receiver_fns: Mapping[str, Callable[[], Any]],
    *,
    export_dir_base: str,
    checkpoint: str,
    targets: ExportTargets,
    assets_extra: dict[str, str] | None = None,
    as_text: bool = False,
    strip_default_attrs: bool = True,
) -> str:
    """Exports a model; see `Estimator.export_saved_model`.

    All graphs are built before a directory is made, so that a fault of the model_fn leaves no
    trace. The variables are written once, with the first graph, which a CPU can run.

    Args:
      model: The model.
      receiver_fns: The user's receiver function by mode, from `resolve_receivers`.
      export_dir_base: Where the timestamped directory is made.
      checkpoint: Prefix of the checkpoint to export.
      targets: Which metagraphs to write for mode PREDICT.
      assets_extra: {path below assets.extra: source file}.
      as_text: Write saved_model.pbtxt rather than saved_model.pb.
      strip_default_attrs: Leave attributes of default value out of the graphs.

    Returns:
      The path of the export, `<export_dir_base>/<seconds since 1970>`.

    Raises:
      CheckpointMismatchError: The checkpoint does not fit the model; a ValueError.
      FileNotFoundError: A file that the model reads, a vocabulary for example, is missing.
      ExportError: The files could not be written, the disk being full for example. Nothing is
        left behind.
    """
    graphs = _build_graphs(model, receiver_fns, targets)
    for graph in graphs:
        if graph.runs_on_host:
            shapes = list_restored_shapes(graph.saver, graph.graph)
            validate_fits(checkpoint, shapes, f"the model_fn in mode {graph.mode!r}")
        _validate_assets(graph)

    def write(directory: str) -> None:
        builder = tf.compat.v1.saved_model.Builder(directory)
        _add_with_variables(builder, graphs[0], checkpoint, model.config, strip_default_attrs)
        for graph in graphs[1:]:
            _add_graph(builder, graph, strip_default_attrs)
        builder.save(as_text=as_text)
        _finish(directory, None if targets.to_cpu else SERVE_TAGS, as_text)
        copy_assets_extra(assets_extra or {}, directory)

    try:
        return publish_export(export_dir_base, write)
    except ExportError:
        raise
    except (tf.errors.OpError, OSError) as error:
        if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.NotFoundError):
            raise
        raise ExportError(
            f"Could not write the SavedModel below {export_dir_base}: {first_line(error)}. Nothing "
            "was left there; free space or choose another directory and export again."
        ) from error


def _validate_assets(exported: ExportGraph) -> None:
    """Checks that the files are there which the graph reads.

    Raises:
      FileNotFoundError: One is not.
    """
    for tensor in exported.assets:
        path = tf.get_static_value(tensor)
        if path is not None and not tf.io.gfile.exists(os.fsdecode(path.item())):
            raise FileNotFoundError(
                f"The model reads the file {os.fsdecode(path.item())!r}, which would be copied "
                "into the export, but does not exist. Give the path of a file that is there."
            )


def _build_graphs(
    model: HostModel, receiver_fns: Mapping[str, Callable[[], Any]], targets: ExportTargets
) -> list[ExportGraph]:
    """Returns the graphs to write; the first one is for the host and has the variables."""
    supervised = [m for m in receiver_fns if m != ModeKeys.PREDICT]
    graphs = [build_supervised_graph(model, receiver_fns[m], m) for m in supervised]
    if supervised and targets.to_tpu:
        _logger.warning("Modes %s are exported for the host, not for TPUs.", supervised)
    receiver_fn = receiver_fns.get(ModeKeys.PREDICT)
    if receiver_fn is None:
        return graphs
    # No session can be opened on the TPU graph here. So the graph for the CPU writes the variables
    # also where it is not wanted, and is taken out again.
    if targets.to_cpu or not graphs:
        graphs.append(build_cpu_graph(model, receiver_fn))
    if targets.to_tpu:
        graphs.append(build_tpu_graph(model, receiver_fn, wrap=targets.wrap_tpu))
    return graphs


def _add_with_variables(
    builder, exported: ExportGraph, checkpoint: str, config: Any, strip: bool
) -> None:
    with (
        exported.graph.as_default(),
        tf.compat.v1.Session(graph=exported.graph, config=session_config(config)) as session,
    ):
        exported.saver.restore(session, checkpoint)
        session.run(exported.init_op)
        builder.add_meta_graph_and_variables(
            session,
            list(exported.tags),
            signature_def_map=exported.signatures,
            assets_collection=exported.assets,
            main_op=exported.init_op,
            saver=exported.saver,
            strip_default_attrs=strip,
        )


def _add_graph(builder, exported: ExportGraph, strip: bool) -> None:
    with exported.graph.as_default():
        builder.add_meta_graph(
            list(exported.tags),
            signature_def_map=exported.signatures,
            assets_collection=exported.assets,
            main_op=exported.init_op,
            saver=exported.saver,
            strip_default_attrs=strip,
        )


def _finish(directory: str, unwanted: tuple[str, ...] | None, as_text: bool) -> None:
    """Takes the metagraph that is not wanted out of a SavedModel, and numbers its functions."""
    from google.protobuf import text_format
    from tensorflow.core.protobuf import saved_model_pb2

    path = os.path.join(directory, "saved_model.pbtxt" if as_text else "saved_model.pb")
    saved_model = saved_model_pb2.SavedModel()
    with tf.io.gfile.GFile(path, "rb") as f:
        content = f.read()
    if as_text:
        text_format.Parse(content, saved_model)
    else:
        saved_model.ParseFromString(content)
    kept = [m for m in saved_model.meta_graphs if set(m.meta_info_def.tags) != set(unwanted or ())]
    result = saved_model_pb2.SavedModel(
        saved_model_schema_version=saved_model.saved_model_schema_version, meta_graphs=kept
    )
    if not number_functions(result) and unwanted is None:
        return
    with tf.io.gfile.GFile(path, "wb") as f:
        if as_text:
            f.write(text_format.MessageToString(result))
        else:
            f.write(result.SerializeToString(deterministic=True))
