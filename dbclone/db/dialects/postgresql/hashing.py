"""Strings of a column as salted hashes, made by PostgreSQL itself: see :mod:`dbclone.db.strings`."""

from __future__ import annotations

import numpy as np
import psycopg
import pyarrow as pa
from psycopg import sql

from dbclone.db.dialects.postgresql.copy_out import copy_rows
from dbclone.db.strings import IDENTIFYING, RESERVED, SHORTEST, TRIMMED, Hashes, Strings
from dbclone.schema.model import Column

_IN_DOCUMENT = """
    SELECT s #>> '{{}}' AS v FROM jsonb_path_query({value}::jsonb, 'strict $.**') s WHERE jsonb_typeof(s) = 'string'
    UNION ALL
    SELECT k FROM jsonb_path_query({value}::jsonb, 'strict $.**') o, jsonb_object_keys(o) k
    WHERE jsonb_typeof(o) = 'object'"""

_QUERY = """
    WITH strings AS (
        SELECT btrim(e.v, ' ') AS v FROM {rows} r CROSS JOIN LATERAL ({inside}) e
        WHERE e.v IS NOT NULL GROUP BY 1 {having}),
    parts AS (SELECT v FROM strings {words})
    SELECT DISTINCT
        ('x' || left(encode(sha256(convert_to({salt} || v, 'UTF8')), 'hex'), 16))::bit(64)::bigint
    FROM parts WHERE char_length(v) >= {shortest} AND v !~* {reserved}"""

# \x0b: older releases take \v in a string for the letter v.
_SPLIT = """
    SELECT w[i] AS v, w[i + 1] AS next FROM (
        SELECT ARRAY(SELECT btrim(p, {trimmed}) FROM regexp_split_to_table(v, E'[ \\t\\n\\r\\f\\x0b]+') p) AS w
        FROM strings
    ) t, generate_subscripts(w, 1) i"""


def string_hashes(cursor: psycopg.Cursor[object], rows: sql.Composable, column: Column, wanted: Strings) -> Hashes:
    """Return the different hashes of the strings in a column, sorted."""
    value = sql.SQL("r.{}").format(sql.Identifier(column.name))
    split = sql.SQL(_SPLIT).format(trimmed=sql.Literal(TRIMMED))
    words = {
        "whole": sql.SQL(""),
        "identifying": sql.SQL("UNION ALL SELECT v FROM ({}) w WHERE v ~ {}").format(split, sql.Literal(IDENTIFYING)),
        "words": sql.SQL("UNION ALL SELECT unnest(ARRAY[v, v || ' ' || next]) FROM ({}) w").format(split),
    }[wanted.parts]
    bounds = ((wanted.rarer_than, "count(*) < {}"), (wanted.shared_by, "count(*) >= {}"))
    having = [sql.SQL(condition).format(sql.Literal(bound)) for bound, condition in bounds if bound is not None]
    query = sql.SQL(_QUERY).format(
        rows=rows,
        inside=_inside(column, value),
        having=sql.SQL("HAVING {}").format(sql.SQL(" AND ").join(having)) if having else sql.SQL(""),
        words=words,
        salt=sql.Literal(wanted.salt),
        shortest=sql.Literal(SHORTEST),
        reserved=sql.Literal(RESERVED),
    )
    found = copy_rows(cursor, query, [("hash", pa.int64())]).column("hash")
    return np.sort(found.to_numpy())


def _inside(column: Column, value: sql.Composable) -> sql.Composable:
    if column.kind == "json":
        return sql.SQL(_IN_DOCUMENT).format(value=value)
    if column.kind == "array":
        return sql.SQL("SELECT unnest({})::text AS v").format(value)
    return sql.SQL("SELECT {}::text AS v").format(value)
