"""What people read: plans, checks and errors as lines, and never a password."""

from __future__ import annotations

import io

import pytest

from dbclone.config_file import make_settings
from dbclone.errors import ConfigurationError, LoadError, Terminated
from dbclone.events import Checked, Progress, Said, StageFinished, StageStarted, Warned
from dbclone.model.flow import Check
from dbclone.progress import Talk
from dbclone.render import check_lines, failed, without_secrets
from dbclone.render_plan import plan_lines
from dbclone.schema.model import TableKey
from dbclone.schema.plan import PlanOptions, make_plan
from tests.unit.shop import SHOP

ORDER = TableKey("order")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see postgresql://ann:s3cret@host/shop", "see postgresql://ann:***@host/shop"),
        ("postgresql://ann:a/b:c@d@host/shop", "postgresql://ann:***@host/shop"),
        ("postgresql://:s3cret@host", "postgresql://:***@host"),
        ("host=h password=s3cret user=ann", "host=h password=*** user=ann"),
        ("?sslmode=require&sslpassword=s3cret&x=1", "?sslmode=require&sslpassword=***&x=1"),
        ("postgresql://ann@host/shop and a:b@c", "postgresql://ann@host/shop and a:b@c"),
    ],
)
def test_passwords_are_replaced(text: str, expected: str) -> None:
    assert without_secrets(text) == expected


def test_a_plan_shows_roles_stars_steps_cost_and_losses() -> None:
    rows = {table.key: 100 for table in SHOP.tables}
    lines = list(plan_lines(make_plan(SHOP, rows, PlanOptions(scale=2))))
    text = "\n".join(lines)
    assert lines[0] == "postgresql 15.0: 4 tables, 400 rows → 800 rows"
    assert any(line.split()[-7:] == ["order", "100", "100", "200", "child", "of", "customer"] for line in lines)
    assert "  └─ order" in text or "  ├─ order" in text
    assert any(line.startswith("  └─ order  ") for line in lines)
    assert "write order\n" in text
    assert "NULL at first" in text
    assert "fill in " in text
    assert "MB of memory" in text
    assert "closes a cycle" in text


def test_a_plan_says_what_the_configuration_changed() -> None:
    plan = make_plan(SHOP, {table.key: 100 for table in SHOP.tables}, PlanOptions())
    settings = make_settings(exclude=["audit"], rows={"order": 7})
    changed = settings.changes([table.key for table in SHOP.tables])
    assert changed == ("left out: audit", "order: 7 rows")
    lines = list(plan_lines(plan, changed))
    assert lines[lines.index("The configuration") + 1 :][:2] == ["  left out: audit", "  order: 7 rows"]
    assert "The configuration" not in list(plan_lines(plan))


def test_checks_are_counted_and_failures_told() -> None:
    checks = (
        Check(kind="orphans", table=ORDER, name="order_customer", passed=True, found=0),
        Check(kind="orphans", table=ORDER, name="order_store", passed=False, found=3),
        Check(kind="distance", table=ORDER, name="at", passed=True, found=0.25),
        Check(kind="distance", table=ORDER, name="number", passed=True, found=0.75),
    )
    assert list(check_lines(checks)) == [
        "  orphans: 1 of 2 passed",
        "  distance: median 0.500 over 2 columns, largest 0.750 (order.number)",
        "  FAILED orphans order order_store: 3 found",
    ]


def test_an_error_names_its_stage_and_its_causes_once() -> None:
    error = LoadError("writing order: refused", details=["postgresql://ann:s3cret@host"])
    error.stage = "load"
    error.__cause__ = ConfigurationError("refused")
    outcome = failed(error, "verify")
    assert outcome.lines == ("error: load: writing order: refused", "  postgresql://ann:***@host")
    assert outcome.exit_code == 6


def test_talk_is_plain_lines_without_a_terminal_and_remembers() -> None:
    stream = io.StringIO()
    check = Check(kind="rows", table=ORDER, name="rows", passed=True, found=1)
    with Talk(quiet=False, stream=stream) as talk:
        talk.on_event(StageStarted(stage="load"))
        talk.on_event(Progress(stage="load", table=ORDER, done=1, total=2))
        talk.on_event(Said(text="half way"))
        talk.on_event(Warned(stage="load", message="slow"))
        talk.on_event(Checked(checks=(check,)))
        talk.on_event(StageFinished(stage="load", seconds=1.25))
    assert stream.getvalue().splitlines() == ["  half way", "warning: slow", "load  1.2 s"]
    assert talk.stage == "load"
    assert talk.record()["seconds"] == {"load": 1.25}
    assert talk.record()["warnings"] == ["slow"]
    assert talk.record()["checks"][0]["table"] == "order"


def test_quiet_says_nothing() -> None:
    stream = io.StringIO()
    with Talk(quiet=True, stream=stream) as talk:
        talk.on_event(Warned(stage="load", message="slow"))
        talk.on_event(StageFinished(stage="load", seconds=1.0))
    assert stream.getvalue() == ""


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_bars_move_and_lines_stay() -> None:
    stream = _Terminal()
    with Talk(quiet=False, stream=stream) as talk:
        talk.on_event(StageStarted(stage="load"))
        talk.on_event(Progress(stage="load", table=ORDER, done=1, total=2))
        talk.on_event(StageStarted(stage="verify"))
        talk.on_event(StageFinished(stage="verify", seconds=0.5))
        talk.on_event(Progress(stage="load", table=ORDER, done=2, total=2))
        talk.on_event(StageFinished(stage="load", seconds=1.0))
    assert "verify  0.5 s" in stream.getvalue()
    assert "load  1.0 s" in stream.getvalue()


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), 9, "this machine has no memory left"),
        (OSError(28, "No space left on device"), 9, "this machine has no disk space left"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(), 143, "terminated"),
        (OSError(5, "s3cret"), 1, "this is a bug in dbclone (OSError): --debug shows where; please report it"),
    ],
)
def test_what_is_no_error_of_dbclone(error: BaseException, code: int, message: str) -> None:
    outcome = failed(error, "load")
    assert outcome.exit_code == code
    assert outcome.lines == (f"error: load: {message}",)
