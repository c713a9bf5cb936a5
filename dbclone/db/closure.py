"""Closure: the rows that sampled rows refer to join the sample, transitively, until no reference leaves it.

Owns the rows while a sample grows (:class:`Drawing`) and the bound on them. Parent tables are completed in order of
their layer, the deepest first, so that all rows that need rows of a table are known when its room is given away. Every
row has an *urgency*: the random rank of its group, or that of the most urgent row that needs it. Where there is not
room for all, the less urgent rows go, so that each child table keeps the same share. Rows that were read as the
children of one parent row are a group, kept or dropped together, because a part of a parent row's children would teach
a wrong fan-out; only of a group that is a large part of its table single rows go, at random. What was refused or
dropped once never comes back, so that the work ends.

Within a cycle (a self-reference, most often) every row that comes in may need another, so room is made by dropping rows
that are there already, with the rows they need, in order of urgency. Where that would leave next to nothing, references
that may be NULL are cut instead: a chain of millions, each row naming the one before it, has no closed part but its
beginning.
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
Share = npt.NDArray[np.float64]
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
    that it has and the sample has not; if they are of a table in ``cut``, references within a cycle are cut. ``rank``
    and ``urgency`` have a number per row.
    """

    plan: Plan
    seed: int
    rows: dict[TableKey, pa.Table] = field(default_factory=dict)
    base: dict[TableKey, Mask] = field(default_factory=dict)
    whole: set[TableKey] = field(default_factory=set)
    reduced: set[TableKey] = field(default_factory=set)
    cut: set[TableKey] = field(default_factory=set)
    rank: dict[TableKey, Share] = field(default_factory=dict)
    urgency: dict[TableKey, Share] = field(default_factory=dict)
    chosen: dict[EdgeKey, Keys] = field(default_factory=dict)
    spoiled: defaultdict[EdgeKey, list[Keys]] = field(default_factory=lambda: defaultdict(list))
    orphaned: defaultdict[EdgeKey, list[Keys]] = field(default_factory=lambda: defaultdict(list))
    refused: defaultdict[KeyColumns, list[Keys]] = field(default_factory=lambda: defaultdict(list))

    @cached_property
    def layer(self) -> Mapping[TableKey, int]:
        return graph.layers(self.plan.schema)

    def in_cycle(self, edge: Edge) -> bool:
        """Whether the foreign key is part of a cycle or refers to its own table."""
        return self.layer[edge.child] == self.layer[edge.parent]

    def is_cyclic(self, key: TableKey) -> bool:
        """Whether rows of the table may, by some way, need rows of the table."""
        return any(self.in_cycle(edge) for edge in self.edges_to[key])

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
FEWEST_BASE = 8
"""References within a cycle are cut when less than an eighth of a table's sample would be left to stand for it."""


def close(drawing: Drawing, fetch: Fetch) -> None:
    """Add to ``drawing`` the rows that its rows refer to, and make it fit into each table's ``sample_rows``.

    A reference to a row that the source does not have (NOT VALID keys permit it) is left as it is.
    """
    drawing.rank.update({key: _ranks(drawing, key) for key in drawing.rows})
    for level in sorted(set(drawing.layer.values()), reverse=True):
        tables = [key for key in drawing.rows if drawing.layer[key] == level]
        drawing.urgency.update(_urgencies(drawing, tables))
        again = True
        while again:
            again = False
            for key in tables:
                while missing := [(e, rows) for e in drawing.edges_to[key] if len(rows := _missing(drawing, e))]:
                    # What other layers need comes first: it is known, what a cycle needs is not.
                    missing.sort(key=lambda item: drawing.in_cycle(item[0]))
                    first = missing[0][0]
                    _complete(drawing, [item for item in missing if _alike(item[0], first, drawing)], fetch)
                    _give_up_refused(drawing)
                    drawing.urgency.update(_urgencies(drawing, tables if drawing.is_cyclic(key) else [key]))
                    again = drawing.is_cyclic(key)


def _where(edge: Edge) -> KeyColumns:
    return edge.parent, edge.foreign_key.parent_columns


def _alike(edge: Edge, other: Edge, drawing: Drawing) -> bool:
    return _where(edge) == _where(other) and drawing.in_cycle(edge) == drawing.in_cycle(other)


def _missing(drawing: Drawing, edge: Edge) -> Positions:
    """Return the positions of child rows whose parent is neither in the sample nor known to be lost in the source."""
    if edge.foreign_key.validated and edge.parent in drawing.whole:
        return np.empty(0, dtype=np.int64)
    keys, positions = drawing.references(edge)
    known = match(keys, drawing.parent_keys(edge)[0], *drawing.orphaned[edge.child, edge.foreign_key.name])
    return positions[known < 0]


def _complete(drawing: Drawing, missing: Sequence[tuple[Edge, Positions]], fetch: Fetch) -> None:
    """Read the parents that child rows miss, all through the same columns of one table; refuse those without room."""
    where = parent, columns = _where(missing[0][0])
    wanted = [
        keys_of(drawing.rows[edge.child].take(rows), drawing.table(edge.child), edge.foreign_key.columns)[0]
        for edge, rows in missing
    ]
    numbers = numbered(*wanted)
    urgency = np.concatenate([drawing.urgency[edge.child][rows] for edge, rows in missing])
    admitted, dropped = _admitted(drawing, missing[0][0], np.concatenate(numbers), urgency)
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
    if len(dropped):
        _drop(drawing, parent, dropped)


def _admitted(drawing: Drawing, edge: Edge, numbers: Positions, urgency: Share) -> tuple[Positions, Positions]:
    """Return which of the missing parent rows, by number, may be added, and the positions of rows to drop for it.

    The most urgent ones are; of those that are equally urgent all or none.
    """
    order = np.argsort(urgency, kind="stable")
    unique, first = np.unique(numbers[order], return_index=True)
    urgencies, none = urgency[order][first], unique[:0]
    bound = drawing.plan.table(edge.parent).sample_rows
    room = bound - drawing.rows[edge.parent].num_rows
    if drawing.is_cyclic(edge.parent) and not drawing.in_cycle(edge):
        room -= bound // 4
    if edge.parent in drawing.whole or len(unique) <= room:
        return unique, none
    if drawing.in_cycle(edge):
        mine = drawing.urgency[edge.parent]
        limit = np.sort(np.concatenate([mine, urgencies]))[bound]
        if np.count_nonzero(drawing.base[edge.parent] & (mine < limit)) >= bound // FEWEST_BASE:
            return unique[urgencies < limit], np.flatnonzero(mine >= limit)
        drawing.cut.add(edge.parent)
    limit = np.sort(urgencies)[max(0, room)]
    return unique[urgencies < limit], none


def _append(drawing: Drawing, table: Table, rows: pa.Table) -> None:
    """Append rows of a parent table. One that is there already (found under another spelling of its key) is not."""
    known = drawing.rows[table.key]
    if table.primary_key and set(table.primary_key) <= set(rows.column_names):
        new, positions = keys_of(rows, table, table.primary_key)
        present = match(new, keys_of(known, table, table.primary_key)[0]) >= 0
        again = first_of_each(new) != np.arange(len(positions))
        rows = rows.take(np.setdiff1d(np.arange(rows.num_rows), positions[present | again]))
    drawing.rows[table.key] = pa.concat_tables([known, rows])
    drawing.base[table.key] = np.concatenate([drawing.base[table.key], np.zeros(rows.num_rows, dtype=bool)])
    drawing.rank[table.key] = np.concatenate([drawing.rank[table.key], np.ones(rows.num_rows)])
    drawing.urgency[table.key] = np.concatenate([drawing.urgency[table.key], np.ones(rows.num_rows)])


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


def _ranks(drawing: Drawing, key: TableKey) -> Share:
    """Return a random share per row: of its group for a base row, 1 for others.

    Shares, so that child tables of any size lose the same part of their rows; and not whole ranks, for of groups that
    tie all or none are admitted.
    """
    numbers, groups = np.unique(_groups(drawing, key)[0], return_inverse=True)
    random = drawing.random(key, "urgency")
    shares = (random.permutation(len(numbers)) + random.random(len(numbers))) / max(1, len(numbers))
    return np.where(drawing.base[key], shares[groups], 1.0)


def _urgencies(drawing: Drawing, tables: Sequence[TableKey]) -> dict[TableKey, Share]:
    """Return the urgency of each row of ``tables``, which are of one layer: 0 to 1, less is more urgent."""
    found = {key: drawing.rank[key].copy() for key in tables}
    again = True
    while again:
        # Once; within a cycle as many times as its longest path has steps.
        again = False
        for key in tables:
            before = found[key].copy()
            for edge in drawing.edges_to[key]:
                references, children = drawing.references(edge)
                keys, parents = drawing.parent_keys(edge)
                places = match(references, keys)
                urgency = found[edge.child] if edge.child in found else drawing.urgency[edge.child]
                np.minimum.at(found[key], parents[places[places >= 0]], urgency[children[places >= 0]])
            numbers, groups = np.unique(_groups(drawing, key)[0], return_inverse=True)
            most = np.ones(len(numbers))
            np.minimum.at(most, groups, found[key])
            found[key] = np.where(drawing.base[key], most[groups], found[key])
            again |= drawing.is_cyclic(key) and not np.array_equal(before, found[key])
    return found


def _give_up_refused(drawing: Drawing) -> None:
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
            may_cut = drawing.in_cycle(edge) and edge.parent in drawing.cut
            nullable = graph.nulled_columns(drawing.plan.schema, edge) if may_cut else ()
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
            lost = dropped.filter(pa.array(~single[gone])) if primary and key == primary.foreign_key else dropped
            drawing.spoiled[child, key.name].append(keys_of(lost, drawing.table(child), key.columns)[0])
        if edge.parent == child:
            drawing.refused[_where(edge)].append(keys_of(dropped, drawing.table(child), key.parent_columns)[0])
    drawing.rows[child] = drawing.rows[child].filter(pa.array(~gone))
    drawing.base[child] = drawing.base[child][~gone]
    drawing.rank[child] = drawing.rank[child][~gone]
    if child in drawing.urgency:
        drawing.urgency[child] = drawing.urgency[child][~gone]
    if child in drawing.whole:
        drawing.whole.remove(child)
        drawing.reduced.add(child)
