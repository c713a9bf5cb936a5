r"""Rows in the binary form of COPY, which the server reads without parsing text. Pure: Arrow in, bytes out.

A row is the number of its fields and, per field, its length in bytes (−1: NULL) and its bytes, numbers with the most
significant byte first. What has the same width in all rows is laid out as a NumPy record, counts and lengths included;
Arrow then joins records and texts row by row. No value becomes a Python object, save texts of numbers and UUIDs that
are spelled unusually.

What PostgreSQL reads is what it would read from CSV: a test loads both. Types that are not listed here, and targets
with another encoding than UTF-8, get CSV.

Source of the form: PostgreSQL manual, COPY, "Binary Format"; that of each type is what its ``…_recv`` function reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.model.literals import DATE_INFINITY, TIME_INFINITY

HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER = b"\xff\xff"

BLOCK_ROWS = 8_192
"""Rows encoded at a time: few enough for the longest texts to stay below Arrow's two gigabytes a column."""

_INTEGERS = {"int2": "i2", "int4": "i4", "int8": "i8", "oid": "u4"}
_FLOATS = {"float4": "f4", "float8": "f8"}
_TEXTS = ("text", "varchar", "bpchar", "name", "citext", "enum", "json", "jsonb")

_EPOCH_DAYS = 10_957
"""1 January 2000, from which PostgreSQL counts, in Arrow's days since 1970."""
_EPOCH_US = _EPOCH_DAYS * 86_400_000_000

_POSITIVE, _NEGATIVE = 0x0000, 0x4000
_SPECIAL = {("n", 0): 0xC000, ("N", 0): 0xC000, ("F", 0): 0xD000, ("F", 1): 0xF000}
"""The sign of a numeric that is not a number or infinite, by what Decimal has for exponent and sign.

Source: ``NUMERIC_POS`` and its neighbours in numeric.c.
"""
_BASE = 10_000
_DECIMAL = r"^-?\d{1,18}(\.\d{1,18})?$"
"""Texts of numbers that fit into a decimal of 38 digits."""

Booleans = npt.NDArray[np.bool_]
Fixed = npt.NDArray[Any]
"""Values of one width, most significant byte first: one or, side by side, several numbers per row."""

_NO_LENGTH = -2
"""The length of a value that the server shall refuse."""


@dataclass(frozen=True, kw_only=True)
class _Field:
    """One column's values: ``fixed`` (rows, or rows × parts) of one width each, or ``texts``; ``null`` where NULL.

    ``refused`` are values that the type does not have: the server shall say so, with the row.
    """

    null: Booleans | None = None
    fixed: Fixed | None = None
    texts: pa.Array | None = None
    refused: Booleans | None = None


def is_binary(receiver: str, kind: pa.DataType) -> bool:
    """Whether values of an Arrow type can be sent in binary to a column of a type of the server: ``int4``, ``enum``."""
    if pa.types.is_null(kind):
        return receiver in _BY_RECEIVER
    return receiver in _BY_RECEIVER and any(test(_plain_type(kind)) for test in _BY_RECEIVER[receiver])


def binary_blocks(rows: pa.Table, receivers: Sequence[str]) -> Iterator[bytes]:
    """Yield ``rows`` in binary, without header and trailer; ``receivers`` are the server's types of the columns.

    A value that its column's type does not have gets a length that the server refuses: bytes cannot be out of range.
    """
    for start in range(0, rows.num_rows, BLOCK_ROWS):
        yield _block(rows.slice(start, BLOCK_ROWS), receivers)


def _block(rows: pa.Table, receivers: Sequence[str]) -> bytes:
    layout = _Layout(rows.num_rows, rows.num_columns)
    for column, receiver in zip(rows.columns, receivers, strict=True):
        values = column.combine_chunks()
        if isinstance(values, pa.ChunkedArray):
            values = pa.concat_arrays(values.chunks)
        layout.add(_field(values, receiver))
    return layout.joined()


class _Layout:
    """Segments of every row, in order: records of one width, and what has another width in each row."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = rows
        self.record: list[tuple[str, Fixed | int]] = [(">i2", columns)]
        self.segments: list[pa.Array] = []

    def add(self, field: _Field) -> None:
        if field.fixed is not None and field.null is None:
            length = _width(field.fixed)
            lengths = length if field.refused is None else np.where(field.refused, _NO_LENGTH, length)
            self.record += [(">i4", lengths), (field.fixed.dtype.str, field.fixed)]
            return
        null = np.zeros(self.rows, dtype=bool) if field.null is None else field.null
        if field.fixed is not None:
            lengths = np.where(null, -1, _width(field.fixed))
            self.record.append(
                (">i4", lengths if field.refused is None else np.where(field.refused, _NO_LENGTH, lengths))
            )
            self._end_record()
            self.segments.append(_as_binary(field.fixed, null))
        else:
            lengths = np.asarray(pc.fill_null(pc.binary_length(field.texts), 0))
            self.record.append((">i4", np.where(null, -1, lengths)))
            self._end_record()
            self.segments.append(field.texts)

    def joined(self) -> bytes:
        if self.record:
            self._end_record()
        if len(self.segments) == 1:
            return self.segments[0].buffers()[2].to_pybytes()  # type: ignore[no-any-return]
        rows = pc.binary_join_element_wise(*self.segments, pa.scalar(b"", pa.binary()), null_handling="skip")
        offsets = np.frombuffer(rows.buffers()[1], np.int32)
        return memoryview(rows.buffers()[2])[: offsets[len(rows)]].tobytes()

    def _end_record(self) -> None:
        kinds = [(f"{n}", kind, np.shape(values)[1:]) for n, (kind, values) in enumerate(self.record)]
        record = np.empty(self.rows, dtype=kinds)
        for number, (_, values) in enumerate(self.record):
            record[f"{number}"] = values
        self.segments.append(_as_binary(record, None))
        self.record = []


def _width(values: Fixed) -> int:
    return values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=int))


def _as_binary(values: Fixed, null: Booleans | None) -> pa.Array:
    """Return each row's bytes as a binary value, in place."""
    offsets = np.arange(len(values) + 1, dtype=np.int32) * np.int32(_width(values))
    validity = None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little"))
    data = pa.py_buffer(np.ascontiguousarray(values).view(np.uint8).reshape(-1))
    return pa.Array.from_buffers(pa.binary(), len(values), [validity, pa.py_buffer(offsets), data])


# ---- Values ----------------------------------------------------------------------------------------------------------


def _field(values: pa.Array, receiver: str) -> _Field:
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    null = np.asarray(values.is_null()) if values.null_count else None
    if pa.types.is_null(values.type):
        return _Field(null=null, texts=values.cast(pa.binary()))
    if receiver in _TEXTS or receiver == "bytea":
        texts = values.cast(pa.string()) if pa.types.is_string_view(values.type) else values
        texts = texts.cast(pa.binary())
        if receiver == "jsonb":
            # Its first byte is the version of the form.
            texts = pc.binary_join_element_wise(b"\x01", texts, b"")
        return _Field(null=null, texts=texts)
    if receiver == "numeric":
        fixed, refused = _numerics(values)
    elif receiver == "uuid":
        fixed, refused = _uuids(values)
    elif receiver in _INTEGERS or receiver in _FLOATS:
        fixed, refused = _numbers(values, receiver)
    else:
        fixed, refused = _units_of(values, receiver), None
    return _Field(null=null, fixed=fixed, refused=refused)


def _units_of(values: pa.Array, receiver: str) -> Fixed:
    """Return booleans, days and microseconds."""
    if receiver == "bool":
        return _filled(values.cast(pa.uint8()))
    if receiver == "date":
        days = _filled(values.cast(pa.int32())).astype(np.int64)
        return _since_2000(days, _EPOCH_DAYS, DATE_INFINITY).astype(">i4")
    if receiver == "time":
        return _filled(values.cast(pa.time64("us")).cast(pa.int64())).astype(">i8")
    moments = _filled(values.cast(pa.timestamp("us", values.type.tz)).cast(pa.int64()))
    return _since_2000(moments, _EPOCH_US, TIME_INFINITY).astype(">i8")


def _numbers(values: pa.Array, receiver: str) -> tuple[Fixed, Booleans | None]:
    plain = _filled(values)
    stored = np.dtype(_INTEGERS.get(receiver) or _FLOATS[receiver])
    with np.errstate(over="ignore"):
        found = plain.astype(stored)
    lost = np.isinf(found) & ~np.isinf(plain) if receiver in _FLOATS else found != plain
    return found.astype(stored.newbyteorder(">")), lost if lost.any() else None


def _filled(values: pa.Array) -> npt.NDArray[Any]:
    return np.asarray(pc.fill_null(values, 0))


def _since_2000(units: npt.NDArray[Any], epoch: int, infinity: int) -> npt.NDArray[np.int64]:
    """Return units since 2000; the infinities are the largest and the smallest number of the type.

    What would pass the smallest is put beside it, where the server has no date, as where it came from.
    """
    known = units.astype(np.int64)
    moved = np.maximum(known, -infinity + epoch) - epoch
    return np.where(known >= infinity, infinity, np.where(known <= -infinity, -infinity - 1, moved))


def _uuids(values: pa.Array) -> tuple[Fixed, Booleans | None]:
    """Return sixteen bytes per row; texts that are not spelled as the server prints them, one at a time."""
    filled = pc.fill_null(values.cast(pa.string()), _NO_UUID)
    usual, refused = np.asarray(pc.match_substring_regex(filled, _UUID)), None
    if not usual.all():
        odd = [_uuid(text) for text in filled.filter(pa.array(~usual)).to_pylist()]
        filled = pc.replace_with_mask(
            filled, pa.array(~usual), pa.array([text or _NO_UUID for text in odd], pa.string())
        )
        refused = np.zeros(len(filled), dtype=bool)
        refused[~usual] = [text is None for text in odd]
    start = filled.offset
    offsets = np.frombuffer(filled.buffers()[1], np.int32)
    text = np.frombuffer(filled.buffers()[2], np.uint8)[offsets[start] : offsets[start + len(filled)]]
    digits = _HEXADECIMAL[text.reshape(-1, 36)[:, _DIGITS]]
    return digits[:, 0::2] << 4 | digits[:, 1::2], refused


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None


_NO_UUID = str(UUID(int=0))

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_DIGITS = [n for n in range(36) if n not in (8, 13, 18, 23)]
_HEXADECIMAL = np.zeros(256, dtype=np.uint8)
_HEXADECIMAL[[ord(c) for c in "0123456789abcdefABCDEF"]] = [*range(16), *range(10, 16)]


# ---- Numerics --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class _Decimals:
    """Numbers ``units`` / 10 ** ``scale`` (the same for all), shown with ``shown`` digits after the point."""

    units: npt.NDArray[np.int64]
    scale: int
    shown: npt.NDArray[np.int64] | int


def _numerics(values: pa.Array) -> tuple[Fixed, Booleans | None]:
    """Return numerics: digits, weight, sign and scale, then groups of four digits; as many groups in every row.

    Leading and trailing groups of zeros are no matter: the server drops them.
    """
    exact = _decimals(values)
    if exact is None:
        return _one_by_one(pc.fill_null(values.cast(pa.string()), "0").to_pylist())
    scale, size = exact.scale, np.abs(exact.units)
    after = -(-scale // 4)
    whole, fraction = (size, np.zeros_like(size)) if not scale else np.divmod(size, 10**scale)
    before = max(-(-len(str(int(whole.max(initial=0)))) // 4), 1)
    out = np.empty((len(size), 4 + before + after), dtype=">i2")
    out[:, 0], out[:, 1], out[:, 3] = before + after, before - 1, exact.shown
    out[:, 2] = np.where(exact.units < 0, _NEGATIVE, _POSITIVE)
    for group in reversed(range(before)):
        whole, out[:, 4 + group] = np.divmod(whole, _BASE)
    if after:
        # The last group is filled up with zeros. Taken from the front, so that no product passes 64 bits.
        for group in range(after):
            left = scale - 4 * (group + 1)
            if left >= 0:
                out[:, 4 + before + group], fraction = np.divmod(fraction, 10**left)
            else:
                out[:, 4 + before + group] = fraction * 10**-left
    return out, None


def _decimals(values: pa.Array) -> _Decimals | None:
    """Return the numbers as 64-bit units of one scale; None if they do not fit."""
    kind = values.type
    if pa.types.is_integer(kind):
        whole = _filled(values.cast(pa.int64())).astype(np.int64)
        return None if whole.min(initial=0) == -(2**63) else _Decimals(units=whole, scale=0, shown=0)
    if pa.types.is_decimal(kind):
        units = _units(values)
        return None if units is None or kind.scale < 0 else _Decimals(units=units, scale=kind.scale, shown=kind.scale)
    texts = pc.fill_null(values.cast(pa.string()), "0")
    if not pc.all(pc.match_substring_regex(texts, _DECIMAL)).as_py():
        return None
    point = np.asarray(pc.find_substring(texts, "."))
    shown = np.where(point < 0, 0, np.asarray(pc.binary_length(texts)) - point - 1).astype(np.int64)
    scale = int(shown.max(initial=0))
    units = _units(texts.cast(pa.decimal128(38, scale)))
    return None if units is None else _Decimals(units=units, scale=scale, shown=shown)


def _units(values: pa.Array) -> npt.NDArray[np.int64] | None:
    """Return the unscaled integers of decimals; None if they need more than 64 bits or a power of ten would."""
    if values.type.scale > 18:
        return None
    values = values.cast(pa.decimal128(38, values.type.scale))  # a narrower type may have no digit for 0
    wide = pc.fill_null(values, pa.scalar(0, values.type))
    halves = np.frombuffer(wide.buffers()[1], np.int64)[2 * wide.offset : 2 * (wide.offset + len(wide))].reshape(-1, 2)
    low, high = halves[:, 0], halves[:, 1]
    fits = (high == low >> 63) & (low != -(2**63))
    return low if fits.all() else None


def _one_by_one(texts: Sequence[str]) -> tuple[Fixed, Booleans | None]:
    """Return numerics of any size, and those that are not numbers."""
    parsed = [_parts(text) for text in texts]
    most = max((len(parts[3]) for parts in parsed if parts), default=0)
    out = np.zeros((len(parsed), 4 + most), dtype=">u2")
    out[:, 0] = most
    for row, parts in enumerate(parsed):
        if parts is not None:
            weight, sign, shown, groups = parts
            out[row, 1:4] = weight % 2**16, sign, shown
            out[row, 4 : 4 + len(groups)] = groups
    refused = np.array([parts is None for parts in parsed])
    return out, refused if refused.any() else None


def _parts(text: str) -> tuple[int, int, int, list[int]] | None:
    """Return weight, sign, shown digits and groups: ``-12345.6`` → ``(1, 0x4000, 1, [1, 2345, 6000])``."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return None
    if not isinstance(exponent, int):
        word = _SPECIAL.get((exponent, sign))
        return None if word is None else (0, word, 0, [])
    spelled = "".join(map(str, digits)) + "0" * max(exponent, 0)
    scale = max(-exponent, 0)
    spelled = spelled.rjust(scale, "0")
    whole, fraction = spelled[: len(spelled) - scale], spelled[len(spelled) - scale :]
    whole = whole.rjust(-(-len(whole) // 4) * 4, "0")
    fraction = fraction.ljust(-(-len(fraction) // 4) * 4, "0")
    joined = whole + fraction
    groups = [int(joined[at : at + 4]) for at in range(0, len(joined), 4)]
    return len(whole) // 4 - 1, _NEGATIVE if sign else _POSITIVE, scale, groups


def _plain_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


_BY_RECEIVER = {
    "bool": (pa.types.is_boolean,),
    **dict.fromkeys(_INTEGERS, (pa.types.is_integer,)),
    **dict.fromkeys(_FLOATS, (pa.types.is_floating, pa.types.is_integer)),
    **dict.fromkeys(_TEXTS, (_is_text,)),
    "numeric": (pa.types.is_decimal, pa.types.is_integer, _is_text),
    "date": (pa.types.is_date32,),
    "time": (pa.types.is_time,),
    "timestamp": (lambda kind: pa.types.is_timestamp(kind) and kind.tz is None,),
    "timestamptz": (lambda kind: pa.types.is_timestamp(kind) and kind.tz is not None,),
    "uuid": (_is_text,),
    "bytea": (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
}
"""What can be sent in binary: per type of the server, tests for Arrow types."""
