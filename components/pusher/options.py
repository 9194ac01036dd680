"""PusherOptions: what the Pusher asks of a model beyond the standard Pusher."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from ..constants import PUSHER_CONFIG_KEY
from ..option_checks import check_names, check_type


@dataclasses.dataclass(frozen=True, kw_only=True)
class PusherOptions:
    """Checks that the Pusher makes.

    Attributes:
        require_tpu_metagraph: Refuses a model without a {serve, tpu} metagraph. Default True.
        load_model: Loads {serve} with its variables before pushing. Turn it off for a model
            with ops this machine does not have. Default True.

    Example:
        PusherOptions(require_tpu_metagraph=False)
    """

    require_tpu_metagraph: bool = True
    load_model: bool = True

    def __new__(cls, **given: Any) -> PusherOptions:
        """Refuses names of no option, with the nearest that is one."""
        check_names("PusherOptions", given, [field.name for field in dataclasses.fields(cls)])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            check_type(field.name, getattr(self, field.name), bool)


def read_pusher_options(custom_config: Mapping[str, Any] | None) -> PusherOptions:
    """Reads the options from the `tpu_estimator_pusher` entry of `custom_config`.

    Raises:
        TypeError: If the entry is no dict or a value is no bool.
        ValueError: If it has a key that is no option.
    """
    entry = (custom_config or {}).get(PUSHER_CONFIG_KEY, {})
    if not isinstance(entry, Mapping):
        raise TypeError(f"`custom_config[{PUSHER_CONFIG_KEY!r}]` must be a dict, got {entry!r}.")
    allowed = [field.name for field in dataclasses.fields(PusherOptions)]
    for name in entry:
        if name not in allowed:
            near = difflib.get_close_matches(name, allowed, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(
                f"`custom_config[{PUSHER_CONFIG_KEY!r}]` has the unknown key {name!r}.{hint} "
                f"Allowed: {', '.join(allowed)}."
            )
    return PusherOptions(**entry)
