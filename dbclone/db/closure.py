"""Closure: the rows that sampled rows refer to join the sample, transitively, until no reference leaves it.

Owns the rows while a sample grows (:class:`Drawing`) and the bound on them. Parent tables are completed in order of
their layer, the deepest first, so that all rows that need rows of a table are known when its room is given away. Every
row has an *urgency*: the random rank of its group, or that of the most urgent row that needs it. Where there is not
room for all, the less urgent rows go, so that each child table keeps the same share. Rows that were read as the
children of one parent row are a group, kept or dropped together, because a part of a parent row's children would teach
a wrong fan-out; only of a group that is a large part of its table single rows go, at random. What was refused or
dropped once never comes back, so that the work ends.

A reference within a cycle (a self-reference, most often) is cut instead if it may be NULL: a chain of millions, each
row naming the one before it, has no closed part but its beginning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.db.dialects.base import Cap, Keys
from dbclone.db.matching import Mask, Positions, first_of_each, keys_of, match, numbered, take
from dbclone.schema import graph
from dbclone.schema.graph import Edge
from dbclone.schema.model import Table, TableKey
from dbclone.schema.plan import Plan

Fetch = Callable[[Table, Sequence[str], Keys, Cap | None], pa.Table]
"""Reads the rows of a table that have one of these keys in these columns, at most so many per key."""
EdgeKey = tuple[TableKey, str]
"""Child table and name of one of its foreign keys."""
KeyColumns = tuple[TableKey, tuple[str, ...]]
"""Parent table and the columns of it that a foreign key refers to."""


@dataclass(kw_only=True)
class Drawing:
    """A sample while it is being drawn. The only mutable value of the stage; it ends with it.

    ``whole`` are the tables that were read with all their rows, ``reduced`` those of them that lost some again.
    ``chosen`` are, per foreign key, the parent rows all of whose children were read, by key; ``spoiled`` those that
    lost children again. ``orphaned`` are references to rows that the source does not have, ``refused`` those to rows
    that it has and the sample has not. ``urgency`` is there for tables that nothing is added to any more.
    """

    plan: Plan
    seed: int
    rows: dict[TableKey, pa.Table] = field(default_factory=dict)
    base: dict[TableKey, Mask] = field(default_factory=dict)
    whole: set[TableKey] = field(default_factory=set)
    reduced: set[TableKey] = field(default_factory=set)
    urgency: dict[TableKey, npt.NDArray[np.float64]] = field(default_factory=dict)
    chosen: dict[EdgeKey, Keys] = field(default_factory=dict)
    spoiled: defaultdict[EdgeKey, list[Keys]] = field(default_factory=lambda: defaultdict(list))
    orphaned: defaultdict[EdgeKey, list[Keys]] = field(default_factory=lambda: defaultdict(list))
    refused: defaultdict[KeyColumns, list[Keys]] = field(default_factory=lambda: defaultdict(list))

    def table(self, key: TableKey) -> Table:
        return self.plan.schema.table(key)

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """The foreign keys whose columns are sampled on both sides. Not before every table is in ``rows``."""
        return tuple(
            edge
            for edge in graph.edges(self.plan.schema)
            if set(edge.foreign_key.columns) <= set(self.rows[edge.child].column_names)
            and set(edge.foreign_key.parent_columns) <= set(self.rows[edge.parent].column_names)
        )

    @cached_property
    def edges_to(self) -> Mapping[TableKey, Sequence[Edge]]:
        """The same, by parent."""
        groups: defaultdict[TableKey, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            groups[edge.parent].append(edge)
        return groups

    def parent_keys(self, edge: Edge) -> tuple[Keys, Positions]:
        """Return the keys of the parent's rows that ``edge`` refers to, and their positions."""
        return keys_of(self.rows[edge.parent], self.table(edge.parent), edge.foreign_key.parent_columns)

    def references(self, edge: Edge) -> tuple[Keys, Positions]:
        """Return what the child's rows refer to, and the positions of those that refer to something."""
        return keys_of(self.rows[edge.child], self.table(edge.child), edge.foreign_key.columns)

    def random(self, key: TableKey, purpose: str) -> np.random.Generator:
        """Return random numbers for one purpose in one table: others do not change them."""
        return np.random.default_rng([self.seed, crc32(f"{key}/{purpose}".encode())])


LARGE_GROUPS = 20
"""A group of more than a twentieth of its table's rows is not kept or dropped as one."""


def close(drawing: Drawing, fetch: Fetch) -> None:
    """Add to ``drawing`` the rows that its rows refer to, and make it fit into each table's ``sample_rows``.

    A reference to a row that the source does not have (NOT VALID keys permit it) is left as it is.
    """
    layer = graph.layers(drawing.plan.schema)
    for level in sorted(set(layer.values()), reverse=True):
        tables = [key for key in drawing.rows if layer[key] == level]
        edges = [edge for key in tables for edge in drawing.edges_to[key]]
        # One round, and one that finds nothing, but for cycles: their tables share a layer.
        while missing := [(edge, rows) for edge in edges if len(rows := _missing(drawing, edge))]:
            for where in dict.fromkeys(_where(edge) for edge, _ in missing):
                _fetch_missing(drawing, where, [item for item in missing if _where(item[0]) == where], layer, fetch)
            _give_up_refused(drawing, layer)
        for key in tables:
            drawing.urgency[key] = _urgency(drawing, key, layer)


def _where(edge: Edge) -> KeyColumns:
    return edge.parent, edge.foreign_key.parent_columns


def _missing(drawing: Drawing, edge: Edge) -> Positions:
    """Return the positions of child rows whose parent is neither in the sample nor known to be lost in the source."""
    if edge.foreign_key.validated and edge.parent in drawing.whole:
        return np.empty(0, dtype=np.int64)
    keys, positions = drawing.references(edge)
    known = match(keys, drawing.parent_keys(edge)[0], *drawing.orphaned[edge.child, edge.foreign_key.name])
    return positions[known < 0]


def _fetch_missing(
    drawing: Drawing,
    where: KeyColumns,
    missing: list[tuple[Edge, Positions]],
    layer: Mapping[TableKey, int],
    fetch: Fetch,
) -> None:
    """Read the parents that child rows miss, all through the same columns of one table; refuse those without room."""
    parent, columns = where
    wanted = [
        keys_of(drawing.rows[edge.child].take(rows), drawing.table(edge.child), edge.foreign_key.columns)[0]
        for edge, rows in missing
    ]
    urgency = [_urgency(drawing, edge.child, layer)[rows] for edge, rows in missing]
    numbers = numbered(*wanted)
    admitted = np.unique(np.concatenate(numbers))
    if parent not in drawing.whole:
        admitted = _admitted(np.concatenate(numbers), np.concatenate(urgency), _room(drawing, parent, missing, layer))
    for (edge, _), keys, number in zip(missing, wanted, numbers, strict=True):
        fits = np.isin(number, admitted) & (match(keys, *drawing.refused[where]) < 0)
        if not fits.all():
            drawing.refused[where].append(take(keys, np.flatnonzero(~fits)))
        new = take(keys, np.flatnonzero(fits & (first_of_each(keys) == np.arange(len(number)))))
        new = take(new, np.flatnonzero(match(new, drawing.parent_keys(edge)[0]) < 0))
        if new.values.num_rows:
            if parent not in drawing.whole:
                _append(drawing, drawing.table(parent), fetch(drawing.table(parent), columns, new, None))
            lost = match(new, drawing.parent_keys(edge)[0]) < 0
            if lost.any():
                drawing.orphaned[edge.child, edge.foreign_key.name].append(take(new, np.flatnonzero(lost)))


def _room(
    drawing: Drawing, parent: TableKey, missing: list[tuple[Edge, Positions]], layer: Mapping[TableKey, int]
) -> int:
    """Return how many rows of ``parent`` may be added: a quarter is kept for those that its own cycle will need."""
    bound = drawing.plan.table(parent).sample_rows
    waiting = any(layer[edge.child] == layer[parent] for edge in drawing.edges_to[parent])
    if waiting and all(layer[edge.child] > layer[parent] for edge, _ in missing):
        bound -= bound // 4
    return max(0, bound - int(drawing.rows[parent].num_rows))


def _admitted(numbers: Positions, urgency: npt.NDArray[np.float64], room: int) -> Positions:
    """Return the numbers that fit into ``room``, most urgent first, equally urgent ones all or none."""
    order = np.argsort(urgency, kind="stable")
    unique, first = np.unique(numbers[order], return_index=True)
    if len(unique) <= room:
        return unique
    urgencies = urgency[order][first]
    return np.asarray(unique[urgencies < np.sort(urgencies)[room]])


def _append(drawing: Drawing, table: Table, rows: pa.Table) -> None:
    """Append rows of a parent table. One that is there already (found under another spelling of its key) is not."""
    known = drawing.rows[table.key]
    if table.primary_key and set(table.primary_key) <= set(rows.column_names):
        new, _ = keys_of(rows, table, table.primary_key)
        present = match(new, keys_of(known, table, table.primary_key)[0]) >= 0
        rows = rows.take(np.flatnonzero(~present & (first_of_each(new) == np.arange(rows.num_rows))))
    drawing.rows[table.key] = pa.concat_tables([known, rows])
    drawing.base[table.key] = np.concatenate([drawing.base[table.key], np.zeros(rows.num_rows, dtype=bool)])


def _groups(drawing: Drawing, child: TableKey) -> tuple[Positions, Mask]:
    """Return a number per row, shared by the rows of a group, and which rows were read as children but go singly."""
    size = drawing.rows[child].num_rows
    groups, single = np.arange(size, dtype=np.int64), np.zeros(size, dtype=bool)
    primary = drawing.plan.table(child).primary
    chosen = drawing.chosen.get((child, primary.foreign_key.name)) if primary else None
    if primary and chosen:
        keys, positions = keys_of(drawing.rows[child], drawing.table(child), primary.foreign_key.columns)
        parents = match(keys, chosen)
        read = (parents >= 0) & drawing.base[child][positions]
        large = np.bincount(parents[read], minlength=1) > size / LARGE_GROUPS
        single[positions[read]] = large[parents[read]]
        groups[positions[read]] = np.where(large[parents[read]], positions[read], size + parents[read])
    return groups, single


def _urgency(drawing: Drawing, child: TableKey, layer: Mapping[TableKey, int]) -> npt.NDArray[np.float64]:
    """Return the urgency of each row of ``child``: 0 to 1, less is more urgent.

    Ranks are shares, so that child tables of any size lose the same share of their rows.
    """
    if child in drawing.urgency:
        return drawing.urgency[child]
    numbers, groups = np.unique(_groups(drawing, child)[0], return_inverse=True)
    # Not whole numbers: no two groups of different tables may tie, for tied ones are admitted all or none.
    random = drawing.random(child, "urgency")
    ranks = (random.permutation(len(numbers)) + random.random(len(numbers))) / max(1, len(numbers))
    urgency = np.where(drawing.base[child], ranks[groups], 1.0)
    for edge in drawing.edges_to[child]:
        if layer[edge.child] > layer[child]:
            keys, positions = drawing.references(edge)
            found = match(keys, drawing.parent_keys(edge)[0])
            parents = drawing.parent_keys(edge)[1][found[found >= 0]]
            np.minimum.at(urgency, parents, drawing.urgency[edge.child][positions[found >= 0]])
    np.minimum.at(ranks, groups, urgency)
    return np.asarray(np.where(drawing.base[child], ranks[groups], urgency))


def _give_up_refused(drawing: Drawing, layer: Mapping[TableKey, int]) -> None:
    """Cut or drop the child rows that refer to a refused row, and those that refer to a dropped one, and so on."""
    again = True
    while again:
        again = False
        for edge in drawing.edges:
            if not drawing.refused[_where(edge)]:
                continue
            keys, positions = drawing.references(edge)
            absent = match(keys, drawing.parent_keys(edge)[0]) < 0
            lost = positions[absent & (match(keys, *drawing.refused[_where(edge)]) >= 0)]
            if not len(lost):
                continue
            in_cycle = edge.is_self or layer[edge.child] == layer[edge.parent]
            nullable = graph.nulled_columns(drawing.plan.schema, edge) if in_cycle else ()
            if nullable:
                _cut(drawing, edge.child, nullable, lost)
            else:
                _drop(drawing, edge.child, lost)
                again = True


def _cut(drawing: Drawing, child: TableKey, columns: Sequence[str], positions: Positions) -> None:
    rows = drawing.rows[child]
    cut = np.zeros(rows.num_rows, dtype=bool)
    cut[positions] = True
    for name in columns:
        number = rows.column_names.index(name)
        values = pc.if_else(pa.array(cut), pa.scalar(None, rows.schema.field(name).type), rows.column(name))
        rows = rows.set_column(number, rows.schema.field(name), values)
    drawing.rows[child] = rows


def _drop(drawing: Drawing, child: TableKey, positions: Positions) -> None:
    """Take rows out, each with its whole group; note whose children they were, and that nobody may refer to them."""
    groups, single = _groups(drawing, child)
    primary = drawing.plan.table(child).primary
    gone = np.isin(groups, groups[positions])
    dropped = drawing.rows[child].filter(pa.array(gone))
    for edge in drawing.edges:
        key = edge.foreign_key
        if edge.child == child:
            # A large group that was thinned at random still shows what its children are like.
            lost = dropped.filter(pa.array(~single[gone])) if primary and key is primary.foreign_key else dropped
            drawing.spoiled[child, key.name].append(keys_of(lost, drawing.table(child), key.columns)[0])
        if edge.parent == child:
            drawing.refused[_where(edge)].append(keys_of(dropped, drawing.table(child), key.parent_columns)[0])
    drawing.rows[child] = drawing.rows[child].filter(pa.array(~gone))
    drawing.base[child] = drawing.base[child][~gone]
    if child in drawing.urgency:
        drawing.urgency[child] = drawing.urgency[child][~gone]
    if child in drawing.whole:
        drawing.whole.remove(child)
        drawing.reduced.add(child)
