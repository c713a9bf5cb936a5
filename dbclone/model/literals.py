r"""How values are spelled as text, both ways: what a database prints, and what it reads whatever its settings are.

ISO 8601, with ``BC``, ``infinity`` and the like as PostgreSQL spells them, since neither Arrow nor ISO has words for
them. Infinite dates and timestamps are ± the largest number of their Arrow type, as in DuckDB, an infinite interval has
it in all three parts. Pure.

Source of the spellings: PostgreSQL manual, sections 8.5, 8.15.6, 8.16.6 and 8.17.5.
"""

from __future__ import annotations

import binascii
import re
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.flow import arrow_type
from dbclone.schema.model import TypeKind

Integers = npt.NDArray[np.int64]

DATE_INFINITY = 2**31 - 1
TIME_INFINITY = 2**63 - 1
MONTH_DAYS = 30
"""Days of a month where intervals are compared: so PostgreSQL does."""

_DAY_US = 86_400_000_000
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""The years 1 and 9999, between which Arrow's spelling is everybody's."""
INTERVAL = np.dtype([("months", "<i4"), ("days", "<i4"), ("nanos", "<i8")])
"""An Arrow month_day_nano_interval in memory."""


# ---- From values to text ---------------------------------------------------------------------------------------------


def text_of(values: pa.Array) -> pa.Array:
    r"""Return values as the text of their type: ``0044-03-15 BC``, ``infinity``, ``\x00ff``; NULL stays NULL."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return text_of(values.cast(kind.value_type))
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _hexadecimal(values).cast(pa.string())
    if pa.types.is_interval(kind):
        return _interval_text(values)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _day_text(values)
    return values.cast(pa.string())


def writable(values: pa.Array) -> pa.Array:
    """Return values in a type that any writer of text spells right: themselves, or else text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return writable(values.cast(kind.value_type))
    if pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_interval(kind):
        return _interval_text(values)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return _hexadecimal(values)
    if (pa.types.is_date(kind) or pa.types.is_timestamp(kind)) and _odd_days(values).any():
        return _day_text(values)
    return values


def _hexadecimal(values: pa.Array) -> pa.Array:
    r"""Return ``\x`` and two digits per byte, as large_string; the digits of all values are made in one call.

    ``b"\x00a"`` → ``"\x0061"``.
    """
    values = values.cast(pa.large_binary())
    offsets = np.frombuffer(values.buffers()[1], np.int64)[values.offset : values.offset + len(values) + 1]
    content = values.buffers()[2]
    data = memoryview(content)[offsets[0] : offsets[-1]] if len(values) and content is not None else b""
    digits = pa.py_buffer(binascii.hexlify(data))
    doubled = pa.py_buffer(2 * (offsets - offsets[0])) if len(values) else pa.py_buffer(np.zeros(1, np.int64))
    text = pa.Array.from_buffers(pa.large_string(), len(values), [None, doubled, digits])
    mark, nothing = (pa.scalar(word, pa.large_string()) for word in ("\\x", ""))
    prefixed = pc.binary_join_element_wise(mark, text, nothing)
    return pc.if_else(values.is_valid(), prefixed, pa.scalar(None, pa.large_string()))


def _units(values: pa.Array) -> Integers:
    """Return days or microseconds since 1970; 0 for NULL."""
    if pa.types.is_date(values.type):
        return np.asarray(pc.fill_null(values.cast(pa.int32()), 0)).astype(np.int64)
    plain = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64())
    return np.asarray(pc.fill_null(plain, 0))


def _odd_days(values: pa.Array) -> npt.NDArray[np.bool_]:
    units = _units(values)
    scale = 1 if pa.types.is_date(values.type) else _DAY_US
    return (units < _FIRST_DAY * scale) | (units >= (_LAST_DAY + 1) * scale)


def _day_text(values: pa.Array) -> pa.Array:
    """Return dates and timestamps as text, one at a time those that Arrow has no spelling for."""
    odd = _odd_days(values)
    plain = pc.if_else(pa.array(odd), pa.scalar(None, values.type), values).cast(pa.string())
    if not odd.any():
        return plain
    units, is_date = _units(values), pa.types.is_date(values.type)
    zone = "+00" if not is_date and values.type.tz else ""
    texts = [_odd_text(int(unit), is_date=is_date, zone=zone) for unit in units[odd]]
    return pc.replace_with_mask(plain, pa.array(odd), pa.array(texts, pa.string()))


def _odd_text(unit: int, *, is_date: bool, zone: str) -> str:
    infinity = DATE_INFINITY if is_date else TIME_INFINITY
    if abs(unit) >= infinity:
        return "infinity" if unit > 0 else "-infinity"
    text = str(np.datetime64(unit, "D" if is_date else "us")).replace("T", " ")
    negative, year, rest = re.fullmatch(r"(-?)(\d+)(-.*)", text).groups()  # type: ignore[union-attr]
    # Astronomers' year 0 is 1 BC.
    before = bool(negative) or int(year) == 0
    return f"{int(year) + 1 if before else int(year):04d}{rest}{zone}{' BC' if before else ''}"


def interval_fields(values: pa.Array) -> npt.NDArray[np.void]:
    """Return months, days and nanoseconds (:data:`INTERVAL`) of each interval; anything where it is NULL."""
    buffer = values.buffers()[1]
    if buffer is None:
        return np.zeros(len(values), INTERVAL)
    return np.frombuffer(buffer, INTERVAL)[values.offset : values.offset + len(values)]


def intervals(months: Integers, days: Integers, microseconds: Integers, null: npt.NDArray[np.bool_] | None) -> pa.Array:
    """Return intervals. A part beyond its type, 292 years of microseconds say, goes to the next larger part."""
    most = TIME_INFINITY // 1000 // _DAY_US * _DAY_US
    carried = np.where(np.abs(microseconds) > most, np.fix(microseconds / _DAY_US), 0).astype(np.int64)
    fields = np.zeros(len(months), INTERVAL)
    limit = DATE_INFINITY - 1
    fields["months"] = np.clip(months, -limit, limit)
    fields["days"] = np.clip(days + carried, -limit, limit)
    fields["nanos"] = (microseconds - carried * _DAY_US) * 1000
    return _interval_array(fields, null)


def infinite_intervals(values: pa.Array, signs: npt.NDArray[np.int8]) -> pa.Array:
    """Return intervals, infinite where ``signs`` is −1 or 1."""
    fields = interval_fields(values).copy()
    for name, most in (("months", DATE_INFINITY), ("days", DATE_INFINITY), ("nanos", TIME_INFINITY)):
        fields[name] = np.where(signs != 0, signs.astype(np.int64) * most, fields[name])
    return _interval_array(fields, np.asarray(values.is_null()))


def interval_signs(fields: npt.NDArray[np.void]) -> npt.NDArray[np.int8]:
    """Return −1, 0 or 1 for negatively infinite, finite and infinite intervals."""
    infinite = np.abs(fields["nanos"]) == TIME_INFINITY
    return np.where(infinite, np.sign(fields["nanos"]), 0).astype(np.int8)


def _interval_array(fields: npt.NDArray[np.void], null: npt.NDArray[np.bool_] | None) -> pa.Array:
    validity = None if null is None or not null.any() else pa.py_buffer(np.packbits(~null, bitorder="little"))
    return pa.Array.from_buffers(pa.month_day_nano_interval(), len(fields), [validity, pa.py_buffer(fields)])


def _interval_text(values: pa.Array) -> pa.Array:
    """Return ``+1 mons -2 days +03:04:05.000006``: every part with its sign, which no style of intervals misreads."""
    fields = interval_fields(values)
    microseconds = fields["nanos"] // 1000
    size = np.abs(microseconds)
    seconds, fraction = np.divmod(size, 1_000_000)
    minutes, seconds = np.divmod(seconds, 60)
    hours, minutes = np.divmod(minutes, 60)
    clock = pc.binary_join_element_wise(
        pa.array(np.where(microseconds < 0, "-", "+")),
        _padded(hours, 2), ":", _padded(minutes, 2), ":", _padded(seconds, 2), ".", _padded(fraction, 6), "",
    )  # fmt: skip
    months, days = _signed(fields["months"]), _signed(fields["days"])
    text = pc.binary_join_element_wise(months, " mons ", days, " days ", clock, "")
    signs = interval_signs(fields)
    text = pc.if_else(pa.array(signs == 1), "infinity", pc.if_else(pa.array(signs == -1), "-infinity", text))
    return pc.if_else(values.is_valid(), text, pa.scalar(None, pa.string()))


def _padded(numbers: Integers, width: int) -> pa.Array:
    return pc.utf8_lpad(pa.array(numbers).cast(pa.string()), width, "0")


def _signed(numbers: npt.NDArray[np.int32]) -> pa.Array:
    size = pa.array(np.abs(numbers.astype(np.int64))).cast(pa.string())
    return pc.binary_join_element_wise(pa.array(np.where(numbers < 0, "-", "+")), size, "")


# ---- From text to values ---------------------------------------------------------------------------------------------


def typed(kind: TypeKind, texts: pa.Array) -> pa.Array:
    """Return text as values of the Arrow type of ``kind``. Times with a zone become UTC's, 24:00 the moment before."""
    if kind in ("date", "timestamp", "timestamptz"):
        return _days(kind, texts)
    if kind == "time":
        return _times(texts)
    if kind == "interval":
        return _intervals(texts)
    if kind == "binary":
        return from_hexadecimal(texts)
    if kind == "boolean":
        return pc.if_else(texts.is_valid(), pc.is_in(texts, pa.array(["t", "true"])), pa.scalar(None, pa.bool_()))
    if kind == "decimal":
        # Money comes with the sign of its currency and with commas between the thousands.
        is_plain = pc.match_substring_regex(texts, r"^(-?[\d.]+|NaN|-?Infinity)$")
        return pc.if_else(is_plain, texts, pc.replace_substring_regex(texts, r"[^\d.-]", ""))
    return texts.cast(arrow_type(kind))


_PLAIN = {
    "date": r"^\d{4}-\d\d-\d\d$",
    "timestamp": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?$",
    "timestamptz": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$",
}
_ODD = re.compile(r"(\d+)(-\d\d-\d\d)(?: (\d\d:\d\d:\d\d(?:\.\d+)?)(?:([+-])(\d\d)(?::?(\d\d))?)?)?( BC)?")


def _days(kind: TypeKind, texts: pa.Array) -> pa.Array:
    """Return dates or timestamps, one at a time those that Arrow cannot read."""
    to = arrow_type(kind)
    is_plain = pc.fill_null(pc.match_substring_regex(texts, _PLAIN[kind]), True)
    plain = pc.if_else(is_plain, texts, pa.scalar(None, pa.string()))
    if kind == "timestamptz":
        plain = pc.utf8_slice_codeunits(plain, 0, -3).cast(pa.timestamp("us"))
    values = plain.cast(to)
    odd = np.flatnonzero(~np.asarray(is_plain))
    if not len(odd):
        return values
    units = [_odd_unit(text, is_date=kind == "date") for text in texts.take(pa.array(odd)).to_pylist()]
    found = pa.array(units, pa.int32() if kind == "date" else pa.int64()).cast(to)
    return pc.replace_with_mask(values, pc.invert(is_plain), found)


def _odd_unit(text: str, *, is_date: bool) -> int:
    infinity = DATE_INFINITY if is_date else TIME_INFINITY
    if text in ("infinity", "-infinity"):
        return infinity if text == "infinity" else -infinity
    found = _ODD.fullmatch(text)
    if found is None:
        raise ValueError("a date is spelled in no known way")
    year, day, clock, sign, hours, minutes, before = found.groups()
    astronomical = 1 - int(year) if before else int(year)
    moment = f"{'-' if astronomical < 0 else ''}{abs(astronomical):04d}{day}" + (f"T{clock}" if clock else "")
    unit = int(np.datetime64(moment, "D" if is_date else "us").astype(np.int64))
    zone = (int(hours or 0) * 60 + int(minutes or 0)) * (-1 if sign == "-" else 1)
    return max(-infinity + 1, min(unit - zone * 60_000_000 if sign else unit, infinity - 1))


_CLOCK = re.compile(r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?")


def _times(texts: pa.Array) -> pa.Array:
    found = [None if text is None else _microseconds(text) for text in texts.to_pylist()]
    return pa.array(found, pa.int64()).cast(pa.time64("us"))


def _microseconds(text: str) -> int:
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError("a time is spelled in no known way")
    hours, minutes, seconds, fraction, sign, *zone = found.groups()
    total = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1_000_000 + int((fraction or "0").ljust(6, "0"))
    if sign is None:
        return min(total, _DAY_US - 1)
    offset = sum(int(part or 0) * unit for part, unit in zip(zone, (3600, 60, 1), strict=True)) * 1_000_000
    return (total - (offset if sign == "+" else -offset)) % _DAY_US


_SPAN = re.compile(
    r"(?:([+-]?\d+) years? ?)?(?:([+-]?\d+) mons? ?)?(?:([+-]?\d+) days? ?)?(?:([+-]?)(\d+):(\d\d):(\d\d)(?:\.(\d+))?)?"
)


def _intervals(texts: pa.Array) -> pa.Array:
    parts = np.zeros((len(texts), 3), dtype=np.int64)
    signs = np.zeros(len(texts), dtype=np.int8)
    for row, text in enumerate(texts.to_pylist()):
        if text in ("infinity", "-infinity"):
            signs[row] = 1 if text == "infinity" else -1
        elif text is not None:
            parts[row] = _span(text)
    values = intervals(parts[:, 0], parts[:, 1], parts[:, 2], np.asarray(texts.is_null()))
    return infinite_intervals(values, signs) if signs.any() else values


def _span(text: str) -> tuple[int, int, int]:
    """Return months, days and microseconds. ``1 year -2 days 00:00:01`` → ``(12, -2, 1000000)``"""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError("an interval is spelled in no known way")
    years, months, days, sign, hours, minutes, seconds, fraction = found.groups()
    total = 0
    if hours is not None:
        total = (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1_000_000
        total += int((fraction or "0").ljust(6, "0")[:6])
    most = TIME_INFINITY // 2
    return 12 * int(years or 0) + int(months or 0), int(days or 0), min(total, most) * (-1 if sign == "-" else 1)


def from_hexadecimal(texts: pa.Array) -> pa.Array:
    r"""Return ``\xDEADBEEF`` decoded, the whole column in one call."""
    digits = pc.utf8_slice_codeunits(texts, 2)
    lengths = np.asarray(pc.fill_null(pc.binary_length(digits), 0)) // 2
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    data = bytes.fromhex(joined(digits.drop_null(), ""))
    mask = pa.array(np.asarray(texts.is_valid())).buffers()[1]
    return pa.BinaryArray.from_buffers(pa.binary(), len(texts), [mask, pa.py_buffer(offsets), pa.py_buffer(data)])


def joined(texts: pa.Array, separator: str) -> str:
    """Return all texts, one after the other, as one."""
    everything = pa.ListArray.from_arrays([0, len(texts)], texts)
    return str(pc.binary_join(everything, separator)[0].as_py())


# ---- Literals of several values --------------------------------------------------------------------------------------

_FIELD = re.compile(r'((?:"(?:[^"\\]|""|\\.)*"|[^",\\]|\\.)*)(?:,|$)', re.DOTALL)
_RANGE = re.compile(
    r'empty|[\[(](?:"(?:[^"\\]|""|\\.)*"|[^",\\]|\\.)*,(?:"(?:[^"\\]|""|\\.)*"|[^",\\\])]|\\.)*[\])]', re.DOTALL
)


def fields_of(body: str) -> list[str | None]:
    r"""Return the fields between the brackets of a composite value or range: ``a,"b c",`` → ``["a", "b c", None]``."""
    found: list[str | None] = []
    at = 0
    while True:
        match = _FIELD.match(body, at)
        if match is None:
            raise ValueError("a composite value is spelled in no known way")
        found.append(_unquoted(match[1]) if match[1] else None)
        at = match.end()
        if not match[0].endswith(",") or match.end() == match.end(1):
            return found


def _unquoted(text: str) -> str:
    if text[:1] == '"':
        text = text[1:-1].replace('""', '"')
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def ranges_of(literal: str) -> list[str]:
    """Return the ranges of a multirange: ``{[1,3),[5,)}`` → ``["[1,3)", "[5,)"]``."""
    return _RANGE.findall(literal[1:-1])


def elements_of(literal: str, delimiter: str = ",") -> tuple[list[str | None], tuple[int, ...]]:
    """Return the elements of an array and its shape: ``{{a,NULL},{c,d}}`` → ``["a", None, "c", "d"], (2, 2)``."""
    body = literal[literal.index("{") :]  # after bounds such as [0:2]=
    depth = len(body) - len(body.lstrip("{"))
    token = re.compile(rf'"((?:[^"\\]|\\.)*)"|([^{re.escape(delimiter)}{{}}"]+)|([{{}}])', re.DOTALL)
    elements: list[str | None] = []
    opened, level = [0] * (depth + 1), 0
    for quoted, plain, brace in token.findall(body):
        if brace:
            level += 1 if brace == "{" else -1
            if brace == "{":
                opened[level] += 1
        elif plain:
            elements.append(None if plain.upper() == "NULL" else plain)
        else:
            elements.append(re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL))
    counts = [*opened[1:], len(elements)]
    return elements, tuple(below // above for above, below in pairwise(counts))


def quoted_elements(texts: pa.Array) -> pa.Array:
    r"""Return texts as elements of an array, in quotes; NULL as the word: ``a "b"`` → ``"a \"b\""``."""
    for special in ("\\", '"'):
        texts = pc.replace_substring(texts, special, "\\" + special)
    return pc.fill_null(pc.binary_join_element_wise('"', texts, '"', ""), "NULL")


def quoted_fields(texts: pa.Array) -> pa.Array:
    r"""Return texts as fields of a composite value or bounds of a range, in quotes; NULL as nothing."""
    for special in ("\\", '"'):
        texts = pc.replace_substring(texts, special, special * 2)
    return pc.fill_null(pc.binary_join_element_wise('"', texts, '"', ""), "")
