"""How far a load is: the parts it has, the rows it wrote on whichever connection, and who is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan

Part = Literal["definition", "rows", "constraints", "scripts", "sequences", "statistics", "checks", "commit"]


@dataclass(frozen=True, kw_only=True)
class LoadEvent:
    """Progress: the part at work, on what, and rows of ``table`` written so far (of ``total`` planned)."""

    part: Part
    name: str = ""
    table: TableKey | None = None
    rows: int = 0
    total: int = 0


OnLoad = Callable[[LoadEvent], None]


def ignore(_: LoadEvent) -> None:
    """Do without progress."""


class Tally:
    """What a load has written so far, and what people should know of it. Its connections share it."""

    def __init__(self, plan: Plan, on_event: OnLoad, rows: Mapping[TableKey, int] | None = None) -> None:
        self.plan = plan
        self.rows: dict[TableKey, int] = {table.key: 0 for table in plan.schema.tables} | dict(rows or {})
        self.warnings: list[str] = []
        self._on_event = on_event
        self._lock = threading.Lock()

    def wrote(self, table: TableKey, rows: int) -> None:
        """Count rows that are at the target, and tell."""
        with self._lock:
            self.rows[table] += rows
            total = self.plan.table(table).rows
            self._on_event(LoadEvent(part="rows", table=table, rows=self.rows[table], total=total))

    def tell(self, part: Part, name: str = "") -> None:
        """Tell that a part, or a step of it, begins."""
        with self._lock:
            self._on_event(LoadEvent(part=part, name=name))

    def warn(self, message: str) -> None:
        """Keep something that people should know of the result."""
        with self._lock:
            self.warnings.append(message)
