"""Where results of compiles are kept."""

import pytest

from tfx_tpu_estimator.compile_check.cache import OutcomeCache


def test_a_directory_that_cannot_be_made_is_told_before_any_compile(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"`cache_dir` '.*file/c' cannot be written to \(Not"):
        OutcomeCache(tmp_path / "file" / "c")
