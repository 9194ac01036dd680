"""`_replace` of named tuples whose constructor checks its arguments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class CheckedReplace:
    """Put before a named tuple, makes its `_replace` go through the constructor.

    A named tuple's own would skip the checks there.

    Example:
        >>> from typing import NamedTuple
        >>> class Fields(NamedTuple):
        ...     size: int
        >>> class Positive(CheckedReplace, Fields):
        ...     def __new__(cls, size):
        ...         if size <= 0:
        ...             raise ValueError(f"`size` must be positive; got {size}.")
        ...         return super().__new__(cls, size)
        >>> Positive(1)._replace(size=2).size
        2
    """

    __slots__ = ()

    def _replace(self, **changes: Any) -> Self:
        """Returns a tuple with some fields replaced, checked again.

        Args:
            **changes: new values by field name.

        Returns:
            A new tuple; this one is unchanged.

        Raises:
            TypeError: if there is no such field, or as the constructor raises.
            ValueError: as the constructor raises.
        """
        fields = self._asdict()  # pyright: ignore[reportAttributeAccessIssue]
        return type(self)(**{**fields, **changes})
