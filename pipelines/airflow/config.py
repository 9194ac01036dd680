"""When Airflow runs a pipeline, and how its tasks are treated, checked."""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tfx_tpu_estimator.components.option_checks import (
    CheckedNames,
    check_int,
    check_number,
    check_type,
)
from tfx_tpu_estimator.suggestions import suggest

from ..node_ids import check_node_ids

_OFTEN = ("@once", "@continuous", "@hourly", "@daily", "@weekly")
PRESETS = (*_OFTEN, "@monthly", "@quarterly", "@yearly")
_CRON_FIELD = r"[\w*/,#?-]+"
_CRON = re.compile(rf"{_CRON_FIELD}(\s+{_CRON_FIELD}){{4}}")
_LABEL = re.compile(r"[^\s,]([^,]*[^\s,])?")
# Airflow keeps tags in a column of this width.
_TAG_LENGTH = 100
_SCHEDULES = f"None, a cron expression such as '0 3 * * *', or one of {', '.join(PRESETS)}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AirflowConfig(CheckedNames):
    """When Airflow runs a pipeline, and how its tasks are treated.

    Attributes:
      schedule: None: only when somebody triggers it; a cron expression, or one of Airflow's
        presets such as "@daily".
      start_date: Before this nothing is scheduled: a date and time, or its ISO text; UTC if it
        names no zone.
      catchup: Whether the runs between `start_date` and now are made up for.
      retries: How many times a failed task is tried again; the Trainer goes on from its
        checkpoint.
      retry_delay_minutes: Minutes between two tries.
      timeout_minutes: What one try of a task may take; None for any time.
      max_active_runs: Runs of the pipeline at a time.
      max_active_tasks: Tasks of the pipeline at a time; None: one with ML Metadata on SQLite, which
        lets one process write, and Airflow's own limit with a server.
      tags: Labels in Airflow's list of DAGs.
      description: A sentence for the list of DAGs; None for none.
      owner: Who is named as the tasks' owner.
      queues: {component id: queue of workers}, such as those that have a TPU.
      pools: {component id: pool}, which limits how many such tasks run at a time.

    Raises:
      TypeError: A value is of the wrong type, or there is no such field; the nearest is named.
      ValueError: A value is out of its range.

    Example:
      AirflowConfig(schedule="@daily", retries=2, tags=["taxi"], queues={"Trainer": "tpu"})
    """

    schedule: str | None = None
    start_date: datetime.datetime | str = "2024-01-01T00:00:00+00:00"
    catchup: bool = False
    retries: int = 0
    retry_delay_minutes: float = 5.0
    timeout_minutes: float | None = None
    max_active_runs: int = 1
    max_active_tasks: int | None = None
    tags: Sequence[str] = ()
    description: str | None = None
    owner: str = "airflow"
    queues: Mapping[str, str] = dataclasses.field(default_factory=dict)
    pools: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        check_schedule(self.schedule)
        object.__setattr__(self, "start_date", _read_date(self.start_date))
        check_type("catchup", self.catchup, bool)
        check_int("retries", self.retries, 0)
        check_number("retry_delay_minutes", self.retry_delay_minutes)
        if self.timeout_minutes is not None:
            check_number("timeout_minutes", self.timeout_minutes, positive=True)
        check_int("max_active_runs", self.max_active_runs, 1)
        if self.max_active_tasks is not None:
            check_int("max_active_tasks", self.max_active_tasks, 1)
        object.__setattr__(self, "tags", _check_tags(self.tags))
        if self.description is not None:
            check_type("description", self.description, str)
        _check_label("owner", self.owner)
        for field in ("queues", "pools"):
            for component_id, label in _check_mapping(field, getattr(self, field)).items():
                _check_label(f"{field}[{component_id!r}]", label)

    def check_ids(self, known: Sequence[str]) -> None:
        """Raises ValueError if a queue or pool is for a component that is not there.

        Args:
          known: Ids of the pipeline's components.
        """
        for field in ("queues", "pools"):
            check_node_ids(field, getattr(self, field), known)


def check_schedule(schedule: Any) -> None:
    """Checks a schedule as far as the installed packages can.

    Raises:
      TypeError: It is neither text nor None.
      ValueError: It is no cron expression and no preset.
    """
    if schedule is None:
        return
    if not isinstance(schedule, str):
        raise TypeError(f"`schedule` must be {_SCHEDULES}; got {schedule!r}.")
    if schedule in PRESETS:
        return
    if schedule.startswith("@"):
        hint = suggest(schedule, PRESETS)
        raise ValueError(f"`schedule` must be {_SCHEDULES}; got {schedule!r}.{hint}")
    if not _CRON.fullmatch(schedule.strip()) or not _is_cron(schedule):
        raise ValueError(f"`schedule` must be {_SCHEDULES}; got {schedule!r}.")


def _is_cron(schedule: str) -> bool:
    # Airflow's own reader of such expressions; the environment may be one without Airflow.
    if importlib.util.find_spec("croniter") is None:
        return True
    return importlib.import_module("croniter").croniter.is_valid(schedule)


def _read_date(value: Any) -> datetime.datetime:
    if isinstance(value, str):
        try:
            # Python 3.10 does not read the "Z" that many write for UTC.
            value = datetime.datetime.fromisoformat(re.sub(r"[Zz]$", "+00:00", value))
        except ValueError as error:
            raise ValueError(
                f"`start_date` must be a date such as '2024-01-31' or '2024-01-31T03:00:00+00:00', "
                f"got {value!r}."
            ) from error
    check_type("start_date", value, datetime.datetime)
    return value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)


def _check_tags(tags: Any) -> tuple[str, ...]:
    if isinstance(tags, str) or not isinstance(tags, Sequence):
        raise TypeError(f"`tags` must be a list of texts, got {tags!r}.")
    for tag in tags:
        _check_label("tags", tag)
        if len(tag) > _TAG_LENGTH:
            raise ValueError(f"`tags` has one of more than {_TAG_LENGTH} characters: {tag!r}.")
    return tuple(tags)


def _check_mapping(field: str, value: Any) -> Mapping[str, Any]:
    check_type(field, value, Mapping)
    return value


def _check_label(name: str, value: Any) -> None:
    check_type(name, value, str)
    if not _LABEL.fullmatch(value):
        raise ValueError(
            f"`{name}` must be a text without commas or blanks at its ends, got {value!r}."
        )
