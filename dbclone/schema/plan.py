"""The plan: everything decided about the foreign-key graph, before any row is read.

Owns which foreign key of a table is its *primary* one, how the tables are cut into stars that HMA1 accepts, in which
steps they are loaded, how many rows are sampled and made, and what each cut loses. Later stages only carry it out.

**The primary parent.** Among a table's foreign keys to other tables, the first by this order that keeps the primary
parents free of cycles: in the primary key (or another unique key) before not; NOT NULL before nullable; the deeper
layer before the shallower (a line belongs to its basket, not to its product); the parent with more rows before fewer
(more, smaller groups teach more); then constraint order.

**Stars.** A parent and up to four of its primary children: five tables, two levels, which is what SDV's
``HMASynthesizer`` accepts. A fifth child opens another star of the same parent.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from dbclone.errors import PlanError, at_most
from dbclone.schema import graph
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, to_json

STAR_CHILDREN = 4
"""SDV 2 refuses a model of more than five tables: a parent and four children."""
STAR_COLUMNS = 250
"""A star's parent never has more modelled columns: one correlation matrix of this size is still cheap and stable."""

ReferenceRole = Literal["primary", "link", "self", "implied"]
Detail = Literal["correlations", "scales", "means"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a foreign key is used for.

    ``primary``: the child is learned in the parent's star and made with it. ``link``: the parent is chosen by learned
    fan-out and rank. ``self``: a link to an earlier row of the same table. ``implied``: another reference already
    fulfils it. ``shared`` are its columns that references before it set; ``unique`` says that a parent row has at most
    one child row.
    """

    foreign_key: ForeignKey
    role: ReferenceRole
    nullable: bool = False
    shared: tuple[str, ...] = ()
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What will be done with one table. ``rows`` will be made, ``source_rows`` are there, ``sample_rows`` are read."""

    table: TableKey
    layer: int
    references: tuple[Reference, ...]
    source_rows: int
    rows: int
    sample_rows: int

    @property
    def primary(self) -> Reference | None:
        """The reference to the primary parent; None for a root."""
        return next((r for r in self.references if r.role == "primary"), None)

    @property
    def links(self) -> tuple[Reference, ...]:
        """The references to other parents, in the order in which they are chosen."""
        return tuple(r for r in self.references if r.role in ("link", "self"))


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A child within a star. ``columns`` are its modelled columns at most; ``detail`` is what is learned per parent row.

    ``correlations``: count, means, scales and correlations, as in HMA1; ``scales`` and ``means`` leave out the rest and
    use the pooled values of all parents instead.
    """

    child: TableKey
    columns: int
    detail: Detail

    @property
    def width(self) -> int:
        """Extension columns that this child adds to its parent: HMA1's growth, n(n-1)/2 + 2n + 1 for normal marginals.

        Source: ``HMASynthesizer._get_num_extended_columns`` in SDV 2.0.
        """
        return extension_width(self.columns, self.detail)


def extension_width(columns: int, detail: Detail) -> int:
    """Return the number of extension columns of a child with so many modelled columns."""
    per_column = {"means": columns, "scales": 2 * columns, "correlations": 2 * columns + columns * (columns - 1) // 2}
    return 1 + per_column[detail]


@dataclass(frozen=True, kw_only=True)
class Star:
    """A parent and up to four children: one HMA1 model. ``columns`` are the parent's own modelled columns."""

    parent: TableKey
    columns: int
    branches: tuple[Branch, ...]

    @property
    def width(self) -> int:
        """Modelled columns of the parent with its extensions."""
        return self.columns + sum(branch.width for branch in self.branches)


@dataclass(frozen=True, kw_only=True)
class Load:
    """Write the rows of ``table``; the columns in ``null`` stay NULL until a :class:`Backfill`."""

    table: TableKey
    null: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """Fill in the columns of a foreign key that were loaded as NULL."""

    table: TableKey
    foreign_key: str


@dataclass(frozen=True, kw_only=True)
class Suspend:
    """Drop a foreign key of an existing target for the load, and add it again, validated, after it."""

    table: TableKey
    foreign_key: str


Step = Load | Backfill | Suspend


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that a reader of the plan should know about a table."""

    table: TableKey
    message: str


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A prediction, from rates measured on two cores; within a factor of two."""

    sample_s: float
    learn_s: float
    generate_s: float
    load_s: float
    memory_mb: float


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The whole plan. ``tables`` are in load order."""

    schema: Schema
    tables: tuple[TablePlan, ...]
    stars: tuple[Star, ...]
    steps: tuple[Step, ...]
    notes: tuple[Note, ...]
    cost: Cost
    latents: int

    @cached_property
    def _by_key(self) -> Mapping[TableKey, TablePlan]:
        return {plan.table: plan for plan in self.tables}

    def table(self, key: TableKey) -> TablePlan:
        """Return the plan of one table; KeyError if it is not cloned."""
        return self._by_key[key]

    @property
    def rows(self) -> int:
        """Rows that will be made, all tables together."""
        return sum(table.rows for table in self.tables)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What a user may say about the plan. ``rows`` overrides ``scale`` for single tables."""

    scale: float = 1.0
    rows: tuple[tuple[TableKey, int], ...] = ()
    sample_rows: int = 20_000
    latents: int = 6


def make_plan(schema: Schema, source_rows: Mapping[TableKey, int], options: PlanOptions) -> Plan:
    """Return the plan for a schema whose tables hold ``source_rows``.

    Raises PlanError, naming every table and column, if the schema cannot be cloned.
    """
    _refuse_impossible(schema, source_rows)
    order, deferred = graph.load_order(schema)
    layer = graph.layers(schema)
    primary = _primary_parents(schema, layer, source_rows)
    rows = _target_rows(schema, source_rows, options)
    tables = tuple(
        TablePlan(
            table=key,
            layer=layer[key],
            references=_references(schema, schema.table(key), primary.get(key)),
            source_rows=source_rows[key],
            rows=rows[key],
            sample_rows=min(source_rows[key], options.sample_rows),
        )
        for key in order
    )
    _refuse_impossible_rows(schema, tables)
    stars = _stars(schema, tables, options.latents)
    return Plan(
        schema=schema,
        tables=tables,
        stars=stars,
        steps=_steps(schema, order, deferred),
        notes=tuple(_notes(schema, tables, stars, deferred)),
        cost=_cost(schema, tables, stars),
        latents=options.latents,
    )


def is_modelled(column: Column) -> bool:
    """Whether values of the column's kind can be learned; text is decided on its values later."""
    return column.kind in ("boolean", "integer", "decimal", "float", "text", "enum", "date", "time", "timestamp",
                           "timestamptz", "interval") and not column.generated  # fmt: skip


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


def _target_rows(schema: Schema, source_rows: Mapping[TableKey, int], options: PlanOptions) -> dict[TableKey, int]:
    """Return rows to make per table: ``round(source × scale)``, at least one where the source has rows."""
    if not options.scale > 0:
        raise PlanError(f"--scale must be greater than 0, not {options.scale:g}")
    rows = {t.key: max(round(source_rows[t.key] * options.scale), min(1, source_rows[t.key])) for t in schema.tables}
    for key, count in options.rows:
        if key not in schema:
            raise PlanError(f"--rows {key}={count}: there is no such table among those cloned")
        if count < 0:
            raise PlanError(f"--rows {key}={count}: the number of rows cannot be negative")
        if count and not source_rows[key]:
            raise PlanError(f"--rows {key}={count}: the source table is empty, so there is nothing to learn from")
        rows[key] = count
    return rows


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
    if problems:
        raise PlanError(problems[0] if len(problems) == 1 else f"{len(problems)} row counts are impossible",
                        details=() if len(problems) == 1 else at_most(problems))  # fmt: skip


def _primary_parents(
    schema: Schema, layer: Mapping[TableKey, int], source_rows: Mapping[TableKey, int]
) -> dict[TableKey, ForeignKey]:
    """Return the primary foreign key of every table that has one; see the module's rule."""
    chosen: dict[TableKey, ForeignKey] = {}

    def reaches(start: TableKey, goal: TableKey) -> bool:
        while start != goal and start in chosen:
            start = chosen[start].parent
        return start == goal

    for table in sorted(schema.tables, key=lambda t: (layer[t.key], t.key)):
        keyed = {name for key in table.uniques() for name in key}

        def preference(item: tuple[int, ForeignKey], table: Table = table, keyed: set[str] = keyed) -> tuple[Any, ...]:
            number, key = item
            return (
                not keyed.issuperset(key.columns),
                table.nullable(key),
                -layer[key.parent],
                -source_rows[key.parent],
                number,
            )

        for _, key in sorted(enumerate(table.foreign_keys), key=preference):
            if key.parent != table.key and not reaches(key.parent, table.key):
                chosen[table.key] = key
                break
    return chosen


def _references(schema: Schema, table: Table, primary: ForeignKey | None) -> tuple[Reference, ...]:
    """Return the references of a table, primary first, then by number of columns already set (most last)."""
    others = [key for key in table.foreign_keys if key is not primary]
    others.sort(key=lambda key: len(key.columns), reverse=True)
    references: list[Reference] = []
    done: set[str] = set()
    for key in ([primary] if primary else []) + others:
        if any(_implies(schema, earlier.foreign_key, key) for earlier in references):
            role: ReferenceRole = "implied"
        elif key is primary:
            role = "primary"
        else:
            role = "self" if key.parent == table.key else "link"
        shared = tuple(name for name in key.columns if name in done)
        unique = any(set(unique) <= set(key.columns) for unique in table.uniques())
        references.append(
            Reference(foreign_key=key, role=role, nullable=table.nullable(key), shared=shared, unique=unique)
        )
        done.update(key.columns)
    return tuple(references)


def _implies(schema: Schema, earlier: ForeignKey, key: ForeignKey) -> bool:
    """Whether a row that fulfils ``earlier`` always fulfils ``key``."""
    if not set(key.columns) <= set(earlier.columns):
        return False
    image = dict(zip(earlier.columns, earlier.parent_columns, strict=True))
    wanted = {(image[c], p) for c, p in zip(key.columns, key.parent_columns, strict=True)}
    if earlier.parent == key.parent and all(mine == theirs for mine, theirs in wanted):
        return True
    return any(
        onward.parent == key.parent
        and set(zip(onward.columns, onward.parent_columns, strict=True)) == wanted
        and not schema.table(earlier.parent).nullable(onward)
        for onward in schema.table(earlier.parent).foreign_keys
    )


def _stars(schema: Schema, tables: Sequence[TablePlan], latents: int) -> tuple[Star, ...]:
    """Return the stars, parents in load order; every table with rows is in at least one as parent or child."""
    children: dict[TableKey, list[TablePlan]] = defaultdict(list)
    for plan in tables:
        if plan.primary is not None and plan.source_rows:
            children[plan.primary.foreign_key.parent].append(plan)

    def own_columns(plan: TablePlan) -> int:
        keys = {name for r in plan.references for name in r.foreign_key.columns} | set(
            schema.table(plan.table).primary_key
        )
        modelled = sum(is_modelled(c) and c.name not in keys for c in schema.table(plan.table).columns)
        return modelled + (latents if children[plan.table] and plan.primary is not None else 0)

    stars = []
    for plan in tables:
        group = children[plan.table]
        if not plan.source_rows or (plan.primary is not None and not group):
            continue
        for start in range(0, max(len(group), 1), STAR_CHILDREN):
            part = [(child.table, own_columns(child)) for child in group[start : start + STAR_CHILDREN]]
            own = own_columns(plan)
            stars.append(Star(parent=plan.table, columns=own, branches=_branches(part, STAR_COLUMNS - own)))
    return tuple(stars)


def _branches(children: Sequence[tuple[TableKey, int]], room: int) -> tuple[Branch, ...]:
    """Give each child the finest detail such that all extensions together fit into ``room`` columns."""
    details: dict[TableKey, Detail] = {key: "correlations" for key, _ in children}
    coarser: dict[Detail, Detail] = {"correlations": "scales", "scales": "means"}
    size = dict(children)
    while sum(extension_width(size[key], detail) for key, detail in details.items()) > room:
        candidates = [key for key in details if details[key] != "means"]
        if not candidates:
            break
        widest = max(candidates, key=lambda key: extension_width(size[key], details[key]))
        details[widest] = coarser[details[widest]]
    return tuple(Branch(child=key, columns=size[key], detail=details[key]) for key, _ in children)


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
) -> list[Note]:
    notes = []
    for plan in tables:
        for reference in plan.links:
            key = reference.foreign_key
            what = "an earlier row of the table itself" if reference.role == "self" else f"a row of {key.parent}"
            notes.append(
                Note(
                    table=plan.table,
                    message=f"{key.name} ({', '.join(key.columns)}) is a link: {what} is chosen by learned fan-out and "
                    "by one learned score, so it keeps its fan-out and its main association, not each pair of columns",
                )
            )
        for column in schema.table(plan.table).columns:
            if column.kind == "other" and column.nullable and plan.source_rows:
                notes.append(Note(table=plan.table, message=f"{column.name} ({column.type}) will be NULL"))
    for star in stars:
        for branch in star.branches:
            if branch.detail != "correlations":
                lost = {"scales": "correlations", "means": "scales and correlations"}[branch.detail]
                notes.append(
                    Note(
                        table=branch.child,
                        message=f"{branch.columns} columns are too many to learn each parent row's {lost}: "
                        f"those of all rows of {star.parent} together are used",
                    )
                )
    counts: dict[TableKey, int] = defaultdict(int)
    for star in stars:
        counts[star.parent] += 1
    for parent, count in counts.items():
        if count > 1:
            notes.append(Note(table=parent, message=f"its children are learned in {count} stars: children in "
                                                    "different stars agree only through the parent's columns"))  # fmt: skip
    for item in deferred:
        how = {
            "deferrable": "is checked at commit",
            "null": "is loaded as NULL and filled in afterwards",
            "constraint": "is dropped for the load into an existing table and added again after it",
        }[item.by]
        notes.append(Note(table=item.edge.child, message=f"{item.edge.foreign_key.name} closes a cycle and {how}"))
    return notes


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


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON data; every step carries its kind."""
    data: dict[str, Any] = to_json(plan)
    for step, value in zip(plan.steps, data["steps"], strict=True):
        value["step"] = type(step).__name__.lower()
    return data
