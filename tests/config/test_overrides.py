import pytest

from tfx_tpu_estimator.config.overrides import HiddenMember, refuse_overrides


class Base:
    limit = 1

    def run(self):
        return 1

    def _private(self):
        return 1


def derive(**members):
    return type("Derived", (Base,), members)


@pytest.mark.parametrize(
    "members",
    [{}, {"more": 1}, {"_private": 1}, {"limit": 2}, {"run": HiddenMember("gone")}],
)
def test_what_may_be_there(members):
    refuse_overrides(derive(**members), Base, {"limit"})


def test_a_public_member():
    below = type("Below", (derive(run=2),), {"limit": 2})
    with pytest.raises(ValueError, match=r"cannot override members of Base\. Below does .*'run'"):
        refuse_overrides(below, Base, {"limit"})


def test_a_hidden_member_says_why():
    with pytest.raises(AttributeError, match="use another"):
        derive(run=HiddenMember("use another"))().run  # noqa: B018
