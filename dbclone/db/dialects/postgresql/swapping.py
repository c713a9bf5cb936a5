"""Swapping schemas in PostgreSQL: a renamed schema is visible to others when its transaction is committed, not before.

Readers are neither blocked nor disturbed: renaming a schema locks none of its tables, and a statement that has begun
goes on with the tables that it found. The whole clone is therefore built under the final names, beside the live tables.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql
from sqlalchemy import Connection, text

from dbclone.db.dialects.postgresql.verifying import raw
from dbclone.db.dialects.swapping import ASIDE

_OBSTACLES = text("""
    SELECT format('schema %I is there, of an earlier swap: drop it first', n.nspname)
    FROM pg_namespace n WHERE n.nspname = ANY (CAST(:aside AS text[]))
    UNION ALL
    SELECT format('extension %I cannot change its schema', e.extname)
    FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
    WHERE n.nspname = ANY (CAST(:schemas AS text[])) AND NOT e.extrelocatable
    UNION ALL
    SELECT format('the foreign key %I of %s refers to it', c.conname, c.conrelid::regclass)
    FROM pg_constraint c
    JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
    JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
    WHERE c.contype = 'f' AND pn.nspname = ANY (CAST(:schemas AS text[]))
      AND rn.nspname <> ALL (CAST(:schemas AS text[]))
    UNION ALL
    SELECT DISTINCT format('the view %s reads it', v.oid::regclass)
    FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_class v ON v.oid = w.ev_class JOIN pg_namespace vn ON vn.oid = v.relnamespace
    JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = 'pg_class'::regclass
    JOIN pg_namespace tn ON tn.oid = t.relnamespace
    WHERE tn.nspname = ANY (CAST(:schemas AS text[])) AND vn.nspname <> ALL (CAST(:schemas AS text[]))
    ORDER BY 1""")

# Of those with the same name and kind; 0 is everybody. An owner has all rights anyway.
_GRANTS = text("""
    SELECT 'SCHEMA', CAST(NULL AS text), n.nspname, a.privilege_type, a.grantee::regrole::text, a.is_grantable,
           a.grantee = 0
    FROM pg_namespace n, aclexplode(n.nspacl) a
    WHERE n.nspname = :aside AND a.grantee <> n.nspowner
    UNION ALL
    SELECT CASE WHEN new.relkind = 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, new.relname, :schema, a.privilege_type,
           a.grantee::regrole::text, a.is_grantable, a.grantee = 0
    FROM pg_class old JOIN pg_namespace n ON n.oid = old.relnamespace AND n.nspname = :aside
    JOIN pg_namespace m ON m.nspname = :schema
    JOIN pg_class new ON new.relnamespace = m.oid AND new.relname = old.relname
        AND new.relkind IN ('r', 'p', 'v', 'm', 'S'),
    aclexplode(old.relacl) a
    WHERE a.grantee <> old.relowner""")


class SchemaSwap:
    """The hooks of a swap."""

    def obstacles(self, connection: Connection, schemas: Sequence[str]) -> tuple[str, ...]:
        aside = [name + ASIDE for name in schemas]
        return tuple(connection.scalars(_OBSTACLES, {"schemas": list(schemas), "aside": aside}))

    def set_aside(self, connection: Connection, schemas: Sequence[str]) -> None:
        execute = raw(connection).execute
        owners = connection.execute(
            text("""
                SELECT nspname, CAST(CAST(nspowner AS regrole) AS text) FROM pg_namespace
                WHERE nspname = ANY (CAST(:schemas AS text[]))"""),
            {"schemas": list(schemas)},
        ).all()
        extensions = connection.execute(
            text("""
                SELECT e.extname, n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                WHERE n.nspname = ANY (CAST(:schemas AS text[]))"""),
            {"schemas": list(schemas)},
        ).all()
        for name, owner in owners:
            old, new = sql.Identifier(name), sql.Identifier(name + ASIDE)
            execute(sql.SQL("ALTER SCHEMA {} RENAME TO {}").format(old, new))
            # A role's name as regrole spells it is quoted already.
            execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(old, sql.SQL(owner)))
        for extension, name in extensions:
            parts = {"extension": sql.Identifier(extension), "name": sql.Identifier(name)}
            execute(sql.SQL("ALTER EXTENSION {extension} SET SCHEMA {name}").format(**parts))

    def copy_grants(self, connection: Connection, schemas: Sequence[str]) -> None:
        for schema in schemas:
            for kind, relation, _, privilege, grantee, grantable, everybody in connection.execute(
                _GRANTS, {"schema": schema, "aside": schema + ASIDE}
            ).all():
                raw(connection).execute(
                    sql.SQL("GRANT {} ON {} {} TO {}{}").format(
                        sql.SQL(privilege),
                        sql.SQL(kind),
                        sql.Identifier(schema, relation) if relation else sql.Identifier(schema),
                        sql.SQL("PUBLIC" if everybody else grantee),
                        sql.SQL(" WITH GRANT OPTION" if grantable else ""),
                    )
                )

    def drop_aside(self, connection: Connection, schemas: Sequence[str]) -> None:
        for schema in schemas:
            raw(connection).execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema + ASIDE)))
