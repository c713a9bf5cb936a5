"""Sample: from a plan to rows that HMA1 can learn from, read within one snapshot.

HMA1 learns how the children of one parent row differ from those of another, so parents are drawn at random and *all*
their children are read with them. Then the other rows that those refer to are fetched (:mod:`dbclone.db.closure`), and
for each sampled parent row the database counts its children over the whole child table. What is random is random by
``seed`` only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import Connection

from dbclone.db.closure import Drawing, EdgeKey, close
from dbclone.db.dialects.base import Cap, Dialect, Keys, RandomRows
from dbclone.db.matching import keys_of, match, take
from dbclone.errors import ConnectError, at_most
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.schema.graph import Edge, edges
from dbclone.schema.model import ForeignKey, Schema, Table, TableKey
from dbclone.schema.plan import Plan, TablePlan

FEWEST_PER_PARENT = 20
LARGEST_SHARE = 50
"""See :func:`_cap`."""


def count_rows(connection: Connection, dialect: Dialect, schema: Schema) -> dict[TableKey, int]:
    """Return the exact number of rows of every table.

    Raises one ConnectError that names all tables which the role may not read, before any is read.
    """
    forbidden = dialect.forbidden_tables(connection, schema.tables)
    if forbidden:
        names = ", ".join(at_most([table.key for table in forbidden]))
        grant = dialect.grant_statement(connection, forbidden)
        what = "table" if len(forbidden) == 1 else f"{len(forbidden)} tables"
        raise ConnectError(
            f"not permitted to read {what}: {names}; ask for the right, or leave them out with --exclude",
            details=(*(table.key for table in forbidden), grant),
        )
    hidden = dialect.hidden_tables(connection, schema.tables)
    if hidden:
        raise ConnectError(
            f"row-level security hides rows of {len(hidden)} tables from this role: connect as their owner (where it "
            "is FORCEd on owners, as a role with BYPASSRLS), or leave the tables out with --exclude",
            details=at_most([table.key for table in hidden]),
        )
    return dialect.count_rows(connection, schema.tables)


def take_sample(connection: Connection, dialect: Dialect, plan: Plan, *, seed: int) -> Sample:
    """Return a closed sample of the tables of ``plan``, each of at most its ``sample_rows``; see :class:`Sample`.

    ``connection`` is a snapshot. The same data and seed give the same sample.
    """
    return _Sampler(connection, dialect, plan, seed).sample()


@dataclass
class _Counted:
    """Children per parent row, as the source counted them."""

    keys: Keys
    counts: npt.NDArray[np.int64]


class _Sampler:
    """One run of the stage: what every step of it needs."""

    def __init__(self, connection: Connection, dialect: Dialect, plan: Plan, seed: int) -> None:
        self.connection = connection
        self.dialect = dialect
        self.plan = plan
        self.drawing = Drawing(plan=plan, seed=seed)
        self.counted: dict[EdgeKey, _Counted] = {}
        self.nulls: dict[EdgeKey, int] = {}

    def sample(self) -> Sample:
        drawing = self.drawing
        crowded = _crowded(self.plan)
        related = {key for edge in edges(self.plan.schema) for key in (edge.child, edge.parent)}
        for key in _parents_first(self.plan):
            if self.plan.table(key).copied and key not in related:
                continue
            table = drawing.table(key)
            counts = self.dialect.count_null_references(self.connection, table)
            self.nulls.update({(key, name): count for name, count in counts.items()})
            self._draw_base(table, crowded)
        close(drawing, lambda *request: self.dialect.read_matching(self.connection, *request))
        return Sample(
            tables={
                key: TableSample(rows=drawing.rows[key].combine_chunks(), base=drawing.base[key])
                for key in drawing.rows
            },
            source_rows={table.table: table.source_rows for table in self.plan.tables},
            null_references=self.nulls,
            fan_outs=self._fan_outs(),
            copied={
                plan.table: self.dialect.read_texts(self.connection, drawing.table(plan.table))
                for plan in self.plan.tables
                if plan.copied and plan.source_rows
            },
        )

    # ---- The base: rows that stand for their table ------------------------------------------------------------------

    def _draw_base(self, table: Table, crowded: set[TableKey]) -> None:
        plan = self.plan.table(table.key)
        if plan.source_rows <= plan.sample_rows:
            rows = self.dialect.read_all(self.connection, table)
            self.drawing.whole.add(table.key)
        else:
            budget = max(1, plan.sample_rows // 2) if table.key in crowded else plan.sample_rows
            rows = None
            if plan.primary is not None:
                rows = self._children(table, plan.primary.foreign_key, budget)
            if rows is None:
                rows = self._random(table, budget)
        self.drawing.rows[table.key] = rows
        self.drawing.base[table.key] = np.ones(rows.num_rows, dtype=bool)

    def _random(self, table: Table, wanted: int, null_in: ForeignKey | None = None) -> pa.Table:
        """Return ``wanted`` random rows; with ``null_in``, of those that refer to nothing through it."""
        total = self.plan.table(table.key).source_rows
        available = self.nulls[table.key, null_in.name] if null_in else total
        random = self.drawing.random(table.key, null_in.name if null_in else "rows")
        rows = self.dialect.read_random(
            self.connection,
            table,
            RandomRows(
                wanted=wanted,
                available=available,
                table_rows=total,
                seed=int(random.integers(2**31)),
                null_in=null_in,
            ),
        )
        if rows.num_rows <= wanted:
            return rows
        return rows.take(np.sort(random.choice(rows.num_rows, wanted, replace=False)))

    def _children(self, table: Table, key: ForeignKey, budget: int) -> pa.Table | None:
        """Return the children of as many random parent rows as fit into ``budget``, all of each up to the cap.

        Rows without a parent join in proportion; where the sampled parents have few children, random rows do. None
        where the key's columns are not sampled.
        """
        drawing, plan = self.drawing, self.plan.table(table.key)
        edge = next((e for e in self._edges_of(table) if e.foreign_key == key), None)
        if edge is None:
            return None
        unparented = round(budget * self.nulls[table.key, key.name] / plan.source_rows)
        keys, _ = drawing.parent_keys(edge)
        counts = self._count(edge, keys)
        cap = _cap(plan, counts, budget - unparented)
        order = drawing.random(table.key, "parents").permutation(len(counts))
        used = np.cumsum(np.minimum(counts[order], cap))
        order = order[: np.searchsorted(used, max(budget - unparented, cap), side="right")]
        drawing.chosen[table.key, key.name] = take(keys, order)
        order = order[counts[order] > 0]
        seed = int(drawing.random(table.key, "children").integers(2**31))
        limit = Cap(rows=cap, seed=seed, counts=counts[order])
        parts = [self.dialect.read_matching(self.connection, table, key.columns, take(keys, order), limit)]
        if unparented:
            parts.append(self._random(table, unparented, null_in=key))
        short = budget - sum(part.num_rows for part in parts)
        if short > budget // 2:
            parts.append(self._strangers(table, key, short))
        return pa.concat_tables(parts)

    def _strangers(self, table: Table, key: ForeignKey, wanted: int) -> pa.Table:
        """Return random rows that refer to none of the chosen parents, nor to nothing."""
        rows = self._random(table, wanted)
        keys, positions = keys_of(rows, table, key.columns)
        return rows.take(positions[match(keys, self.drawing.chosen[table.key, key.name]) < 0])

    def _edges_of(self, child: Table) -> list[Edge]:
        """Return the foreign keys of a table that is not drawn yet to those that are, if sampled on both sides."""
        sampled = {column.name for column in child.written_columns if column.kind != "other"}
        return [
            Edge(child=child.key, foreign_key=key, nullable=child.nullable(key))
            for key in child.foreign_keys
            if key.parent in self.drawing.rows
            and set(key.columns) <= sampled
            and set(key.parent_columns) <= set(self.drawing.rows[key.parent].column_names)
        ]

    # ---- Fan-outs: how many children each sampled parent row has in the source --------------------------------------

    def _count(self, edge: Edge, keys: Keys) -> npt.NDArray[np.int64]:
        """Return the number of children of each key; the source is asked once per key."""
        name = (edge.child, edge.foreign_key.name)
        known = self.counted.get(name)
        found = match(keys, *([known.keys] if known else []))
        counts = np.zeros(len(found), dtype=np.int64)
        if known:
            counts[found >= 0] = known.counts[found[found >= 0]]
        new = np.flatnonzero(found < 0)
        if len(new):
            child = self.drawing.table(edge.child)
            counts[new] = self.dialect.count_matching(self.connection, child, edge.foreign_key.columns, take(keys, new))
        self.counted[name] = _Counted(keys, counts)
        return counts

    def _fan_outs(self) -> tuple[FanOut, ...]:
        drawing = self.drawing
        sampled = {(edge.child, edge.foreign_key.name) for edge in drawing.edges}
        fan_outs = []
        for edge in edges(self.plan.schema):
            if self.plan.table(edge.child).source_rows and self.plan.table(edge.parent).source_rows:
                if (edge.child, edge.foreign_key.name) in sampled:
                    fan_outs.append(self._fan_out(edge))
                else:
                    size = drawing.rows[edge.parent].num_rows
                    fan_outs.append(_uncounted(edge, size))
        return tuple(fan_outs)

    def _fan_out(self, edge: Edge) -> FanOut:
        drawing, name = self.drawing, (edge.child, edge.foreign_key.name)
        keys, positions = drawing.parent_keys(edge)
        size = drawing.rows[edge.parent].num_rows
        references = match(drawing.references(edge)[0], keys)
        sampled, counts = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
        complete = np.zeros(size, dtype=bool)
        sampled[positions] = np.bincount(references[references >= 0], minlength=len(positions))
        if edge.child in drawing.whole:
            counts, complete = sampled, np.ones(size, dtype=bool)
        else:
            counts[positions] = self._count(edge, keys)
            unspoiled = match(keys, *drawing.spoiled[name]) < 0
            chosen = [drawing.chosen[name]] if name in drawing.chosen else []
            complete[positions] = unspoiled & (edge.child in drawing.reduced or match(keys, *chosen) >= 0)
            complete &= (sampled > 0) | (counts == 0)
        partly = sampled[complete & (sampled < counts)]
        return FanOut(
            child=edge.child,
            foreign_key=name[1],
            counts=counts,
            complete=complete,
            cap=int(partly.min() if len(partly) else counts.max(initial=1)),
        )


def _cap(plan: TablePlan, counts: npt.NDArray[np.int64], budget: int) -> int:
    """Return how many children to read per parent row at most.

    ``max(20, sample_rows // 50)``, so that no giant fills the sample; more where so few would not fill it.
    """
    few = max(1, min(max(FEWEST_PER_PARENT, plan.sample_rows // LARGEST_SHARE), budget))
    most = int(counts.max(initial=0))
    return max(few, bisect_right(range(most + 1), budget, key=lambda cap: int(np.minimum(counts, cap).sum())) - 1)


def _uncounted(edge: Edge, size: int) -> FanOut:
    """Return the fan-out of a key over columns that are not sampled: generated ones, or of a type without a kind."""
    return FanOut(
        child=edge.child,
        foreign_key=edge.foreign_key.name,
        counts=np.full(size, -1, dtype=np.int64),
        complete=np.zeros(size, dtype=bool),
        cap=0,
    )


def _parents_first(plan: Plan) -> Sequence[TableKey]:
    """Return the tables, each after its primary parent. Load order is not enough: it may have taken that key out."""
    before = {
        table.table: [table.primary.foreign_key.parent] if table.primary is not None else [] for table in plan.tables
    }
    return tuple(TopologicalSorter(before).static_order())


def _crowded(plan: Plan) -> set[TableKey]:
    """Return the tables that must keep half of their room for rows that other rows refer to.

    A primary parent needs none for its children, which come from rows that are there, unless they need more parents
    themselves or the sampled parents have too few.
    """
    bounded = {table.table for table in plan.tables if table.source_rows > table.sample_rows}
    crowded: set[TableKey] = set()
    grows = True
    while grows:
        grows = False
        for table in plan.tables:
            for reference in table.references:
                parent = reference.foreign_key.parent
                if parent not in bounded or parent in crowded or not table.source_rows:
                    continue
                follows = reference.role == "primary" and table.table in bounded and table.table not in crowded
                if not follows or _is_short(plan, table.table, parent):
                    crowded.add(parent)
                    grows = True
    return crowded


def _is_short(plan: Plan, child: TableKey, parent: TableKey) -> bool:
    """Whether the children of the sampled rows of ``parent`` would fill less than half of the child's sample."""
    share = plan.table(parent).sample_rows / plan.table(parent).source_rows
    return plan.table(child).source_rows * share < plan.table(child).sample_rows / 2
