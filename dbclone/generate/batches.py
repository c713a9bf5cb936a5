"""``generate``: batches of rows from a model and a seed, each computable on its own.

A batch of a root table is a range of its rows; a batch of a child table is all children of a range of its primary
parent's rows. What a batch needs of other tables (its parents' scores, a linked row's key) it computes from the model,
or takes from what this process computed before: the same values either way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import constraints, exclusion, unique
from dbclone.generate.clusters import Cluster
from dbclone.generate.conditions import Draws, Kept
from dbclone.generate.layout import Layouts
from dbclone.generate.references import References
from dbclone.generate.rows import Rows
from dbclone.generate.shared import Name, Shared, is_distinct
from dbclone.model.flow import Batch, Verdict
from dbclone.model.parts import Model
from dbclone.model.rules import Omitted
from dbclone.schema.checks import columns_of
from dbclone.schema.model import Check, Exclusion, TableKey

CANDIDATES = 10_000
"""Rows of a table that the target judges beforehand, at least; all of a table with no more."""


CACHED_CLUSTERS = 8


class Generator:
    """All rows that a model makes with a seed. ``rows`` are those to make per table, ``next_keys`` where keys begin.

    For rows that are added to others: ``next_values`` is where unique numbers begin that are not the primary key, and
    ``rows_before`` how many rows there are, by table; values that are made by index are made by the ones after.

    ``verdicts`` are what the target said of :meth:`candidates`; like model and seed, they decide which rows are made.
    """

    def __init__(
        self,
        model: Model,
        *,
        seed: int,
        rows: Mapping[TableKey, int] | None = None,
        next_keys: Mapping[TableKey, int] | None = None,
        next_values: Mapping[tuple[TableKey, Name], int] | None = None,
        rows_before: Mapping[TableKey, int] | None = None,
        verdicts: Sequence[Verdict] = (),
    ) -> None:
        self.verdicts = tuple(verdicts)
        self._left_out: frozenset[tuple[TableKey, int]] = frozenset()
        self._arguments = {
            "model": model, "seed": seed, "rows": rows, "next_keys": next_keys, "next_values": next_values,
            "rows_before": rows_before, "verdicts": self.verdicts,
        }  # fmt: skip
        self.shared = Shared(
            model, seed, rows or {}, next_keys or {}, next_values=next_values or {}, rows_before=rows_before or {}
        )
        self._finished = lru_cache(maxsize=CACHED_CLUSTERS)(self._made)
        self.references = References(self.shared, lambda: self.layouts, finished=self._finished_column)
        self.layouts = Layouts(
            model, self.shared.streams, self.shared.rows, room=self.references.room, whole=self._is_whole
        )
        self._kept: dict[tuple[TableKey, Name], Kept] = {}
        self._spans: dict[TableKey, list[exclusion.Spans]] = {}
        self._emptied: dict[TableKey, tuple[tuple[str, tuple[Name, ...]], ...]] = {}
        for table in model.tables:
            self._exclude(table.table)
        self._repaired: dict[tuple[TableKey, int], dict[Name, Mapping[str, int]]] = {}
        self._copied = {copied.table: copied.rows() for copied in model.copied}

    def __reduce__(self) -> tuple[Callable[..., Generator], tuple[Mapping[str, Any]]]:
        """Travel as model, seed and numbers: whoever unpickles it makes the same batches."""
        return _made_from, (self._arguments,)

    @property
    def rows(self) -> Mapping[TableKey, int]:
        """Rows that are made per table, or taken over."""
        return {**self.shared.rows, **{table: rows.num_rows for table, rows in self._copied.items()}}

    def leave_out(self, batches: Iterable[tuple[TableKey, int]]) -> None:
        """Leave batches out of :meth:`numbers` and :meth:`batches`: they are there already."""
        self._left_out = frozenset(batches)

    def numbers(self) -> Iterator[tuple[TableKey, int]]:
        """Yield table and number of all batches that are to be made, table by table in load order."""
        for plan in self.shared.plan.tables:
            for number in range(self.batch_count(plan.table)):
                if (plan.table, number) not in self._left_out:
                    yield plan.table, number

    def batches(self) -> Iterator[Batch]:
        """Yield all batches, table by table in load order."""
        for table, number in self.numbers():
            yield self.batch(table, number)

    def batch_count(self, table: TableKey) -> int:
        """Return the number of batches of a table."""
        if table in self._copied:
            return 1
        return self.layouts.of(table).blocks if self.shared.rows.get(table) else 0

    def batch(self, table: TableKey, number: int) -> Batch:
        """Return one batch: always the same rows for the same model, seed and row counts."""
        if table in self._copied:
            return Batch(table=table, number=number, first_row=0, rows=self._copied[table])
        clusters = self.references.clusters.of(table)
        columns = {n: made for cluster in clusters for n, made in self._finished(table, number, cluster).items()}
        names = [column.name for column in self.shared.schema.table(table).columns if column.name in columns]
        return Batch(
            table=table,
            number=number,
            first_row=self.layouts.of(table).first_row(number),
            rows=pa.table([columns[name] for name in names], names=names),
        )

    def repaired(self) -> dict[TableKey, dict[str, int]]:
        """Return, per table and constraint, how many rows of the batches made so far were repaired to keep it."""
        found: dict[TableKey, Counter[str]] = {}
        for table, number in self._repaired:
            found.setdefault(table, Counter()).update(self.repaired_in(table, number))
        return {table: dict(counts) for table, counts in found.items() if counts}

    def repaired_in(self, table: TableKey, number: int) -> Mapping[str, int]:
        """Return, per constraint, how many rows of a batch made here were repaired."""
        found: Counter[str] = Counter()
        for counts in self._repaired.get((table, number), {}).values():
            found.update(counts)
        return dict(found)

    def note_repaired(self, table: TableKey, number: int, counts: Mapping[str, int]) -> None:
        """Note how many rows of a batch made elsewhere were repaired."""
        if counts:
            self._repaired[table, number] = {"": counts}

    def candidates(self, table: TableKey) -> tuple[tuple[Check, ...], pa.Table]:
        """Return the conditions on rows of a table, and for the target to judge their columns in rows not yet repaired.

        Those are rows of the table, all of a small one where there are conditions that only the target can judge, and
        others drawn anew.
        """
        if not self.shared.rows.get(table):
            return (), pa.table({})
        described, dialect = self.shared.schema.table(table), self.shared.schema.dialect
        written = {
            c.name for c in described.written_columns if not isinstance(self.shared.rule(table, c.name), Omitted)
        }
        conditions = tuple(
            check for check in constraints.row_conditions(described) if check.columns and set(check.columns) <= written
        )
        if not conditions:
            return (), pa.table({})
        names = [c.name for c in described.columns if any(c.name in check.columns for check in conditions)]
        parts: list[pa.Table] = []
        rows, wanted = 0, 2 * CANDIDATES
        for number in range(self.batch_count(table)):
            made = self.references.draft(table, number)
            if not len(made.scores):
                # A batch is all children of some parents, which may have none.
                continue
            batch = {name: made.column(name) for name in names}
            is_first = not parts
            parts.append(_plain_table(batch).slice(0, wanted))
            rows += parts[-1].num_rows
            if is_first:
                judge = constraints.judge(described, dialect, {n: a.type for n, a in batch.items()}, ())
                if judge is not None and not judge.unjudged:
                    wanted = rows
                draws = Draws(made, batch, self.shared.streams.generator("candidates", table))
                parts.append(_plain_table(draws(min(rows + 1_000, CANDIDATES))))
            if rows >= wanted:
                break
        return conditions, pa.concat_tables(parts)

    def _finished_column(self, table: TableKey, number: int, column: Name) -> pa.Array:
        return self._finished(table, number, self.references.clusters.having(table, column))[column]

    def _made(self, table: TableKey, number: int, cluster: Cluster) -> dict[Name, pa.Array]:
        """Return the columns of a cluster in a batch."""
        rows = Rows(self.references, self.layouts.of(table), number, cluster)
        rows.make_unique()
        done = rows.finished(lambda types: self._conditions(table, cluster, types))
        if done.repaired:
            self._repaired.setdefault((table, number), {})[cluster.name] = done.repaired
        return done.columns

    def _conditions(self, table: TableKey, cluster: Cluster, types: Mapping[Name, pa.DataType]) -> Kept:
        """Return what the rows of a table have to fulfil in a cluster; PlanError for what cannot be kept."""
        at = (table, cluster.name)
        if at not in self._kept:
            schema = self.shared.schema
            described = schema.table(table)
            keys, _ = unique.special_keys(described, schema.dialect, types)
            routing = described.routing if described.routing and cluster.keeps(described.routing.columns) else None
            checks = tuple(check for check in described.checks if cluster.keeps(check.columns))
            mine = replace(described, checks=checks, routing=routing)
            self._kept[at] = Kept(
                judge=constraints.judge(mine, schema.dialect, types, self.verdicts),
                keys=tuple(key for key in keys if cluster.keeps(key.reads)),
                exclusions=tuple(i for i in self._spans[table] if cluster.keeps((*i.written, *i.reads))),
                emptied=tuple(item for item in self._emptied[table] if cluster.keeps(item[1])),
            )
        return self._kept[at]

    def _exclude(self, table: TableKey) -> None:
        """Decide how each exclusion constraint is kept. PlanError for one that cannot be."""
        described, dialect = self.shared.schema.table(table), self.shared.schema.dialect
        self._spans[table] = []
        emptied = []
        for item in described.exclusions:
            spans = exclusion.spans(described, item, dialect)
            if spans is not None:
                self._spans[table].append(spans)
            elif not unique.is_equality(item) and self.shared.rows.get(table):
                emptied.append((item.name, self._nullable_element(table, item)))
        self._emptied[table] = tuple(emptied)

    def _nullable_element(self, table: TableKey, item: Exclusion) -> tuple[Name, ...]:
        """Return the columns of an element of the constraint that may be NULL: what is NULL excludes nothing."""
        described = self.shared.schema.table(table)
        keyed = {n for key in described.uniques() for n in key} | {n for k in described.foreign_keys for n in k.columns}
        for expression, _ in item.elements:
            names = columns_of(expression, described, self.shared.schema.dialect) or ()
            if len(names) == 1 and described.column(names[0]).nullable and names[0] not in keyed:
                return names
        elements = ", ".join(f"{expression} WITH {operator}" for expression, operator in item.elements)
        raise PlanError(
            f"{table}: rows that keep {item.name} (EXCLUDE {elements}) cannot be made: only a range that must not "
            f"overlap among equals can, and nothing else in it may be NULL; leave the table out with --exclude {table}"
        )

    def _is_whole(self, table: TableKey) -> bool:
        """Whether a table has to be one batch: a unique key neither by index nor within one family of children."""
        described, dialect = self.shared.schema.table(table), self.shared.schema.dialect
        plan = self.shared.plan.table(table)
        for item in described.exclusions:
            equal = {n for e, o in item.elements if o == "=" for n in columns_of(e, described, dialect) or ()}
            if plan.primary is None or not set(plan.primary.foreign_key.columns) <= equal:
                return True
        expressions = [key for key in (*described.unique_keys, *described.partition_keys) if not key.is_plain]
        if any(not self._is_local(table, key.columns) for key in expressions):
            return True
        return any(not self._is_local(table, key) for key in described.uniques())

    def _is_local(self, table: TableKey, key: Sequence[Name]) -> bool:
        plan = self.shared.plan.table(table)
        rules = [self.shared.rule(table, name) for name in key]
        folded = {name: unique.is_folded(self.shared.schema.table(table).column(name)) for name in key}
        if any(is_distinct(r, folded=folded[r.column]) or isinstance(r, Omitted) for r in rules):
            return True
        if plan.primary is not None and set(plan.primary.foreign_key.columns) <= set(key):
            return True
        return any(r.unique and not r.shared and set(r.foreign_key.columns) <= set(key) for r in plan.links)


def _made_from(arguments: Mapping[str, Any]) -> Generator:
    return Generator(**arguments)


def _plain_table(columns: Mapping[Name, pa.Array]) -> pa.Table:
    """Return the columns as a table, without dictionaries: parts of it are put together."""
    plain = {n: a.cast(a.type.value_type) if pa.types.is_dictionary(a.type) else a for n, a in columns.items()}
    return pa.table(plain)
