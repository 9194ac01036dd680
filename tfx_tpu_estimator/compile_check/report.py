"""What a compile check found: plain data, to and from JSON."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

from tfx_tpu_estimator.wording import with_article

FITS = "fits"
TOO_LARGE = "too_large"
REFUSED = "refused"
CRASHED = "crashed"
TIMED_OUT = "timed_out"
FAILED = "failed"
STATUSES = (FITS, TOO_LARGE, REFUSED, CRASHED, TIMED_OUT, FAILED)
PROGRAMS = ("train", "eval", "predict", "serving")
# Of the JSON form: a reader refuses a report of a newer one.
FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
    """A generation of TPU chips; what it has is given per core as XLA sees cores.

    Attributes:
      name: Such as `v5e`.
      hbm_bytes: Memory of one core.
      peak_flops: bfloat16 operations of one core in a second.
      hbm_bytes_per_second: What one core reads from or writes to its memory.
      cores_per_chip: Cores that XLA sees of one chip: those that work as one count once.
      source: Where the figures come from.
    """

    name: str
    hbm_bytes: int
    peak_flops: float
    hbm_bytes_per_second: float
    cores_per_chip: int
    source: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Topology:
    """Chips in a row, square or cube.

    Attributes:
      name: As libtpu takes it, such as `v5e:2x2`.
      chip: Of which kind.
      cores: How many cores there are in all.
    """

    name: str
    chip: Chip
    cores: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Collective:
    """All collectives of one kind in a program.

    Attributes:
      kind: Such as `all-reduce`.
      count: How many there are in the program of one step.
      bytes: What their results hold together, on one core.
    """

    kind: str
    count: int
    bytes: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Buffer:
    """One of the largest tensors of a program.

    Attributes:
      bytes: What it takes.
      shape: Its shape.
      dtype: In XLA's words, such as `bf16`.
      op: The HLO instruction it is the result of.
      name: Op of the model that it comes from, or the variable or input; empty if not known.
    """

    bytes: int
    shape: tuple[int, ...]
    dtype: str
    op: str
    name: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgramReport:
    """One program of a model on one topology; figures are of one core and one step.

    Figures are None where the compiler did not get so far.

    Attributes:
      program: `train`, `eval`, `predict` or `serving`.
      topology: For which it was compiled.
      status: `fits`; `too_large` for the chip's memory; `refused`: an op or a shape cannot be on a
        TPU, found before compiling; `crashed` and `timed_out`: the compiler; `failed`: the
        compiler said no.
      message: In words, with a way out; empty if the program fits.
      per_core_batch: Examples of one replica in a step; None if unknown.
      argument_bytes: Variables and input.
      output_bytes: Results, those that reuse arguments among them.
      alias_bytes: Of the arguments, what results reuse.
      temp_bytes: What is needed in between.
      code_bytes: The program itself.
      peak_bytes: All of this at once: what must fit.
      hbm_bytes: Into which it must fit: what the compiler has of the core's memory.
      flops: Operations, as the compiler counts them.
      bytes_accessed: Bytes read and written, as the compiler counts them.
      arithmetic_intensity: Operations per byte.
      roofline_seconds: The least that a step takes by the chip's peak figures; not a measurement.
      bound: What sets this bound: `compute` or `memory`.
      collectives: By kind.
      largest: The largest tensors, largest first.
      compile_seconds: Wall time of the compiler.
      compiler_peak_rss_bytes: Most memory of the compiling process.
      cached: Whether the figures come from a compile of before.
      largest_batch: Most examples per core with which the program fits; None if not searched.
      program_hash: SHA-256 of the program; empty if it was not lowered.
      compiler: Such as `libtpu 0.0.21`.
    """

    program: str
    topology: Topology
    status: str
    message: str = ""
    per_core_batch: int | None = None
    argument_bytes: int | None = None
    output_bytes: int | None = None
    alias_bytes: int | None = None
    temp_bytes: int | None = None
    code_bytes: int | None = None
    peak_bytes: int | None = None
    hbm_bytes: int | None = None
    flops: float | None = None
    bytes_accessed: float | None = None
    arithmetic_intensity: float | None = None
    roofline_seconds: float | None = None
    bound: str | None = None
    collectives: tuple[Collective, ...] = ()
    largest: tuple[Buffer, ...] = ()
    compile_seconds: float | None = None
    compiler_peak_rss_bytes: int | None = None
    cached: bool = False
    largest_batch: int | None = None
    program_hash: str = ""
    compiler: str = ""

    @property
    def ok(self) -> bool:
        """Whether the program compiles and fits."""
        return self.status == FITS


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompileReport:
    """What became of every program of a model on every topology.

    Attributes:
      model: Name of the module or model_fn.
      programs: In the order of topologies, then of `train`, `eval`, `predict`, `serving`.
      versions: Of this package, tensorflow, jax and libtpu, by name.
      created: When the report was made: ISO 8601, UTC.
      notes: What was left out and why, in words.

    Example:
      report = tfx_tpu_estimator.compile_for_tpu("model.py", topologies=["v5e:2x2"])
      pathlib.Path("report.json").write_text(json.dumps(report.to_json()))
    """

    model: str
    programs: tuple[ProgramReport, ...]
    versions: dict[str, str]
    created: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there are programs, and all of them fit."""
        return bool(self.programs) and all(program.ok for program in self.programs)

    def to_json(self) -> dict[str, Any]:
        """Returns the report as a dict of plain types."""
        return {"format_version": FORMAT_VERSION, "ok": self.ok, **to_plain(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CompileReport:
        """Reads what `to_json` returned.

        Raises:
          ValueError: It is no such report, or one of a newer form.
        """
        version = data.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"`data` must be a compile report of format_version {FORMAT_VERSION}; got "
                f"{version!r}. Read it with the version of this package that wrote it."
            )
        return from_plain(cls, data)


def to_plain(value: Any) -> Any:
    """Returns a value of this module as dicts, lists and scalars."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: to_plain(each) for key, each in value.items()}
    return [to_plain(each) for each in value] if isinstance(value, tuple) else value


def from_plain(kind: Any, data: Any) -> Any:
    """Makes a value of `kind` from what `to_plain` returned for it.

    Args:
      kind: A dataclass of this module, or the type of one of their fields.
      data: Plain types; unknown keys are ignored.

    Raises:
      ValueError: A field is missing or of another type.
    """
    if dataclasses.is_dataclass(kind):
        return _make(typing.cast(type, kind), data)
    arguments, origin = typing.get_args(kind), typing.get_origin(kind)
    if origin is tuple and isinstance(data, list):
        return tuple(from_plain(arguments[0], each) for each in data)
    if origin is dict and isinstance(data, dict):
        return dict(data)
    allowed = arguments if origin is types.UnionType else (kind,)
    allowed = (*allowed, int) if float in allowed else allowed
    if not isinstance(data, allowed) or (isinstance(data, bool) and bool not in allowed):
        raise ValueError(f"A compile report has {data!r} where {kind} is expected.")
    return data


def _make(kind: type, data: Any) -> Any:
    if not isinstance(data, Mapping):
        raise ValueError(
            f"A compile report has {data!r} where {with_article(kind.__name__)} is expected."
        )
    hints = typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]
    missing = [f.name for f in fields if f.name not in data and f.default is dataclasses.MISSING]
    if missing:
        raise ValueError(
            f"A compile report lacks {', '.join(missing)} of {with_article(kind.__name__)}."
        )
    return kind(**{f.name: from_plain(hints[f.name], data[f.name])
                   for f in fields if f.name in data})  # fmt: skip
