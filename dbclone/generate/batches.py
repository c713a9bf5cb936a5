"""``generate``: batches of rows from a model and a seed, each computable on its own.

A batch of a root table is a range of its rows; a batch of a child table is all children of a range of its primary parent's
rows. What a batch needs of other tables (its parents' scores, a linked row's key) it computes from the model, or takes
from what this process computed before: the same values either way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from dbclone.generate import constraints
from dbclone.generate.layout import Layouts
from dbclone.generate.references import References
from dbclone.generate.rows import Rows
from dbclone.generate.shared import Name, Shared, is_distinct
from dbclone.model.flow import Batch
from dbclone.model.parts import Model
from dbclone.model.rules import Omitted
from dbclone.schema.model import TableKey


class Generator:
    """All rows that a model makes with a seed. ``rows`` are those to make per table, ``next_keys`` where keys begin."""

    def __init__(
        self,
        model: Model,
        *,
        seed: int,
        rows: Mapping[TableKey, int] | None = None,
        next_keys: Mapping[TableKey, int] | None = None,
    ) -> None:
        self.shared = Shared(model, seed, rows or {}, next_keys or {})
        self.references = References(self.shared, lambda: self.layouts, self._finished)
        self.layouts = Layouts(
            model, self.shared.streams, self.shared.rows, limit=self.references.most_children, whole=self._is_whole
        )
        self._judges: dict[TableKey, constraints.Judge | None] = {}

    @property
    def rows(self) -> Mapping[TableKey, int]:
        """Rows that are made per table."""
        return self.shared.rows

    def batches(self) -> Iterator[Batch]:
        """Yield all batches, table by table in load order."""
        for plan in self.shared.plan.tables:
            for number in range(self.batch_count(plan.table)):
                yield self.batch(plan.table, number)

    def batch_count(self, table: TableKey) -> int:
        """Return the number of batches of a table."""
        return self.layouts.of(table).blocks if self.rows.get(table) else 0

    def batch(self, table: TableKey, number: int) -> Batch:
        """Return one batch: always the same rows for the same model, seed and row counts."""
        columns = self._finished(table, number)
        names = [column.name for column in self.shared.schema.table(table).columns if column.name in columns]
        return Batch(
            table=table,
            number=number,
            first_row=self.layouts.of(table).first_row(number),
            rows=pa.table([columns[name] for name in names], names=names),
        )

    def _finished(self, table: TableKey, number: int) -> dict[Name, pa.Array]:
        """Return all columns of a batch."""
        rows = Rows(self.references, self.layouts.of(table), number)
        rows.make_unique()
        return rows.checked(lambda types: self._judge(table, types))

    def _judge(self, table: TableKey, types: Mapping[Name, pa.DataType]) -> constraints.Judge | None:
        if table not in self._judges:
            schema = self.shared.schema
            self._judges[table] = constraints.judge(schema.table(table), schema.dialect, types)
        return self._judges[table]

    def _is_whole(self, table: TableKey) -> bool:
        """Whether a table has to be one batch: a unique key neither by index nor within one family of children."""
        return any(not self._is_local(table, key) for key in self.shared.schema.table(table).uniques())

    def _is_local(self, table: TableKey, key: Sequence[Name]) -> bool:
        plan = self.shared.plan.table(table)
        rules = [self.shared.rule(table, name) for name in key]
        if any(is_distinct(rule) or isinstance(rule, Omitted) for rule in rules):
            return True
        if plan.primary is not None and set(plan.primary.foreign_key.columns) <= set(key):
            return True
        return any(r.unique and not r.shared and set(r.foreign_key.columns) <= set(key) for r in plan.links)
