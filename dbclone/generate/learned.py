"""Learned values: from normal scores, by the marginal's axis, to values on the column's own grid and in its type."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Floats, Name
from dbclone.generate.streams import Integers, Streams
from dbclone.model.flow import arrow_type
from dbclone.model.grids import MICROSECONDS, decimal_grid, microseconds
from dbclone.model.literals import DATE_INFINITY, TIME_INFINITY, infinite_intervals, intervals
from dbclone.model.marginal import APART, NOT_A_NUMBER
from dbclone.model.rules import Learned
from dbclone.schema.model import Column

Nulls = npt.NDArray[np.bool_]

_DAY = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -2_440_588, 2_145_031_948
"""The days that PostgreSQL has: 24 November 4714 BC to 31 December 5874897."""
_FIRST_MOMENT, _LAST_MOMENT = -210_866_803_200_000_000, 2**63 - 2**11
"""The microseconds that PostgreSQL has, and, at the end, 64 bits."""
_LARGEST_FLOAT4 = 3.4028234e38
_MOST_EXACT = 1e15


def normal_scores(index: Integers, streams: Streams, name: Name) -> Floats:
    """Return independent normal scores (Box and Muller, 1958)."""
    first = arrays.uniform(index, arrays.stream_key(streams, *name, "radius"))
    second = arrays.uniform(index, arrays.stream_key(streams, *name, "angle"))
    scores: Floats = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    return scores


def learned_values(rule: Learned, column: Column, scores: Floats) -> pa.Array:
    """Return what the marginal has at the scores."""
    values = rule.marginal.decode(scores)
    return on_axis(values, np.isnan(values) if rule.marginal.null_share else None, rule, column)


def on_axis(values: Floats, null: Nulls | None, rule: Learned, column: Column) -> pa.Array:
    """Return numbers on a rule's axis as values of the column, rounded to the grid, within its type."""
    if rule.categories:
        last = len(rule.categories) - 1
        codes = np.clip(np.rint(_filled(values, null)), 0, last).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=null), arrays.pooled(rule.categories))
    if rule.kind == "decimal":
        return _decimals(rule, column, values, null)
    if rule.kind == "float":
        return pa.array(_floats(rule, column, values), mask=null)
    values = _filled(values, null)
    if rule.kind == "boolean":
        return pa.array(values >= 0.5, mask=null)
    if rule.kind == "integer":
        # The largest double below 2**63 is 2**63 - 1024.
        limit = min(arrays.INTEGER_LIMITS.get(column.bytes or 8, 2**63), 2**63 - 1024)
        whole = np.clip(np.rint(values), -limit - 1, limit).astype(np.int64)
        for atom, text in rule.exact:
            whole[values == atom] = int(text)
        return pa.array(whole, mask=null)
    if rule.kind == "date":
        days = np.clip(np.rint(values), _FIRST_DAY, _LAST_DAY).astype(np.int64)
        return pa.array(_infinite(days, values, DATE_INFINITY).astype(np.int32), mask=null).cast(pa.date32())
    if rule.kind == "interval":
        return _intervals(rule, values, null)
    units = _infinite(_on_grid(values, rule), values, TIME_INFINITY)
    return pa.array(units, mask=null).cast(arrow_type(rule.kind))


def _filled(values: Floats, null: Nulls | None) -> Floats:
    return values if null is None else np.where(null, 0.0, values)


def _infinite(units: Integers, values: Floats, infinity: int) -> Integers:
    """Return units with infinity where the axis has it."""
    apart = np.abs(values) >= APART
    return np.where(apart, np.where(values > 0, infinity, -infinity), units) if apart.any() else units


def _on_grid(values: Floats, rule: Learned) -> Integers:
    """Return microseconds, rounded to the rule's grid; a time of day stays within its day."""
    unit = microseconds(rule)
    if rule.kind == "time":
        first, last = 0.0, float(_DAY // unit - 1)
    else:
        first, last = float(_FIRST_MOMENT // unit), float(_LAST_MOMENT // unit)
    return np.clip(np.rint(values / unit), first, last).astype(np.int64) * unit


def _intervals(rule: Learned, values: Floats, null: Nulls | None) -> pa.Array:
    """Return intervals in the parts that the rule uses, larger ones first; all parts of the sign of the whole."""
    unit = microseconds(rule)
    signs = np.where(np.abs(values) >= APART, np.sign(values), 0).astype(np.int8)
    finite = np.where(signs != 0, 0.0, values)
    months = np.zeros(len(values), dtype=np.int64)
    days = np.zeros(len(values), dtype=np.int64)
    rest = np.rint(finite / unit) * unit
    if "months" in rule.units:
        months = np.fix(rest / MICROSECONDS[-8]).astype(np.int64)
        rest = rest - months * float(MICROSECONDS[-8])
    if "days" in rule.units:
        days = np.fix(rest / _DAY).astype(np.int64)
        rest = rest - days * float(_DAY)
    units = np.clip(rest, -(2.0**62), 2.0**62).astype(np.int64)
    found = intervals(months, days, np.rint(units / unit).astype(np.int64) * unit, null)
    return infinite_intervals(found, signs) if signs.any() else found


def _floats(rule: Learned, column: Column, values: Floats) -> Floats:
    apart = np.abs(values) >= APART
    rounded = values
    if rule.decimals is not None:
        small = np.abs(values) < _MOST_EXACT
        rounded = np.where(small, np.round(np.where(small, values, 0.0), rule.decimals), values)
    if column.bytes == 4:
        rounded = np.clip(rounded, -_LARGEST_FLOAT4, _LARGEST_FLOAT4)
        # What a float of four bytes has no exponent for is refused, not rounded to zero.
        rounded = np.where(rounded.astype(np.float32) == 0.0, 0.0, rounded)
    if not apart.any():
        return rounded
    return np.where(values >= NOT_A_NUMBER, np.nan, np.where(apart, np.copysign(np.inf, values), rounded))


# ---- Decimals -------------------------------------------------------------------------------------------------------

_WORDS = 38
"""Digits of an Arrow decimal."""


def _decimals(rule: Learned, column: Column, values: Floats, null: Nulls | None) -> pa.Array:
    """Return decimal128 on the column's grid; text if the rule's values do not fit into 64 bits there, or are no
    numbers.

    Which of them depends on the rule only, so that all batches of a column are of one type.
    """
    grid = decimal_grid(rule, column)
    scale = max(grid, column.scale if column.scale is not None else grid, 0)
    ends = np.abs(np.concatenate([rule.marginal.low, rule.marginal.high]))
    with_words = bool((ends >= APART).any())
    largest = float(np.max(ends[ends < APART], initial=0.0))
    apart = np.abs(values) >= APART
    if column.precision is not None and column.precision - (column.scale or 0) < 300:
        bound = 10.0 ** (column.precision - (column.scale or 0))
        last = max(min(bound - 10.0**-grid, float(np.nextafter(bound, 0.0))), 0.0)
        largest = min(largest, last)
        values = (
            np.clip(values, -last, last) if not with_words else np.where(apart, values, np.clip(values, -last, last))
        )
    if with_words or rule.exact or scale > _WORDS - 19 or (largest + 1) * 10.0**scale >= 2.0**63:
        return _decimal_texts(values, null, grid, dict(rule.exact))
    units = np.rint(_filled(values, null) * 10.0**grid).astype(np.int64) * 10 ** (scale - grid)
    return arrays.decimals(units, null, min(column.precision or _WORDS, _WORDS), scale)


def _decimal_texts(values: Floats, null: Nulls | None, grid: int, exact: Mapping[float, str]) -> pa.Array:
    """Return numbers with so many digits after the point, or rounded before it if ``grid`` is negative."""
    unit = 10**-grid if grid < 0 else 1

    def spelled(value: float) -> str:
        if abs(value) >= APART:
            return "NaN" if value >= NOT_A_NUMBER else "Infinity" if value > 0 else "-Infinity"
        if value in exact:
            return exact[value]
        return f"{round(value / unit) * unit if grid < 0 else value:.{max(grid, 0)}f}"

    texts = [None if np.isnan(value) else spelled(value) for value in values.tolist()]
    out = pa.array(texts, pa.string())
    return out if null is None else pc.if_else(pa.array(null), pa.scalar(None, pa.string()), out)
