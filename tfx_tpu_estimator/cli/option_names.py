"""Names of arguments of the Python API, as errors have them, and those of options."""

from __future__ import annotations

from collections.abc import Mapping


def spell_options(*arguments: str) -> dict[str, str]:
    """Returns {argument: option} for options that are called as the arguments are.

    Example:
        >>> spell_options("cache_dir")
        {'cache_dir': '--cache-dir'}
    """
    return {name: f"--{name.replace('_', '-')}" for name in arguments}


def replace_arguments(message: str, options: Mapping[str, str]) -> str:
    """Returns an error of the Python API with the names of options in the place of arguments.

    Args:
        message: The error, with arguments in backticks.
        options: {argument: option}.

    Example:
        >>> replace_arguments("`batch_size` must be positive", {"batch_size": "--batch-size"})
        '`--batch-size` must be positive'
    """
    for argument, option in options.items():
        message = message.replace(f"`{argument}`", f"`{option}`")
    return message
