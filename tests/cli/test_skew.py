"""`tfx-tpu-estimator skew`: what is refused before anything is compiled."""

import pytest
from click.testing import CliRunner
from helpers.saved_models import write_saved_model

from tfx_tpu_estimator.cli import main


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{root}/none", "--examples", "x"], "`SAVED_MODEL` '{root}/none' is no SavedModel: there"),
        (["{root}", "--examples", "x"], "there is no saved_model.pb in it"),
        # A Model artifact is as good as the SavedModel in it.
        (["{root}/artifact", "--examples", "x"], "Format-Serving' has no metagraph {{serve, tpu}}"),
        (["{root}/both", "--examples", "no/such*"], "`--examples`: the pattern 'no/such*' matches"),
    ],
)
def test_refused(tmp_path, arguments, text):
    write_saved_model(str(tmp_path / "artifact" / "Format-Serving"), tpu=None)
    write_saved_model(str(tmp_path / "both"))
    result = CliRunner().invoke(main, ["skew", *(a.format(root=tmp_path) for a in arguments)])
    assert (result.exit_code, result.stdout) == (2, "")
    assert text.format(root=tmp_path) in " ".join(result.stderr.split())
