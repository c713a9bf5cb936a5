"""The system catalogues of PostgreSQL: user tables, their columns' types with domains resolved, odd constraints.

Each query covers all schemas at once, so their number does not grow with the database. Names are matched by OID, never
by search path; type texts come from ``format_type``, which qualifies and quotes as the session would have to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from dbclone.db.dialects.base import Catalogue, CheckFacts, ColumnFacts, TableFacts
from dbclone.schema.model import Check, ForeignKey, TypeKind, UniqueKey, table_key

_TABLES = text("""
SELECT c.oid, n.nspname AS schema, c.relname AS name, c.relkind = 'p' AS partitioned
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                  WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY n.nspname, c.relname
""")

_COLUMNS = text("""
WITH RECURSIVE resolved (oid, base, typmod, not_null) AS (
    SELECT oid, typbasetype, typtypmod, typnotnull FROM pg_catalog.pg_type WHERE typtype = 'd'
    UNION ALL
    SELECT r.oid, t.typbasetype, t.typtypmod, r.not_null OR t.typnotnull
    FROM resolved r JOIN pg_catalog.pg_type t ON t.oid = r.base AND t.typtype = 'd'
)
SELECT a.attrelid AS table, a.attname AS name, a.attidentity AS identity, a.attgenerated <> '' AS generated,
       CASE WHEN r.oid IS NULL THEN a.atttypmod ELSE r.typmod END AS typmod,
       pg_catalog.format_type(b.oid, CASE WHEN r.oid IS NULL THEN a.atttypmod ELSE r.typmod END) AS type,
       CASE WHEN r.oid IS NOT NULL THEN pg_catalog.format_type(a.atttypid, NULL) END AS domain, a.atttypid AS declared,
       NOT coalesce(r.not_null, false) AS nullable,
       b.oid AS base, b.typname, b.typtype, b.typcategory, b.typlen, bn.nspname = 'pg_catalog' AS built_in
FROM pg_catalog.pg_attribute a
LEFT JOIN resolved r ON r.oid = a.atttypid
     AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = r.base AND t.typtype = 'd')
JOIN pg_catalog.pg_type b ON b.oid = coalesce(r.base, a.atttypid)
JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace
WHERE a.attrelid = ANY (CAST(:tables AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
""")

_ENUMS = text("""
SELECT enumtypid AS type, array_agg(enumlabel::text ORDER BY enumsortorder) AS labels
FROM pg_catalog.pg_enum GROUP BY enumtypid
""")

_DOMAIN_CHECKS = text("""
WITH RECURSIVE chain (oid, member) AS (
    SELECT oid, oid FROM pg_catalog.pg_type WHERE typtype = 'd'
    UNION ALL
    SELECT c.oid, t.typbasetype FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.member
    WHERE t.typtype = 'd'
)
SELECT c.oid, o.conname AS name, pg_catalog.pg_get_expr(o.conbin, 0) AS expression, o.convalidated AS validated
FROM chain c JOIN pg_catalog.pg_constraint o ON o.contypid = c.member AND o.contype = 'c'
ORDER BY c.oid, o.conname
""")

_CHECKS = text("""
SELECT o.conrelid AS table, o.conname AS name, o.convalidated AS validated,
       ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k (attnum, number)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum
             ORDER BY k.number) AS columns
FROM pg_catalog.pg_constraint o
WHERE o.conrelid = ANY (CAST(:tables AS oid[])) AND o.contype = 'c'
""")

# From the catalogue, because SQLAlchemy 2.1 takes these out of pg_get_constraintdef's text by regular expression, and
# gets names with commas, parentheses or quotes wrong without a word. conparentid <> 0: PostgreSQL's own copies for
# partitions. Of partitions only the leaves count: a key of a partition that has partitions itself is repeated on each
# of its leaves.
_FOREIGN_KEYS = text("""
WITH leaf AS (
    SELECT c.oid, pg_catalog.pg_partition_root(c.oid) AS root,
           count(*) OVER (PARTITION BY pg_catalog.pg_partition_root(c.oid)) AS leaves
    FROM pg_catalog.pg_class c WHERE c.relispartition AND c.relkind = 'r'
), declared AS (
    SELECT o.conrelid AS table, true AS own, 1 AS leaves, o.*
    FROM pg_catalog.pg_constraint o
    WHERE o.conrelid = ANY (CAST(:tables AS oid[])) AND o.contype = 'f' AND o.conparentid = 0
    UNION ALL
    SELECT l.root, false, l.leaves, o.*
    FROM leaf l JOIN pg_catalog.pg_constraint o ON o.conrelid = l.oid AND o.contype = 'f'
    WHERE l.root = ANY (CAST(:tables AS oid[]))
), named AS (
    SELECT d.*, n.nspname AS parent_schema, p.relname AS parent,
           ARRAY(SELECT a.attname::text FROM unnest(d.conkey) WITH ORDINALITY k (attnum, number)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = d.conrelid AND a.attnum = k.attnum
                 ORDER BY k.number) AS columns,
           ARRAY(SELECT a.attname::text FROM unnest(d.confkey) WITH ORDINALITY k (attnum, number)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = d.confrelid AND a.attnum = k.attnum
                 ORDER BY k.number) AS parent_columns
    FROM declared d
    JOIN pg_catalog.pg_class p ON p.oid = d.confrelid AND NOT p.relispartition
    JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
)
SELECT "table", own, CASE WHEN own THEN conname::text ELSE min(conname::text) OVER same END AS name,
       columns, parent_schema, parent, parent_columns, condeferrable AS deferrable, condeferred AS deferred,
       confmatchtype = 'f' AS match_full, confdeltype AS on_delete,
       convalidated AND (own OR count(*) OVER same = leaves) AS validated
FROM named
WINDOW same AS (PARTITION BY "table", own, columns, parent_schema, parent, parent_columns)
ORDER BY "table", own DESC, name
""")

_UNIQUE_KEYS = text("""
SELECT i.indrelid AS table, c.relname AS name, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (attnum, number)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.number <= i.indnkeyatts ORDER BY k.number) AS columns,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k.number::int, true)
             FROM unnest(i.indkey) WITH ORDINALITY k (attnum, number)
             WHERE k.attnum = 0 AND k.number <= i.indnkeyatts ORDER BY k.number) AS expressions
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (CAST(:tables AS oid[])) AND i.indisunique AND NOT i.indisprimary AND i.indisvalid
ORDER BY i.indrelid, c.relname
""")

_KINDS: Mapping[str, TypeKind] = {
    "bool": "boolean",
    **dict.fromkeys(("int2", "int4", "int8", "oid"), "integer"),
    **dict.fromkeys(("numeric", "money"), "decimal"),
    **dict.fromkeys(("float4", "float8"), "float"),
    **dict.fromkeys(("text", "varchar", "bpchar", "char", "name"), "text"),
    "date": "date",
    **dict.fromkeys(("time", "timetz"), "time"),
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "interval": "interval",
    "uuid": "uuid",
    "bytea": "binary",
    **dict.fromkeys(("json", "jsonb"), "json"),
}
_IDENTITY: Mapping[str, Literal["always", "by default"]] = {"a": "always", "d": "by default"}
_ON_DELETE = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_LENGTHS = {"char": 1, "name": 63}
_NUMBERS_STORED_IN = {"int2", "int4", "int8", "oid", "float4", "float8"}


def read_catalogue(connection: Connection) -> Catalogue:
    """Return every user table with what :class:`TableFacts` asks for, in eight queries."""
    version, default = connection.execute(text("SELECT current_setting('server_version'), current_schema()")).one()
    tables = connection.execute(_TABLES).all()
    oids = {"tables": [row.oid for row in tables]}
    enums = {row.type: tuple(row.labels) for row in connection.execute(_ENUMS)}
    columns = _grouped(connection.execute(_COLUMNS, oids))
    checks = _grouped(connection.execute(_CHECKS, oids))
    foreign_keys = _grouped(connection.execute(_FOREIGN_KEYS, oids))
    unique_keys = _grouped(connection.execute(_UNIQUE_KEYS, oids))
    domain_checks = _grouped(connection.execute(_DOMAIN_CHECKS))
    return Catalogue(
        server_version=version,
        default_schema=default,
        tables=tuple(
            TableFacts(
                schema=table.schema,
                name=table.name,
                partitioned=table.partitioned,
                columns={row.name: _column(row, enums) for row in columns[table.oid]},
                foreign_keys=_foreign_keys(foreign_keys[table.oid], default),
                unique_keys=tuple(map(_unique_key, unique_keys[table.oid])),
                checks={row.name: CheckFacts(tuple(row.columns), row.validated) for row in checks[table.oid]},
                domain_checks=tuple(
                    _domain_check(column.name, check)
                    for column in columns[table.oid]
                    for check in domain_checks[column.declared]
                ),
            )
            for table in tables
        ),
    )


def _grouped(rows: Iterable[Row[Any]]) -> defaultdict[int, list[Row[Any]]]:
    """Return rows by their first field, an OID."""
    groups: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    return groups


def _column(row: Row[Any], enums: Mapping[int, tuple[str, ...]]) -> ColumnFacts:
    kind = _kind(row)
    precision, scale = _digits(row)
    return ColumnFacts(
        type=row.type,
        kind=kind,
        nullable=row.nullable,
        identity=_IDENTITY.get(row.identity),
        generated=row.generated,
        length=_length(row),
        precision=precision,
        scale=scale,
        bytes=row.typlen if row.built_in and row.typname in _NUMBERS_STORED_IN else None,
        enum_values=enums.get(row.base, ()),
        domain=row.domain,
    )


def _kind(row: Row[Any]) -> TypeKind:
    if row.typtype == "e":
        return "enum"
    if row.typcategory == "A":
        return "array"
    if row.built_in:
        return _KINDS.get(row.typname, "other")
    # An extension's type, wherever it is installed: text that compares without case.
    return "text" if row.typname == "citext" else "other"


def _length(row: Row[Any]) -> int | None:
    if row.typname in ("varchar", "bpchar") and row.typmod >= 4:
        return int(row.typmod) - 4
    return _LENGTHS.get(row.typname) if row.built_in else None


def _digits(row: Row[Any]) -> tuple[int | None, int | None]:
    """Return precision and scale. Source: ``numeric_typmod_precision`` and ``_scale`` in PostgreSQL's numeric.c."""
    if row.typname == "money":
        return 19, 2
    if row.typname != "numeric" or row.typmod < 4:
        return None, None
    packed = row.typmod - 4
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024


def _domain_check(column: str, row: Row[Any]) -> Check:
    """Return a domain's condition as one on the column. ``VALUE > 0`` → ``"price" > 0``, not within quotes."""
    quoted = '"' + column.replace('"', '""') + '"'
    expression = re.sub(
        r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\bVALUE\b",
        lambda match: quoted if match[0] == "VALUE" else match[0],
        row.expression,
    )
    return Check(name=f"{column}.{row.name}", expression=expression, columns=(column,), validated=row.validated)


def _foreign_keys(rows: Sequence[Row[Any]], default_schema: str | None) -> tuple[ForeignKey, ...]:
    """Return the keys of a table, its own first; of equal ones that its partitions declare, one."""
    keys: dict[tuple[object, ...], ForeignKey] = {}
    for row in rows:
        key = ForeignKey(
            name=row.name,
            columns=tuple(row.columns),
            parent=table_key(row.parent_schema, row.parent, default_schema),
            parent_columns=tuple(row.parent_columns),
            deferrable=row.deferrable,
            initially_deferred=row.deferred,
            match_full=row.match_full,
            validated=row.validated,
            on_delete=_ON_DELETE.get(row.on_delete),
        )
        # Two equal keys of the table itself are both kept, under their names: the target will have both.
        keys.setdefault((key.columns, key.parent, key.parent_columns, key.name if row.own else None), key)
    own = {(key.columns, key.parent, key.parent_columns) for (*_, name), key in keys.items() if name is not None}
    return tuple(
        key
        for (*_, name), key in keys.items()
        if name is not None or (key.columns, key.parent, key.parent_columns) not in own
    )


def _unique_key(row: Row[Any]) -> UniqueKey:
    return UniqueKey(
        name=row.name,
        columns=tuple(row.columns),
        expressions=tuple(row.expressions),
        predicate=row.predicate,
        nulls_distinct=not row.nulls_not_distinct,
    )
