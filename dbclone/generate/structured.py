"""Values with a form of their own: addresses, bits, shapes, words to search for, paths, vectors; as PostgreSQL reads
them.

Addresses are of the ranges that :mod:`dbclone.generate.personal` names. Words and vectors are picked from a pool made
once per column and seed, since one vector of a thousand numbers takes a millisecond to spell.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Floats, Name, join
from dbclone.generate.streams import Integers, Streams
from dbclone.generate.text import WORDS
from dbclone.model.structures import BitRule, GeometryRule, NetworkRule, PathRule, Quantiles, SearchRule, VectorRule
from dbclone.schema.model import Column

_POOL = 1024
_LONGEST = 10_000


# ---- Addresses ------------------------------------------------------------------------------------------------------

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_HOSTS = {4: 24, 6: 64}
"""Bits that are free in 10.0.0.0/8 and in 2001:db8::/64."""
_MOST_BITS = 62
"""Bits of an address that a row's number has."""
_LOW_HALF = 96
"""Of IPv6 prefixes of so many bits the last 64 bits are numbered, of shorter ones the 64 that follow 2001:db8."""


def fit_network(rule: NetworkRule, column: Column, *, rows: int, name: Name) -> NetworkRule:
    """Return a unique rule with one prefix that has as many networks (or addresses) as there are rows."""
    if not rule.prefixes:
        return rule
    whole = ((4, 32, 1.0), (6, 64, 1.0), (6, 128, 1.0))
    for version, bits, _ in (*rule.prefixes, *whole):
        if 2 ** _free_bits(column, version, bits) >= rows:
            return replace(rule, prefixes=((version, bits, 1.0),))
    raise arrays.too_few(name, 2**_MOST_BITS, f"in a column of type {column.type} there")


def _free_bits(column: Column, version: int, bits: int) -> int:
    """Return how many bits tell addresses with this prefix apart: all, in a network address those of the prefix."""
    if column.type == "inet":
        return min(_HOSTS[version], _MOST_BITS)
    fixed = 8 if version == 4 else 32 if bits < _LOW_HALF else 64
    return min(max(bits - fixed, 0), _MOST_BITS)


def network_values(rule: NetworkRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return addresses: ``10.1.2.3``, ``10.1.0.0/16``, ``2001:db8::1:2``, ``02:…`` of 6 or 8 bytes."""
    if column.type.startswith("macaddr"):
        pairs = 8 if column.type == "macaddr8" else 6
        number = _numbers(rule, index, 40, streams, (*name, "mac"))
        digits = _hexadecimal(number, 2 * pairs - 2)
        parts = [pc.utf8_slice_codeunits(digits, start, start + 2) for start in range(0, 2 * pairs - 2, 2)]
        values = pc.binary_join_element_wise("02", *parts, ":")
        return arrays.with_nulls(values, index, rule.null_share, streams, name)
    ends = np.cumsum([share for _, _, share in rule.prefixes])
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "prefix")) * ends[-1]
    prefix_of = np.minimum(np.searchsorted(ends, share, side="right"), len(ends) - 1)
    values = pa.nulls(len(index), pa.string())
    for place, (version, bits, _) in enumerate(rule.prefixes):
        where = prefix_of == place
        free = _free_bits(column, version, bits)
        number = _numbers(rule, index[where], free, streams, (*name, f"{version}/{bits}"))
        texts = _addresses(version, number, column.type == "cidr", bits, free)
        values = pc.replace_with_mask(values, pa.array(where), texts)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _numbers(rule: NetworkRule, index: Integers, bits: int, streams: Streams, name: Name) -> Integers:
    if rule.unique:
        if index.max(initial=0) >= 2**bits:
            raise arrays.too_few(name[:2], 2**bits, "of such addresses there")
        return streams.permutation(2**bits, *name)(index)
    return arrays.pick(index, arrays.stream_key(streams, *name), 2 ** min(bits, 53))


def _addresses(version: int, number: Integers, is_network: bool, bits: int, free: int) -> pa.Array:
    """Return addresses as text; those of networks have nothing but zeros after their prefix."""
    if version == 4:
        host = number << (24 - free) if is_network else number
        # A prefix of fewer bits than 10.0.0.0/8 has leaves but one network.
        address = ((0 if is_network and bits < 8 else 10) << 24) + host
        parts = [pa.array(address >> shift & 255).cast(pa.string()) for shift in (24, 16, 8, 0)]
        text = pc.binary_join_element_wise(*parts, ".")
        return join(text, f"/{bits}") if bits < 32 or is_network else text
    if is_network and bits < 32:
        return pa.repeat(pa.scalar(f"::/{bits}"), len(number))
    if is_network:
        number = number << (64 - free if bits < _LOW_HALF else 128 - bits)
    digits = _hexadecimal(number, 16)
    groups = [pc.utf8_slice_codeunits(digits, start, start + 4) for start in range(0, 16, 4)]
    if is_network and bits < _LOW_HALF:
        return join("2001:db8:", pc.binary_join_element_wise(*groups, ":"), f"::/{bits}")
    text = join("2001:db8:0:0:", pc.binary_join_element_wise(*groups, ":"))
    return join(text, f"/{bits}") if bits < 128 or is_network else text


def _hexadecimal(numbers: Integers, count: int) -> pa.Array:
    places = np.arange(4 * (count - 1), -1, -4).astype(np.uint64)
    digits = numbers.astype(np.uint64)[:, None] >> places & np.uint64(15)
    return arrays.text_from_ascii(_HEX[digits.astype(np.int64)])


# ---- Bits -----------------------------------------------------------------------------------------------------------


def fit_bits(rule: BitRule, column: Column, *, rows: int, name: Name) -> BitRule:
    """Return a unique rule whose strings are long enough to number the rows."""
    needed = max(rows - 1, 1).bit_length()
    longest = int(rule.lengths[-1])
    is_fixed = column.type.startswith("bit(")
    most = column.length or (longest if is_fixed else max(needed, longest))
    if needed > most:
        raise arrays.too_few(name, 2**most, f"in a column of type {column.type} there")
    length = float(most if is_fixed else max(needed, rule.lengths[len(rule.lengths) // 2]))
    return replace(rule, lengths=(length,))


def bit_values(rule: BitRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return strings of bits; unique ones begin with the row's number, shuffled."""
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "length"))
    lengths = np.clip(arrays.draw(rule.lengths, share), 0, _LONGEST)
    width = int(lengths.max(initial=0))
    ones = np.full(width, rule.rest)
    ones[: len(rule.ones)] = rule.ones[:width]
    bits = np.empty((len(index), width), dtype=np.uint8)
    for place in range(width):
        drawn = arrays.uniform(index, arrays.stream_key(streams, *name, f"bit {place}"))
        bits[:, place] = drawn < ones[place]
    if rule.unique:
        counted = min(width, 62)
        if index.max(initial=0) >= 2**counted:
            raise arrays.too_few(name, 2**counted, f"in a column of type {column.type} there")
        number = streams.permutation(2**counted, *name)(index)
        bits[:, :counted] = number[:, None] >> np.arange(counted) & 1
    text = arrays.text_from_codes(bits + np.uint8(48))
    if (lengths < width).any():
        codes = np.ascontiguousarray(bits + np.uint8(48)).ravel()
        corpus = np.concatenate([codes, np.zeros(12, np.uint8)])
        text = arrays.slices(corpus, np.arange(len(index)) * width, lengths).cast(pa.string())
    return arrays.with_nulls(text, index, rule.null_share, streams, name)


# ---- Shapes ---------------------------------------------------------------------------------------------------------


def geometry_values(rule: GeometryRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return shapes: ``(1,2)``, ``{1,2,3}``, ``((0,0),(1,1),(0,1))``, ``<(1,2),3>``."""

    def drawn(quantiles: Quantiles, what: str) -> Floats:
        return _interpolated(quantiles, arrays.uniform(index, arrays.stream_key(streams, *name, what)))

    x, y = drawn(rule.x, "x"), drawn(rule.y, "y")
    size = np.abs(drawn(rule.sizes, "size")) if column.type != "line" else drawn(rule.sizes, "size")
    if column.type == "point":
        values = _point(x, y, rule.decimals)
    elif column.type == "circle":
        values = join("<", _point(x, y, rule.decimals), ",", _number(size, rule.decimals), ">")
    elif column.type == "line":
        numbers = [_number(np.where((x == 0) & (y == 0), 1.0, x), rule.decimals)]
        numbers += [_number(each, rule.decimals) for each in (y, size)]
        values = join("{", pc.binary_join_element_wise(*numbers, ","), "}")
    elif column.type in ("lseg", "box"):
        angle = drawn((0.0, 2 * np.pi), "angle")
        other = _point(x + size * np.cos(angle), y + size * np.sin(angle), rule.decimals)
        values = pc.binary_join_element_wise(_point(x, y, rule.decimals), other, ",")
        values = join("[", values, "]") if column.type == "lseg" else values
    else:
        values = _outline(rule, column, index, x, y, size, streams, name)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _outline(
    rule: GeometryRule,
    column: Column,
    index: Integers,
    x: Floats,
    y: Floats,
    size: Floats,
    streams: Streams,
    name: Name,
) -> pa.Array:
    """Return paths and polygons: points on a circle through the first one, in order, no side crossing another."""
    count = arrays.draw(rule.points or (3.0,), arrays.uniform(index, arrays.stream_key(streams, *name, "points")))
    count = np.clip(count, 1, 1000)
    row = np.repeat(np.arange(len(index)), count)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    angle = 2 * np.pi * place / np.repeat(count, count)
    radius = size[row] / 2
    points = _point(x[row] + radius * (np.cos(angle) - 1), y[row] + radius * np.sin(angle), rule.decimals)
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(count)]), pa.int32()), points)
    body = pc.binary_join(lists, ",")
    is_open = arrays.uniform(index, arrays.stream_key(streams, *name, "open")) < rule.open_share
    is_open &= column.type == "path"
    return join(pa.array(np.where(is_open, "[", "(")), body, pa.array(np.where(is_open, "]", ")")))


def _interpolated(quantiles: Quantiles, share: Floats) -> Floats:
    if not quantiles:
        return np.zeros(len(share))
    return np.interp(share, np.linspace(0.0, 1.0, len(quantiles)), quantiles)


def _number(values: Floats, decimals: int | None) -> pa.Array:
    rounded = values if decimals is None else np.round(values, decimals)
    # Negative zero would be spelled with its sign.
    return pa.array(rounded + 0.0).cast(pa.string())


def _point(x: Floats, y: Floats, decimals: int | None) -> pa.Array:
    return join("(", _number(x, decimals), ",", _number(y, decimals), ")")


# ---- Words, paths, vectors ------------------------------------------------------------------------------------------


def search_values(rule: SearchRule, column: Column, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return documents (``'home':2 'page':1``) or queries (``'home' & 'page'``) of a text search."""
    pool = _searches(rule, column.type == "tsquery", streams, name)
    values = arrays.take(pool, arrays.pick(index, arrays.stream_key(streams, *name), len(pool)))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


@lru_cache(maxsize=64)
def _searches(rule: SearchRule, is_query: bool, streams: Streams, name: Name) -> tuple[str, ...]:
    random = streams.generator(*name, "words")
    made = []
    for share in random.random(_POOL):
        count = int(np.clip(arrays.draw(rule.words, np.array([share]))[0], 0, _LONGEST)) if rule.words else 0
        words = [WORDS[number] for number in random.integers(0, len(WORDS), count)]
        if is_query:
            made.append(" & ".join(f"'{word}'" for word in words))
            continue
        placed = dict(zip(words, range(1, count + 1), strict=True))
        positions = random.random(len(placed)) < rule.positions
        made.append(
            " ".join(
                f"'{word}':{min(place, 16_383)}" if with_place else f"'{word}'"
                for (word, place), with_place in zip(placed.items(), positions, strict=True)
            )
        )
    return tuple(made)


def path_values(rule: PathRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return paths: ``Top.Science.home``."""
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "depth"))
    depth = np.clip(arrays.draw(rule.depths, share), int(rule.unique), 1000)
    lengths = depth - int(rule.unique)
    row = np.repeat(np.arange(len(index)), lengths)
    level = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    labels = pa.nulls(len(row), pa.string())
    for number in range(int(level.max(initial=-1)) + 1):
        where = level == number
        names = tuple(label for label, _ in rule.levels[number]) if number < len(rule.levels) else WORDS
        ends = np.cumsum([s for _, s in rule.levels[number]] if number < len(rule.levels) else np.ones(len(WORDS)))
        drawn = arrays.uniform(index[row[where]], arrays.stream_key(streams, *name, f"level {number}")) * ends[-1]
        place = np.minimum(np.searchsorted(ends, drawn, side="right"), len(ends) - 1)
        labels = pc.replace_with_mask(labels, pa.array(where), arrays.take(names, place))
    lists = pa.ListArray.from_arrays(pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32()), labels)
    values = pc.binary_join(lists, ".")
    if rule.unique:
        token = arrays.tokens(index, streams, name)
        values = pc.if_else(pa.array(lengths == 0), token, join(values, ".", token))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def vector_values(rule: VectorRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return vectors: ``[0.1,-0.2]``."""
    pool = _vectors(rule, streams, name)
    values = arrays.take(pool, arrays.pick(index, arrays.stream_key(streams, *name), len(pool)))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


@lru_cache(maxsize=16)
def _vectors(rule: VectorRule, streams: Streams, name: Name) -> tuple[str, ...]:
    random = streams.generator(*name, "vectors")
    count = max(16, min(_POOL, 1_000_000 // max(rule.dimensions, 1)))
    numbers = random.normal(rule.mean, rule.deviation, (count, rule.dimensions))
    if rule.unit:
        numbers /= np.linalg.norm(numbers, axis=1, keepdims=True)
    texts = np.char.mod("%.6g", numbers)
    return tuple("[" + ",".join(row) + "]" for row in texts)
