"""The report of a run: what it compares, gathered as the page's value and written to its file."""

from __future__ import annotations

import dataclasses

from dbclone.config import Settings
from dbclone.db.compare import compare
from dbclone.db.connect import Database
from dbclone.db.sample import take_sample
from dbclone.events import Checked
from dbclone.model.flow import Sample
from dbclone.model.parts import Model
from dbclone.model.rules import Learned
from dbclone.report.comparison import Comparison, compare_samples
from dbclone.report.html import Report, TableRows, render_html
from dbclone.results import Cloned, Verified
from dbclone.stages import Run
from dbclone.steps import write_text


def reported(
    run: Run,
    result: Cloned,
    settings: Settings,
    origin: Database | None,
    goal: Database,
    *,
    model: Model,
    sample: Sample | None = None,
) -> Cloned:
    """Write the report, if one is asked for; with the source at hand, compare the clone with it for that.

    ``sample`` is what was learned from: the clone is sampled alike, and both are laid side by side.
    """
    if settings.report is None:
        return result
    checks = result.checks
    comparison = None
    if sample is not None:
        with run.stage("compare"):
            comparison = _side_by_side(goal, result, model, sample)
    if origin is not None:
        with run.stage("compare"):
            found = compare(origin, goal, result.plan.schema)
        checks += tuple(check for check in found if check.kind == "distance")
        run.warn("compare", (f"{c.table} {c.name}: {c.message}" for c in found if not c.passed))
        run.on_event(Checked(checks=checks))
    record = run.record()
    with run.stage("report"):
        report = Report(
            source=result.source,
            target=result.target,
            schema=result.plan.schema,
            tables=tuple(
                TableRows(table=t.table, source_rows=t.source_rows, rows=result.rows[t.table])
                for t in result.plan.tables
            ),
            checks=checks,
            seconds=record.seconds,
            warnings=record.warnings,
            notes=tuple(f"{note.table}: {note.message}" for note in result.plan.notes),
            seed=result.seed,
            versions=record.versions,
            comparison=comparison,
            stars=result.plan.stars,
            started=_started(settings),
        )
        write_text(settings.report, render_html(report))
    return dataclasses.replace(
        result, checks=checks, record=run.record(), report_file=settings.report, comparison=comparison
    )


def report_verified(result: Verified, settings: Settings) -> Verified:
    """Write the report of what was verified, if one is asked for."""
    if settings.report is None:
        return result
    report = Report(
        source=result.source,
        target=result.target,
        schema=result.schema,
        tables=tuple(TableRows(table=key, source_rows=None, rows=rows) for key, rows in result.rows.items()),
        checks=result.checks,
        seconds=result.record.seconds,
        warnings=result.record.warnings,
        notes=(),
        seed=settings.seed,
        versions=result.record.versions,
        started=_started(settings),
        privacy=result.privacy,
    )
    write_text(settings.report, render_html(report))
    return dataclasses.replace(result, report_file=settings.report)


def _started(settings: Settings) -> str:
    return f"{settings.started_at:%Y-%m-%d %H:%M %Z}" if settings.started_at else ""


def _side_by_side(goal: Database, result: Cloned, model: Model, sample: Sample) -> Comparison:
    """Return how the clone differs from the sample, of a sample of its own that is taken in the same way."""
    plan = result.plan
    tables = tuple(
        dataclasses.replace(
            table,
            source_rows=result.rows[table.table],
            sample_rows=min(result.rows[table.table], table.sample_rows),
            copied=False,
        )
        for table in plan.tables
    )
    with goal.snapshot() as connection:
        twin = take_sample(connection, goal.dialect, dataclasses.replace(plan, tables=tables), seed=result.seed)
    learned = {
        table.table: tuple(rule.column for rule in table.rules if isinstance(rule, Learned)) for table in model.tables
    }
    return compare_samples(plan.schema, sample, twin, learned)
