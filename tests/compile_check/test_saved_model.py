"""Tests of the compile check of SavedModels, with the real TPU compiler."""

import pytest
from helpers.needs import needs_libtpu
from helpers.saved_models import write_saved_model

import tfx_tpu_estimator
from tfx_tpu_estimator import CompileReport, compile_saved_model

pytestmark = needs_libtpu


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with SavedModels: one for a TPU, one that only claims to be."""
    folder = tmp_path_factory.mktemp("models")
    write_saved_model(str(folder / "tpu"))
    write_saved_model(str(folder / "host"), tpu="host")
    write_saved_model(str(folder / "serve_only"), tpu=None)
    return folder


def check(path, **arguments):
    arguments.setdefault("topologies", "v5e:2x2")
    return compile_saved_model(path, **arguments)


def test_the_program_of_a_saved_model_is_compiled(models, tmp_path):
    events = []
    report = check(models / "tpu", batch_size=16, cache_dir=tmp_path, progress=events.append)
    (program,) = report.programs
    assert report.ok
    assert (program.program, program.status, program.per_core_batch) == ("serving", "fits", 16)
    # x is [16, 4] and w is [4, 2]; the compiler pads both.
    assert program.argument_bytes >= 4 * (16 * 4 + 4 * 2)
    assert 0 < program.peak_bytes < 2**20
    assert program.flops > 16 * 4 * 2
    assert not program.cached
    assert report.model == "tpu"
    assert CompileReport.from_json(report.to_json()) == report
    assert [event.stage.value for event in (events[0], events[-1])] == ["lowering", "done"]
    # The weights' values are no part of a program: a retrained model need not be compiled again.
    write_saved_model(str(tmp_path / "retrained"), scale=3.0)
    (again,) = check(tmp_path / "retrained", batch_size=16, cache_dir=tmp_path).programs
    assert again.cached
    assert again.program_hash == program.program_hash


def test_a_graph_without_a_tpu_computation_is_refused(models, tmp_path):
    report = check(models / "host", topologies=["v5e:2x2", "v4:2x2x1"], cache_dir=tmp_path)
    assert not report.ok
    assert [p.topology.name for p in report.programs] == ["v5e:2x2", "v4:2x2x1"]
    for program in report.programs:
        assert program.status == "refused"
        assert "No signature of {serve, tpu} reaches a TPU computation" in program.message


@pytest.mark.parametrize(
    ("name", "arguments", "match"),
    [
        ("serve_only", {}, r"has no metagraph \{serve, tpu\}"),
        ("nothing", {}, r"is no SavedModel"),
        ("tpu", {"topologies": "v9:2x2"}, "`topology` 'v9:2x2' is unknown"),
        ("tpu", {"batch_size": 0}, "`batch_size` must be an int > 0; got 0"),
    ],
)
def test_bad_input(models, tmp_path, name, arguments, match):
    with pytest.raises(ValueError, match=match):
        check(models / name, cache_dir=tmp_path, **arguments)


def test_it_is_public():
    assert "compile_saved_model" in tfx_tpu_estimator.__all__
