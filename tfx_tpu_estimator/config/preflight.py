"""CompilePreflight: a compile check that a training starts with."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

# For one compile.
DEFAULT_TIMEOUT_SECS = 3600.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompilePreflight:
    """For which TPUs the training program must compile before the first step runs.

    Attributes:
      topologies: A name such as `v5e:2x2`, or several; the program must fit all of them. Kept as
        a tuple.
      timeout_secs: Of one compile. Default: an hour.
      cache_dir: Where results of compiles are kept. Default: the user's cache directory.

    Example:
      >>> CompilePreflight(topologies=("v5e:2x2",)).timeout_secs
      3600.0
    """

    topologies: str | Sequence[str]
    timeout_secs: float = DEFAULT_TIMEOUT_SECS
    cache_dir: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        names = (self.topologies,) if isinstance(self.topologies, str) else self.topologies
        if isinstance(names, list):
            names = tuple(names)
        object.__setattr__(self, "topologies", names)
        if not isinstance(names, tuple) or not names or not all(isinstance(n, str) for n in names):
            raise ValueError(
                "`topologies` of a CompilePreflight must be a tuple of names such as 'v5e:2x2'; "
                f"got {names!r}."
            )
        if not self.timeout_secs > 0:
            raise ValueError(f"`timeout_secs` must be positive; got {self.timeout_secs!r}.")


def resolve_preflight(value: Any) -> CompilePreflight | None:
    """Returns RunConfig's `compile_preflight` in its full form.

    Args:
      value: A `CompilePreflight`, the name of a topology, several, or None.

    Raises:
      TypeError: It is something else.
      ValueError: There is no name.

    Example:
      >>> resolve_preflight("v5e:2x2").topologies
      ('v5e:2x2',)
    """
    if value is None or isinstance(value, CompilePreflight):
        return value
    if isinstance(value, str):
        return CompilePreflight(topologies=(value,))
    if isinstance(value, Sequence):
        return CompilePreflight(topologies=tuple(value))
    raise TypeError(
        "`compile_preflight` must be a topology such as 'v5e:2x2', a list of them, a "
        f"CompilePreflight or None; got {value!r}."
    )
