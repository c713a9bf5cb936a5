"""Moving a model in time: every date and time that it makes, by the same number of whole weeks."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from dbclone.errors import PlanError
from dbclone.model.folds import Fold
from dbclone.model.marginal import Marginal
from dbclone.model.parts import Model, TableModel
from dbclone.model.rules import Learned, Rule, SequenceKey, UuidKey
from dbclone.schema.model import Table

Floats = npt.NDArray[np.float64]

_DAY = 86_400_000_000
_UNITS = {"date": 1, "timestamp": _DAY, "timestamptz": _DAY}
"""A day on the axis of each kind of column that is moved."""
_EPOCH = date(1970, 1, 1)
_NEVER = (date(2200, 1, 1) - _EPOCH).days
"""Days from 1970 on from which a date is none but stands for "never", as 9999-12-31: it stays."""


def shifted(model: Model, to: date) -> Model:
    """Return the model whose latest date is ``to``, or up to six days before it, so that weekdays stay.

    Birth dates and what else is learned as a date move as well: the distances between all of them are kept. Raises
    PlanError if the model makes no dates.
    """
    ends = [
        end / _UNITS[rule.kind]
        for table in model.tables
        for rule in table.rules
        if isinstance(rule, Learned) and rule.kind in _UNITS
        for end in rule.marginal.high[np.abs(rule.marginal.high) < _NEVER * _UNITS[rule.kind]].tolist()
    ]
    if not ends:
        raise PlanError("--shift-dates: no table has a date or a time that is learned; leave the option out")
    latest = _EPOCH + timedelta(days=int(max(ends) // 1))
    days = (to - latest).days // 7 * 7
    tables = tuple(_table(table, model, days) for table in model.tables)
    return dataclasses.replace(model, tables=tables)


def _table(table: TableModel, model: Model, days: int) -> TableModel:
    described = model.plan.schema.table(table.table)
    return dataclasses.replace(
        table,
        rules=tuple(_rule(rule, described, days) for rule in table.rules),
        folds=tuple(_fold(fold, described, model, days) for fold in table.folds),
    )


def _rule(rule: Rule, described: Table, days: int) -> Rule:
    kind = described.column(rule.column).kind
    if isinstance(rule, SequenceKey) and kind in _UNITS:
        return dataclasses.replace(rule, start=rule.start + days * _UNITS[kind])
    if isinstance(rule, UuidKey) and rule.version == 7:
        return dataclasses.replace(rule, start_ms=rule.start_ms + days * _DAY // 1_000)
    moved: Rule = _moved(rule, days)
    return moved


def _moved(value: Any, days: int) -> Any:
    """Return a rule with every learned date in it moved, also those of elements, bounds and fields."""
    if isinstance(value, tuple):
        return tuple(_moved(item, days) for item in value)
    if isinstance(value, Learned):
        if value.kind not in _UNITS:
            return value
        return dataclasses.replace(value, marginal=_marginal(value.marginal, value.kind, days))
    if dataclasses.is_dataclass(value) and not isinstance(value, type | Marginal):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        changed = {name: new for name, item in fields.items() if (new := _moved(item, days)) is not item}
        return dataclasses.replace(value, **changed) if changed else value
    return value


def _fold(fold: Fold, described: Table, model: Model, days: int) -> Fold:
    kind, given = described.column(fold.column).kind, described
    if fold.given_key:
        key = next(key for key in described.foreign_keys if key.name == fold.given_key)
        given = model.plan.schema.table(key.parent)
    if fold.given and given.column(fold.given).kind in _UNITS:
        fold = dataclasses.replace(fold, pieces=_axis(fold.pieces, given.column(fold.given).kind, days))
    if fold.anchor or kind not in _UNITS:
        return fold
    return dataclasses.replace(fold, marginals=tuple(_marginal(m, kind, days) for m in fold.marginals))


def _marginal(marginal: Marginal, kind: str, days: int) -> Marginal:
    low, high = (_axis(values, kind, days) for values in (marginal.low, marginal.high))
    return dataclasses.replace(marginal, low=low, high=high)


def _axis(values: Floats, kind: str, days: int) -> Floats:
    unit = _UNITS[kind]
    return np.where(np.abs(values) < _NEVER * unit, values + days * float(unit), values)
