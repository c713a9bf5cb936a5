"""One batch while it is drafted: which rows it refers to, and its columns, each made when it is first asked for.

A draft knows nothing of uniqueness and of CHECKs; :mod:`dbclone.generate.rows` makes a batch of it. Because nothing is
made that was not asked for, two tables whose rows refer to each other can ask for each other's keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.errors import PlanError
from dbclone.generate import arrays, links, unique
from dbclone.generate.custom import expression_values
from dbclone.generate.layout import Layout
from dbclone.generate.learned import on_axis
from dbclone.generate.nulls import null_draws
from dbclone.generate.polymorphic import Referred, referred, referred_values
from dbclone.generate.shared import Name
from dbclone.generate.unfold import axis_value
from dbclone.generate.values import values_at
from dbclone.model.places import country_number
from dbclone.model.rules import (
    Carried,
    ExpressionRule,
    Learned,
    Numbered,
    PersonalRule,
    PolymorphicKey,
    Referenced,
    Rule,
)
from dbclone.schema.model import Column
from dbclone.schema.plan import Reference

if TYPE_CHECKING:
    from dbclone.generate.references import References

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

DRAWN_AGAIN = 40
"""Rows that are drawn again are made as rows that far beyond the last are."""


class Draft:
    """A batch of one table. ``parents`` holds, per foreign key asked for, each row's parent (−1: none).

    ``instead`` are rules that the batch has of its own, ``polymorphic`` what pairs of a type and an id refer to.
    """

    def __init__(self, references: References, layout: Layout, number: int) -> None:
        self.references, self.shared, self.table, self.number = references, references.shared, layout.table, number
        self.described = self.shared.schema.table(self.table)
        self.plan = self.shared.plan.table(self.table)
        self.scores, self._primary = layout.scores(number)
        self.axes = layout.axes(number)
        self.first = layout.first_row(number)
        self.parents: dict[str, Integers] = {}
        self.made: dict[Name, pa.Array] = {}
        self.draws: dict[Name, Integers] = {}
        self.instead: dict[Name, Rule] = {}
        self.polymorphic: dict[Name, Referred] = {}

    @property
    def index(self) -> Integers:
        """The positions of the rows in their table."""
        return np.arange(self.first, self.first + len(self.scores))

    # ---- Columns ---------------------------------------------------------------------------------------------------

    def column(self, name: Name) -> pa.Array:
        """Return a column's values, made once."""
        if name not in self.made:
            rule = self.instead.get(name) or self.shared.rule(self.table, name)
            self.made[name] = self._make(rule, self.described.column(name))
        return self.made[name]

    def _make(self, rule: Rule, column: Column) -> pa.Array:
        rows = len(self.scores)
        if isinstance(rule, Referenced):
            return self._referenced(rule)
        if isinstance(rule, Numbered):
            numbers = _counted(unique.tuple_codes([self.column(name) for name in rule.parents], rows))
            return pa.array(rule.start + rule.step * numbers)
        if isinstance(rule, ExpressionRule):
            return expression_values(
                rule, self.described, {name: self.column(name) for name in rule.columns}, self.shared.schema.dialect
            )
        if isinstance(rule, PolymorphicKey):
            index = self._index_of(rule.column)
            return referred_values(rule, self.referred(rule).chosen, index, self.references)
        if isinstance(rule, Learned):
            values = self._axis(rule.column)
            if values is not None:
                return on_axis(values, np.isnan(values) if rule.marginal.null_share else None, rule, column)
        if isinstance(rule, Carried):
            return self._carried(rule)
        return values_at(
            rule, column, index=self._index_of(rule.column), streams=self.shared.streams,
            name=self.shared.stream_name(self.table, column.name), scores=self.own_scores(rule),
            countries=self._countries(rule),
        )  # fmt: skip

    def referred(self, rule: PolymorphicKey) -> Referred:
        """Return the rows that a polymorphic pair refers to, chosen once."""
        if rule.column not in self.polymorphic:
            types, index = self.column(rule.type_column), self._index_of(rule.column)
            self.polymorphic[rule.column] = referred(rule, types, index, self.references)
        return self.polymorphic[rule.column]

    def _axis(self, name: Name) -> Floats | None:
        """Return the values of a column that follows from others, on its axis; None for one that does not."""
        model = self.shared.model.table(self.table)
        product = next((product for product in model.products if product.column == name), None)
        if product is not None:
            late = {factor: values for factor in product.factors if (values := self._late(factor)) is not None}
            return axis_value(model, self.described, self.scores, {**self.axes, **late}, name)
        late_values = self._late(name)
        return self.axes.get(name) if late_values is None else late_values

    def _late(self, name: Name) -> Floats | None:
        """Return the values of a column that follows from a row that a link refers to; None for others."""
        model = self.shared.model.table(self.table)
        fold = next((fold for fold in model.folds if fold.column == name and fold.late), None)
        if fold is None:
            return None
        reference = next(r for r in self.plan.references if r.foreign_key.name == fold.given_key)
        parents = self.parent(fold.given_key)
        above = self.references.axis(reference.foreign_key.parent, fold.given)
        known = parents >= 0 if len(above) else np.zeros(len(parents), dtype=bool)
        given = np.full(len(parents), np.inf)  # none of the pieces
        given[known] = above[parents[known]]
        return fold.decode(self.scores[:, model.scores.index(name)], fold.piece(given), None)

    def _countries(self, rule: Rule) -> Integers | None:
        """Return each row's country, for values that must lie in it."""
        if not isinstance(rule, PersonalRule) or rule.country is None:
            return None
        labels = self.column(rule.country).cast(pa.string()).dictionary_encode()
        known = np.array([*map(country_number, labels.dictionary.to_pylist()), -1])
        numbers: Integers = known[pc.fill_null(labels.indices, len(known) - 1).to_numpy(zero_copy_only=False)]
        return numbers

    def _carried(self, rule: Carried) -> pa.Array:
        """Return what the rows' parents have; anyone's where there is none and the column takes no NULL."""
        reference = next(r for r in self.plan.references if r.foreign_key.name == rule.foreign_key)
        parents = self.parent(rule.foreign_key)
        if not self.described.column(rule.column).nullable and (parents < 0).any():
            parents = self.references.anyone(reference, self.table, self.index, parents)
        values = self.references.key(reference.foreign_key.parent, rule.parent_column, parents)
        values = arrays.truncated(values.cast(pa.string()), rule.max_length)
        name = self.shared.stream_name(self.table, rule.column)
        return arrays.with_nulls(values, self.index, rule.null_share, self.shared.streams, name)

    def _index_of(self, column: Name) -> Integers:
        """Return the index by which a column's values are made: another one for rows that were drawn again."""
        again, index = self.draws.get(column), self.shared.index_of(self.table, column, self.index)
        return index if again is None else index + (again << DRAWN_AGAIN)

    def own_scores(self, rule: Rule) -> Floats | None:
        """Return the scores that a learned column is decoded from; None for one that is drawn on its own."""
        names = self.shared.model.table(self.table).scores
        if not isinstance(rule, Learned) or rule.column not in names:
            return None
        return self.scores[:, names.index(rule.column)]

    def _referenced(self, rule: Referenced) -> pa.Array:
        """Return what the parents have; where there is none, NULL, or anyone's value in a column that takes no NULL."""
        reference = next(r for r in self.plan.references if r.foreign_key.name == rule.foreign_key)
        key = reference.foreign_key
        if key.parent not in self.shared.model:
            return pa.nulls(len(self.scores), pa.int64())
        image = dict(zip(key.columns, key.parent_columns, strict=True))
        parents = self.parent(key.name)
        if not self.described.column(rule.column).nullable and (parents < 0).any():
            parents = self.references.anyone(reference, self.table, self.index, parents)
        return self.references.key(key.parent, image[rule.column], parents)

    # ---- Parents ---------------------------------------------------------------------------------------------------

    def parent(self, foreign_key: str) -> Integers:
        """Return each row's parent through one foreign key, chosen once; −1 for none."""
        if foreign_key not in self.parents:
            reference = next(r for r in self.plan.references if r.foreign_key.name == foreign_key)
            self.parents[foreign_key] = self._choose(reference)
        return self.parents[foreign_key]

    def _choose(self, reference: Reference) -> Integers:
        key = reference.foreign_key
        if reference.role == "primary":
            return self._primary
        link = self.shared.links.get((self.table, key.name))
        if link is None or not self.shared.rows.get(key.parent):
            return np.full(len(self.scores), -1, dtype=np.int64)
        random = self.shared.streams.generator("link", self.table, key.name, self.number)
        null = self._nulls(reference, random)
        if reference.role == "self" and link.tree is not None:
            return self.references.tree(link, reference)[self.index]
        rank = links.child_side(link, self.scores, random)
        if reference.shared:
            return self._among_agreeing(reference, rank, random.random(len(rank)), null)
        chosen = self.references.link_index(link, reference).choose(self.index, rank, null)
        return self._like_another(reference, chosen, random)

    def _nulls(self, reference: Reference, random: np.random.Generator) -> Booleans | None:
        """Return which rows refer to none, where that goes with something else of the row; None where it does not."""
        pattern = self.shared.model.table(self.table).null_pattern(reference.foreign_key.name)
        if pattern is None or not reference.null:
            return None
        return null_draws(pattern, self, random)

    def _among_agreeing(self, reference: Reference, rank: Floats, share: Floats, null: Booleans | None) -> Integers:
        """Choose among the parents that agree on columns that are set already.

        Where none does the row refers to nothing, so that of the others only as many do as the share still lacks.
        """
        key = reference.foreign_key
        link, columns = self.shared.links[self.table, key.name], [self.column(name) for name in reference.shared]
        groups = self.references.groups(link, reference)
        empty = np.zeros(len(rank), dtype=bool)
        if reference.null and null is not None:
            empty = null
        elif reference.null:
            first, last = groups.find(columns)
            nobody = float((last == first).mean()) if len(rank) else 0.0
            empty = share < (link.null_share - nobody) / max(1.0 - nobody, 1e-9)
        chosen = groups.choose(columns, rank, empty)
        if not reference.null:
            known = np.logical_and.reduce([c.is_valid().to_numpy(zero_copy_only=False).astype(bool) for c in columns])
            if (known & (chosen < 0)).any():
                raise PlanError(
                    f"{self.table}: for some rows no row of {key.parent} agrees on ({', '.join(reference.shared)}), as "
                    f"{key.name} asks; make more rows with --rows {key.parent}=N, or leave out {self.table}"
                )
        return chosen

    def _like_another(self, reference: Reference, chosen: Integers, random: np.random.Generator) -> Integers:
        """Let as many rows as in the source refer to the same row through two foreign keys, and no others."""
        twin = self.shared.model.table(self.table).twin(reference.foreign_key.name)
        if twin is None:
            return chosen
        other = self.parent(twin.other)
        out = chosen.copy()
        both = (chosen >= 0) & (other >= 0)
        wanted = both & (random.random(len(out)) < twin.share)
        if not reference.unique:
            out[wanted] = other[wanted]
        for _ in range(8):
            same = np.flatnonzero(both & ~wanted & (out == other))
            if not len(same):
                break
            partner = random.integers(0, len(out), len(same))
            _, first = np.unique(partner, return_index=True)
            same, partner = same[first], partner[first]
            fits = (out[partner] >= 0) & ~wanted[partner] & ~np.isin(partner, same)
            fits &= (out[partner] != other[same]) & (out[same] != other[partner])
            same, partner = same[fits], partner[fits]
            out[same], out[partner] = out[partner], out[same]
        return out


def _counted(codes: Integers) -> Integers:
    """Return 0, 1, 2 … within equal codes, in row order."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    begins = np.r_[True, ordered[1:] != ordered[:-1]] if len(ordered) else np.zeros(0, dtype=bool)
    within = np.arange(len(codes)) - np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = within
    return out
