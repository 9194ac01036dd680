"""TensorFlow's private names that taking functions of a saved graph apart needs.

Each function says what it needs from inside TensorFlow and why no public name does it.
Seen working with TensorFlow 2.16 and 2.21.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.framework import function_def_to_graph as _function_def_to_graph


def function_to_graph_def(
    library: tf.Graph, function: Any
) -> tuple[tf.compat.v1.GraphDef, dict[str, str]]:
    """Converts a function to nodes as a graph has them.

    A function names the outputs of its nodes in a way of its own, which depends on the definitions
    of their ops; no public name translates it.

    Args:
      library: A graph that has all functions that it calls.
      function: The FunctionDef.

    Returns:
      The nodes, with a Placeholder for each argument, and for each tensor as the function names it
      how the nodes do.
    """
    with library.as_default():
        return _function_def_to_graph.function_def_to_graph_def(function)
