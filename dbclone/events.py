"""What the pipeline says while it runs: typed events for a callback. Nothing heavy is imported: anything may listen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dbclone.model.flow import Check
    from dbclone.schema.model import TableKey

Stage = Literal[
    "example", "connect", "reflect", "plan", "target", "sample", "learn", "rehearse", "load", "verify", "compare",
    "report",
]  # fmt: skip
"""The stages in order. ``target`` asks whether the target may be written to; ``load`` generates the rows it writes, and
``rehearse`` has the target judge some of them and undoes it;
``example`` is the demo's own: filling its source database."""


@dataclass(frozen=True, kw_only=True)
class StageStarted:
    """A stage begins."""

    stage: Stage


@dataclass(frozen=True, kw_only=True)
class StageFinished:
    """A stage ended, well or not."""

    stage: Stage
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a stage is: ``done`` of ``total`` (rows or tables; None where nobody knows), now at ``table``."""

    stage: Stage
    done: int
    total: int | None = None
    table: TableKey | None = None


@dataclass(frozen=True, kw_only=True)
class Said:
    """A line about what is going on, for people only."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Warned:
    """Something a user should know, and may want to act on."""

    stage: Stage
    message: str


@dataclass(frozen=True, kw_only=True)
class Checked:
    """Everything that verification found; an event of its own, so that a failed verification is reported in full."""

    checks: tuple[Check, ...]


Event = StageStarted | StageFinished | Progress | Said | Warned | Checked
OnEvent = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
