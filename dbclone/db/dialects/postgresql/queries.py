"""The queries of :mod:`.definitions`: the catalogue's own words for what makes a database.

Every query says the same on PostgreSQL 12 to 18: what came or went in between is read through ``to_jsonb``. They are
run with an empty search path, so that every name is printed with its schema.
"""

from __future__ import annotations

_USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
"""``n`` is a schema of the user's."""


def _own(catalogue: str, alias: str) -> str:
    """Return the condition that an object belongs to no extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_catalog.pg_depend x WHERE x.classid = '{catalogue}'::regclass "
        f"AND x.objid = {alias}.oid AND x.deptype = 'e')"
    )


def _identity(catalogue: str, alias: str) -> str:
    return f"(pg_catalog.pg_identify_object('{catalogue}'::regclass, {alias}.oid, 0)).identity"


def _object(catalogue: str, alias: str, kind: str, name: str, statement: str, rest: str) -> str:
    """Return a query for one kind of object: catalogue, OID, kind, name, identity, statement."""
    return (
        f"SELECT '{catalogue}'::regclass::oid::bigint, {alias}.oid::bigint, {kind}, {name}::text, "
        f"{_identity(catalogue, alias)}, {statement} {rest} AND {_own(catalogue, alias)}"
    )


_OPTIONS = """CASE WHEN c.reloptions IS NULL THEN '' ELSE
    format(' WITH (%s)', (SELECT string_agg(format('%I=%L', option_name, option_value), ', ' ORDER BY option_name)
                          FROM pg_options_to_table(c.reloptions))) END"""

_SEQUENCE = """format('AS %s START WITH %s INCREMENT BY %s MINVALUE %s MAXVALUE %s CACHE %s%s',
    format_type(q.seqtypid, NULL), q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache,
    CASE WHEN q.seqcycle THEN ' CYCLE' ELSE ' NO CYCLE' END)"""

_COLLATED = """CASE WHEN {0} NOT IN (0, {1}.typcollation) THEN
    ' COLLATE ' || (SELECT format('%I.%I', cn.nspname, cc.collname) FROM pg_catalog.pg_collation cc
                    JOIN pg_catalog.pg_namespace cn ON cn.oid = cc.collnamespace WHERE cc.oid = {0}) ELSE '' END"""

_STATE = """CASE {0} WHEN 'O' THEN '' ELSE format(E';\\nALTER TABLE %s %s {2} %I', {3}::regclass,
    CASE {0} WHEN 'D' THEN 'DISABLE' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE REPLICA' END, {1}) END"""

OBJECTS = " UNION ALL ".join(
    (
        _object(
            "pg_namespace", "n", "'SCHEMA'", "n.nspname", "format('CREATE SCHEMA %I', n.nspname)",
            f"FROM pg_catalog.pg_namespace n WHERE {_USERS} AND n.nspname <> 'public'",
        ),
        """SELECT 'pg_extension'::regclass::oid::bigint, e.oid::bigint, 'EXTENSION', e.extname::text, e.extname::text,
           format('CREATE EXTENSION IF NOT EXISTS %I WITH SCHEMA %I', e.extname, n.nspname)
           FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
           WHERE e.extname <> 'plpgsql'""",
        _object(
            "pg_collation", "c", "'COLLATION'", "c.collname",
            """format('CREATE COLLATION %I.%I (provider = %s, deterministic = %s, %s)', n.nspname, c.collname,
               CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END,
               c.collisdeterministic::text,
               CASE WHEN c.collprovider = 'c'
                    THEN format('lc_collate = %L, lc_ctype = %L', c.collcollate, c.collctype)
                    ELSE format('locale = %L', coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale',
                                                        c.collcollate)) END)""",
            f"FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE {_USERS}",
        ),
        _object(
            "pg_type", "t", "'TYPE'", "t.typname",
            """CASE t.typtype
               WHEN 'e' THEN format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname,
                   (SELECT string_agg(format(E'\\n    %L', e.enumlabel), ',' ORDER BY e.enumsortorder) || E'\\n'
                    FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid))
               WHEN 'c' THEN format('CREATE TYPE %I.%I AS (%s)', n.nspname, t.typname,
                   (SELECT string_agg(format(E'\\n    %I %s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                                             """ + _COLLATED.format("a.attcollation", "at") + """),
                                      ',' ORDER BY a.attnum) || E'\\n'
                    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type at ON at.oid = a.atttypid
                    WHERE a.attrelid = t.typrelid AND NOT a.attisdropped))
               ELSE format('CREATE TYPE %I.%I AS RANGE (%s)', n.nspname, t.typname,
                   (SELECT concat_ws(', ', 'subtype = ' || format_type(r.rngsubtype, NULL),
                       'subtype_opclass = ' || (SELECT format('%I.%I', op.nspname, o.opcname)
                           FROM pg_catalog.pg_opclass o JOIN pg_catalog.pg_namespace op ON op.oid = o.opcnamespace
                           WHERE o.oid = r.rngsubopc AND NOT o.opcdefault),
                       'collation = ' || (SELECT format('%I.%I', cn.nspname, cc.collname)
                           FROM pg_catalog.pg_collation cc JOIN pg_catalog.pg_namespace cn ON cn.oid = cc.collnamespace
                           JOIN pg_catalog.pg_type s ON s.oid = r.rngsubtype
                           WHERE cc.oid = r.rngcollation AND cc.oid <> s.typcollation),
                       'canonical = ' || nullif(r.rngcanonical, 0)::regproc,
                       'subtype_diff = ' || nullif(r.rngsubdiff, 0)::regproc,
                       'multirange_type_name = ' || nullif(to_jsonb(r) ->> 'rngmultitypid', '0')::oid::regtype)
                    FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)) END""",
            f"""FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                LEFT JOIN pg_catalog.pg_class k ON k.oid = t.typrelid
                WHERE {_USERS} AND (t.typtype IN ('e', 'r') OR t.typtype = 'c' AND k.relkind = 'c')""",
        ),
        _object(
            "pg_type", "t", "'DOMAIN'", "t.typname",
            """format('CREATE DOMAIN %I.%I AS %s%s%s%s%s', n.nspname, t.typname, format_type(t.typbasetype,
            t.typtypmod),
               """ + _COLLATED.format("t.typcollation", "b") + """, ' DEFAULT ' || t.typdefault,
               CASE WHEN t.typnotnull THEN ' NOT NULL' END,
               (SELECT string_agg(format(E'\\n    CONSTRAINT %I %s', o.conname, pg_get_constraintdef(o.oid)), ''
                                  ORDER BY o.conname)
                FROM pg_catalog.pg_constraint o WHERE o.contypid = t.oid AND o.contype = 'c'))""",
            f"""FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
                JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype WHERE {_USERS} AND t.typtype = 'd'""",
        ),
        _object(
            "pg_proc", "p", "CASE p.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END", "p.proname",
            "rtrim(pg_get_functiondef(p.oid), E'\\n')",
            f"""FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE {_USERS} AND p.prokind <> 'a' AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                        AND d.deptype = 'i')""",
        ),
        _object(
            "pg_proc", "p", "'AGGREGATE'", "p.proname",
            """format('CREATE AGGREGATE %I.%I(%s) (%s)', n.nspname, p.proname, pg_get_function_arguments(p.oid),
               concat_ws(', ', 'SFUNC = ' || g.aggtransfn, 'STYPE = ' || format_type(g.aggtranstype, NULL),
                   'FINALFUNC = ' || nullif(g.aggfinalfn::oid, 0)::regproc, CASE WHEN g.aggfinalextra THEN
                   'FINALFUNC_EXTRA' END, 'COMBINEFUNC = ' || nullif(g.aggcombinefn::oid, 0)::regproc, 'INITCOND = ' ||
                   quote_literal(g.agginitval), CASE p.proparallel WHEN 's' THEN 'PARALLEL = safe' WHEN 'r' THEN
                   'PARALLEL = restricted' END))""",
            f"""FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                JOIN pg_catalog.pg_aggregate g ON g.aggfnoid = p.oid WHERE {_USERS} AND g.aggkind = 'n'""",
        ),
        _object(
            "pg_class", "c", "'SEQUENCE'", "c.relname",
            f"format('CREATE SEQUENCE %s %s', c.oid::regclass, {_SEQUENCE})",
            f"""FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_catalog.pg_sequence q ON q.seqrelid = c.oid
                WHERE {_USERS} AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = c.oid
                    AND d.classid = 'pg_class'::regclass AND d.deptype = 'i')""",
        ),
        _object(
            "pg_attrdef", "d", "'DEFAULT'", "format('%s %s', k.relname, a.attname)",
            """format('ALTER TABLE %s%s ALTER COLUMN %I SET DEFAULT %s', CASE k.relkind WHEN 'r' THEN 'ONLY ' ELSE ''
            END,
               k.oid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))""",
            f"""FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_class k ON k.oid = d.adrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                WHERE {_USERS} AND a.attgenerated = '' AND k.relkind IN ('r', 'p', 'v') AND {_own("pg_class", "k")}""",
        ),
        _object(
            "pg_class", "c", "CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END", "c.relname",
            f"""format(E'CREATE %s %s%s AS\\n%s%s', CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'MATERIALIZED VIEW' END,
                c.oid::regclass, {_OPTIONS}, rtrim(pg_get_viewdef(c.oid), ';'),
                CASE c.relkind WHEN 'm' THEN E'\\n  WITH NO DATA' ELSE '' END)""",
            f"""FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
                WHERE {_USERS} AND c.relkind IN ('v', 'm')""",
        ),
        _object(
            "pg_constraint", "o",
            "CASE o.contype WHEN 'f' THEN 'FK CONSTRAINT' WHEN 'c' THEN 'CHECK CONSTRAINT' ELSE 'CONSTRAINT' END",
            "o.conname",
            """format(E'ALTER TABLE %s%s\\n    ADD CONSTRAINT %I %s',
               CASE WHEN k.relkind = 'p' AND o.contype = 'f' THEN '' ELSE 'ONLY ' END, k.oid::regclass, o.conname,
               pg_get_constraintdef(o.oid))""",
            f"""FROM pg_catalog.pg_constraint o JOIN pg_catalog.pg_class k ON k.oid = o.conrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                WHERE {_USERS} AND {_own("pg_class", "k")} AND (o.contype IN ('p', 'u', 'x')
                    OR o.contype = 'f' AND o.conparentid = 0
                    OR o.contype = 'c' AND NOT o.convalidated AND o.conislocal)""",
        ),
        _object(
            "pg_class", "c", "'INDEX'", "c.relname", "pg_get_indexdef(c.oid)",
            f"""FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
                JOIN pg_catalog.pg_class k ON k.oid = i.indrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                WHERE {_USERS} AND {_own("pg_class", "k")} AND NOT EXISTS (
                    SELECT FROM pg_catalog.pg_constraint o
                    WHERE o.conindid = c.oid AND o.conrelid = k.oid AND o.contype IN ('p', 'u', 'x'))""",
        ),
        _object(
            "pg_statistic_ext", "s", "'STATISTICS'", "s.stxname", "pg_get_statisticsobjdef(s.oid)",
            f"""FROM pg_catalog.pg_statistic_ext s JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
                WHERE {_USERS}""",
        ),
        _object(
            "pg_trigger", "t", "'TRIGGER'", "t.tgname",
            "pg_get_triggerdef(t.oid) || " + _STATE.format("t.tgenabled", "t.tgname", "TRIGGER", "t.tgrelid"),
            f"""FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class k ON k.oid = t.tgrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                WHERE {_USERS} AND NOT t.tgisinternal AND coalesce(to_jsonb(t) ->> 'tgparentid', '0') = '0'
                  AND {_own("pg_class", "k")}""",
        ),
        _object(
            "pg_rewrite", "r", "'RULE'", "r.rulename",
            "rtrim(pg_get_ruledef(r.oid), ';') || " + _STATE.format("r.ev_enabled", "r.rulename", "RULE", "r.ev_class"),
            f"""FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class k ON k.oid = r.ev_class
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace
                WHERE {_USERS} AND r.rulename <> '_RETURN' AND {_own("pg_class", "k")}""",
        ),
        _object(
            "pg_policy", "p", "'POLICY'", "p.polname",
            """format('CREATE POLICY %I ON %s%s FOR %s TO %s%s%s', p.polname, p.polrelid::regclass,
               CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END,
               CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                             WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
               (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', '
                                  ORDER BY role) FROM unnest(p.polroles) role),
               ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
               ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')""",
            f"""FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class k ON k.oid = p.polrelid
                JOIN pg_catalog.pg_namespace n ON n.oid = k.relnamespace WHERE {_USERS}""",
        ),
    )
)  # fmt: skip
"""Catalogue, OID, kind, name, identity and statement of everything that takes one statement, but for tables."""

TABLES = f"""
    SELECT 'pg_class'::regclass::oid::bigint, c.oid::bigint, c.relname::text, {_identity("pg_class", "c")},
           format('CREATE %sTABLE %s', CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END, c.oid::regclass),
           concat((SELECT format(E'\\nINHERITS (%s)', string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno))
                   FROM pg_catalog.pg_inherits h WHERE h.inhrelid = c.oid AND NOT c.relispartition
                   HAVING count(*) > 0),
                  CASE c.relkind WHEN 'p' THEN E'\\nPARTITION BY ' || pg_get_partkeydef(c.oid) END,
                  CASE WHEN c.relkind = 'r' THEN (SELECT format(E'\\nUSING %I', m.amname) FROM pg_catalog.pg_am m
                                                  WHERE m.oid = c.relam AND m.amname <> 'heap') END,
                  {_OPTIONS})
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {_USERS} AND {_own("pg_class", "c")}
"""
"""Catalogue, OID, name and identity of every table, and what stands before and after its columns."""

TABLE_PARTS = f"""
    SELECT id, kind, name, local, line, setting FROM (
        SELECT c.oid::bigint AS id, 'column' AS kind, a.attname::text AS name,
               c.relispartition OR a.attislocal,
               format('%I %s%s%s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                   {_COLLATED.format("a.attcollation", "t")},
                   CASE a.attgenerated WHEN '' THEN '' ELSE (
                       SELECT format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid),
                                     CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)
                       FROM pg_catalog.pg_attrdef d WHERE d.adrelid = c.oid AND d.adnum = a.attnum) END,
                   CASE a.attidentity WHEN '' THEN '' ELSE (
                       SELECT format(' GENERATED %s AS IDENTITY (SEQUENCE NAME %s %s)',
                                     CASE a.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END,
                                     q.seqrelid::regclass, regexp_replace({_SEQUENCE}, '^AS \\S+ ', ''))
                       FROM pg_catalog.pg_sequence q
                       WHERE q.seqrelid = pg_get_serial_sequence(c.oid::regclass::text, a.attname)::regclass) END,
                   CASE WHEN a.attnotnull THEN coalesce((
                       SELECT format(' CONSTRAINT %I NOT NULL', o.conname) FROM pg_catalog.pg_constraint o
                       WHERE o.conrelid = c.oid AND o.contype = 'n' AND a.attnum = ANY (o.conkey)
                         AND o.conname <> format('%s_%s_not_null', c.relname, a.attname)), ' NOT NULL') END),
               nullif(concat_ws(E';\\n',
                   CASE WHEN a.attnotnull AND NOT a.attislocal AND NOT c.relispartition THEN
                        format('ALTER TABLE ONLY %s ALTER COLUMN %I SET NOT NULL', c.oid::regclass, a.attname) END,
                   CASE WHEN a.attstorage <> t.typstorage THEN
                        format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STORAGE %s', c.oid::regclass, a.attname,
                               CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN'
                                                 ELSE 'EXTENDED' END) END,
                   CASE WHEN coalesce(to_jsonb(a) ->> 'attcompression', '') <> '' THEN
                        format('ALTER TABLE ONLY %s ALTER COLUMN %I SET COMPRESSION %s', c.oid::regclass, a.attname,
                               CASE to_jsonb(a) ->> 'attcompression' WHEN 'l' THEN 'lz4' ELSE 'pglz' END) END,
                   CASE WHEN coalesce((to_jsonb(a) ->> 'attstattarget')::int, -1) >= 0 THEN
                        format('ALTER TABLE ONLY %s ALTER COLUMN %I SET STATISTICS %s', c.oid::regclass, a.attname,
                               to_jsonb(a) ->> 'attstattarget') END,
                   (SELECT format('ALTER TABLE ONLY %s ALTER COLUMN %I SET (%s)', c.oid::regclass, a.attname,
                                  string_agg(format('%s=%s', option_name, option_value), ', ' ORDER BY option_name))
                    FROM pg_options_to_table(a.attoptions) WHERE option_name ~ '^n_distinct' HAVING count(*) > 0)), ''),
               a.attnum::int AS place
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {_USERS}
        UNION ALL
        SELECT c.oid::bigint, 'check', o.conname::text, c.relispartition OR o.conislocal,
               format('CONSTRAINT %I %s', o.conname, pg_get_constraintdef(o.oid)), NULL, 10000
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_constraint o ON o.conrelid = c.oid AND o.contype = 'c' AND o.convalidated
        WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND {_USERS}
    ) parts (id, kind, name, local, line, setting, place)
    ORDER BY id, place, name
"""
"""Table, ``column`` or ``check``, name, whether it is the table's own, its line, and what is set about it afterwards.
"""

_CLASS = "'pg_class'::regclass::oid::bigint"

SECOND_STATEMENTS = f"""
    SELECT 'owned', c.oid::bigint, 'SEQUENCE OWNED BY', c.relname::text, c.oid::regclass::text,
           format('ALTER SEQUENCE %s OWNED BY %s.%I', c.oid::regclass, d.refobjid::regclass, a.attname),
           {_CLASS}, c.oid::bigint, {_CLASS}, d.refobjid::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'a'
        AND d.refclassid = 'pg_class'::regclass
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE c.relkind = 'S' AND {_USERS}
    UNION ALL
    SELECT 'attached', c.oid::bigint, 'TABLE ATTACH', c.relname::text, c.oid::regclass::text,
           format('ALTER TABLE ONLY %s ATTACH PARTITION %s %s', h.inhparent::regclass, c.oid::regclass,
                  pg_get_expr(c.relpartbound, c.oid)),
           {_CLASS}, c.oid::bigint, {_CLASS}, h.inhparent::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid
    WHERE c.relispartition AND c.relkind IN ('r', 'p') AND {_USERS}
    UNION ALL
    SELECT 'attached', c.oid::bigint, 'INDEX ATTACH', c.relname::text, c.oid::regclass::text,
           format('ALTER INDEX %s ATTACH PARTITION %s', h.inhparent::regclass, c.oid::regclass),
           CASE WHEN o.oid IS NULL THEN {_CLASS} ELSE 'pg_constraint'::regclass::oid::bigint END,
           coalesce(o.oid, c.oid)::bigint,
           CASE WHEN p.oid IS NULL THEN {_CLASS} ELSE 'pg_constraint'::regclass::oid::bigint END,
           coalesce(p.oid, h.inhparent)::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_inherits h ON h.inhrelid = c.oid
    LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = c.oid AND o.contype IN ('p', 'u', 'x')
    LEFT JOIN pg_catalog.pg_constraint p ON p.conindid = h.inhparent AND p.contype IN ('p', 'u', 'x')
    WHERE c.relkind IN ('i', 'I') AND {_USERS}
    UNION ALL
    SELECT 'secured', c.oid::bigint, 'ROW SECURITY', c.relname::text, c.oid::regclass::text,
           concat_ws(E';\\n',
               CASE WHEN c.relrowsecurity THEN format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', c.oid::regclass) END,
               CASE WHEN c.relforcerowsecurity THEN
                    format('ALTER TABLE ONLY %s FORCE ROW LEVEL SECURITY', c.oid::regclass) END),
           {_CLASS}, c.oid::bigint, 0, 0
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND (c.relrowsecurity OR c.relforcerowsecurity) AND {_USERS}
      AND {_own("pg_class", "c")}
    UNION ALL
    SELECT 'identified', c.oid::bigint, 'REPLICA IDENTITY', c.relname::text, c.oid::regclass::text,
           format('ALTER TABLE ONLY %s REPLICA IDENTITY %s', c.oid::regclass,
                  CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'f' THEN 'FULL'
                                      ELSE format('USING INDEX %I', x.relname) END),
           {_CLASS}, c.oid::bigint,
           CASE WHEN o.oid IS NULL THEN {_CLASS} ELSE 'pg_constraint'::regclass::oid::bigint END,
           coalesce(o.oid, x.oid, 0)::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisreplident
    LEFT JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = x.oid AND o.contype IN ('p', 'u', 'x')
    WHERE c.relkind IN ('r', 'p') AND c.relreplident <> 'd' AND {_USERS}
    UNION ALL
    SELECT 'clustered', c.oid::bigint, 'REPLICA IDENTITY', x.relname::text, x.oid::regclass::text,
           format('ALTER TABLE %s CLUSTER ON %I', c.oid::regclass, x.relname), {_CLASS}, c.oid::bigint,
           CASE WHEN o.oid IS NULL THEN {_CLASS} ELSE 'pg_constraint'::regclass::oid::bigint END,
           coalesce(o.oid, x.oid)::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_index i ON i.indrelid = c.oid AND i.indisclustered
    JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
    LEFT JOIN pg_catalog.pg_constraint o ON o.conindid = x.oid AND o.contype IN ('p', 'u', 'x')
    WHERE c.relkind IN ('r', 'm') AND {_USERS}
    UNION ALL
    SELECT format('comment on %s %s', d.classoid, d.objsubid), d.objoid::bigint, 'COMMENT',
           format('%s %s', upper(o.type), o.identity), format('%s %s', o.type, o.identity),
           format('COMMENT ON %s %s IS %L',
                  CASE WHEN o.type LIKE '%column' THEN 'COLUMN'
                       WHEN o.type LIKE '%constraint' THEN 'CONSTRAINT'
                       WHEN o.type = 'statistics object' THEN 'STATISTICS' ELSE upper(o.type) END,
                  CASE o.type WHEN 'domain constraint' THEN replace(o.identity, ' on ', ' on domain ') ELSE o.identity
                  END, d.description),
           d.classoid::bigint, d.objoid::bigint, 0, 0
    FROM pg_catalog.pg_description d
    CROSS JOIN LATERAL pg_catalog.pg_identify_object(d.classoid, d.objoid, d.objsubid) o
    WHERE d.objoid >= 16384 AND o.schema IS DISTINCT FROM 'information_schema' AND o.type <> 'extension'
      AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x
                      WHERE x.classid = d.classoid AND x.objid = d.objoid AND x.deptype = 'e')
"""
"""A word and an OID for an address, then kind, name, identity, statement, and the addresses of up to two it needs."""

DEPENDENCIES = """
    SELECT d.classid::bigint, d.objid::bigint, d.refclassid::bigint, d.refobjid::bigint
    FROM pg_catalog.pg_depend d LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    WHERE d.refobjid >= 16384 AND d.deptype IN ('n', 'a', 'i', 'P', 'S')
      AND (d.deptype <> 'a' OR c.relkind IS DISTINCT FROM 'S')
"""
"""Who needs whom. A sequence does not need the column that owns it: that is said in a statement of its own."""

ALIASES = """
    SELECT 'pg_rewrite'::regclass::oid::bigint, oid::bigint, 'pg_class'::regclass::oid::bigint, ev_class::bigint
    FROM pg_catalog.pg_rewrite WHERE rulename = '_RETURN'
    UNION ALL
    SELECT 'pg_type'::regclass::oid::bigint, t.oid::bigint, 'pg_class'::regclass::oid::bigint, t.typrelid::bigint
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid WHERE c.relkind <> 'c'
    UNION ALL
    SELECT 'pg_class'::regclass::oid::bigint, t.typrelid::bigint, 'pg_type'::regclass::oid::bigint, t.oid::bigint
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_class c ON c.oid = t.typrelid WHERE c.relkind = 'c'
    UNION ALL
    SELECT 'pg_type'::regclass::oid::bigint, a.oid::bigint,
           CASE WHEN c.relkind <> 'c' THEN 'pg_class' ELSE 'pg_type' END::regclass::oid::bigint,
           CASE WHEN c.relkind <> 'c' THEN c.oid ELSE t.oid END::bigint
    FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type a ON a.oid = t.typarray
    LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= 16384
    UNION ALL
    SELECT 'pg_attrdef'::regclass::oid::bigint, d.oid::bigint, 'pg_class'::regclass::oid::bigint, d.adrelid::bigint
    FROM pg_catalog.pg_attrdef d JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE a.attgenerated <> ''
    UNION ALL
    SELECT 'pg_constraint'::regclass::oid::bigint, oid::bigint,
           CASE WHEN contypid <> 0 THEN 'pg_type' ELSE 'pg_class' END::regclass::oid::bigint,
           CASE WHEN contypid <> 0 THEN contypid ELSE conrelid END::bigint
    FROM pg_catalog.pg_constraint WHERE contype = 'c' AND (contypid <> 0 OR convalidated)
    UNION ALL
    SELECT 'pg_class'::regclass::oid::bigint, conindid::bigint, 'pg_constraint'::regclass::oid::bigint, oid::bigint
    FROM pg_catalog.pg_constraint WHERE conindid <> 0 AND contype IN ('p', 'u', 'x')
    UNION ALL
    SELECT 'pg_class'::regclass::oid::bigint, d.objid::bigint, 'pg_class'::regclass::oid::bigint, d.refobjid::bigint
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'i'
    UNION ALL
    SELECT d.classid::bigint, d.objid::bigint, d.refclassid::bigint, d.refobjid::bigint
    FROM pg_catalog.pg_depend d
    WHERE d.deptype = 'e' OR d.deptype = 'i' AND d.refclassid = 'pg_type'::regclass
        AND d.classid IN ('pg_proc'::regclass, 'pg_type'::regclass)
"""
"""Objects that are part of another one, and that one: a row's type and its table, an index and its constraint."""

UNDESCRIBED = f"""
    SELECT kind, string_agg(name, ', ' ORDER BY name) FROM (
        SELECT 'operator' AS kind, o.oid::regoperator::text AS name FROM pg_catalog.pg_operator o
        JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace WHERE {_USERS} AND {_own("pg_operator", "o")}
        UNION ALL SELECT 'operator class', o.opcname FROM pg_catalog.pg_opclass o
        JOIN pg_catalog.pg_namespace n ON n.oid = o.opcnamespace WHERE {_USERS} AND {_own("pg_opclass", "o")}
        UNION ALL SELECT 'cast', format('%s to %s', o.castsource::regtype, o.casttarget::regtype)
        FROM pg_catalog.pg_cast o WHERE o.oid >= 16384 AND {_own("pg_cast", "o")}
        UNION ALL SELECT 'text search configuration', format('%I.%I', n.nspname, o.cfgname) FROM
        pg_catalog.pg_ts_config o JOIN pg_catalog.pg_namespace n ON n.oid = o.cfgnamespace WHERE {_USERS} AND
        {_own("pg_ts_config", "o")} UNION ALL SELECT 'text search dictionary', format('%I.%I', n.nspname, o.dictname)
        FROM pg_catalog.pg_ts_dict o JOIN pg_catalog.pg_namespace n ON n.oid = o.dictnamespace WHERE {_USERS} AND
        {_own("pg_ts_dict", "o")} UNION ALL SELECT 'conversion', o.conname FROM pg_catalog.pg_conversion o JOIN
        pg_catalog.pg_namespace n ON n.oid = o.connamespace WHERE {_USERS} AND {_own("pg_conversion", "o")} UNION ALL
        SELECT 'aggregate', o.oid::regprocedure::text FROM pg_catalog.pg_proc o JOIN pg_catalog.pg_namespace n ON n.oid
        = o.pronamespace JOIN pg_catalog.pg_aggregate g ON g.aggfnoid = o.oid WHERE {_USERS} AND g.aggkind <> 'n' AND
        {_own("pg_proc", "o")} UNION ALL SELECT 'base type', o.oid::regtype::text FROM pg_catalog.pg_type o JOIN
        pg_catalog.pg_namespace n ON n.oid = o.typnamespace WHERE {_USERS} AND o.typtype = 'b' AND o.typelem = 0 AND
        {_own("pg_type", "o")} UNION ALL SELECT 'event trigger', o.evtname FROM pg_catalog.pg_event_trigger o WHERE
        {_own("pg_event_trigger", "o")} UNION ALL SELECT 'foreign table', o.oid::regclass::text FROM
        pg_catalog.pg_class o JOIN pg_catalog.pg_namespace n ON n.oid = o.relnamespace WHERE {_USERS} AND o.relkind =
        'f' AND {_own("pg_class", "o")} UNION ALL SELECT 'language', o.lanname FROM pg_catalog.pg_language o WHERE
        o.oid >= 16384 AND o.lanname <> 'plpgsql' AND {_own("pg_language", "o")}
    ) o GROUP BY kind ORDER BY kind
"""
"""Kinds and names of what :data:`OBJECTS` and the others do not hold."""
