"""Writes a SavedModel with up to two metagraphs, aside and renamed when it is whole."""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tfx_tpu_estimator.checkpoints.fit import validate_fits
from tfx_tpu_estimator.checkpoints.saved_tensors import list_restored_shapes
from tfx_tpu_estimator.errors import ExportError
from tfx_tpu_estimator.execution.host_graph import HostModel, session_config
from tfx_tpu_estimator.export.serving_graph import (
    ServingGraph,
    build_cpu_graph,
    build_tpu_graph,
)

_TEMPORARY_PREFIX = "temp-"


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


def validate_export_arguments(receiver_fn: Any, assets_extra: dict | None) -> None:
    """Checks what the user gave to an export, before anything is built or written.

    Raises:
      ValueError: No receiver function, or an extra asset whose name leaves the export directory or
        whose source does not exist.
    """
    if receiver_fn is None or not callable(receiver_fn):
        raise ValueError(
            "`serving_input_receiver_fn` must be a function that returns a ServingInputReceiver, "
            f"got {receiver_fn!r}."
        )
    for name, source in (assets_extra or {}).items():
        parts = os.path.normpath(name).split(os.sep)
        if os.path.isabs(name) or ".." in parts or parts == ["."]:
            raise ValueError(
                f"`assets_extra` key {name!r} leaves the directory assets.extra of the export; use "
                "a relative path without '..'."
            )
        if not tf.io.gfile.exists(source):
            raise ValueError(f"`assets_extra` names {source!r}, which does not exist.")


def write_saved_model(
    model: HostModel,
    receiver_fn: Callable[[], Any],
    *,
    export_dir_base: str,
    checkpoint: str,
    targets: ExportTargets,
    assets_extra: dict[str, str] | None = None,
    as_text: bool = False,
) -> str:
    """Exports a model; see `Estimator.export_saved_model`.

    Both graphs are built before a directory is made, so that a fault of the model_fn leaves no
    trace. The variables are written once, with the graph that a CPU can run.

    Args:
      model: The model.
      receiver_fn: The user's serving_input_receiver_fn.
      export_dir_base: Where the timestamped directory is made.
      checkpoint: Prefix of the checkpoint to export.
      targets: Which metagraphs to write.
      assets_extra: {path below assets.extra: source file}.
      as_text: Write saved_model.pbtxt rather than saved_model.pb.

    Returns:
      The path of the export, `<export_dir_base>/<seconds since 1970>`.

    Raises:
      CheckpointMismatchError: The checkpoint does not fit the model; a ValueError.
      ExportError: The files could not be written, the disk being full for example. Nothing is
        left behind.
    """
    # A session cannot be opened on the TPU graph here, so the variables are always written with
    # the CPU graph; it is taken out again when it is not wanted.
    cpu_graph = build_cpu_graph(model, receiver_fn)
    shapes = list_restored_shapes(cpu_graph.saver, cpu_graph.graph)
    validate_fits(checkpoint, shapes, "the model_fn in mode 'infer'")
    tpu_graph = None
    if targets.to_tpu:
        tpu_graph = build_tpu_graph(model, receiver_fn, wrap=targets.wrap_tpu)
    final, temporary = _choose_directories(export_dir_base)
    try:
        builder = tf.compat.v1.saved_model.Builder(temporary)
        _add_with_variables(builder, cpu_graph, checkpoint, model.config)
        if tpu_graph is not None:
            _add_graph(builder, tpu_graph)
        builder.save(as_text=as_text)
        if not targets.to_cpu:
            _remove_metagraph(temporary, cpu_graph.tags, as_text)
        _copy_assets_extra(assets_extra or {}, temporary)
        tf.io.gfile.rename(temporary, final)
    except (tf.errors.OpError, OSError) as error:
        _remove(temporary)
        if isinstance(error, tf.errors.InvalidArgumentError | tf.errors.NotFoundError):
            raise
        raise ExportError(
            f"Could not write the SavedModel below {export_dir_base}: {_reason(error)}. Nothing "
            "was left there; free space or choose another directory and export again."
        ) from error
    except BaseException:
        _remove(temporary)
        raise
    return final


def _choose_directories(base: str) -> tuple[str, str]:
    """Returns a final path that is free and the temporary one beside it."""
    seconds = int(time.time())
    while tf.io.gfile.exists(os.path.join(base, str(seconds))) or tf.io.gfile.exists(
        os.path.join(base, f"{_TEMPORARY_PREFIX}{seconds}")
    ):
        seconds += 1
    return os.path.join(base, str(seconds)), os.path.join(base, f"{_TEMPORARY_PREFIX}{seconds}")


def _add_with_variables(builder, serving: ServingGraph, checkpoint: str, config: Any) -> None:
    with (
        serving.graph.as_default(),
        tf.compat.v1.Session(graph=serving.graph, config=session_config(config)) as session,
    ):
        serving.saver.restore(session, checkpoint)
        session.run(serving.init_op)
        builder.add_meta_graph_and_variables(
            session,
            list(serving.tags),
            signature_def_map=serving.signatures,
            assets_collection=serving.assets,
            main_op=serving.init_op,
            strip_default_attrs=True,
        )


def _add_graph(builder, serving: ServingGraph) -> None:
    with serving.graph.as_default():
        builder.add_meta_graph(
            list(serving.tags),
            signature_def_map=serving.signatures,
            assets_collection=serving.assets,
            main_op=serving.init_op,
            strip_default_attrs=True,
        )


def _remove_metagraph(directory: str, tags: tuple[str, ...], as_text: bool) -> None:
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
    kept = [m for m in saved_model.meta_graphs if set(m.meta_info_def.tags) != set(tags)]
    result = saved_model_pb2.SavedModel(
        saved_model_schema_version=saved_model.saved_model_schema_version, meta_graphs=kept
    )
    with tf.io.gfile.GFile(path, "wb") as f:
        if as_text:
            f.write(text_format.MessageToString(result))
        else:
            f.write(result.SerializeToString(deterministic=True))


def _copy_assets_extra(assets: dict[str, str], directory: str) -> None:
    for name, source in assets.items():
        target = os.path.join(directory, "assets.extra", os.path.normpath(name))
        tf.io.gfile.makedirs(os.path.dirname(target))
        tf.io.gfile.copy(source, target)


def _remove(directory: str) -> None:
    if tf.io.gfile.exists(directory):
        tf.io.gfile.rmtree(directory)


def _reason(error: BaseException) -> str:
    return str(getattr(error, "message", "") or error).strip().splitlines()[0].rstrip(".")
