"""Modules of every form are trained so that the same comes out again, and say with what."""

import json
import pathlib
import random

import numpy as np
import pytest
import tensorflow as tf
from helpers.legacy_modules import TF1_MODULE
from helpers.trainer_runs import TrainerRun
from helpers.user_modules import MODEL, RUN_FN

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.components.trainer.repeatable import TrainingNotes, repeatable
from tfx_tpu_estimator.runs.training_log import TrainingFacts, tell_training


def _replace(text, replacements):
    for old, new in replacements.items():
        assert old in text
        text = text.replace(old, new)
    return text


# Weights, the order of the data and noise are drawn, and nobody says a seed.
DRAWN = _replace(
    RUN_FN,
    {
        "zeros_initializer": "truncated_normal_initializer",
        ".repeat()": ".shuffle(64).repeat()",
        "    return dataset.map(": """
    import random

    import numpy as np

    noise = np.random.normal(size=2).astype("float32") + random.random()
    return dataset.map(""",
        '{"x": parsed["x"]}': '{"x": parsed["x"] + noise}',
        "    base = ": """
    if os.environ.get("FAIL_AFTER_TRAINING"):
        raise RuntimeError("interrupted")
    base = """,
    },
)
# A canned estimator, whose export has functions.
CANNED = TF1_MODULE.replace(", tf_random_seed=1", "").replace(", seed=1", "")


@pytest.fixture
def trainer(tmp_path):
    run = TrainerRun(tmp_path)
    run.options = TPUEstimatorOptions()
    run.custom_config = {"batch": 8}
    return run


@pytest.mark.parametrize("text", [DRAWN, CANNED], ids=["run_fn", "trainer_fn"])
def test_without_a_seed_of_its_own_a_module_gives_the_same_model_again(trainer, text):
    trainer.train_args.num_steps = 5
    trainer.module_file.write_text(text)
    models = [trainer.run()[0] for _ in range(2)]
    first, second = (model.get_string_custom_property("model_digest") for model in models)
    assert first == second
    assert models[0].get_int_custom_property("seed") == 42
    assert models[0].get_int_custom_property("replicas") == 1
    assert len(models[0].get_string_custom_property("program_hash")) == 64


def test_the_seed_of_the_options_and_the_modules_own(trainer):
    trainer.train_args.num_steps = 2
    trainer.module_file.write_text(DRAWN)
    trainer.options = TPUEstimatorOptions(seed=5)
    assert trainer.run()[0].get_int_custom_property("seed") == 5
    trainer.module_file.write_text(DRAWN.replace("RunConfig(", "RunConfig(tf_random_seed=9, "))
    assert trainer.run()[0].get_int_custom_property("seed") == 9


def test_a_retry_after_the_training_knows_what_it_was(trainer, monkeypatch):
    trainer.module_file.write_text(DRAWN)
    with monkeypatch.context() as patch:
        patch.setenv("FAIL_AFTER_TRAINING", "1")
        with pytest.raises(RuntimeError, match="interrupted"):
            trainer.run()
    model, model_run = trainer.run()
    assert model.get_int_custom_property("seed") == 42
    assert model.get_int_custom_property("train_batch_size") == 8
    assert len(model.get_string_custom_property("program_hash")) == 64
    noted = json.loads((pathlib.Path(model_run.uri) / "training.json").read_text())
    assert noted["processes"] == 1


def test_on_devices_the_program_that_they_run_is_recorded(trainer):
    optimizer = "tf1.train.GradientDescentOptimizer("
    sharded = f"tf1.tpu.CrossShardOptimizer({optimizer}0.5))"
    text = MODEL.replace(f'{optimizer}params.get("learning_rate", 0.5))', sharded)
    trainer.module_file.write_text(text)
    trainer.options = TPUEstimatorOptions(
        use_tpu=True, num_shards=2, train_batch_size=16, label_key="label"
    )
    trainer.train_args.num_steps = 1
    hashes = [trainer.run()[0].get_string_custom_property("program_hash") for _ in range(2)]
    # The graph has names that count what the process has done; the program has not.
    assert hashes[0] == hashes[1]
    trainer.module_file.write_text(text.replace("0.5))", "0.25))"))
    assert trainer.run()[0].get_string_custom_property("program_hash") != hashes[0]


def test_generators_are_put_back(tmp_path):
    notes = TrainingNotes(str(tmp_path))
    state = random.getstate(), np.random.get_state()[1].tolist()
    drawn = []
    for _ in range(2):
        with repeatable(3, notes):
            drawn.append((random.random(), np.random.rand(), float(tf.random.uniform([]))))
    assert drawn[0] == drawn[1]
    assert (random.getstate(), np.random.get_state()[1].tolist()) == state
    assert notes.facts is None
    facts = TrainingFacts(model_dir="d", seed=3, replicas=2)
    with repeatable(3, notes):
        tell_training(facts)
    tell_training(TrainingFacts(model_dir="d", seed=4, replicas=2))
    assert TrainingNotes(str(tmp_path)).facts == facts
