"""Load: batches into the target, all of them or none.

One connection, one transaction: definition, rows, keys and constraints, sequences, statistics, the caller's checks,
commit. The loader derives nothing. What to do with cycles is in the plan's steps, how to do it in the dialect.

A *new* target gets its tables first and its keys after the rows; steps that only make cycles loadable under live
constraints are not needed then. An *existing* target keeps its constraints throughout.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, groupby
from typing import Literal

import pyarrow as pa
from sqlalchemy import Connection

from dbclone.db.connect import Database
from dbclone.db.ddl import refuse_ddl
from dbclone.db.dialects.base import Dialect, Fault
from dbclone.db.target import Script, TargetState
from dbclone.errors import ConnectError, LoadError, TargetError, at_most
from dbclone.model.flow import Batch, Ddl, Loaded, Statement
from dbclone.schema.model import ForeignKey, Schema, Table, TableKey
from dbclone.schema.plan import Backfill, Load, Plan, Suspend

Part = Literal["definition", "rows", "constraints", "scripts", "sequences", "statistics", "checks", "commit"]

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

UNCHANGED = "the target is as it was"
UNKNOWN = "whether the rows were committed is not known: run dbclone verify"


@dataclass(frozen=True, kw_only=True)
class LoadEvent:
    """Progress: the part at work, on what, and rows of ``table`` written so far (of ``total`` planned)."""

    part: Part
    name: str = ""
    table: TableKey | None = None
    rows: int = 0
    total: int = 0


def load(
    target: Database,
    plan: Plan,
    ddl: Ddl | None,
    batches: Iterable[Batch],
    *,
    state: TargetState,
    on_event: Callable[[LoadEvent], None] | None = None,
    check: Callable[[Connection], None] | None = None,
) -> Loaded:
    """Write ``batches``, which come table by table, and return what was written.

    ``check`` is called within the transaction, when all is in place; what it raises undoes the load. ``seconds`` of the
    result has one entry per part and ``waiting``, the time in which the next batch was not there yet.

    Raises TargetError before anything is written, and LoadError after a rollback; its message says what state the
    target is in. An interruption rolls back, too.
    """
    if state.is_new and ddl is None:
        raise TargetError("the target has none of the tables, and there is no definition to create them from")
    with target.connect() as connection:
        if state.is_new and ddl is not None:
            refuse_ddl(target, connection, ddl)
            connection.rollback()
        loader = _Loader(connection, target.dialect, plan, on_event or _ignore)
        with loader.translated(), loader.removed_if_failed(target), connection.begin():
            target.dialect.begin_load(connection)
            if state.is_new and ddl is not None:
                loader.into_new(ddl, batches, state)
            else:
                loader.into_existing(batches, state)
            loader.finish(check, state)
    seconds = {name: round(value, 3) for name, value in loader.seconds.items()}
    return Loaded(rows=dict(loader.rows), seconds=seconds, warnings=tuple(loader.warnings))


@contextmanager
def undone(target: Database, plan: Plan, ddl: Ddl | None, *, state: TargetState) -> Iterator[Connection]:
    """Give a connection to the target as it is when rows are about to be written; all of it is undone afterwards.

    Raises LoadError as :func:`load` does.
    """
    with target.connect() as connection:
        loader = _Loader(connection, target.dialect, plan, _ignore)
        with (
            loader.translated(),
            loader.removed(target),
            connection.begin() as transaction,
        ):
            target.dialect.begin_load(connection)
            if state.is_new and ddl is not None:
                loader.define(ddl)
            else:
                loader.make_ready(state)
            loader.part = "checks"
            yield connection
            transaction.rollback()


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


class _Loader:
    """One load in progress. ``part``, ``doing`` and ``sent`` are where it stands, for events and errors."""

    def __init__(
        self, connection: Connection, dialect: Dialect, plan: Plan, on_event: Callable[[LoadEvent], None]
    ) -> None:
        self.connection = connection
        self.dialect = dialect
        self.plan = plan
        self.schema: Schema = plan.schema
        self.on_event = on_event
        self.rows: dict[TableKey, int] = {table.key: 0 for table in plan.schema.tables}
        self.seconds: dict[str, float] = defaultdict(float)
        self.part: Part = "definition"
        self.doing = ""
        self.sent: list[_Sent] = []
        self.warnings: list[str] = []
        self.made: list[Statement] = []

    # ---- The two ways ----------------------------------------------------------------------------------------------

    def into_new(self, ddl: Ddl, batches: Iterable[Batch], state: TargetState) -> None:
        """Create the tables, fill them, then create keys, indexes, constraints and the rest."""
        self.define(ddl)
        self._carry_out(state.before_load)
        self._write(batches, nulled={})
        self._run("constraints", ddl.after)

    def define(self, ddl: Ddl) -> None:
        """Create what has to be there before the rows."""
        self._run("definition", ddl.before)

    def make_ready(self, state: TargetState) -> None:
        """Empty tables that are there and change their definitions, as far as either was asked for."""
        if state.emptied:
            with self._at("definition", "empty tables"):
                self.dialect.empty(self.connection, [self.schema.table(key) for key in state.emptied])
        if state.migrate is not None:
            with self._at("definition", "the source's definition"):
                state.migrate(self.connection)

    def into_existing(self, batches: Iterable[Batch], state: TargetState) -> None:
        """Fill tables that are there, under their own constraints."""
        self.make_ready(state)
        self._carry_out(state.before_load)
        tables = self.schema.tables
        batches = (batch for batch in batches if batch.table not in state.kept)
        with self._at("definition", "the tables' triggers"):
            triggers = self.dialect.disable_triggers(self.connection, tables)
        nulled, suspended = self._cycles()
        again = []
        for table, foreign_key in suspended:
            with self._at("definition", f"{foreign_key.name} of {table.key} anew"):
                sql = self.dialect.suspend_foreign_key(self.connection, table, foreign_key)
            if sql:
                again.append(Statement(kind="FK CONSTRAINT", name=foreign_key.name, sql=sql, table=table.key))
        with self._at("definition", "the order of checks"):
            self.dialect.defer_constraints(self.connection)
        self._write(batches, nulled)
        with self._at("constraints", "the deferred constraints"):
            self.dialect.check_deferred(self.connection)
        enable = [Statement(kind="TRIGGER", name="trigger", sql=sql) for sql in triggers.enable]
        self._run("constraints", [*again, *enable])
        with self._at("constraints", "materialized views"):
            self.dialect.refresh_views(self.connection, tables)

    def _carry_out(self, scripts: Sequence[Script]) -> None:
        for script in scripts:
            with self._at("scripts", script.name):
                self.dialect.execute(self.connection, script.sql)

    def finish(self, check: Callable[[Connection], None] | None, state: TargetState) -> None:
        """Set sequences, take statistics, have the result checked. The commit is all that follows."""
        self._carry_out(state.after_load)
        with self._at("sequences"):
            self.dialect.advance_sequences(self.connection, self.schema.tables)
        with self._at("statistics"):
            self.dialect.analyze(self.connection, self.schema.tables)
        if check is not None:
            with self._at("checks"):
                check(self.connection)
        self.part, self.doing = "commit", ""
        self.on_event(LoadEvent(part="commit"))

    # ---- Steps -----------------------------------------------------------------------------------------------------

    def _cycles(self) -> tuple[dict[TableKey, tuple[str, ...]], list[tuple[Table, ForeignKey]]]:
        """Return the columns to be filled in afterwards, and the foreign keys to be taken away for the load."""
        if not self.dialect.enforces_references:
            return {}, []
        nulled = {step.table: step.null for step in self.plan.steps if isinstance(step, Load) and step.null}
        # Without a key there is nothing to find a row by: its foreign key is suspended instead.
        keyless = {key for key in nulled if not self._row_key(self.schema.table(key), nulled[key])}
        suspended = [
            (self.schema.table(step.table), _foreign_key(self.schema.table(step.table), step.foreign_key))
            for step in self.plan.steps
            if isinstance(step, Suspend) or (isinstance(step, Backfill) and step.table in keyless)
        ]
        return {key: columns for key, columns in nulled.items() if key not in keyless}, suspended

    @staticmethod
    def _row_key(table: Table, nulled: Sequence[str]) -> tuple[str, ...]:
        """Return columns that tell every row from every other while ``nulled`` are NULL; none if there are none."""
        for columns in table.uniques():
            if not set(columns) & set(nulled) and not any(table.column(name).nullable for name in columns):
                return columns
        return ()

    def _run(self, part: Part, statements: Sequence[Statement]) -> None:
        for statement in statements:
            of = f" of {statement.table}" if statement.table and statement.name != statement.table else ""
            with self._at(part, f"{statement.kind.lower()} {statement.name}{of}"):
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
            self.warnings.append(f"materialized view {statement.name} is there, but holds no rows: {because}")

    def _write(self, batches: Iterable[Batch], nulled: dict[TableKey, tuple[str, ...]]) -> None:
        filled_in: list[tuple[Table, Table]] = []
        for key, group in groupby(self._timed(batches), key=lambda batch: batch.table):
            table = self.schema.table(key)
            with self._at("rows", str(key)):
                if key in nulled:
                    filled_in.append((table, self._write_apart(table, group, nulled[key])))
                else:
                    self._write_together(table, group)
        for table, aside in filled_in:
            with self._at("rows", f"{table.key}, the second time,"):
                columns = nulled[table.key]
                key_columns = self._row_key(table, columns)
                self.dialect.finish_backfill(self.connection, table, aside, key_columns, columns)

    def _write_together(self, table: Table, batches: Iterable[Batch]) -> None:
        """Send all batches of a table as one COPY."""
        remaining = iter(batches)
        first = next(remaining)
        with self.dialect.send_rows(self.connection, table, first.rows.column_names) as send:
            for batch in chain([first], remaining):
                self._send(send, batch, batch.rows)

    def _write_apart(self, table: Table, batches: Iterable[Batch], null: Sequence[str]) -> Table:
        """Send batches with the columns ``null`` empty, and those columns with the row's key to a table aside."""
        aside_columns = [*self._row_key(table, null), *null]
        aside = self.dialect.begin_backfill(self.connection, table, aside_columns)
        for batch in batches:
            self.sent.clear()
            names = batch.rows.column_names
            with self.dialect.send_rows(self.connection, table, names) as send:
                self._send(send, batch, _nulled(batch.rows, null))
            with self.dialect.send_rows(self.connection, aside, aside_columns) as send:
                send(batch.rows.select(aside_columns))
        return aside

    def _send(self, send: Callable[[pa.Table], int], batch: Batch, rows: pa.Table) -> None:
        start = self.sent[-1].end if self.sent else 1
        # Noted before it is sent: the server may refuse a line of it at any moment.
        end = start + rows.num_rows
        noted = _Sent(number=batch.number, first_row=batch.first_row, rows=rows.num_rows, start=start, end=end)
        self.sent.append(noted)
        self.sent[-1] = replace(noted, end=start + send(rows))
        self.rows[batch.table] += rows.num_rows
        total = self.plan.table(batch.table).rows
        self.on_event(LoadEvent(part="rows", table=batch.table, rows=self.rows[batch.table], total=total))

    # ---- Undoing what a rollback does not ----------------------------------------------------------------------------

    @contextmanager
    def removed_if_failed(self, target: Database) -> Iterator[None]:
        """Drop what was made if the block fails; it is the run's own, since the target had none of the tables."""
        try:
            yield
        except BaseException:
            self._remove(target)
            raise

    @contextmanager
    def removed(self, target: Database) -> Iterator[None]:
        """Drop what was made at the end of the block, however that comes."""
        try:
            yield
        finally:
            self._remove(target)

    def _remove(self, target: Database) -> None:
        if self.dialect.transactional_ddl or not self.made:
            return
        try:
            # Another connection: this one may be lost.
            with target.connect() as connection:
                self.dialect.remove(connection, self.made)
        except Exception as error:
            if self.dialect.fault(error) is None and not isinstance(error, ConnectError):
                raise
            raise LoadError(
                "the load failed, and what it had made at the target could not be dropped again: drop it by hand",
                details=at_most([f"{statement.kind.lower()} {statement.name}" for statement in self.made]),
            ) from None

    # ---- Time and errors -------------------------------------------------------------------------------------------

    @contextmanager
    def _at(self, part: Part, doing: str = "") -> Iterator[None]:
        """Note what is being done, tell, and time it; waiting for batches is not counted."""
        self.part, self.doing = part, doing
        self.sent.clear()
        if part != "rows":
            self.on_event(LoadEvent(part=part, name=doing))
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
    def translated(self) -> Iterator[None]:
        """Turn what the database refuses into a LoadError, by now rolled back."""
        started = time.perf_counter()
        try:
            yield
        except Exception as error:
            fault = self.dialect.fault(error)
            if fault is None:
                raise
            # Not "from error": the driver's text quotes the values of the row, and a traceback would show them.
            raise self._refused(fault) from None
        spent = sum(self.seconds.values())
        self.seconds["commit"] = max(time.perf_counter() - started - spent, 0.0)

    def _refused(self, fault: Fault) -> LoadError:
        state = UNKNOWN if self.part == "commit" and fault.disconnected else UNCHANGED
        what = " ".join(word for word in (_DOING[self.part], self.doing) if word)
        return LoadError(f"{what}: {fault.message}{self._where(fault)}; {state}")

    def _where(self, fault: Fault) -> str:
        parts = []
        if fault.constraint:
            parts.append(f"constraint {fault.constraint}" + (f" of {fault.table}" if fault.table else ""))
        if fault.column:
            parts.append(f"column {fault.column}")
        if fault.line is not None:
            parts += [sent.place(fault.line) for sent in self.sent if sent.start <= fault.line < sent.end]
        return f" ({', '.join(parts)})" if parts else ""


def _ignore(_: LoadEvent) -> None:
    """Do without progress."""


def _foreign_key(table: Table, name: str) -> ForeignKey:
    return next(key for key in table.foreign_keys if key.name == name)


def _nulled(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    for name in columns:
        field = rows.schema.field(name)
        rows = rows.set_column(rows.schema.get_field_index(name), field.name, pa.nulls(rows.num_rows, field.type))
    return rows
