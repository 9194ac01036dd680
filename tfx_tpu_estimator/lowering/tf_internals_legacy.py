"""Where TensorFlow has today what `tf.contrib.tpu` had, for imports of old programs.

Strings only: nothing is imported until a program asks for it.
"""

# Module below `tensorflow.contrib.tpu.python` -> name -> `module:attribute`.
LEGACY_TPU_MODULES: dict[str, dict[str, str]] = {
    "tpu.tpu_function": {
        name: f"tensorflow.python.tpu.tpu_function:{name}"
        for name in ("TpuContext", "get_tpu_context", "tpu_shard_context")
    },
    "tpu.topology": {"Topology": "tensorflow.python.tpu.topology:Topology"},
    "tpu.device_assignment": {
        name: f"tensorflow.python.tpu.device_assignment:{name}"
        for name in ("DeviceAssignment", "device_assignment")
    },
    "tpu.feature_column": {
        name: f"tensorflow.python.tpu.feature_column:{name}"
        for name in ("embedding_column", "shared_embedding_columns")
    },
    "tpu.training_loop": {
        name: f"tensorflow.python.tpu.training_loop:{name}" for name in ("repeat", "while_loop")
    },
    "ops.tpu_ops": {
        name: f"tensorflow.python.tpu.ops.tpu_ops:{name}"
        for name in ("all_to_all", "collective_permute", "cross_replica_sum")
    },
}
