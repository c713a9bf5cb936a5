"""Keys compared in bulk: which row of one table equals which row of another, without a loop over rows.

Values are compared as a database would compare those of a foreign key: ``5.00`` equals ``5``, NULL equals nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.db.dialects.base import Keys
from dbclone.schema.model import Column, Table

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def keys_of(rows: pa.Table, table: Table, columns: Sequence[str]) -> tuple[Keys, Positions]:
    """Return the values that ``rows`` have in ``columns``, and the positions of these rows: those without a NULL."""
    values = rows.select(list(columns))
    positions = np.flatnonzero(np.logical_and.reduce([np.asarray(pc.is_valid(column)) for column in values.columns]))
    return Keys(columns=tuple(table.column(name) for name in columns), values=values.take(positions)), positions


def take(keys: Keys, positions: Positions) -> Keys:
    """Return the keys at these positions."""
    return Keys(columns=keys.columns, values=keys.values.take(positions))


def match(wanted: Keys, *among: Keys) -> Positions:
    """Return, for each of ``wanted``, the position of the first equal key of all ``among``, −1 where there is none."""
    mine, *others = numbered(wanted, *among)
    theirs = np.concatenate(others) if others else mine[:0]
    if not len(theirs):
        return np.full(len(mine), -1, dtype=np.int64)
    order = np.argsort(theirs, kind="stable")
    places = np.searchsorted(theirs[order], mine)
    places[places == len(order)] = 0
    return np.where(theirs[order[places]] == mine, order[places], -1)


def first_of_each(keys: Keys) -> Positions:
    """Return, for each key, the position of the first key that equals it."""
    return match(keys, keys)


def numbered(*several: Keys) -> list[Positions]:
    """Return a number for each key: two have the same number if they are equal, whichever columns they come from."""
    sizes = [keys.values.num_rows for keys in several]
    numbers = np.zeros(sum(sizes), dtype=np.int64)
    for place in range(len(several[0].columns)):
        parts = [_comparable(keys.values.column(place), keys.columns[place]) for keys in several]
        if len({part.type for part in parts}) > 1:
            parts = [part.cast(pa.string()) for part in parts]
        encoded = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type).combine_chunks()
        encoded = encoded.dictionary_encode()
        combined = numbers * len(encoded.dictionary) + np.asarray(encoded.indices)
        # Made small again after each column, so that the product never overflows.
        numbers = np.unique(combined, return_inverse=True)[1]
    return np.split(numbers, np.cumsum(sizes)[:-1])


def _comparable(values: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Return the values such that equal ones are identical: decimals without trailing zeros."""
    if column.kind != "decimal":
        return values
    return pc.replace_substring_regex(values, r"^(-?\d+)(?:\.0*|(\.\d*?)0+)$", r"\1\2")
