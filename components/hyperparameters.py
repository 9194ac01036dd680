"""Finds hyperparameters that are meant to be something else: a misspelt option, or one another.

Hyperparameters may have any name, so a wrong one cannot be told from a new one. One that is nearly
the name of something that there is would have no effect; it is refused, with the way to insist.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .options import option_names

# `num_steps` and `train_steps` are two things; `train_batchsize` and `train_batch_size` are not.
_NEAR = 0.82
_PARAMS = "params"
# Read before a module's functions are called.
_OF_COMPONENT = ("checkpoint_dir", "hosts", "verify_examples")


def read_tuned(hyperparameters: Mapping[str, Any] | None) -> dict[str, Any]:
    """Returns the values in a HyperParameters artifact, by name.

    Args:
        hyperparameters: Its contents: what KerasTuner writes, with `space` and `values`, or names
            and values alone. None: nothing was given.

    Returns:
        The values, without those that a tuner keeps for itself, such as `tuner/trial_id`.

    Raises:
        ValueError: If it is no dict.
    """
    if hyperparameters is None:
        return {}
    values: Any = hyperparameters
    if isinstance(values, Mapping) and {"space", "values"} <= set(values):
        values = values["values"]
    if not isinstance(values, Mapping):
        raise ValueError(
            f"`hyperparameters` must hold a JSON object of names and values, got {values!r}."
        )
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def check_hyperparameters(
    declared: Mapping[str, Any],
    tuned: Mapping[str, Any],
    options: Mapping[str, Any],
    custom_config: Mapping[str, Any],
    own: Iterable[str],
) -> None:
    """Checks the names of all hyperparameters of a module of plain functions.

    Args:
        declared: What the module's `estimator_params()` returned.
        tuned: Values of the HyperParameters artifact.
        options: `params` of the options.
        custom_config: The component's `custom_config`.
        own: Names of the entries of `params` that the component makes.

    Raises:
        ValueError: If a name is nearly that of an option, of one of `own`, or of a hyperparameter
            that the module declares, if `custom_config` has an option, or the module one that
            only the component can be given.
    """
    names = option_names()
    taken = [*names, *own]
    for name in declared:
        if name in _OF_COMPONENT:
            raise ValueError(
                f"`estimator_params()` has `{name}`, which the module is too late to say: give "
                f"`options=TPUEstimatorOptions({name}=...)` to the component."
            )
        if name not in names:
            _check_far(
                name, taken, "`estimator_params()`", "return it below the key 'params', as yours"
            )
    insist = "give `options=TPUEstimatorOptions(params=...)`, where any name may be"
    for name in custom_config:
        if name in names:
            raise ValueError(
                f"`custom_config` has `{name}`, which is an option: give "
                f"`options=TPUEstimatorOptions({name}=...)`."
            )
        _check_far(name, taken, "`custom_config`", insist)
    for name in tuned:
        if name not in names:
            _check_far(name, taken, "`hyperparameters`", "return it from `estimator_params()` too")
    mine = {*declared, *(declared.get(_PARAMS) or {})} - {*names, _PARAMS}
    given = {
        "`hyperparameters`": tuned,
        "`options.params`": options,
        "`custom_config`": custom_config,
    }
    for origin, values in given.items():
        for name in values:
            if name not in {*mine, *names}:
                _check_far(name, mine, origin, "return it from `estimator_params()` too")


def _check_far(name: str, known: Iterable[str], origin: str, insist: str) -> None:
    near = find_near(name, known)
    if near is not None:
        raise ValueError(
            f"{origin} has `{name}`, which is nearly `{near}`. Did you mean `{near}`? If it is a "
            f"hyperparameter of its own, {insist}."
        )


def find_near(name: str, known: Iterable[str]) -> str | None:
    """Returns the name that was probably meant; None where none is near, or it is there.

    Names that differ in numbers only, as `units_1` and `units_2` do, are two things.

    Args:
        name: The name.
        known: The names that there are.
    """
    known = [k for k in known if _without_digits(k) != _without_digits(name) or k == name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
    return near[0] if near and near[0] != name else None


def _without_digits(name: str) -> str:
    return re.sub(r"\d+", "", name)
