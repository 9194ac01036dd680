"""The Trainer's executor in two processes, which train one model together."""

import os
import pathlib
import pickle

import jax
import pytest
from helpers.process_runs import find_ports, run_processes
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import MODEL, OWN_RECEIVER

from tfx_tpu_estimator.components import MultiHostOptions, TPUEstimatorOptions

# Processes of TensorFlow one after another, on a machine that may be busy.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

_OPTIMIZER = 'tf1.train.GradientDescentOptimizer(params.get("learning_rate", 0.5))'
SHARDED = MODEL.replace(_OPTIMIZER, f"tf1.tpu.CrossShardOptimizer({_OPTIMIZER})")
# Process 1 is killed when training is over, if it is told to be.
KILLED = SHARDED.replace(
    '    if mode == "eval":',
    "    import os\n"
    '    if mode == "eval" and os.environ.get("TFX_TPU_ESTIMATOR_PROCESS_ID") == "1":\n'
    '        if os.environ.get("KILL"):\n'
    "            os.kill(os.getpid(), 9)\n"
    '    if mode == "eval":',
)
RUN_FN = (
    SHARDED
    + OWN_RECEIVER
    + """

def _input_fn(params):
    context = params["context"]
    data = tf.data.Dataset.from_tensor_slices(([[1.0, 2.0], [-2.0, 1.0]] * 8, [[1], [0]] * 8))
    data = data.shard(context.num_hosts, context.current_host).repeat()
    return data.batch(params["batch_size"], drop_remainder=True).map(lambda x, y: ({"x": x}, y))


def run_fn(fn_args):
    import os

    from tfx_tpu_estimator import RunConfig, TPUEstimator

    estimator = TPUEstimator(
        model_fn, config=RunConfig(model_dir=fn_args.model_run_dir), train_batch_size=8, params={}
    )
    estimator.train(_input_fn, max_steps=fn_args.train_steps)
    base = os.path.dirname(fn_args.serving_model_dir)
    os.rename(estimator.export_saved_model(base, serving_input_receiver_fn),
              fn_args.serving_model_dir)
"""
)


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    jax.devices()  # Those of this process are as for other tests; the variables are for new ones.
    monkeypatch.setenv("TFX_TPU_ESTIMATOR_NUM_CORES", "2")
    monkeypatch.setenv("XLA_FLAGS", "")
    run = TrainerRun(tmp_path)
    run.module_file.write_text(KILLED)
    return run


def options(**more):
    return TPUEstimatorOptions(
        train_batch_size=16, eval_batch_size=12, label_key="label", use_tpu=True, **more
    )


def test_two_processes_give_the_model_of_one_and_a_retry_goes_on(trainer, monkeypatch):
    trainer.options = options(hosts=MultiHostOptions(num_processes=2, launch="local"))
    with monkeypatch.context() as patch:
        patch.setenv("KILL", "1")
        with pytest.raises(RuntimeError, match="Process 1 of 2 failed with code -9"):
            trainer.run()
    (left,) = trainer.checkpoint_dirs()
    assert (left / "model.ckpt-20.index").is_file()
    assert os.listdir(trainer.outputs["model"][0].uri) == []
    model, model_run = trainer.run()
    # The training that was done is not done again: there are no events of another one.
    assert len(list(pathlib.Path(model_run.uri).glob("events.out.tfevents.*"))) == 1
    assert trainer.checkpoint_dirs() == []
    assert model.get_int_custom_property("processes") == 2
    assert model.get_int_custom_property("replicas") == 4
    trainer.options = options(num_shards=4)
    alone, _ = trainer.run()
    for name in ("model_digest", "program_hash"):
        assert model.get_string_custom_property(name) == alone.get_string_custom_property(name)
    for name in ("metric/loss", "metric/accuracy"):
        assert model.get_float_custom_property(name) == pytest.approx(
            alone.get_float_custom_property(name), rel=1e-5
        )


def test_processes_that_a_runner_starts(trainer, tmp_path):
    (port,) = find_ports(1)
    trainer.module_file.write_text(RUN_FN)
    trainer.options = TPUEstimatorOptions(
        hosts=MultiHostOptions(
            num_processes=2,
            coordinator=f"127.0.0.1:{port}",
            process_id_variable="JOB_COMPLETION_INDEX",
        )
    )
    trainer.prepare()
    arguments = tmp_path / "arguments.pickle"
    arguments.write_bytes(pickle.dumps((trainer.inputs, trainer.outputs, trainer.exec_properties)))
    variables = [{"JOB_COMPLETION_INDEX": str(i)} for i in range(2)]
    results = run_processes("helpers/trainer_script.py", variables, arguments)
    assert [code for code, _ in results] == [0, 0], results
    assert [output.splitlines()[-1] for _, output in results] == ["20", "no model"]
    model = pathlib.Path(trainer.outputs["model"][0].uri)
    assert sorted(os.listdir(model)) == ["Format-Serving", "Run"]
    assert trainer.checkpoint_dirs() == []
