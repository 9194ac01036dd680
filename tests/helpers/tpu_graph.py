"""Runs the {serve, tpu} metagraph of a SavedModel on the CPU, to see that its program is right.

The TPU-only nodes are replaced: TPUPartitionedCall by an ordinary call, replicated inputs and
outputs by identities, replication metadata by nothing. Batching stays as it is. What is left is the
user's computation as it was put into the TPU function.
"""

import os

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

tf1 = tf.compat.v1


def read_metagraphs(directory):
    """Returns {tag set: MetaGraphDef}."""
    saved_model = saved_model_pb2.SavedModel()
    with open(os.path.join(directory, "saved_model.pb"), "rb") as f:
        saved_model.ParseFromString(f.read())
    return {frozenset(m.meta_info_def.tags): m for m in saved_model.meta_graphs}


def run_tpu_metagraph(directory, signature, feeds):
    """Returns {output key: value} of a signature of {serve, tpu} for {input key: value}."""
    metagraph = read_metagraphs(directory)[frozenset(["serve", "tpu"])]
    graph_def = tf1.GraphDef()
    graph_def.CopyFrom(metagraph.graph_def)
    for function in graph_def.library.function:
        nodes = _without_tpu_nodes(list(function.node_def))
        _replace(function.node_def, _with_plain_call(nodes))
    _replace(graph_def.node, _with_plain_call(list(graph_def.node)))
    variables = os.path.join(directory, "variables", "variables")
    saver = metagraph.saver_def
    definition = metagraph.signature_def[signature]
    # A call that is inlined would wait for the ops behind its inputs, also where these are fed;
    # a call on a TPU is not inlined.
    config = tf1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default(), tf1.Session(config=config) as session:
        tf1.import_graph_def(graph_def, name="")
        # As servers do: the saver knows under which names the values were written.
        session.run(saver.restore_op_name, {saver.filename_tensor_name: variables})
        main_op = metagraph.collection_def["saved_model_main_op"].node_list.value[0]
        session.run(main_op, _list_assets(metagraph, directory))
        return session.run(
            {key: info.name for key, info in definition.outputs.items()},
            {definition.inputs[key].name: value for key, value in feeds.items()},
        )


def _list_assets(metagraph, directory):
    """Returns {tensor: path in the export} of the files that the graph reads."""
    found = {}
    for packed in metagraph.collection_def["saved_model_assets"].any_list.value:
        asset = meta_graph_pb2.AssetFileDef.FromString(packed.value)
        found[asset.tensor_info.name] = os.path.join(directory, "assets", asset.filename)
    return found


def _replace(target, nodes):
    copies = [node_def_pb2.NodeDef.FromString(n.SerializeToString()) for n in nodes]
    del target[:]
    target.extend(copies)


def _without_tpu_nodes(nodes):
    dropped = {"TPUReplicateMetadata", "TPUCompilationResult"}
    metadata = {n.name for n in nodes if n.op in dropped}
    for node in nodes:
        if node.op in ("TPUReplicatedInput", "TPUReplicatedOutput"):
            dtype = node.attr["T"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = dtype
        node.attr.pop("_tpu_replicate", None)
        node.attr.pop("_xla_outside_compilation", None)
        node.attr.pop("_xla_compile_id", None)
        node.device = ""
        inputs = [
            i.replace(":outputs:0", ":output:0")
            for i in node.input
            if not (i.startswith("^") and i[1:] in metadata)
        ]
        del node.input[:]
        node.input.extend(inputs)
    return [n for n in nodes if n.op not in dropped]


def _with_plain_call(nodes):
    for node in nodes:
        if node.op == "TPUPartitionedCall":
            node.op = "StatefulPartitionedCall"
            del node.input[-1]  # the device ordinal
            for key in set(node.attr) - {"Tin", "Tout", "f"}:
                del node.attr[key]
        kept = [i for i in node.input if i != "^TPUOrdinalSelector"]
        del node.input[:]
        node.input.extend(kept)
    return [n for n in nodes if n.op != "TPUOrdinalSelector"]
