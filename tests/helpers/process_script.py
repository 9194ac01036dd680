"""One process of a run of several: goes through the scenarios that its argument lists."""

import json
import os
import pathlib
import signal
import sys
import time

import numpy as np
import tensorflow as tf
from helpers import models, word_models

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


def evaluation_input_fn(params):
    """The examples of one call, once; their number differs between calls by some."""
    _, call, calls, _ = params["context"].current_input_fn_deployment()
    bounds = np.linspace(0, len(models.FEATURES), calls + 1).astype(int) // 9 * 9
    bounds[-1] = len(models.FEATURES)
    part = slice(bounds[call], bounds[call + 1])
    data = tf.data.Dataset.from_tensor_slices(({"x": models.FEATURES[part]}, models.LABELS[part]))
    return data.batch(params["batch_size"])


def tensor_input_fn(params):
    """The same as tensors, which PER_SHARD_V1 wants."""
    return tf1.data.make_one_shot_iterator(sharded_input_fn(params)).get_next()


def do_harm(how):
    """Ends this process, or does worse to it."""
    if how == "raise":
        raise ValueError("the disk is gone")
    os.kill(os.getpid(), getattr(signal, how))


def harmed(input_fn, harm):
    """An input_fn that does harm in one of the processes when it has read some batches."""

    def harmed_input_fn(params):
        data = input_fn(params)
        if params["context"].current_host != harm["process"]:
            return data
        batches = []

        def count(x):
            batches.append(x)
            if len(batches) == harm["batches"]:
                do_harm(harm["how"])
            return x

        def map_fn(features, labels):
            x = tf.numpy_function(count, [features["x"]], tf.float32)
            return {"x": tf.ensure_shape(x, features["x"].shape)}, labels

        return data.map(map_fn)

    return harmed_input_fn


class StopAtStep(tf1.train.SessionRunHook):
    """Asks to stop when step `step` is reached; only the chief has hooks."""

    def __init__(self, step):
        self._step = step

    def before_run(self, run_context):
        return tf1.train.SessionRunArgs(tf1.train.get_global_step())

    def after_run(self, run_context, run_values):
        if run_values.results >= self._step:
            run_context.request_stop()


def ending_input_fn(params):
    """An input that ends after five batches on the last host, and never on the others."""
    context = params["context"]
    data = sharded_input_fn(params)
    return data.take(5) if context.current_host == context.num_hosts - 1 else data


def train_with_stops(estimator):
    """Trains until the input of one host ends, then until a hook stops."""
    steps = []
    estimator.train(ending_input_fn, max_steps=20)
    steps.append(int(estimator.get_variable_value("global_step")))
    estimator.train(sharded_input_fn, hooks=[StopAtStep(9)], max_steps=20)
    steps.append(int(estimator.get_variable_value("global_step")))
    say("STEPS", steps)


def words_of_call(params):
    """Every so many of the examples of words; those with odd numbers have one word at most."""
    _, call, calls, _ = params["context"].current_input_fn_deployment()

    def shorten(index, example):
        features, labels = example
        short = dict(features)
        for name in ("words", "weights"):
            kept = tf.equal(features[name].indices[:, 0], 0) | tf.equal(index % 2, 0)
            short[name] = tf.sparse.retain(features[name], kept)
        return short, labels

    return word_models.examples().enumerate().map(shorten).shard(calls, call)


def words_input_fn(params):
    """The examples of one call, for ever."""
    return words_of_call(params).repeat().batch(params["batch_size"], drop_remainder=True)


def words_evaluation_input_fn(params):
    """The examples of one call, once."""
    return words_of_call(params).batch(params["batch_size"])


def make_estimator(options):
    pipeline = getattr(PIPELINES, options.get("pipeline", "PER_HOST_V1"))
    config = tpu_estimator.RunConfig(
        model_dir=options["model_dir"],
        tf_random_seed=options.get("seed", 1),
        save_checkpoints_steps=options.get("save_every", 4),
        tpu_config=tpu_estimator.TPUConfig(
            iterations_per_loop=options.get("iterations", 2),
            num_shards=options["replicas"],
            num_cores_per_replica=options.get("cores"),
            input_partition_dims=options.get("cut"),
            per_host_input_for_training=pipeline,
            eval_training_input_configuration=getattr(
                PIPELINES, options.get("evaluation", "PER_HOST_V1")
            ),
        ),
    )
    return tpu_estimator.TPUEstimator(
        word_models.few_words_model_fn if options.get("words") else models.linear_model_fn,
        config=config,
        params={},
        use_tpu=True,
        train_batch_size=options.get("batch_size", 20),
        eval_batch_size=32,
        predict_batch_size=32,
    )


def poisoned_input_fn(params):
    """A feature of the third batch of the last host is not a number."""
    data = sharded_input_fn(params)
    context = params["context"]
    if context.current_host != context.num_hosts - 1:
        return data

    def poison(index, batch):
        features, labels = batch
        x = tf.where(tf.equal(index, 2), np.nan * features["x"], features["x"])
        return {"x": x}, labels

    return data.enumerate().map(poison)


def prediction_input_fn(params):
    """All examples once, in order, whoever reads them."""
    data = tf.data.Dataset.from_tensor_slices({"x": models.FEATURES})
    return data.batch(params["batch_size"])


class LoopCounter(tf1.train.SessionRunHook):
    """Counts the loops; only the chief has hooks."""

    def __init__(self):
        self.loops = 0

    def after_run(self, run_context, run_values):
        self.loops += 1


def say(word, value):
    print(f"{word} {json.dumps(value)}", flush=True)


def say_refusal(call):
    """Prints why a call is refused."""
    try:
        call()
    except ValueError as error:
        say("REFUSED", str(error))


def train(estimator, options):
    """Trains as the options say, and prints the variables."""
    input_fn = sharded_input_fn
    if options.get("pipeline") == "PER_SHARD_V1":
        input_fn = tensor_input_fn
    if "harm" in options:
        input_fn = harmed(input_fn, options["harm"])
    counter = LoopCounter()
    estimator.train(input_fn, hooks=[counter], max_steps=options["steps"])
    values = {n: np.ravel(estimator.get_variable_value(n)).tolist() for n in ("kernel", "bias")}
    say("RESULT", {**values, "loops": counter.loops})


def train_words(estimator, options):
    """Trains the model of words, of which this process sees some, and prints a variable."""
    estimator.train(words_input_fn, max_steps=options["steps"])
    say("RESULT", np.ravel(estimator.get_variable_value("kernel")).tolist())


def evaluate_words(estimator, options):
    """Prints the metrics of the model of words."""
    results = estimator.evaluate(words_evaluation_input_fn, steps=20)
    say("METRICS", {n: float(v) for n, v in results.items()})


def evaluate(estimator, options):
    """Prints the metrics."""
    results = estimator.evaluate(evaluation_input_fn, steps=options.get("evaluated", 20))
    say("METRICS", {n: float(v) for n, v in results.items()})


def predict(estimator, options):
    """Prints all predictions, after two that were consumed in turns and left."""
    left, other = (estimator.predict(prediction_input_fn) for _ in range(2))
    for _ in range(40):
        np.testing.assert_array_equal(next(left)["probabilities"], next(other)["probabilities"])
    left.close()
    found = [float(p["probabilities"][0]) for p in estimator.predict(prediction_input_fn)]
    say("PREDICTIONS", found)


def refuse(estimator, options):
    """Prints why this input configuration can neither evaluate nor predict."""
    say_refusal(lambda: estimator.evaluate(evaluation_input_fn, steps=20))
    say_refusal(lambda: next(estimator.predict(prediction_input_fn)))


def stop(estimator, options):
    """Trains until the input of one host ends, then until a hook stops."""
    train_with_stops(estimator)


def meet_nan(estimator, options):
    """Trains until a loss is not a number."""
    try:
        estimator.train(poisoned_input_fn, max_steps=8)
    except tf1.train.NanLossDuringTrainingError as error:
        say("NAN", str(error))


def gather(estimator, options):
    """Waits until so many processes have come here: some take longer to load their libraries."""
    folder = pathlib.Path(options["model_dir"] + ".gathered")
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    while len(list(folder.iterdir())) < options["gathered"]:
        time.sleep(0.05)


def terminate(estimator, options):
    """Trains until SIGTERM."""
    try:
        train(estimator, options)
    except SystemExit as ended:
        say("ENDED", [ended.code, str(ended)])


ACTS = {
    act.__name__: act
    for act in (
        train, train_words, evaluate, evaluate_words, predict, refuse, stop, meet_nan, gather,
        terminate,
    )
}  # fmt: skip


def main(scenarios):
    """Does what each scenario says, one after the other, in the same processes."""
    for options in scenarios:
        print(f"SCENARIO {options['name']}", flush=True)
        started = time.monotonic()
        estimator = make_estimator(options)
        for act in options["acts"]:
            ACTS[act](estimator, options)
        print(f"{options['name']} took {time.monotonic() - started:.1f} s", flush=True)


if __name__ == "__main__":
    main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
