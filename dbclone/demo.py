"""``dbclone demo``: a real database of 1.5 million rows, cloned where there is no server at all.

Owns the two databases of the demo in the embedded PostgreSQL: the source is filled once and kept, the twin is made anew
each time. Everything else is what ``dbclone clone`` does.
"""

from __future__ import annotations

from dataclasses import dataclass

from dbclone import pipeline
from dbclone.config import Settings
from dbclone.db import embedded
from dbclone.db.connect import open_database
from dbclone.db.reflect import reflect_schema
from dbclone.events import OnEvent, Said
from dbclone.examples import load_example
from dbclone.results import Cloned
from dbclone.stages import Run

EXAMPLE = "complete_journey"


@dataclass(frozen=True, kw_only=True)
class Demonstrated:
    """What ``demo`` returns: the clone, and a command that opens each of the two databases, the source first."""

    cloned: Cloned
    commands: tuple[str, ...]


def run_demo(settings: Settings, on_event: OnEvent, *, full: bool = False) -> Demonstrated:
    """Fill the source unless it is there, clone it, and write a report beside the server's data."""
    source = f"{EXAMPLE}_full" if full else EXAMPLE
    twin = f"{source}_twin"
    run = Run(on_event)

    def say(line: str) -> None:
        on_event(Said(text=line))

    with run.stage("example"):
        server = embedded.start()
        server.create_database(source)
        if _is_empty(server.url(source)):
            loaded = load_example(EXAMPLE, server.url(source), full=full, progress=say)
            for note in loaded.notes:
                say(note)
        server.drop_database(twin)
        server.create_database(twin)
    report = server.data_dir.parent / f"{twin}.html"
    settings = settings.model_copy(update={"report": report})
    psql = f"{server.bin_dir / 'psql'} -h {server.socket_dir} -U {embedded.SUPERUSER}"
    cloned = pipeline.clone(f"{embedded.SCHEME}{source}", f"{embedded.SCHEME}{twin}", settings, on_event)
    return Demonstrated(cloned=cloned, commands=(f"{psql} {source}", f"{psql} {twin}"))


def _is_empty(url: str) -> bool:
    """Whether a database has no tables. The example is loaded in one transaction: it is there whole, or not at all."""
    with open_database(url) as database, database.snapshot() as connection:
        return not reflect_schema(connection, database.dialect).tables
