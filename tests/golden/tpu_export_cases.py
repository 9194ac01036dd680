"""Models to export for TPUs, for the old estimator and for ours, and what their files say.

Engine-independent: the cases take the namespace that has TPUEstimator and all that goes with it.
"""

from __future__ import annotations

import collections
import os

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

tf1 = tf.compat.v1
BATCHING = {"num_batch_threads": 2, "max_batch_size": 32, "batch_timeout_micros": 500}
SPEC = {"x": tf.io.FixedLenFeature([4], tf.float32)}
# case -> (API version, further arguments of the constructor, modes)
CASES = {
    "several": (1, {}, ("infer",)),
    "outside": (1, {}, ("infer",)),
    "part": (2, {}, ("infer",)),
    "part_batched": (2, {}, ("infer",)),
    "part_of_two": (2, {}, ("infer",)),
    "whole": (2, {}, ("infer",)),
    "whole_batched": (2, {}, ("infer",)),
    "cpu_only": (1, {"export_to_tpu": False}, ("infer",)),
    "tpu_only": (1, {"export_to_cpu": False}, ("infer",)),
    "neither": (1, {"export_to_cpu": False, "export_to_tpu": False}, ("infer",)),
    "training": (1, {}, ("train",)),
    "all_modes": (1, {}, ("train", "eval", "infer")),
}


def make_model_fn(api, case):
    """Returns the model_fn of a case."""

    def model_fn(features, labels, mode, params, config):
        if mode != "infer":
            return _supervised(api, features, labels, mode)
        if case.startswith("whole") and params["use_tpu"]:
            batch_config = None
            if case == "whole_batched":
                batch_config = api.BatchConfig(**BATCHING, allowed_batch_sizes=[8, 32])
            return api.model_fn_inference_on_tpu(
                lambda features, labels, mode, params: _serving(api, "several", features),
                features, labels, config, params, batch_config,
            )  # fmt: skip
        if case.startswith("part"):
            return _in_part(api, case, features, params)
        return _serving(api, case, features)

    return model_fn


def _logits(x):
    return tf1.layers.dense(x, 3, name="dense")


def _supervised(api, features, labels, mode):
    loss = tf.reduce_mean(tf.square(_logits(features["x"]) - labels))
    step = tf1.train.get_global_step()
    train_op = tf1.train.GradientDescentOptimizer(0.1).minimize(loss, step)
    return api.TPUEstimatorSpec(
        mode, predictions={"loss_of_all": loss}, loss=loss, train_op=train_op
    )


def _serving(api, case, features):
    logits = _logits(features["x"])
    outputs = {
        "serving_default": api.PredictOutput({"logits": logits, "doubled": logits * 2.0}),
        "scores": api.ClassificationOutput(scores=tf.nn.softmax(logits)),
        "value": api.RegressionOutput(logits[:, 0]),
    }
    if case == "outside":

        def host_call(inside):
            classes = tf.strings.as_string(tf.argsort(inside))
            outputs["classes"] = api.ClassificationOutput(classes=classes)
            outputs["both"] = api.ClassificationOutput(tf.nn.softmax(logits), classes)

        tf1.tpu.outside_compilation(host_call, logits)
    return api.TPUEstimatorSpec("infer", {"logits": logits}, export_outputs=outputs)


def _in_part(api, case, features, params):
    def computation(x):
        logits = _logits(x)
        return (logits, tf.nn.relu(logits)) if case == "part_of_two" else logits

    x = features["x"] * 2.0
    if params["use_tpu"]:
        settings = dict.fromkeys(BATCHING)
        if case == "part_batched":
            settings = {**BATCHING, "allowed_batch_sizes": [8, 32]}
        result = api.inference_on_tpu(computation, [x], **settings)
    else:
        result = computation(x)
    if isinstance(result, list | tuple):
        result = result[-1]
    result = tf.nn.sigmoid(result)
    outputs = {"serving_default": api.PredictOutput({"p": result})}
    return api.TPUEstimatorSpec("infer", {"p": result}, export_outputs=outputs)


def export(api, case, directory):
    """Trains for a step and exports; returns the directory of the SavedModel."""
    version, arguments, modes = CASES[case]
    estimator = api.TPUEstimator(
        make_model_fn(api, case), directory, api.RunConfig(tf_random_seed=1), {},
        use_tpu=False, train_batch_size=8, export_saved_model_api_version=version, **arguments,
    )  # fmt: skip
    estimator.train(_input_fn, steps=1)
    receivers = {mode: _receiver(api, mode) for mode in modes}
    base = os.path.join(directory, "export")
    path = estimator.experimental_export_all_saved_models(base, receivers)
    return path.decode()


def _input_fn(params):
    data = {"x": np.ones([8, 4], "float32")}, np.ones([8, 3], "float32")
    return tf.data.Dataset.from_tensors(data).repeat()


def _receiver(api, mode):
    def serving():
        examples = tf1.placeholder(tf.string, [None], "examples")
        return api.ServingInputReceiver(tf1.parse_example(examples, SPEC), {"examples": examples})

    def supervised():
        x = tf1.placeholder(tf.float32, [None, 4], "x")
        y = tf1.placeholder(tf.float32, [None, 3], "y")
        return api.SupervisedInputReceiver({"x": x}, y, {"x": x, "y": y})

    return serving if mode == "infer" else supervised


def describe(path):
    """Returns, by tags, the signatures of a SavedModel, and what is on a TPU."""
    saved_model = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as f:
        saved_model.ParseFromString(f.read())
    described = {}
    for metagraph in saved_model.meta_graphs:
        found = {"signatures": _describe_signatures(metagraph)}
        if "tpu" in metagraph.meta_info_def.tags:
            found |= _describe_calls(metagraph.graph_def)
        described[",".join(sorted(metagraph.meta_info_def.tags))] = found
    return described


def _describe_signatures(metagraph):
    nodes = {node.name: node.op for node in metagraph.graph_def.node}

    def list_tensors(infos):
        return {
            key: [tf.as_dtype(info.dtype).name, nodes[info.name.split(":")[0]]]
            for key, info in sorted(infos.items())
        }

    on_tpu = "tpu" in metagraph.meta_info_def.tags
    return {
        name: {
            "method": signature.method_name,
            "inputs": list_tensors(signature.inputs),
            # Which op of the host makes an output is the model's matter.
            "outputs": list_tensors(signature.outputs) if on_tpu else sorted(signature.outputs),
        }
        for name, signature in sorted(metagraph.signature_def.items())
        if not name.startswith("__")
    }


def _describe_calls(graph_def):
    library = {f.signature.name: f for f in graph_def.library.function}
    waiting, calls, batching, computation, outside = list(graph_def.node), [], [], [], []
    seen = set()
    while waiting:
        node = waiting.pop()
        if node.op == "BatchFunction":
            batching.append(_describe_batching(node))
        if node.op == "TPUPartitionedCall":
            types = sorted(tf.as_dtype(t).name for t in node.attr["Tin"].list.type)
            calls.append({"in": types, "ordinal_from": _maker(node, waiting, library)})
        for function in (a.func.name for a in node.attr.values() if a.HasField("func")):
            if function in library and function not in seen:
                seen.add(function)
                waiting.extend(library[function].node_def)
        if "_xla_outside_compilation" in node.attr:
            outside.append(node.op)
        elif "_tpu_replicate" in node.attr:
            computation.append(node.op)
    plain = ("Identity", "Const", "NoOp")
    count = collections.Counter(op for op in computation if op not in plain)
    marked = collections.Counter(op for op in outside if op not in plain)
    return {
        "batching": batching,
        "calls": calls,
        "computation": dict(sorted(count.items())),
        "outside": dict(sorted(marked.items())),
    }


def _maker(node, nodes, library):
    every = [*nodes, *(n for f in library.values() for n in f.node_def)]
    name = node.input[-1].split(":")[0]
    return next(n.op for n in every if n.name == name)


def _describe_batching(node):
    numbers = ("num_batch_threads", "max_batch_size", "batch_timeout_micros",
               "max_enqueued_batches")  # fmt: skip
    return {
        **{name: node.attr[name].i for name in numbers},
        "allowed_batch_sizes": list(node.attr["allowed_batch_sizes"].list.i),
        "enable_large_batch_splitting": node.attr["enable_large_batch_splitting"].b,
        "in": [tf.as_dtype(t).name for t in node.attr["Tin"].list.type],
        "captured": sorted(tf.as_dtype(t).name for t in node.attr["Tcaptured"].list.type),
    }
