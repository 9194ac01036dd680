"""Own implementations of commonly used corners of `tf.contrib`."""
