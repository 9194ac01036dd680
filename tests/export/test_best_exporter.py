"""BestExporter: only better models, also after a restart, and in spite of NaN."""

import functools
import json

import numpy as np
import pytest
from helpers.exports import ExportingEstimator

from tfx_tpu_estimator import BestExporter
from tfx_tpu_estimator.export import best_exporter
from tfx_tpu_estimator.export.best_exporter import has_smaller_loss
from tfx_tpu_estimator.summaries.event_writer import write_evaluation

NAN = float("nan")


@pytest.fixture
def estimator(tmp_path):
    return ExportingEstimator(tmp_path)


def offer_all(estimator, exporter, losses, first=1):
    """Offers evaluations with these losses; returns the steps that were exported."""
    before = len(estimator.steps)
    for step, loss in enumerate(losses, first):
        estimator.offer(exporter, step, loss=np.float32(loss))
    return estimator.steps[before:]


@pytest.mark.parametrize(
    ("losses", "exported"),
    [
        ([3, 2, 1], [1, 2, 3]),
        ([3, 4, 2, 2, 1.5], [1, 3, 5]),
        ([NAN, NAN, 5, NAN, 6, 4], [3, 6]),
        ([2, NAN, 1], [1, 3]),
        ([np.inf, 1, -np.inf, 0], [1, 2, 3]),
    ],
)
def test_only_better_models_are_exported(estimator, losses, exported):
    assert offer_all(estimator, BestExporter("best"), losses) == exported


def test_the_best_survives_a_restart(estimator):
    assert offer_all(estimator, BestExporter("best"), [3, 1, 2]) == [1, 2]
    # The old one exported the first evaluation of every process, and forgot the better one.
    assert offer_all(estimator, BestExporter("best"), [2, 1.5, 0.5, 0.7], first=4) == [6]
    assert offer_all(estimator, BestExporter("best"), [0.6], first=8) == []


def test_the_record_names_metrics_and_export(estimator, tmp_path):
    path = estimator.offer(BestExporter("best"), 7, loss=np.float32(0.25), auc=0.5)
    record = json.loads((tmp_path / "export/best/best_eval_result.json").read_text())
    assert record == {
        "metrics": {"loss": 0.25, "auc": 0.5, "global_step": 7},
        "export": path.decode()[-10:],
    }


def test_an_export_that_fails_is_not_remembered(estimator, monkeypatch):
    exporter = BestExporter("best")
    offer_all(estimator, exporter, [3])

    def fail(*arguments, **named):
        raise OSError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(estimator, "export_saved_model", fail)
        with pytest.raises(OSError, match="the disk is full"):
            offer_all(estimator, exporter, [1], first=2)
    assert offer_all(estimator, exporter, [2], first=3) == [3]
    assert offer_all(estimator, BestExporter("best"), [2.5], first=4) == []


class Killed(BaseException):
    pass


def kill(*arguments, **named):
    raise Killed("here")


@pytest.mark.parametrize("pattern", [None, "eval/*.tfevents.*"])
@pytest.mark.parametrize("earlier", [[], [3]])
def test_a_kill_between_export_and_record_forgets_no_best(
    estimator, tmp_path, monkeypatch, earlier, pattern
):
    offer_all(estimator, BestExporter("best"), earlier)
    with monkeypatch.context() as patch:
        patch.setattr(best_exporter, "write_record", kill)
        with pytest.raises(Killed, match="here"):
            offer_all(estimator, BestExporter("best"), [1], first=2)
    exporter = BestExporter("best", event_file_pattern=pattern)
    assert offer_all(estimator, exporter, [2, 0.5], first=3) == [4]
    names = sorted(p.name for p in (tmp_path / "export/best").iterdir())
    assert names[-1] == "best_eval_result.json"


def test_an_attempt_without_an_export_counts_for_nothing(estimator, monkeypatch):
    offer_all(estimator, BestExporter("best"), [3])
    with monkeypatch.context() as patch:
        patch.setattr(estimator, "export_saved_model", kill)
        with pytest.raises(Killed, match="here"):
            offer_all(estimator, BestExporter("best"), [1], first=2)
    assert offer_all(estimator, BestExporter("best"), [4, 2], first=3) == [4]


def has_higher_auc(best_eval_result, current_eval_result):
    return current_eval_result["auc"] > best_eval_result.get("auc", 0)


def test_another_metric_decides(estimator):
    exporter = BestExporter("best", compare_fn=has_higher_auc)
    for step, auc in enumerate([NAN, 0.5, NAN, 0.4, 0.6], 1):
        # A loss that is not compared may be anything.
        estimator.offer(exporter, step, auc=auc, loss=NAN)
    assert estimator.steps == [2, 5]


def test_garbage_is_collected(estimator, tmp_path):
    offer_all(estimator, BestExporter("best", exports_to_keep=2), [5, 4, 3, 2])
    names = sorted(p.name for p in (tmp_path / "export/best").iterdir())
    assert len(names) == 3
    assert names[-1] == "best_eval_result.json"


def write_events(estimator, losses, name="eval", first=1):
    for step, loss in enumerate(losses, first):
        write_evaluation(f"{estimator.model_dir}/{name}", {"loss": loss}, step)


@pytest.mark.parametrize("name", ["eval", "eval_test"])
def test_without_a_record_the_best_is_taken_from_events(estimator, tmp_path, name):
    """Exports of the old estimator have no record beside them."""
    (tmp_path / "export/best/1600000000").mkdir(parents=True)
    write_events(estimator, [3, 1, NAN, 2], name=name)
    # Not evaluations: other summaries in the same directory.
    write_evaluation(f"{estimator.model_dir}/{name}", {"speed": 0.0}, 9)
    exporter = BestExporter("best")
    exporter.use_eval_dir(f"{estimator.model_dir}/{name}")
    write_events(estimator, [1.5], name=name, first=5)
    assert offer_all(estimator, exporter, [1.5, 0.5], first=5) == [6]


def test_the_current_evaluation_is_not_the_one_to_beat(estimator, tmp_path):
    (tmp_path / "export/best/1600000000").mkdir(parents=True)
    write_events(estimator, [3, 1])
    assert offer_all(estimator, BestExporter("best"), [1], first=2) == [2]


@pytest.mark.parametrize(
    ("pattern", "exported"), [(None, [4]), ("no_such/*", [4]), ("eval/*.tfevents.*", [])]
)
def test_which_events_are_read(estimator, tmp_path, pattern, exported):
    (tmp_path / "export/best/1600000000").mkdir(parents=True)
    write_events(estimator, [1])
    exporter = BestExporter("best", event_file_pattern=pattern)
    assert offer_all(estimator, exporter, [2], first=4) == exported


def test_without_events_the_record_still_counts(estimator):
    exporter = BestExporter("best", event_file_pattern=None)
    assert offer_all(estimator, exporter, [2]) == [1]
    exporter = BestExporter("best", event_file_pattern=None)
    assert offer_all(estimator, exporter, [3, 1], first=2) == [3]


def test_a_first_export_is_made_whatever_the_events_say(estimator):
    """An exporter that is new to a model directory: no better model is there to be had."""
    write_events(estimator, [1])
    assert offer_all(estimator, BestExporter("best"), [2], first=4) == [4]


def test_one_exporter_for_two_models(tmp_path):
    exporter = BestExporter("best")
    assert offer_all(ExportingEstimator(tmp_path / "a"), exporter, [1, 2]) == [1]
    assert offer_all(ExportingEstimator(tmp_path / "b"), exporter, [3, 2]) == [1, 2]


@pytest.mark.parametrize(
    ("compare_fn", "message"),
    [
        (None, "`compare_fn` must not be None"),
        (1, "`compare_fn` must be a function; got 1"),
        (lambda current_eval_result: True, "must include best_eval_result argument"),
        (lambda best_eval_result: True, "must include current_eval_result argument"),
        (
            lambda best_eval_result, current_eval_result, margin: True,
            r"has following not expected args: \['margin'\]",
        ),
    ],
)
def test_compare_fn_is_checked(compare_fn, message):
    with pytest.raises(ValueError, match=message):
        BestExporter("best", compare_fn=compare_fn)


def test_compare_fn_may_have_bound_arguments(estimator):
    def is_better(best_eval_result, current_eval_result, margin):
        return current_eval_result["loss"] < best_eval_result["loss"] - margin

    exporter = BestExporter("best", compare_fn=functools.partial(is_better, margin=1.0))
    assert offer_all(estimator, exporter, [3, 2.5, 1.5]) == [1, 3]


@pytest.mark.parametrize("keep", [0, -3])
def test_the_number_of_exports_to_keep_is_positive(keep):
    with pytest.raises(ValueError, match=rf"`exports_to_keep`.* positive number. Got {keep}"):
        BestExporter("best", exports_to_keep=keep)


@pytest.mark.parametrize("name", ["best_eval_result", "current_eval_result"])
@pytest.mark.parametrize("result", [None, {}, {"auc": 1.0}])
def test_the_default_comparison_needs_a_loss(name, result):
    results = {"best_eval_result": {"loss": 1}, "current_eval_result": {"loss": 1}, name: result}
    with pytest.raises(ValueError, match=f"{name} cannot be empty or no loss is found in it"):
        has_smaller_loss(**results)
