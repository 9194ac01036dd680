"""AirflowConfig from texts, as a command line gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tfx_tpu_estimator.components.option_checks import describe_unknown, field_names

from .config import AirflowConfig

_NUMBERS = {
    "retries": int,
    "retry_delay_minutes": float,
    "timeout_minutes": float,
    "max_active_runs": int,
    "max_active_tasks": int,
}
_PER_COMPONENT = ("queues", "pools")
_TRUTH = {"true": True, "false": False}


def read_settings(texts: Sequence[str]) -> AirflowConfig:
    """Reads an AirflowConfig from texts.

    Args:
      texts: "KEY=VALUE" with the fields of AirflowConfig: `schedule=@daily`, `tags=taxi,nightly`,
        `catchup=true`; for one component, `queues.Trainer=tpu`. "none" stands for None.

    Raises:
      TypeError: A value is of the wrong type.
      ValueError: A text is of another form, or there is no such field; the nearest is named.

    Example:
      read_settings(["schedule=@daily", "retries=2", "queues.Trainer=tpu"])
    """
    given: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"`--set` must be KEY=VALUE, got {text!r}.")
        field, dot, component_id = key.partition(".")
        if field not in field_names(AirflowConfig):
            raise ValueError(describe_unknown("AirflowConfig", field, field_names(AirflowConfig)))
        if (field in _PER_COMPONENT) != bool(dot and component_id):
            form = f"{field}.COMPONENT=VALUE" if field in _PER_COMPONENT else f"{field}=VALUE"
            raise ValueError(f"`--set` {text!r} must be {form}.")
        if field in _PER_COMPONENT:
            given.setdefault(field, {})[component_id] = value
        elif field in given:
            raise ValueError(f"`--set` gives `{field}` twice.")
        else:
            given[field] = _read_value(field, value)
    return AirflowConfig(**given)


def _read_value(field: str, value: str) -> Any:
    if value.lower() == "none":
        return None
    if field == "tags":
        return [tag.strip() for tag in value.split(",")]
    if field == "catchup":
        if value.lower() not in _TRUTH:
            raise ValueError(f"`catchup` must be true or false, got {value!r}.")
        return _TRUTH[value.lower()]
    if field in _NUMBERS:
        try:
            return _NUMBERS[field](value)
        except ValueError as error:
            kind = "an int" if _NUMBERS[field] is int else "a number"
            raise ValueError(f"`{field}` must be {kind}, got {value!r}.") from error
    return value
