"""Axes: a column's values as floats, on which they are learned, and the grid that they lie on.

Dates are days, times microseconds (since 1970 for timestamps, months of 30 days in intervals), booleans 0 and 1, text
its position in a list of labels. What is no number (infinity, NaN) stands apart, at the values that
:mod:`dbclone.model.marginal` names for it; NULL is NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.literals import DATE_INFINITY, MONTH_DAYS, TIME_INFINITY, interval_fields, interval_signs
from dbclone.model.marginal import APART, INFINITE, LARGEST, NOT_A_NUMBER, Marginal
from dbclone.schema.classify import SHARED_BY
from dbclone.schema.model import Column

Floats = npt.NDArray[np.float64]
Values: TypeAlias = "pa.Array | pa.ChunkedArray"

_DAY = 86_400_000_000
_GRIDS = ((-8, MONTH_DAYS * _DAY), (-6, _DAY), (-4, 3_600_000_000), (-2, 60_000_000), (0, 1_000_000), (3, 1_000))
"""Grids of times by ``decimals``, coarsest first; see :class:`~dbclone.model.rules.Learned`."""
_MOST_DECIMALS = 9
_FLOAT_DIGITS = 15
"""Every number of so many digits is told apart from its neighbours as a double."""
_MOST_EXACT = 1e15
"""Above this, digits after the point say nothing: a double has sixteen digits."""


def learned_axis(column: Column, values: Values, labels: Sequence[str] = ()) -> tuple[Floats, int | None]:
    """Return a column's values as floats and the ``decimals`` of their grid; text that is no label is NaN."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if column.kind in ("text", "enum"):
        position = pc.index_in(flat, value_set=pa.array(labels, flat.type))
        return _floats(position), None
    if column.kind == "boolean":
        return _floats(flat.cast(pa.int8())), None
    if column.kind == "decimal":
        return _numbers(_floats(flat.cast(pa.float64())), flat), _text_decimals(flat)
    if column.kind == "float":
        axis = _numbers(_floats(flat), flat)
        return axis, _float_decimals(axis[np.abs(axis) < _MOST_EXACT])
    if column.kind == "integer":
        return _floats(flat), 0
    if column.kind == "date":
        return _apart(_floats(flat.cast(pa.int32())), DATE_INFINITY), None
    if column.kind == "interval":
        return _interval_axis(flat)
    units = flat.cast(pa.int64())
    numbers = units.drop_null().to_numpy()
    return _apart(_floats(units), TIME_INFINITY), _grid(numbers[np.abs(numbers) < TIME_INFINITY], _GRIDS[1:])


def interval_units(values: Values) -> tuple[str, ...]:
    """Return which parts the intervals use, largest first: some of ``months``, ``days`` and ``time``."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    fields = interval_fields(flat.drop_null())
    finite = fields[interval_signs(fields) == 0]
    parts = {"months": "months", "days": "days", "time": "nanos"}
    return tuple(name for name, field in parts.items() if finite[field].any()) or ("time",)


def exact_atoms(column: Column, values: Values, marginal: Marginal) -> tuple[tuple[float, str], ...]:
    """Return the atoms of more digits than a float keeps, each with the number that most rows have there, as text."""
    if column.kind not in ("integer", "decimal"):
        return ()
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    counts = flat.cast(pa.string()).drop_null().value_counts()
    long = pc.greater(pc.utf8_length(counts.field("values")), _FLOAT_DIGITS)
    shared = counts.filter(pc.and_(long, pc.greater_equal(counts.field("counts"), SHARED_BY))).to_pylist()
    atoms = set(marginal.low[marginal.low == marginal.high].tolist())
    exact: dict[float, str] = {}
    for found in sorted(shared, key=lambda item: (-item["counts"], item["values"])):
        text = str(found["values"])
        number = float(text)
        if number in atoms and abs(number) < APART:
            exact.setdefault(number, text)
    return tuple(exact.items())


def _interval_axis(values: pa.Array) -> tuple[Floats, int | None]:
    fields = interval_fields(values)
    days = fields["months"].astype(np.int64) * MONTH_DAYS + fields["days"]
    microseconds = fields["nanos"] // 1000
    signs = interval_signs(fields)
    null = values.is_null().to_numpy(zero_copy_only=False)
    axis = np.where(signs != 0, signs * INFINITE, days.astype(np.float64) * _DAY + microseconds)
    finite = (signs == 0) & ~null
    # Of days and microseconds together, which need not fit into 64 bits, only what is within a month counts.
    units = days[finite] % MONTH_DAYS * _DAY + microseconds[finite]
    return np.where(null, np.nan, axis), _grid(units, _GRIDS)


def _grid(units: npt.NDArray[np.int64], grids: Sequence[tuple[int, int]]) -> int:
    return next((decimals for decimals, unit in grids if not (units % unit).any()), 6)


def _floats(values: pa.Array) -> Floats:
    out: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return out


def _apart(axis: Floats, infinity: int) -> Floats:
    """Return units with those that are infinite where infinity stands."""
    return np.where(np.abs(axis) >= float(infinity), np.sign(axis) * INFINITE, axis)


def _numbers(axis: Floats, values: pa.Array) -> Floats:
    """Return numbers with NaN and infinity where they stand, the others not beyond :data:`LARGEST`."""
    null = values.is_null().to_numpy(zero_copy_only=False)
    if pa.types.is_string(values.type):
        # A number of more digits than a double has an exponent for is large, not infinite.
        infinite = np.asarray(pc.fill_null(pc.match_substring(values, "Infinity"), False))
    else:
        infinite = np.isinf(axis)
    clipped = np.where(infinite, np.sign(axis) * INFINITE, np.clip(axis, -LARGEST, LARGEST))
    return np.where(null, np.nan, np.where(np.isnan(axis), NOT_A_NUMBER, clipped))


def _text_decimals(values: pa.Array) -> int:
    """Return the digits after the point that the numbers use; trailing zeros count as none."""
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.string())
    fractions = pc.extract_regex(pc.utf8_rtrim(values.cast(pa.string()), "0"), r"\.(?P<digits>\d*)$")
    longest = pc.max(pc.utf8_length(pc.struct_field(fractions, "digits"))).as_py()
    return int(longest or 0)


def _float_decimals(values: Floats) -> int | None:
    """Return the digits after the point that floats were rounded to; None for those that were not."""
    for decimals in range(_MOST_DECIMALS + 1):
        if np.allclose(np.round(values, decimals), values, rtol=1e-15, atol=0.0):
            return decimals
    return None
