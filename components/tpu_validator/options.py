"""TPUValidatorOptions: for which TPU a model is checked, and how."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from tfx_tpu_estimator.compile_check.chips import parse_topology
from tfx_tpu_estimator.skew_check.tolerance import Tolerance

from ..option_checks import (
    CheckedNames,
    check_choice,
    check_int,
    check_names,
    check_number,
    check_type,
    field_names,
    read_json_object,
)

SERVING = "serving"
PROGRAMS = ("train", "eval", "predict", SERVING)
REFUSE = "refuse"
SKIP = "skip"


@dataclasses.dataclass(frozen=True, kw_only=True)
class TPUValidatorOptions(CheckedNames):
    """What the TPUValidator checks.

    Attributes:
        topology: The TPU the model is meant for, in the compiler's words, such as `v5e:2x2`.
        programs: What is compiled: `serving`, from the SavedModel itself, and any of `train`,
            `eval` and `predict`, from the module that the model was trained with.
        batch_size: Examples of a request with which the serving program is compiled.
        compile_check: Whether programs are compiled at all.
        missing_compiler: `refuse`: without the TPU compiler (libtpu) the execution fails; `skip`:
            the compile check is left out, and the blessing's reason says so.
        timeout_seconds: What one compile may take.
        cache_dir: Where results of compiles are kept; None: the user's cache directory.
        split: The split whose examples the skew check takes.
        num_examples: How many of its examples, from the first on.
        tolerances: Differences between the two graphs that are let pass, instead of the defaults:
            {dtype such as `float32`, output, or `signature/output`: Tolerance}.

    Example:
        TPUValidatorOptions(topology="v5e:2x2", batch_size=64)
    """

    topology: str
    programs: tuple[str, ...] = (SERVING,)
    batch_size: int = 8
    compile_check: bool = True
    missing_compiler: str = REFUSE
    timeout_seconds: float = 600.0
    cache_dir: str | None = None
    split: str = "eval"
    num_examples: int = 100
    tolerances: Mapping[str, Tolerance] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        # As libtpu calls it: `trillium:2x2` and `v6e:2x2` are one.
        object.__setattr__(self, "topology", parse_topology(self.topology).name)
        object.__setattr__(self, "programs", _check_programs(self.programs))
        check_type("compile_check", self.compile_check, bool)
        check_choice("missing_compiler", self.missing_compiler, (REFUSE, SKIP))
        check_number("timeout_seconds", self.timeout_seconds, positive=True)
        check_type("split", self.split, str)
        for name in ("batch_size", "num_examples"):
            check_int(name, getattr(self, name), 1)
        object.__setattr__(self, "tolerances", _check_tolerances(self.tolerances))
        if self.cache_dir is not None:
            check_type("cache_dir", self.cache_dir, str)

    def to_json(self) -> str:
        """Serialises all options, with sorted keys."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> TPUValidatorOptions:
        """Reads what `to_json` wrote.

        Args:
            text: A JSON object of option names and values.

        Raises:
            ValueError: If `text` is no JSON object, has a key that is no option, or lacks
                `topology`.
        """
        values = read_json_object(cls.__name__, text, field_names(cls))
        if "topology" not in values:
            raise ValueError("`options` lacks `topology`; give one such as 'v5e:2x2'.")
        tolerances = values.pop("tolerances", {})
        return cls(**values, tolerances=_read_tolerances(tolerances))


def _check_programs(programs: Any) -> tuple[str, ...]:
    """Returns the programs in the order they are compiled in."""
    if isinstance(programs, str) or not isinstance(programs, Iterable):
        raise TypeError(f"`programs` must be a tuple of names, got {programs!r}.")
    programs = tuple(programs)
    if not programs:
        raise ValueError(
            f"`programs` is empty; give any of {', '.join(PROGRAMS)}, or `compile_check=False`."
        )
    for name in programs:
        check_choice("programs", name, PROGRAMS)
    return tuple(name for name in PROGRAMS if name in programs)


def _check_tolerances(tolerances: Any) -> dict[str, Tolerance]:
    if not isinstance(tolerances, Mapping):
        raise TypeError(f"`tolerances` must be a dict, got {tolerances!r}.")
    for name, tolerance in tolerances.items():
        check_type(f"tolerances[{name!r}]", tolerance, Tolerance)
    return dict(tolerances)


def _read_tolerances(plain: Any) -> dict[str, Tolerance]:
    check_type("tolerances", plain, dict)
    names = [field.name for field in dataclasses.fields(Tolerance)]
    for entry in plain.values():
        check_type("tolerances", entry, dict)
        check_names("Tolerance", entry, names)
    return {name: Tolerance(**entry) for name, entry in plain.items()}
