"""Results and errors as what the command line prints: lines for people, JSON data for machines.

With :mod:`dbclone.command`, the only module that formats for people. It prints nothing itself, and importing it loads
neither numpy nor a driver: an error in the options must appear at once.
"""

from __future__ import annotations

import dataclasses
import errno
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

from dbclone.errors import (
    INTERRUPTED_EXIT_CODE,
    ConfigurationError,
    DbcloneError,
    GateError,
    ResourceError,
    TargetError,
    Terminated,
    VerifyError,
)
from dbclone.render_plan import plan_lines, table_lines

if TYPE_CHECKING:
    from dbclone.demo import Demonstrated
    from dbclone.model.flow import Check
    from dbclone.results import Begun, Cloned, Compared, Described, Exported, Planned, Trained, Verified
    from dbclone.schema.model import TableKey


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command ends with: ``data`` for the JSON object, ``lines`` for stdout."""

    lines: tuple[str, ...]
    data: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 0


_URL_PASSWORD = re.compile(r"(://[^\s/:@]*:)\S*@")
_PARAMETER_PASSWORD = re.compile(r"((?:pass(?:word|wd|phrase)?|secret|token)=)[^&\s'\"]+", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """Return ``text`` with the password of any URL in it replaced.

    The last line of defence: messages are made without secrets, but a URL in the place of an option is repeated by the
    command-line parser, and a driver may repeat its connection string.

    ``no such option postgresql://ann:s3cret@host/shop`` → ``no such option postgresql://ann:***@host/shop``
    """
    return _PARAMETER_PASSWORD.sub(r"\1***", _URL_PASSWORD.sub(r"\1***@", text))


def rows_lines(source_rows: Mapping[TableKey, int], rows: Mapping[TableKey, int]) -> Iterator[str]:
    """Yield the summary table of a run: rows per table, source and clone."""
    lines = [(key, f"{source_rows.get(key, 0):,}", f"{count:,}") for key, count in rows.items()]
    total = ("all", f"{sum(source_rows.get(key, 0) for key in rows):,}", f"{sum(rows.values()):,}")
    yield from table_lines(("table", "source rows", "clone rows"), [*lines, total], right=(1, 2))


def repaired_lines(repaired: Mapping[TableKey, Mapping[str, int]], rows: Mapping[TableKey, int]) -> Iterator[str]:
    """Yield how many rows of each table were changed for each constraint."""
    lines = [
        (key, name, f"{count:,}", f"{100 * count / max(rows[key], 1):.1f} %")
        for key, counts in repaired.items()
        for name, count in counts.items()
    ]
    yield from table_lines(("table", "constraint", "rows", "share"), lines, right=(2, 3))


def check_lines(checks: Sequence[Check]) -> Iterator[str]:
    """Yield how many checks of each kind passed, how far the columns are from the source's, and each failed check."""
    for kind in dict.fromkeys(check.kind for check in checks if check.kind != "distance"):
        passed = sum(check.kind == kind and check.passed for check in checks)
        total = sum(check.kind == kind for check in checks)
        yield f"  {kind}: {passed:,} of {total:,} passed"
    distances = [check for check in checks if check.kind == "distance"]
    if distances:
        farthest = max(distances, key=lambda check: check.found)
        yield (
            f"  distance: median {median(check.found for check in distances):.3f} over {len(distances):,} columns, "
            f"largest {farthest.found:.3f} ({farthest.table}.{farthest.name})"
        )
    for check in checks:
        if not check.passed:
            yield f"  FAILED {describe_check(check)}"


def describe_check(check: Check) -> str:
    """Return one line about a check: ``orphans basket basket_store_fk: 3 found``."""
    where = check.table if check.name in ("", check.table) else f"{check.table} {check.name}"
    return f"{check.kind} {where}: {check.message or f'{check.found:g} found'}"


def check_data(check: Check) -> dict[str, Any]:
    """Return a check as JSON data."""
    return dataclasses.asdict(check)


def _table_data(table: TableKey, source_rows: int | None, rows: int) -> dict[str, Any]:
    return {"table": table, "source_rows": source_rows, "rows": rows}


def planned(result: Planned) -> Outcome:
    """Render the result of ``plan``, and of ``clone --dry-run``."""
    from dbclone.schema.plan import plan_to_json

    data = {
        "source": result.source,
        "tables": [_table_data(table.table, table.source_rows, table.rows) for table in result.plan.tables],
        "plan": plan_to_json(result.plan),
        "target": list(result.target),
        "changed": list(result.changed),
    }
    lines = [*plan_lines(result.plan, result.changed)]
    if result.target:
        lines += ["", "Target", *(f"  {line}" for line in result.target)]
    if result.diagram_file:
        lines += ["", f"diagram: {result.diagram_file}"]
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions)


def checked(result: Planned) -> Outcome:
    """Render the result of ``config check``: the plan was made, so everything in the file can be done."""
    tables = result.plan.tables
    line = f"the configuration fits {result.source}: {len(tables):,} tables, {result.plan.rows:,} rows to make"
    data = {"source": result.source, "tables": [_table_data(t.table, t.source_rows, t.rows) for t in tables]}
    return Outcome(lines=(line,), data=data, versions=result.record.versions)


def compared(result: Compared) -> Outcome:
    """Render the result of ``diff``: a difference ends the command with exit code 5."""
    missing = {item.table for item in result.differences if (item.kind, item.change) == ("TABLE", "missing")}
    extra = {item.table for item in result.differences if (item.kind, item.change) == ("TABLE", "extra")}
    shown = [
        item
        for item in result.differences
        # What belongs to a table that is not there, is not there either.
        if item.kind == "TABLE" or item.table not in (missing if item.change == "missing" else extra)
    ]
    lines = [f"  {item}" for item in shown]
    if result.proposals:
        lines += ["", "Alembic's comparison proposes", *(f"  {line}" for line in result.proposals)]
    if result.revision_file:
        lines += ["", f"revision: {result.revision_file}"]
        lines += [f"  not covered, to be done by hand: {item}" for item in result.by_hand]
    verdict = f"{len(result.differences):,} differences" if result.differences else "no difference"
    lines += [f"{result.source} → {result.target}: {verdict}"]
    data = {
        "source": result.source,
        "target": result.target,
        "differences": [dataclasses.asdict(item) for item in result.differences],
        "proposals": list(result.proposals),
        "revision": str(result.revision_file) if result.revision_file else None,
        "by_hand": [dataclasses.asdict(item) for item in result.by_hand],
    }
    code = TargetError.exit_code if result.differences else 0
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions, exit_code=code)


def trained(result: Trained) -> Outcome:
    """Render the result of ``train``."""
    sampled = sum(table.sample_rows for table in result.plan.tables)
    size = result.file.stat().st_size
    lines = (
        f"learned {len(result.plan.tables):,} tables from a sample of up to {sampled:,} rows of {result.source}",
        f"model: {result.file} ({size / 1e6:.1f} MB); write a twin with: dbclone generate {result.file} TARGET",
    )
    tables = [_table_data(table.table, table.source_rows, table.sample_rows) for table in result.plan.tables]
    data = {"source": result.source, "tables": tables, "model": str(result.file), "seed": result.seed}
    return Outcome(lines=lines, data=data, versions=result.record.versions)


def cloned(result: Cloned) -> Outcome:
    """Render the result of ``clone`` and of ``generate``."""
    source_rows = {table.table: table.source_rows for table in result.plan.tables}
    rows = {key: result.rows[key] for key in source_rows}
    lines = [*rows_lines(source_rows, rows), "", "Checks", *check_lines(result.checks), ""]
    if result.repaired:
        lines += ["Rows changed to keep a constraint", *repaired_lines(result.repaired, rows), ""]
    lines += [f"{result.source} → {result.target}: {sum(rows.values()):,} rows, every check passed"]
    files = {"model": result.model_file, "report": result.report_file}
    lines += [f"{name}: {file}" for name, file in files.items() if file]
    data = {
        "source": result.source,
        "target": result.target,
        "tables": [_table_data(key, source_rows[key], count) for key, count in rows.items()],
        "seed": result.seed,
        "repaired": [
            {"table": key, "constraint": name, "rows": count, "of": rows[key]}
            for key, counts in result.repaired.items()
            for name, count in counts.items()
        ],
        **{name: str(file) for name, file in files.items() if file},
        **({"quality": result.comparison.to_json()} if result.comparison is not None else {}),
    }
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions)


def exported(result: Exported) -> Outcome:
    """Render the result of ``generate --to``."""
    source_rows = {table.table: table.source_rows for table in result.plan.tables}
    total = sum(result.rows.values())
    files = f"{result.files:,} {result.format} file{'s' * (result.files != 1)}"
    lines = [*rows_lines(source_rows, result.rows), "", f"{result.source} → {result.to}: {total:,} rows in {files}"]
    data = {
        "source": result.source,
        "to": result.to,
        "format": result.format,
        "tables": [_table_data(key, source_rows[key], count) for key, count in result.rows.items()],
        "files": result.files,
        "seed": result.seed,
    }
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions)


def verified(result: Verified) -> Outcome:
    """Render the result of ``verify``: a failed check ends the command with exit code 7, a failed gate with 8."""
    failed = sum(not check.passed for check in result.checks)
    verdict = f"{failed:,} checks FAILED" if failed else "every check passed"
    lines = [*check_lines(result.checks), f"{result.target}: {sum(result.rows.values()):,} rows, {verdict}"]
    data: dict[str, Any] = {
        "target": result.target,
        "tables": [_table_data(key, None, rows) for key, rows in result.rows.items()],
    }
    if result.report_file is not None:
        lines += (f"report: {result.report_file}",)
        data["report"] = str(result.report_file)
    code = VerifyError.exit_code if failed else 0
    if result.privacy is not None:
        from dbclone.report.privacy import privacy_lines

        lines += privacy_lines(result.privacy)
        data["privacy"] = result.privacy.to_json()
        code = code or (0 if result.privacy.passed else GateError.exit_code)
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions, exit_code=code)


def begun(result: Begun) -> Outcome:
    """Render the result of ``init``."""
    counted = ", ".join(f"{count} {ending}" for ending, count in sorted(result.endings.items()))
    return Outcome(
        lines=(f"{result.file}: {sum(result.endings.values())} columns of {result.source}: {counted}",),
        data={"source": result.source, "file": str(result.file), "columns": dict(result.endings)},
        versions=result.record.versions,
    )


def described(result: Described) -> Outcome:
    """Render the result of ``metadata``: the metadata itself, unless it went to a file."""
    import json

    lines = [f"{name}: {file}" for name, file in (("metadata", result.file), ("diagram", result.diagram_file)) if file]
    if result.file is None:
        lines.insert(0, json.dumps(result.metadata, indent=4, ensure_ascii=False))
    notes = [dataclasses.asdict(note) for note in result.notes]
    data = {"source": result.source, "metadata": result.metadata, "notes": notes}
    return Outcome(lines=tuple(lines), data=data, versions=result.record.versions)


def demonstrated(result: Demonstrated) -> Outcome:
    """Render the result of ``demo``: the clone, where everything is, and how to look into it."""
    outcome = cloned(result.cloned)
    lines = (
        *outcome.lines,
        "Look into source and clone:",
        *(f"  {command}" for command in result.commands),
    )
    return dataclasses.replace(outcome, lines=lines, data={**outcome.data, "commands": result.commands})


def failed(error: BaseException, stage: str | None) -> Outcome:
    """Render an error: what happened on one line, then details, one problem each.

    Messages of the errors of dbclone only: others may repeat a value or a password. A KeyboardInterrupt is no error,
    and anything that is not a :class:`DbcloneError` is a bug.
    """
    if isinstance(error, DbcloneError):
        stage, code = error.stage or stage, error.exit_code
        message, details = without_secrets(" ← ".join(_chain(error))), tuple(map(without_secrets, error.details))
    elif isinstance(error, Terminated):
        code, message, details = Terminated.exit_code, "terminated", ()
    elif isinstance(error, KeyboardInterrupt):
        code, message, details = INTERRUPTED_EXIT_CODE, "interrupted", ()
    elif isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.ENOSPC)):
        what = "memory" if isinstance(error, MemoryError) or error.errno == errno.ENOMEM else "disk space"
        code, message, details = ResourceError.exit_code, f"this machine has no {what} left", ()
    else:
        code, details = DbcloneError.exit_code, ()
        message = f"this is a bug in dbclone ({type(error).__name__}): --debug shows where; please report it"
    where = f"{stage}: " if stage else ""
    data = {"exit_code": code, "stage": stage, "message": message, "details": list(details)}
    return Outcome(
        lines=(f"error: {where}{message}", *(f"  {detail}" for detail in details)),
        data={"error": data},
        exit_code=code,
    )


def misused(message: str, usage: str) -> Outcome:
    """Render an error of usage: how the command is called, and what was wrong."""
    message = without_secrets(message)
    code = ConfigurationError.exit_code
    error: dict[str, Any] = {"exit_code": code, "stage": None, "message": message, "details": []}
    return Outcome(lines=(usage, f"error: {message}"), data={"error": error}, exit_code=code)


def _chain(error: DbcloneError) -> Iterator[str]:
    """Yield the messages of an error and of those that caused it, each once."""
    cause: BaseException | None = error
    said = ""
    while isinstance(cause, DbcloneError):
        if str(cause) not in said:
            said += str(cause)
            yield str(cause)
        cause = cause.__cause__
