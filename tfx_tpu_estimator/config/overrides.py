"""Which members of a class its subclasses may replace."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


class HiddenMember:
    """Takes the place of a member of a base class that a class shall not have.

    Example:
        >>> class Old:
        ...     def run(self): ...
        >>> class New(Old):
        ...     run = HiddenMember("Please use `start`.")
        >>> hasattr(New(), "run")
        False
    """

    def __init__(self, message: str):
        """Keeps the message.

        Args:
            message: what the AttributeError says when it is asked for.
        """
        self._message = message

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        raise AttributeError(self._message)


def refuse_overrides(cls: type, base: type, allowed: Collection[str]) -> None:
    """Refuses subclasses that replace public members, whose contract callers rely on.

    Args:
        cls: the subclass.
        base: the class whose members are meant.
        allowed: public members that may be replaced.

    Raises:
        ValueError: naming the members that were replaced.
    """
    public = {name for name in vars(base) if not name.startswith("_")} - set(allowed)
    between = cls.__mro__[: cls.__mro__.index(base)]
    members = [(name, member) for c in between for name, member in vars(c).items()]
    overridden = sorted({n for n, m in members if n in public and not isinstance(m, HiddenMember)})
    if overridden:
        raise ValueError(
            f"Subclasses of {base.__name__} cannot override members of {base.__name__}. "
            f"{cls.__name__} does override {overridden}."
        )
