"""From rules to values: one Arrow array of a column's values for any rows.

Each value is a function of the rule, the seed and the row's index (or its normal score), never of the rows beside it:
the same bytes however the rows are cut into blocks. Whole blocks at a time, a million values take a second or less.
"""

from __future__ import annotations

import base64
import hashlib

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Floats, Name
from dbclone.generate.documents import json_values
from dbclone.generate.keys import key_values
from dbclone.generate.personal import personal_values
from dbclone.generate.streams import Integers, Streams, hashes
from dbclone.generate.text import text_values
from dbclone.model.rules import (
    ArrayRule,
    BinaryRule,
    ChoiceRule,
    CodeRule,
    ConstantRule,
    JsonRule,
    Learned,
    NullRule,
    PersonalRule,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.schema.model import Column

MICROSECONDS = {-6: 86_400_000_000, -4: 3_600_000_000, -2: 60_000_000}
"""Microseconds of a :class:`~dbclone.model.rules.Learned` time's grid, by its negative ``decimals``."""


def make_values(
    rule: Rule,
    column: Column,
    *,
    first_row: int,
    count: int,
    streams: Streams,
    name: Name,
    scores: Floats | None = None,
) -> pa.Array:
    """Return the values of ``count`` rows from ``first_row`` on, in the Arrow type of the column.

    ``scores`` are the rows' normal scores for a :class:`Learned` column; without them it is drawn on its own. Raises
    PlanError if a unique rule has not so many different values.
    """
    index = np.arange(first_row, first_row + count, dtype=np.int64)
    return values_at(rule, column, index=index, streams=streams, name=name, scores=scores)


def values_at(
    rule: Rule, column: Column, *, index: Integers, streams: Streams, name: Name, scores: Floats | None = None
) -> pa.Array:
    """Return the values of the rows at ``index``, in any order; as :func:`make_values` otherwise."""
    match rule:
        case Learned():
            return _learned(rule, column, _normal(index, streams, name) if scores is None else scores)
        case SequenceKey() | UuidKey() | CodeRule():
            values = key_values(rule, column, index=index, streams=streams, name=name)
        case PersonalRule():
            values = personal_values(rule, index=index, streams=streams, name=name)
        case TextRule():
            values = text_values(rule, index=index, streams=streams, name=name)
        case JsonRule():
            values = json_values(rule, index=index, streams=streams, name=name)
        case SecretRule():
            values = _secrets(rule, index, streams, name)
        case BinaryRule():
            values = _binary(rule, column, index, streams, name)
        case ArrayRule():
            values = _arrays(rule, column, index, streams, name)
        case ConstantRule():
            constant = pa.repeat(pa.scalar(rule.value), len(index))
            values = arrays.with_nulls(constant, index, rule.null_share, streams, name)
        case ChoiceRule():
            values = _choices(rule, index, streams, name)
        case NullRule():
            values = pa.nulls(len(index), arrays.arrow_type(column.kind))
        case _:
            raise TypeError(f"a {type(rule).__name__} needs more than the row's index: {'.'.join(name)}")
    return values if pa.types.is_decimal(values.type) else values.cast(arrays.arrow_type(column.kind))


# ---- Learned values -------------------------------------------------------------------------------------------------


def _normal(index: Integers, streams: Streams, name: Name) -> Floats:
    """Return independent normal scores (Box and Muller, 1958)."""
    first = arrays.uniform(index, arrays.stream_key(streams, *name, "radius"))
    second = arrays.uniform(index, arrays.stream_key(streams, *name, "angle"))
    scores: Floats = np.sqrt(-2.0 * np.log1p(-first)) * np.cos(2 * np.pi * second)
    return scores


def _learned(rule: Learned, column: Column, scores: Floats) -> pa.Array:
    """Return what the marginal has at the scores, on the column's own grid and within its type."""
    values = rule.marginal.decode(scores)
    null = np.isnan(values) if rule.marginal.null_share else None
    if rule.categories:
        last = len(rule.categories) - 1
        codes = np.clip(np.rint(_filled(values, null)), 0, last).astype(np.int32)
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=null), arrays.pooled(rule.categories))
    if rule.kind == "decimal":
        return _decimals(rule, column, values, null)
    if rule.kind == "float":
        rounded = values if rule.decimals is None else np.round(values, rule.decimals)
        return pa.array(rounded, mask=null)
    values = _filled(values, null)
    if rule.kind == "boolean":
        return pa.array(values >= 0.5, mask=null)
    if rule.kind == "integer":
        # The largest double below 2**63 is 2**63 - 1024.
        limit = min(arrays.INTEGER_LIMITS.get(column.bytes or 8, 2**63), 2**63 - 1024)
        return pa.array(np.clip(np.rint(values), -limit, limit).astype(np.int64), mask=null)
    if rule.kind == "date":
        days = np.clip(np.rint(values), -719_162, 2_932_896).astype(np.int32)
        return pa.array(days, mask=null).cast(pa.date32())
    return pa.array(_on_grid(values, rule), mask=null).cast(arrays.arrow_type(rule.kind))


def _filled(values: Floats, null: npt.NDArray[np.bool_] | None) -> Floats:
    return values if null is None else np.where(null, 0.0, values)


def _on_grid(values: Floats, rule: Learned) -> Integers:
    """Return microseconds, rounded to the rule's grid; a time of day stays within its day."""
    decimals = 6 if rule.decimals is None else rule.decimals
    unit = MICROSECONDS[decimals] if decimals < 0 else 10 ** (6 - decimals)
    units = np.rint(values / unit)
    if rule.kind == "time":
        units = np.clip(units, 0, 86_400_000_000 // unit - 1)
    return units.astype(np.int64) * unit


def _decimals(rule: Learned, column: Column, values: Floats, null: npt.NDArray[np.bool_] | None) -> pa.Array:
    """Return decimal128 on the column's grid; text if the rule's values do not fit into 64 bits there."""
    grid = rule.decimals if rule.decimals is not None else column.scale or 0
    scale = max(grid, column.scale if column.scale is not None else grid, 0)
    largest = max(np.nanmax(np.abs(rule.marginal.low), initial=0.0), np.nanmax(np.abs(rule.marginal.high), initial=0.0))
    if column.precision is not None:
        bound = 10.0 ** (column.precision - (column.scale or 0)) - 10.0**-grid
        largest = min(largest, bound)
        values = np.clip(values, -bound, bound)
    if (largest + 1) * 10.0**scale >= 2.0**63:
        texts = [None if np.isnan(value) else f"{value:.{max(grid, 0)}f}" for value in values]
        return pa.array(texts, pa.string())
    units = np.rint(_filled(values, null) * 10.0**grid).astype(np.int64) * 10 ** (scale - grid)
    return arrays.decimals(units, null, column.precision or 38, scale)


def _choices(rule: ChoiceRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    ends = np.cumsum(rule.shares)
    share = arrays.uniform(index, arrays.stream_key(streams, *name)) * ends[-1]
    position = np.minimum(np.searchsorted(ends, share, side="right"), len(ends) - 1)
    return arrays.with_nulls(arrays.take(rule.values, position), index, rule.null_share, streams, name)


# ---- Secrets and bytes ----------------------------------------------------------------------------------------------

TEST_PASSWORD = "password"  # noqa: S105
"""Every password hash that dbclone writes is the hash of this word."""
_SALT = "dbclone"


def _django_hash() -> str:
    digest = hashlib.pbkdf2_hmac("sha256", TEST_PASSWORD.encode(), _SALT.encode(), 1000)
    return f"pbkdf2_sha256$1000${_SALT}${base64.b64encode(digest).decode()}"


TEST_HASHES = {
    "plain": TEST_PASSWORD,
    **{name: hashlib.new(name, TEST_PASSWORD.encode()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")},
    "pbkdf2_sha256": _django_hash(),
    "bcrypt": "$2b$10$dbclonedbclonedbcloneeYSxV.USUqgRgvyBO3VjzTQVA3jG4T0C",
    "sha512_crypt": "$6$dbclone$.DbxZxD6x4yP.OK/v.cV3luGlOhKD.7/XQEsy4fR4DdHBVPCxdaxX65MwX94J81jx4G9E/XHfLU36NGBWlbG60",
    # From the README of the reference implementation, phc-winner-argon2.
    "argon2": "$argon2i$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b4dWRWJTmaaJObG",
}
"""A valid hash of :data:`TEST_PASSWORD` per scheme."""

_FAKE = "fake_"


def _secrets(rule: SecretRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    if rule.what == "password_hash" and not rule.unique:
        values = arrays.truncated(pa.repeat(pa.scalar(TEST_HASHES[rule.scheme]), len(index)), rule.max_length)
        return arrays.with_nulls(values, index, rule.null_share, streams, name)
    length = min(rule.length, rule.max_length or rule.length)
    if rule.unique and length < len(_FAKE) + 16:
        values = arrays.tokens(index, streams, name, rule.max_length)
    else:
        fake = np.frombuffer(_FAKE.encode(), dtype=np.uint8)[: max(length - 4, 0)]
        digits = _random_digits(index, max(length - len(fake), 1), streams, name)
        values = arrays.text_from_ascii(np.concatenate([np.tile(fake, (len(index), 1)), digits], axis=1))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _random_digits(index: Integers, count: int, streams: Streams, name: Name) -> npt.NDArray[np.uint8]:
    """Return hexadecimal digits, one row of ASCII codes per index; the first 16 of no two rows are the same."""
    blocks = range((count + 15) // 16)
    words = np.stack([hashes(index, arrays.stream_key(streams, *name, f"digits {n}")) for n in blocks], axis=1)
    raw = words.view(np.uint8)
    nibbles = np.stack([raw >> 4, raw & 15], axis=2).reshape(len(index), 16 * len(blocks))[:, :count]
    return np.frombuffer(b"0123456789abcdef", dtype=np.uint8)[nibbles]


_RANDOM_BYTES = 1 << 20


def _binary(rule: BinaryRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return slices of a block of random bytes; unique ones begin with eight bytes that count the rows."""
    limit = min(column.length or _RANDOM_BYTES // 2, _RANDOM_BYTES // 2)
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "length"))
    lengths = np.clip(arrays.draw(rule.lengths, share), 0, limit) if rule.lengths else np.zeros(len(index), np.int64)
    corpus = streams.generator(*name, "bytes").integers(0, 256, _RANDOM_BYTES + 16, dtype=np.uint8)
    start = arrays.pick(index, arrays.stream_key(streams, *name, "start"), _RANDOM_BYTES - limit)
    if not rule.unique:
        values = arrays.slices(corpus, start, lengths)
        return arrays.with_nulls(values, index, rule.null_share, streams, name)
    if limit < 8:
        raise arrays.too_few(name, 256**limit, f"with {limit} bytes there")
    counted = hashes(index, arrays.stream_key(streams, *name, "counted"))
    head = pa.Array.from_buffers(pa.binary(8), len(index), [None, pa.py_buffer(counted)]).cast(pa.binary())
    tail = arrays.slices(corpus, start, np.maximum(lengths - 8, 0))
    values = pc.binary_join_element_wise(head, tail, pa.scalar(b"", pa.binary()))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


# ---- Arrays ---------------------------------------------------------------------------------------------------------

_MOST_ELEMENTS = 1024


def element_column(column: Column, rule: ArrayRule) -> Column:
    """Return a column that stands for the elements of an array column."""
    return Column(name=column.name, type=column.type.removesuffix("[]"), kind=rule.element_kind)


def _arrays(rule: ArrayRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return PostgreSQL array literals: ``{1,2}``, ``{"a b",NULL}``.

    Source of the quoting: PostgreSQL manual, section 8.15.6.
    """
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "length"))
    lengths = np.clip(arrays.draw(rule.lengths, share), 0, _MOST_ELEMENTS) if rule.lengths else np.zeros_like(index)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
    elements = values_at(
        rule.element,
        element_column(column, rule),
        index=np.repeat(index, lengths) * _MOST_ELEMENTS + within,
        streams=streams,
        name=(*name, "element"),
    ).cast(pa.string())
    if rule.element_kind not in ("integer", "decimal", "float", "boolean"):
        escaped = pc.replace_substring(pc.replace_substring(elements, "\\", "\\\\"), '"', '\\"')
        elements = arrays.join('"', escaped, '"')
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pc.fill_null(elements, "NULL"))
    values = arrays.join("{", pc.binary_join(lists, ","), "}")
    return arrays.with_nulls(values, index, rule.null_share, streams, name)
