"""How much two graphs may differ, by the type they compute in."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx_tpu_estimator.skew_check.signatures import SignaturePair

# By name, so that reading a report does not load TensorFlow.
_FLOATING = ("float64", "float32", "float16", "bfloat16", "complex64", "complex128")
_DTYPES = (*_FLOATING, "int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8",
           "bool", "string")  # fmt: skip
_REAL_PART = {"complex64": "float32", "complex128": "float64"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """A difference that is allowed: the sum of three parts.

    Attributes:
      absolute: A number. Matters where all values are near zero.
      relative: Part of the value of {serve}.
      of_largest: Part of the largest value of {serve} in the same output and batch. Matters where
        a value is near zero because larger ones cancelled.

    Example:
      >>> Tolerance(absolute=1e-5, relative=1e-4).is_exact
      False
    """

    absolute: float = 0.0
    relative: float = 0.0
    of_largest: float = 0.0

    def __post_init__(self) -> None:
        for name in ("absolute", "relative", "of_largest"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise ValueError(f"Tolerance `{name}` must be a number >= 0; got {value!r}.")

    @property
    def is_exact(self) -> bool:
        """Whether no difference is allowed."""
        return not self.absolute and not self.relative and not self.of_largest

    def __str__(self) -> str:
        parts = [(self.absolute, ""), (self.relative, " |x|"), (self.of_largest, " max |x|")]
        return " + ".join(f"{value:g}{of}" for value, of in parts if value) or "exact"


EXACT = Tolerance()

# Why these: see "Tolerances" in docs/skew_check.md.
DEFAULT_TOLERANCES: Mapping[str, Tolerance] = {
    "float64": Tolerance(absolute=1e-12, relative=1e-9, of_largest=1e-9),
    "float32": Tolerance(absolute=1e-6, relative=1e-4, of_largest=1e-5),
    "float16": Tolerance(absolute=1e-4, relative=1e-2, of_largest=2e-3),
    "bfloat16": Tolerance(absolute=1e-3, relative=4e-2, of_largest=1e-2),
}


def validate_tolerances(
    given: Mapping[str, Tolerance], signatures: Iterable[SignaturePair]
) -> dict[str, Tolerance]:
    """Checks the tolerances that a user gives.

    Args:
      given: By dtype, output or signature/output.
      signatures: What there is.

    Raises:
      ValueError: A key is none of these, or a value no Tolerance.
    """
    names = {n for s in signatures for key in s.outputs for n in (key, f"{s.name}/{key}")}
    for key, value in given.items():
        if key not in _DTYPES and key not in names:
            raise ValueError(
                f"`tolerances` has {key!r}, which is neither a dtype nor an output of the checked "
                f"signatures. Outputs are {', '.join(sorted(names)) or 'none'}; dtypes are such as "
                "'float32', 'bfloat16', 'int64', 'string'."
            )
        if not isinstance(value, Tolerance):
            raise ValueError(f"`tolerances`[{key!r}] must be a Tolerance; got {value!r}.")
    return dict(given)


def choose_tolerance(
    given: Mapping[str, Tolerance], signature: str, output: str, dtype: str, in_bfloat16: bool
) -> Tolerance:
    """Returns what is allowed for an output.

    Args:
      given: The user's, which come before the defaults; the narrowest key first.
      signature: Its signature.
      output: Its key.
      dtype: Name of its type.
      in_bfloat16: Whether it is computed in bfloat16, whatever its type.
    """
    is_floating = dtype in _FLOATING
    kind = "bfloat16" if in_bfloat16 and is_floating else _REAL_PART.get(dtype, dtype)
    for key in (f"{signature}/{output}", output, kind):
        if key in given:
            return given[key]
    return DEFAULT_TOLERANCES.get(kind, EXACT)
