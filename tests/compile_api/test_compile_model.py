"""What becomes of a module's functions; programs are lowered, or a compile has no time."""

import pytest
from helpers.example_modules import EXAMPLES
from helpers.models import linear_model_fn, make_estimator, train_input_fn
from helpers.needs import needs_libtpu
from helpers.tpu_compiler import own_lock

from tfx_tpu_estimator import RunConfig, TPUConfig, compile_for_tpu
from tfx_tpu_estimator.compile_check import report

__all__ = ["own_lock"]  # a fixture of all tests here
pytestmark = needs_libtpu
SCHEMA = """
feature { name: "image" type: FLOAT shape { dim { size: 8 } dim { size: 8 } }
          presence { min_fraction: 1 } }
feature { name: "digit" type: INT shape { } presence { min_fraction: 1 } }
"""


def lower(model, tmp_path, **arguments):
    """Lowers, and gives the compiler no time."""
    arguments.setdefault("topologies", "v5e:2x2")
    return compile_for_tpu(model, timeout_secs=1e-3, cache_dir=tmp_path / "cache", **arguments)


def test_a_module_without_input_functions_and_a_schema(tmp_path):
    schema = tmp_path / "schema.pbtxt"
    schema.write_text(SCHEMA)
    made = lower(
        str(EXAMPLES / "digits" / "digits_module.py"), tmp_path, schema=str(schema),
        label_key="digit", train_batch_size=64,
    )  # fmt: skip
    assert made.model == "digits_module"
    assert [p.program for p in made.programs] == list(report.PROGRAMS)
    assert {p.status for p in made.programs} == {report.TIMED_OUT}, made.programs
    assert [p.per_core_batch for p in made.programs] == [16] * 4


def test_batch_sizes_of_the_module_and_of_the_call(tmp_path):
    seen = {}

    def input_fn(params):
        seen.update(params)
        return train_input_fn(params)

    arguments = {"train_input_fn": input_fn, "params": {"depth": 3, "seed": 5}}
    made = lower(linear_model_fn, tmp_path, topologies=["v5e:2x2", "v5e:4x4"], **arguments)
    assert [p.per_core_batch for p in made.programs] == [32, 8]
    # Of the last topology: four hosts with an input each.
    assert (seen["depth"], seen["seed"], seen["batch_size"]) == (3, 5, 32)
    assert lower(linear_model_fn, tmp_path, train_batch_size=8, **arguments).programs[
        0
    ].per_core_batch == 2  # fmt: skip


def test_an_estimator_has_settings_of_its_own(tmp_path):
    estimator = make_estimator(tmp_path, use_tpu=True, train_batch_size=12)
    made = lower(estimator, tmp_path, train_input_fn=train_input_fn)
    assert (made.model, made.programs[0].per_core_batch) == ("linear_model_fn", 3)
    with pytest.raises(ValueError, match="`train_batch_size` is given, but `model` is a TPUEst"):
        lower(estimator, tmp_path, train_input_fn=train_input_fn, train_batch_size=8)


def test_several_cores_of_a_replica(tmp_path):
    config = RunConfig(tpu_config=TPUConfig(num_cores_per_replica=2))
    made = lower(
        linear_model_fn, tmp_path, config=config, train_input_fn=train_input_fn, train_batch_size=8
    )
    assert made.programs[0].per_core_batch == 4


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"topologies": []}, "must name at least one topology"),
        ({"topologies": "v5e"}, "is unknown. It must be a chip"),
        ({"programs": ["train", "test"]}, "`programs` must be some of train, eval, predict, se"),
        ({"programs": ["serving"]}, "`serving` needs `serving_input_receiver_fn`"),
        (
            {"train_input_fn": None},
            "one of `train_input_fn`, `eval_input_fn`, `predict_input_fn`, `se",
        ),
        ({"serving_batch_size": 0}, "`serving_batch_size` must be positive; got 0"),
        ({"schema": "schema.pbtxt"}, "`label_key` must be given with `schema`"),
    ],
)
def test_arguments_that_do_not_do(tmp_path, arguments, match):
    with pytest.raises(ValueError, match=match):
        lower(linear_model_fn, tmp_path, **{"train_input_fn": train_input_fn, **arguments})
