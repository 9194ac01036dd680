"""When a separate evaluator evaluates, waits, and ends."""

import pathlib

import pytest
import tensorflow as tf

from tfx_tpu_estimator import EvalSpec
from tfx_tpu_estimator.training import continuous_evaluation
from tfx_tpu_estimator.training.checkpoint_evaluation import CheckpointEvaluator
from tfx_tpu_estimator.training.continuous_evaluation import ContinuousEvaluation, read_timeout
from tfx_tpu_estimator.training.run_end import RunEnd, read_run_end, write_run_end


class Clock:
    """Stands in for the module `time`; it goes on when somebody sleeps or works, and only then."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(continuous_evaluation, "time", clock)
    return clock


class Chief:
    """Stands in for an estimator whose chief saves a checkpoint at each of some times.

    Times are in looks of the evaluator, so that nothing depends on the speed of the machine. With
    a clock an evaluation takes `seconds`, and when each one began is noted.
    """

    def __init__(
        self, model_dir, saves, *, ends_at=None, max_steps=None, lost=(), clock=None, seconds=0.0
    ):
        self.model_dir = str(model_dir)
        self._saves = dict(saves)
        self._ends_at = ends_at
        self._max_steps = max_steps
        self._lost = set(lost)
        self._clock = clock
        self._seconds = seconds
        self._looks = 0
        self._latest = None
        self.evaluated = []
        self.started = []

    def eval_dir(self, name=None):
        return f"{self.model_dir}/eval"

    def latest_checkpoint(self):
        self._looks += 1
        step = self._saves.pop(self._looks, None)
        if step is not None:
            self._latest = f"{self.model_dir}/model.ckpt-{step}"
            pathlib.Path(self._latest + ".index").write_text("an index")
        if self._looks == self._ends_at:
            end = RunEnd(global_step=self._step, max_steps=self._max_steps)
            write_run_end(self.model_dir, end)
        return self._latest

    @property
    def _step(self):
        return int(self._latest.split("-")[-1])

    def evaluate(self, *, checkpoint_path, **arguments):
        if self._step in self._lost:
            tf.io.gfile.remove(checkpoint_path + ".index")
            raise tf.errors.NotFoundError(None, None, f"{checkpoint_path} is not there")
        self.evaluated.append(self._step)
        if self._clock:
            self.started.append(self._clock.now)
            self._clock.sleep(self._seconds)
        return {"loss": 1.0, "global_step": self._step}


def evaluate(chief, *, max_steps=None, throttle_secs=0.0, timeout_secs=30.0, delay=0.0):
    return ContinuousEvaluation(
        CheckpointEvaluator(chief, EvalSpec(lambda: None), max_steps),
        model_dir=chief.model_dir,
        max_steps=max_steps,
        start_delay_secs=delay,
        throttle_secs=throttle_secs,
        timeout_secs=timeout_secs,
    ).run()


def test_until_the_last_step(tmp_path):
    chief = Chief(tmp_path, {3: 0, 5: 10, 6: 20, 9: 30})
    last = evaluate(chief, max_steps=30)
    assert chief.evaluated == [0, 10, 20, 30]
    assert (last.global_step, last.is_final) == (30, True)


def test_until_the_chief_says_that_it_has_ended(tmp_path):
    chief = Chief(tmp_path, {1: 10, 4: 20}, ends_at=7, max_steps=100)
    last = evaluate(chief, max_steps=100)
    assert chief.evaluated == [10, 20]
    assert (last.global_step, last.is_final) == (20, True)


@pytest.mark.parametrize("max_steps", [None, 50])
def test_the_end_of_another_training_does_not_count(tmp_path, max_steps):
    write_run_end(str(tmp_path), RunEnd(global_step=10, max_steps=20))
    chief = Chief(tmp_path, {1: 10, 3: 40, 4: 50}, ends_at=5, max_steps=max_steps)
    evaluate(chief, max_steps=max_steps)
    assert chief.evaluated == [10, 40, 50]


def test_an_end_without_its_checkpoint_is_waited_for(tmp_path):
    """A file system may show the file that says so before the checkpoint."""
    write_run_end(str(tmp_path), RunEnd(global_step=30, max_steps=100))
    chief = Chief(tmp_path, {1: 20, 5: 30})
    assert evaluate(chief, max_steps=100).global_step == 30


@pytest.mark.parametrize(
    ("throttle", "evaluation", "gap"), [(600, 60, 600), (600, 700, 700), (0, 5, 5)]
)
def test_evaluations_are_throttled(tmp_path, clock, throttle, evaluation, gap):
    chief = Chief(tmp_path, {1: 10, 2: 20, 3: 30}, clock=clock, seconds=evaluation)
    evaluate(chief, max_steps=30, throttle_secs=throttle)
    assert chief.evaluated == [10, 20, 30]
    assert chief.started == pytest.approx([1000, 1000 + gap, 1000 + 2 * gap])


def test_nothing_is_throttled_after_the_end(tmp_path, clock):
    chief = Chief(tmp_path, {1: 10, 2: 20}, clock=clock)
    write_run_end(str(tmp_path), RunEnd(global_step=20, max_steps=None))
    evaluate(chief, throttle_secs=100)
    assert chief.evaluated == [10, 20]
    assert chief.started == [1000, 1000]


def test_the_start_is_delayed(tmp_path, clock):
    chief = Chief(tmp_path, {1: 10}, clock=clock)
    evaluate(chief, max_steps=10, delay=120)
    assert chief.started == [1120]


@pytest.mark.parametrize(
    ("saves", "text"),
    [({}, "for a checkpoint in"), ({1: 10}, "for a checkpoint after that of 10 in")],
)
def test_nobody_is_waited_for_for_ever(tmp_path, clock, saves, text):
    variable = "TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS"
    with pytest.raises(TimeoutError, match=f"{text} .*{tmp_path.name}.*none came.*{variable}"):
        evaluate(Chief(tmp_path, saves), max_steps=20, timeout_secs=50)
    # It looks every second.
    assert clock.now == 1051


def test_a_chief_that_is_slow_to_save_is_waited_for_longer(tmp_path, clock):
    chief = Chief(tmp_path, {100: 10, 500: 20})
    evaluate(chief, max_steps=20, timeout_secs=99)
    assert chief.evaluated == [10, 20]
    with pytest.raises(TimeoutError, match="has waited 396 s for a checkpoint after that of 10"):
        evaluate(Chief(tmp_path, {80: 10, 500: 20}), max_steps=20, timeout_secs=99)


def test_a_checkpoint_that_is_deleted_meanwhile_is_left_out(tmp_path, caplog):
    chief = Chief(tmp_path, {1: 10, 4: 20, 6: 30}, lost=[20])
    evaluate(chief, max_steps=30)
    assert chief.evaluated == [10, 30]
    assert "model.ckpt-20 was deleted while it was evaluated" in caplog.text


def test_other_errors_end_it(tmp_path):
    chief = Chief(tmp_path, {1: 10})
    chief.evaluate = lambda **arguments: {"loss": 1.0}
    with pytest.raises(ValueError, match="result should have `global_step`"):
        evaluate(chief, max_steps=10)


def test_the_timeout_comes_from_the_environment():
    name = "TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS"
    assert read_timeout(7200, {}) == 7200
    assert read_timeout(7200, {name: "2.5"}) == 2.5
    assert read_timeout(7200, {name: "0"}) == float("inf")


@pytest.mark.parametrize("text", ["-1", "soon", "nan"])
def test_a_wrong_timeout_is_refused(text):
    name = "TFX_TPU_ESTIMATOR_EVALUATOR_TIMEOUT_SECS"
    with pytest.raises(ValueError, match=f"`{name}` must be a number of seconds >= 0.*{text}"):
        read_timeout(7200, {name: text})


def test_a_damaged_end_counts_as_none(tmp_path, caplog):
    (tmp_path / "train_and_evaluate.json").write_text("{")
    assert read_run_end(str(tmp_path)) is None
    assert "damaged" in caplog.text
