"""How much two graphs may differ, by the type they compute in."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """A difference that is allowed: `absolute + relative * |value of {serve}|`.

    Attributes:
      absolute: Matters near zero.
      relative: Part of the value.

    Example:
      >>> Tolerance(absolute=1e-5, relative=1e-4).is_exact
      False
    """

    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        for name in ("absolute", "relative"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"Tolerance `{name}` must be a number >= 0; got {value!r}.")

    @property
    def is_exact(self) -> bool:
        """Whether no difference is allowed."""
        return not self.absolute and not self.relative

    def __str__(self) -> str:
        return "exact" if self.is_exact else f"{self.absolute:g} + {self.relative:g} |x|"


EXACT = Tolerance()

# Why these: see "Tolerances" in docs/skew_check.md.
DEFAULT_TOLERANCES: Mapping[str, Tolerance] = {
    "float64": Tolerance(absolute=1e-9, relative=1e-9),
    "float32": Tolerance(absolute=1e-5, relative=1e-4),
    "float16": Tolerance(absolute=2e-3, relative=1e-2),
    "bfloat16": Tolerance(absolute=1e-2, relative=4e-2),
}
