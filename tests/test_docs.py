"""The documentation says what the code does: API pages, links, code blocks, docstring examples."""

import doctest
import importlib
import importlib.util
import pathlib
import re
import subprocess
import sys

import pytest
from helpers.needs import TFX

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])
# Folder of the repository -> the name it is installed as.
PACKAGES = {
    "tfx_tpu_estimator": "tfx_tpu_estimator",
    "components": "tfx_tpu_estimator.components",
    "pipelines": "tfx_tpu_estimator.pipelines",
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]\n]+\]\(([^)\s]+)\)")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def list_code_blocks(language):
    return [
        pytest.param(body, id=f"{name_of(page)}-{number}")
        for page in PAGES
        for number, (found, body) in enumerate(FENCE.findall(page.read_text()))
        if found == language
    ]


def list_modules_with_examples():
    names = []
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ">>>" in path.read_text():
                parts = path.relative_to(ROOT / folder).with_suffix("").parts
                names.append(".".join([package, *(p for p in parts if p != "__init__")]))
    return names


def list_anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def find_broken_links(page):
    broken = []
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (anchor and anchor not in list_anchors(linked)):
            broken.append(target)
    return broken


def test_api_pages_are_up_to_date():
    pytest.importorskip(
        "griffe",
        reason="needs what makes API pages: `make setup`, then `.venv/bin/python -m pytest`",
    )
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_api_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    assert find_broken_links(page) == []


def test_a_broken_link_is_found(tmp_path):
    (tmp_path / "other.md").write_text("# A heading: of it\n")
    page = tmp_path / "page.md"
    page.write_text("[a](other.md#a-heading-of-it) [b](other.md#none) [c](none.md) [d](#none)\n")
    assert find_broken_links(page) == ["other.md#none", "none.md", "#none"]


def test_every_page_can_be_reached_from_the_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = (target.partition("#")[0] for target in LINK.findall(page.read_text()))
        waiting += [(page.parent / t).resolve() for t in targets if t.endswith(".md")]
    assert [name_of(page) for page in PAGES if page not in reached] == []


@pytest.mark.parametrize("code", list_code_blocks("python"))
def test_python_blocks_compile(code):
    compile(code, "<documentation>", "exec")


@pytest.mark.parametrize("name", list_modules_with_examples())
def test_docstring_examples(name):
    if ".components." in name and importlib.util.find_spec("tfx") is None:
        pytest.skip(TFX)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
