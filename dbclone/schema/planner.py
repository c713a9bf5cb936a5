"""The planner: from a schema and its row counts to a plan, before any row is read.

Owns what is refused, in which steps tables are loaded, how many rows are sampled and made, and what each cut loses. The
roles of foreign keys are decided in :mod:`dbclone.schema.roles`, the stars in :mod:`dbclone.schema.stars`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set

from dbclone.errors import PlanError, at_most
from dbclone.schema import graph
from dbclone.schema.bookkeeping import copied_tables, is_bookkeeping
from dbclone.schema.model import Schema, Table, TableKey
from dbclone.schema.plan import (
    STAR_COLUMNS,
    Backfill,
    Cost,
    Load,
    Note,
    Plan,
    PlanOptions,
    Reference,
    Star,
    Step,
    Suspend,
    TablePlan,
)
from dbclone.schema.roles import primary_parents, references
from dbclone.schema.stars import cut_into_stars


def make_plan(schema: Schema, source_rows: Mapping[TableKey, int], options: PlanOptions) -> Plan:
    """Return the plan for a schema whose tables hold ``source_rows``.

    Raises PlanError, naming every table and column, if the schema cannot be cloned.
    """
    copied = copied_tables(schema) | set(options.copied)
    _refuse_torn(schema, copied)
    _refuse_impossible(schema, {**source_rows, **dict.fromkeys(copied, 0)})
    order, deferred = graph.load_order(schema)
    layer = graph.layers(schema)
    roles = references(schema, primary_parents(schema, layer, source_rows))
    rows = _target_rows(schema, source_rows, options) | {key: source_rows[key] for key in copied}
    asked = {key for key, _ in options.rows}
    capped = []
    for key in order:
        most = _most_rows(schema.table(key), roles[key], rows)
        if key not in asked and key not in copied and rows[key] > most:
            message = f"{most:,} rows are made, not {rows[key]:,}: its unique keys have no more combinations then"
            capped.append(Note(table=key, message=message))
            rows[key] = most
    described = tuple(
        TablePlan(
            table=key,
            layer=layer[key],
            references=roles[key],
            source_rows=source_rows[key],
            rows=rows[key],
            sample_rows=source_rows[key] if key in copied else min(source_rows[key], options.sample_rows),
            copied=key in copied,
        )
        for key in order
    )
    _refuse_impossible_rows(schema, described)
    tables, stars = cut_into_stars(schema, described, options.latents)
    return Plan(
        schema=schema,
        tables=tables,
        stars=stars,
        steps=_steps(schema, order, deferred),
        notes=(*capped, *_notes(schema, tables, stars, deferred)),
        cost=_cost(schema, tables, stars),
        latents=options.latents,
    )


def _refuse_impossible(schema: Schema, source_rows: Mapping[TableKey, int]) -> None:
    if not schema.tables:
        raise PlanError("there is no table to clone: check the database name, --tables and --exclude")
    problems = [
        f"{table.key}.{column.name}: values of type {column.type} cannot be generated and the column is NOT NULL; "
        f"leave the table out with --exclude {table.key}"
        for table in schema.tables
        for column in table.written_columns
        if column.kind == "other" and not column.nullable and column.default is None and source_rows[table.key]
    ]
    if problems:
        raise PlanError(problems[0] if len(problems) == 1 else f"{len(problems)} columns cannot be generated",
                        details=() if len(problems) == 1 else at_most(problems))  # fmt: skip


def _refuse_torn(schema: Schema, copied: Set[TableKey]) -> None:
    """Refuse to copy a table without the tables that its rows refer to: those would be other rows."""
    problems = [
        f"{key} cannot be copied: {foreign_key.name} refers to {foreign_key.parent}, whose rows are made anew; copy "
        f"that table as well, or synthesize {key}"
        for key in sorted(copied)
        for foreign_key in schema.table(key).foreign_keys
        if foreign_key.parent not in copied
    ]
    if problems:
        raise PlanError(problems[0], details=at_most(problems[1:]))


def _target_rows(schema: Schema, source_rows: Mapping[TableKey, int], options: PlanOptions) -> dict[TableKey, int]:
    """Return rows to make per table: ``round(source × scale)``, at least one where the source has rows."""
    if not options.scale > 0:
        raise PlanError(f"--scale must be greater than 0, not {options.scale:g}")
    scales = dict(options.scales)
    rows = {
        t.key: max(round(source_rows[t.key] * scales.get(t.key, options.scale)), min(1, source_rows[t.key]))
        for t in schema.tables
    }
    for key, count in options.rows:
        if key not in schema:
            raise PlanError(f"--rows {key}={count}: there is no such table among those cloned")
        if count < 0:
            raise PlanError(f"--rows {key}={count}: the number of rows cannot be negative")
        if count and not source_rows[key]:
            raise PlanError(f"--rows {key}={count}: the source table is empty, so there is nothing to learn from")
        rows[key] = count
    return rows


def _most_rows(table: Table, roles: Sequence[Reference], rows: Mapping[TableKey, int]) -> int:
    """Return how many rows a table can have: as many as the rows that its unique keys are made of have combinations.

    A table of pairs that holds half of them cannot be made half as large as its parents are: these have a quarter then.
    """
    most = 2**63 - 1
    for unique in table.uniques():
        inside = [r for r in roles if r.role in ("primary", "link") and r.sets and set(r.sets) <= set(unique)]
        covered = {name for reference in inside for name in reference.sets}
        if covered == set(unique) and not any(table.column(name).nullable for name in unique):
            most = min(most, math.prod(rows[reference.foreign_key.parent] for reference in inside))
    return most


_INTEGER_LIMIT = {2: 2**15 - 1, 4: 2**31 - 1, 8: 2**63 - 1}


def _refuse_impossible_rows(schema: Schema, tables: Sequence[TablePlan]) -> None:
    """Refuse more rows than keys allow, and children where no parent will be."""
    rows = {plan.table: plan.rows for plan in tables}
    problems = []
    for plan in tables:
        table = schema.table(plan.table)
        referencing = {name for r in plan.references for name in r.foreign_key.columns}
        for name in (c for key in table.uniques() if len(key) == 1 for c in key if c not in referencing):
            column = table.column(name)
            limit = _INTEGER_LIMIT.get(column.bytes or 8, 2**63 - 1)
            if column.kind == "integer" and plan.rows > limit:
                problems.append(f"{plan.table}.{name}: {plan.rows:,} rows need more keys than {column.type} has")
        for reference in plan.references:
            parent, fk = reference.foreign_key.parent, reference.foreign_key
            if plan.rows and not rows[parent] and not reference.nullable:
                problems.append(f"{plan.table} needs a parent row in {parent} ({fk.name}), which will have none")
            elif reference.unique and not reference.nullable and plan.rows > rows[parent]:
                problems.append(
                    f"{plan.table}: {plan.rows:,} rows, but {fk.name} allows one for each of the "
                    f"{rows[parent]:,} rows of {parent}; lower --rows {plan.table}"
                )
        most = _most_rows(table, plan.references, rows)
        if plan.rows > most and len(plan.references) > 1:
            problems.append(
                f"{plan.table}: {plan.rows:,} rows, but the rows that its unique key refers to have only {most:,} "
                f"combinations; lower --rows {plan.table}"
            )
    if problems:
        raise PlanError(problems[0] if len(problems) == 1 else f"{len(problems)} row counts are impossible",
                        details=() if len(problems) == 1 else at_most(problems))  # fmt: skip


def _steps(schema: Schema, order: Sequence[TableKey], deferred: Sequence[graph.Deferred]) -> tuple[Step, ...]:
    null: dict[TableKey, list[str]] = defaultdict(list)
    backfills: list[Step] = []
    suspended: list[Step] = []
    for item in deferred:
        edge = item.edge
        if item.by == "null":
            null[edge.child] += [c for c in graph.nulled_columns(schema, edge) if c not in null[edge.child]]
            backfills.append(Backfill(table=edge.child, foreign_key=edge.foreign_key.name))
        elif item.by == "constraint":
            suspended.append(Suspend(table=edge.child, foreign_key=edge.foreign_key.name))
    loads: list[Step] = [Load(table=key, null=tuple(null[key])) for key in order]
    return (*suspended, *loads, *backfills)


def _notes(
    schema: Schema, tables: Sequence[TablePlan], stars: Sequence[Star], deferred: Sequence[graph.Deferred]
) -> Iterator[Note]:
    for plan in tables:
        yield from _table_notes(schema, plan)
    for star in stars:
        for branch in star.branches:
            if branch.detail != "correlations":
                lost = {"scales": "correlations", "means": "scales and correlations"}[branch.detail]
                yield Note(
                    table=branch.child,
                    message=f"{branch.columns} columns are too many to learn each parent row's {lost}: "
                    f"those of all rows of {star.parent} together are used",
                )
    counts: dict[TableKey, int] = defaultdict(int)
    for star in stars:
        counts[star.parent] += 1
    for parent, count in counts.items():
        if count > 1:
            yield Note(
                table=parent,
                message=f"its children are learned in {count} stars: children in different stars agree only through "
                "the parent's columns",
            )
    for item in deferred:
        how = {
            "deferrable": "is checked at commit",
            "null": "is loaded as NULL and filled in afterwards",
            "constraint": "is dropped for the load into an existing table and added again after it",
        }[item.by]
        yield Note(table=item.edge.child, message=f"{item.edge.foreign_key.name} closes a cycle and {how}")


def _table_notes(schema: Schema, plan: TablePlan) -> Iterator[Note]:
    if plan.copied:
        message = "is migration bookkeeping: its rows are copied as they are; --exclude leaves them out"
        if not is_bookkeeping(plan.table):
            message = (
                "its rows are copied as they are, into a model file too; rows that refer to them choose among them by "
                "learned fan-out, not by what is in them"
            )
        yield Note(table=plan.table, message=message)
        return
    for reference in plan.links:
        key = reference.foreign_key
        what = "a row of the table itself" if reference.role == "self" else f"a row of {key.parent}"
        trees = "; where the sampled rows go in no circles, they form trees of the learned depths"
        yield Note(
            table=plan.table,
            message=f"{key.name} ({', '.join(key.columns)}) is a link: {what} is chosen by learned fan-out and by one "
            "learned score, so it keeps its fan-out and its main association, not each pair of columns"
            + (trees if reference.role == "self" else ""),
        )
    if plan.apart:
        names = ", ".join(at_most(plan.apart))
        yield Note(
            table=plan.table,
            message=f"{len(plan.apart)} columns are drawn on their own, because a star has room for {STAR_COLUMNS} "
            f"columns: {names}; they keep their distributions, not what they have to do with other columns",
        )
    for column in schema.table(plan.table).columns:
        if column.kind == "other" and column.nullable and plan.source_rows:
            yield Note(table=plan.table, message=f"{column.name} ({column.type}) will be NULL")


def _cost(schema: Schema, tables: Sequence[TablePlan], stars: Sequence[Star]) -> Cost:
    """Predict from measured rates: COPY reads 300,000 rows/s, a star takes a second and 2 ms a column, a value takes
    0.15 µs to make and a row 5 µs to load and constrain."""
    sampled = sum(table.sample_rows for table in tables)
    values = sum(table.rows * len(schema.table(table.table).columns) for table in tables)
    rows = sum(table.rows for table in tables)
    held = sum(8 * table.rows for table in tables if any(s.parent == table.table for s in stars))
    return Cost(
        sample_s=round(0.02 * len(tables) + sampled / 100_000, 1),
        learn_s=round(4 + sum(1 + 0.002 * star.width for star in stars), 1),
        generate_s=round(values * 0.15e-6, 1),
        load_s=round(0.01 * len(tables) + rows * 5e-6, 1),
        memory_mb=round(700 + held / 1e6),
    )
