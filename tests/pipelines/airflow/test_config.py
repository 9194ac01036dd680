"""AirflowConfig, from Python and from texts of a command line."""

import datetime

import pytest

from tfx_tpu_estimator.pipelines.airflow import AirflowConfig, read_settings

UTC = datetime.timezone.utc


def test_dates_are_in_a_zone():
    assert AirflowConfig(start_date="2025-03-01").start_date == datetime.datetime(
        2025, 3, 1, tzinfo=UTC
    )
    assert AirflowConfig(start_date="2025-03-01T04:00:00Z").start_date.hour == 4
    zone = datetime.timezone(datetime.timedelta(hours=2))
    assert AirflowConfig(start_date=datetime.datetime(2025, 3, 1, tzinfo=zone)).start_date.tzinfo
    assert AirflowConfig().start_date.tzinfo is not None


@pytest.mark.parametrize("schedule", [None, "@daily", "0 3 * * 1-5", "*/15 * * * *", "@continuous"])
def test_schedules(schedule):
    assert AirflowConfig(schedule=schedule).schedule == schedule


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ({"schedul": "@daily"}, TypeError, "`schedul` is not an AirflowConfig field.*`schedule`"),
        ({"schedule": "@dayly"}, ValueError, "got '@dayly'. Did you mean '@daily'"),
        ({"schedule": "every day"}, ValueError, "`schedule` must be None, a cron expression"),
        ({"schedule": "61 3 * * *"}, ValueError, "got '61 3"),
        ({"schedule": 5}, TypeError, "`schedule` must be"),
        ({"start_date": "soon"}, ValueError, "`start_date` must be a date such as.*'soon'"),
        ({"start_date": 2025}, TypeError, "`start_date` must be datetime"),
        ({"catchup": 1}, TypeError, "`catchup` must be bool"),
        ({"retries": -1}, ValueError, "`retries` must be >= 0"),
        ({"retries": 1.5}, TypeError, "`retries` must be int"),
        ({"retry_delay_minutes": -1}, ValueError, "`retry_delay_minutes` must be >= 0"),
        ({"timeout_minutes": 0}, ValueError, "`timeout_minutes` must be positive"),
        ({"max_active_runs": 0}, ValueError, "`max_active_runs` must be positive"),
        ({"max_active_tasks": 0}, ValueError, "`max_active_tasks` must be positive"),
        ({"tags": "taxi"}, TypeError, "`tags` must be a list of texts"),
        ({"tags": ["a,b"]}, ValueError, "`tags` must be a text without commas"),
        ({"tags": ["a" * 101]}, ValueError, "more than 100 characters"),
        ({"owner": ""}, ValueError, "`owner` must be a text"),
        ({"description": 3}, TypeError, "`description` must be str"),
        ({"queues": ["tpu"]}, TypeError, "`queues` must be Mapping"),
        ({"pools": {"Trainer": 1}}, TypeError, r"`pools\['Trainer'\]` must be str"),
    ],
)
def test_wrong_values_are_refused(given, kind, message):
    with pytest.raises(kind, match=message):
        AirflowConfig(**given)


def test_queues_are_for_components_that_are_there():
    config = AirflowConfig(queues={"Trianer": "tpu"})
    with pytest.raises(ValueError, match=r"`queues` has 'Trianer'.*Did you mean 'Trainer'"):
        config.check_ids(["Trainer", "Pusher"])


def test_texts_become_fields():
    config = read_settings(
        ["schedule=0 3 * * *", "retries=2", "retry_delay_minutes=0.5", "tags=a, b", "catchup=True",
         "timeout_minutes=none", "queues.Trainer=tpu", "queues.Pusher=small",
         "start_date=2025-03-01", "description=All trips = all"]
    )  # fmt: skip
    assert config == AirflowConfig(
        schedule="0 3 * * *", retries=2, retry_delay_minutes=0.5, tags=["a", "b"], catchup=True,
        queues={"Trainer": "tpu", "Pusher": "small"}, start_date="2025-03-01",
        description="All trips = all",
    )  # fmt: skip
    assert read_settings([]) == AirflowConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("retries", "must be KEY=VALUE, got 'retries'"),
        ("retrys=2", "`retrys` is not an AirflowConfig field. Did you mean `retries`"),
        ("retries=two", "`retries` must be an int, got 'two'"),
        ("timeout_minutes=long", "`timeout_minutes` must be a number"),
        ("catchup=maybe", "`catchup` must be true or false"),
        ("queues=tpu", r"must be queues\.COMPONENT=VALUE"),
        ("tags.Trainer=tpu", "must be tags=VALUE"),
    ],
)
def test_wrong_texts_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        read_settings([text])


def test_a_field_twice():
    with pytest.raises(ValueError, match="gives `retries` twice"):
        read_settings(["retries=1", "retries=2"])
