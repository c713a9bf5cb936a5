"""One unique key of a batch, kept: which of its columns may change, in which order, and how.

What rows refer to, and labels, are *cells* that are spread over the rows (:mod:`dbclone.generate.distinct`). Where a
key has several such parts, all but the last only have to leave room for those after them. Other values are drawn
again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from dbclone.errors import PlanError
from dbclone.generate import links, unique
from dbclone.generate.distinct import Cells, any_cells, spread
from dbclone.generate.shared import Name, is_computed
from dbclone.model.marginal import SCORE_LIMIT
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


def separate(rows: Rows, key: Sequence[Name], random: np.random.Generator) -> None:
    """Change a batch until no two of its rows share the key. Raises PlanError if that cannot be.

    Rows that nobody refers to yet are taken into use only where the others do not suffice.
    """
    for everyone in (False, True):
        parts = sorted(_parts(rows, key, random, everyone=everyone), key=lambda part: part.size)
        try:
            _spread(rows, key, parts, random)
        except ValueError as error:
            if everyone:
                raise _impossible(rows, key, str(error)) from error
        else:
            break
    if not parts:
        _redraw(rows, key, random)


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
    for name in key:
        rule = rows.shared.rule(rows.table, name)
        if not isinstance(rule, Learned) or rows.own_scores(rule) is None or name in shared:
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
        low, high = marginal.edges[cells[moved] + first], marginal.edges[cells[moved] + first + 1]
        share = low + (high - low) * (0.01 + 0.98 * random.random(len(moved)))
        rows.scores = rows.scores.copy()
        rows.scores[moved, place] = np.clip(ndtri(share), -SCORE_LIMIT, SCORE_LIMIT)
        rows.forget([rule.column])

    return Part(
        columns=(rule.column,),
        chosen=np.maximum(chosen, -1),
        cells=any_cells(len(marginal.low) - first, len(chosen)),
        scores=scores,
        take=take,
    )


def _redraw(rows: Rows, key: Sequence[Name], random: np.random.Generator) -> None:
    """Draw values of a key again where they repeat."""
    drawn = [name for name in key if name in rows.cluster.columns and _is_drawn(rows, name)]
    if not drawn:
        raise _impossible(rows, key, "nothing in it can be drawn again")

    def codes(some: Integers | None) -> Integers:
        if some is not None:
            rows.draw_again(drawn, some, random)
        return unique.tuple_codes([rows.column(name) for name in key], len(rows.scores))

    if not unique.redraw(codes):
        raise _impossible(rows, key, "its values have too few combinations")


def _is_drawn(rows: Rows, name: Name) -> bool:
    rule = rows.shared.rule(rows.table, name)
    return isinstance(rule, Learned | PolymorphicKey) or is_computed(rule)


def _impossible(rows: Rows, key: Sequence[Name], why: str) -> PlanError:
    return PlanError(
        f"{rows.table}: {len(rows.scores):,} rows cannot be unique in ({', '.join(key)}): {why}; "
        f"lower --rows {rows.table}"
    )
