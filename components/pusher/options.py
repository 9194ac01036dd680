"""PusherOptions: what the Pusher asks of a model beyond the standard Pusher."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.suggestions import suggest

from ..constants import PUSHER_CONFIG_KEY
from ..hyperparameters import find_near
from ..option_checks import CheckedNames, check_int, check_number, check_type, field_names

_BOOLEAN = ("require_tpu_metagraph", "load_model", "serve_only", "allow_rolled_back")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PusherOptions(CheckedNames):
    """Checks that the Pusher makes, and what it does with the serving directory.

    Attributes:
        require_tpu_metagraph: Refuses a model without a {serve, tpu} metagraph; of no effect
            with `serve_only`. Default True.
        load_model: Loads {serve} with its variables before pushing. Turn it off for a model
            with ops this machine does not have. Default True.
        serve_only: Pushes the {serve} metagraph alone, for clients that cannot choose tags. The
            variables stay as they are. Default False.
        allowed_ops: Names of ops to accept although they run Python code, read or write files, or
            are unknown to TensorFlow. Default none.
        keep_versions: Number of versions to keep in the serving directory, at least 2: the newest,
            and the one that a server still serves while it loads that. Of the others the smallest
            numbers are removed, but only versions that this component pushed. Default None:
            nothing is removed.
        allow_rolled_back: Pushes a model although the directory was just rolled back from it.
            Default False.
        lock_timeout_secs: How long to wait for another push to the same directory, in seconds.
            Default 600.

    Example:
        PusherOptions(serve_only=True, keep_versions=5)
    """

    require_tpu_metagraph: bool = True
    load_model: bool = True
    serve_only: bool = False
    allowed_ops: tuple[str, ...] = ()
    keep_versions: int | None = None
    allow_rolled_back: bool = False
    lock_timeout_secs: float = 600.0

    def __post_init__(self) -> None:
        for name in _BOOLEAN:
            check_type(name, getattr(self, name), bool)
        object.__setattr__(self, "allowed_ops", _check_allowed_ops(self.allowed_ops))
        object.__setattr__(self, "keep_versions", _check_keep_versions(self.keep_versions))
        check_number("lock_timeout_secs", self.lock_timeout_secs)


def read_pusher_options(custom_config: Mapping[str, Any] | None) -> PusherOptions:
    """Reads the options from the `tpu_estimator_pusher` entry of `custom_config`.

    Raises:
        TypeError: If the entry is no dict or a value has the wrong type.
        ValueError: If it has a key that is no option, or a value is out of range.
    """
    for name in custom_config or {}:
        # Other keys are of other components' concern, and have no effect here.
        if find_near(name, [PUSHER_CONFIG_KEY]):
            raise ValueError(
                f"`custom_config` has {name!r}, which has no effect. Did you mean "
                f"{PUSHER_CONFIG_KEY!r}?"
            )
    entry = (custom_config or {}).get(PUSHER_CONFIG_KEY, {})
    if not isinstance(entry, Mapping):
        raise TypeError(f"`custom_config[{PUSHER_CONFIG_KEY!r}]` must be a dict, got {entry!r}.")
    allowed = field_names(PusherOptions)
    for name in entry:
        if name not in allowed:
            raise ValueError(
                f"`custom_config[{PUSHER_CONFIG_KEY!r}]` has the unknown key {name!r}."
                f"{suggest(name, allowed)} Allowed: {', '.join(allowed)}."
            )
    return PusherOptions(**entry)


def _check_allowed_ops(value: Any) -> tuple[str, ...]:
    # JSON knows lists only; a str would be taken for a list of letters.
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) and v for v in value):
        raise TypeError(f"`allowed_ops` must be a tuple of names of ops, got {value!r}.")
    return tuple(value)


def _check_keep_versions(value: Any) -> int | None:
    if value is None:
        return None
    # Some runners hand integers over as floats.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    check_int("keep_versions", value)
    if value < 2:
        raise ValueError(
            f"`keep_versions` must be at least 2, got {value}: the newest version, and the one "
            "that a server still serves while it loads the newest."
        )
    return int(value)
