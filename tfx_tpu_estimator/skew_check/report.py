"""What a skew check found: numbers, worst examples, and a verdict in words."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from tfx_tpu_estimator.skew_check.tolerance import Tolerance

FORMAT_VERSION = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorstExample:
    """A value that differs, and where it is from.

    Attributes:
      index: Which example, counted from 0 in the order they were read.
      file: The file it was read from; None if the examples were given as tensors.
      record: Which record of that file, counted from 0; None as above.
      position: Index of the value inside the example's part of the output; () for a scalar.
      serve: The value of {serve}: a number, a bool or a text.
      tpu: The value of {serve, tpu}.
      absolute: Size of the difference; None for strings, inf where one is NaN or infinite.
      relative: The same, as part of the value of {serve}; inf where that is 0.
    """

    index: int
    file: str | None = None
    record: int | None = None
    position: tuple[int, ...] = ()
    serve: Any = None
    tpu: Any = None
    absolute: float | None = None
    relative: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputReport:
    """How far one output of a signature differs.

    Attributes:
      name: Its key in the signature.
      dtype: Its type in {serve}, as TensorFlow calls it.
      tolerance: What was allowed.
      values: How many values were compared.
      beyond: How many of them differ by more than the tolerance.
      max_absolute: Largest difference; None if nothing was compared or it is of strings.
      max_relative: Largest difference as part of the value of {serve}.
      nan_in_both: How many values are NaN in both graphs, which counts as equal.
      worst: The examples that differ most in terms of the tolerance, worst first.
      problems: What else is wrong, such as other types or shapes, as sentences.
    """

    name: str
    dtype: str
    tolerance: Tolerance
    values: int = 0
    beyond: int = 0
    max_absolute: float | None = None
    max_relative: float | None = None
    nan_in_both: int = 0
    worst: tuple[WorstExample, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether it is within its tolerance and has no problem."""
        return not self.beyond and not self.problems


@dataclasses.dataclass(frozen=True, kw_only=True)
class SignatureReport:
    """What was found of one signature.

    Attributes:
      name: Its key in the metagraphs.
      outputs: Its outputs, by name.
      problems: Sentences: an output that one graph lacks, or a program that cannot be built.
      notes: Sentences that do not fail it: what draws random numbers, or never reaches a TPU.
    """

    name: str
    outputs: tuple[OutputReport, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all of its outputs passed and it has no problem."""
        return not self.problems and all(output.passed for output in self.outputs)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProgramReport:
    """A program that was taken out of {serve, tpu} and run.

    Attributes:
      name: The TPU computation that it is, or is a stage of.
      ops: Types of TensorFlow ops inside, those of called functions too, and how many.
      inputs: Dtype and shape of each input that is no variable, such as `float32[64,4]`.
      variables: How many variables it reads.
      digest: SHA-256 of the compiled program's StableHLO and signature.
      seconds: Lowering and compiling it.
    """

    name: str
    ops: dict[str, int]
    inputs: tuple[str, ...]
    variables: int
    digest: str
    seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SkewReport:
    """What a skew check found; `passed` and `verdict` say it in short.

    Attributes:
      saved_model: The directory that was checked.
      examples: How many examples both graphs were run on.
      batch_size: How many at a time.
      device: What the programs ran on, such as `cpu` or `TPU v5 lite`.
      signatures: By name.
      programs: What ran on the device.
      problems: Sentences about the model as a whole.

    Example:
      >>> report = SkewReport(saved_model="/models/1", examples=0, batch_size=1, device="cpu",
      ...                     problems=("No signature of {serve, tpu} reaches a TPU.",))
      >>> report.passed
      False
      >>> SkewReport.from_json(report.to_json()) == report
      True
    """

    saved_model: str
    examples: int
    batch_size: int
    device: str
    signatures: tuple[SignatureReport, ...] = ()
    programs: tuple[ProgramReport, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether both graphs compute the same, within the tolerances."""
        return not self.problems and all(signature.passed for signature in self.signatures)

    @property
    def verdict(self) -> str:
        """One or several sentences for people."""
        from tfx_tpu_estimator.skew_check.words import describe_verdict

        return describe_verdict(self)

    def to_dict(self) -> dict[str, Any]:
        """Returns everything as JSON has it: NaN and infinity are texts."""
        content = _encode(dataclasses.asdict(self))
        head = {"version": FORMAT_VERSION, "passed": self.passed, "verdict": self.verdict}
        return {**head, **content}

    def to_json(self) -> str:
        """Returns everything as JSON, for other programs and `from_json`."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> SkewReport:
        """Reads what `to_json` wrote.

        Raises:
          ValueError: It is no such JSON, or of another version.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"`text` is no JSON: {error}.") from error
        version = content.get("version") if isinstance(content, dict) else None
        if version != FORMAT_VERSION:
            raise ValueError(
                f"`text` is no skew report of version {FORMAT_VERSION}; got version {version!r}. "
                "Make it again with SkewReport.to_json."
            )
        try:
            return _read_report(content)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"`text` is no whole skew report: {error!r}.") from error


def _encode(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value


def _read_number(value: Any) -> Any:
    return float(value) if value in ("nan", "inf", "-inf") else value


def _read_report(content: dict[str, Any]) -> SkewReport:
    return SkewReport(
        saved_model=content["saved_model"],
        examples=content["examples"],
        batch_size=content["batch_size"],
        device=content["device"],
        signatures=tuple(_read_signature(s) for s in content["signatures"]),
        programs=tuple(_read_program(p) for p in content["programs"]),
        problems=tuple(content["problems"]),
    )


def _read_signature(content: dict[str, Any]) -> SignatureReport:
    return SignatureReport(
        name=content["name"],
        outputs=tuple(_read_output(o) for o in content["outputs"]),
        problems=tuple(content["problems"]),
        notes=tuple(content["notes"]),
    )


def _read_output(content: dict[str, Any]) -> OutputReport:
    is_text = content["dtype"] == "string"
    return OutputReport(
        **{
            **content,
            "tolerance": Tolerance(**content["tolerance"]),
            "max_absolute": _read_number(content["max_absolute"]),
            "max_relative": _read_number(content["max_relative"]),
            "worst": tuple(_read_worst(w, is_text) for w in content["worst"]),
            "problems": tuple(content["problems"]),
        }
    )


def _read_worst(content: dict[str, Any], is_text: bool) -> WorstExample:
    numbers = ("absolute", "relative") if is_text else ("absolute", "relative", "serve", "tpu")
    read = {key: _read_number(content[key]) for key in numbers}
    return WorstExample(**{**content, **read, "position": tuple(content["position"])})


def _read_program(content: dict[str, Any]) -> ProgramReport:
    return ProgramReport(**{**content, "inputs": tuple(content["inputs"])})
