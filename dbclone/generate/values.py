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
from dbclone.generate.custom import faker_values, function_values
from dbclone.generate.documents import json_values
from dbclone.generate.keys import key_values
from dbclone.generate.learned import learned_values, normal_scores
from dbclone.generate.nested import array_values, composite_values, multirange_values, range_values
from dbclone.generate.personal import personal_values
from dbclone.generate.streams import Integers, Streams, hashes
from dbclone.generate.structured import (
    bit_values,
    geometry_values,
    network_values,
    path_values,
    search_values,
    vector_values,
)
from dbclone.generate.text import text_values
from dbclone.model.flow import arrow_type
from dbclone.model.literals import typed
from dbclone.model.rules import (
    BinaryRule,
    ChoiceRule,
    CodeRule,
    ConstantRule,
    FakerRule,
    FunctionRule,
    JsonRule,
    LabelKey,
    Learned,
    NullRule,
    PersonalRule,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.model.structures import (
    ArrayRule,
    BitRule,
    CompositeRule,
    GeometryRule,
    MultirangeRule,
    NetworkRule,
    PathRule,
    RangeRule,
    SearchRule,
    VectorRule,
)
from dbclone.schema.model import Column


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
    rule: Rule,
    column: Column,
    *,
    index: Integers,
    streams: Streams,
    name: Name,
    scores: Floats | None = None,
    countries: Integers | None = None,
) -> pa.Array:
    """Return the values of the rows at ``index``, in any order; as :func:`make_values` otherwise.

    ``countries`` are for :func:`personal_values`.
    """
    match rule:
        case Learned():
            return learned_values(rule, column, normal_scores(index, streams, name) if scores is None else scores)
        case SequenceKey() | LabelKey() | UuidKey() | CodeRule():
            values = key_values(rule, column, index=index, streams=streams, name=name)
        case PersonalRule():
            values = personal_values(rule, index=index, streams=streams, name=name, countries=countries)
        case TextRule():
            values = text_values(rule, index=index, streams=streams, name=name)
        case JsonRule():
            values = json_values(rule, index=index, streams=streams, name=name)
        case SecretRule():
            values = _secrets(rule, index, streams, name)
        case BinaryRule():
            values = _binary(rule, column, index, streams, name)
        case ArrayRule() | RangeRule() | MultirangeRule() | CompositeRule():
            values = _nested(rule, column, index, streams, name)
        case NetworkRule():
            values = network_values(rule, column, index, streams, name)
        case BitRule():
            values = bit_values(rule, column, index, streams, name)
        case GeometryRule():
            values = geometry_values(rule, column, index, streams, name)
        case SearchRule():
            values = search_values(rule, column, index, streams, name)
        case PathRule():
            values = path_values(rule, index, streams, name)
        case VectorRule():
            values = vector_values(rule, index, streams, name)
        case ConstantRule():
            constant = pa.repeat(pa.scalar(rule.value), len(index))
            values = arrays.with_nulls(constant, index, rule.null_share, streams, name)
        case ChoiceRule():
            values = _choices(rule, index, streams, name)
        case FakerRule():
            values = faker_values(rule, index, streams, name)
        case FunctionRule():
            values = function_values(rule, index, streams, name)
        case NullRule():
            values = pa.nulls(len(index), arrow_type(column.kind))
        case _:
            raise TypeError(f"a {type(rule).__name__} needs more than the row's index: {'.'.join(name)}")
    to = arrow_type(column.kind)
    if values.type == to or pa.types.is_decimal(values.type):
        return values
    return typed(column.kind, values) if pa.types.is_string(values.type) else values.cast(to)


def _nested(
    rule: ArrayRule | RangeRule | MultirangeRule | CompositeRule,
    column: Column,
    index: Integers,
    streams: Streams,
    name: Name,
) -> pa.Array:
    def make(part_rule: Rule, part: Column, at: Integers, part_name: Name) -> pa.Array:
        return values_at(part_rule, part, index=at, streams=streams, name=part_name)

    match rule:
        case ArrayRule():
            return array_values(rule, column, index, streams, name, make)
        case RangeRule():
            return range_values(rule, column, index, streams, name, make)
        case MultirangeRule():
            return multirange_values(rule, column, index, streams, name, make)
        case CompositeRule():
            return composite_values(rule, column, index, streams, name, make)


# ---- Choices --------------------------------------------------------------------------------------------------------


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
