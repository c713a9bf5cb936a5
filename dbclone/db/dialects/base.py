"""What a kind of database must provide: the reading hooks of a source, the writing hooks of a target.

A dialect holds no state and no connection; each hook is given one. Rows come and go as :class:`pyarrow.Table`, typed as
:mod:`dbclone.model.flow` says. Hooks read what they are asked for and decide nothing: which rows make a good sample is
:mod:`dbclone.db.sample`'s business, how to ask this database for them is the dialect's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlalchemy import URL, Connection, CursorResult, Engine, FromClause, Select, Text, cast, select
from sqlalchemy import column as sa_column
from sqlalchemy import table as sa_table

from dbclone.db.dialects.swapping import Swapping
from dbclone.db.strings import Hashes, Strings, hashes_of
from dbclone.errors import ConfigurationError, DbcloneError
from dbclone.model.flow import Batch, Ddl, Statement
from dbclone.schema.model import Check, Column, Exclusion, ForeignKey, Schema, Table, TableKey, TypeKind, UniqueKey


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """How long a source may be kept busy, in seconds; 0 means for ever.

    ``statement_s`` must outlast a full scan of the largest table; ``lock_s`` is short because a waiting reader queues
    everybody else behind it; ``idle_s`` ends a snapshot whose owner has hung, since it holds back vacuum.
    """

    statement_s: int = 1800
    lock_s: int = 10
    idle_s: int = 1800


@dataclass(frozen=True, kw_only=True)
class ColumnFacts:
    """What a column's type is, domains resolved. ``nullable`` is False when the type itself forbids NULL."""

    type: str
    kind: TypeKind
    nullable: bool = True
    identity: Literal["always", "by default"] | None = None
    generated: bool = False
    length: int | None = None
    precision: int | None = None
    scale: int | None = None
    bytes: int | None = None
    enum_values: tuple[str, ...] = ()
    parts: tuple[Column, ...] = ()
    domain: str | None = None


class CheckFacts(NamedTuple):
    """The condition of a CHECK constraint, its columns, and whether existing rows are known to pass it."""

    expression: str
    columns: tuple[str, ...]
    validated: bool


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """What the catalogue knows of a table that the Inspector does not say, or not reliably.

    ``foreign_keys`` include those that only its partitions declare; such a key is ``validated`` if all of them do.
    ``checks`` is by constraint name; ``domain_checks`` are the conditions that the types of its columns impose;
    ``routing`` is the condition that a row belongs to a partition, if there are rows that belong to none;
    ``partition_keys`` are the unique keys that only some partitions have.
    """

    schema: str | None
    name: str
    partitioned: bool
    columns: Mapping[str, ColumnFacts]
    foreign_keys: tuple[ForeignKey, ...]
    unique_keys: tuple[UniqueKey, ...]
    checks: Mapping[str, CheckFacts]
    domain_checks: tuple[Check, ...]
    exclusions: tuple[Exclusion, ...] = ()
    routing: str | None = None
    partition_keys: tuple[UniqueKey, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """The user's tables, in every schema, each partitioned table once; views and temporary tables are left out."""

    server_version: str
    default_schema: str | None
    tables: tuple[TableFacts, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Keys:
    """Values to look rows up by: one row of ``values`` per key, no NULL; ``columns`` say where they come from.

    The database compares them as its foreign keys do: a value has the type of the column that it was read from.
    """

    columns: tuple[Column, ...]
    values: pa.Table


@dataclass(frozen=True, kw_only=True)
class RandomRows:
    """A draw of about ``wanted`` out of ``available`` rows, the same ones for the same ``seed``.

    With ``null_in``, only rows in which that foreign key refers to nothing are drawn, and ``available`` counts those;
    ``table_rows`` always counts all.
    """

    wanted: int
    available: int
    table_rows: int
    seed: int
    null_in: ForeignKey | None = None


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What a database refused, without any value of a row.

    ``line`` counts the lines of the rows being sent, from 1. ``disconnected`` says that the session is gone.
    """

    message: str
    table: str | None = None
    column: str | None = None
    constraint: str | None = None
    line: int | None = None
    disconnected: bool = False


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who holds a target: the process at the server, what it calls itself and where from, and since when."""

    process: int
    name: str
    since: datetime


@dataclass(frozen=True, kw_only=True)
class LiveConstraint:
    """A constraint or unique index that the database has. ``valid`` says that every row is known to fulfil it.

    ``plain`` is False for a unique index with a condition or an expression. ``deferrable`` is checked at commit.
    """

    kind: Literal["primary key", "unique", "foreign key", "check"]
    name: str
    columns: tuple[str, ...] = ()
    parent: tuple[str, str] | None = None
    parent_columns: tuple[str, ...] = ()
    valid: bool = True
    plain: bool = True


@dataclass(frozen=True, kw_only=True)
class SequenceState:
    """A sequence that numbers a column. ``next`` is what it hands out next, ``extreme`` the column's furthest value."""

    name: str
    table: TableKey
    column: str
    next: int
    extreme: int | None
    ascending: bool = True

    @property
    def is_past(self) -> bool:
        """Whether the next value cannot be one that a row has."""
        return self.extreme is None or (self.next > self.extreme if self.ascending else self.next < self.extreme)


@dataclass(frozen=True, kw_only=True)
class Definition:
    """One object as its database defines it: ``name`` is qualified and quoted, ``sql`` makes it.

    ``table`` is the table that it is or belongs to. ``parts`` are what a table consists of, by ``column name``, ``check
    name``, ``default name``, ``setting name`` (of a column) and ``options``. ``needs`` are the keys of what must be
    there before it. ``partition``: it is a partition of a table.
    """

    kind: str
    name: str
    sql: str
    table: TableKey | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    needs: frozenset[tuple[str, str]] = frozenset()
    partition: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What the same object of another database has as well: kind and name."""
        return self.kind, self.name


@dataclass(frozen=True, kw_only=True)
class TriggerState:
    """Triggers that were disabled: ``enable`` is the SQL that enables them. Those of ``kept`` tables still fire."""

    enable: tuple[str, ...]
    kept: tuple[TableKey, ...]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """What of a column is compared: its values in their order, or, for long texts, their lengths."""

    column: Column
    of: Literal["value", "length"] = "value"


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Rows per bin, and rows that are NULL. One more bin than there are cuts."""

    bins: tuple[int, ...]
    nulls: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Cap:
    """At most ``rows`` random rows per key, the same for the same ``seed``; ``counts`` says how many each key has."""

    rows: int
    seed: int
    counts: npt.NDArray[np.int64]


class Dialect(ABC):
    """A kind of database. Stateless; made by :func:`dbclone.db.dialects.dialect_for`."""

    name: ClassVar[str]
    """What SQLAlchemy and :attr:`dbclone.schema.model.Schema.dialect` call it."""
    drivername: ClassVar[str]
    """The drivername of the URLs that are connected to: dialect and driver."""
    enforces_references: ClassVar[bool] = True
    """Whether foreign keys of tables that are there are checked while rows are loaded: then cycles take detours."""
    swapping: ClassVar[Swapping | None] = None
    """How a clone takes the place of another one; None where it cannot."""
    unlogged_tables: ClassVar[bool] = False
    """Whether tables can do without a log, and so without surviving a crash."""
    resumable: ClassVar[bool] = False
    """Whether a load may be committed bit by bit: definitions and a ledger are undone with their transaction."""

    adds_constraints: ClassVar[bool] = True
    """Whether keys and constraints are best added to a table after its rows; else they are made with it."""
    transactional_ddl: ClassVar[bool] = True
    """Whether a rollback undoes definitions. If not, what a failed load made is removed by :meth:`remove`."""

    def address(self, url: URL, purpose: Literal["source", "target"]) -> URL:  # noqa: ARG002
        """Return the URL that the driver is given for one that a user means."""
        return url

    def prepare_engine(self, engine: Engine) -> None:  # noqa: B027 - most have nothing to prepare
        """Set up what every connection of ``engine`` needs."""

    # ---- Reading: what a source needs -------------------------------------------------------------------------------

    @abstractmethod
    def connect_arguments(self, timeout_s: int) -> Mapping[str, Any]:
        """Return what the driver's ``connect`` is given besides the URL: application name, timeout."""

    @abstractmethod
    def explain(self, error: Exception, server: str) -> DbcloneError | None:
        """Return the one-line error for what the driver raised; ``server`` is its masked URL.

        None for what cannot be the database's or the user's fault: that is a bug, and is shown as one.
        """

    @abstractmethod
    def begin_snapshot(self, connection: Connection, timeouts: Timeouts) -> None:
        """Begin a transaction that sees one state of the database, cannot write, and times out."""

    @abstractmethod
    def identity(self, connection: Connection) -> str:
        """Return a text that is the same for two connections exactly if they are to the same database."""

    @abstractmethod
    def catalogue(self, connection: Connection) -> Catalogue:
        """Return the user's tables and what the Inspector does not say about them, in a fixed number of queries."""

    @abstractmethod
    def forbidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
        """Return the tables that the connected role may not read."""

    @abstractmethod
    def hidden_tables(self, connection: Connection, tables: Sequence[Table]) -> tuple[Table, ...]:
        """Return the tables of which the connected role does not see or write every row: row-level security."""

    @abstractmethod
    def grant_statement(self, connection: Connection, tables: Sequence[Table]) -> str:
        """Return SQL for people that would allow the connected role to read ``tables``."""

    @abstractmethod
    def count_rows(self, connection: Connection, tables: Sequence[Table]) -> dict[TableKey, int]:
        """Return exact row counts."""

    @abstractmethod
    def count_null_references(self, connection: Connection, table: Table) -> dict[str, int]:
        """Return, per foreign key name of ``table``, how many rows refer to nothing."""

    @abstractmethod
    def read_all(self, connection: Connection, table: Table) -> pa.Table:
        """Return every row of ``table``: its written columns whose kind is not ``other``."""

    @abstractmethod
    def read_texts(self, connection: Connection, table: Table) -> pa.Table:
        """Return every row of ``table``: all its written columns, each value as the text that writes it again."""

    @abstractmethod
    def read_random(self, connection: Connection, table: Table, draw: RandomRows) -> pa.Table:
        """Return randomly drawn rows, columns as in :meth:`read_all`: ``draw.wanted`` or somewhat more or fewer."""

    @abstractmethod
    def read_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys, cap: Cap | None = None
    ) -> pa.Table:
        """Return the rows whose ``columns`` equal one of ``keys``, in the order of the keys."""

    @abstractmethod
    def count_matching(
        self, connection: Connection, table: Table, columns: Sequence[str], keys: Keys
    ) -> npt.NDArray[np.int64]:
        """Return, per key, how many rows of ``table`` have it in ``columns``."""

    # ---- Writing: what a target needs -------------------------------------------------------------------------------

    @abstractmethod
    def only(self, statement: Select[Any], source: FromClause, table: Table) -> Select[Any]:
        """Return ``statement``, in which ``source`` is ``table``, without rows of tables that inherit from it."""

    def execute(self, connection: Connection, sql: str) -> CursorResult[Any]:
        """Execute ``sql`` as it is: percent signs and colons in it mean themselves."""
        return connection.exec_driver_sql(sql, execution_options={"no_parameters": True})

    @abstractmethod
    def fault(self, error: BaseException) -> Fault | None:
        """Return what the database refused, or None if ``error`` does not come from it."""

    @abstractmethod
    def native_ddl(self, connection: Connection, schema: Schema) -> Ddl:
        """Return the database's own definition of ``schema``; ConfigurationError if the tools for that are missing."""

    @abstractmethod
    def definitions(self, connection: Connection, default_schema: str | None) -> tuple[Definition, ...]:
        """Return everything that the user's schemas hold, each after what it needs. Takes no locks."""

    @abstractmethod
    def drop_statement(self, definition: Definition) -> str:
        """Return the SQL that removes an object; nothing if it goes with another one."""

    @abstractmethod
    def refresh_statement(self, definition: Definition) -> str:
        """Return the SQL that fills a materialized view; nothing for anything else."""

    @abstractmethod
    def change_statements(self, connection: Connection, old: Definition, new: Definition) -> tuple[str, ...] | None:
        """Return the SQL that makes ``old`` into ``new`` where it is; None if it is dropped and made anew instead."""

    @abstractmethod
    def qualify_names(self, connection: Connection) -> None:
        """Have the catalogue name the schema of everything in the definitions that it prints, in this transaction."""

    @abstractmethod
    def prerequisites(self, connection: Connection) -> tuple[Statement, ...]:
        """Return what must be there before any portable definition: extensions that types and functions come from."""

    @abstractmethod
    def not_portable(self, connection: Connection) -> tuple[str, ...]:
        """Return, for people, what the database has that SQLAlchemy cannot describe: ``kind: name, name``."""

    @abstractmethod
    def lacking(self, connection: Connection, ddl: Ddl) -> tuple[str, ...]:
        """Return, for people, what ``ddl`` needs and this server does not have, such as extensions."""

    def remove(self, connection: Connection, made: Sequence[Statement]) -> None:  # noqa: B027 - most roll back
        """Drop what ``made`` made, the last one first, where a rollback does not."""

    def hold(self, connection: Connection) -> Holder | None:
        """Hold the database until the transaction of ``connection`` ends; return who does, if another one does.

        A transaction's lock, not a session's: a pooler such as PgBouncer hands a session to others. None as well where
        a database admits one writer only, and keeps the others off by itself.
        """
        del connection
        return None

    def script(self, batches: Iterable[Batch], schema: Schema, ddl: Ddl | None) -> Iterator[bytes]:  # noqa: ARG002
        """Yield a script for the database's own client that defines and fills the tables.

        Raises ConfigurationError where no such script is written.
        """
        raise ConfigurationError(f"no script is written for {schema.dialect}: choose --format parquet or csv")

    @abstractmethod
    def begin_load(self, connection: Connection) -> None:
        """Set up the transaction that ``connection`` is in for a long load: memory for indexes, no timeouts."""

    def relax_commit(self, connection: Connection) -> None:
        """Let the commit of this transaction return before it is on disk: a crash may undo it, but all of it."""
        del connection

    def make_unlogged(self, connection: Connection, names: Sequence[tuple[str | None, str]]) -> None:
        """Have empty tables, by schema and name, do without a log; where :attr:`unlogged_tables` says so."""
        del connection, names

    def cancel(self, connection: Connection) -> None:
        """End the statement that ``connection`` is executing in another thread, where that can be done."""
        del connection

    def unchecked_key(self, statement: str) -> tuple[str, str] | None:
        """Return, for one that adds a foreign key, what adds it without looking at the rows, and what looks at them.

        None where there are no two such statements.
        """
        del statement
        return None

    @abstractmethod
    def send_rows(
        self, connection: Connection, table: Table, columns: Sequence[str]
    ) -> AbstractContextManager[Callable[[pa.Table], int]]:
        """Return a function that sends rows of these columns in bulk, and returns the number of lines it sent."""

    @abstractmethod
    def judge_rows(
        self, connection: Connection, table: Table, rows: pa.Table, expressions: Sequence[str]
    ) -> list[npt.NDArray[np.bool_] | None]:
        """Return, per expression of its SQL, which of ``rows`` it is not false for; None if it means nothing here.

        The rows, which have columns of ``table``, are put aside for that; an error in a row counts as false.
        """

    @abstractmethod
    def foreign_children(self, connection: Connection, tables: Sequence[Table]) -> tuple[str, ...]:
        """Return ``child (constraint)`` for the foreign keys of other tables that refer to ``tables``."""

    @abstractmethod
    def empty(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Delete all rows of ``tables``, all at once, within the transaction."""

    @abstractmethod
    def disable_triggers(self, connection: Connection, tables: Sequence[Table]) -> TriggerState:
        """Disable the user's triggers on ``tables`` as far as the role may; say how to enable the same ones again."""

    @abstractmethod
    def refresh_views(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Fill anew the materialized views that read ``tables`` and hold rows, as far as the role may."""

    @abstractmethod
    def defer_constraints(self, connection: Connection) -> None:
        """Have deferrable constraints checked when :meth:`check_deferred` is called."""

    @abstractmethod
    def check_deferred(self, connection: Connection) -> None:
        """Check the constraints that were deferred, now."""

    @abstractmethod
    def suspend_foreign_key(self, connection: Connection, table: Table, foreign_key: ForeignKey) -> str:
        """Drop a foreign key, found by its columns, and return the SQL that adds it again and checks every row."""

    @abstractmethod
    def begin_backfill(self, connection: Connection, table: Table, columns: Sequence[str]) -> Table:
        """Return a new temporary table with these columns of ``table``; it ends with the transaction."""

    @abstractmethod
    def finish_backfill(
        self, connection: Connection, table: Table, aside: Table, key: Sequence[str], columns: Sequence[str]
    ) -> None:
        """Set ``columns`` of the rows of ``table`` that have the same ``key`` in the temporary table ``aside``."""

    @abstractmethod
    def sequences(self, connection: Connection, tables: Sequence[Table]) -> tuple[SequenceState, ...]:
        """Return the sequences that number a column of ``tables``: owned, identity, or used by its default."""

    @abstractmethod
    def advance_sequences(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Have every sequence of ``tables`` continue after what is there; undone when the transaction is."""

    @abstractmethod
    def analyze(self, connection: Connection, tables: Sequence[Table]) -> None:
        """Have the planner's statistics of ``tables`` taken."""

    @abstractmethod
    def constraints(
        self, connection: Connection, tables: Sequence[Table]
    ) -> Mapping[TableKey, tuple[LiveConstraint, ...]]:
        """Return the constraints and unique indexes of ``tables``, those of partitions and of domains included."""

    @abstractmethod
    def cut_points(self, connection: Connection, table: Table, columns: Sequence[Measure]) -> Mapping[str, list[str]]:
        """Return, per column, at most 100 of its values in ascending order, spread evenly over the rows, as text."""

    @abstractmethod
    def histogram(self, connection: Connection, table: Table, measure: Measure, cuts: Sequence[str]) -> Histogram:
        """Return how many rows lie below the first cut, from each cut to the next, and from the last one on."""

    @abstractmethod
    def frequencies(self, connection: Connection, table: Table, column: str, limit: int) -> Mapping[str | None, int]:
        """Return how often each value occurs, by a hash of the value (None for NULL): the ``limit`` most frequent."""

    def string_hashes(self, connection: Connection, table: Table, column: Column, wanted: Strings) -> Hashes:
        """Return the different hashes of the strings in a column, sorted: see :mod:`dbclone.db.strings`.

        Hashed here, while the values are read; a database that can hash does better.
        """
        source = sa_table(table.name, sa_column(column.name), schema=table.schema)
        value = source.c[column.name]
        query = self.only(select(cast(value, Text)).where(value.is_not(None)), source, table)
        return hashes_of(connection.execution_options(yield_per=10_000).execute(query).scalars(), column, wanted)
