"""The shapes of codes: which characters stand where, and how often.

A character is kept at a position only if at least five different values have it there; otherwise the whole class of
characters is. So a mask is never a value, only what values have in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dbclone.model.rules import CodeRule, Mask
from dbclone.schema.classify import SHAPE_LEVELS, SHARED_BY, ColumnClass, shape, shape_level
from dbclone.schema.model import Column

SAMPLE = 5_000
MOST_MASKS = 50
LITERALS_COVER = 0.95
MASKS_COVER = 0.5
REPEATED = 0.9
"""Codes with fewer different values per row than this are chosen from a pool."""


def make_code_rule(
    column: Column, found: ColumnClass, texts: Sequence[str], *, unique: bool, null_share: float
) -> CodeRule | None:
    """Return the rule of a column of codes; None if the values have no shape to learn.

    A personal number keeps no character, only its shape.
    """
    masks = learn_masks(texts)
    if found.kind == "personal":
        masks = tuple(replace(mask, alphabets=tuple(map(_whole_class, mask.alphabets))) for mask in masks)
    if column.kind == "integer":
        masks = _whole_numbers(masks, 2 ** (8 * (column.bytes or 8) - 1) - 1)
    if not masks:
        return None
    distinct = len(set(texts))
    return CodeRule(
        column=column.name,
        masks=masks,
        unique=unique,
        pool=distinct if not unique and distinct < REPEATED * len(texts) else None,
        null_share=null_share,
        max_length=column.length,
    )


def _whole_numbers(masks: Sequence[Mask], limit: int) -> tuple[Mask, ...]:
    """Return the masks that make whole numbers up to ``limit``, none of them beginning with 0."""
    out = []
    for mask in masks:
        first = "123456789"
        if len(mask.alphabets) == len(str(limit)):
            first = first[: int(str(limit)[0]) - 1]
        if first and len(mask.alphabets) <= len(str(limit)) and all(a.isdigit() for a in mask.alphabets):
            out.append(replace(mask, alphabets=(first, *mask.alphabets[1:])))
    return tuple(out)


def learn_masks(values: Sequence[str]) -> tuple[Mask, ...]:
    """Return the shapes of codes, most frequent first; none if the values have no few shapes.

    Shapes that fewer than five different values have are left out, unless all are so rare: then only the classes of
    characters are kept, no character. A shape without letters and digits would be a value itself, and is left out.
    """
    distinct = sorted(set(values))
    spread = np.unique(np.linspace(0, max(len(distinct) - 1, 0), SAMPLE).astype(int))[: len(distinct)]
    some = [distinct[n] for n in spread if any(c.isalnum() for c in distinct[n])]
    # Most values, not nearly all: postcodes of many countries are better made in the shapes of a few than in none.
    found = shape_level(some, MASKS_COVER)
    level = len(SHAPE_LEVELS) - 1 if found is None else found
    groups: dict[str, list[str]] = {}
    for value in some:
        groups.setdefault(shape(value, level), []).append(value)
    largest = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))[:MOST_MASKS]
    common = [item for item in largest if len(item[1]) >= SHARED_BY] or largest
    total = sum(len(group) for _, group in common)
    return tuple(
        Mask(alphabets=_alphabets(symbols, group, level), share=len(group) / total) for symbols, group in common
    )


_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_CLASSES: Mapping[str, str] = {
    "9": _DIGITS,
    "A": _UPPER,
    "a": _LOWER,
    "x": _DIGITS + _LOWER,
    "X": _DIGITS + _UPPER,
    "w": _DIGITS + _UPPER + _LOWER,
}


def _alphabets(symbols: str, group: Sequence[str], level: int) -> tuple[str, ...]:
    """Return, per position, the characters that at least five values have there, if these are nearly all values.

    Otherwise the whole class: the shape's symbol says which.
    """
    known = SHAPE_LEVELS[level]
    out = []
    for place, symbol in enumerate(symbols):
        if symbol not in known:
            out.append(symbol)
            continue
        counts = Counter(value[place] for value in group)
        common = sorted(c for c, count in counts.items() if count >= SHARED_BY)
        covered = sum(counts[c] for c in common)
        out.append("".join(common) if covered >= LITERALS_COVER * len(group) else _CLASSES[symbol])
    return tuple(out)


def _whole_class(alphabet: str) -> str:
    return next((text for text in _CLASSES.values() if alphabet[0] in text and set(alphabet) <= set(text)), alphabet)
