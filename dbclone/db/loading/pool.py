"""Several sessions at once, each in a thread of its own: NumPy, Arrow and libpq release the interpreter's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable

from dbclone.db.connect import Database
from dbclone.db.dialects.base import Fault
from dbclone.db.loading.session import Session
from dbclone.db.loading.tally import Part, Tally


class Pool:
    """Sessions that work side by side. ``stopped`` is set by the first error, and by an interruption."""

    def __init__(self, target: Database, tally: Tally, connections: int, outcome: Callable[[Part, Fault], str]) -> None:
        self.target, self.tally, self.connections, self.outcome = target, tally, connections, outcome
        self.stopped = threading.Event()
        self._sessions: list[Session] = []
        self._errors: list[BaseException] = []

    def run(
        self, work: Callable[[Session], None], meanwhile: Callable[[], None] = lambda: None, *, cancel: bool = False
    ) -> None:
        """Have every session do ``work``, and ``meanwhile`` here; return when all of them have ended.

        Raises the first error, when the others have finished what they were at: ``work`` looks at ``stopped``. So does
        an interruption; with ``cancel``, it ends what they are at.
        """
        threads = [
            threading.Thread(target=self._work, args=[work], name=f"dbclone-load-{number}", daemon=True)
            for number in range(self.connections)
        ]
        for thread in threads:
            thread.start()
        try:
            meanwhile()
            for thread in threads:
                thread.join()
        except BaseException:
            self.stopped.set()
            for session in self._sessions if cancel else ():
                session.dialect.cancel(session.connection)
            for thread in threads:
                thread.join()
            raise
        if self._errors:
            raise self._errors[0]

    def _work(self, work: Callable[[Session], None]) -> None:
        try:
            with self.target.connect() as connection:
                session = Session(connection, self.target.dialect, self.tally)
                self._sessions.append(session)
                with session.translated(self.outcome):
                    work(session)
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._errors.append(error)
            self.stopped.set()
