"""One process of a run of several: trains a small model as its arguments say."""

import json
import os
import pathlib
import sys
import time

import numpy as np
import tensorflow as tf
from helpers import models

import tfx_tpu_estimator as tpu_estimator

tf1 = tf.compat.v1
PIPELINES = tpu_estimator.InputPipelineConfig


def sharded_input_fn(params):
    """The examples of one call: those of its index; every call of PER_HOST_V2 has its batches."""
    context = params["context"]
    _, call, calls, replicas = context.current_input_fn_deployment()
    print(f"CALL {call} of {calls} on host {context.current_host} feeds {replicas}", flush=True)
    features, labels = models.FEATURES[call::calls], models.LABELS[call::calls]
    data = tf.data.Dataset.from_tensor_slices(({"x": features}, labels))
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def tensor_input_fn(params):
    """The same as tensors, which PER_SHARD_V1 wants."""
    return tf1.data.make_one_shot_iterator(sharded_input_fn(params)).get_next()


class DieAtStep(tf1.train.SessionRunHook):
    """Ends this process without a word, when step `step` is reached."""

    def __init__(self, step):
        self._step = step

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(tf1.train.get_global_step())

    def after_run(self, run_context, run_values):
        if run_values.results >= self._step:
            os.kill(os.getpid(), 9)


def make_estimator(options):
    pipeline = getattr(PIPELINES, options.get("pipeline", "PER_HOST_V1"))
    config = tpu_estimator.RunConfig(
        model_dir=options["model_dir"],
        tf_random_seed=options.get("seed", 1),
        save_checkpoints_steps=4,
        tpu_config=tpu_estimator.TPUConfig(
            iterations_per_loop=options.get("iterations", 2),
            num_shards=options["replicas"],
            per_host_input_for_training=pipeline,
        ),
    )
    return tpu_estimator.TPUEstimator(
        models.linear_model_fn,
        config=config,
        params={},
        use_tpu=True,
        train_batch_size=options.get("batch_size", 20),
        eval_batch_size=32,
        predict_batch_size=32,
    )


def main(options):
    estimator = make_estimator(options)
    shard = options.get("pipeline") == "PER_SHARD_V1"
    started = time.monotonic()
    estimator.train(tensor_input_fn if shard else sharded_input_fn, max_steps=options["steps"])
    values = {n: np.ravel(estimator.get_variable_value(n)).tolist() for n in ("kernel", "bias")}
    print("RESULT " + json.dumps(values), flush=True)
    print(f"trained in {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
