"""One batch while it is made: its columns, unique where they must be, every condition kept that can be judged here."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import unique
from dbclone.generate.clusters import Cluster
from dbclone.generate.conditions import Conditions, Finished, Keeping
from dbclone.generate.custom import expression_values
from dbclone.generate.drafts import Draft
from dbclone.generate.keys import fit_to_rows
from dbclone.generate.layout import Layout
from dbclone.generate.references import References
from dbclone.generate.separation import impossible, separate
from dbclone.generate.shared import Name, SpelledRule, all_different, is_distinct
from dbclone.model.rules import ExpressionRule, Learned, Numbered, Omitted

Integers = npt.NDArray[np.int64]

ROUNDS = 6
"""So often keys that share columns are kept one after the other."""


class Rows(Draft):
    """One cluster of columns of a batch while it is made unique, and every condition is kept."""

    def __init__(self, references: References, layout: Layout, number: int, cluster: Cluster) -> None:
        super().__init__(references, layout, number)
        self.cluster = cluster
        self._draft = references.draft(self.table, number)

    def column(self, name: Name) -> pa.Array:
        """Return a column's values: of another cluster, those that it has in the end."""
        if name not in self.made and name not in self.cluster.columns:
            self.made[name] = self.references.finished(self.table, self.number, name)
        return super().column(name)

    def parent(self, foreign_key: str) -> Integers:
        """Return each row's parent through one foreign key: as it was drafted, until that is changed.

        Where the foreign key shares columns with others, it is chosen for the values that these have here.
        """
        if foreign_key not in self.parents:
            reference = next(r for r in self.plan.references if r.foreign_key.name == foreign_key)
            is_drafted = reference.role == "primary" or not reference.shared
            self.parents[foreign_key] = self._draft.parent(foreign_key) if is_drafted else self._choose(reference)
        return self.parents[foreign_key]

    def make_unique(self) -> None:
        """Exchange links or draw values again until no unique key repeats within the batch.

        Before them, and only as far as it can be, what nobody declared but the source kept to.
        """
        for key in filter(self.cluster.keeps, self.shared.model.table(self.table).observed_keys):
            with suppress(PlanError):
                self._keep_unique([key])
        self._keep_unique([key for key in self.described.uniques() if self.cluster.keeps(key)])

    def _keep_unique(self, keys: Sequence[Sequence[Name]]) -> None:
        """Change rows until none of the keys repeats.

        What is changed for one key may repeat another that was kept before: in later rounds, what other keys read
        stays where it can.
        """
        for number in range(ROUNDS):
            repeated = [key for key in keys if self._repeats(key)]
            for key in repeated:
                others = {name for other in keys if other != key for name in other}
                if self._repeats(key):
                    self._separate(key, number, stay=frozenset(others if number else ()))
            if not repeated:
                return
        if repeated := [key for key in keys if self._repeats(key)]:
            raise impossible(self, repeated[0], "what keeps it apart repeats another key")

    def _repeats(self, key: Sequence[Name]) -> bool:
        rules = [self.shared.rule(self.table, name) for name in key]
        if any(is_distinct(rule) or isinstance(rule, Numbered | Omitted) for rule in rules):
            return False
        return bool(len(unique.repeats(unique.tuple_codes([self.column(name) for name in key], len(self.scores)))))

    def _separate(self, key: Sequence[Name], number: int, *, stay: frozenset[Name]) -> None:
        again = (str(number),) if number else ()
        random = self.shared.streams.generator("unique", self.table, *key, *again, self.number)
        try:
            separate(self, key, random, stay=stay)
        except PlanError:
            if not self._spread(key) and not self._leave_out(key):
                raise

    def _spread(self, key: Sequence[Name]) -> bool:
        """Move numbers and times of repeated rows to the next ones that are free; return whether that succeeded.

        For more rows of a parent than there are learned values: a fourth price of a product that had three dates.
        """
        mine = [self.shared.rule(self.table, name) for name in key if name in self.cluster.columns]
        spaced = [rule for rule in mine if unique.is_spaced(rule)]
        if not spaced:
            return False
        others = [self.column(name) for name in key if name != spaced[0].column]
        self.made[spaced[0].column] = unique.spread(others, self.column(spaced[0].column), spaced[0])
        return not len(unique.repeats(unique.tuple_codes([self.column(n) for n in key], len(self.scores))))

    def _leave_out(self, key: Sequence[Name]) -> bool:
        """Make a column of the key NULL in rows that repeat it; return whether there is one that may be.

        For more rows than the values of a key have combinations, where rows with NULL repeat nothing.
        """
        alike = {item.columns for item in self.described.unique_keys if not item.nulls_distinct}
        mine = [n for n in key if n in self.cluster.columns and self.described.column(n).nullable]
        names = [n for n in mine if isinstance(self.shared.rule(self.table, n), Learned)]
        if not names or tuple(key) in alike:
            return False
        codes = unique.tuple_codes([self.column(name) for name in key], len(self.scores))
        again = np.zeros(len(codes), dtype=bool)
        again[unique.repeats(codes)] = True
        self.made[names[0]] = self.column(names[0]).take(pa.array(np.arange(len(codes)), mask=again))
        return True

    def draw_again(self, names: Sequence[Name], rows: Integers, random: np.random.Generator) -> None:
        """Draw the values of some rows again, in columns that are learned or made by index."""
        scores = self.shared.model.table(self.table).scores
        self.scores = self.scores.copy()
        self.axes = {name: values for name, values in self.axes.items() if name not in names}
        for name in names:
            if name in scores:
                self.scores[rows, scores.index(name)] = random.standard_normal(len(rows))
            else:
                self.draws.setdefault(name, np.zeros(len(self.scores), dtype=np.int64))[rows] += 1
                self.polymorphic.pop(name, None)
        self.forget(names)

    def tell_apart(self, name: Name) -> bool:
        """Give every row a text of its own in a column, one made by its index; return whether it is one of texts.

        Raises PlanError if there are not so many.
        """
        rule = self.shared.rule(self.table, name)
        if not isinstance(rule, SpelledRule):
            return False
        rows = int(self.shared.index_of(self.table, name, self.index).max(initial=0)) + 1
        own = all_different(rule)
        self.instead[name] = fit_to_rows(own, self.described.column(name), rows=rows, name=(self.table, name))
        self.draws.pop(name, None)
        self.forget([name])
        return True

    def forget(self, names: Sequence[Name]) -> None:
        """Have columns made anew when they are asked for."""
        model = self.shared.model.table(self.table)
        late = [fold.column for fold in model.folds if fold.late] + [product.column for product in model.products]
        for name in (*names, *late):
            self.made.pop(name, None)

    def finished(self, conditions: Conditions) -> Finished:
        """Return all written columns, with every condition, unique key and exclusion kept that can be kept here.

        What is computed of columns that were changed for that is computed again.
        """
        done = Keeping(self).finished(conditions)
        columns = dict(done.columns)
        for rule in self.shared.model.table(self.table).rules:
            if isinstance(rule, ExpressionRule) and rule.column in columns:
                read = {name: columns[name] if name in columns else self.column(name) for name in rule.columns}
                columns[rule.column] = expression_values(rule, self.described, read, self.shared.schema.dialect)
        return replace(done, columns=columns)
