"""Uniqueness within a batch: rows that repeat a key exchange the row they refer to, or draw a value again.

Batches hold whole families (all children of a parent), so a key that names the parent cannot be repeated in another
batch. Exchanging keeps every fan-out as it is; rows exchange with rows of similar score first.

A :class:`Key` is any unique key as DuckDB can compute it: of expressions, for some rows only, or with NULL as a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate.constraints import compute
from dbclone.model.rules import Learned, Rule
from dbclone.schema.checks import columns_of, to_duckdb
from dbclone.schema.model import Column, Exclusion, Table, UniqueKey

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

ROUNDS = 60


@dataclass(frozen=True, kw_only=True)
class Key:
    """A unique key. ``parts`` and ``predicate`` are DuckDB's SQL; ``reads`` are all columns that they name."""

    key: UniqueKey
    parts: tuple[str, ...]
    predicate: str | None
    reads: tuple[str, ...]

    def values(self, table: Table, columns: Mapping[str, pa.Array]) -> list[pa.Array]:
        """Return the parts' values, all NULL for rows that the predicate leaves out, and whether it keeps a row."""
        kept = f"COALESCE({self.predicate}, FALSE)" if self.predicate else "TRUE"
        found = compute(table, [*self.parts, kept], {name: columns[name] for name in self.reads})
        return [column.combine_chunks() for column in found.columns]

    def codes(self, values: Sequence[pa.Array]) -> Integers:
        """Return one code per row, equal for rows that must not both be there; −1 for rows free of the key."""
        *parts, kept = values
        codes = tuple_codes(parts, len(kept), nulls_distinct=self.key.nulls_distinct)
        return np.where(kept.to_numpy(zero_copy_only=False).astype(bool), codes, -1)


def special_keys(table: Table, dialect: str, types: Mapping[str, pa.DataType]) -> tuple[list[Key], list[UniqueKey]]:
    """Return the keys of a table that are not just columns of all rows, and those that cannot be computed here."""
    found: list[Key] = []
    unknown: list[UniqueKey] = []
    alike = [_as_key(exclusion) for exclusion in table.exclusions if is_equality(exclusion)]
    for key in (*table.unique_keys, *table.partition_keys, *alike):
        folded = any(is_folded(table.column(name)) for name in key.columns)
        if key.is_plain and key.nulls_distinct and not folded:
            continue
        # A condition that cannot be computed here is taken to hold for every row: more than is asked for. Of
        # expressions, the columns that they read are taken: different values need not, but will nearly always give
        # different results.
        read = tuple(name for text in key.expressions for name in columns_of(text, table, dialect) or ())
        bare = replace(key, columns=(*key.columns, *read), expressions=(), predicate=None)
        tries = (key, replace(key, predicate=None), bare)
        made = next(filter(None, (_key(table, item, dialect, types) for item in tries)), None)
        if made is None:
            unknown.append(key)
        else:
            found.append(made)
    return found, unknown


def is_equality(exclusion: Exclusion) -> bool:
    """Whether an exclusion constraint says no more than a unique key does."""
    return all(operator == "=" for _, operator in exclusion.elements)


def _as_key(exclusion: Exclusion) -> UniqueKey:
    expressions = tuple(expression for expression, _ in exclusion.elements)
    return UniqueKey(name=exclusion.name, columns=(), expressions=expressions, predicate=exclusion.predicate)


def _key(table: Table, key: UniqueKey, dialect: str, types: Mapping[str, pa.DataType]) -> Key | None:
    parts = [f"LOWER({_quoted(n)})" if is_folded(table.column(n)) else _quoted(n) for n in key.columns]
    texts = [*key.expressions, *([key.predicate] if key.predicate else [])]
    written = [to_duckdb(text, dialect) for text in texts]
    named = [columns_of(text, table, dialect) for text in texts]
    reads = tuple(dict.fromkeys([*key.columns, *(name for names in named for name in names or ())]))
    if None in written or not reads or not set(reads) <= set(types):
        return None
    expressions = [str(text) for text in written]
    predicate = expressions.pop() if key.predicate else None
    made = Key(key=key, parts=(*parts, *expressions), predicate=predicate, reads=reads)
    try:
        made.values(table, {name: pa.array([], type=types[name]) for name in reads})
    except duckdb.Error:
        return None
    return made


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def is_folded(column: Column) -> bool:
    """Whether the column's type compares without case."""
    return column.type.rpartition(".")[2] == "citext"


def tuple_codes(columns: Sequence[pa.Array | pa.ChunkedArray], rows: int, *, nulls_distinct: bool = True) -> Integers:
    """Return one code per row, equal exactly where all columns are equal; −1 where a column is NULL.

    With ``nulls_distinct`` False, NULL is a value like any other.
    """
    codes = np.zeros(rows, dtype=np.int64)
    missing = np.zeros(rows, dtype=bool)
    for column in columns:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = array if pa.types.is_dictionary(array.type) else array.dictionary_encode()
        index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing |= index < 0
        codes = np.unique(codes * (len(encoded.dictionary) + 1) + index + 1, return_inverse=True)[1].astype(np.int64)
    return np.where(missing, -1, codes) if nulls_distinct else codes


def repeats(codes: Integers) -> Integers:
    """Return the positions of all but the first row of each code; negative codes (NULL) repeat nothing."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    return np.asarray(order[1:][(ordered[1:] == ordered[:-1]) & (ordered[1:] >= 0)])


def redraw(codes_of: Callable[[Integers | None], Integers]) -> bool:
    """Draw the values of repeated rows again until none repeats; return whether that succeeded.

    ``codes_of(rows)`` draws the values of these rows again (None: of no row) and returns the codes of all rows.
    """
    codes = codes_of(None)
    for _ in range(4 * ROUNDS):
        rows = repeats(codes)
        if not len(rows):
            return True
        codes = codes_of(rows)
    return not len(repeats(codes))


_UNITS = {-6: 86_400_000_000, -4: 3_600_000_000, -2: 60_000_000}
"""Microseconds of a learned time's grid, by its negative ``decimals``."""


def is_spaced(rule: Rule) -> TypeGuard[Learned]:
    """Whether the values of a rule are numbers or times, between which there are others."""
    kinds = ("integer", "decimal", "date", "timestamp", "timestamptz")
    return isinstance(rule, Learned) and not rule.categories and rule.kind in kinds


def above(values: pa.Array, rule: Learned, count: int) -> pa.Array:
    """Return ``count`` different values of the rule's grid that are higher than all of ``values``."""
    at, unit = _steps(values, rule)
    return _values(int(at.max(initial=0)) + 1 + np.arange(count), unit, values.type, rule)


def _steps(values: pa.Array, rule: Learned) -> tuple[Integers, float]:
    """Return the values in units of their grid, NULL as 0, and the unit."""
    if rule.kind == "decimal":
        unit, numbers = 10.0 ** -(rule.decimals or 0), values.cast(pa.float64())
    else:
        decimals = 6 if rule.decimals is None else rule.decimals
        times = rule.kind in ("timestamp", "timestamptz")
        unit = float(_UNITS[decimals] if decimals < 0 else 10 ** (6 - decimals)) if times else 1.0
        numbers = values.cast(pa.int32() if rule.kind == "date" else pa.int64())
    return np.rint(pc.fill_null(numbers, 0).to_numpy(zero_copy_only=False) / unit).astype(np.int64), unit


def _values(at: Integers, unit: float, kind: pa.DataType, rule: Learned) -> pa.Array:
    """Return what is so many units up on the grid."""
    if rule.kind == "decimal":
        return pc.round(pa.array(at * unit), rule.decimals or 0).cast(kind)
    return pa.array(at * int(unit)).cast(pa.int32() if rule.kind == "date" else pa.int64()).cast(kind)


def spread(others: Sequence[pa.Array], values: pa.Array, rule: Learned) -> pa.Array:
    """Return ``values``, moved up by units of their grid where rows repeat (others, value), as far as it takes."""
    rows = len(values)
    at, unit = _steps(values, rule)
    codes = tuple_codes([*others, values], rows)
    family = tuple_codes(others, rows) if others else np.zeros(rows, dtype=np.int64)
    free = codes >= 0
    order = np.lexsort((at, family))
    order = order[free[order]]
    begins = np.r_[True, family[order][1:] != family[order][:-1]] if len(order) else np.zeros(0, dtype=bool)
    place = np.arange(len(order))
    start = np.maximum.accumulate(np.where(begins, place, 0))
    # Within a family in order, the k-th value is at least k - j above the j-th: a running maximum of value - position.
    lift = at[order] - (place - start)
    for begin, end in zip(np.flatnonzero(begins), np.r_[np.flatnonzero(begins)[1:], len(order)], strict=True):
        lift[begin:end] = np.maximum.accumulate(lift[begin:end])
    at[order] = lift + (place - start)
    return pc.if_else(values.is_valid(), _values(at, unit, values.type, rule), values)
