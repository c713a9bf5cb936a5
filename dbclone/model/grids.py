"""Grids: how far apart the values of a learned column are."""

from __future__ import annotations

from dbclone.model.literals import MONTH_DAYS
from dbclone.model.rules import Learned
from dbclone.schema.model import Column

_DAY = 86_400_000_000
MICROSECONDS = {-8: MONTH_DAYS * _DAY, -6: _DAY, -4: 3_600_000_000, -2: 60_000_000}
"""Microseconds of a :class:`~dbclone.model.rules.Learned` time's grid, by its negative ``decimals``."""


def grid_unit(rule: Learned, column: Column) -> float:
    """Return the distance of neighbouring values on the rule's grid; 0 where there is no grid."""
    if rule.kind in ("integer", "date", "boolean"):
        return 1.0
    if rule.kind in ("time", "timestamp", "timestamptz", "interval"):
        return float(microseconds(rule))
    if rule.kind == "decimal":
        return float(10.0 ** -decimal_grid(rule, column))
    return 0.0 if rule.decimals is None else float(10.0**-rule.decimals)


def microseconds(rule: Learned) -> int:
    """Return the microseconds of a time's grid."""
    decimals = 6 if rule.decimals is None else rule.decimals
    return MICROSECONDS[decimals] if decimals < 0 else 10 ** (6 - decimals)


def decimal_grid(rule: Learned, column: Column) -> int:
    """Return the digits after the point of a decimal's grid."""
    grid = rule.decimals if rule.decimals is not None else column.scale or 0
    return grid if column.scale is None else min(grid, column.scale)
