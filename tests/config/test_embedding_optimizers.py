import dataclasses

import pytest

from tfx_tpu_estimator import (
    AdagradParameters,
    AdamParameters,
    FtrlParameters,
    StochasticGradientDescentParameters,
)

ALL = [
    AdagradParameters,
    AdamParameters,
    FtrlParameters,
    StochasticGradientDescentParameters,
]
SHARED = {
    "use_gradient_accumulation": True,
    "clip_weight_min": None,
    "clip_weight_max": None,
    "weight_decay_factor": None,
    "multiply_weight_decay_factor_by_learning_rate": None,
    "clip_gradient_min": None,
    "clip_gradient_max": None,
}


@pytest.mark.parametrize("kind", ALL)
def test_shared_options_and_their_defaults(kind):
    made = kind(0.1)
    assert made.learning_rate == 0.1
    assert {name: getattr(made, name) for name in SHARED} == SHARED


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (AdagradParameters, {"initial_accumulator": 0.1}),
        (
            AdamParameters,
            {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "lazy_adam": True,
             "sum_inside_sqrt": True},
        ),
        (
            FtrlParameters,
            {"learning_rate_power": -0.5, "initial_accumulator_value": 0.1,
             "l1_regularization_strength": 0.0, "l2_regularization_strength": 0.0,
             "multiply_linear_by_learning_rate": False, "beta": 0,
             "allow_zero_accumulator": False, "initial_linear_value": 0.0},
        ),
    ],
)  # fmt: skip
def test_own_options_and_their_defaults(kind, own):
    made = kind(0.1)
    assert {name: getattr(made, name) for name in own} == own


def test_order_of_positional_arguments():
    assert AdagradParameters(0.1, 0.2, False) == AdagradParameters(
        learning_rate=0.1, initial_accumulator=0.2, use_gradient_accumulation=False
    )
    adam = AdamParameters(0.1, 0.8, 0.9, 1e-3, True, False, True, -1.0, 1.0)
    assert (adam.sum_inside_sqrt, adam.clip_weight_min, adam.clip_weight_max) == (False, -1.0, 1.0)
    ftrl = FtrlParameters(0.1, -0.6, 0.2, 0.3, 0.4, True, -1.0, 1.0, 0.5, True, True, 0.6, True)
    assert (ftrl.weight_decay_factor, ftrl.beta, ftrl.allow_zero_accumulator) == (0.5, 0.6, True)
    assert StochasticGradientDescentParameters(0.1, True, -2.0).clip_weight_min == -2.0


@pytest.mark.parametrize(
    ("kind", "slots"),
    [
        (StochasticGradientDescentParameters, ()),
        (AdagradParameters, (("Adagrad", 0.1),)),
        (AdamParameters, (("Adam/m", 0.0), ("Adam/v", 0.0))),
        (FtrlParameters, (("Ftrl", 0.1), ("Ftrl_1", 0.0))),
    ],
)
def test_slots_have_the_names_that_checkpoints_of_tpus_have(kind, slots):
    assert kind(0.5).slots == slots


@pytest.mark.parametrize(
    ("kind", "options", "text"),
    [
        (AdagradParameters, {"initial_accumulator": 0}, "`initial_accumulator` must be greater"),
        (AdamParameters, {"beta1": 1.0}, r"`beta1` must be in \[0, 1\); got 1.0"),
        (AdamParameters, {"beta2": -0.1}, r"`beta2` must be in \[0, 1\)"),
        (AdamParameters, {"epsilon": 0}, "`epsilon` must be positive"),
        (
            AdamParameters,
            {"lazy_adam": False, "use_gradient_accumulation": False},
            "gradient accumulation must be used",
        ),
        (FtrlParameters, {"learning_rate_power": 0.1}, "less than or equal to 0"),
        (FtrlParameters, {"initial_accumulator_value": -1}, "greater than or equal to 0"),
        (FtrlParameters, {"l1_regularization_strength": -1}, "`l1_regularization_strength`"),
        (FtrlParameters, {"l2_regularization_strength": -1}, "`l2_regularization_strength`"),
        *[
            (kind, {"use_gradient_accumulation": False, "clip_gradient_max": 1.0},
             "gradient accumulation must be enabled")
            for kind in ALL
        ],
    ],
)  # fmt: skip
def test_values_that_are_refused(kind, options, text):
    with pytest.raises(ValueError, match=text):
        kind(0.1, **options)


@pytest.mark.parametrize("kind", ALL)
def test_they_are_values(kind):
    assert kind(0.1) == kind(0.1)
    assert dataclasses.replace(kind(0.1), learning_rate=0.2) == kind(0.2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind(0.1).learning_rate = 1.0
