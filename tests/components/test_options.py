"""Tests of TPUEstimatorOptions."""

import copy
import pickle

import pytest

from tfx_tpu_estimator.components.options import TPUEstimatorOptions, option_names


def test_defaults():
    options = TPUEstimatorOptions()
    assert options.train_batch_size == 128
    assert options.use_tpu is False
    assert options.export_to_tpu is True
    assert options.seed == 42
    assert options.params == {}
    assert options.given == frozenset()


@pytest.mark.parametrize(
    ("name", "value", "error", "match"),
    [
        ("train_batch_size", 0, ValueError, "`train_batch_size` must be positive, got 0"),
        ("train_batch_size", 1.0, TypeError, "`train_batch_size` must be int"),
        ("train_batch_size", True, TypeError, "`train_batch_size` must be int"),
        ("train_batch_size", None, TypeError, "`train_batch_size` must be int"),
        ("eval_batch_size", -1, ValueError, "`eval_batch_size` must be positive"),
        ("seed", "x", TypeError, "`seed` must be int"),
        ("seed", None, TypeError, "`seed` must be int"),
        ("use_tpu", 1, TypeError, "`use_tpu` must be bool"),
        ("label_key", 3, TypeError, "`label_key` must be str"),
        ("save_summary_steps", -1, ValueError, "`save_summary_steps` must be >= 0"),
        ("keep_checkpoint_max", 1.5, TypeError, "`keep_checkpoint_max` must be int"),
        ("params", [1], TypeError, "`params` must be a dict"),
        ("params", {1: 2}, TypeError, "keys of `params` must be str"),
        ("params", {"seed": 2}, ValueError, "an option of its own"),
        ("params", {"f": print}, TypeError, "only what JSON can say"),
    ],
)
def test_wrong_values(name, value, error, match):
    with pytest.raises(error, match=match):
        TPUEstimatorOptions(**{name: value})


def test_checkpoint_frequencies_exclude_each_other():
    with pytest.raises(ValueError, match="cannot be both set"):
        TPUEstimatorOptions(save_checkpoints_steps=1, save_checkpoints_secs=1)


def test_unknown_option_names_the_nearest():
    with pytest.raises(TypeError, match=r"`trian_batch_size`.*Did you mean `train_batch_size`"):
        TPUEstimatorOptions(trian_batch_size=1)
    with pytest.raises(ValueError, match=r"`lable_key`.*Did you mean `label_key`"):
        TPUEstimatorOptions.from_json('{"lable_key": "x"}')
    with pytest.raises(ValueError, match="JSON object"):
        TPUEstimatorOptions.from_json("[1]")


def test_frozen():
    options = TPUEstimatorOptions()
    with pytest.raises(AttributeError, match="seed"):
        options.seed = 1


def test_json_keeps_what_was_given():
    options = TPUEstimatorOptions(seed=42, params={"hidden": [4, 2]}, label_key="tips")
    again = TPUEstimatorOptions.from_json(options.to_json())
    assert again == options
    assert again.given == {"seed", "params", "label_key"}
    assert again.to_json() == options.to_json()


def test_given_wins_over_a_modules_value_even_if_it_equals_the_default():
    options = TPUEstimatorOptions(train_batch_size=128)
    merged = options.with_defaults({"train_batch_size": 7, "seed": 3})
    assert merged.train_batch_size == 128
    assert merged.seed == 3


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda o: pickle.loads(pickle.dumps(o))])
def test_copies_remember_what_was_given(copier):
    options = TPUEstimatorOptions(seed=1)
    assert copier(options) == options
    assert copier(options).given == {"seed"}


def test_the_callers_dict_is_not_kept():
    params = {"a": 1}
    options = TPUEstimatorOptions(params=params)
    params["a"] = 2
    assert options.params == {"a": 1}


def test_option_names_are_in_order():
    assert option_names()[0] == "use_tpu"
    assert option_names()[-1] == "params"
