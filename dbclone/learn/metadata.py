"""The whole database as SDV's own ``Metadata``, for people: what SDV can hold of it, and what it cannot.

Owns the mapping from column kinds to sdtypes and the choice of relationships. The dictionary is made without importing
SDV (which takes ten seconds); ``Metadata.load_from_json`` accepts it as a file and ``Metadata.validate`` passes, which
``tests/unit/test_metadata.py`` shows. The metadata of single stars, for training, is made in :mod:`dbclone.learn.hma`.

SDV 2.0's rules, from ``sdv/metadata/metadata.py``: a relationship goes to the parent's whole primary key; both ends
have the same sdtypes; relationships hold no cycle; the same foreign-key columns have one parent; keys are never NULL.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbclone.schema import graph
from dbclone.schema.model import Column, Schema, Table, TableKey
from dbclone.schema.plan import Note

if TYPE_CHECKING:
    from sdv.metadata import Metadata

SPECIFICATION = "V2"
"""``Metadata.METADATA_SPEC_VERSION`` of SDV 2.0."""

MAX_RANGE_VALUES = 500
"""SDV lists no more values of a category than this (``MAX_RANGE_VALUES``)."""


@dataclass(frozen=True, kw_only=True)
class DatabaseMetadata:
    """``metadata`` is what ``Metadata.to_dict`` returns; ``notes`` say what SDV cannot hold and is left out of it."""

    metadata: dict[str, Any]
    notes: tuple[Note, ...]


def describe_database(schema: Schema) -> DatabaseMetadata:
    """Return the metadata of all tables and of every relationship that SDV can hold."""
    notes = [
        Note(table=table.key, message="left out: SDV has no table without columns")
        for table in schema.tables
        if not table.columns
    ]
    tables = {table.key: _table(table) for table in schema.tables if table.columns}
    relationships, left_out = _relationships(schema)
    return DatabaseMetadata(
        metadata={"tables": tables, "relationships": relationships, "METADATA_SPEC_VERSION": SPECIFICATION},
        notes=(*notes, *left_out),
    )


def database_metadata(schema: Schema) -> Metadata:
    """Return the same as an object of SDV, validated by SDV. Imports SDV."""
    from sdv.metadata import Metadata

    metadata = Metadata.load_from_dict(describe_database(schema).metadata)
    metadata.validate()
    return metadata


def metadata_notes(schema: Schema) -> tuple[Note, ...]:
    """Return what the metadata cannot hold, one note for each table or foreign key left out."""
    return describe_database(schema).notes


def _table(table: Table) -> dict[str, Any]:
    keys = {name for key in table.foreign_keys for name in key.columns}.union(table.primary_key)
    alternate = sorted(
        {
            key.columns[0]
            for key in table.unique_keys
            if key.is_plain and len(key.columns) == 1 and not table.column(key.columns[0]).nullable
        }
        - set(table.primary_key)
    )
    data: dict[str, Any] = {
        "columns": {
            column.name: _column(column, is_key=column.name in keys or column.name in alternate)
            for column in table.columns
        }
    }
    if table.primary_key:
        data["primary_key"] = table.primary_key[0] if len(table.primary_key) == 1 else list(table.primary_key)
    if alternate:
        data["alternate_keys"] = alternate
    return data


def _column(column: Column, *, is_key: bool) -> dict[str, Any]:
    """Return the sdtype of a column and what SDV asks for with it. Keys are ``id`` whatever they are made of."""
    data: dict[str, Any]
    if is_key or column.kind == "uuid":
        data = {"sdtype": "id"}
    elif column.kind == "integer":
        data = {"sdtype": "numerical", "decimal_places": 0}
    elif column.kind == "decimal" and column.scale is not None:
        data = {"sdtype": "numerical", "decimal_places": max(column.scale, 0)}
    elif column.kind in ("decimal", "float"):
        data = {"sdtype": "numerical"}
    elif column.kind == "boolean":
        data = {"sdtype": "categorical"}
    elif column.kind == "enum" and 0 < len(column.enum_values) <= MAX_RANGE_VALUES:
        data = {"sdtype": "categorical", "range_values": list(column.enum_values)}
    elif column.kind in ("enum", "text"):
        data = {"sdtype": "categorical"}
    elif column.kind == "date":
        data = {"sdtype": "datetime", "datetime_format": "%Y-%m-%d"}
    elif column.kind == "time":
        data = {"sdtype": "datetime", "datetime_format": "%H:%M:%S"}
    elif column.kind in ("timestamp", "timestamptz"):
        data = {"sdtype": "datetime"}
    else:
        data = {"sdtype": "unknown", "pii": True}
    return {**data, "range_is_nullable": True} if column.nullable else data


def _relationships(schema: Schema) -> tuple[list[dict[str, Any]], list[Note]]:
    """Return the relationships that SDV can hold, and a note for each foreign key that it cannot."""
    _, deferred = graph.load_order(schema)
    closing = {(item.edge.child, item.edge.foreign_key.name) for item in deferred}
    relationships: list[dict[str, Any]] = []
    notes: list[Note] = []
    used: set[tuple[TableKey, tuple[str, ...]]] = set()
    for edge in graph.edges(schema):
        key, parent = edge.foreign_key, schema.table(edge.parent)
        if edge.is_self:
            reason = "SDV holds no self-reference"
        elif (edge.child, key.name) in closing:
            reason = "it closes a cycle, which SDV does not hold"
        elif set(key.parent_columns) != set(parent.primary_key):
            reason = f"it refers to other columns of {edge.parent} than its primary key"
        elif (edge.child, tuple(sorted(key.columns))) in used:
            reason = "another foreign key has the same columns, and SDV gives them one parent"
        else:
            used.add((edge.child, tuple(sorted(key.columns))))
            relationships.append(_relationship(edge, parent))
            continue
        notes.append(Note(table=edge.child, message=f"{key.name} ({', '.join(key.columns)}) left out: {reason}"))
    return relationships, notes


def _relationship(edge: graph.Edge, parent: Table) -> dict[str, Any]:
    """Return a relationship with its columns in the order of the parent's primary key, strings when there is one."""
    child_column = dict(zip(edge.foreign_key.parent_columns, edge.foreign_key.columns, strict=True))
    columns = [child_column[name] for name in parent.primary_key]
    single = len(columns) == 1
    return {
        "parent_table_name": edge.parent,
        "child_table_name": edge.child,
        "parent_primary_key": parent.primary_key[0] if single else list(parent.primary_key),
        "child_foreign_key": columns[0] if single else columns,
    }
