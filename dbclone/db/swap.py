"""Swap: a clone that takes the place of the tables that are there, all at once, when its transaction is committed."""

from __future__ import annotations

from sqlalchemy import Connection

from dbclone.db.connect import Database
from dbclone.db.dialects.swapping import ASIDE
from dbclone.db.reflect import reflect_schema
from dbclone.db.target import TargetState
from dbclone.errors import ConfigurationError, ConnectError, TargetError, at_most
from dbclone.schema.model import Schema


def prepare_swap(target: Database, schema: Schema) -> TargetState:
    """Return the state of a target whose schemas will be swapped for new ones; nothing is changed.

    Raises ConfigurationError where databases of this kind cannot do that, and TargetError if something would be lost.
    """
    if target.dialect.swapping is None:
        raise ConfigurationError(f"--swap: {target.dialect.name} cannot rename schemas in a transaction")
    with target.connect() as connection:
        live = reflect_schema(connection, target.dialect)
        wanted = {table.schema or live.default_schema for table in schema.tables}
        names = sorted(name for name in wanted if name)
        inside = [table for table in live.tables if (table.schema or live.default_schema) in wanted]
        others = [table.key for table in inside if table.key not in schema]
        problems = [f"{key} is not part of the clone, and would be gone" for key in others]
        problems += target.dialect.swapping.obstacles(connection, names) if inside else ()
    if problems:
        raise TargetError(f"{target.name} cannot be swapped: {', '.join(names)}", details=at_most(problems))
    return TargetState(is_new=True, on_existing="refuse", next_key={}, swapped=tuple(names) if inside else ())


def set_aside(target: Database, connection: Connection, state: TargetState) -> None:
    """Rename what is to be swapped, for this transaction and later ones."""
    if state.swapped and target.dialect.swapping is not None:
        target.dialect.swapping.set_aside(connection, state.swapped)


def copy_grants(target: Database, connection: Connection, state: TargetState) -> None:
    """Let everybody do with the clone what they may do with what it replaces."""
    if state.swapped and target.dialect.swapping is not None:
        target.dialect.swapping.copy_grants(connection, state.swapped)


def drop_aside(target: Database, state: TargetState) -> tuple[str, ...]:
    """Drop what was swapped out; if somebody still reads it, it stays, and a warning is returned."""
    if not state.swapped or target.dialect.swapping is None:
        return ()
    try:
        with target.connect() as connection, connection.begin():
            target.dialect.begin_load(connection)
            target.dialect.swapping.drop_aside(connection, state.swapped)
    except ConnectError:
        names = ", ".join(name + ASIDE for name in state.swapped)
        return (f"the clone is in place; what it replaced could not be dropped, and is still there: {names}",)
    return ()
