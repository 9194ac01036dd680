"""The graph beside checkpoints: `graph.pbtxt`, and `<prefix>.meta` of each."""

from __future__ import annotations

import tensorflow as tf

_TEXT = "graph.pbtxt"


def write_graph(model_dir: str, graph: tf.Graph) -> None:
    """Writes the graph of a training as the text `graph.pbtxt`.

    Args:
      model_dir: Where to.
      graph: The graph, complete.
    """
    tf.io.write_graph(graph.as_graph_def(add_shapes=True), model_dir, _TEXT)


def export_meta_graph(saver: tf.compat.v1.train.Saver, graph: tf.Graph) -> bytes:
    """Returns what `<prefix>.meta` holds: the graph, its collections and its saver.

    Args:
      saver: The one that restores the checkpoint into the graph.
      graph: The graph, complete.
    """
    with graph.as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(
            graph_def=graph.as_graph_def(add_shapes=True), saver_def=saver.as_saver_def()
        )
    return meta_graph.SerializeToString()
