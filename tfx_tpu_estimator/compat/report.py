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

from tfx_tpu_estimator.compat.called_definitions import CalledDefinitions
from tfx_tpu_estimator.compat.check_code import check_code
from tfx_tpu_estimator.compat.check_imports import check_imports
from tfx_tpu_estimator.compat.check_names import check_names
from tfx_tpu_estimator.compat.findings import Finding, Level
from tfx_tpu_estimator.compat.module_finder import ModuleFinder
from tfx_tpu_estimator.compat.program import read_program

# Functions that module files have beside model_fn.
_BESIDE = {"train_input_fn", "eval_input_fn", "serving_input_receiver_fn", "estimator_params"}
_NOT_IN_MODULES = (
    "In module files it is there for `trainer_fn` only: import it from tfx_tpu_estimator, or call "
    "tfx_tpu_estimator.compat.install() in the file before."
)


@dataclasses.dataclass(frozen=True)
class Report:
    """What was found in a program.

    Attributes:
        main: The file that was asked for.
        files: The files that were read: it and those of the program that it imports.
        tf1: Whether it is written for TensorFlow 1.
        module_form: The function by which a Trainer runs it, where it is a module file; else ''.
        findings: In order of files and lines.
    """

    main: str
    files: tuple[str, ...]
    tf1: bool
    module_form: str
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
            "module_form": self.module_form,
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
    finder = ModuleFinder([str(main.parent), os.getcwd(), *sys.path[1:]])
    files = read_program(main, finder)
    tf1 = any(file.tf1_names for file in files)
    form = find_module_form(files[0].tree)
    uses_tpu = any(_uses_tpu_estimator(file.tree) for file in files)
    called = CalledDefinitions(files, finder)
    found = [
        finding
        for file in files
        for finding in (
            *check_imports(file, finder),
            *_judge_supplied(check_names(file, tf1), form),
            *check_code(file, called, uses_tpu),
        )
    ]
    # A function that two model_fns call, or one within another, is found twice.
    findings = list(dict.fromkeys(found))
    findings.sort(key=lambda f: (f.path != str(main), f.path, f.line))
    return Report(
        main=str(main),
        files=tuple(str(file.path) for file in files),
        tf1=tf1,
        module_form=form,
        findings=tuple(findings),
    )


def find_module_form(tree: ast.Module) -> str:
    """Returns the function by which a Trainer runs a file, or '' for a script.

    Args:
        tree: What `ast.parse` returned.

    Example:
        >>> find_module_form(ast.parse("def run_fn(fn_args): pass"))
        'run_fn'
    """
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for form in ("run_fn", "trainer_fn"):
        if form in names:
            return form
    is_script = any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(tree))
    return "model_fn" if "model_fn" in names and names & _BESIDE and not is_script else ""


def _uses_tpu_estimator(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
        if any("TPUEstimator" in name for name in names):
            return True
    return False


def _judge_supplied(findings: Sequence[Finding], form: str) -> list[Finding]:
    """Says that names which compat supplies are not there in a module file without `trainer_fn`."""
    if form in ("", "trainer_fn"):
        return list(findings)
    return [
        dataclasses.replace(finding, level=Level.ATTENTION, advice=_NOT_IN_MODULES)
        if finding.level is Level.SUPPLIED
        else finding
        for finding in findings
    ]


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
    if report.is_supported and report.module_form:
        lines.append(
            f"Nothing speaks against it as a module file of a Trainer, which runs its "
            f"{report.module_form}."
        )
    elif report.is_supported:
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
