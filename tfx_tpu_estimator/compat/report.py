"""Reads a program and reports what of it runs, and what needs attention."""

from __future__ import annotations

import ast
import collections
import dataclasses
import json
import os
import pathlib
import sys
from collections.abc import Sequence

from tfx_tpu_estimator.compat.check_code import check_code
from tfx_tpu_estimator.compat.check_names import check_names
from tfx_tpu_estimator.compat.findings import Finding, Level
from tfx_tpu_estimator.compat.program import SourceFile, read_program


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found in a program.

    Attributes:
        main: The file that was asked for.
        files: The files that were read: it and those of the program that it imports.
        tf1: Whether it is written for TensorFlow 1.
        findings: In order of files and lines.
    """

    main: str
    files: tuple[str, ...]
    tf1: bool
    findings: tuple[Finding, ...]

    @property
    def is_supported(self) -> bool:
        """Whether nothing was found that fails or is refused."""
        return all(finding.level is not Level.UNSUPPORTED for finding in self.findings)

    def count(self) -> dict[Level, int]:
        """Returns how many findings there are of each level."""
        counted = collections.Counter(finding.level for finding in self.findings)
        return {level: counted[level] for level in Level}

    def to_json(self) -> str:
        """Returns everything as JSON."""
        content = {
            "main": self.main,
            "files": list(self.files),
            "tf1": self.tf1,
            "supported": self.is_supported,
            "findings": [finding.to_dict() for finding in self.findings],
        }
        return json.dumps(content, indent=2)


def check_program(path: str) -> Report:
    """Reads a program without running it.

    Args:
        path: A Python file: a script, or a module file of a Trainer.

    Raises:
        FileNotFoundError: If there is no such file.
        SyntaxError: If it is no Python 3.
    """
    main = pathlib.Path(path)
    if not main.is_file():
        raise FileNotFoundError(f"there is no file {path!r}.")
    main = main.resolve()
    files = read_program(main, [str(main.parent), os.getcwd(), *sys.path[1:]])
    tf1 = any(file.tf1_names for file in files)
    uses_tpu = any("TPUEstimator" in use.name for file in files for use in file.names.uses)
    findings = [f for file in files for f in _check_file(file, tf1, uses_tpu)]
    findings.sort(key=lambda f: (f.path != str(main), f.path, f.line))
    return Report(
        main=str(main),
        files=tuple(str(file.path) for file in files),
        tf1=tf1,
        findings=tuple(findings),
    )


def _check_file(file: SourceFile, tf1: bool, uses_tpu: bool) -> list[Finding]:
    tree = ast.parse(file.path.read_bytes(), filename=str(file.path))
    return [*check_names(file, tf1), *check_code(str(file.path), tree, uses_tpu)]


def print_report(report: Report, show_supplied: bool = False) -> None:
    """Prints a report for people.

    Args:
        report: What was found.
        show_supplied: Also list what works because this package supplies it.
    """
    wanted = [f for f in report.findings if show_supplied or f.level is not Level.SUPPLIED]
    rows = [
        (f"{_shorten(f.path, report.main)}:{f.line}", f.level.value, f.what, f.advice)
        for f in wanted
    ]
    if rows:
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        for row in rows:
            columns = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            print("  ".join([*columns, row[3]]))
        print()
    print(_summarize(report))


def _summarize(report: Report) -> str:
    counts = report.count()
    lines = [
        f"{len(report.files)} file(s) read; {counts[Level.UNSUPPORTED]} unsupported, "
        f"{counts[Level.ATTENTION]} to look at, {counts[Level.SUPPLIED]} supplied by this package."
    ]
    name = os.path.basename(report.main)
    if report.tf1:
        lines.append("It is written for TensorFlow 1.")
    if report.is_supported:
        lines.append(f"Nothing speaks against: tfx-tpu-estimator run {name}")
    return "\n".join(lines)


def _shorten(path: str, main: str) -> str:
    try:
        return os.path.relpath(path, os.path.dirname(main))
    except ValueError:  # another drive
        return path


def find_source(target: str, search: Sequence[str]) -> str:
    """Returns the file of a path or of a module's dotted name.

    Args:
        target: `dir/script.py`, or `package.module`.
        search: Directories where modules are looked up.

    Raises:
        FileNotFoundError: If there is neither.
    """
    if os.path.isfile(target):
        return target
    for folder in search:
        base = os.path.join(folder or ".", *target.split("."))
        for candidate in (f"{base}.py", os.path.join(base, "__init__.py")):
            if os.path.isfile(candidate):
                return candidate
    raise FileNotFoundError(f"`PROGRAM` {target!r} is neither a file nor a module.")
