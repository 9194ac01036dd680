"""TrainSpec and EvalSpec: what they hold, and what they refuse."""

import pytest
import tensorflow as tf
from helpers.hooks import CountingHook, Listener

from tfx_tpu_estimator import EvalSpec, Exporter, FinalExporter, LatestExporter, TrainSpec

tf1 = tf.compat.v1


def input_fn():
    return None


def receiver_fn():
    return None


class NamedExporter(Exporter):
    def __init__(self, name):
        self._name = name

    @property
    def name(self):
        return self._name

    def export(self, *arguments, **named):
        return None


def test_train_spec():
    hook, listener = CountingHook(), Listener()
    spec = TrainSpec(input_fn, 10, [hook], [listener])
    assert spec == (input_fn, 10, (hook,), (listener,))
    assert TrainSpec(input_fn) == (input_fn, None, (), ())
    assert spec._replace(max_steps=20).max_steps == 20
    with pytest.raises(ValueError, match="Must specify max_steps > 0"):
        spec._replace(max_steps=0)


def test_eval_spec():
    exporters = (FinalExporter("a", receiver_fn), LatestExporter("b", receiver_fn))
    spec = EvalSpec(input_fn, exporters=(e for e in exporters))
    assert spec == (input_fn, 100, None, (), exporters, 120, 600)
    assert EvalSpec(input_fn, exporters=exporters[0]).exporters == exporters[:1]
    assert EvalSpec(input_fn, steps=None, throttle_secs=0, start_delay_secs=0).steps is None
    assert spec._replace(name="x").name == "x"
    with pytest.raises(ValueError, match="Must specify throttle_secs >= 0"):
        spec._replace(throttle_secs=-1)


@pytest.mark.parametrize("make", [TrainSpec, EvalSpec])
@pytest.mark.parametrize("wrong", [None, "input", 1])
def test_input_fn_must_be_callable(make, wrong):
    with pytest.raises(TypeError, match=rf"`input_fn` must be callable, given: {wrong!r}"):
        make(wrong)


@pytest.mark.parametrize("make", [TrainSpec, EvalSpec])
def test_hooks_are_hooks(make):
    with pytest.raises(TypeError, match="All hooks must be `SessionRunHook` instances"):
        make(input_fn, hooks=[CountingHook(), "hook"])


def test_listeners_are_listeners():
    text = "All saving_listeners must be `CheckpointSaverListener` instances"
    with pytest.raises(TypeError, match=text):
        TrainSpec(input_fn, saving_listeners=[CountingHook()])


@pytest.mark.parametrize(
    ("make", "name"),
    [(TrainSpec, "max_steps"), (EvalSpec, "steps")],
)
@pytest.mark.parametrize("steps", [0, -1])
def test_steps_are_positive(make, name, steps):
    with pytest.raises(ValueError, match=f"Must specify {name} > 0, given: {steps}"):
        make(input_fn, **{name: steps})


@pytest.mark.parametrize("name", ["start_delay_secs", "throttle_secs"])
def test_times_are_not_negative(name):
    with pytest.raises(ValueError, match=f"Must specify {name} >= 0, given: -1"):
        EvalSpec(input_fn, **{name: -1})


def test_the_name_is_a_string():
    with pytest.raises(TypeError, match="`name` must be string, given: 1"):
        EvalSpec(input_fn, name=1)


@pytest.mark.parametrize("exporters", ["exporter", 1, [None], [NamedExporter("a"), "b"]])
def test_exporters_are_exporters(exporters):
    with pytest.raises(TypeError, match="`exporters` must be an Exporter, an iterable"):
        EvalSpec(input_fn, exporters=exporters)


@pytest.mark.parametrize("name", [None, ""])
def test_exporters_have_names(name):
    text = "An Exporter cannot have a name that is `None` or empty"
    with pytest.raises(ValueError, match=text):
        EvalSpec(input_fn, exporters=[NamedExporter("a"), NamedExporter(name)])


def test_names_of_exporters_are_strings():
    with pytest.raises(ValueError, match=r"An Exporter must have a string name. Given: .*int"):
        EvalSpec(input_fn, exporters=NamedExporter(1))


def test_names_of_exporters_are_unique():
    text = r"`exporters` must have unique names.*\['a', 'a'\]"
    with pytest.raises(ValueError, match=text):
        EvalSpec(input_fn, exporters=[NamedExporter("a"), FinalExporter("a", receiver_fn)])
