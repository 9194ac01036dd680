"""HTML and SVG elements whose text and attributes are escaped, so that none can be forgotten."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable
from typing import TypeAlias

_VOID = {"br", "hr", "img", "meta", "wbr"}


class Markup(str):
    """Text that is HTML already: what `element` returns, and never a name or a message.

    Example:
        >>> element("b", Markup("<i>x</i>"), "<y>")
        '<b><i>x</i>&lt;y&gt;</b>'
    """

    __slots__ = ()


# Strings and numbers are escaped; None is nothing; lists are what they hold, in order.
Child: TypeAlias = str | int | float | Iterable["Child"] | None


def join(*children: Child) -> Markup:
    """Returns the children one after the other.

    Args:
        *children: `Markup` stays as it is, other text is escaped, None is left out.

    Example:
        >>> join("a < b", None, [element("br"), 1])
        'a &lt; b<br>1'
    """
    return Markup("".join(_render(child) for child in children))


def element(tag: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """Returns an element.

    Args:
        tag: Its name; a constant of the code, as are the names of the attributes.
        *children: What it contains, as for `join`.
        **attributes: A trailing `_` is dropped and others become `-`; None and False leave the
            attribute out, True is one without a value.

    Example:
        >>> element("a", "R&D", class_="x", href="#top", data_rows=3, hidden=False)
        '<a class="x" href="#top" data-rows="3">R&amp;D</a>'
    """
    written = [f"<{tag}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        name = key.rstrip("_").replace("_", "-")
        written.append(f" {name}" if value is True else f' {name}="{html.escape(str(value))}"')
    written.append(">")
    if tag not in _VOID:
        written += [join(*children), f"</{tag}>"]
    return Markup("".join(written))


def _render(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, (str, int, float)):
        return html.escape(_printable(str(child)))
    return join(*child)


def _printable(text: str) -> str:
    """Replaces characters that HTML does not allow, such as those of terminal colours."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_refused(c) else c for c in text)


def _is_refused(character: str) -> bool:
    return character not in "\t\n" and unicodedata.category(character) in ("Cc", "Cs")
