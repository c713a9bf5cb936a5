"""From a column's sampled values to its value rule.

Owns every kind of rule that is neither learned with its table nor a reference; those of values with a structure are
made in :mod:`dbclone.learn.structured`. A rule keeps of the values what at least five of them share: a character at a
position of a code, a member of JSON documents, a label. Shares and quantiles of lengths are kept as they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial, reduce
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.learn.axes import Floats, Values, exact_atoms, interval_units, learned_axis
from dbclone.learn.codes import make_code_rule
from dbclone.learn.documents import learn_documents
from dbclone.learn.structured import STRUCTURED, structured_rule
from dbclone.model.literals import text_of, typed
from dbclone.model.marginal import APART, fit_marginal
from dbclone.model.rules import (
    BinaryRule,
    ChoiceRule,
    JsonRule,
    LabelKey,
    Learned,
    NullRule,
    PersonalKind,
    PersonalRule,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.model.structures import Quantiles
from dbclone.schema.classify import SHARED_BY, ColumnClass, ColumnFacts, classify, is_padded, looks_like_codes
from dbclone.schema.model import Column

SAMPLE = 1_000
MOST_BYTES = 4_096
"""Longer binary values are made this long: pictures fill disks, and nobody compares them."""
_MOST_KEY_DECIMALS = 6
_GRID = 41
_TIMES = ("date", "time", "timestamp", "timestamptz", "interval")
_NUMBERS = ("integer", "decimal", "float")


def column_facts(values: Values, entities: npt.NDArray[np.int64] | None = None) -> ColumnFacts:
    """Return what is counted in a column's sample. The values kept are evenly spread over the rows.

    ``entities`` says whose each row is: a text is shared if so many of them, not only so many rows, have it.
    """
    rows, nulls = len(values), values.null_count
    present = values.drop_null()
    counts = present.value_counts().field("counts").to_numpy(zero_copy_only=False)
    sharing = entity_counts(values, entities)[1] if entities is not None and pa.types.is_string(values.type) else counts
    spread = np.unique(np.linspace(0, max(len(present) - 1, 0), SAMPLE).astype(np.int64))[: len(present)]
    return ColumnFacts(
        rows=rows,
        nulls=nulls,
        distinct=len(counts),
        shared_share=float(counts[sharing >= SHARED_BY].sum() / max(len(present), 1)),
        sample=tuple(_texts(present.take(pa.array(spread)))),
    )


def entity_counts(values: Values, entities: npt.NDArray[np.int64]) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    """Return the different texts that are not NULL, in order of appearance, and how many entities have each."""
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    encoded = flat.drop_null().dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    pairs = np.unique(np.stack([codes, entities[np.asarray(flat.is_valid())]]), axis=1)
    return encoded.dictionary, np.bincount(pairs[0], minlength=len(encoded.dictionary)).astype(np.int64)


def make_rule(
    column: Column, found: ColumnClass, values: Values, *, unique: bool = False, locale: str = "en_US"
) -> Rule:
    """Return the rule of a column that is not learned with its table.

    A number, time, category or boolean that is not, because it must be unique or has no common values, is counted up or
    chosen from what the type allows.
    """
    present = values.drop_null()
    null_share = values.null_count / len(values) if column.nullable and len(values) else 0.0
    if not len(present) or found.kind == "other":
        return NullRule(column=column.name)
    if column.kind in _TIMES or (column.kind in _NUMBERS and found.kind not in ("personal", "secret")):
        return _sequence(column, *learned_axis(column, present), null_share)
    if column.kind in ("boolean", "enum"):
        labels = column.enum_values or ("false", "true")
        if unique:
            return LabelKey(column=column.name, values=labels, null_share=null_share)
        shares = _shares(labels, _texts(present))
        return ChoiceRule(column=column.name, values=labels, shares=shares, null_share=null_share)
    if found.kind == "binary":
        lengths = np.minimum(pc.binary_length(present).to_numpy(zero_copy_only=False), MOST_BYTES)
        return BinaryRule(column=column.name, lengths=_quantiles(lengths), unique=unique, null_share=null_share)
    if column.kind in STRUCTURED:
        part = partial(part_rule, locale=locale)
        return structured_rule(column, _texts(present), null_share, unique, part)
    texts = [text.rstrip(" ") for text in _texts(present)] if is_padded(column) else _texts(present)
    if unique and column.type.endswith("citext"):
        # Codes that differ in nothing but case would be the same key.
        texts = [text.lower() for text in texts]
    return _text_rule(column, found, texts, unique, null_share, locale)


def _text_rule(
    column: Column, found: ColumnClass, texts: Sequence[str], unique: bool, null_share: float, locale: str
) -> Rule:
    """Return the rule of a column whose values come as text."""
    if found.kind == "uuid":
        return _uuid(column, texts, null_share)
    if found.kind == "json":
        root = learn_documents(texts)
        return JsonRule(column=column.name, root=root, unique=unique, null_share=null_share, max_length=column.length)
    if found.kind == "secret" and column.kind == "integer":
        secret = make_code_rule(column, replace(found, kind="personal"), texts, unique=unique, null_share=null_share)
        return secret or NullRule(column=column.name)
    if found.kind in ("secret", "unclassified"):
        return _secret(column, found, texts, unique, null_share)
    template = _template(texts)
    if found.kind == "personal" and found.personal not in ("postcode", "account") and _is_written_as(column, template):
        return PersonalRule(
            column=column.name,
            what=cast(PersonalKind, found.personal),
            locale=locale,
            unique=unique,
            template=template,
            null_share=null_share,
            max_length=column.length,
        )
    if found.kind in ("code", "personal") or looks_like_codes(texts[:SAMPLE]):
        code = make_code_rule(column, found, texts, unique=unique, null_share=null_share)
        if code is not None:
            return code
    return _text(column, texts, unique, null_share)


def _is_written_as(column: Column, template: str) -> bool:
    """Whether personal values of this template can be written to the column: to whole numbers, digits only."""
    return column.kind == "text" or (set(template) == {"#"} and (column.bytes or 8) == 8)


# ---- Keys -------------------------------------------------------------------------------------------------


def _sequence(column: Column, axis: Floats, decimals: int | None, null_share: float) -> SequenceKey:
    """Return a sequence like the numbers seen: its step is what all differences have in common.

    A start above 100 keeps two significant digits, so that it names no row.
    """
    digits = min(decimals or 0, _MOST_KEY_DECIMALS) if column.kind in ("decimal", "float") else 0
    units = np.rint(axis[np.abs(axis) < APART] * 10.0**digits)
    numbers = np.unique(units[np.abs(units) < 2.0**62]).astype(object)
    if not len(numbers):
        return SequenceKey(column=column.name, start=1, decimals=digits, null_share=null_share)
    low, high = int(numbers[0]), int(numbers[-1])
    step = reduce(math.gcd, (int(d) for d in np.diff(numbers)), 0) if len(numbers) >= 2 * SHARED_BY else 1
    if column.kind in _TIMES:
        if column.kind != "date":
            low, step = low // 86_400_000_000 * 86_400_000_000, max(step, 1_000_000)
        return SequenceKey(column=column.name, start=low, step=max(step, 1), null_share=null_share)
    if column.scale is not None and column.scale < 0:
        step = max(step, 10**-column.scale)
    if high < 0:
        return SequenceKey(column=column.name, start=-1, step=-1, decimals=digits, null_share=null_share)
    magnitude = 10 ** max(len(str(low)) - 2, 0)
    start = low // magnitude * magnitude if low >= 0 else max(step, 1)
    return SequenceKey(column=column.name, start=start, step=max(step, 1), decimals=digits, null_share=null_share)


def _uuid(column: Column, texts: Sequence[str], null_share: float) -> UuidKey:
    """Return version 7 when most values are of it, with their first day and their mean distance in time."""
    plain = [text.strip("{}").replace("-", "").lower() for text in texts]
    seventh = [text for text in plain if len(text) == 32 and text[12] == "7"]
    if len(seventh) < len(plain) / 2:
        return UuidKey(column=column.name, version=4, null_share=null_share)
    times = sorted(int(text[:12], 16) for text in seventh)
    day = 86_400_000
    return UuidKey(
        column=column.name,
        version=7,
        start_ms=times[0] // day * day,
        step_ms=max((times[-1] - times[0]) // len(times), 1),
        null_share=null_share,
    )


# ---- Text, secrets --------------------------------------------------------------------------------------------------


def _text(column: Column, texts: Sequence[str], unique: bool, null_share: float) -> TextRule:
    filled = [text for text in texts if text]
    return TextRule(
        column=column.name,
        characters=_quantiles([len(text) for text in filled]) or (0.0,),
        words=_quantiles([len(text.split()) for text in filled]),
        unique=unique,
        empty_share=1.0 - len(filled) / len(texts),
        null_share=null_share,
        max_length=column.length,
    )


_SCHEMES = (
    ("bcrypt", re.compile(r"(?:bcrypt\$+)?\$?2[abxy]?\$.*")),
    ("argon2", re.compile(r"(?:argon2)?\$argon2.*")),
    ("pbkdf2_sha256", re.compile(r"pbkdf2_.*")),
    ("sha512_crypt", re.compile(r"\$6\$.*")),
    ("md5", re.compile(r"[0-9a-fA-F]{32}")),
    ("sha1", re.compile(r"[0-9a-fA-F]{40}")),
    ("sha256", re.compile(r"[0-9a-fA-F]{64}")),
    ("sha512", re.compile(r"[0-9a-fA-F]{128}")),
)


def _secret(column: Column, found: ColumnClass, texts: Sequence[str], unique: bool, null_share: float) -> SecretRule:
    some = texts[:SAMPLE]
    matching = {name: sum(pattern.fullmatch(text) is not None for text in some) for name, pattern in _SCHEMES}
    scheme = max(matching, key=lambda name: matching[name])
    what: Literal["password_hash", "token"] = "password_hash" if found.personal == "password_hash" else "token"
    return SecretRule(
        column=column.name,
        what=what,
        unique=unique,
        scheme=scheme if matching[scheme] > len(some) / 2 else "plain",
        length=max(int(np.median([len(text) for text in texts])), 1),
        null_share=null_share,
        max_length=column.length,
    )


# ---- Parts of values ------------------------------------------------------------------------------------------------


def part_rule(column: Column, texts: Sequence[str | None], *, unique: bool = False, locale: str = "en_US") -> Rule:
    """Return the rule of what values are made of (an element, a bound, a field), each drawn on its own."""
    values = typed(column.kind, pa.array(texts, pa.string()))
    found = classify(column, column_facts(values), is_key=unique)
    present = values.drop_null()
    if unique or not len(present) or found.kind == "other":
        return make_rule(column, found, values, unique=unique, locale=locale)
    if found.kind in ("category", "boolean"):
        labels = _shared_labels(column, present)
        null_share = values.null_count / len(values) if column.nullable else 0.0
        shares = _shares(labels, _texts(present))
        return ChoiceRule(column=column.name, values=labels, shares=shares, null_share=null_share)
    if found.kind in ("number", "time"):
        axis, decimals = learned_axis(column, values if column.nullable else present)
        units = interval_units(values) if column.kind == "interval" else ()
        marginal = fit_marginal(axis)
        exact = exact_atoms(column, present, marginal)
        return Learned(
            column=column.name, marginal=marginal, kind=column.kind, decimals=decimals, units=units, exact=exact
        )
    return make_rule(column, found, values, locale=locale)


def _shared_labels(column: Column, present: Values) -> tuple[str, ...]:
    """Return the labels that a type has, or, of text, those that at least five values share."""
    if column.kind == "boolean":
        return ("false", "true")
    if column.enum_values:
        return column.enum_values
    counts = Counter(_texts(present))
    return tuple(label for label, count in counts.most_common() if count >= SHARED_BY)


# ---- Small things ---------------------------------------------------------------------------------------------------


def _texts(values: Values) -> list[str]:
    """Return values that are not NULL as text; bytes as nothing, since nothing is looked for in them."""
    if pa.types.is_binary(values.type):
        return []
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return [str(value) for value in text_of(flat).to_pylist()]


def _quantiles(values: Sequence[int] | npt.NDArray[np.int64]) -> Quantiles:
    """Return the quantile function of whole numbers on an even grid; a constant is one number."""
    if not len(values):
        return ()
    found = np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0.0, 1.0, _GRID))
    return (float(found[0]),) if found[0] == found[-1] else tuple(float(value) for value in np.round(found, 3))


def _shares(labels: Sequence[str], texts: Sequence[str]) -> tuple[float, ...]:
    """Return the share of each label among the texts; even ones if none occurs."""
    counts = Counter(texts)
    total = sum(counts[label] for label in labels)
    return tuple(counts[label] / total if total else 1.0 / len(labels) for label in labels)


def _template(texts: Sequence[str]) -> str:
    """Return the most frequent shape, if five values have it: ``(###) ###-####``, with ``A`` for a letter."""
    shapes = Counter(re.sub(r"[^\W\d_]", "A", re.sub(r"\d", "#", text)) for text in texts[:SAMPLE])
    common, count = shapes.most_common(1)[0]
    return common if count >= SHARED_BY and len(common) <= 40 and common.isascii() else ""
