"""Keys as functions of the row's index: sequences, UUIDs and codes of learned shape.

``key_values(rule, column, index=…)`` names the key of any row, in any order and on any worker, so that a child finds
its parent's key without a table of keys. Codes are numbered: a code's number in mixed radix gives its characters, and a
permutation of the numbers keeps neighbours from looking alike. What makes a rule able to number so many rows, and the
error when none can, is :func:`fit_to_rows`; it is asked once, before any row is made.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import arrays
from dbclone.generate.arrays import Name
from dbclone.generate.streams import Integers, Streams, hashes
from dbclone.generate.structured import fit_bits, fit_network
from dbclone.generate.unique import is_folded
from dbclone.model.flow import arrow_type
from dbclone.model.literals import intervals
from dbclone.model.rules import CodeRule, LabelKey, Mask, Rule, SequenceKey, UuidKey
from dbclone.model.structures import ArrayRule, BitRule, CompositeRule, NetworkRule, RangeRule
from dbclone.schema.model import Column

KeyRule = SequenceKey | LabelKey | UuidKey | CodeRule

_MOST_CODES = 2**60
"""A mask numbers at most so many codes: sums of a few still fit into 64 bits. What is left over is drawn at random."""


def key_values(rule: KeyRule, column: Column, *, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return the values of the rows at ``index``, in the column's Arrow type.

    Raises PlanError if the rule has fewer different values than that.
    """
    if isinstance(rule, SequenceKey):
        values = _sequence(rule, column, index, name)
    elif isinstance(rule, LabelKey):
        values = _labels(rule, column, index, name)
    elif isinstance(rule, UuidKey):
        values = _uuids(rule, index, streams, name)
    else:
        values = _codes(rule, index, streams, name)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def fit_to_rows(rule: Rule, column: Column, *, rows: int, name: Name) -> Rule:
    """Return the rule, changed if need be, so that it has a different value for each of ``rows`` rows.

    A sequence starts at 1 and counts by 1 if it would leave the type otherwise. Codes use masks in other shares, then
    wider alphabets, then more characters. Raises PlanError, naming the column, if all this does not help.
    """
    if isinstance(rule, SequenceKey):
        return _fit_sequence(rule, column, rows, name)
    if isinstance(rule, CodeRule) and rule.unique:
        return _fit_codes(rule, rows, name, folded=is_folded(column))
    if isinstance(rule, LabelKey) and rows > len(rule.values):
        raise arrays.too_few(name, len(rule.values), f"in a column of type {column.type} there")
    if isinstance(rule, NetworkRule) and rule.unique:
        return fit_network(rule, column, rows=rows, name=name)
    if isinstance(rule, BitRule) and rule.unique:
        return fit_bits(rule, column, rows=rows, name=name)
    if isinstance(rule, RangeRule) and rule.unique:
        return replace(rule, bound=fit_to_rows(rule.bound, column.parts[0], rows=rows, name=name))
    if isinstance(rule, ArrayRule) and rule.unique:
        return replace(rule, element=fit_to_rows(rule.element, column.parts[0], rows=rows, name=name))
    if isinstance(rule, CompositeRule) and rule.unique:
        parts = zip(rule.fields, column.parts, strict=True)
        fields = [fit_to_rows(field, part, rows=rows, name=(*name, part.name)) for field, part in parts]
        return replace(rule, fields=tuple(fields))
    return rule


# ---- Sequences ------------------------------------------------------------------------------------------------------


def _limit(rule: SequenceKey, column: Column) -> int:
    """Return the largest number (of units, for times and for numbers with ``decimals``) that the column takes."""
    if column.kind == "integer":
        return arrays.INTEGER_LIMITS.get(column.bytes or 8, 2**63 - 1)
    if column.kind == "float":
        # Above this not every whole number is one of the type.
        return 2**24 if column.bytes == 4 else 2**53
    if column.kind == "decimal" and column.precision is not None:
        whole: int = 10 ** max(0, min(column.precision - (column.scale or 0) + rule.decimals, 18)) - 1
        return whole
    if column.kind == "date":
        return 2_932_896  # 9999-12-31
    if column.kind == "time":
        return 86_399_999_999
    if column.kind == "text" and column.length is not None:
        longest: int = 10 ** min(column.length, 18) - 1
        return longest
    return 2**62 if column.kind in ("timestamp", "timestamptz", "interval") else 2**63 - 1


def _fit_sequence(rule: SequenceKey, column: Column, rows: int, name: Name) -> SequenceKey:
    unit = 10 ** -(column.scale or 0) if (column.scale or 0) < 0 else 1
    finer = [rule]
    if column.kind == "decimal" and (column.scale or 0) > rule.decimals:
        finer.append(replace(rule, start=1, step=1, decimals=min(column.scale or 0, 18)))
    for each in finer:
        limit = _limit(each, column)
        for start, step in ((each.start, each.step), (each.start, unit if each.step > 0 else -unit), (unit, unit)):
            if abs(start + step * max(rows - 1, 0)) <= limit:
                return replace(each, start=start, step=step)
    raise arrays.too_few(name, limit // unit, f"in a column of type {column.type} there")


def _sequence(rule: SequenceKey, column: Column, index: Integers, name: Name) -> pa.Array:
    last = rule.start + rule.step * int(index.max(initial=0))
    if abs(last) > _limit(rule, column):
        raise arrays.too_few(name, _limit(rule, column), f"in a column of type {column.type} there")
    numbers = rule.start + rule.step * index
    if column.kind == "decimal":
        scale = max(column.scale or 0, rule.decimals)
        factor = 10 ** (scale - rule.decimals)
        if abs(last) * factor >= 2**63 or scale > 18:
            return arrays.decimals(numbers, None, 19 + rule.decimals, rule.decimals).cast(pa.string())
        return arrays.decimals(numbers * factor, None, min(max(column.precision or 38, 19), 38), scale)
    if column.kind == "float":
        return pa.array(numbers / 10.0**rule.decimals)
    if column.kind == "interval":
        zero = np.zeros(len(numbers), dtype=np.int64)
        return intervals(zero, zero, numbers, None)
    if column.kind == "date":
        return pa.array(numbers.astype(np.int32)).cast(pa.date32())
    return pa.array(numbers).cast(arrow_type(column.kind))


def _labels(rule: LabelKey, column: Column, index: Integers, name: Name) -> pa.Array:
    if index.max(initial=0) >= len(rule.values):
        raise arrays.too_few(name, len(rule.values), f"in a column of type {column.type} there")
    return arrays.take(rule.values, index)


# ---- UUIDs ----------------------------------------------------------------------------------------------------------

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), dtype=np.uint8).reshape(256, 2)
_UUID_PLACES = np.array([0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34])


def _uuids(rule: UuidKey, index: Integers, streams: Streams, name: Name) -> pa.Array:
    """Return UUIDs as text, laid out as in RFC 9562, sections 5.4 and 5.7."""
    key = arrays.stream_key(streams, *name, "uuid")
    high, low = hashes(index, key), hashes(index, key[::-1])
    if rule.version == 7:
        milliseconds = (rule.start_ms + rule.step_ms * index).astype(np.uint64)
        # The row's number stays in the 12 bits after the version, so that rows of one millisecond keep their order.
        high = (milliseconds << np.uint64(16)) | (index.astype(np.uint64) & np.uint64(0xFFF))
    high = (high & np.uint64(0xFFFF_FFFF_FFFF_0FFF)) | np.uint64(rule.version << 12)
    low = (low & np.uint64(0x3FFF_FFFF_FFFF_FFFF)) | np.uint64(1 << 63)
    raw = np.stack([high, low], axis=1).astype(">u8").view(np.uint8)
    out = np.full((len(index), 36), ord("-"), dtype=np.uint8)
    pairs = _HEX[raw]
    for byte, place in enumerate(_UUID_PLACES):
        out[:, place : place + 2] = pairs[:, byte]
    return arrays.text_from_ascii(out)


# ---- Codes ----------------------------------------------------------------------------------------------------------

_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"


def capacity(mask: Mask) -> int:
    """Return how many codes of a mask are numbered: all of them, or as many as the first positions tell apart."""
    total = 1
    for alphabet in mask.alphabets:
        if total * len(alphabet) > _MOST_CODES:
            break
        total *= len(alphabet)
    return total


def _quotas(masks: tuple[Mask, ...]) -> Integers:
    """Return how many numbers each mask gets: as many as its share allows until the first mask is used up."""
    room = np.array([capacity(mask) for mask in masks], dtype=np.int64)
    shares = np.array([mask.share for mask in masks])
    shares = shares / shares.sum()
    total = min((room / shares).min(), _MOST_CODES)
    quotas: Integers = np.clip(np.rint(shares * total), 1, room).astype(np.int64)
    return quotas


def _codes(rule: CodeRule, index: Integers, streams: Streams, name: Name) -> pa.Array:
    quotas = _quotas(rule.masks)
    ends = np.cumsum(quotas)
    total = int(ends[-1])
    if rule.unique and index.max(initial=0) >= total:
        raise arrays.too_few(name, total, "of the learned codes there")
    pool = None if rule.unique else rule.pool
    rows = index if pool is None else arrays.pick(index, arrays.stream_key(streams, *name, "pool"), pool)
    number = streams.permutation(total, *name)(rows % total)
    mask_of = np.searchsorted(ends, number, side="right")
    key = arrays.stream_key(streams, *name, "rest")
    parts, order = [], []
    for position, mask in enumerate(rule.masks):
        where = np.flatnonzero(mask_of == position)
        numbers = number[where] - int(ends[position] - quotas[position])
        if quotas[position] < capacity(mask):
            # The lowest numbers alone would leave the last characters as they are.
            numbers = streams.permutation(capacity(mask), *name, str(position))(numbers)
        parts.append(arrays.text_from_codes(_spelled(mask, numbers, key)))
        order.append(where)
    back = np.empty(len(index), dtype=np.int64)
    back[np.concatenate(order)] = np.arange(len(index))
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts).take(pa.array(back))


def _spelled(mask: Mask, numbers: Integers, key: bytes) -> npt.NDArray[np.uint8 | np.uint32]:
    """Return the characters of a mask's codes, one row per number."""
    ascii_only = all(alphabet.isascii() for alphabet in mask.alphabets)
    out = np.empty((len(numbers), len(mask.alphabets)), dtype=np.uint8 if ascii_only else np.uint32)
    rest, numbered = numbers, 1
    for place, alphabet in enumerate(mask.alphabets):
        characters = np.array([ord(c) for c in alphabet], dtype=out.dtype)
        if len(alphabet) == 1:
            out[:, place] = characters[0]
        elif numbered * len(alphabet) <= _MOST_CODES:
            numbered *= len(alphabet)
            rest, digit = np.divmod(rest, len(alphabet))
            out[:, place] = characters[digit]
        else:
            numbered = _MOST_CODES
            out[:, place] = characters[arrays.pick(numbers, bytes([place % 256]) * 8 + key[:8], len(alphabet))]
    return out


def _fit_codes(rule: CodeRule, rows: int, name: Name, *, folded: bool) -> CodeRule:
    if _quotas(rule.masks).sum() >= rows:
        return rule
    for masks in (rule.masks, tuple(replace(m, alphabets=tuple(map(_widened, m.alphabets))) for m in rule.masks)):
        if sum(map(capacity, masks)) >= rows:
            return replace(rule, masks=_shared_out(masks, rows))
    # One mask alone may grow: two that grow could meet in the same codes.
    longest = max(rule.masks, key=lambda mask: (capacity(mask), mask.share))
    alphabets = tuple(map(_widened, longest.alphabets))
    missing = math.ceil(math.log10(rows / capacity(Mask(alphabets=alphabets, share=1.0))))
    every = _DIGITS + _LOWER + ("" if folded else _UPPER)
    filled = [(characters,) * (rule.max_length or 0) for characters in (_DIGITS + _LOWER, every)]
    for grown in (alphabets + (_DIGITS,) * missing, *filled):
        mask = Mask(alphabets=grown, share=1.0)
        if len(grown) <= (rule.max_length or len(grown)) and capacity(mask) >= rows:
            return replace(rule, masks=(mask,))
    raise _no_codes(rule, rows, name, len(every))


def _no_codes(rule: CodeRule, rows: int, name: Name, characters: int) -> PlanError:
    possible = max(sum(map(capacity, rule.masks)), characters ** (rule.max_length or 0))
    why = f"{rows:,} rows are wanted, but with at most {rule.max_length} characters there"
    return arrays.too_few(name, possible, why)


def _shared_out(masks: tuple[Mask, ...], rows: int) -> tuple[Mask, ...]:
    """Return the masks with shares such that all their quotas together are ``rows`` or a little more.

    The masks that their shares would use up get all that they have, the others share the rest.
    """
    room = {number: capacity(mask) for number, mask in enumerate(masks)}
    wanted = dict.fromkeys(room, 0.0)
    left, open_masks = float(rows), set(room)
    while left > 0.5 and open_masks:
        weight = sum(masks[n].share for n in open_masks)
        for n in sorted(open_masks):
            wanted[n] = min(wanted[n] + left * masks[n].share / weight, room[n])
        left = rows - sum(wanted.values())
        open_masks = {n for n in open_masks if wanted[n] < room[n]}
    total = sum(min(math.ceil(value), room[n]) for n, value in wanted.items())
    return tuple(
        replace(mask, share=min(math.ceil(wanted[n]), room[n]) / total) for n, mask in enumerate(masks) if wanted[n] > 0
    )


def _widened(alphabet: str) -> str:
    """Return the whole class that the characters of an alphabet are from; a literal that is no letter or digit stays.

    ``123`` → all ten digits, ``-`` → ``-``.
    """
    classes = (
        (_DIGITS, any(c.isdigit() for c in alphabet)),
        (_UPPER, any(c.isupper() for c in alphabet)),
        (_LOWER, any(c.isalpha() and not c.isupper() for c in alphabet)),
    )
    return "".join(text for text, present in classes if present) or alphabet
