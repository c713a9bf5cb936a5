"""One connection that loads: every step there is, and what is said when the database refuses one.

Which steps, in which order and transaction, is the business of the two modes (:mod:`dbclone.db.load`). The session
derives nothing: what to do with cycles is in the plan's steps, how to do it in the dialect.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby

import pyarrow as pa
from sqlalchemy import Connection

from dbclone.db.dialects.base import Dialect, Fault
from dbclone.db.loading.tally import Part, Tally
from dbclone.db.target import Script, TargetState
from dbclone.errors import LoadError
from dbclone.model.flow import Batch, Ddl, Statement
from dbclone.schema.model import ForeignKey, Schema, Table, TableKey

_DOING: dict[Part, str] = {
    "definition": "creating",
    "rows": "writing the rows of",
    "constraints": "adding",
    "scripts": "carrying out",
    "sequences": "setting the sequences",
    "statistics": "taking statistics",
    "checks": "checking",
    "commit": "committing",
}

VIEW_ROWS = "MATERIALIZED VIEW DATA"
"""The kind of a statement that fills a materialized view, as ``pg_dump`` calls it."""

Nulled = dict[TableKey, tuple[str, ...]]
"""Columns that are written as NULL and filled in afterwards, by table."""


@dataclass(frozen=True, kw_only=True)
class _Sent:
    """A batch that was sent: lines ``start`` to before ``end`` of what the table was sent, counted from 1."""

    number: int
    first_row: int
    rows: int
    start: int
    end: int

    def place(self, line: int) -> str:
        """Return, for people, which row the line is; with line breaks in texts only the batch is known."""
        if self.end - self.start == self.rows:
            return f"row {self.first_row + line - self.start + 1:,}, in batch {self.number}"
        return f"rows {self.first_row + 1:,} to {self.first_row + self.rows:,}, batch {self.number}"


class Session:
    """A connection that loads. ``part``, ``doing`` and ``sent`` are where it stands, for events and errors.

    ``made`` are the statements that it executed.
    """

    def __init__(self, connection: Connection, dialect: Dialect, tally: Tally) -> None:
        self.connection = connection
        self.dialect = dialect
        self.tally = tally
        self.schema: Schema = tally.plan.schema
        self.seconds: dict[str, float] = defaultdict(float)
        self.part: Part = "definition"
        self.doing = ""
        self.sent: list[_Sent] = []
        self.made: list[Statement] = []

    # ---- Steps -----------------------------------------------------------------------------------------------------

    def make_ready(self, state: TargetState) -> None:
        """Empty tables that are there and change their definitions, as far as either was asked for."""
        if state.emptied:
            with self.at("definition", "empty tables"):
                self.dialect.empty(self.connection, [self.schema.table(key) for key in state.emptied])
        if state.migrate is not None:
            with self.at("definition", "the source's definition"):
                state.migrate(self.connection)

    def define(self, ddl: Ddl, state: TargetState) -> None:
        """Create what has to be there before the rows."""
        self.run("definition", ddl.before)
        if state.unlogged:
            with self.at("definition", "unlogged tables"):
                names = [(table.schema, table.name) for table in self.schema.tables]
                self.dialect.make_unlogged(self.connection, names)

    def carry_out(self, scripts: Iterable[Script]) -> None:
        """Execute SQL of the user's own."""
        for script in scripts:
            with self.at("scripts", script.name):
                self.dialect.execute(self.connection, script.sql)

    def suspend(self, keys: Iterable[tuple[Table, ForeignKey]]) -> list[Statement]:
        """Drop foreign keys of the target; return the statements that add them again."""
        again = []
        for table, foreign_key in keys:
            with self.at("definition", f"{foreign_key.name} of {table.key} anew"):
                sql = self.dialect.suspend_foreign_key(self.connection, table, foreign_key)
            if sql:
                again.append(Statement(kind="FK CONSTRAINT", name=foreign_key.name, sql=sql, table=table.key))
        return again

    def run(self, part: Part, statements: Iterable[Statement]) -> None:
        """Execute statements, one after the other."""
        for statement in statements:
            of = f" of {statement.table}" if statement.table and statement.name != statement.table else ""
            with self.at(part, f"{statement.kind.lower()} {statement.name}{of}"):
                if statement.kind == VIEW_ROWS:
                    self._fill_view(statement)
                else:
                    self.dialect.execute(self.connection, statement.sql)
            self.made.append(statement)

    def _fill_view(self, statement: Statement) -> None:
        """Fill a materialized view; one that the twin's rows do not allow stays empty, and a warning says so.

        What a view's own unique index demands of a query over several tables is no constraint of any of them.
        """
        try:
            with self.connection.begin_nested():
                self.dialect.execute(self.connection, statement.sql)
        except Exception as error:
            fault = self.dialect.fault(error)
            if fault is None or fault.disconnected:
                raise
            because = f"{fault.message}{self._where(fault)}"
            self.tally.warn(f"materialized view {statement.name} is there, but holds no rows: {because}")

    def write(self, batches: Iterable[Batch], nulled: Nulled) -> None:
        """Write batches, which come table by table; fill in columns of ``nulled`` once all are there."""
        filled_in: list[tuple[Table, Table]] = []
        for key, group in groupby(self._timed(batches), key=lambda batch: batch.table):
            table = self.schema.table(key)
            with self.at("rows", str(key)):
                if key in nulled:
                    filled_in.append((table, self._write_apart(table, group, nulled[key])))
                else:
                    self._write_together(table, group)
        for table, aside in filled_in:
            with self.at("rows", f"{table.key}, the second time,"):
                columns = nulled[table.key]
                key_columns = row_key(table, columns)
                self.dialect.finish_backfill(self.connection, table, aside, key_columns, columns)

    def write_one(self, batch: Batch) -> None:
        """Write one batch as a COPY of its own."""
        table = self.schema.table(batch.table)
        with (
            self.at("rows", str(batch.table)),
            self.dialect.send_rows(self.connection, table, batch.rows.column_names) as send,
        ):
            self._send(send, batch, batch.rows)

    def _write_together(self, table: Table, batches: Iterable[Batch]) -> None:
        """Send all batches of a table as one COPY."""
        remaining = iter(batches)
        first = next(remaining)
        with self.dialect.send_rows(self.connection, table, first.rows.column_names) as send:
            for batch in chain([first], remaining):
                self._send(send, batch, batch.rows)
                self.tally.wrote(batch.table, batch.rows.num_rows)

    def _write_apart(self, table: Table, batches: Iterable[Batch], null: Sequence[str]) -> Table:
        """Send batches with the columns ``null`` empty, and those columns with the row's key to a table aside."""
        aside_columns = [*row_key(table, null), *null]
        aside = self.dialect.begin_backfill(self.connection, table, aside_columns)
        for batch in batches:
            self.sent.clear()
            names = batch.rows.column_names
            with self.dialect.send_rows(self.connection, table, names) as send:
                self._send(send, batch, _nulled(batch.rows, null))
            with self.dialect.send_rows(self.connection, aside, aside_columns) as send:
                send(batch.rows.select(aside_columns))
            self.tally.wrote(batch.table, batch.rows.num_rows)
        return aside

    def _send(self, send: Callable[[pa.Table], int], batch: Batch, rows: pa.Table) -> None:
        start = self.sent[-1].end if self.sent else 1
        # Noted before it is sent: the server may refuse a line of it at any moment.
        end = start + rows.num_rows
        noted = _Sent(number=batch.number, first_row=batch.first_row, rows=rows.num_rows, start=start, end=end)
        self.sent.append(noted)
        self.sent[-1] = replace(noted, end=start + send(rows))

    # ---- Time and errors -------------------------------------------------------------------------------------------

    @contextmanager
    def at(self, part: Part, doing: str = "") -> Iterator[None]:
        """Note what is being done, tell, and time it; waiting for batches is not counted."""
        self.part, self.doing = part, doing
        self.sent.clear()
        if part != "rows":
            self.tally.tell(part, doing)
        started, waited = time.perf_counter(), self.seconds["waiting"]
        yield
        self.seconds[part] += time.perf_counter() - started - (self.seconds["waiting"] - waited)

    def _timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        iterator = iter(batches)
        while True:
            started = time.perf_counter()
            batch = next(iterator, None)
            self.seconds["waiting"] += time.perf_counter() - started
            if batch is None:
                return
            yield batch

    @contextmanager
    def translated(self, outcome: Callable[[Part, Fault], str]) -> Iterator[None]:
        """Turn what the database refuses into a LoadError; ``outcome`` says what state the target is in then."""
        try:
            yield
        except Exception as error:
            fault = self.dialect.fault(error)
            if fault is None:
                raise
            what = " ".join(word for word in (_DOING[self.part], self.doing) if word)
            # Not "from error": the driver's text quotes the values of the row, and a traceback would show them.
            raise LoadError(f"{what}: {fault.message}{self._where(fault)}; {outcome(self.part, fault)}") from None

    def _where(self, fault: Fault) -> str:
        parts = []
        if fault.constraint:
            parts.append(f"constraint {fault.constraint}" + (f" of {fault.table}" if fault.table else ""))
        if fault.column:
            parts.append(f"column {fault.column}")
        if fault.line is not None:
            parts += [sent.place(fault.line) for sent in self.sent if sent.start <= fault.line < sent.end]
        return f" ({', '.join(parts)})" if parts else ""


def row_key(table: Table, nulled: Sequence[str]) -> tuple[str, ...]:
    """Return columns that tell every row from every other while ``nulled`` are NULL; none if there are none."""
    for columns in table.uniques():
        if not set(columns) & set(nulled) and not any(table.column(name).nullable for name in columns):
            return columns
    return ()


def _nulled(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field.name, pa.nulls(rows.num_rows, field.type))
    return rows
