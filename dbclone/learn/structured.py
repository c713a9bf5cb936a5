"""Rules of values that have a structure of their own: arrays, ranges, composites, documents, addresses, shapes, bits.

What values are made of (elements, bounds, fields) is learned as a column of its own, whose rule draws each of them
independently: ``part_rule`` makes it, recursively. Everything here reads values as text, as the database prints them.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.learn.axes import learned_axis
from dbclone.learn.documents import learn_hstore, learn_xml, spread
from dbclone.model.literals import elements_of, fields_of, ranges_of, typed
from dbclone.model.marginal import APART, INFINITE, Marginal, fit_marginal
from dbclone.model.rules import JsonRule, Learned, NullRule, Rule
from dbclone.model.structures import (
    ArrayRule,
    BitRule,
    CompositeRule,
    GeometryRule,
    MultirangeRule,
    NetworkRule,
    PathRule,
    Quantiles,
    RangeRule,
    SearchRule,
    VectorRule,
)
from dbclone.schema.classify import CATEGORY_COVERS, SHARED_BY
from dbclone.schema.model import Column, TypeKind
from dbclone.schema.patterns import pattern_of

Structured = (
    ArrayRule
    | RangeRule
    | MultirangeRule
    | CompositeRule
    | NetworkRule
    | BitRule
    | GeometryRule
    | SearchRule
    | PathRule
    | VectorRule
    | JsonRule
)
PartRule = Callable[..., Rule]
"""``part_rule(column, texts, unique=…)``: the rule of a part from its values, None for NULL."""

STRUCTURED: tuple[TypeKind, ...] = (
    "array", "range", "multirange", "composite", "network", "bits", "geometry", "xml", "hstore", "search", "path",
    "vector",
)  # fmt: skip
MOST_SHAPES = 50
MOST_LEVELS = 12
MOST_PLACES = 256
_GRID = 41


def structured_rule(
    column: Column, texts: Sequence[str], null_share: float, unique: bool, part_rule: PartRule
) -> Structured:
    """Return the rule of a column of one of the kinds :data:`STRUCTURED`; ``texts`` are its values without NULL."""
    learn = _LEARN[column.kind]
    return replace(learn(column, texts, unique, part_rule), null_share=null_share)


def quantiles(values: Sequence[float] | npt.NDArray[np.float64], digits: int | None = 3) -> Quantiles:
    """Return the quantile function of numbers on an even grid; a constant is one number."""
    if not len(values):
        return ()
    found = np.quantile(np.asarray(values, dtype=np.float64), np.linspace(0.0, 1.0, _GRID))
    if found[0] == found[-1]:
        return (float(found[0]),)
    return tuple(float(value) for value in (found if digits is None else np.round(found, digits)))


# ---- What is made of parts ------------------------------------------------------------------------------------------


def _array(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:
    (part,) = column.parts
    found = [elements_of(text, ";" if part.type == "box" else ",") for text in texts]
    elements = [element for some, _ in found for element in some]
    shapes = Counter(shape for _, shape in found if len(shape) > 1)
    flat = [shape[0] for _, shape in found if len(shape) == 1]
    element = part_rule(part, elements, unique=unique)
    if isinstance(element, NullRule) and not part.nullable:
        flat, shapes = [0], Counter()
    return ArrayRule(
        column=column.name,
        element=element,
        lengths=quantiles([max(length, 1) for length in flat] if unique else flat),
        shapes=tuple((shape, count / len(found)) for shape, count in shapes.most_common(MOST_SHAPES)),
        unique=unique,
    )


def _range(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> RangeRule:
    (part,) = column.parts
    forms: Counter[str] = Counter()
    bounds: list[str] = []
    pairs: list[tuple[str, str]] = []
    for text in texts:
        if text == "empty":
            forms["empty"] += 1
            continue
        lower, upper = fields_of(text[1:-1])
        forms[("-" if lower is None else text[0]) + ("-" if upper is None else text[-1])] += 1
        bounds += [bound for bound in (lower or upper,) if bound is not None]
        if lower is not None and upper is not None:
            pairs.append((lower, upper))
    bound = part_rule(replace(part, nullable=False), bounds, unique=unique) if bounds else NullRule(column=column.name)
    if isinstance(bound, NullRule):
        forms = Counter({form: count for form, count in forms.items() if form in ("empty", "--")} or {"empty": 1})
    if unique:
        forms = Counter({"[)": 1})
    total = sum(forms.values())
    return RangeRule(
        column=column.name,
        bound=bound,
        widths=_widths(part, pairs) if isinstance(bound, Learned) or unique else None,
        forms=tuple((form, count / total) for form, count in forms.most_common()),
        unique=unique,
    )


AXIS_KINDS: tuple[TypeKind, ...] = (
    "integer",
    "decimal",
    "float",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
)


def _widths(part: Column, pairs: Sequence[tuple[str, str]]) -> Marginal | None:
    if part.kind not in AXIS_KINDS or not pairs:
        return None
    lower, upper = (
        learned_axis(part, typed(part.kind, pa.array(side, pa.string())))[0] for side in zip(*pairs, strict=True)
    )
    infinite = (np.abs(lower) >= APART) | (np.abs(upper) >= APART)
    return fit_marginal(np.where(infinite, INFINITE, upper - lower))


def _multirange(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:
    (part,) = column.parts
    found = [ranges_of(text) for text in texts]
    return MultirangeRule(
        column=column.name,
        element=part_rule(replace(part, nullable=False), [text for some in found for text in some], unique=unique),
        lengths=quantiles([max(len(some), int(unique)) for some in found]),
    )


def _composite(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:
    rows = [fields_of(text[1:-1]) for text in texts]
    fields = []
    for place, part in enumerate(column.parts):
        mine = [row[place] for row in rows]
        is_key = unique and place == _key_field(column)
        fields.append(part_rule(replace(part, nullable=part.nullable and not is_key), mine, unique=is_key))
    return CompositeRule(column=column.name, fields=tuple(fields), unique=unique)


def _key_field(column: Column) -> int:
    """Return the field that has the most values, which tells unique values apart."""
    return next((n for n, part in enumerate(column.parts) if part.kind not in ("boolean", "enum", "other")), 0)


# ---- Addresses, bits, shapes ----------------------------------------------------------------------------------------


def _network(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    prefixes: Counter[tuple[int, int]] = Counter()
    if not column.type.startswith("macaddr"):
        for text in texts:
            found = ipaddress.ip_interface(text)
            prefixes[found.version, found.network.prefixlen] += 1
    return NetworkRule(
        column=column.name,
        prefixes=tuple((version, bits, count / len(texts)) for (version, bits), count in prefixes.most_common()),
        unique=unique,
    )


def _bits(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    places = min(max(map(len, texts)), MOST_PLACES)
    ones = np.zeros(places)
    count = np.zeros(places)
    rest = [0, 0]
    for text in spread(texts):
        head = np.frombuffer(text[:places].encode(), np.uint8) == ord("1")
        ones[: len(head)] += head
        count[: len(head)] += 1
        rest = [rest[0] + text[places:].count("1"), rest[1] + len(text[places:])]
    return BitRule(
        column=column.name,
        lengths=quantiles([len(text) for text in texts]),
        # Of a few values alone the shares would be the values.
        ones=tuple(np.where(count >= SHARED_BY, np.round(ones / np.maximum(count, 1), 4), 0.5).tolist()),
        rest=rest[0] / rest[1] if rest[1] else 0.5,
        unique=unique,
    )


_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def _geometry(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    shape = column.type
    xs, ys, sizes, points, digits, opened = [], [], [], [], [], 0
    for text in texts:
        found = _NUMBER.findall(text)
        numbers = [float(number) for number in found]
        if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
            continue
        digits += [len(number.partition(".")[2]) if "e" not in number else 17 for number in found]
        xs.append(numbers[0])
        ys.append(numbers[1])
        points.append(len(numbers) // 2)
        opened += text.startswith("[")
        if shape in ("line", "circle"):
            sizes.append(numbers[2])
        elif len(numbers) >= 4:
            sizes.append(max(math.dist(numbers[:2], numbers[n : n + 2]) for n in range(2, len(numbers) - 1, 2)))
    return GeometryRule(
        column=column.name,
        x=_guarded(xs),
        y=_guarded(ys),
        sizes=_guarded(sizes),
        points=quantiles(points),
        # Coordinates of more digits than anybody writes were measured or computed, not rounded.
        decimals=max(digits) if digits and max(digits) <= 9 else None,
        open_share=opened / len(texts) if shape == "path" else 0.0,
    )


def _guarded(numbers: Sequence[float]) -> Quantiles:
    """Return quantiles whose ends are means of the five most extreme numbers, so that none can be read off."""
    if not numbers:
        return ()
    ordered = np.sort(np.array(numbers))
    ends = min(SHARED_BY, len(ordered))
    inner = np.clip(ordered, ordered[:ends].mean(), ordered[-ends:].mean())
    return quantiles(inner, None)


def _vector(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    some = spread(texts)
    # A long vector is read in part: its last number may be cut.
    rows = [np.array([float(n) for n in _NUMBER.findall(t if t.endswith("]") else t.rpartition(",")[0])]) for t in some]
    together = np.concatenate(rows)
    dimensions = column.length or max(map(len, rows))
    mean_square = float(np.mean([np.mean(row**2) for row in rows if len(row)])) if len(together) else 1.0
    return VectorRule(
        column=column.name,
        dimensions=dimensions,
        mean=float(together.mean()) if len(together) else 0.0,
        deviation=float(together.std()) if len(together) else 1.0,
        unit=abs(mean_square * dimensions - 1.0) < 0.05,
    )


# ---- Documents and words --------------------------------------------------------------------------------------------


def _xml(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    return JsonRule(column=column.name, root=learn_xml(texts), form="xml")


def _hstore(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    return JsonRule(column=column.name, root=learn_hstore(texts), form="hstore", unique=unique)


_LEXEME = re.compile(r"'(?:[^']|'')*'(:\d)?")


def _search(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    found = [_LEXEME.findall(text) for text in texts]
    total = sum(map(len, found))
    return SearchRule(
        column=column.name,
        words=quantiles([len(some) for some in found]),
        positions=sum(bool(place) for some in found for place in some) / total if total else 0.0,
    )


def _path(column: Column, texts: Sequence[str], unique: bool, part_rule: PartRule) -> Structured:  # noqa: ARG001
    paths = [text.split(".") if text else [] for text in texts]
    levels = []
    for level in range(MOST_LEVELS):
        labels = [path[level] for path in paths if len(path) > level]
        common = [(label, count) for label, count in Counter(labels).most_common() if count >= SHARED_BY]
        total = sum(count for _, count in common)
        if not total or total < CATEGORY_COVERS * len(labels) or any(pattern_of(label) for label, _ in common):
            break
        levels.append(tuple((label, count / total) for label, count in common))
    return PathRule(
        column=column.name,
        depths=quantiles([len(path) for path in paths]),
        levels=tuple(levels),
        unique=unique,
    )


_LEARN: Mapping[TypeKind, Callable[[Column, Sequence[str], bool, PartRule], Structured]] = {
    "array": _array,
    "range": _range,
    "multirange": _multirange,
    "composite": _composite,
    "network": _network,
    "bits": _bits,
    "geometry": _geometry,
    "xml": _xml,
    "hstore": _hstore,
    "search": _search,
    "path": _path,
    "vector": _vector,
}
