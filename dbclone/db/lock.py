"""One run at a time: a lock on the target, held from before it is looked at until the run has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from dbclone.db.connect import Database
from dbclone.errors import TargetError, interruption


@contextmanager
def held(target: Database) -> Iterator[None]:
    """Hold the target for this run. TargetError, which names the other one, if another run holds it.

    How it is held is the dialect's business; it ends with the connection: nothing is left to be cleared away after a
    crash.
    """
    with target.connect() as connection:
        holder = target.dialect.hold(connection)
        if holder is not None:
            raise TargetError(
                f"another run is writing to {target.name}: process {holder.process} at the server, {holder.name}, "
                f"since {holder.since:%Y-%m-%d %H:%M:%S %Z}; wait until it has ended, or end it"
            )
        try:
            yield
        except BaseException as error:
            if interruption(error):
                # Closed without a word: a server that hangs would not answer a rollback.
                connection.invalidate()
            raise
