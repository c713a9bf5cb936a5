"""Writing by plain SQL, for databases whose own keys hold no load up: references are not enforced while it runs.

Rows are judged in a temporary table, which no database makes permanent. What :mod:`dbclone.db.migrate` would change
where it is, is made anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy import Connection

from dbclone.db.dialects.base import Definition, Dialect, Fault, SequenceState, TriggerState
from dbclone.db.dialects.generic.catalogue import quiet
from dbclone.db.dialects.generic.reading import rows_of
from dbclone.model.flow import Ddl, Statement
from dbclone.schema.model import ForeignKey, Table, TableKey


class RefusedRow(Exception):  # noqa: N818 - it carries what was refused, and is translated by the loader
    """A row that the database refused, with its line; the driver's own error says no line."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


class Writing(Dialect):
    """The writing hooks."""

    adds_constraints = False
    enforces_references = False

    def drop_statement(self, definition: Definition) -> str:
        return f"DROP {definition.kind} {definition.name}"

    def refresh_statement(self, definition: Definition) -> str:  # noqa: ARG002
        return ""

    def change_statements(
        self,
        connection: Connection,  # noqa: ARG002
        old: Definition,  # noqa: ARG002
        new: Definition,  # noqa: ARG002
    ) -> tuple[str, ...] | None:
        return None

    def qualify_names(self, connection: Connection) -> None:
        """Do nothing: definitions name no schema."""

    def prerequisites(self, connection: Connection) -> tuple[Statement, ...]:  # noqa: ARG002
        return ()

    def lacking(self, connection: Connection, ddl: Ddl) -> tuple[str, ...]:  # noqa: ARG002
        return ()

    def begin_load(self, connection: Connection) -> None:
        """Do nothing: there is nothing to set."""

    def judge_rows(
        self, connection: Connection, table: Table, rows: pa.Table, expressions: Sequence[str]
    ) -> list[npt.NDArray[np.bool_] | None]:
        number = next(name for name in ("n", "nn", "nnn") if name not in rows.column_names)
        aside = replace(
            table,
            schema=None,
            name="dbclone_judged",
            key=TableKey("aside"),
            columns=(
                *(replace(table.column(name), generated=False) for name in rows.column_names),
                replace(table.columns[0], name=number, type="INTEGER", kind="integer", bytes=8, generated=False),
            ),
        )
        numbered = rows.append_column(number, pa.array(np.arange(rows.num_rows, dtype=np.int64)))
        self._make_aside(connection, aside)
        with self.send_rows(connection, aside, numbered.column_names) as send:
            send(numbered)
        passed = [self._judge(connection, table, aside, number, expression) for expression in expressions]
        self._drop_aside(connection, aside)
        return passed

    def _judge(
        self, connection: Connection, table: Table, aside: Table, number: str, expression: str
    ) -> npt.NDArray[np.bool_] | None:
        # Under the table's own name, which the expression may say.
        source = rows_of(aside).alias(table.name)
        broken = sa.select(source.c[number]).where(sa.literal_column(f"({expression})").is_(False))
        rows = int(connection.scalar(sa.select(sa.func.count()).select_from(source)) or 0)
        passed = np.ones(rows, dtype=bool)
        try:
            with connection.begin_nested():
                passed[list(connection.scalars(broken))] = False
        except sa.exc.DBAPIError as error:
            fault = self.fault(error)
            if fault is None or fault.disconnected:
                raise
            return None
        return passed

    def _make_aside(self, connection: Connection, aside: Table) -> None:
        quote = connection.dialect.identifier_preparer.quote
        columns = ", ".join(f"{quote(c.name)} {c.type}" for c in aside.columns)
        self.execute(connection, f"CREATE TEMPORARY TABLE {quote(aside.name)} ({columns})")

    def _drop_aside(self, connection: Connection, aside: Table) -> None:
        self.execute(connection, f"DROP TABLE {connection.dialect.identifier_preparer.quote(aside.name)}")

    def foreign_children(self, connection: Connection, tables: Sequence[Table]) -> tuple[str, ...]:
        names = {table.name for table in tables}
        with quiet():
            found = sa.inspect(connection).get_multi_foreign_keys()
        return tuple(
            f"{name} ({key['name'] or ', '.join(key['constrained_columns'])})"
            for (_, name), keys in sorted(found.items(), key=lambda item: item[0][1])
            for key in keys
            if name not in names and key["referred_table"] in names
        )

    def empty(self, connection: Connection, tables: Sequence[Table]) -> None:
        for table in tables:
            connection.execute(sa.delete(sa.table(table.name, schema=table.schema)))

    def disable_triggers(self, connection: Connection, tables: Sequence[Table]) -> TriggerState:  # noqa: ARG002
        return TriggerState(enable=(), kept=())

    def refresh_views(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Do nothing: there are no materialized views."""

    def defer_constraints(self, connection: Connection) -> None:
        """Do nothing: references are not enforced."""

    def check_deferred(self, connection: Connection) -> None:
        """Do nothing: ``verify`` counts the references that lead nowhere."""

    def suspend_foreign_key(self, connection: Connection, table: Table, foreign_key: ForeignKey) -> str:  # noqa: ARG002
        return ""

    def begin_backfill(self, connection: Connection, table: Table, columns: Sequence[str]) -> Table:
        raise NotImplementedError("references are not enforced: there is nothing to fill in")

    def finish_backfill(
        self, connection: Connection, table: Table, aside: Table, key: Sequence[str], columns: Sequence[str]
    ) -> None:
        raise NotImplementedError("references are not enforced: there is nothing to fill in")

    def sequences(self, connection: Connection, tables: Sequence[Table]) -> tuple[SequenceState, ...]:  # noqa: ARG002
        return ()

    def advance_sequences(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Do nothing: the database itself continues after the largest value that a row has."""

    def analyze(self, connection: Connection, tables: Sequence[Table]) -> None:
        quote = connection.dialect.identifier_preparer.quote
        for table in tables:
            self.execute(connection, f"ANALYZE {quote(table.name)}")


def in_calendar(texts: pa.Array) -> pa.Array:
    """Return days within the years 1 to 9999, the only ones there are here: others become the nearest of these.

    A date that means "never", such as 9999-01-01, is learned with a spread, and PostgreSQL's years have six digits.
    """
    texts = pc.replace_substring_regex(texts, r"^\d{5,}-\d\d-\d\d", "9999-12-31")
    return pc.replace_substring_regex(texts, r"^\d{4}-\d\d-\d\d(.*?)(?:\+00)? BC$", r"0001-01-01\1")


def driver(connection: Connection) -> Any:
    """Return the driver's connection, within the transaction that SQLAlchemy began."""
    return connection.connection.driver_connection
