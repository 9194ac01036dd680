"""Models compiled by the TPU compiler, and what keeps them from it."""

import pathlib
import re

import pytest
import tensorflow as tf
from helpers.models import eval_input_fn, linear_model_fn, train_input_fn
from helpers.needs import needs_libtpu
from helpers.tpu_compiler import (
    OnCompile,
    crash_compiler,
    dynamic_model_fn,
    image_input_fn,
    image_receiver_fn,
    interrupt,
    list_children,
    net_model_fn,
    own_lock,
    string_model_fn,
)

import tfx_tpu_estimator as tpu_estimator
from tfx_tpu_estimator.compile_check import compiler, report
from tfx_tpu_estimator.compile_check.events import Stage

__all__ = ["own_lock"]  # a fixture of all tests here
pytestmark = needs_libtpu


def check(cache_dir, model_fn=net_model_fn, **arguments):
    arguments.setdefault("topologies", "v5e:2x2")
    arguments.setdefault("train_batch_size", 32)
    return tpu_estimator.compile_for_tpu(model_fn, cache_dir=cache_dir, **arguments)


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def compiled(cache_dir):
    """All programs of the network, and the events of compiling them."""
    seen = OnCompile()
    made = check(
        cache_dir,
        train_input_fn=image_input_fn,
        eval_input_fn=image_input_fn,
        serving_input_receiver_fn=image_receiver_fn,
        progress=seen,
    )
    return made, seen


def test_all_programs_compile(compiled):
    made, seen = compiled
    assert made.ok
    assert [p.program for p in made.programs] == list(report.PROGRAMS)
    assert [p.per_core_batch for p in made.programs] == [8, 8, 8, 8]
    assert not any(p.cached or p.message for p in made.programs)
    lowered, compiling = seen.stages()[:4], seen.stages()[4:]
    assert {stage for _, stage in lowered} == {Stage.LOWERING}, "problems first"
    assert compiling[:2] == [("train", Stage.COMPILING), ("train", Stage.DONE)]
    assert made.versions["libtpu"]


def test_figures_of_the_training_program(compiled):
    train = compiled[0].programs[0]
    kernels = 4 * (3 * 3 * 16 + 14 * 14 * 16 * 10)
    images = 2 * 8 * 28 * 28 * 4  # a loop of two steps
    assert train.argument_bytes > 2 * kernels + images
    assert 2 * kernels <= train.alias_bytes <= train.output_bytes < train.argument_bytes
    assert train.peak_bytes == (
        train.argument_bytes + train.temp_bytes + train.code_bytes
        + train.output_bytes - train.alias_bytes
    )  # fmt: skip
    assert train.hbm_bytes < train.topology.chip.hbm_bytes == 2**34
    assert train.flops > 8 * 2 * (14 * 14 * 9 * 16 + 14 * 14 * 16 * 10) * 2
    assert train.arithmetic_intensity == pytest.approx(train.flops / train.bytes_accessed)
    assert train.bound == "memory"
    assert train.roofline_seconds == pytest.approx(train.bytes_accessed / 819e9)
    assert [c.kind for c in train.collectives] == ["all-reduce"]
    assert train.collectives[0].bytes >= kernels
    assert "dense/kernel" in {b.name for b in train.largest}
    assert "features/image" in {b.name for b in train.largest}
    assert train.compiler_peak_rss_bytes > 2**26
    assert len(train.program_hash) == 64


def test_evaluation_and_serving_have_no_collectives(compiled):
    assert [p.collectives for p in compiled[0].programs[1:]] == [(), (), ()]


def test_what_was_compiled_before_is_not_compiled_again(compiled, cache_dir):
    seen = OnCompile()
    again = check(cache_dir, train_input_fn=image_input_fn, programs=["train"], progress=seen)
    assert again.programs[0].cached
    assert Stage.COMPILING not in {event.stage for event in seen.events}
    assert again.programs[0].peak_bytes == compiled[0].programs[0].peak_bytes
    assert again.notes == ()


def test_a_damaged_result_is_compiled_again(compiled, tmp_path, cache_dir, caplog):
    arguments = {"train_input_fn": image_input_fn, "programs": ["train"]}
    for file in cache_dir.glob("*.json"):
        (tmp_path / file.name).write_text(file.read_text()[:40])
    assert not check(tmp_path, **arguments).programs[0].cached
    assert "which is damaged" in caplog.text
    assert check(tmp_path, **arguments).programs[0].cached


def wide_input_fn(params):
    data = tf.data.Dataset.from_tensors({"x": tf.zeros([4096])})
    return data.repeat().batch(params["batch_size"], drop_remainder=True)


def sum_model_fn(features, labels, mode, params):
    total = tf.reduce_sum(features["x"], axis=1)
    return tpu_estimator.TPUEstimatorSpec(mode, predictions={"total": total})


def test_a_batch_that_does_not_fit(tmp_path):
    batch = 4 * 1_200_000
    made = check(tmp_path, sum_model_fn, predict_input_fn=wide_input_fn, predict_batch_size=batch)
    (predict,) = made.programs
    assert predict.status == report.TOO_LARGE
    assert "with 1200000 examples per core needs" in predict.message
    assert "programs can have 15.75 GiB" in predict.message
    assert predict.peak_bytes > predict.hbm_bytes > 2**33
    assert not made.ok


@pytest.mark.parametrize(
    ("model_fn", "match"),
    [
        (string_model_fn, r"of type AsString.*tpu_compiler\.py:\d+.*(host|Strings)"),
        (dynamic_model_fn, "dynamic shape"),
    ],
)
def test_what_cannot_be_lowered_is_refused_without_compiling(tmp_path, model_fn, match):
    seen = OnCompile()
    made = check(tmp_path, model_fn, eval_input_fn=eval_data, programs=["predict"], progress=seen)
    (predict,) = made.programs
    assert predict.status == report.REFUSED
    assert re.search(match, predict.message)
    assert [stage for _, stage in seen.stages()] == [Stage.LOWERING, Stage.DONE]


def eval_data(params):
    return train_input_fn(params)


def missing_data(params):
    return tf.data.TFRecordDataset(params["no_such_files"])


@pytest.mark.parametrize(
    ("input_fn", "match"),
    [
        (eval_input_fn, "must have static"),
        (missing_data, r"KeyError at .*test_check\.py:\d+: no_such_files\. If `missing_data`"),
    ],
)
def test_an_input_that_does_not_do(tmp_path, input_fn, match):
    made = check(tmp_path, linear_model_fn, train_input_fn=input_fn)
    assert made.programs[0].status == report.REFUSED
    assert re.search(match, made.programs[0].message)
    assert made.notes[0].startswith("eval is left out: there is no `eval_input_fn`")


def test_a_crash_of_the_compiler_is_a_result_and_is_not_kept(tmp_path):
    arguments = {"train_input_fn": train_input_fn, "train_batch_size": 16}
    made = check(tmp_path, linear_model_fn, progress=OnCompile(crash_compiler), **arguments)
    (train,) = made.programs
    assert train.status == report.CRASHED
    assert "ended by signal SIGSEGV" in train.message
    assert list(tmp_path.iterdir()) == []


def test_a_compile_has_a_time_limit(tmp_path):
    made = check(tmp_path, linear_model_fn, train_input_fn=train_input_fn, timeout_secs=0.1)
    assert made.programs[0].status == report.TIMED_OUT
    assert "was stopped after 0.1 s" in made.programs[0].message
    assert list_children() == list(tmp_path.iterdir()) == []


def test_an_interrupt_ends_the_compiler_and_leaves_the_cache_valid(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        check(
            tmp_path,
            linear_model_fn,
            train_input_fn=train_input_fn,
            progress=OnCompile(interrupt),
        )
    assert list_children() == list(tmp_path.iterdir()) == []


def test_a_topology_that_the_compiler_does_not_describe_is_told_before_lowering(tmp_path):
    def input_fn(params):
        pytest.fail("the model is lowered for a topology that there is not")

    for _ in range(2):  # the second time from the cache
        made = check(tmp_path, linear_model_fn, train_input_fn=input_fn, eval_input_fn=input_fn,
                     topologies="v5e:3x3", train_batch_size=30)  # fmt: skip
        assert {p.status for p in made.programs} == {report.FAILED}
        for program in made.programs:
            assert "does not describe this topology" in program.message
            assert "Known to work are v2:2x2" in program.message
        assert len(list(tmp_path.glob("*.json"))) == 1


def test_training_starts_only_if_its_program_compiles(tmp_path, caplog):
    preflight = tpu_estimator.CompilePreflight(
        topologies=("v5e:2x2",), timeout_secs=0.1, cache_dir=tmp_path / "cache"
    )
    config = tpu_estimator.RunConfig(
        model_dir=str(tmp_path / "run"), tf_random_seed=1, compile_preflight=preflight
    )
    estimator = tpu_estimator.TPUEstimator(
        linear_model_fn, config=config, params={}, use_tpu=False, train_batch_size=32
    )
    caplog.set_level("INFO")
    with pytest.raises(tpu_estimator.CompileCheckError, match=r"train for v5e:2x2.*timed_out") as e:
        estimator.train(train_input_fn, max_steps=1)
    assert "Compile check, train program for v5e:2x2: compiling." in caplog.text
    assert "(0 s" not in caplog.text
    assert not e.value.report.ok
    assert not pathlib.Path(tmp_path / "run").exists()


def test_without_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setattr(compiler, "_PACKAGE", "no_such_compiler")
    with pytest.raises(compiler.CompilerMissingError, match=r"pip install 'tfx-tpu-estimator\[tp"):
        check(tmp_path, linear_model_fn, train_input_fn=train_input_fn)


def test_training_goes_on_if_its_program_compiles(tmp_path):
    preflight = tpu_estimator.CompilePreflight(topologies=("v5e:2x2",), cache_dir=tmp_path / "c")
    config = tpu_estimator.RunConfig(model_dir=str(tmp_path / "run"), compile_preflight=preflight)
    estimator = tpu_estimator.TPUEstimator(
        linear_model_fn, config=config, params={}, use_tpu=False, train_batch_size=32
    )
    estimator.train(train_input_fn, max_steps=1)
    assert estimator.get_variable_value("global_step") == 1
    assert len(list((tmp_path / "c").glob("*.json"))) == 1
