"""From a column's sampled values to its value rule.

Owns every kind of rule that is neither learned with its table (the axis of those is made here, too) nor a reference.
A rule keeps of the values what at least five of them share: a character at a position of a code, a member of JSON
documents, a label. Shares and quantiles of lengths are kept as they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Literal, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.learn.codes import make_code_rule
from dbclone.learn.documents import learn_documents
from dbclone.model.marginal import fit_marginal
from dbclone.model.rules import (
    ArrayRule,
    BinaryRule,
    ChoiceRule,
    JsonRule,
    Learned,
    NullRule,
    PersonalKind,
    PersonalRule,
    Quantiles,
    Rule,
    SecretRule,
    SequenceKey,
    TextRule,
    UuidKey,
)
from dbclone.schema.classify import SHARED_BY, ColumnClass, ColumnFacts, classify, is_padded, looks_like_codes
from dbclone.schema.model import Column, TypeKind

Floats = npt.NDArray[np.float64]
Values: TypeAlias = "pa.Array | pa.ChunkedArray"

SAMPLE = 1_000
MOST_BYTES = 4_096
"""Longer binary values are made this long: pictures fill disks, and nobody compares them."""
_GRID = 41
_TIMES = ("date", "time", "timestamp", "timestamptz", "interval")
_NUMBERS = ("integer", "decimal", "float")


def column_facts(values: Values) -> ColumnFacts:
    """Return what is counted in a column's sample. The values kept are evenly spread over the rows."""
    rows, nulls = len(values), values.null_count
    present = values.drop_null()
    counts = present.value_counts().field("counts").to_numpy(zero_copy_only=False)
    spread = np.unique(np.linspace(0, max(len(present) - 1, 0), SAMPLE).astype(np.int64))[: len(present)]
    return ColumnFacts(
        rows=rows,
        nulls=nulls,
        distinct=len(counts),
        shared_share=float(counts[counts >= SHARED_BY].sum() / max(len(present), 1)),
        sample=tuple(_texts(present.take(pa.array(spread)))),
    )


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
    if column.kind in _NUMBERS and found.kind != "personal":
        return _sequence(column, learned_axis(column, present)[0], null_share)
    if column.kind in _TIMES:
        return _sequence(column, learned_axis(column, present)[0], null_share)
    if column.kind in ("boolean", "enum"):
        labels = column.enum_values or ("false", "true")
        shares = _shares(labels, _texts(present))
        return ChoiceRule(column=column.name, values=labels, shares=shares, null_share=null_share)
    if found.kind == "binary":
        lengths = np.minimum(pc.binary_length(present).to_numpy(zero_copy_only=False), MOST_BYTES)
        return BinaryRule(column=column.name, lengths=_quantiles(lengths), unique=unique, null_share=null_share)
    texts = [text.rstrip(" ") for text in _texts(present)] if is_padded(column) else _texts(present)
    return _text_rule(column, found, texts, unique, null_share, locale)


def _text_rule(
    column: Column, found: ColumnClass, texts: Sequence[str], unique: bool, null_share: float, locale: str
) -> Rule:
    """Return the rule of a column whose values come as text."""
    if found.kind == "uuid":
        return _uuid(column, texts, null_share)
    if found.kind == "json":
        root = learn_documents(texts)
        return JsonRule(column=column.name, root=root, null_share=null_share, max_length=column.length)
    if found.kind == "array":
        return _array(column, texts, null_share, locale)
    if found.kind == "secret":
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


def _sequence(column: Column, axis: Floats, null_share: float) -> SequenceKey:
    """Return a sequence like the numbers seen: its step is what all differences have in common.

    A start above 100 keeps two significant digits, so that it names no row.
    """
    numbers = np.unique(np.rint(axis)).astype(object)
    low, high = int(numbers[0]), int(numbers[-1])
    step = reduce(math.gcd, (int(d) for d in np.diff(numbers)), 0) if len(numbers) >= 2 * SHARED_BY else 1
    if column.kind in _TIMES:
        if column.kind != "date":
            low, step = low // 86_400_000_000 * 86_400_000_000, max(step, 1_000_000)
        return SequenceKey(column=column.name, start=low, step=max(step, 1), null_share=null_share)
    if high < 0:
        return SequenceKey(column=column.name, start=-1, step=-1, null_share=null_share)
    magnitude = 10 ** max(len(str(low)) - 2, 0)
    start = low // magnitude * magnitude if low >= 0 else 1
    return SequenceKey(column=column.name, start=start, step=max(step, 1), null_share=null_share)


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


# ---- Text, secrets, arrays ------------------------------------------------------------------------------------------


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


_ELEMENT_KINDS: tuple[tuple[str, TypeKind], ...] = (
    (r"(big|small)?int(eger)?|int[248]|oid", "integer"),
    (r"numeric.*|decimal.*", "decimal"),
    (r"real|double precision|float[48]", "float"),
    (r"bool(ean)?", "boolean"),
    (r"text|citext|name|(character varying|varchar|character|char|bpchar)(\(\d+\))?", "text"),
    (r"date", "date"),
    (r"uuid", "uuid"),
)
_ELEMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^,{}"]+)')


def _array(column: Column, texts: Sequence[str], null_share: float, locale: str) -> ArrayRule:
    """Return the rule of arrays; of elements or dimensions that are not understood, empty arrays."""
    base = column.type.removesuffix("[]").strip().lower()
    kind = next((kind for pattern, kind in _ELEMENT_KINDS if re.fullmatch(pattern, base)), None)
    lists = [found for found in map(_elements, texts) if found is not None]
    elements = [item for found in lists for item in found]
    element: Rule = NullRule(column=column.name)
    if len(lists) == len(texts) and any(item is not None for item in elements):
        length = re.search(r"\((\d+)\)", base)
        element = _element_rule(
            Column(
                name=column.name,
                type=base,
                kind=kind or "text",
                length=int(length[1]) if length and kind == "text" else None,
            ),
            elements,
            locale,
        )
    # Of a type that is not known (an enum, a domain), only values that the source shares are sure to be of it.
    understood = isinstance(element, ChoiceRule) or (kind is not None and not isinstance(element, NullRule))
    return ArrayRule(
        column=column.name,
        element=element if understood else NullRule(column=column.name),
        element_kind=kind or "text",
        lengths=_quantiles([len(found) for found in lists]) if understood else (),
        null_share=null_share,
    )


def _elements(literal: str) -> list[str | None] | None:
    """Return the elements of a PostgreSQL array literal of one dimension: ``{a,NULL}`` → ``["a", None]``; else None."""
    if literal[:1] != "{" or "{" in re.sub(r'"(?:[^"\\]|\\.)*"', "", literal)[1:]:
        return None
    return [
        None if plain.upper() == "NULL" else plain or re.sub(r"\\(.)", r"\1", quoted)
        for quoted, plain in _ELEMENT.findall(literal)
    ]


def _element_rule(column: Column, elements: Sequence[str | None], locale: str) -> Rule:
    """Return a rule for elements, each drawn on its own."""
    truths = {"t": "true", "f": "false"}
    values = pa.array([truths.get(e, e) if column.kind == "boolean" and e else e for e in elements], pa.string())
    found = classify(column, column_facts(values), is_key=False)
    if found.kind == "category":
        counts = Counter(e for e in elements if e is not None)
        labels = tuple(label for label, count in counts.most_common() if count >= SHARED_BY)
        return ChoiceRule(
            column=column.name,
            values=labels,
            shares=_shares(labels, [e for e in elements if e is not None]),
            null_share=values.null_count / len(values),
        )
    if found.kind in ("number", "time"):
        types: Mapping[TypeKind, pa.DataType] = {"integer": pa.int64(), "float": pa.float64(), "date": pa.date32()}
        axis, decimals = learned_axis(column, values.cast(types.get(column.kind, pa.string())))
        return Learned(column=column.name, marginal=fit_marginal(axis), kind=column.kind, decimals=decimals)
    return make_rule(column, found, values, locale=locale)


# ---- Axes of learned columns ----------------------------------------------------------------------------------------

_GRIDS = ((-6, 86_400_000_000), (-4, 3_600_000_000), (-2, 60_000_000), (0, 1_000_000), (3, 1_000))
"""Grids of times by ``decimals``, coarsest first; see :class:`~dbclone.model.rules.Learned`."""
_MOST_DECIMALS = 9


def learned_axis(column: Column, values: Values, labels: Sequence[str] = ()) -> tuple[Floats, int | None]:
    """Return a column's values as floats (NULL is NaN) and the ``decimals`` of their grid.

    Dates are days, times microseconds (since 1970 for timestamps), booleans 0 and 1, text its position in ``labels``
    (NaN for other text). A float that is NaN becomes a middle one and an infinite one the largest finite one, since
    only NULL is NULL.
    """
    flat = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if column.kind in ("text", "enum"):
        position = pc.index_in(flat, value_set=pa.array(labels, flat.type))
        return _floats(position), None
    if column.kind == "boolean":
        return _floats(flat.cast(pa.int8())), None
    if column.kind == "decimal":
        return _floats(flat.cast(pa.float64())), _text_decimals(flat)
    if column.kind == "float":
        axis = _finite(_floats(flat), flat.is_null().to_numpy(zero_copy_only=False))
        return axis, _float_decimals(axis[~np.isnan(axis)])
    if column.kind == "integer":
        return _floats(flat), 0
    if column.kind == "date":
        return _floats(flat.cast(pa.int32())), None
    units = flat.cast(pa.int64()).drop_null().to_numpy()
    grid = next((decimals for decimals, unit in _GRIDS if not (units % unit).any()), 6)
    return _floats(flat.cast(pa.int64())), grid


def _floats(values: pa.Array) -> Floats:
    out: Floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64)
    return out


def _finite(axis: Floats, null: npt.NDArray[np.bool_]) -> Floats:
    finite = axis[np.isfinite(axis)]
    if not len(finite):
        return np.where(null, np.nan, 0.0)
    filled = np.where(
        np.isnan(axis), np.quantile(finite, 0.5, method="lower"), np.clip(axis, finite.min(), finite.max())
    )
    return np.where(null, np.nan, filled)


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


# ---- Small things ---------------------------------------------------------------------------------------------------


def _texts(values: Values) -> list[str]:
    """Return values that are not NULL as text; bytes as nothing, since nothing is looked for in them."""
    if pa.types.is_binary(values.type):
        return []
    return [str(value) for value in values.cast(pa.string()).to_pylist()]


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
