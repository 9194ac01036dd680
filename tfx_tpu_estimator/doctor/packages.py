"""Which packages there are, and whether they go together; none of them is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence

from packaging.requirements import InvalidRequirement, Requirement

from tfx_tpu_estimator.doctor.finding import Finding, Level
from tfx_tpu_estimator.installed import find_version

_OWN = "tfx-tpu-estimator"
# Extras of this package, with a distribution that is there when the extra was installed.
_EXTRAS = {"tfx": "tfx", "kubeflow": "kfp", "airflow": "apache-airflow", "tpu": "libtpu"}
# Whose requirements are looked at: those of everything else follow from these or matter less.
_ROOTS = (
    _OWN, "tensorflow", "jax", "jaxlib", "tf-keras", "tensorboard", "tfx", "tfx-bsl",
    "ml-metadata", "tensorflow-model-analysis", "tensorflow-data-validation",
    "tensorflow-transform", "apache-beam", "kfp", "apache-airflow",
)  # fmt: skip
# Versions of jax and libtpu that this package's tests run with.
TESTED_PAIRS = {("0.4.34", "0.0.21"), ("0.10.2", "0.0.51")}
_TFX_PYTHON = (3, 10)

Find = Callable[[str], str | None]


def check_python() -> list[Finding]:
    """Looks at the interpreter."""
    version = ".".join(map(str, sys.version_info[:3]))
    found = f"{version}, {sys.executable}"
    if sys.version_info[:2] > _TFX_PYTHON and find_version("tfx") is None:
        found += ". The runtime runs here; the TFX components need Python 3.10."
    return [Finding(subject="Python", level=Level.OK, found=found)]


def check_packages(find: Find = find_version) -> list[Finding]:
    """Looks for TensorFlow, jax and the optional packages.

    Args:
        find: Returns the version of a distribution, or None.
    """
    return [
        _check_tensorflow(find),
        _check_needed(find, "jax", "use_tpu=True"),
        _check_keras(find),
        _check_compiler(find),
        _check_optional(find, "TFX", "tfx", "tfx", "components and pipelines"),
        _check_optional(find, "Kubeflow Pipelines", "kfp", "kubeflow", "Kubeflow and Vertex"),
        _check_optional(find, "Airflow", "apache-airflow", "airflow", "DAGs for Airflow"),
    ]


def _check_tensorflow(find: Find) -> Finding:
    kinds = ("tensorflow", "tensorflow-cpu", "tf-nightly", "tensorflow-gpu")
    found = {name: version for name in kinds if (version := find(name))}
    if len(found) > 1:
        names = " and ".join(f"{name} {version}" for name, version in found.items())
        return Finding(
            subject="TensorFlow", level=Level.PROBLEM,
            found=f"{names} are installed into the same directory, and mix their files.",
            way_out="Uninstall all of them, then `pip install tensorflow`.",
        )  # fmt: skip
    if found:
        return _ok("TensorFlow", *next(iter(found.items())))
    return _check_needed(find, "tensorflow", "everything")


def _check_needed(find: Find, name: str, purpose: str) -> Finding:
    version = find(name)
    if version:
        return _ok(name if name != "tensorflow" else "TensorFlow", name, version)
    return Finding(
        subject=name, level=Level.PROBLEM, found=f"not installed; needed for {purpose}.",
        way_out=f"`pip install {_OWN}` installs it; is this the Python you meant?",
    )  # fmt: skip


def _check_keras(find: Find) -> Finding:
    legacy, tensorflow = find("tf-keras"), find("tensorflow")
    if legacy is None:
        return Finding(
            subject="tf-keras", level=Level.PROBLEM,
            found="not installed; tf.compat.v1.layers and its kin do not work without it.",
            way_out="`pip install tf-keras` in TensorFlow's version.",
        )  # fmt: skip
    if tensorflow and tensorflow.split(".")[:2] != legacy.split(".")[:2]:
        minor = ".".join(tensorflow.split(".")[:2])
        return Finding(
            subject="tf-keras", level=Level.ATTENTION,
            found=f"tf-keras {legacy} was made for another TensorFlow than {tensorflow}.",
            way_out=f"`pip install 'tf-keras=={minor}.*'`",
        )  # fmt: skip
    return _ok("tf-keras", "tf-keras", legacy)


def _check_compiler(find: Find) -> Finding:
    libtpu, nightly, jax = find("libtpu"), find("libtpu-nightly"), find("jax")
    if libtpu is None and nightly is None:
        return Finding(
            subject="libtpu", level=Level.NOTE,
            found="not installed; needed for TPUs and for `tfx-tpu-estimator compile`.",
            way_out=f"`pip install '{_OWN}[tpu]'`",
        )  # fmt: skip
    if libtpu and nightly:
        return Finding(
            subject="libtpu", level=Level.ATTENTION,
            found=f"libtpu {libtpu} and libtpu-nightly {nightly} overwrite each other's files.",
            way_out="Uninstall both, then install the one that jax names.",
        )  # fmt: skip
    named = _find_named_compiler()
    name, version = ("libtpu", libtpu) if libtpu else ("libtpu-nightly", nightly)
    version = version or ""
    if (jax, libtpu) in TESTED_PAIRS:
        return _ok("libtpu", name, version, f", tested with jax {jax}")
    if named and named.name == name and named.specifier.contains(version, prereleases=True):
        return _ok("libtpu", name, version, f", the version that jax {jax} names")
    wanted = f" names {named}" if named else " names none"
    return Finding(
        subject="libtpu", level=Level.ATTENTION,
        found=f"{name} {version} is not known to go with jax {jax}, which{wanted}. The compiler "
        "may refuse programs that are in order.",
        way_out=f"`pip install '{_plain(named)}'`" if named else "Install the pair that is tested: "
        + ", ".join(f"jax {j} and libtpu {t}" for j, t in sorted(TESTED_PAIRS)) + ".",
    )  # fmt: skip


def _find_named_compiler() -> Requirement | None:
    for requirement in _list_requirements("jax", "tpu"):
        if requirement.name in ("libtpu", "libtpu-nightly"):
            return requirement
    return None


def _plain(requirement: Requirement) -> str:
    return f"{requirement.name}{requirement.specifier}"


def _check_optional(find: Find, subject: str, name: str, extra: str, purpose: str) -> Finding:
    version = find(name)
    if version:
        return _ok(subject, name, version)
    way_out = f"`pip install '{_OWN}[{extra}]'`"
    if extra == "tfx" and sys.version_info[:2] > _TFX_PYTHON:
        way_out += ", in an environment of Python 3.10"
    return Finding(
        subject=subject,
        level=Level.NOTE,
        found=f"not installed; only needed for {purpose}.",
        way_out=way_out,
    )


def check_requirements(roots: Sequence[str] = _ROOTS, find: Find = find_version) -> list[Finding]:
    """Compares what the packages declare that they need with what is installed.

    Args:
        roots: The distributions whose requirements are looked at, as far as they are installed.
        find: Returns the version of a distribution, or None.
    """
    present = [root for root in roots if find(root)]
    wrong = [words for root in present for words in _compare(root, find)]
    if not wrong:
        words = f"those of {len(present)} packages are all met"
        return [Finding(subject="Requirements", level=Level.OK, found=words)]
    return [
        Finding(
            subject="Requirements", level=Level.PROBLEM, found=words,
            way_out="Install that version, or set up a fresh environment from the lock files in "
            "requirements/.",
        )
        for words in wrong
    ]  # fmt: skip


def _compare(root: str, find: Find) -> Iterator[str]:
    extras = [extra for extra, sign in _EXTRAS.items() if root == _OWN and find(sign)]
    for requirement in _list_requirements(root, *extras):
        version = find(requirement.name)
        if version is None:
            yield f"{root} {find(root)} needs {_plain(requirement)}, which is not installed."
        elif not requirement.specifier.contains(version, prereleases=True):
            yield (
                f"{root} {find(root)} needs {_plain(requirement)}; {requirement.name} {version} "
                "is installed."
            )


def _list_requirements(distribution: str, *extras: str) -> Iterator[Requirement]:
    """Returns what a distribution needs here, with and without the extras."""
    for text in importlib.metadata.requires(distribution) or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:  # of a form that only its time's tools knew
            continue
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def check_pip(find: Find = find_version) -> list[Finding]:
    """Looks for pip, with which TFX packages a module file."""
    if importlib.util.find_spec("pip") is not None:
        return [_ok("pip", "pip", find("pip") or "of unknown version")]
    matters = find("tfx") is not None
    return [
        Finding(
            subject="pip", level=Level.ATTENTION if matters else Level.NOTE,
            found="not installed in this environment; TFX calls it to package a module file, and "
            "fails with \"No module named pip\".",
            way_out="`uv pip install pip` or `python -m ensurepip`",
        )
    ]  # fmt: skip


def _ok(subject: str, name: str, version: str, remark: str = "") -> Finding:
    return Finding(subject=subject, level=Level.OK, found=f"{name} {version}{remark}")
