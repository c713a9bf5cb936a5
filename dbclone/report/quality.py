"""How close the clone's columns are to the source's: distances, and the share of columns that are near.

Owns what a distance means to a reader; the distances themselves are measured by ``db.verify`` and come as checks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from dbclone.model.flow import Check
from dbclone.schema.model import TableKey


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Distance between the distributions of one column in source and clone: 0 is the same, 1 has nothing in common."""

    table: TableKey
    column: str
    distance: float


@dataclass(frozen=True, kw_only=True)
class Quality:
    """All measured columns, the farthest first."""

    distances: tuple[Distance, ...]

    @property
    def shapes(self) -> float | None:
        """Mean of ``1 - distance`` over all columns, SDMetrics' *Column Shapes*; None if no column was measured."""
        values = [1.0 - item.distance for item in self.distances]
        return sum(values) / len(values) if values else None

    @property
    def median(self) -> float | None:
        """Median distance; None if no column was measured."""
        return median(item.distance for item in self.distances) if self.distances else None


def measure_quality(checks: Iterable[Check]) -> Quality:
    """Return the quality that the checks of kind ``distance`` show."""
    found = [
        Distance(table=check.table, column=check.name, distance=min(max(check.found, 0.0), 1.0))
        for check in checks
        if check.kind == "distance"
    ]
    return Quality(distances=tuple(sorted(found, key=lambda item: (-item.distance, item.table, item.column))))
