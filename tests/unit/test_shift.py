"""Clones moved in time: every date by the same whole weeks, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from dbclone.errors import PlanError
from dbclone.generate.batches import Generator
from dbclone.learn.train import train
from dbclone.model.parts import Model
from dbclone.model.shift import shifted
from dbclone.schema.model import TableKey
from tests.bench.chain import ACCOUNT, CLIENT, LINE, ORDER, chain
from tests.bench.halves import plan_of, sample_of
from tests.unit.grocer import grocer_model


def rows_of(model: Model) -> dict[TableKey, pa.Table]:
    made: dict[TableKey, list[pa.Table]] = {}
    for batch in Generator(model, seed=1).batches():
        made.setdefault(batch.table, []).append(batch.rows)
    return {key: pa.concat_tables(tables).unify_dictionaries() for key, tables in made.items()}


def test_all_dates_move_by_the_same_weeks() -> None:
    source = chain(60)
    plan = plan_of(source)
    model = train(sample_of(source, plan), plan, None, seed=1)
    as_learned, moved = rows_of(model), rows_of(shifted(model, date(2031, 5, 1)))
    assert moved[LINE].equals(as_learned[LINE])
    apart = set()
    for table, column in ((CLIENT, "since"), (ACCOUNT, "opened"), (ORDER, "placed"), (ORDER, "closed")):
        pairs = zip(as_learned[table][column].to_pylist(), moved[table][column].to_pylist(), strict=True)
        apart |= {later - before for before, later in pairs if before is not None}
    weeks = [round(delta / timedelta(days=7)) for delta in apart]
    assert len(set(weeks)) == 1
    assert weeks[0] > 100
    assert max(abs(delta - timedelta(weeks=weeks[0])) for delta in apart) <= timedelta(seconds=2)  # rounded to seconds
    latest = max(moved[ORDER]["closed"].drop_null().to_pylist())
    assert latest.date() <= date(2031, 5, 1)


def test_nothing_to_move_is_refused() -> None:
    with pytest.raises(PlanError, match="--shift-dates"):
        shifted(grocer_model(), date(2030, 1, 1))
