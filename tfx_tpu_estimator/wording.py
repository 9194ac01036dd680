"""Grammar of messages that are made of names."""

from __future__ import annotations


def with_article(name: str) -> str:
    """Returns a name with `a` or `an` before it.

    Args:
        name: A name as code has it, such as that of a class.

    Example:
        >>> with_article("AirflowConfig"), with_article("UserModule")
        ('an AirflowConfig', 'a UserModule')
    """
    # In names a "u" is mostly that of "user" and "uint".
    return f"{'an' if name[:1].lower() in tuple('aeio') else 'a'} {name}"
