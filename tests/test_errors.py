"""Each named error is also the built-in exception that old callers catch."""

import pytest

from tfx_tpu_estimator import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.DataCorruptionError, ValueError),
        (errors.SchemaMismatchError, ValueError),
        (errors.EmptySplitError, ValueError),
        (errors.UserModuleError, ValueError),
        (errors.ExportError, OSError),
        (errors.FeatureNotAvailableError, NotImplementedError),
    ],
)
def test_error_is_caught_as_its_builtin_with_its_text(error, builtin):
    with pytest.raises(builtin, match="record 3"):
        raise error("record 3")
