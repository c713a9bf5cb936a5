"""One run of the pipeline under way: how long each stage takes, which one failed, what there is to tell.

Owns the bookkeeping that all commands share; the stages themselves are called by :mod:`dbclone.pipeline`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Literal

from dbclone import __version__
from dbclone.db.connect import Database, name_of, open_database
from dbclone.errors import DbcloneError
from dbclone.events import OnEvent, Stage, StageFinished, StageStarted, Warned
from dbclone.results import Record


class Run:
    """One run under way: times its stages, names the failed one, passes events on."""

    def __init__(self, on_event: OnEvent) -> None:
        self.on_event = on_event
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.versions = {"dbclone": __version__, "python": platform.python_version()}
        self.names: dict[str, str] = {}
        """What to call source and target: the URL without its password, or ``embedded:NAME`` as it was given."""
        self._inner: list[float] = []

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Run a block as a stage; an error in it carries the stage's name.

        A stage within another, as ``verify`` is within ``load``, is not counted as time of the outer one.
        """
        self.on_event(StageStarted(stage=stage))
        self._inner.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        except DbcloneError as error:
            error.stage = error.stage or stage
            raise
        finally:
            whole = time.perf_counter() - begun
            own = whole - self._inner.pop()
            if self._inner:
                self._inner[-1] += whole
            self.seconds[stage] = self.seconds.get(stage, 0.0) + own
            self.on_event(StageFinished(stage=stage, seconds=own))

    def warn(self, stage: Stage, messages: Iterable[str]) -> None:
        """Warn of each message, once."""
        for message in messages:
            if message not in self.warnings:
                self.warnings.append(message)
                self.on_event(Warned(stage=stage, message=message))

    @contextmanager
    def database(self, url: str, purpose: Literal["source", "target"]) -> Iterator[Database]:
        """Open a database for the length of a block."""
        with self.stage("connect"):
            database = open_database(url, purpose=purpose)
            self.names[purpose] = name_of(url)
        with database:
            yield database

    def record(self) -> Record:
        """Return what is known so far."""
        return Record(seconds=dict(self.seconds), warnings=tuple(self.warnings), versions=dict(self.versions))
