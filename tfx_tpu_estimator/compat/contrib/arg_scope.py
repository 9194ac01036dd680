"""Default arguments for a block of code, as `tf.contrib.framework.arg_scope` gave them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

_KEY = "_arg_scope_key"
# Function key -> default arguments; the innermost scope is last.
_stack: list[dict[str, dict[str, Any]]] = [{}]


def add_arg_scope(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function take default arguments from `arg_scope`.

    Arguments of the call win over those of a scope, and an inner scope over an outer one.
    """
    key = f"{function.__module__}.{function.__qualname__}"

    @functools.wraps(function)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **{**_stack[-1].get(key, {}), **kwargs})

    setattr(scoped, _KEY, key)
    return scoped


@contextlib.contextmanager
def arg_scope(
    functions_or_scope: Sequence[Callable[..., Any]] | Mapping[str, dict[str, Any]], **kwargs: Any
) -> Iterator[dict[str, dict[str, Any]]]:
    """Sets default arguments of functions inside a `with` block.

    Args:
        functions_or_scope: Functions made by `add_arg_scope`, or a scope that an earlier
            `with arg_scope(...) as scope` gave, which is entered again.
        **kwargs: Arguments; none with a scope.

    Yields:
        The scope.

    Raises:
        ValueError: If a function was not made by `add_arg_scope`, or arguments are given with a
            scope.

    Example:
        with arg_scope([conv2d, fully_connected], activation_fn=tf.nn.relu):
            net = conv2d(images, 32, 3)
    """
    if isinstance(functions_or_scope, Mapping):
        if kwargs:
            raise ValueError(
                f"`arg_scope` was given a scope and the arguments {sorted(kwargs)}: to enter a "
                "scope again, give no arguments; to change it, nest another `arg_scope`."
            )
        scope = {key: dict(value) for key, value in functions_or_scope.items()}
    else:
        scope = {key: dict(value) for key, value in _stack[-1].items()}
        for function in functions_or_scope:
            scope.setdefault(_read_key(function), {}).update(kwargs)
    _stack.append(scope)
    try:
        yield scope
    finally:
        _stack.pop()


def _read_key(function: Callable[..., Any]) -> str:
    key = getattr(function, _KEY, None)
    if key is None:
        raise ValueError(
            f"{function!r} takes no arguments from `arg_scope`: decorate it with `add_arg_scope`."
        )
    return key
