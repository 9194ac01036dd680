"""The verdict of a skew check in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfx_tpu_estimator.skew_check.report import OutputReport, SkewReport, WorstExample


def describe_verdict(report: SkewReport) -> str:
    """Returns the verdict: one sentence if all is well, else one for each thing that is not."""
    if report.passed:
        return (
            f"PASSED: {{serve}} and {{serve, tpu}} compute the same on {report.examples} examples, "
            f"within tolerance, in {count(len(report.signatures), 'signature')}."
        )
    return "FAILED: " + " ".join(list_problems(report))


def list_problems(report: SkewReport) -> list[str]:
    """Returns a sentence for each thing that is not well."""
    sentences = [*report.problems]
    for signature in report.signatures:
        sentences += [f"Signature {signature.name!r}: {p}" for p in signature.problems]
        for output in signature.outputs:
            where = f"Signature {signature.name!r}, output {output.name!r}: "
            sentences += [where + problem for problem in output.problems]
            if output.beyond:
                sentences.append(where + describe_difference(output))
    return sentences


def describe_difference(output: OutputReport) -> str:
    """Returns a sentence about values that differ too much."""
    text = f"{output.beyond} of {output.values} values differ by more than {output.tolerance}"
    if output.tolerance.is_exact:
        text = f"{output.beyond} of {output.values} values differ, and none may"
    if not output.worst:
        return f"{text}."
    worst = output.worst[0]
    return f"{text}; worst is {describe_example(worst)}: {worst.serve} against {worst.tpu}."


def describe_example(example: WorstExample) -> str:
    """Returns where an example is from."""
    if example.file is None:
        return f"example {example.index}"
    return f"example {example.index} (record {example.record} of {example.file})"


def count(number: int, noun: str) -> str:
    """Returns a number with its noun, such as `1 example` or `1,000 examples`."""
    return f"{number:,} {noun}" + "s" * (number != 1)
