"""Hooks and listeners that remember what was called."""

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
