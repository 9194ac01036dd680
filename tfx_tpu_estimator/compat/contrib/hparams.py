"""Named hyperparameters, as `tf.contrib.training.HParams` held them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_ASSIGNMENT = re.compile(r"\s*(?P<name>[A-Za-z]\w*)\s*=\s*(?P<value>\[[^\]]*\]|[^,]*)\s*(?:,|$)")


class HParams:
    """Hyperparameters that keep their types.

    Args:
        **kwargs: Names and values: numbers, booleans, strings, or lists of them.

    Example:
        >>> hparams = HParams(learning_rate=0.1, layers=[1, 2])
        >>> hparams.parse("learning_rate=0.3,layers=[4]").values()
        {'learning_rate': 0.3, 'layers': [4]}
    """

    def __init__(self, **kwargs: Any):
        self.__dict__["_values"] = {}
        for name, value in kwargs.items():
            self.add_hparam(name, value)

    def add_hparam(self, name: str, value: Any) -> None:
        """Adds a hyperparameter.

        Raises:
            ValueError: If there is one of that name, or the name is that of a method.
        """
        if name in self._values or hasattr(type(self), name):
            raise ValueError(f"`{name}` is taken: it is a hyperparameter or a method of HParams.")
        self._values[name] = value

    def set_hparam(self, name: str, value: Any) -> None:
        """Changes a hyperparameter to a value of its type.

        Raises:
            KeyError: If there is none of that name.
            ValueError: If the value is of another type.
        """
        if name not in self._values:
            raise KeyError(f"no hyperparameter `{name}`; there are {sorted(self._values)}.")
        self._values[name] = _convert_like(name, self._values[name], value)

    def del_hparam(self, name: str) -> None:
        """Removes a hyperparameter."""
        self._values.pop(name, None)

    def parse(self, values: str) -> HParams:
        """Sets hyperparameters from text.

        Args:
            values: `name=value,name=[value,value]`.

        Returns:
            This object.

        Raises:
            ValueError: If the text cannot be read, or names an unknown hyperparameter.
        """
        position = 0
        while position < len(values):
            match = _ASSIGNMENT.match(values, position)
            if match is None:
                raise ValueError(
                    f"`values` must be name=value,name=[value,value]; got {values[position:]!r}."
                )
            name, text = match["name"], match["value"].strip()
            if name not in self._values:
                raise ValueError(f"no hyperparameter `{name}`; there are {sorted(self._values)}.")
            if text.startswith("["):
                value: Any = [item.strip() for item in text[1:-1].split(",") if item.strip()]
            else:
                value = text
            self.set_hparam(name, value)
            position = match.end()
        return self

    def override_from_dict(self, values: Mapping[str, Any]) -> HParams:
        """Sets hyperparameters from a dict and returns this object."""
        for name, value in values.items():
            self.set_hparam(name, value)
        return self

    def parse_json(self, values: str) -> HParams:
        """Sets hyperparameters from a JSON object and returns this object."""
        return self.override_from_dict(json.loads(values))

    def values(self) -> dict[str, Any]:
        """Returns all names and values."""
        return dict(self._values)

    def get(self, key: str, default: Any = None) -> Any:
        """Returns a value, or `default` where there is none of that name."""
        return self._values.get(key, default)

    def to_json(self, indent: int | None = None, sort_keys: bool = False) -> str:
        """Returns the values as a JSON object."""
        return json.dumps(self._values, indent=indent, sort_keys=sort_keys)

    def __getattr__(self, name: str) -> Any:
        values = self.__dict__.get("_values", {})
        if name not in values:
            raise AttributeError(f"no hyperparameter `{name}`; there are {sorted(values)}.")
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        # Assignment neither adds names nor checks types, as it never did.
        if name not in self._values:
            raise AttributeError(f"no hyperparameter `{name}`: add it with `add_hparam`.")
        self._values[name] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __repr__(self) -> str:
        return f"HParams({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


def _convert_like(name: str, current: Any, value: Any) -> Any:
    """Converts a value, which may be text, to the type of the current one."""
    if isinstance(current, list):
        items = value if isinstance(value, list | tuple) else [value]
        return [_convert_like(name, current[0], item) if current else item for item in items]
    if isinstance(value, list):
        raise ValueError(f"`{name}` is no list, but got {value!r}.")
    if current is None or (isinstance(value, type(current)) and not isinstance(value, bool)):
        return value
    if isinstance(current, bool):
        return _to_bool(name, value)
    if isinstance(current, int | float) and not isinstance(value, bool):
        number = float(value)
        if isinstance(current, int) and number != int(number):
            raise ValueError(f"`{name}` must be an integer, got {value!r}.")
        return type(current)(number)
    if isinstance(current, str) and not isinstance(value, str):
        return str(value)
    raise ValueError(f"`{name}` must be like {current!r}, got {value!r}.")


def _to_bool(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(f"`{name}` must be true, false, 1 or 0, got {value!r}.")
    return known[str(value).lower()]
