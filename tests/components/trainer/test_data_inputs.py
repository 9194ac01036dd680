"""What else may be connected to the Trainer: statistics, a Tuner; and training for epochs."""

import json
import pathlib

import keras_tuner
import pytest
from helpers.artifacts import make_artifact, make_input
from helpers.trainer_runs import TrainerRun, make_records
from helpers.user_modules import MODEL, OWN_INPUT, OWN_RECEIVER
from tfx.proto import trainer_pb2
from tfx.types import standard_artifacts

from tfx_tpu_estimator.components.options import TPUEstimatorOptions
from tfx_tpu_estimator.components.run_record import read_run_record


@pytest.fixture
def trainer(tmp_path):
    return TrainerRun(tmp_path)


def read_params(model):
    record = json.loads((pathlib.Path(model.uri) / "Run" / "run.json").read_text())
    return record["facts"]["params"]


def test_statistics_and_hyperparameters_reach_the_module(trainer, tmp_path):
    statistics = make_artifact(standard_artifacts.ExampleStatistics, tmp_path / "statistics")
    chosen = keras_tuner.HyperParameters()
    chosen.Fixed("learning_rate", 0.25)
    text = json.dumps(chosen.get_config())
    # As a Tuner names it.
    best = make_input(
        standard_artifacts.HyperParameters, tmp_path / "best", "best_hyperparameters.txt", text
    )
    trainer.inputs |= {"statistics": [statistics], "hyperparameters": [best]}
    trainer.module_file.write_text(
        MODEL.replace(
            'params.get("learning_rate", 0.5)',
            'params["hyperparameters"]["values"]["learning_rate"]',
        )
    )
    model, _ = trainer.run()
    params = read_params(model)
    assert params["statistics_path"] == statistics.uri
    assert params["hyperparameters"]["values"] == {"learning_rate": 0.25}
    assert params["learning_rate"] == 0.25


@pytest.mark.parametrize(
    ("records", "epochs", "steps"),
    [(64, 1, 4), (64, 3, 12), (60, 2, 8)],  # the last batch may be of two passes
)
def test_epochs_of_the_schemas_input(trainer, records, epochs, steps):
    trainer.write_split("train", make_records(records))
    trainer.train_args = trainer_pb2.TrainArgs()
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="label", epochs=epochs)
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == steps
    # The Evaluator builds the same program from the record.
    record = read_run_record(model.uri)
    assert record.data.train_steps == read_params(model)["train_steps"] == steps


def test_epochs_of_the_users_input_asked_for_by_the_module(trainer):
    own = OWN_INPUT.replace("dataset.batch(", "(dataset.repeat() if repeat else dataset).batch(")
    asked = "\n\ndef estimator_params():\n    return {'epochs': 2}\n"
    trainer.module_file.write_text(MODEL + own + OWN_RECEIVER + asked)
    trainer.train_args = trainer_pb2.TrainArgs()
    model, _ = trainer.run()
    assert model.get_int_custom_property("global_step") == 8


def test_epochs_and_steps_exclude_each_other(trainer):
    trainer.options = TPUEstimatorOptions(train_batch_size=16, label_key="label", epochs=2)
    with pytest.raises(ValueError, match=r"`options.epochs` is 2 and `train_args.num_steps` is 20"):
        trainer.run()
