r"""A twin as one script for ``psql``: definition, rows and constraints in the loader's order, all of it or nothing.

Rows are in the text form of COPY, the only one that ``psql`` reads from a script whatever texts there are: in CSV, a
line of a text that is ``\.`` would end the rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from dbclone.db.dialects.postgresql.verifying import name_of
from dbclone.db.encode import spelled
from dbclone.model.flow import Batch, Ddl, Statement
from dbclone.model.literals import text_of
from dbclone.schema.model import Schema, TableKey

_BEGIN = """\\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_encoding = 'UTF8';
SET LOCAL datestyle = 'ISO, YMD';
SET LOCAL timezone = 'UTC';
"""
_END = "COMMIT;\nANALYZE;\n"


def script(batches: Iterable[Batch], schema: Schema, ddl: Ddl | None) -> Iterator[bytes]:
    """Yield the script; without ``ddl`` it fills tables that are there."""
    yield _BEGIN.encode()
    yield from _statements(ddl.before if ddl else ())
    filled = dict[TableKey, None]()
    for batch in batches:
        table = schema.table(batch.table)
        names = sql.SQL(", ").join(map(sql.Identifier, batch.rows.column_names))
        columns = sql.SQL(" ({})").format(names) if batch.rows.num_columns else sql.SQL("")
        yield sql.SQL("COPY {}{} FROM stdin;\n").format(name_of(table), columns).as_string().encode()
        yield text_block(batch.rows)
        yield b"\\.\n"
        filled[batch.table] = None
    for key in filled:
        yield from _sequences(schema, key)
    yield from _statements(ddl.after if ddl else ())
    yield _END.encode()


def _statements(statements: Sequence[Statement]) -> Iterator[bytes]:
    for statement in statements:
        yield f"{statement.sql.rstrip().rstrip(';')};\n".encode()


def _sequences(schema: Schema, key: TableKey) -> Iterator[bytes]:
    """Yield what moves the sequences that belong to columns past the rows; for others ``setval`` has NULL to do."""
    table = schema.table(key)
    move = sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {} HAVING max({}) > 0;\n")
    for column in table.columns:
        if column.filled_by_sequence:
            name, of = sql.Identifier(column.name), name_of(table)
            statement = move.format(sql.Literal(of.as_string()), sql.Literal(column.name), name, of, name)
            yield statement.as_string().encode()


def text_block(rows: pa.Table) -> bytes:
    r"""Return ``rows`` in the text form of COPY, a line each: values between tabs, ``\N`` for NULL.

    >>> text_block(pa.table({"a": [1, None], "b": ["", "x\ty"]}))
    b'1\t\n\\N\tx\\ty\n'
    """
    if not rows.num_rows or not rows.num_columns:
        return b"\n" * int(rows.num_rows)
    columns = [_escaped(text_of(pa.concat_arrays(spelled(column).chunks))) for column in rows.columns]
    tab, end, nothing = (pa.scalar(text, pa.large_string()) for text in ("\t", "\n", ""))
    lines = pc.binary_join_element_wise(pc.binary_join_element_wise(*columns, tab), end, nothing)
    offsets = np.frombuffer(lines.buffers()[1], np.int64)
    return memoryview(lines.buffers()[2])[: offsets[len(lines)]].tobytes()


def _escaped(texts: pa.Array) -> pa.Array:
    texts = texts.cast(pa.large_string())
    for special, instead in (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r")):
        texts = pc.replace_substring(texts, special, instead)
    return pc.fill_null(texts, pa.scalar("\\N", pa.large_string()))
