"""The page around a report."""

from __future__ import annotations

import importlib.resources

from tfx_tpu_estimator.html_page.elements import Child, Markup, element, join
from tfx_tpu_estimator.version import __version__

# Nothing is fetched from anywhere and nothing runs, whatever the report contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render_page(
    title: str,
    *body: Child,
    kind: str,
    subtitle: Child = None,
    style: str = "",
    footer: Child = None,
) -> str:
    """Returns a whole HTML page.

    Args:
        title: What the report is about, such as the name of a model.
        *body: What the page shows below its head.
        kind: What sort of report it is; stands above the title, and after it in the window's title.
        subtitle: A line below the title.
        style: CSS in addition to that of all reports; a constant of the code.
        footer: What stands at the end, beside the name and version of this package.

    Example:
        >>> render_page("taxi", element("p", "AUC 0.9"), kind="Evaluation")[:15]
        '<!doctype html>'
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content=f"tfx-tpu-estimator {__version__}"),
        element("title", f"{title} · {kind}"),
        element("style", Markup(_read_style() + style)),
    )
    header = element(
        "header",
        element("p", kind, class_="kind"),
        element("h1", title),
        element("p", subtitle, class_="subtitle") if subtitle else None,
        class_="masthead",
    )
    made = element("p", f"Made by tfx-tpu-estimator {__version__}.")
    page = element("body", header, element("main", *body), element("footer", footer, made))
    return join(Markup("<!doctype html>\n"), element("html", head, page, lang="en")) + "\n"


def _read_style() -> str:
    return (
        importlib.resources.files("tfx_tpu_estimator.html_page")
        .joinpath("style.css")
        .read_text("utf-8")
    )
