"""The plan: everything decided about the foreign-key graph, before any row is read, as frozen values.

How it is made is in :mod:`dbclone.schema.planner`; later stages only carry it out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from dbclone.schema.model import Column, ForeignKey, Schema, TableKey, to_json

STAR_CHILDREN = 4
"""SDV 2 refuses a model of more than five tables: a parent and four children."""
STAR_COLUMNS = 250
"""A star's parent never has more modelled columns, its own and those about its children: one correlation matrix of this
size is still cheap and stable."""

ReferenceRole = Literal["primary", "link", "self", "implied"]
Detail = Literal["correlations", "scales", "means"]


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a foreign key is used for.

    ``primary``: the child is learned in the parent's star and made with it. ``link``: the parent is chosen by learned
    fan-out and rank. ``self``: a link to a row of the same table. ``implied``: another reference already fulfils it.

    ``shared`` are its columns that are set already, by references before it or because the table makes them itself;
    the parent must agree with them. ``null`` are those of the others that become NULL in a row that refers to nothing:
    under MATCH SIMPLE the nullable ones, under MATCH FULL all or none. ``unique`` says that a parent row has at most
    one child row.
    """

    foreign_key: ForeignKey
    role: ReferenceRole
    nullable: bool = False
    shared: tuple[str, ...] = ()
    null: tuple[str, ...] = ()
    unique: bool = False

    @property
    def sets(self) -> tuple[str, ...]:
        """The columns whose values this reference decides."""
        return tuple(name for name in self.foreign_key.columns if name not in self.shared)


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """What will be done with one table. ``rows`` will be made, ``source_rows`` are there, ``sample_rows`` are read.

    ``apart`` are columns that are drawn on their own, because a star has no room for them. ``copied``: its rows
    are taken over as they are, as migration bookkeeping (:mod:`dbclone.schema.bookkeeping`) or as asked for.
    """

    table: TableKey
    layer: int
    references: tuple[Reference, ...]
    source_rows: int
    rows: int
    sample_rows: int
    apart: tuple[str, ...] = ()
    copied: bool = False

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
    """A child within a star. ``columns`` are its modelled columns at most; ``detail`` is learned per parent row.

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
    """What a user may say about the plan. ``rows`` and ``scales`` override ``scale`` for single tables; the rows of
    ``copied`` ones are taken over as they are."""

    scale: float = 1.0
    scales: tuple[tuple[TableKey, float], ...] = ()
    rows: tuple[tuple[TableKey, int], ...] = ()
    copied: tuple[TableKey, ...] = ()
    sample_rows: int = 20_000
    latents: int = 6


def make_plan(schema: Schema, source_rows: Mapping[TableKey, int], options: PlanOptions) -> Plan:
    """Return the plan for a schema whose tables hold ``source_rows``; see :func:`dbclone.schema.planner.make_plan`."""
    from dbclone.schema import planner  # which makes the values above, and so imports this module

    return planner.make_plan(schema, source_rows, options)


def is_modelled(column: Column) -> bool:
    """Whether values of the column's kind can be learned; text is decided on its values later."""
    return column.kind in ("boolean", "integer", "decimal", "float", "text", "enum", "date", "time", "timestamp",
                           "timestamptz", "interval") and not column.generated  # fmt: skip


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON data; every step carries its kind."""
    data: dict[str, Any] = to_json(plan)
    for step, value in zip(plan.steps, data["steps"], strict=True):
        value["step"] = type(step).__name__.lower()
    return data
