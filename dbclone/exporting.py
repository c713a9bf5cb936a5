"""``generate --to``: a twin as files, from a model file alone.

What only a database can judge is judged by none here; ``generate`` into a database asks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from dbclone.config import Settings
from dbclone.db.dialects import dialect_for
from dbclone.errors import ConfigurationError, PlanError
from dbclone.events import OnEvent, Progress, ignore
from dbclone.generate.batches import Generator
from dbclone.model.flow import Batch
from dbclone.model.parts import Model
from dbclone.results import Exported
from dbclone.run.files import Folder, Script, write_files
from dbclone.run.making import making
from dbclone.schema.plan import Backfill, Suspend
from dbclone.stages import Run
from dbclone.steps import model_of


def generate_files(model_file: Path, settings: Settings, on_event: OnEvent = ignore) -> Exported:
    """Write a twin of what ``model_file`` was learned from as files to ``settings.to``."""
    if settings.to is None:
        raise ConfigurationError("where the files are to be written is missing: give --to DIR_OR_URL")
    run = Run(on_event)
    model = model_of(run, model_file, settings)
    script = _script(model, settings) if settings.format == "sql" else None
    with run.stage("target"):
        folder = Folder(settings.to)
    generator = Generator(model, seed=settings.seed)
    about = {"seed": settings.seed, "versions": run.versions}
    with (
        run.stage("load"),
        closing(making(generator, workers=settings.workers, scheduler=settings.scheduler)) as batches,
    ):
        told = _told(run, batches, model.plan.rows)
        written = write_files(folder, settings.format, told, model.plan.schema, about, script)
    return Exported(
        source=str(model_file),
        to=settings.to,
        format=settings.format,
        plan=model.plan,
        rows={table.table: written.rows.get(table.table, 0) for table in model.plan.tables},
        files=len(written.files),
        seed=settings.seed,
        record=run.record(),
    )


def _told(run: Run, batches: Iterable[Batch], total: int) -> Iterator[Batch]:
    done = 0
    for batch in batches:
        yield batch
        done += batch.rows.num_rows
        run.on_event(Progress(stage="load", table=batch.table, done=done, total=total))


def _script(model: Model, settings: Settings) -> Script:
    """Return what makes a script; raise for what a script cannot do."""
    plan, dialect = model.plan, dialect_for(model.plan.schema.dialect)
    ddl = None if settings.definition == "none" else model.ddl
    circular = [step.table for step in plan.steps if isinstance(step, Backfill | Suspend)]
    if circular and ddl is None:
        raise PlanError(
            f"{circular[0]}: tables that refer to each other in a circle cannot be filled by a script that does not "
            "define them: leave out --schema none"
        )
    dialect.script((), plan.schema, ddl)
    return lambda batches: dialect.script(batches, plan.schema, ddl)
