"""`tfx-tpu-estimator pipeline compile`: what is refused before TFX is loaded."""

import pytest
from click.testing import CliRunner

from tfx_tpu_estimator.cli import main


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "p.py"
    path.write_text("")
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "airflow"], "Missing option '--output-file'"),
        (["--to", "airflow", "--image", "a"], "`--image` is not for `--to airflow`"),
        (["--to", "airflow3", "--resources", "a:cpu=1"], "`--resources` is not for"),
        (["--root", "r", "--image", "a", "--set", "retries=1"], "`retries` is not a Kubeflow"),
        (
            ["--root", "r", "--image", "a", "--set", "vertex.tpu=v5e:2x4"],
            "vertex.project, ",
        ),
        (["--root", "r"], "Missing option '--image'"),
        (["--image", "a"], "Missing option '--root'"),
        (["--to", "airflow", "--output-file", "a.py", "--set", "retris=1"], "mean `retries`"),
        (
            ["--to", "airflow", "--output-file", "a.py", "--set", "schedule=dayly"],
            "`schedule`",
        ),
        (["--to", "airflw"], "'airflw' is not one of"),
    ],
)
def test_wrong_options_are_refused_at_once(file, arguments, message):
    result = CliRunner().invoke(main, ["pipeline", "compile", file, *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert "Loading" not in result.output
