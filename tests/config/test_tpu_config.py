"""TPUConfig: every field's rule, and both forms of iterations_per_loop."""

import copy
import pickle

import pytest

from tfx_tpu_estimator.config.tpu_config import (
    InputPipelineConfig,
    LoopLength,
    TPUConfig,
    parse_iterations_per_loop,
)

V2 = InputPipelineConfig.PER_HOST_V2


def test_defaults():
    config = TPUConfig()
    assert config._asdict() == {
        "iterations_per_loop": 2,
        "num_shards": None,
        "num_cores_per_replica": None,
        "per_host_input_for_training": InputPipelineConfig.PER_HOST_V1,
        "tpu_job_name": None,
        "initial_infeed_sleep_secs": None,
        "input_partition_dims": None,
        "eval_training_input_configuration": InputPipelineConfig.PER_HOST_V1,
        "experimental_host_call_every_n_steps": 1,
        "experimental_allow_per_host_v2_parallel_get_next": False,
        "experimental_feed_hook": None,
    }


@pytest.mark.parametrize(
    ("value", "length"),
    [
        (1, LoopLength(steps=1)),
        ("7", LoopLength(steps=7)),
        ("30s", LoopLength(seconds=30)),
        ("2m", LoopLength(seconds=120)),
        ("1h", LoopLength(seconds=3600)),
    ],
)
def test_iterations_per_loop_is_steps_or_a_duration(value, length):
    assert parse_iterations_per_loop(value) == length
    config = TPUConfig(iterations_per_loop=value)
    assert config.iterations_per_loop == value
    assert config.loop_length == length


@pytest.mark.parametrize(
    "value", [0, -1, 1.5, True, None, "0", "-1", "1.5", "5 s", "5|", "5s\n", "5\n", "05s", "s", ""]
)
def test_other_iterations_per_loop_are_refused(value):
    with pytest.raises(ValueError, match=r"Invalid TPUConfig `iterations_per_loop` value\. .*pos"):
        TPUConfig(iterations_per_loop=value)


@pytest.mark.parametrize("name", ["num_shards", "initial_infeed_sleep_secs"])
@pytest.mark.parametrize("value", [0, -3])
def test_counts_must_be_positive(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be positive; got {value}"):
        TPUConfig(**{name: value})


@pytest.mark.parametrize("value", [0, -3])
def test_host_call_cadence_must_be_positive(value):
    with pytest.raises(ValueError, match="must be positive"):
        TPUConfig(experimental_host_call_every_n_steps=value)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"num_shards": 1.0}, "`num_shards` must be int"),
        ({"experimental_host_call_every_n_steps": None}, "every_n_steps` must be int"),
        ({"tpu_job_name": 3}, "`tpu_job_name` must be a non-empty string"),
        ({"tpu_job_name": ""}, "`tpu_job_name` must be a non-empty string"),
        (
            {"experimental_allow_per_host_v2_parallel_get_next": 1},
            "parallel_get_next` must be True or False",
        ),
        ({"experimental_feed_hook": "x"}, "`experimental_feed_hook` must be a class"),
    ],
)
def test_types(changes, text):
    with pytest.raises(TypeError, match=text):
        TPUConfig(**changes)


@pytest.mark.parametrize("cores", [7, 0, 256, 1.0, True, "2"])
def test_cores_per_replica_have_an_exact_message(cores):
    with pytest.raises(ValueError, match="num_cores_per_replica") as caught:
        TPUConfig(num_cores_per_replica=cores)
    expected = f"num_cores_per_replica must be 1, 2, 4, 8, 16, 32, 64, 128; got {cores}"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (True, InputPipelineConfig.PER_HOST_V1),
        (False, InputPipelineConfig.PER_SHARD_V1),
        (1, InputPipelineConfig.PER_SHARD_V1),
        (3, V2),
        (InputPipelineConfig.BROADCAST, InputPipelineConfig.BROADCAST),
    ],
)
def test_training_input_in_all_its_forms(value, meant):
    assert TPUConfig(per_host_input_for_training=value).per_host_input_for_training is meant


@pytest.mark.parametrize("value", [0, 5, 6, None, "PER_HOST_V2", InputPipelineConfig.SLICED])
def test_wrong_training_input(value):
    with pytest.raises(ValueError, match="`per_host_input_for_training` must be True, False or"):
        TPUConfig(per_host_input_for_training=value)


@pytest.mark.parametrize("value", [True, None, 1, V2, InputPipelineConfig.BROADCAST])
def test_wrong_evaluation_input(value):
    with pytest.raises(ValueError, match="`eval_training_input_configuration` must be"):
        TPUConfig(eval_training_input_configuration=value)
    assert TPUConfig(eval_training_input_configuration=5).eval_training_input_configuration == 5


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"per_host_input_for_training": True}, "input_partition_dims is.* PER_HOST_V2 mode."),
        ({"num_cores_per_replica": None}, ".*requires setting num_cores_per_replica."),
        ({"input_partition_dims": []}, ".*with one or two elements."),
        ({"input_partition_dims": [[1], [1], [1]]}, ".*with one or two elements."),
        ({"input_partition_dims": 2}, ".*with one or two elements."),
    ],
)
def test_partition_dims(changes, text):
    good = {
        "per_host_input_for_training": V2,
        "num_cores_per_replica": 2,
        "input_partition_dims": [[1, 2], None],
    }
    assert TPUConfig(**good).input_partition_dims == [[1, 2], None]
    with pytest.raises(ValueError, match=text):
        TPUConfig(**{**good, **changes})


def test_replace_and_copies():
    config = TPUConfig(iterations_per_loop=10)
    changed = config._replace(num_shards=8)
    assert (changed.num_shards, changed.iterations_per_loop) == (8, 10)
    assert config.num_shards is None
    with pytest.raises(ValueError, match="must be positive"):
        config._replace(num_shards=0)
    assert copy.deepcopy(changed) == pickle.loads(pickle.dumps(changed)) == changed


def test_old_integers_of_the_input_pipeline():
    names = ["PER_SHARD_V1", "PER_HOST_V1", "PER_HOST_V2", "BROADCAST", "SLICED"]
    assert {config.name: int(config) for config in InputPipelineConfig} == {
        name: number for number, name in enumerate(names, 1)
    }
