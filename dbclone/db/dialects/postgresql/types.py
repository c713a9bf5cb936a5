"""The types of a PostgreSQL database: what each is made of, down to types that are nothing but themselves.

Domains are resolved to their base types; arrays, ranges and composite types are described by their parts, recursively,
as :class:`~dbclone.schema.model.Column` says. The types of all columns are read in two queries.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, Row, text

from dbclone.schema.model import Column, TypeKind

# Only what columns of user tables are made of: every table is a type as well, and a thousand tables would be read here.
# rngmultitypid came with version 14.
_REACHABLE = """
WITH RECURSIVE range AS (
    SELECT rngtypid, rngsubtype, CAST(to_jsonb(r) ->> 'rngmultitypid' AS oid) AS rngmultitypid
    FROM pg_catalog.pg_range r
), reachable (oid) AS (
    SELECT DISTINCT a.atttypid
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
      AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    UNION
    SELECT p.part
    FROM reachable r JOIN pg_catalog.pg_type t ON t.oid = r.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype UNION ALL SELECT t.typelem
        UNION ALL SELECT rngsubtype FROM range WHERE rngtypid = t.oid
        UNION ALL SELECT rngtypid FROM range WHERE rngmultitypid = t.oid
        UNION ALL SELECT atttypid FROM pg_catalog.pg_attribute
                  WHERE t.typtype = 'c' AND attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
    ) p (part)
    WHERE p.part <> 0
)
"""

_TYPES = text(
    _REACHABLE  # noqa: S608 - of constants
    + """
SELECT t.oid, t.typname, t.typtype, t.typcategory, t.typlen, t.typelem, t.typrelid, t.typtypmod, t.typnotnull,
       t.typbasetype AS base, n.nspname = 'pg_catalog' AS built_in, pg_catalog.format_type(t.oid, NULL) AS type,
       CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod) END AS base_type,
       coalesce((SELECT rngsubtype FROM range WHERE rngtypid = t.oid),
                (SELECT rngtypid FROM range WHERE rngmultitypid = t.oid)) AS bound,
       ARRAY(SELECT e.enumlabel::text FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid
             ORDER BY e.enumsortorder) AS labels
FROM reachable r JOIN pg_catalog.pg_type t ON t.oid = r.oid JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
"""
)

_FIELDS = text(
    _REACHABLE
    + """
SELECT a.attrelid AS of, a.attname AS name, a.atttypid AS type_oid, a.atttypmod AS typmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type
FROM reachable r JOIN pg_catalog.pg_type t ON t.oid = r.oid AND t.typtype = 'c'
JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""
)

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
    **dict.fromkeys(("inet", "cidr", "macaddr", "macaddr8"), "network"),
    **dict.fromkeys(("bit", "varbit"), "bits"),
    **dict.fromkeys(("point", "line", "lseg", "box", "path", "polygon", "circle"), "geometry"),
    **dict.fromkeys(("tsvector", "tsquery"), "search"),
    "xml": "xml",
}
_EXTENSION_KINDS: Mapping[str, TypeKind] = {
    "citext": "text",
    "hstore": "hstore",
    "ltree": "path",
    **dict.fromkeys(("vector", "halfvec"), "vector"),
}
"""Types of extensions, wherever these are installed."""
_NOT_ARRAYS = ("int2vector", "oidvector")
_LENGTHS = {"char": 1, "name": 63}
_NUMBERS_STORED_IN = {"int2", "int4", "int8", "oid", "float4", "float8"}


@dataclass(frozen=True, kw_only=True)
class Types:
    """The types that columns are made of, by OID, and the fields of composite types, by the OID of their relation."""

    by_oid: Mapping[int, Row[Any]]
    fields: Mapping[int, list[Row[Any]]]

    def column(self, name: str, oid: int, typmod: int, written: str) -> Column:
        """Return a column called ``name`` of a type, ``written`` being its full text with ``typmod``.

        Not nullable if a domain says so; ``domain`` is the outermost one.
        """
        row = self.by_oid[oid]
        if row.typtype == "d":
            base = self.column(name, row.base, row.typtypmod, row.base_type)
            return replace(base, nullable=base.nullable and not row.typnotnull, domain=row.type)
        kind = _kind(row)
        precision, scale = _digits(row, typmod)
        return Column(
            name=name,
            type=written,
            kind=kind,
            length=_length(row, typmod),
            precision=precision,
            scale=scale,
            bytes=row.typlen if row.built_in and row.typname in _NUMBERS_STORED_IN else None,
            enum_values=tuple(row.labels),
            parts=self._parts(row, kind, name, typmod, written),
        )

    def _parts(self, row: Row[Any], kind: TypeKind, name: str, typmod: int, written: str) -> tuple[Column, ...]:
        if kind == "array":
            return (self.column(name, row.typelem, typmod, written.removesuffix("[]")),)
        if kind in ("range", "multirange"):
            return (self.column(name, row.bound, -1, self.by_oid[row.bound].type),)
        if kind == "composite":
            return tuple(self.column(f.name, f.type_oid, f.typmod, f.type) for f in self.fields[row.typrelid])
        return ()


def read_types(connection: Connection) -> Types:
    """Return all types that columns of user tables are made of."""
    fields: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(_FIELDS):
        fields[row.of].append(row)
    return Types(by_oid={row.oid: row for row in connection.execute(_TYPES)}, fields=fields)


def _kind(row: Row[Any]) -> TypeKind:
    of_class: Mapping[str, TypeKind] = {"e": "enum", "c": "composite", "r": "range", "m": "multirange"}
    if row.typtype in of_class:
        return of_class[row.typtype]
    if row.typcategory == "A" and row.typname not in _NOT_ARRAYS:
        return "array"
    return (_KINDS if row.built_in else _EXTENSION_KINDS).get(row.typname, "other")


def _length(row: Row[Any], typmod: int) -> int | None:
    """Return the length in characters, in bits, or in the numbers of a vector."""
    if row.typname in ("varchar", "bpchar") and typmod >= 4:
        return typmod - 4
    if row.typname in ("bit", "varbit") or _EXTENSION_KINDS.get(row.typname) == "vector":
        return typmod if typmod > 0 else None
    return _LENGTHS.get(row.typname) if row.built_in else None


def _digits(row: Row[Any], typmod: int) -> tuple[int | None, int | None]:
    """Return precision and scale. Source: ``numeric_typmod_precision`` and ``_scale`` in PostgreSQL's numeric.c."""
    if row.typname == "money":
        return 19, 2
    if row.typname != "numeric" or typmod < 4:
        return None, None
    packed = typmod - 4
    return (packed >> 16) & 0xFFFF, ((packed & 0x7FF) ^ 1024) - 1024
