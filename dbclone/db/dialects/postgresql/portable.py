"""What a portable definition of a PostgreSQL database needs besides SQLAlchemy's tables, and what it cannot carry."""

from __future__ import annotations

from collections import defaultdict

from psycopg import sql
from sqlalchemy import Connection, text

from dbclone.errors import at_most
from dbclone.model.flow import Statement

_NOT_PORTABLE = text("""
    SELECT o.kind, o.name FROM (
        SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
               c.oid::regclass::text AS name, 'pg_class'::regclass AS catalogue, c.oid, c.relnamespace AS namespace
        FROM pg_class c WHERE c.relkind IN ('v', 'm', 'f')
        UNION ALL SELECT CASE WHEN c.relispartition THEN 'partition' ELSE 'inheritance' END, c.oid::regclass::text,
               'pg_class'::regclass, c.oid, c.relnamespace
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND c.oid IN (SELECT inhrelid FROM pg_inherits)
        UNION ALL SELECT 'function', p.oid::regprocedure::text, 'pg_proc'::regclass, p.oid, p.pronamespace
        FROM pg_proc p
        UNION ALL SELECT 'trigger', format('%s on %s', t.tgname, t.tgrelid::regclass), 'pg_trigger'::regclass, t.oid,
               c.relnamespace
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal AND NOT c.relispartition
        UNION ALL SELECT 'exclusion constraint', format('%s of %s', x.conname, x.conrelid::regclass),
               'pg_constraint'::regclass, x.oid, x.connamespace
        FROM pg_constraint x WHERE x.contype = 'x'
        UNION ALL SELECT 'policy', format('%s on %s', y.polname, y.polrelid::regclass), 'pg_policy'::regclass, y.oid,
               c.relnamespace
        FROM pg_policy y JOIN pg_class c ON c.oid = y.polrelid
        UNION ALL SELECT 'rule', format('%s on %s', r.rulename, r.ev_class::regclass), 'pg_rewrite'::regclass, r.oid,
               c.relnamespace
        FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
        UNION ALL SELECT 'composite type', t.oid::regtype::text, 'pg_type'::regclass, t.oid, t.typnamespace
        FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
        UNION ALL SELECT 'sequence ownership', format('%s by %s.%I', c.oid::regclass, d.refobjid::regclass, a.attname),
               'pg_class'::regclass, c.oid, c.relnamespace
        FROM pg_class c
        JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
            AND d.refclassid = 'pg_class'::regclass
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE c.relkind = 'S'
        UNION ALL SELECT 'sequence options', c.oid::regclass::text, 'pg_class'::regclass, c.oid, c.relnamespace
        FROM pg_sequence q JOIN pg_class c ON c.oid = q.seqrelid
        WHERE (q.seqstart, q.seqincrement, q.seqmin, q.seqcache, q.seqcycle) <> (1, 1, 1, 1, false)
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype = 'i')
        UNION ALL SELECT 'storage of a column', format('%s.%I', c.oid::regclass, a.attname), 'pg_class'::regclass,
        c.oid,
               c.relnamespace
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attstorage <> t.typstorage
        UNION ALL SELECT 'statistics object', s.stxname, 'pg_statistic_ext'::regclass, s.oid, s.stxnamespace
        FROM pg_statistic_ext s
    ) o
    JOIN pg_namespace n ON n.oid = o.namespace
    WHERE n.nspname !~ '^(pg_|information_schema$)' AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = o.catalogue AND d.objid = o.oid AND d.deptype = 'e')
    ORDER BY 1, 2""")


def extensions(connection: Connection) -> tuple[Statement, ...]:
    """Return what installs the extensions of the database, but for the language that every database has."""
    found = connection.execute(
        text("""
        SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname <> 'plpgsql' ORDER BY e.oid""")
    ).all()
    create = sql.SQL("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {}")
    return tuple(
        Statement(
            kind="EXTENSION",
            name=name,
            sql=create.format(sql.Identifier(name), sql.Identifier(schema)).as_string(),
        )
        for name, schema in found
    )


def not_portable(connection: Connection) -> tuple[str, ...]:
    """Return, per kind of object that SQLAlchemy cannot describe, the names of those that there are."""
    found: dict[str, list[str]] = defaultdict(list)
    for kind, name in connection.execute(_NOT_PORTABLE):
        found[kind].append(name)
    return tuple(f"{kind}: {', '.join(at_most(names))}" for kind, names in found.items())
