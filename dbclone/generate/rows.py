"""One batch while it is made: its columns, unique where they must be, every CHECK fulfilled that can be judged here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import constraints, links, unique
from dbclone.generate.layout import Layout
from dbclone.generate.references import References
from dbclone.generate.shared import Name, is_distinct
from dbclone.generate.values import make_values
from dbclone.model.rules import Learned, Numbered, Omitted, Referenced, Rule
from dbclone.schema.model import Column
from dbclone.schema.plan import Reference

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Rows:
    """One batch while it is made."""

    def __init__(self, references: References, layout: Layout, number: int) -> None:
        self.references, self.shared, self.table, self.number = references, references.shared, layout.table, number
        self.described = self.shared.schema.table(self.table)
        self.plan = self.shared.plan.table(self.table)
        self.scores = layout.scores(number)[0]
        self.first = layout.first_row(number)
        self.parents = dict(references.parents(self.table, number))
        self.made: dict[Name, pa.Array] = {}

    def column(self, name: Name) -> pa.Array:
        """Return a column's values, made once."""
        if name not in self.made:
            self.made[name] = self._make(self.shared.rule(self.table, name), self.described.column(name))
        return self.made[name]

    def _make(self, rule: Rule, column: Column) -> pa.Array:
        rows = len(self.scores)
        if isinstance(rule, Referenced):
            return self.references.values(self.table, rule.column, self.parents, rows)
        if isinstance(rule, Numbered):
            return _counted(unique.tuple_codes([self.column(name) for name in rule.parents], rows), rule.start)
        scores = None
        if isinstance(rule, Learned):
            scores = self.scores[:, self.shared.score(self.table, column.name)]
        return make_values(
            rule, column, first_row=self.first, count=rows, streams=self.shared.streams,
            name=(self.table, column.name), scores=scores,
        )  # fmt: skip

    def make_unique(self) -> None:
        """Exchange links or draw values again until no unique key repeats within the batch."""
        for key in self.described.uniques():
            rules = [self.shared.rule(self.table, name) for name in key]
            if any(is_distinct(rule) or isinstance(rule, Numbered | Omitted) for rule in rules):
                continue
            codes = unique.tuple_codes([self.column(name) for name in key], len(self.scores))
            if len(unique.repeats(codes)):
                self._separate(key)

    def _separate(self, key: Sequence[Name]) -> None:
        random = self.shared.streams.generator("unique", self.table, *key, self.number)
        movable = [r for r in self.plan.links if set(r.foreign_key.columns) - set(r.shared) <= set(key)
                   and r.role == "link" and not r.shared]  # fmt: skip
        drawn = [n for n in key if isinstance(self.shared.rule(self.table, n), Learned)]
        if movable:
            reference = max(movable, key=lambda r: self.shared.rows[r.foreign_key.parent])
            self._exchange(key, reference, random)
        elif drawn:
            self._redraw(key, drawn, random)
        else:
            self._draw_groups(key, random)

    def _exchange(self, key: Sequence[Name], reference: Reference, random: np.random.Generator) -> None:
        name = reference.foreign_key.name
        rows = len(self.scores)
        others = [self.column(c) for c in key if c not in reference.foreign_key.columns]
        fixed = unique.tuple_codes(others, rows)
        link = self.shared.links[self.table, name]
        rank = links.child_side(link, self.scores, self.shared.streams.generator("rank", self.table, name, self.number))
        try:
            self.parents[name] = unique.exchange(
                fixed, self.parents[name], self.shared.rows[reference.foreign_key.parent], rank, random
            )
        except ValueError as error:
            raise self._impossible(key, str(error)) from error
        self._forget(reference.foreign_key.columns)

    def _redraw(self, key: Sequence[Name], drawn: Sequence[Name], random: np.random.Generator) -> None:
        places = [self.shared.score(self.table, name) for name in drawn]
        self.scores = self.scores.copy()

        def codes(rows: Integers | None) -> Integers:
            if rows is not None:
                for place in places:
                    self.scores[rows, place] = random.standard_normal(len(rows))
                self._forget(drawn)
            return unique.tuple_codes([self.column(name) for name in key], len(self.scores))

        if not unique.redraw(codes):
            raise self._impossible(key, "the learned values have too few combinations")

    def _draw_groups(self, key: Sequence[Name], random: np.random.Generator) -> None:
        """Draw again among the parents that agree on shared columns."""
        shared = [r for r in self.plan.links if r.shared and set(r.foreign_key.columns) <= set(key)]
        if not shared:
            raise self._impossible(key, "nothing in it can be drawn again")
        reference = shared[-1]
        name = reference.foreign_key.name
        groups = self.references.groups(self.shared.links[self.table, name], reference)

        def codes(rows: Integers | None) -> Integers:
            if rows is not None:
                columns = [self.column(c).take(pa.array(rows)) for c in reference.shared]
                none = np.zeros(len(rows), dtype=bool)
                self.parents[name] = self.parents[name].copy()
                self.parents[name][rows] = groups.choose(columns, random.standard_normal(len(rows)), none)
                self._forget([c for c in reference.foreign_key.columns if c not in reference.shared])
            return unique.tuple_codes([self.column(c) for c in key], len(self.scores))

        if not unique.redraw(codes):
            raise self._impossible(key, "the rows it may refer to have too few combinations")

    def _forget(self, names: Sequence[Name]) -> None:
        for name in names:
            self.made.pop(name, None)

    def _impossible(self, key: Sequence[Name], why: str) -> PlanError:
        return PlanError(
            f"{self.table}: {len(self.scores):,} rows cannot be unique in ({', '.join(key)}): {why}; "
            f"lower --rows {self.table}"
        )

    def checked(self, judged: Callable[[Mapping[Name, pa.DataType]], constraints.Judge | None]) -> dict[Name, pa.Array]:
        """Return all written columns, violators of CHECK constraints repaired; ``judged`` gives the table's judge."""
        rules = {c.name: self.shared.rule(self.table, c.name) for c in self.described.written_columns}
        names = [name for name, rule in rules.items() if not isinstance(rule, Omitted)]
        columns = {name: self.column(name) for name in names}
        judge = judged({name: array.type for name, array in columns.items()})
        if judge is None:
            return columns
        keyed = {name for key in self.described.uniques() for name in key}
        fixed = frozenset(n for n in names if isinstance(rules[n], Referenced | Numbered) or n in keyed)
        random = self.shared.streams.generator("checks", self.table, self.number)
        return constraints.repair(judge, columns, fixed, random, lambda: self._donors(columns, random))

    def _donors(self, columns: Mapping[Name, pa.Array], random: np.random.Generator) -> dict[Name, pa.Array]:
        """Return further rows: learned columns drawn from the table's own correlation, the others taken from the batch."""
        count = 1000
        model = self.shared.model.table(self.table)
        scores = random.multivariate_normal(np.zeros(len(model.scores)), model.correlation, size=count, method="eigh")
        some = pa.array(random.integers(0, len(self.scores), count))
        out = {}
        for name, array in columns.items():
            rule = self.shared.rule(self.table, name)
            if isinstance(rule, Learned):
                out[name] = make_values(
                    rule, self.described.column(name), first_row=0, count=count, streams=self.shared.streams,
                    name=(self.table, name), scores=scores[:, model.scores.index(name)],
                )  # fmt: skip
            else:
                out[name] = array.take(some)
        return out


def _counted(codes: Integers, start: int) -> pa.Array:
    """Return 0, 1, 2 … within equal codes, in row order, from ``start``."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    begins = np.r_[True, ordered[1:] != ordered[:-1]] if len(ordered) else np.zeros(0, dtype=bool)
    within = np.arange(len(codes)) - np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = within + start
    return pa.array(out)
