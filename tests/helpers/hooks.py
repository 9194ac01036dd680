"""Hooks and listeners that remember what was called, and a host_call that says so."""

import tensorflow as tf

tf1 = tf.compat.v1


class CountingHook(tf1.train.SessionRunHook):
    def __init__(self):
        self.calls = []

    def begin(self):
        self.calls.append("begin")

    def after_run(self, run_context, run_values):
        self.calls.append("run")

    def end(self, session):
        self.calls.append("end")


class Listener(tf1.train.CheckpointSaverListener):
    def __init__(self):
        self.calls = []

    @staticmethod
    def expected(steps):
        """The calls of a training that saves at these steps."""
        saves = [(name, step) for step in steps for name in ("before", "after")]
        return ["begin", *saves, ("end", steps[-1])]

    def begin(self):
        self.calls.append("begin")

    def before_save(self, session, global_step):
        self.calls.append(("before", int(global_step)))

    def after_save(self, session, global_step):
        self.calls.append(("after", int(global_step)))

    def end(self, session, global_step):
        self.calls.append(("end", int(global_step)))


def call_every_step(on_step):
    """A host_call that calls `on_step` with the global step after each step; made in a model_fn."""

    def host_call(steps):
        return [tf1.py_func(lambda values: on_step(int(values[0])), [steps], [])]

    # The step that the variable has while the step runs is the one before.
    ended = tf.reshape(tf.cast(tf1.train.get_global_step(), tf.int32) + 1, [1])
    return host_call, [ended]
