"""EXCLUDE constraints: ranges that overlap within a group are shifted behind each other.

Covered is what such constraints are nearly always made of: columns or expressions compared by ``=`` and one range
compared by ``&&``: a column of a range type, or two columns in a call such as ``tstzrange(starts, ends)``. Lengths are
kept; a range without an end that is not the last of its group ends where the next one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from dbclone.generate import unique
from dbclone.generate.constraints import compute
from dbclone.schema.checks import columns_of, parse, to_duckdb
from dbclone.schema.model import Exclusion, Table

Integers = npt.NDArray[np.int64]
Columns = Mapping[str, pa.Array]

_BOUNDS: Mapping[str, pa.DataType] = {
    "daterange": pa.date32(),
    "tsrange": pa.timestamp("us"),
    "tstzrange": pa.timestamp("us", "UTC"),
    "int4range": pa.int64(),
    "int8range": pa.int64(),
}
_DISCRETE = ("daterange", "int4range", "int8range")
_NO_END = np.iinfo(np.int64).max
_NO_START = np.iinfo(np.int64).min
_SECOND = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Spans:
    """An exclusion constraint that can be kept here.

    ``groups`` and ``predicate`` are DuckDB's SQL. The range is the column ``whole`` of type ``kind``, or goes from the
    column ``start`` to the column ``end``; ``closed`` says that its end belongs to it.
    """

    exclusion: Exclusion
    groups: tuple[str, ...]
    predicate: str | None
    reads: tuple[str, ...]
    kind: str
    whole: str | None = None
    start: str | None = None
    end: str | None = None
    closed: bool = False

    @property
    def written(self) -> tuple[str, ...]:
        """The columns that are changed."""
        return tuple(name for name in (self.whole, self.start, self.end) if name is not None)


def spans(table: Table, exclusion: Exclusion, dialect: str) -> Spans | None:
    """Return how an exclusion constraint is kept; None for one of another shape."""
    equal = {e: e if o == "=" else _alone(e, dialect) if o == "&&" else None for e, o in exclusion.elements}
    groups = [text for text in equal.values() if text is not None]
    ranges = [e for e, operator in exclusion.elements if operator == "&&" and equal[e] is None]
    if len(ranges) != 1 or len(ranges) + len(groups) != len(exclusion.elements):
        return None
    texts = [*groups, *([exclusion.predicate] if exclusion.predicate else [])]
    written = [to_duckdb(text, dialect) for text in texts]
    named = [columns_of(text, table, dialect) for text in texts]
    shape = _shape(table, ranges[0], dialect)
    if shape is None or None in written:
        return None
    expressions = [str(text) for text in written]
    predicate = expressions.pop() if exclusion.predicate else None
    kind, whole, start, end, closed = shape
    return Spans(
        exclusion=exclusion,
        groups=tuple(expressions),
        predicate=predicate,
        reads=tuple(dict.fromkeys(name for names in named for name in names or ())),
        kind=kind,
        whole=whole,
        start=start,
        end=end,
        closed=closed,
    )


def _alone(expression: str, dialect: str) -> str | None:
    """Return the value of a range of one value, which overlaps exactly its like: ``int4range(room, room, '[]')``."""
    tree = parse(expression, dialect)
    call = None if tree is None else tree.unnest()
    if not isinstance(call, exp.Anonymous) or len(call.expressions) != 3:
        return None
    low, high, bounds = call.expressions
    found = bounds.find(exp.Literal)
    alone = low == high and found is not None and str(found.this) == "[]"
    return str(low.sql(dialect="postgres")) if alone else None


def _shape(table: Table, expression: str, dialect: str) -> tuple[str, str | None, str | None, str | None, bool] | None:
    """Return the range's type, its column or its two columns, and whether the end is inclusive."""
    tree = parse(expression, dialect)
    tree = None if tree is None else tree.unnest()
    if isinstance(tree, exp.Column):
        kind = table.column(tree.name).type.rpartition(".")[2]
        return (kind, tree.name, None, None, False) if kind in _BOUNDS else None
    if not isinstance(tree, exp.Func):
        return None
    kind = (tree.name if isinstance(tree, exp.Anonymous) else tree.sql_name()).lower()
    arguments = list(tree.expressions) if isinstance(tree, exp.Anonymous) else list(tree.iter_expressions())
    found = [list(item.find_all(exp.Column)) for item in arguments[:2]]
    if kind not in _BOUNDS or len(found) != 2 or any(len(item) != 1 for item in found):
        return None
    literal = arguments[2].find(exp.Literal) if len(arguments) > 2 else None
    bounds = "[)" if literal is None else str(literal.this)
    return kind, None, found[0][0].name, found[1][0].name, bounds.endswith("]")


def separate(spans: Spans, table: Table, columns: Columns) -> dict[str, pa.Array] | None:
    """Return new arrays for the columns of the range in which no two rows of a group overlap; None if none did.

    Where a bound is part of a unique key, ranges that are empty get a length: two of them do not overlap, but may have
    the same bounds. Raises ValueError if the range is in a form that is not understood.
    """
    low, high, valid, crossed = _bounds(spans, columns)
    unit = 1 if spans.kind in _DISCRETE else _SECOND
    if spans.whole is None and any(set(spans.written) & set(key) for key in table.uniques()):
        crossed |= ~valid
        high, valid = np.where(valid, high, low + unit), np.ones(len(valid), dtype=bool)
    codes = np.where(valid, _groups(spans, table, columns), -1)
    gap = unit if spans.closed else 0
    order = np.lexsort((high, low, codes))
    order = order[codes[order] >= 0]
    new_low, new_high = low.copy(), high.copy()
    ends = np.flatnonzero(np.diff(codes[order], append=-1)) + 1
    for begin, end in zip(np.r_[0, ends[:-1]], ends, strict=True):
        rows = order[begin:end]
        if len(rows) > 1:
            if low[rows[0]] == _NO_START:
                raise ValueError("a range without a beginning overlaps all others of its group")
            new_low[rows], new_high[rows] = _in_a_row(low[rows], high[rows], gap, unit)
    moved = (new_low != low) | (new_high != high) | crossed
    return _written(spans, columns, new_low, new_high, moved) if moved.any() else None


def _in_a_row(low: Integers, high: Integers, gap: int, unit: int) -> tuple[Integers, Integers]:
    """Return the ranges of one group, in order, each beginning when those before it have ended at the earliest.

    With lengths d and their running sums S, the k-th ends at S_k + max over j ≤ k of (low_j − S_{j−1}).
    """
    last = len(low) - 1
    following = np.r_[low[1:], low[-1]]
    closed = np.where(high == _NO_END, np.maximum(following - gap, low + unit), high)
    closed[last] = high[last] if high[last] != _NO_END else low[last]
    length = np.maximum(closed - low, 0) + gap
    total = np.cumsum(length)
    finish = total + np.maximum.accumulate(low - (total - length))
    begin = finish - length
    out = finish - gap
    if high[last] == _NO_END:
        out[last] = _NO_END
    return begin, out


def _groups(spans: Spans, table: Table, columns: Columns) -> Integers:
    """Return a code per row for its group; −1 for rows that the constraint leaves out."""
    rows = len(columns[spans.written[0]])
    kept = f"COALESCE({spans.predicate}, FALSE)" if spans.predicate else "TRUE"
    if not spans.reads:
        return np.zeros(rows, dtype=np.int64)
    try:
        found = compute(table, [*spans.groups, kept], {name: columns[name] for name in spans.reads})
    except duckdb.Error as error:
        raise ValueError("its expressions cannot be computed outside the database") from error
    *parts, mask = (column.combine_chunks() for column in found.columns)
    codes = unique.tuple_codes(parts, rows)
    return np.where(mask.to_numpy(zero_copy_only=False).astype(bool), codes, -1)


# ---- Bounds as integers ---------------------------------------------------------------------------------------------


def _bounds(spans: Spans, columns: Columns) -> tuple[Integers, Integers, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return lower and upper bound per row, in this order (:data:`_NO_START` and :data:`_NO_END` for none).

    Also which rows have a range that is not empty, and which have their bounds the wrong way round.
    """
    if spans.whole is not None:
        lower, upper, present = _parsed(columns[spans.whole], _BOUNDS[spans.kind])
    else:
        lower, upper = (columns[name] for name in spans.written)
        present = np.ones(len(lower), dtype=bool)
    start = lower.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    end = upper.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    low = np.where(start, _integers(lower), _NO_START)
    high = np.where(end, _integers(upper), _NO_END)
    crossed = high < low
    low, high = np.minimum(low, high), np.maximum(low, high)
    return low, high, present & ((high > low) | spans.closed), crossed


def _integers(array: pa.Array) -> Integers:
    kind = pa.int32() if pa.types.is_date32(array.type) else pa.int64()
    out: Integers = pc.fill_null(array.cast(kind), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return out


_TEXT = r'^(?P<open>[\[(])"?(?P<low>[^",]*)"?,"?(?P<high>[^"\])]*)"?(?P<close>[\])])$'


def _parsed(texts: pa.Array, kind: pa.DataType) -> tuple[pa.Array, pa.Array, npt.NDArray[np.bool_]]:
    """Return the bounds of range texts, as ``[lower,upper)``: ``[1,3]`` → 1, 4 where the type is discrete."""
    plain = texts.cast(texts.type.value_type) if pa.types.is_dictionary(texts.type) else texts
    found = pc.extract_regex(plain, _TEXT)
    present = found.is_valid().to_numpy(zero_copy_only=False).astype(bool)
    if (plain.is_valid().to_numpy(zero_copy_only=False) & ~present).sum() > pc.sum(pc.equal(plain, "empty")).as_py():
        raise ValueError("its ranges are written in a form that is not understood")

    def bound(name: str) -> pa.Array:
        text = found.field(name) if present.all() else pc.if_else(pa.array(present), found.field(name), None)
        empty = pc.or_(pc.equal(text, ""), pc.equal(text, "infinity"))
        filled = pc.if_else(empty, None, text)
        if pa.types.is_timestamp(kind) and kind.tz:
            filled = pc.replace_substring_regex(filled, r"([+-]\d\d)$", r"\1:00")
        return filled.cast(kind)

    low, high = bound("low"), bound("high")
    if pa.types.is_integer(kind) or pa.types.is_date(kind):
        whole = pa.int32() if pa.types.is_date(kind) else pa.int64()
        later = pc.add(high.cast(whole), pa.scalar(1, whole)).cast(kind)
        high = pc.if_else(pc.equal(found.field("close"), "]"), later, high)
        after = pc.add(low.cast(whole), pa.scalar(1, whole)).cast(kind)
        low = pc.if_else(pc.equal(found.field("open"), "("), after, low)
    return low, high, present


def _written(
    spans: Spans, columns: Columns, low: Integers, high: Integers, moved: npt.NDArray[np.bool_]
) -> dict[str, pa.Array]:
    """Return the columns of the range with new bounds in the rows that moved."""
    if spans.whole is None:
        return {
            name: pc.if_else(pa.array(moved), _array(values, columns[name].type), columns[name])
            for name, values in zip(spans.written, (low, high), strict=True)
        }
    kind = _BOUNDS[spans.kind]
    texts = [pc.fill_null(_array(values, kind).cast(pa.string()), "") for values in (low, high)]
    if pa.types.is_timestamp(kind):
        texts = [pc.if_else(pc.equal(text, ""), "", pc.binary_join_element_wise('"', text, '"', "")) for text in texts]
    made = pc.binary_join_element_wise("[", texts[0], ",", texts[1], ")", "")
    old = columns[spans.whole]
    plain = old.cast(old.type.value_type) if pa.types.is_dictionary(old.type) else old
    return {spans.whole: pc.if_else(pa.array(moved), made, plain)}


def _array(values: Integers, kind: pa.DataType) -> pa.Array:
    none = (values == _NO_END) | (values == _NO_START)
    filled = np.where(none, 0, values)
    if pa.types.is_date32(kind):
        return pa.array(filled.astype(np.int32), mask=none).cast(kind)
    return pa.array(filled, mask=none).cast(kind)
