"""Columns changed between Arrow types, and in single rows: for values that come from other columns or from literals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.literals import DATE_INFINITY, TIME_INFINITY

Integers = npt.NDArray[np.int64]

RESPELLINGS: tuple[Callable[[pa.Array], pa.Array], ...] = (
    pc.utf8_lower,
    pc.utf8_upper,
    pc.utf8_capitalize,
    pc.utf8_trim_whitespace,
    *(
        lambda texts, case=case, instead=instead: pc.replace_substring_regex(case(texts), r"[^\pL\pN]+", instead)
        for case in (lambda texts: texts, pc.utf8_lower, pc.utf8_upper)
        for instead in ("-", "_", ".", "")
    ),
)
"""Ways to write a text otherwise, by which different texts nearly always stay different."""


def as_numbers(array: pa.Array) -> pa.Array | None:
    """Return numbers and times as what can be added and subtracted, infinite ones as NULL; None for others."""
    if pa.types.is_date32(array.type):
        return _finite(array.cast(pa.int32()).cast(pa.int64()), DATE_INFINITY)
    if pa.types.is_timestamp(array.type) or pa.types.is_time64(array.type):
        return _finite(array.cast(pa.int64()), TIME_INFINITY)
    if pa.types.is_decimal(array.type):
        return array.cast(pa.float64())
    return array if pa.types.is_integer(array.type) or pa.types.is_floating(array.type) else None


def _finite(numbers: pa.Array, infinity: int) -> pa.Array:
    inside = pc.and_(pc.less(numbers, infinity), pc.greater(numbers, -infinity))
    return pc.if_else(inside, numbers, pa.scalar(None, numbers.type))


def from_numbers(values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return the inverse of :func:`as_numbers`."""
    if pa.types.is_date32(kind):
        return values.cast(pa.int32()).cast(kind)
    if pa.types.is_time64(kind):
        return pc.min_element_wise(pc.max_element_wise(values, 0), 86_399_999_999).cast(kind)
    return pc.round(values, kind.scale).cast(kind) if pa.types.is_decimal(kind) else values.cast(kind)


def plain(array: pa.Array) -> pa.Array:
    return array.cast(array.type.value_type) if pa.types.is_dictionary(array.type) else array


def as_type(values: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Return the values in a column's type, rounded where they must be; None if they do not fit."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    try:
        if pa.types.is_integer(kind) and (pa.types.is_floating(values.type) or pa.types.is_decimal(values.type)):
            values = pc.round(values.cast(pa.float64()))
        if pa.types.is_decimal(kind):
            return pc.round(values.cast(pa.float64()), kind.scale).cast(kind)
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None


def named_values(values: Sequence[str], kind: pa.DataType) -> list[pa.Array]:
    """Return literals as arrays of the column's type, with the neighbours of a number; none if it cannot hold them."""
    found = as_type(pa.array(values, pa.string()), kind)
    if found is None:
        return []
    if pa.types.is_integer(kind):
        one = pa.scalar(1, kind)
        return [found, pc.add(found, one), pc.subtract(found, one)]
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        numbers = found.cast(pa.float64())
        near = [as_type(pc.add(numbers, step), kind) for step in (-1.0, 1.0, -0.01, 0.01)]
        return [found, *(item for item in near if item is not None)]
    return [found]


def replaced(array: pa.Array, rows: Integers, values: pa.Array) -> pa.Array:
    """Return ``array`` with ``values`` at these rows; its dictionary grows by what is not in it."""
    index = np.arange(len(array))
    index[rows] = len(array) + np.arange(len(rows))
    if pa.types.is_dictionary(array.type):
        known = pa.types.is_dictionary(values.type)
        other = values if known else values.cast(array.type.value_type).dictionary_encode()
        joined = pa.chunked_array([array, other.cast(array.type)]).unify_dictionaries().combine_chunks()
        return joined.take(pa.array(index))
    same = values if values.type == array.type else plain(values).cast(array.type)
    return pa.concat_arrays([array, same]).take(pa.array(index))
