"""What PostgreSQL's catalogue and rows say about a database that is being verified or compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Connection, FromClause, Select, text

from dbclone.db.dialects.base import Dialect, Histogram, LiveConstraint, Measure, SequenceState
from dbclone.db.dialects.postgresql.hashing import string_hashes
from dbclone.db.strings import Hashes, Strings
from dbclone.schema.model import Column, Table, TableKey

CUTS = 100
"""Points at which two distributions are compared; their largest distance is then known to within 0.01."""

COMPARED_ROWS = 200_000
"""Distributions are compared on about so many random rows: the error of a share is then below 0.003."""

_CONSTRAINTS = text("""
    SELECT c.conrelid, c.contype::text, c.conname, c.convalidated, true,
           ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k (number, position)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number
                 ORDER BY k.position),
           pn.nspname, p.relname,
           ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k (number, position)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
                 ORDER BY k.position)
    FROM pg_catalog.pg_constraint c
    LEFT JOIN pg_catalog.pg_class p ON p.oid = c.confrelid
    LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
    WHERE c.contype IN ('f', 'c') AND c.conrelid = ANY (CAST(:tables AS oid[]))
    UNION ALL
    SELECT i.indrelid, CASE WHEN i.indisprimary THEN 'p' ELSE 'u' END, x.relname, i.indisvalid,
           i.indpred IS NULL AND i.indexprs IS NULL,
           ARRAY(SELECT a.attname::text
                 FROM unnest(CAST(i.indkey AS int2[])) WITH ORDINALITY k (number, position)
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
                 WHERE k.position <= i.indnkeyatts ORDER BY k.position),
           NULL, NULL, NULL
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    WHERE i.indisunique AND i.indrelid = ANY (CAST(:tables AS oid[]))""")

# Named as in the reflected schema: the column, then the domain's constraint.
_DOMAIN_CHECKS = text("""
    WITH RECURSIVE used (relation, name, type) AS (
        SELECT a.attrelid, a.attname, t.oid
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid AND t.typtype = 'd'
        WHERE a.attrelid = ANY (CAST(:tables AS oid[])) AND NOT a.attisdropped
        UNION ALL
        SELECT u.relation, u.name, t.typbasetype
        FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.type AND t.typtype = 'd'
    )
    SELECT u.relation, 'c', u.name || '.' || c.conname, c.convalidated, true, ARRAY[u.name::text], NULL, NULL, NULL
    FROM used u JOIN pg_catalog.pg_constraint c ON c.contypid = u.type AND c.contype = 'c'""")

# Owned sequences and identities depend on their column; the default of a column depends on the sequence it uses.
_SEQUENCES = text("""
    SELECT DISTINCT u.relation, sn.nspname, s.relname, tn.nspname, t.relname, a.attname,
           q.seqincrement, q.seqmin, q.seqmax
    FROM (
        SELECT d.objid AS sequence, d.refobjid AS relation, d.refobjsubid AS number
        FROM pg_catalog.pg_depend d
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
          AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
        UNION
        SELECT d.refobjid, f.adrelid, f.adnum
        FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_attrdef f ON f.oid = d.objid
        WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
    ) u
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = u.sequence
    JOIN pg_catalog.pg_class s ON s.oid = u.sequence
    JOIN pg_catalog.pg_namespace sn ON sn.oid = s.relnamespace
    JOIN pg_catalog.pg_class t ON t.oid = u.relation
    JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
    JOIN pg_catalog.pg_attribute a ON a.attrelid = u.relation AND a.attnum = u.number
    JOIN pg_catalog.pg_type y ON y.oid = a.atttypid AND y.typcategory = 'N'
    WHERE u.relation = ANY (CAST(:tables AS oid[])) AND NOT t.relispartition
    ORDER BY 2, 3, 4, 5, 6""")

_KINDS: Mapping[str, Any] = {"p": "primary key", "u": "unique", "f": "foreign key", "c": "check"}


def tables_of(connection: Connection, tables: Sequence[Table]) -> list[tuple[int, TableKey]]:
    """Return the OIDs of ``tables`` and of their partitions, each with the key of the table."""
    rows = connection.execute(
        text("""
            SELECT w.position, c.oid FROM
                unnest(CAST(:schemas AS text[]), CAST(:names AS text[])) WITH ORDINALITY w (schema, name, position)
                JOIN pg_catalog.pg_namespace n ON n.nspname = coalesce(w.schema, current_schema())
                JOIN pg_catalog.pg_class r ON r.relnamespace = n.oid AND r.relname = w.name
                JOIN pg_catalog.pg_class c ON c.oid = r.oid
                    OR (r.relkind = 'p' AND c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(r.oid)))
            ORDER BY 1"""),
        {"schemas": [table.schema for table in tables], "names": [table.name for table in tables]},
    )
    return [(oid, tables[position - 1].key) for position, oid in rows]


class Verifying(Dialect):
    """The hooks that ``verify`` and ``compare`` ask."""

    def only(self, statement: Select[Any], source: FromClause, table: Table) -> Select[Any]:
        return statement if table.partitioned else statement.with_hint(source, "ONLY")

    def sequences(self, connection: Connection, tables: Sequence[Table]) -> tuple[SequenceState, ...]:
        keys = dict(tables_of(connection, tables))
        rows = connection.execute(_SEQUENCES, {"tables": list(keys)}).all()
        states: dict[str, SequenceState] = {}
        for relation, schema, name, table_schema, table, column, increment, smallest, largest in rows:
            sequence, source = sql.Identifier(schema, name), sql.Identifier(table_schema, table)
            ascending = increment > 0
            limit, furthest = (largest, sql.SQL("max")) if ascending else (smallest, sql.SQL("min"))
            extreme = sql.SQL("SELECT {}({})::bigint FROM {}").format(furthest, sql.Identifier(column), source)
            (found,) = one_row(connection, extreme)
            last, called = one_row(connection, sql.SQL("SELECT last_value, is_called FROM {}").format(sequence))
            state = SequenceState(
                name=sequence.as_string(),
                table=keys[relation],
                column=column,
                next=last + increment if called else last,
                extreme=found if found is None else (min if ascending else max)(found, limit),
                ascending=ascending,
            )
            # Two columns may share a sequence: the one that is further on counts.
            states[state.name] = _further(states.get(state.name), state)
        return tuple(states.values())

    def constraints(
        self, connection: Connection, tables: Sequence[Table]
    ) -> Mapping[TableKey, tuple[LiveConstraint, ...]]:
        keys = dict(tables_of(connection, tables))
        found: dict[TableKey, list[LiveConstraint]] = defaultdict(list)
        for statement in (_CONSTRAINTS, _DOMAIN_CHECKS):
            for row in connection.execute(statement, {"tables": list(keys)}):
                relation, kind, name, valid, plain, columns, parent_schema, parent, parent_columns = row
                found[keys[relation]].append(
                    LiveConstraint(
                        kind=_KINDS[kind],
                        name=name,
                        columns=tuple(columns),
                        parent=(parent_schema, parent) if parent else None,
                        parent_columns=tuple(parent_columns or ()),
                        valid=valid,
                        plain=plain,
                    )
                )
        return {key: tuple(found[key]) for key in keys.values()}

    def cut_points(self, connection: Connection, table: Table, columns: Sequence[Measure]) -> Mapping[str, list[str]]:
        fractions = sql.Literal([(number + 0.5) / CUTS for number in range(CUTS)])
        wanted = sql.SQL(", ").join(
            sql.SQL("(percentile_disc({cuts}::float8[]) WITHIN GROUP (ORDER BY {value}))::text[]").format(
                cuts=fractions, value=_value(measure)
            )
            for measure in columns
        )
        found = one_row(connection, sql.SQL("SELECT {} FROM {}").format(wanted, _sampled(connection, table)))
        return {
            measure.column.name: list(dict.fromkeys(cut for cut in cuts or () if cut is not None))
            for measure, cuts in zip(columns, found, strict=True)
        }

    def histogram(self, connection: Connection, table: Table, measure: Measure, cuts: Sequence[str]) -> Histogram:
        kind = sql.SQL("integer" if measure.of == "length" else measure.column.type)
        # MATERIALIZED: from text to timestamp is not a constant for the planner, and would be done again for each row.
        query = sql.SQL("""
            WITH c AS MATERIALIZED (SELECT {cuts}::text[]::{kind}[] AS cuts)
            SELECT width_bucket(r.value, c.cuts), count(*) FROM (SELECT {value} AS value FROM {rows}) r, c GROUP BY
            1""")
        bins = query.format(
            value=_value(measure), cuts=sql.Literal(list(cuts)), kind=kind, rows=_sampled(connection, table)
        )
        counts = dict(raw(connection).execute(bins).fetchall())
        return Histogram(bins=tuple(counts.get(n, 0) for n in range(len(cuts) + 1)), nulls=counts.get(None, 0))

    def frequencies(self, connection: Connection, table: Table, column: str, limit: int) -> Mapping[str | None, int]:
        counts = sql.SQL("SELECT md5({}::text), count(*) FROM {} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {}").format(
            sql.Identifier(column), _sampled(connection, table), limit
        )
        return dict(raw(connection).execute(counts).fetchall())

    def string_hashes(self, connection: Connection, table: Table, column: Column, wanted: Strings) -> Hashes:
        with raw(connection).cursor() as cursor:
            return string_hashes(cursor, rows_of(table), column, wanted)


def raw(connection: Connection) -> psycopg.Connection[Any]:
    """Return psycopg's connection, within the transaction that SQLAlchemy began."""
    return cast("psycopg.Connection[Any]", connection.connection.driver_connection)


def one_row(connection: Connection, query: sql.Composed) -> tuple[Any, ...]:
    """Return the row of a query that has exactly one."""
    return cast("tuple[Any, ...]", raw(connection).execute(query).fetchone())


def name_of(table: Table) -> sql.Identifier:
    """Return the table's quoted name."""
    return sql.Identifier(*(part for part in (table.schema, table.name) if part is not None))


def rows_of(table: Table) -> sql.Composed:
    """Return SQL for the rows of ``table`` itself. A partitioned table has no rows but those of its partitions."""
    return sql.SQL("{}{}").format(sql.SQL("" if table.partitioned else "ONLY "), name_of(table))


def _further(known: SequenceState | None, state: SequenceState) -> SequenceState:
    """Return the state that counts when two columns share a sequence: the one whose column is further on."""
    if known is None or known.extreme is None:
        return state
    if state.extreme is None:
        return known
    further = state.extreme > known.extreme if state.ascending else state.extreme < known.extreme
    return state if further else known


def _sampled(connection: Connection, table: Table) -> sql.Composed:
    """Return SQL for about :data:`COMPARED_ROWS` random rows, or all where there are few; the same ones each time."""
    estimate = sql.SQL("""
        SELECT coalesce(sum(c.reltuples), 0)::float8
        FROM pg_catalog.pg_class c
        WHERE c.oid = {name}::regclass OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree({name}::regclass)
                                                    WHERE isleaf)""")
    (rows,) = one_row(connection, estimate.format(name=sql.Literal(name_of(table).as_string())))
    if rows <= 2 * COMPARED_ROWS:
        return rows_of(table)
    sample = sql.SQL("{} TABLESAMPLE BERNOULLI ({}) REPEATABLE (0)")
    return sample.format(rows_of(table), sql.Literal(100 * COMPARED_ROWS / rows))


def _value(measure: Measure) -> sql.Composed:
    name = sql.Identifier(measure.column.name)
    return sql.SQL("char_length({}::text)" if measure.of == "length" else "{}").format(name)
