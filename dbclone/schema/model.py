"""What a database is: tables, columns, keys and checks, as frozen values.

Pure: no connection, no pandas. :mod:`dbclone.db.reflect` builds these from a live database, everything later reads
them. Columns of keys are always tuples, in the order of the constraint. Tables are referred to by their
:data:`TableKey`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NewType

TableKey = NewType("TableKey", str)
"""``name`` in the default schema, else ``schema.name``; a part that is not a plain word is double-quoted."""

TypeKind = Literal[
    "boolean",
    "integer",
    "decimal",
    "float",
    "text",
    "enum",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "interval",
    "uuid",
    "binary",
    "json",
    "array",
    "range",
    "multirange",
    "composite",
    "network",
    "bits",
    "geometry",
    "xml",
    "hstore",
    "search",
    "path",
    "vector",
    "other",
]
"""What values of a column are made of, whatever the database calls the type. ``other`` cannot be generated.

``network`` are addresses, ``bits`` strings of bits, ``search`` documents and queries of a text search, ``path`` the
labels of a tree (ltree), ``vector`` numbers for a search by likeness.
"""

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*")


def quote_part(name: str) -> str:
    """Return ``name``, double-quoted unless it is a plain word. For people and keys, never for SQL.

    ``order lines`` → ``"order lines"``.
    """
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'


def table_key(schema: str | None, name: str, default_schema: str | None) -> TableKey:
    """Return the key of a table; the default schema is left out."""
    if schema is None or schema == default_schema:
        return TableKey(quote_part(name))
    return TableKey(f"{quote_part(schema)}.{quote_part(name)}")


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as the database declares it.

    ``type`` is the database's own type text (``numeric(10,2)``). ``length`` is in characters, ``precision`` and
    ``scale`` in decimal digits. ``default`` is the default expression. ``domain`` names the domain, if the type is one;
    ``kind`` and ``type`` are then those of the base type.

    ``parts`` describe what a value is made of, as columns: the element of an array, the bound of a range, the range of
    a multirange, the fields of a composite type.
    """

    name: str
    type: str
    kind: TypeKind
    nullable: bool = True
    default: str | None = None
    identity: Literal["always", "by default"] | None = None
    generated: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    bytes: int | None = None
    enum_values: tuple[str, ...] = ()
    parts: tuple[Column, ...] = ()
    domain: str | None = None
    comment: str | None = None

    @property
    def filled_by_sequence(self) -> bool:
        """Whether an identity or a sequence default numbers the column."""
        return self.identity is not None or (self.default is not None and "nextval(" in self.default)

    @property
    def is_padded(self) -> bool:
        """Whether values are padded with blanks to the full length, as in SQL's CHAR."""
        return re.fullmatch(r"(character|char|bpchar)(\(\d+\))?", self.type, re.IGNORECASE) is not None


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key: ``columns`` of the child table reference ``parent_columns`` of the table ``parent``.

    ``declared``: by the user, not by the database, which has no such constraint.
    """

    name: str
    columns: tuple[str, ...]
    parent: TableKey
    parent_columns: tuple[str, ...]
    deferrable: bool = False
    initially_deferred: bool = False
    match_full: bool = False
    validated: bool = True
    on_delete: str | None = None
    declared: bool = False


@dataclass(frozen=True, kw_only=True)
class UniqueKey:
    """A unique constraint or unique index other than the primary key.

    ``columns`` are the plain columns; ``expressions`` holds those key parts that are expressions; ``predicate`` is the
    condition of a partial index.
    """

    name: str
    columns: tuple[str, ...]
    expressions: tuple[str, ...] = ()
    predicate: str | None = None
    nulls_distinct: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether it constrains plain columns of all rows."""
        return not self.expressions and self.predicate is None


@dataclass(frozen=True, kw_only=True)
class Check:
    """A CHECK constraint; ``expression`` is in the source's SQL, without the keyword CHECK."""

    name: str
    expression: str
    columns: tuple[str, ...] = ()
    validated: bool = True


@dataclass(frozen=True, kw_only=True)
class LabelledTable:
    """The table, and its key, that the rows with a ``label`` refer to."""

    label: str
    table: TableKey
    column: str


@dataclass(frozen=True, kw_only=True)
class Polymorphic:
    """A pair of columns of which one names a table and the other a row of it, without a foreign key.

    ``targets`` say which table each value of ``type_column`` stands for.
    """

    column: str
    type_column: str
    targets: tuple[LabelledTable, ...]


@dataclass(frozen=True, kw_only=True)
class Exclusion:
    """An EXCLUDE constraint: no two rows for which all of its operators are true.

    ``elements`` pairs expressions in the source's SQL with operators: ``(("room", "="), ("during", "&&"))``.
    """

    name: str
    elements: tuple[tuple[str, str], ...]
    columns: tuple[str, ...] = ()
    predicate: str | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that holds rows. A partitioned table is one table; its partitions are not listed.

    ``routing`` is the condition that a row belongs to one of the partitions and keeps its CHECKs; None if there is none
    that some row could break. ``partition_keys`` are unique keys of single partitions, the partition as their
    predicate.
    """

    schema: str | None
    name: str
    key: TableKey
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    unique_keys: tuple[UniqueKey, ...] = ()
    checks: tuple[Check, ...] = ()
    comment: str | None = None
    partitioned: bool = False
    exclusions: tuple[Exclusion, ...] = ()
    polymorphic: tuple[Polymorphic, ...] = ()
    routing: Check | None = None
    partition_keys: tuple[UniqueKey, ...] = ()

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.columns}

    def column(self, name: str) -> Column:
        """Return the column called ``name``; KeyError if there is none."""
        return self._by_name[name]

    @property
    def written_columns(self) -> tuple[Column, ...]:
        """The columns a loader writes: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)

    def nullable(self, foreign_key: ForeignKey) -> bool:
        """Whether a row may refer to no parent through ``foreign_key``."""
        columns = [self.column(name).nullable for name in foreign_key.columns]
        return all(columns) if foreign_key.match_full else any(columns)

    def uniques(self) -> tuple[tuple[str, ...], ...]:
        """The column tuples that are unique over all rows: the primary key first, then plain unique keys."""
        plain = [key.columns for key in self.unique_keys if key.is_plain and key.columns]
        return tuple(dict.fromkeys(([self.primary_key] if self.primary_key else []) + plain))


@dataclass(frozen=True, kw_only=True)
class Schema:
    """All tables of a database, ordered by key."""

    dialect: str
    server_version: str
    default_schema: str | None
    tables: tuple[Table, ...]

    @cached_property
    def _by_key(self) -> Mapping[TableKey, Table]:
        return {table.key: table for table in self.tables}

    def table(self, key: TableKey) -> Table:
        """Return the table with this key; KeyError if there is none."""
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def keep(self, keys: Iterable[TableKey]) -> Schema:
        """Return the schema reduced to these tables; foreign keys to tables left out are dropped."""
        kept = set(keys)
        tables = tuple(
            dataclasses.replace(
                t,
                foreign_keys=tuple(f for f in t.foreign_keys if f.parent in kept),
                polymorphic=tuple(pair for pair in t.polymorphic if all(to.table in kept for to in pair.targets)),
            )
            for t in self.tables
            if t.key in kept
        )
        return dataclasses.replace(self, tables=tables)

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any table, column, key or check (not with comments)."""
        text = json.dumps([_without_comments(to_json(table)) for table in self.tables], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_comments(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_comments(item) for key, item in value.items() if key != "comment"}
    return [_without_comments(item) for item in value] if isinstance(value, list) else value


def to_json(value: Any) -> Any:
    """Return a value of this module as plain JSON data; defaults are left out."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {field.name: to_json(item) for field, item in fields if item != field.default}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value
