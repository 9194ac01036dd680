"""Names in sentences."""

import pytest

from tfx_tpu_estimator.wording import with_article


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AirflowConfig", "an AirflowConfig"),
        ("int", "an int"),
        ("UserModule", "a UserModule"),
        ("list", "a list"),
        ("", "a "),
    ],
)
def test_the_article_goes_with_the_name(name, said):
    assert with_article(name) == said
