"""One unique key of a batch, kept: which of its columns may change, in which order, and how.

What rows refer to, and labels, are *cells* that are spread over the rows (:mod:`dbclone.generate.distinct`). Where a
key has several such parts, all but the last only have to leave room for those after them. Other values are drawn
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dbclone.errors import PlanError
from dbclone.generate import links, polymorphic, unique
from dbclone.generate.distinct import Cells, any_cells, spread
from dbclone.generate.shared import Name, is_computed
from dbclone.model.marginal import SCORE_LIMIT
from dbclone.model.normal import ndtr, ndtri
from dbclone.model.rules import Learned, PolymorphicKey
from dbclone.schema.plan import Reference

if TYPE_CHECKING:
    from dbclone.generate.rows import Rows

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST = 2**40


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """A part of a key whose cells may be exchanged: its columns, each row's cell, and what a row may use.

    ``take`` puts new cells into the batch. ``scores`` say which rows are alike.
    """

    columns: tuple[Name, ...]
    chosen: Integers
    cells: Cells
    scores: Floats
    take: Callable[[Integers], None]

    @property
    def size(self) -> int:
        """How many cells every row may use."""
        return int((self.cells.high - self.cells.low)[self.chosen >= 0].min(initial=MOST))


def separate(
    rows: Rows, key: Sequence[Name], random: np.random.Generator, *, stay: frozenset[Name] = frozenset()
) -> None:
    """Change a batch until no two of its rows share the key, if possible not in the columns ``stay``.

    Raises PlanError if that cannot be.
    """
    own = rows.cluster.columns.intersection(key)
    if own & stay and own - stay:
        with suppress(PlanError):
            _separate(rows, key, own - stay, random)
            return
    _separate(rows, key, own, random)


def _separate(rows: Rows, key: Sequence[Name], movable: frozenset[Name], random: np.random.Generator) -> None:
    """Change the columns ``movable`` of a key until no two rows share it.

    Rows that nobody refers to yet are taken into use only where the others do not suffice; values that are no parts
    are drawn again where the parts do not, and texts that still repeat are made to differ.
    """
    reason = "nothing in it can be drawn again"
    for everyone in (False, True):
        found = _parts(rows, key, random, everyone=everyone)
        parts = [part for part in found if movable.issuperset(set(part.columns).intersection(key))]
        parts.sort(key=lambda part: part.size)
        try:
            _spread(rows, key, parts, random)
        except ValueError as error:
            reason = str(error)
        else:
            if parts:
                return
            break
    moved = {name for part in parts for name in part.columns}
    drawn = [name for name in key if name in movable - moved and _is_drawn(rows, name)]
    if drawn and _redraw(rows, key, drawn, random):
        return
    if any(rows.tell_apart(name) for name in drawn):
        return
    raise impossible(rows, key, reason if parts or not drawn else "its values have too few combinations")


def _spread(rows: Rows, key: Sequence[Name], parts: Sequence[Part], random: np.random.Generator) -> None:
    count = len(rows.scores)
    for number, part in enumerate(parts):
        later = parts[number + 1 :]
        capacity = min(int(np.prod([float(p.size) for p in later])), MOST)
        moving = {name for p in (part, *later) for name in p.columns}
        families = unique.tuple_codes([rows.column(name) for name in key if name not in moving], count)
        part.take(spread(families, part.chosen, replace(part.cells, capacity=capacity), part.scores, random))
    if parts and len(unique.repeats(unique.tuple_codes([rows.column(name) for name in key], count))):
        raise ValueError("some of its values are the same")


def _parts(rows: Rows, key: Sequence[Name], random: np.random.Generator, *, everyone: bool) -> list[Part]:
    """Return the parts of a key that can be moved from row to row."""
    references = rows.plan.references
    shared = {name for reference in references for name in reference.shared}
    parts = [
        _linked(rows, reference, everyone=everyone)
        for reference in rows.plan.links
        if reference.sets
        and rows.cluster.columns >= set(reference.sets)
        and set(reference.sets) <= set(key)
        and not set(reference.sets) & shared
        and (rows.table, reference.foreign_key.name) in rows.shared.links
        and rows.shared.links[rows.table, reference.foreign_key.name].tree is None
    ]
    mine = [rows.shared.rule(rows.table, name) for name in key if name in rows.cluster.columns]
    pairs = [rule for rule in mine if isinstance(rule, PolymorphicKey)]
    parts += [_polymorphic(rows, rule, random, everyone=everyone) for rule in pairs]
    settled = shared | {rule.type_column for rule in pairs}
    for name in key:
        rule = rows.shared.rule(rows.table, name)
        if not isinstance(rule, Learned) or rows.own_scores(rule) is None or name in settled:
            continue
        if name not in rows.cluster.columns:
            continue
        if rows.references.room.labels_of(rows.table, name) is not None:
            parts.append(_labelled(rows, rule, random))
    return parts


def _linked(rows: Rows, reference: Reference, *, everyone: bool) -> Part:
    """Return the part of a key that refers to another row; cells are the rows that can be referred to.

    Unless ``everyone``, of a link that shares no column only those that some row refers to.
    """
    key = reference.foreign_key
    link = rows.shared.links[rows.table, key.name]
    rank = links.child_side(link, rows.scores, rows.shared.streams.generator("rank", rows.table, key.name, rows.number))
    parents = rows.parent(key.name)
    if reference.shared:
        groups = rows.references.groups(link, reference)
        order = groups.order
        low, high = groups.find([rows.column(name) for name in reference.shared])
    else:
        able = rows.references.able(key.parent, key.parent_columns)
        order = np.arange(rows.shared.rows[key.parent]) if able is None else np.flatnonzero(able)
        if not everyone:
            order = rows.references.link_index(link, reference).in_use
        low, high = np.zeros(len(parents), dtype=np.int64), np.full(len(parents), len(order), dtype=np.int64)
    place = np.full(rows.shared.rows[key.parent], -1, dtype=np.int64)
    place[order] = np.arange(len(order))

    def cell_of(positions: Integers) -> Integers:
        return np.where(positions < 0, -1, place[np.maximum(positions, 0)])

    twin = rows.shared.model.table(rows.table).twin(key.name)
    avoid = np.full(len(parents), -1, dtype=np.int64)
    if twin is not None and twin.share == 0:
        avoid = cell_of(rows.parent(twin.other))

    def take(cells: Integers) -> None:
        rows.parents[key.name] = np.where(cells < 0, -1, order[np.maximum(cells, 0)])
        rows.forget(reference.sets)

    return Part(
        columns=reference.sets,
        chosen=cell_of(parents),
        cells=Cells(number=len(order), low=low, high=high, avoid=avoid),
        scores=rank,
        take=take,
    )


def _labelled(rows: Rows, rule: Learned, random: np.random.Generator) -> Part:
    """Return a learned column of few values as a part of a key; cells are the segments of its marginal."""
    marginal, names = rule.marginal, rows.shared.model.table(rows.table).scores
    place, first = names.index(rule.column), 1 if rule.marginal.null_share else 0
    scores = rows.scores[:, place]
    segment = np.searchsorted(marginal.edges, np.clip(ndtr(scores), 0.0, 1.0), side="right") - 1
    chosen = np.clip(segment, 0, len(marginal.low) - 1) - first

    def take(cells: Integers) -> None:
        moved = np.flatnonzero(cells != chosen)
        _label(rows, rule, moved, cells[moved] + first, random)

    return Part(
        columns=(rule.column,),
        chosen=np.maximum(chosen, -1),
        cells=any_cells(len(marginal.low) - first, len(chosen)),
        scores=scores,
        take=take,
    )


def _label(rows: Rows, rule: Learned, moved: Integers, segments: Integers, random: np.random.Generator) -> None:
    """Give some rows scores within other segments of a marginal."""
    marginal, place = rule.marginal, rows.shared.model.table(rows.table).scores.index(rule.column)
    low, high = marginal.edges[segments], marginal.edges[segments + 1]
    share = low + (high - low) * (0.01 + 0.98 * random.random(len(moved)))
    rows.scores = rows.scores.copy()
    rows.scores[moved, place] = np.clip(ndtri(share), -SCORE_LIMIT, SCORE_LIMIT)
    rows.axes = {name: values for name, values in rows.axes.items() if name != rule.column}
    rows.forget([rule.column])


def _polymorphic(rows: Rows, rule: PolymorphicKey, random: np.random.Generator, *, everyone: bool) -> Part:
    """Return a polymorphic id as a part of a key; cells are the rows of the table that the row's type names.

    With ``everyone`` those of the other tables, too: the type then goes with the id.
    """
    now = rows.referred(rule)
    chosen = np.where(rows.column(rule.column).is_valid().to_numpy(zero_copy_only=False), now.chosen, -1)
    types = rows.shared.rule(rows.table, rule.type_column)
    movable = everyone and isinstance(types, Learned) and types.column in rows.cluster.columns
    segments = _segments(rows, rule, types) if movable and isinstance(types, Learned) else None
    number = polymorphic.cells(rule, rows.references)

    def take(found: Integers) -> None:
        cells = np.where(found < 0, now.chosen, found)
        if isinstance(types, Learned) and segments is not None:
            moved = np.flatnonzero((cells >= 0) & ((cells < now.low) | (cells >= now.high)))
            _label(rows, types, moved, segments[cells[moved]], random)
        rows.polymorphic[rule.column] = replace(now, chosen=cells)
        rows.forget([rule.column])

    return Part(
        columns=(rule.column, rule.type_column) if segments is not None else (rule.column,),
        chosen=chosen,
        cells=any_cells(number, len(chosen))
        if segments is not None
        else Cells(number=number, low=now.low, high=now.high, avoid=np.full(len(chosen), -1, dtype=np.int64)),
        scores=random.random(len(chosen)),
        take=take,
    )


def _segments(rows: Rows, rule: PolymorphicKey, types: Learned) -> Integers | None:
    """Return, per cell, the segment of the type's marginal that names its table; None if one has no such segment."""
    if rows.own_scores(types) is None:
        return None
    labels = [None if np.isnan(at) else types.categories[int(at)] for at in types.marginal.low]
    if any(target.label not in labels for target in rule.targets):
        return None
    sizes = [rows.shared.rows.get(target.table, 0) for target in rule.targets]
    return np.repeat([labels.index(target.label) for target in rule.targets], sizes)


def _redraw(rows: Rows, key: Sequence[Name], drawn: Sequence[Name], random: np.random.Generator) -> bool:
    """Draw values of a key again where they repeat; return whether that succeeded."""

    def codes(some: Integers | None) -> Integers:
        if some is not None:
            rows.draw_again(drawn, some, random)
        return unique.tuple_codes([rows.column(name) for name in key], len(rows.scores))

    return unique.redraw(codes)


def _is_drawn(rows: Rows, name: Name) -> bool:
    rule = rows.shared.rule(rows.table, name)
    return isinstance(rule, Learned | PolymorphicKey) or is_computed(rule)


def impossible(rows: Rows, key: Sequence[Name], why: str) -> PlanError:
    """Return the error about a key that cannot be kept."""
    return PlanError(
        f"{rows.table}: {len(rows.scores):,} rows cannot be unique in ({', '.join(key)}): {why}; "
        f"lower --rows {rows.table}"
    )
