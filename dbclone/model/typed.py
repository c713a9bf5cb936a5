"""Whether a value read from a file is of the type that a dataclass declares.

Owns the comparison only: what a model file is made of is :mod:`dbclone.model.artifact`'s business. Python checks no
annotation by itself, and a model whose fields are of other types would fail somewhere in the middle of a load.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import numpy as np


class Shapes:
    """The field types of some dataclasses that refer to each other by name, wherever they were defined."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = dict(names)
        self._fields: dict[type[Any], Mapping[str, Any]] = {}

    def wrong(self, kind: type[Any], items: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the names of ``items`` that are no field of ``kind``, or whose value is not of the field's type."""
        if kind not in self._fields:
            self._fields[kind] = typing.get_type_hints(kind, localns=self._names)
        fields = self._fields[kind]
        return tuple(name for name, value in items.items() if name not in fields or not fits(value, fields[name]))


def fits(value: Any, kind: Any) -> bool:
    """Whether ``value`` is of the type ``kind``: a class, a union, a Literal, a tuple, a Mapping, an array.

    An integer is a float, a truth value is no integer: ``fits(1, float)``, not ``fits(True, int)``.
    """
    if isinstance(kind, typing.NewType):
        return fits(value, kind.__supertype__)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(fits(value, option) for option in arguments)
    if origin is Literal:
        return any(value == option and type(value) is type(option) for option in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and _items_fit(value, arguments)
    if origin is np.ndarray:
        scalar = get_args(arguments[1])[0]
        return isinstance(value, np.ndarray) and value.dtype == np.dtype(scalar)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        of_key, of_item = arguments
        return isinstance(value, Mapping) and all(fits(k, of_key) and fits(v, of_item) for k, v in value.items())
    if kind in (int, float):
        return isinstance(value, (int, float) if kind is float else int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _items_fit(value: tuple[Any, ...], kinds: tuple[Any, ...]) -> bool:
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return all(fits(item, kinds[0]) for item in value)
    return len(value) == len(kinds) and all(map(fits, value, kinds))
