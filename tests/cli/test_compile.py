"""`tfx-tpu-estimator compile`: forms of the report, exit codes, bad input in words."""

import json
import sys
import types

import pytest
from click.testing import CliRunner
from helpers.compile_reports import make_mixed_report, make_report, make_unfit

from tfx_tpu_estimator.cli import compile as command
from tfx_tpu_estimator.cli import main
from tfx_tpu_estimator.compile_check.compiler import CompilerMissingError
from tfx_tpu_estimator.compile_check.events import Event, Stage
from tfx_tpu_estimator.compile_check.report import CompileReport
from tfx_tpu_estimator.errors import UserModuleError

API = "tfx_tpu_estimator.compile_api.compile_model"


@pytest.fixture
def invoke(monkeypatch):
    """Runs the command with a compile check that returns a report or raises, and keeps its call."""
    monkeypatch.setattr(command, "describe_compiler", lambda: "libtpu 0.0.21")

    def run(result, *args, topology="v5e:2x2"):
        def compile_for_tpu(module, *, progress, **arguments):
            run.module, run.arguments = module, arguments
            print("printed by the module")
            progress(Event(stage=Stage.LOWERING, program="train", topology="v5e:2x2", index=1,
                           count=1))  # fmt: skip
            if isinstance(result, BaseException):
                raise result
            return result

        fake = types.SimpleNamespace(compile_for_tpu=compile_for_tpu)
        monkeypatch.setitem(sys.modules, API, fake)
        return CliRunner().invoke(main, ["compile", "model.py", "-t", topology, *args])

    return run


@pytest.mark.parametrize(
    ("report", "code"),
    [(make_report(), 0), (make_mixed_report(), 1), (make_report(programs=()), 1),
     (make_report(make_unfit("train", "timed_out", "slow")), 1)],
)  # fmt: skip
def test_the_exit_code_says_whether_all_fits(invoke, report, code):
    assert invoke(report).exit_code == code


def test_problems_name_options_in_the_place_of_arguments(invoke):
    report = make_report(make_unfit("train", "timed_out", "More time (`timeout_secs`); `params`."))
    result = invoke(report, "--output", "json")
    message = json.loads(result.stdout)["programs"][0]["message"]
    assert message == "More time (`--timeout`); `params`."


def test_the_table_is_alone_on_the_standard_output(invoke):
    result = invoke(make_report())
    assert result.stdout.startswith("v5e:2x2: memory of a core")
    assert "printed by the module" not in result.stdout
    assert "printed by the module" in result.stderr
    assert "[1/1] train on v5e:2x2: lowering" in result.stderr


def test_quiet_has_no_progress(invoke):
    result = invoke(make_report(), "--quiet")
    assert "lowering" not in result.stderr
    assert "fits" in result.stdout


def test_json_can_be_read_back(invoke):
    report = make_mixed_report()
    content = json.loads(invoke(report, "--output", "json").stdout)
    assert content["ok"] is False
    assert CompileReport.from_json(content) == report


def test_a_page_has_the_command(invoke, tmp_path):
    path = tmp_path / "new" / "my report.html"
    result = invoke(make_mixed_report(), "-o", str(path))
    assert result.exit_code == 1
    assert result.stdout == ""
    assert "4 of 8 programs do not pass on v5e:2x2" in result.stderr
    assert f"Report: {path}" in result.stderr
    page = path.read_text()
    assert page.startswith("<!doctype html>")
    assert "compile model.py -t v5e:2x2 -o &#x27;" in page


def test_a_page_can_be_redirected(invoke):
    assert invoke(make_report(), "--output", "html").stdout.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("name", "start"), [("r.json", "{"), ("r.txt", "v5e:2x2: memory"), ("r.HTML", "<!doctype")]
)
def test_the_ending_of_the_file_chooses_the_form(invoke, tmp_path, name, start):
    invoke(make_report(), "-o", str(tmp_path / name))
    assert (tmp_path / name).read_text().startswith(start)


def test_a_file_that_cannot_be_written_is_told_before_work(invoke, tmp_path):
    (tmp_path / "file").touch()
    result = invoke(make_report(), "-o", str(tmp_path / "file" / "r.html"))
    assert result.exit_code == 2
    assert "`--output-file`" in result.stderr
    assert "lowering" not in result.stderr


def test_options_reach_the_compile_check(invoke, tmp_path):
    invoke(
        make_report(), "-t", "V4:2x2x1", "--train-batch-size", "64", "-p", "eval", "-p", "train",
        "--param", "hidden=[1, 2]", "--param", "name=a=b", "--timeout", "9", "--no-cache",
        "--cache-dir", str(tmp_path), "--search-batch", "--label-key", "y",
    )  # fmt: skip
    assert invoke.module == "model.py"
    assert invoke.arguments == {
        "topologies": ("v5e:2x2", "v4:2x2x1"), "train_batch_size": 64, "eval_batch_size": None,
        "predict_batch_size": None, "serving_batch_size": None, "programs": ("eval", "train"),
        "params": {"hidden": [1, 2], "name": "a=b"}, "schema": None, "label_key": "y",
        "search_batch": True, "timeout_secs": 9.0, "cache_dir": str(tmp_path), "use_cache": False,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UserModuleError("module 'model.py' lacks `model_fn`"), "lacks `model_fn`"),
        (ValueError("`train_batch_size` must be positive"), "`--train-batch-size` must be"),
        (ValueError("leave it out of `programs`."), "out of `--program`."),
        (TypeError("`params` must be a dict"), "`--param` must be"),
    ],
)
def test_what_cannot_be_used_is_told_in_words(invoke, error, text):
    result = invoke(error)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_an_interruption_is_no_result(invoke, tmp_path):
    result = invoke(KeyboardInterrupt(), "-o", str(tmp_path / "r.html"))
    assert result.exit_code == 130
    assert "the same command goes on" in result.stderr.replace("\n", " ")
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_nothing_is_loaded(invoke, monkeypatch):
    def describe():
        raise CompilerMissingError("The TPU compiler, libtpu, is not installed. Install it with")

    monkeypatch.setattr(command, "describe_compiler", describe)
    result = invoke(make_report())
    assert result.exit_code == 2
    assert "libtpu, is not installed" in result.stderr
    assert not hasattr(invoke, "module")


@pytest.mark.parametrize(
    ("topology", "text"),
    [("v5x:2x2", "Did you mean 'v5e:2x2'?"), ("v5e", "known chips are v2, v3, v4, v5e")],
)
def test_an_unknown_topology_is_answered_with_those_there_are(invoke, topology, text):
    result = invoke(make_report(), topology=topology)
    assert result.exit_code == 2
    assert text in result.stderr


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["model.py"], "Missing option '-t' / '--topology'. For example v2:2x2"),
        (["model.py", "-t", "v5e:2x2", "--param", "x"], "must be KEY=VALUE"),
        (["model.py", "-t", "v5e:2x2", "--train-batch-size", "0"], "x>=1"),
        (["model.py", "-t", "v5e:2x2", "--timeout", "0"], "x>0"),
        (["model.py", "-t", "v5e:2x2", "-p", "serve"], "'serve' is not one of"),
    ],
)
def test_wrong_usage(args, text):
    result = CliRunner().invoke(main, ["compile", *args])
    assert result.exit_code == 2
    assert text in " ".join(result.stderr.split())


def test_help_has_examples_and_exit_codes():
    result = CliRunner().invoke(main, ["compile", "--help"])
    for text in ("Examples:", "-t v5e:2x2", "Exit code: 0", "130", "libtpu"):
        assert text in result.stdout
