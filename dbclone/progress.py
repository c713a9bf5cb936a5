"""Events of the pipeline as talk on stderr: bars on a terminal, a line per stage elsewhere, or a JSON object per event.

Owns the talk stream and keeps what the events said (seconds, warnings, checks), so that a failed command can report as
much as a finished one. Rich is imported on a terminal only.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TextIO

from dbclone.events import Checked, Event, Progress, Said, Stage, StageFinished, StageStarted, Warned
from dbclone.render import check_data, without_secrets

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from dbclone.model.flow import Check

Form = Literal["auto", "plain", "json"]


class Talk:
    """Takes events. ``stage`` is the stage under way, or the last one."""

    def __init__(self, *, quiet: bool, stream: TextIO | None = None, form: Form = "auto") -> None:
        self.quiet = quiet
        self.form: Form = form
        self.stream = stream or sys.stderr
        self.stage: Stage | None = None
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []
        self.checks: tuple[Check, ...] = ()
        self._bars: Bars | None = None

    def __enter__(self) -> Talk:
        if not self.quiet and self.form == "auto" and self.stream.isatty():
            self._bars = _bars(self.stream)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Write one line, above the bars if there are any."""
        if self.quiet or self.form == "json":
            return
        if self._bars is not None:
            self._bars.console.print(without_secrets(line), markup=False, highlight=False, soft_wrap=True)
        else:
            print(without_secrets(line), file=self.stream, flush=True)

    def on_event(self, event: Event) -> None:
        """Show one event and remember what it says."""
        if self.form == "json" and not self.quiet:
            print(without_secrets(json.dumps(event_data(event), ensure_ascii=False)), file=self.stream, flush=True)
        if isinstance(event, StageStarted):
            self.stage = event.stage
            self._start_bar(event.stage)
        elif isinstance(event, StageFinished):
            self.seconds[event.stage] = self.seconds.get(event.stage, 0.0) + event.seconds
            self._end_bar()
            self.say(f"{event.stage}  {event.seconds:.1f} s")
        elif isinstance(event, Progress):
            self._move_bar(event)
        elif isinstance(event, Said):
            self.say(f"  {event.text}")
        elif isinstance(event, Warned):
            self.warnings.append(event.message)
            self.say(f"warning: {event.message}")
        else:
            self.checks = event.checks

    def _start_bar(self, stage: Stage) -> None:
        if self._bars is not None:
            self._bars.add_task(stage, total=None)

    def _end_bar(self) -> None:
        if self._bars is not None:
            for task in self._bars.task_ids:
                self._bars.remove_task(task)

    def _move_bar(self, event: Progress) -> None:
        if self._bars is not None and self._bars.task_ids:
            what = f"{event.stage} {event.table}" if event.table else event.stage
            self._bars.update(self._bars.task_ids[-1], description=what, completed=event.done, total=event.total)

    def record(self) -> dict[str, Any]:
        """Return what the events said, as JSON data."""
        return {
            "checks": [check_data(check) for check in self.checks],
            "seconds": {stage: round(seconds, 3) for stage, seconds in self.seconds.items()},
            "warnings": self.warnings,
        }


def event_data(event: Event) -> dict[str, Any]:
    """Return an event as JSON data: ``{"event": "progress", "stage": "load", "done": 500, "total": 900 …}``."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
    if isinstance(event, Checked):
        return {"event": name, "checks": [check_data(check) for check in event.checks]}
    return {"event": name, **dataclasses.asdict(event)}


def _bars(stream: TextIO) -> Bars:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        """Rows, or tables, per second."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed and speed >= 10 else "")

    columns = (
        TextColumn("{task.description}", table_column=None),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(compact=True),
    )
    return Progress(*columns, console=Console(file=stream), transient=True)
