"""The ledger of a resumable load: a schema in the target that says what the load is, and how far it got.

It is there from the transaction that creates the tables until the one that ends the load, and so marks a target as not
complete. A batch is noted in the transaction that writes its rows, a statement in the one that carries it out: what the
ledger says is there, is there, whatever was cut, killed or restarted.

It holds all that the rows depend on: the model, the seed, the state of the target as it was found, and what the target
said of candidate rows. A load goes on from the target alone; neither the source nor a model file is asked again.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.schema import CreateSchema, CreateTable, DropSchema

from dbclone import __version__
from dbclone.db.target import TargetState
from dbclone.errors import TargetError
from dbclone.model.artifact import load_model, save_model
from dbclone.model.flow import Batch, Statement, Verdict
from dbclone.model.parts import Model
from dbclone.schema.model import TableKey

SCHEMA = "dbclone_ledger"
VERSION = 1
"""Of the ledger's form. One of another version is not read: the rows would have to be the same to the last byte."""

_METADATA = sa.MetaData(schema=SCHEMA)
_RUN = sa.Table(
    "run", _METADATA,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("dbclone", sa.Text, nullable=False),
    sa.Column("started", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("options", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("model", sa.LargeBinary, nullable=False),
)  # fmt: skip
_VERDICT = sa.Table(
    "verdict", _METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("table_key", sa.Text, nullable=False),
    sa.Column("check_name", sa.Text, nullable=False),
    sa.Column("rows", sa.LargeBinary, nullable=False),
)  # fmt: skip
_STATEMENT = sa.Table(
    "statement", _METADATA,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("table_key", sa.Text),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("done", sa.Boolean, nullable=False),
)  # fmt: skip
_BATCH = sa.Table(
    "batch", _METADATA,
    sa.Column("table_key", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
)  # fmt: skip
"""Its key is what makes a batch written exactly once, even by two runs that do not know of each other."""

BatchKey = tuple[TableKey, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Undertaking:
    """All that the rows of a resumable load depend on.

    ``options`` are what the user asked for, as text by option: a run that goes on must ask for the same.
    """

    model: Model
    seed: int
    state: TargetState
    verdicts: tuple[Verdict, ...]
    options: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A statement that is to be carried out after the rows, and whether it has been."""

    number: int
    statement: Statement
    done: bool


def is_unfinished(connection: sa.Connection) -> bool:
    """Whether the target holds a ledger: a load of it began, and has not ended."""
    return sa.inspect(connection).has_schema(SCHEMA)


def create(connection: sa.Connection, undertaking: Undertaking, statements: Sequence[Statement]) -> None:
    """Create the ledger of a load that carries out ``statements`` after the rows, in the transaction at hand."""
    connection.execute(CreateSchema(SCHEMA))
    for table in _METADATA.sorted_tables:
        connection.execute(CreateTable(table))
    content = _packed(undertaking.model)
    connection.execute(
        _RUN.insert(),
        {
            "version": VERSION,
            "dbclone": __version__,
            "fingerprint": _digest(content),
            "seed": undertaking.seed,
            "options": json.dumps(dict(undertaking.options)),
            "state": json.dumps(_state_to_json(undertaking.state)),
            "model": content,
        },
    )
    for number, verdict in enumerate(undertaking.verdicts):
        values = {"number": number, "table_key": verdict.table, "check_name": verdict.check}
        connection.execute(_VERDICT.insert(), {**values, "rows": _verdict_to_bytes(verdict)})
    for number, item in enumerate(statements):
        values = {"number": number, "kind": item.kind, "name": item.name, "table_key": item.table, "sql": item.sql}
        connection.execute(_STATEMENT.insert(), {**values, "done": False})


def read(connection: sa.Connection, target: str) -> Undertaking:
    """Return what the load of an unfinished target is; TargetError if there is none, or of another version."""
    if not is_unfinished(connection):
        raise TargetError(f"{target} holds no unfinished run (schema {SCHEMA}): run without --resume")
    row = connection.execute(sa.select(_RUN)).mappings().one()
    if row["version"] != VERSION:
        raise TargetError(
            f"the unfinished run of {target} was begun by dbclone {row['dbclone']}, whose ledger this version does not "
            "read: continue with that version, or start over with an empty database"
        )
    verdicts = connection.execute(sa.select(_VERDICT).order_by(_VERDICT.c.number)).mappings()
    return Undertaking(
        model=_unpacked(row["model"]),
        seed=row["seed"],
        state=_state_from_json(json.loads(row["state"])),
        verdicts=tuple(_verdict(v["table_key"], v["check_name"], v["rows"]) for v in verdicts),
        options=json.loads(row["options"]),
    )


def refuse_unfinished(connection: sa.Connection, target: str) -> None:
    """Raise TargetError if a load of the target began and has not ended; the message says how to go on."""
    if not is_unfinished(connection):
        return
    row = connection.execute(sa.select(_RUN.c.started, _RUN.c.dbclone)).one()
    raise TargetError(
        f"{target} is not complete: a run of dbclone {row.dbclone} that began at {row.started:%Y-%m-%d %H:%M %Z} has "
        f"not ended; the same command with --resume goes on with it, or start over with an empty database (DROP SCHEMA "
        f"{SCHEMA} CASCADE leaves the tables as they are)"
    )


def refuse_other(undertaking: Undertaking, options: Mapping[str, str], target: str) -> None:
    """Raise TargetError that names everything in which a run differs from the one that it is to go on with."""
    theirs = undertaking.options
    differing = [
        f"{name}: {theirs.get(name, 'not given')} then, {options.get(name, 'not given')} now"
        for name in sorted({*theirs, *options})
        if theirs.get(name) != options.get(name)
    ]
    if differing:
        raise TargetError(
            f"the unfinished run of {target} was begun otherwise, and its rows would not go with these: give the same "
            "options, or start over with an empty database",
            details=differing,
        )


def batches(connection: sa.Connection) -> dict[BatchKey, int]:
    """Return the rows of every batch that was written."""
    return {(TableKey(row.table_key), row.number): row.rows for row in connection.execute(sa.select(_BATCH))}


def note_batch(connection: sa.Connection, batch: Batch) -> None:
    """Note that a batch is written, in the transaction that writes it."""
    values = {"table_key": batch.table, "number": batch.number, "rows": batch.rows.num_rows}
    connection.execute(_BATCH.insert(), values)


def statements(connection: sa.Connection) -> list[Noted]:
    """Return the statements that come after the rows, in order."""
    rows = connection.execute(sa.select(_STATEMENT).order_by(_STATEMENT.c.number))
    return [
        Noted(
            number=row.number,
            statement=Statement(kind=row.kind, name=row.name, sql=row.sql, table=row.table_key),
            done=row.done,
        )
        for row in rows
    ]


def note_statement(connection: sa.Connection, number: int) -> None:
    """Note that a statement was carried out, in the transaction that did it."""
    connection.execute(_STATEMENT.update().where(_STATEMENT.c.number == number).values(done=True))


def drop(connection: sa.Connection) -> None:
    """Remove the ledger: the load has ended."""
    connection.execute(DropSchema(SCHEMA, cascade=True))


def fingerprint(model: Model) -> str:
    """Return a short text that tells the model from any other."""
    return _digest(_packed(model))[:12]


def _packed(model: Model) -> bytes:
    """Return the model as the bytes of a model file."""
    with tempfile.TemporaryDirectory(prefix="dbclone-") as folder:
        file = Path(folder) / "model"
        save_model(model, file)
        return file.read_bytes()


def _unpacked(content: bytes) -> Model:
    with tempfile.TemporaryDirectory(prefix="dbclone-") as folder:
        file = Path(folder) / "model"
        file.write_bytes(content)
        return load_model(file)


def _digest(content: bytes) -> str:
    """Return the digest that a model file has of itself."""
    with tempfile.TemporaryFile() as file:
        file.write(content)
        with zipfile.ZipFile(file) as archive:
            return str(json.loads(archive.read("header.json"))["digest"])


def _state_to_json(state: TargetState) -> dict[str, Any]:
    """Return the state as JSON data, without what is in the ledger otherwise, or was carried out when it was made."""
    values = asdict(replace(state, migrate=None, before_load=(), after_load=()))
    values["next_value"] = [[table, name, value] for (table, name), value in state.next_value.items()]
    values["kept"] = sorted(state.kept)
    return values


def _state_from_json(values: Mapping[str, Any]) -> TargetState:
    return TargetState(
        **{
            **values,
            "next_value": {(table, name): value for table, name, value in values["next_value"]},
            "emptied": tuple(values["emptied"]),
            "kept": frozenset(values["kept"]),
            "explained": tuple(values["explained"]),
            "before_load": (),
            "after_load": (),
        }
    )


def _verdict_to_bytes(verdict: Verdict) -> bytes:
    """Return rows, and as the last column whether they passed, as an Arrow stream."""
    columns = [*verdict.rows.columns, pa.chunked_array([pa.array(verdict.passed)])]
    table = pa.table(columns, names=[*verdict.rows.column_names, "passed"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _verdict(table: str, check: str, content: bytes) -> Verdict:
    rows = pa.ipc.open_stream(content).read_all()
    last = rows.num_columns - 1
    return Verdict(
        table=TableKey(table),
        check=check,
        rows=rows.remove_column(last),
        passed=np.asarray(rows.column(last), dtype=bool),
    )
