import json

import pytest

from tfx_tpu_estimator.compile_check import report as r


def make_report(**changes):
    chip = r.Chip(
        name="v5e",
        hbm_bytes=1 << 34,
        peak_flops=197e12,
        hbm_bytes_per_second=819e9,
        cores_per_chip=1,
        source="docs",
    )
    program = r.ProgramReport(
        program="train",
        topology=r.Topology(name="v5e:2x2", chip=chip, cores=4),
        status=r.FITS,
        flops=3.0,
        collectives=(r.Collective(kind="all-reduce", count=2, bytes=8),),
        largest=(r.Buffer(bytes=8, shape=(2, 1), dtype="f32", op="dot.1"),),
        **changes,
    )
    return r.CompileReport(model="m", programs=(program,), versions={"jax": "1"}, created="now")


def test_json_round_trip():
    report = make_report()
    again = r.CompileReport.from_json(json.loads(json.dumps(report.to_json())))
    assert again == report
    assert report.to_json()["ok"] is True


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"format_version": 2}, "format_version 1; got 2"),
        ({"programs": [3]}, "has 3 where a ProgramReport is expected"),
        ({"programs": [{}]}, "lacks program, topology, status"),
        ({"model": 3}, "has 3 where"),
    ],
)
def test_what_is_no_report_is_refused(change, match):
    with pytest.raises(ValueError, match=match):
        r.CompileReport.from_json({**make_report().to_json(), **change})


def test_a_report_without_programs_is_not_ok():
    empty = r.CompileReport(model="m", programs=(), versions={}, created="now")
    assert not empty.ok
