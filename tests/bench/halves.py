"""Databases as rows in memory: read, split into two disjoint halves, and cloned without a server in between."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.db.connect import open_database
from dbclone.db.discover import discover
from dbclone.db.reflect import reflect_schema
from dbclone.db.sample import count_rows
from dbclone.generate.batches import Generator
from dbclone.learn.train import train
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.model.matching import parent_positions
from dbclone.model.parts import Model
from dbclone.model.rules import Learned
from dbclone.schema.model import Schema, TableKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan

Rows = Mapping[TableKey, pa.Table]
Booleans = npt.NDArray[np.bool_]
Columns = Mapping[TableKey, tuple[str, ...]]

FEWEST_ENTITIES = 40


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A database in memory."""

    name: str
    schema: Schema
    rows: Rows


def read(name: str, url: str) -> Source:
    """Return the whole database at ``url``."""
    with open_database(url, purpose="source") as database, database.snapshot() as connection:
        schema = reflect_schema(connection, database.dialect)
        schema, _ = discover(connection, database.dialect, schema, count_rows(connection, database.dialect, schema))
        rows = {table.key: database.dialect.read_all(connection, table) for table in schema.tables}
    return Source(name=name, schema=schema, rows={key: table.combine_chunks() for key, table in rows.items()})


def plan_of(source: Source) -> Plan:
    """Return the plan of a clone of as many rows, all of which are sampled."""
    rows = {key: table.num_rows for key, table in source.rows.items()}
    return make_plan(source.schema, rows, PlanOptions(sample_rows=max([*rows.values(), 1])))


def halves(source: Source, seed: int = 0) -> tuple[TableKey, Source, Source]:
    """Return the table whose rows are the entities, and two halves that share none of them.

    Entities are the rows of the topmost table of at least :data:`FEWEST_ENTITIES` that has the most descendants by
    primary references. What descends from an entity goes with it, and what refers to a row of the other half goes, too.
    All other tables are whole in both halves: both samples know the same products.
    """
    plan = plan_of(source)
    weight = {t.table: 0 for t in plan.tables}
    for table in plan.tables:
        for above in _ancestors(plan, table.table):
            weight[above] += table.source_rows
    able = [t for t in plan.tables if t.source_rows >= FEWEST_ENTITIES and not t.copied]
    entity = max(able, key=lambda t: (weight[t.table], t.source_rows, t.table)).table
    first = np.random.default_rng(seed).random(source.rows[entity].num_rows) < 0.5
    one, two = (_reduced(source, entity, kept) for kept in (first, ~first))
    return entity, one, two


def _ancestors(plan: Plan, table: TableKey) -> list[TableKey]:
    found, primary = [table], plan.table(table).primary
    while primary is not None:
        found.append(primary.foreign_key.parent)
        primary = plan.table(primary.foreign_key.parent).primary
    return found


def _reduced(source: Source, entity: TableKey, first: Booleans) -> Source:
    kept = {key: np.ones(rows.num_rows, dtype=bool) for key, rows in source.rows.items()}
    kept[entity] = first
    positions = {
        (table.key, key.name): parent_positions(
            source.rows[table.key], source.rows[key.parent], key.columns, key.parent_columns
        )
        for table in source.schema.tables
        for key in table.foreign_keys
        if set(key.columns) <= set(source.rows[table.key].column_names)
        and set(key.parent_columns) <= set(source.rows[key.parent].column_names)
    }
    changed = True
    while changed:
        changed = False
        for table in source.schema.tables:
            for key in table.foreign_keys:
                if (table.key, key.name) not in positions:
                    continue
                at = positions[table.key, key.name]
                gone = (at >= 0) & ~kept[key.parent][np.maximum(at, 0)] if len(kept[key.parent]) else at >= 0
                if (gone & kept[table.key]).any():
                    kept[table.key] &= ~gone
                    changed = True
    return replace(source, rows={key: rows.filter(pa.array(kept[key])) for key, rows in source.rows.items()})


def sample_of(source: Source, plan: Plan) -> Sample:
    """Return all rows as a sample."""
    fan_outs, nulls = [], {}
    for table in source.schema.tables:
        for key in table.foreign_keys:
            child, parent = source.rows[table.key], source.rows[key.parent]
            if not child.num_rows or not parent.num_rows or not set(key.columns) <= set(child.column_names):
                continue
            at = parent_positions(child, parent, key.columns, key.parent_columns)
            counts = np.bincount(at[at >= 0], minlength=parent.num_rows).astype(np.int64)
            everyone = np.ones(parent.num_rows, dtype=bool)
            fan_outs.append(
                FanOut(child=table.key, foreign_key=key.name, counts=counts, complete=everyone,
                       cap=int(counts.max(initial=1)))
            )  # fmt: skip
            nulls[table.key, key.name] = int((at < 0).sum())
    return Sample(
        tables={
            key: TableSample(rows=rows, base=np.ones(rows.num_rows, dtype=bool)) for key, rows in source.rows.items()
        },
        source_rows={table.table: table.source_rows for table in plan.tables},
        null_references=nulls,
        fan_outs=tuple(fan_outs),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Twin:
    """A clone in memory, how it was learned, and how long that and making it took."""

    source: Source
    model: Model
    learn_s: float
    generate_s: float

    @property
    def columns(self) -> dict[TableKey, tuple[str, ...]]:
        """The columns that were learned: those that there is something to compare of."""
        return learned_columns(self.model)


def learned_columns(model: Model) -> dict[TableKey, tuple[str, ...]]:
    """Return, per table, the columns whose values are learned."""
    return {t.table: tuple(rule.column for rule in t.rules if isinstance(rule, Learned)) for t in model.tables}


def twin_of(source: Source, seed: int = 1) -> Twin:
    """Return a clone of as many rows."""
    plan = plan_of(source)
    started = time.perf_counter()
    model = train(sample_of(source, plan), plan, None, seed=seed)
    learned = time.perf_counter()
    made: dict[TableKey, list[pa.Table]] = {}
    for batch in Generator(model, seed=seed).batches():
        made.setdefault(batch.table, []).append(batch.rows)
    rows = {
        key: pa.concat_tables(made[key]).unify_dictionaries() if key in made else table.slice(0, 0)
        for key, table in source.rows.items()
    }
    return Twin(
        source=replace(source, rows=rows),
        model=model,
        learn_s=learned - started,
        generate_s=time.perf_counter() - learned,
    )
