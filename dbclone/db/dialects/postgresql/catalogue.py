"""The system catalogues of PostgreSQL: user tables, their columns, odd constraints.

What a type is made of is read in :mod:`dbclone.db.dialects.postgresql.types`.

Each query covers all schemas at once, so their number does not grow with the database. Names are matched by OID, never
by search path; type texts come from ``format_type``, which qualifies and quotes as the session would have to.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from sqlalchemy import Connection, Row, text

from dbclone.db.dialects.base import Catalogue, CheckFacts, ColumnFacts, TableFacts
from dbclone.db.dialects.postgresql.types import Types, read_types
from dbclone.schema.model import Check, Exclusion, ForeignKey, UniqueKey, table_key

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
SELECT a.attrelid AS table, a.attname AS name, a.attidentity AS identity, a.attgenerated <> '' AS generated,
       a.atttypid AS declared, a.atttypmod AS typmod, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM pg_catalog.pg_attribute a
WHERE a.attrelid = ANY (CAST(:tables AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
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

# Not the Inspector's: it reads pg_get_constraintdef's text by regular expression, and finds no condition in one that
# ends with NOT ENFORCED. Such a CHECK is a comment, no rule.
_CHECKS = text("""
SELECT o.conrelid AS table, o.conname AS name, o.convalidated AS validated,
       pg_catalog.pg_get_expr(o.conbin, o.conrelid, true) AS expression,
       ARRAY(SELECT a.attname::text FROM unnest(o.conkey) WITH ORDINALITY k (attnum, number)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = o.conrelid AND a.attnum = k.attnum
             ORDER BY k.number) AS columns
FROM pg_catalog.pg_constraint o
WHERE o.conrelid = ANY (CAST(:tables AS oid[])) AND o.contype = 'c'
  AND coalesce((to_jsonb(o) ->> 'conenforced')::boolean, true)
ORDER BY o.conrelid, o.conname
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

# Those of partitions that are no part of an index of the partitioned table; primary keys as well.
_LEAF_KEYS = text("""
SELECT i.indrelid AS table, c.relname AS name, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       coalesce((to_jsonb(i) ->> 'indnullsnotdistinct')::boolean, false) AS nulls_not_distinct,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (attnum, number)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.number <= i.indnkeyatts ORDER BY k.number) AS columns,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k.number::int, true)
             FROM unnest(i.indkey) WITH ORDINALITY k (attnum, number)
             WHERE k.attnum = 0 AND k.number <= i.indnkeyatts ORDER BY k.number) AS expressions
FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY (CAST(:tables AS oid[])) AND i.indisunique AND i.indisvalid
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid)
ORDER BY i.indrelid, c.relname
""")

_EXCLUSIONS = text("""
SELECT o.conrelid AS table, o.conname AS name, pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(i.indexrelid, k.number::int, true)
             FROM generate_series(1, i.indnkeyatts) k (number) ORDER BY k.number) AS elements,
       ARRAY(SELECT p.oprname::text FROM unnest(o.conexclop) WITH ORDINALITY e (operator, number)
             JOIN pg_catalog.pg_operator p ON p.oid = e.operator ORDER BY e.number) AS operators,
       ARRAY(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY k (attnum, number)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE k.number <= i.indnkeyatts ORDER BY k.number) AS columns
FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_index i ON i.indexrelid = o.conindid
WHERE o.conrelid = ANY (CAST(:tables AS oid[])) AND o.conexclop IS NOT NULL
ORDER BY o.conrelid, o.conname
""")

# What a hash decides depends on the OID of the table. CHECKs are those that the partitioned table does not have.
_PARTITIONS = text("""
SELECT r.oid AS table, c.oid AS leaf, pg_catalog.pg_get_partition_constraintdef(c.oid) AS bounds,
       p.level = 1 AND pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT' AS takes_all,
       ARRAY(SELECT pg_catalog.pg_get_expr(o.conbin, o.conrelid) FROM pg_catalog.pg_constraint o
             WHERE o.conrelid = c.oid AND o.contype = 'c'
               AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint same
                               WHERE same.conrelid = r.oid AND same.contype = 'c' AND same.conname = o.conname)
             ORDER BY o.conname) AS checks
FROM pg_catalog.pg_class r
JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) p ON p.isleaf
JOIN pg_catalog.pg_class c ON c.oid = p.relid
WHERE r.oid = ANY (CAST(:tables AS oid[])) AND r.relkind = 'p' AND p.relid <> r.oid
ORDER BY r.oid, c.relname
""")

_IDENTITY: Mapping[str, Literal["always", "by default"]] = {"a": "always", "d": "by default"}
_ON_DELETE = {"r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def read_catalogue(connection: Connection) -> Catalogue:
    """Return every user table with what :class:`TableFacts` asks for, in thirteen queries."""
    version, default = connection.execute(text("SELECT current_setting('server_version'), current_schema()")).one()
    tables = connection.execute(_TABLES).all()
    oids = {"tables": [row.oid for row in tables]}
    types = read_types(connection)
    columns = _grouped(connection.execute(_COLUMNS, oids))
    checks = _grouped(connection.execute(_CHECKS, oids))
    foreign_keys = _grouped(connection.execute(_FOREIGN_KEYS, oids))
    unique_keys = _grouped(connection.execute(_UNIQUE_KEYS, oids))
    domain_checks = _grouped(connection.execute(_DOMAIN_CHECKS))
    exclusions = _grouped(connection.execute(_EXCLUSIONS, oids))
    partitions = _grouped(connection.execute(_PARTITIONS, oids))
    leaves = {"tables": [row.leaf for rows in partitions.values() for row in rows]}
    leaf_keys = _grouped(connection.execute(_LEAF_KEYS, leaves)) if leaves["tables"] else {}
    return Catalogue(
        server_version=version,
        default_schema=default,
        tables=tuple(
            TableFacts(
                schema=table.schema,
                name=table.name,
                partitioned=table.partitioned,
                columns={row.name: _column(row, types) for row in columns[table.oid]},
                foreign_keys=_foreign_keys(foreign_keys[table.oid], default),
                unique_keys=tuple(map(_unique_key, unique_keys[table.oid])),
                checks={
                    row.name: CheckFacts(row.expression, tuple(row.columns), row.validated) for row in checks[table.oid]
                },
                domain_checks=tuple(
                    _domain_check(column.name, check)
                    for column in columns[table.oid]
                    for check in domain_checks[column.declared]
                ),
                exclusions=tuple(map(_exclusion, exclusions[table.oid])),
                routing=_routing(partitions[table.oid]),
                partition_keys=_partition_keys(partitions[table.oid], leaf_keys),
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


def _column(row: Row[Any], types: Types) -> ColumnFacts:
    found = types.column(row.name, row.declared, row.typmod, row.type)
    return ColumnFacts(
        type=found.type,
        kind=found.kind,
        nullable=found.nullable,
        identity=_IDENTITY.get(row.identity),
        generated=row.generated,
        length=found.length,
        precision=found.precision,
        scale=found.scale,
        bytes=found.bytes,
        enum_values=found.enum_values,
        parts=found.parts,
        domain=found.domain,
    )


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


def _exclusion(row: Row[Any]) -> Exclusion:
    return Exclusion(
        name=row.name,
        elements=tuple(zip(row.elements, row.operators, strict=True)),
        columns=tuple(row.columns),
        predicate=row.predicate,
    )


def _routing(partitions: Sequence[Row[Any]]) -> str | None:
    """Return the condition that one of the partitions takes a row; None if every row is taken, or only a hash knows."""
    conditions = [[*([row.bounds] if row.bounds else []), *row.checks] for row in partitions]
    if any(not condition or "satisfies_hash_partition(" in condition[0] for condition in conditions):
        return None
    if not partitions or any(row.takes_all and not row.checks for row in partitions):
        return None
    return " OR ".join("(" + " AND ".join(f"({part})" for part in condition) + ")" for condition in conditions)


def _partition_keys(partitions: Sequence[Row[Any]], keys: Mapping[int, Sequence[Row[Any]]]) -> tuple[UniqueKey, ...]:
    """Return the unique keys that partitions have by themselves, each for the rows of its partition."""
    found = []
    for partition in partitions:
        for key in map(_unique_key, keys.get(partition.leaf, ())):
            both = [condition for condition in (partition.bounds, key.predicate) if condition]
            found.append(replace(key, predicate=" AND ".join(f"({part})" for part in both) or None))
    return tuple(found)


def _unique_key(row: Row[Any]) -> UniqueKey:
    return UniqueKey(
        name=row.name,
        columns=tuple(row.columns),
        expressions=tuple(row.expressions),
        predicate=row.predicate,
        nulls_distinct=not row.nulls_not_distinct,
    )
