"""Values made of other values: arrays, ranges, multiranges, composite values; as the literals that PostgreSQL reads.

Each part is made by a rule of its own, through ``make``, for an index of its own: a function of the row's.
Source of the quoting: PostgreSQL manual, sections 8.15.6, 8.16.6 and 8.17.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import arrays
from dbclone.generate.arrays import Floats, Name
from dbclone.generate.learned import normal_scores, on_axis
from dbclone.generate.streams import Integers, Streams
from dbclone.model.grids import grid_unit
from dbclone.model.literals import quoted_elements, quoted_fields, text_of
from dbclone.model.marginal import APART, INFINITE, fit_marginal
from dbclone.model.rules import Learned, Rule, SequenceKey, without_nulls
from dbclone.model.structures import ArrayRule, CompositeRule, MultirangeRule, RangeRule
from dbclone.schema.model import Column, TypeKind

Make = Callable[[Rule, Column, Integers, Name], pa.Array]
"""``make(rule, column, index, name)``: the values of a part."""

MOST_ELEMENTS = 1024
_BARE: tuple[TypeKind, ...] = ("integer", "decimal", "float", "boolean")
"""Kinds whose values need no quotes: they hold no character that means something in a literal."""


# ---- Arrays ---------------------------------------------------------------------------------------------------------


def array_values(
    rule: ArrayRule, column: Column, index: Integers, streams: Streams, name: Name, make: Make
) -> pa.Array:
    """Return arrays: ``{1,2}``, ``{{"a b",NULL},{"c","d"}}``."""
    (part,) = column.parts
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "shape"))
    edges = np.cumsum([0.0, *(each for _, each in rule.shapes)])
    shape_of = np.searchsorted(edges, share, side="right") - 1
    blocks, order = [], []
    for number in range(len(rule.shapes) + 1):
        where = np.flatnonzero(shape_of == number)
        if not len(where):
            continue
        rows = index[where]
        if number < len(rule.shapes):
            shape = rule.shapes[number][0]
            lengths = np.full(len(rows), int(np.prod(shape)), dtype=np.int64)
        else:
            shape = ()
            lengths = _lengths(rule.lengths, rows, streams, name)
        elements = _elements(rule.element, part, rows, lengths, name, make, streams if rule.unique else None)
        separator = ";" if part.type == "box" else ","
        for inner in reversed(shape[1:]):
            elements = _grouped(elements, np.full(len(elements) // inner, inner, dtype=np.int64), separator)
            lengths = lengths // inner
        blocks.append(_grouped(elements, lengths, separator))
        order.append(where)
    values = _in_order(blocks, order, len(index))
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _lengths(lengths: tuple[float, ...], index: Integers, streams: Streams, name: Name) -> Integers:
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "length"))
    return np.clip(arrays.draw(lengths, share), 0, MOST_ELEMENTS) if lengths else np.zeros_like(index)


def _elements(
    rule: Rule, part: Column, index: Integers, lengths: Integers, name: Name, make: Make, unique: Streams | None
) -> pa.Array:
    """Return the elements of all rows, one after the other, as they stand in an array.

    Arrays that must be ``unique`` begin with the row's own value, never NULL; their other elements are, drawn with
    these streams, values that other rows begin with, so that no more values are needed than there are rows.
    """
    row = np.repeat(index, lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    at, place = row * MOST_ELEMENTS + within, (*name, "element")
    if unique is None:
        values = make(rule, part, at, place)
    else:
        share = arrays.uniform(at, arrays.stream_key(unique, *place, "other"))
        others = make(rule, part, (share * (row + 1)).astype(np.int64), place)
        first = make(without_nulls(rule), part, row, place)
        values = pc.if_else(pa.array(within == 0), first, others)
    texts = text_of(values)
    return pc.fill_null(texts, "NULL") if part.kind in _BARE else quoted_elements(texts)


def _grouped(elements: pa.Array, lengths: Integers, separator: str) -> pa.Array:
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), elements)
    return arrays.join("{", pc.binary_join(lists, separator), "}")


def _in_order(blocks: list[pa.Array], order: list[Integers], rows: int) -> pa.Array:
    if not blocks:
        return pa.nulls(rows, pa.string())
    back = np.empty(rows, dtype=np.int64)
    back[np.concatenate(order)] = np.arange(rows)
    return blocks[0] if len(blocks) == 1 else pa.concat_arrays(blocks).take(pa.array(back))


# ---- Ranges ---------------------------------------------------------------------------------------------------------


def range_values(
    rule: RangeRule, column: Column, index: Integers, streams: Streams, name: Name, make: Make
) -> pa.Array:
    """Return ranges: ``["1","5")``, ``(,"7"]``, ``empty``."""
    (part,) = column.parts
    ends = np.cumsum([share for _, share in rule.forms])
    share = arrays.uniform(index, arrays.stream_key(streams, *name, "form")) * ends[-1]
    form_of = np.minimum(np.searchsorted(ends, share, side="right"), len(ends) - 1)
    forms = np.array(["--" if form == "empty" else form for form, _ in rule.forms])[form_of]
    first = np.array([form[0] for form in forms], dtype="<U1") if len(forms) else np.zeros(0, "<U1")
    last = np.array([form[1] for form in forms], dtype="<U1") if len(forms) else np.zeros(0, "<U1")
    empty = np.array([form == "empty" for form, _ in rule.forms])[form_of]
    closed = (first == "[") & (last == "]")
    lower, upper = _bounds(rule, part, index, closed, streams, name, make)
    no_lower, no_upper = first == "-", last == "-"
    if rule.widths is None:
        # Nothing is known of the order of such bounds but that each equals itself.
        single = ~no_lower & ~no_upper
        first, last = np.where(single, "[", first), np.where(single, "]", last)
    # The only bound of a range without a lower one is what the rule makes; an upper one has been counted from it.
    upper = pc.if_else(pa.array(no_lower), lower, upper)
    values = arrays.join(
        pa.array(np.where(no_lower, "(", first)), pc.if_else(pa.array(no_lower), "", lower), ",",
        pc.if_else(pa.array(no_upper), "", upper), pa.array(np.where(no_upper, ")", last)),
    )  # fmt: skip
    values = pc.if_else(pa.array(empty), "empty", values)
    return arrays.with_nulls(values, index, rule.null_share, streams, name)


def _bounds(
    rule: RangeRule,
    part: Column,
    index: Integers,
    closed: npt.NDArray[np.bool_],
    streams: Streams,
    name: Name,
    make: Make,
) -> tuple[pa.Array, pa.Array]:
    """Return lower and upper bounds as text in quotes; those of open ranges are a unit apart or more."""
    at = (*name, "bound")
    if rule.widths is None or not isinstance(rule.bound, Learned | SequenceKey):
        both = quoted_fields(text_of(make(rule.bound, part, index, at)))
        return both, both
    scores = normal_scores(index, streams, (*name, "width"))
    widths = rule.widths.decode(scores)
    if isinstance(rule.bound, SequenceKey):
        bound = _of_sequence(rule.bound, part)
        lower = (rule.bound.start + rule.bound.step * index) / 10.0**rule.bound.decimals
    else:
        bound = rule.bound
        lower = bound.marginal.decode(normal_scores(index, streams, at))
    lower = _rounded(lower, bound, part)
    unit = grid_unit(bound, part)
    widths = np.maximum(widths, np.where(closed, 0.0, unit))
    upper = np.where((widths >= APART) | (lower >= APART), INFINITE, lower + widths)
    texts = [quoted_fields(text_of(on_axis(side, None, bound, part))) for side in (lower, upper)]
    return texts[0], texts[1]


def _of_sequence(key: SequenceKey, part: Column) -> Learned:
    """Return a rule with the grid of a sequence, so that its numbers can be written and counted on from."""
    times = part.kind not in ("integer", "decimal", "float", "date")
    return Learned(
        column=key.column,
        marginal=fit_marginal(np.zeros(1)),
        kind=part.kind,
        decimals=6 if times else key.decimals,
        units=("time",) if part.kind == "interval" else (),
    )


def _rounded(values: Floats, rule: Learned, part: Column) -> Floats:
    unit = grid_unit(rule, part)
    return np.where(np.abs(values) >= APART, values, np.rint(values / unit) * unit) if unit else values


def multirange_values(
    rule: MultirangeRule, column: Column, index: Integers, streams: Streams, name: Name, make: Make
) -> pa.Array:
    """Return multiranges: ``{["1","5"),["7","8")}``. PostgreSQL orders their ranges and joins those that meet."""
    (part,) = column.parts
    lengths = _lengths(rule.lengths, index, streams, name)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ranges = make(rule.element, part, np.repeat(index, lengths) * MOST_ELEMENTS + within, (*name, "element"))
    return arrays.with_nulls(_grouped(ranges, lengths, ","), index, rule.null_share, streams, name)


# ---- Composite values -----------------------------------------------------------------------------------------------


def composite_values(
    rule: CompositeRule, column: Column, index: Integers, streams: Streams, name: Name, make: Make
) -> pa.Array:
    """Return composite values: ``("12","a b",)``; a field is NULL where nothing stands."""
    fields = [
        quoted_fields(text_of(make(field, part, index, (*name, part.name))))
        for field, part in zip(rule.fields, column.parts, strict=True)
    ]
    body = pc.binary_join_element_wise(*fields, ",") if fields else pa.repeat(pa.scalar(""), len(index))
    return arrays.with_nulls(arrays.join("(", body, ")"), index, rule.null_share, streams, name)
