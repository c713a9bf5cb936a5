"""``generate``: batches of rows from a model and a seed, each computable on its own.

A batch of a root table is a range of its rows; a batch of a child table is all children of a range of its primary parent's
rows. What a batch needs of other tables (its parents' scores, a linked row's key) it computes from the model, or takes
from what this process computed before: the same values either way.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.errors import PlanError
from dbclone.generate import constraints, links, unique
from dbclone.generate.keys import fit_to_rows
from dbclone.generate.layout import Layouts
from dbclone.generate.streams import Streams
from dbclone.generate.values import make_values, values_at
from dbclone.model.flow import Batch
from dbclone.model.parts import LinkModel, Model
from dbclone.model.rules import Learned, Numbered, Omitted, Referenced, Rule, SequenceKey, UuidKey
from dbclone.schema.model import Column, Table, TableKey
from dbclone.schema.plan import Reference, TablePlan

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Name = str
Parents = Mapping[str, Integers]

CACHED_BLOCKS = 4


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
        self.model, self.schema = model, model.plan.schema
        self.streams = Streams(seed)
        wanted = {plan.table: plan.rows for plan in model.plan.tables} | dict(rows or {})
        self.rows = {key: count if key in model else 0 for key, count in wanted.items()}
        self.rules = {t.table: self._fitted(t.table, (next_keys or {}).get(t.table)) for t in model.tables}
        self._links = {(link.child, link.foreign_key): link for link in model.links}
        self._layouts = Layouts(model, self.streams, self.rows, limit=self._most_children, whole=self._is_whole)
        self._judges: dict[TableKey, constraints.Judge | None] = {}
        self._link_indexes: dict[tuple[TableKey, str], Any] = {}
        self._stored: dict[tuple[TableKey, Name], pa.Array] = {}
        self._storing: list[tuple[TableKey, Name]] = []
        self._parents = lru_cache(maxsize=CACHED_BLOCKS)(self._choose_parents)

    def batches(self) -> Iterator[Batch]:
        """Yield all batches, table by table in load order."""
        for plan in self.model.plan.tables:
            for number in range(self.batch_count(plan.table)):
                yield self.batch(plan.table, number)

    def batch_count(self, table: TableKey) -> int:
        """Return the number of batches of a table."""
        return self._layouts.of(table).blocks if self.rows.get(table) else 0

    def batch(self, table: TableKey, number: int) -> Batch:
        """Return one batch: always the same rows for the same model, seed and row counts."""
        columns, _ = self._finished(table, number)
        described = self.schema.table(table)
        names = [column.name for column in described.columns if column.name in columns]
        return Batch(
            table=table,
            number=number,
            first_row=self._layouts.of(table).first_row(number),
            rows=pa.table([columns[name] for name in names], names=names),
        )

    def _fitted(self, table: TableKey, start: int | None) -> tuple[Rule, ...]:
        """Return a table's rules, able to number all its rows; sequences begin at ``start``, if given."""
        described = self.schema.table(table)
        rules = []
        for rule in self.model.table(table).rules:
            if start is not None and isinstance(rule, SequenceKey):
                rule = dataclasses.replace(rule, start=start)
            name = (table, rule.column)
            rules.append(fit_to_rows(rule, described.column(rule.column), rows=self.rows[table], name=name))
        return tuple(rules)

    # --- keys ---------------------------------------------------------------------------------------------------------

    def _key(self, table: TableKey, column: Name, positions: Integers) -> pa.Array:
        """Return the values of a key column at row positions; NULL where the position is −1."""
        rule = self._rule(table, column)
        described = self.schema.table(table).column(column)
        if _is_computed(rule):
            name = (table, column)
            values = values_at(rule, described, index=np.maximum(positions, 0), streams=self.streams, name=name)
        else:
            stored = self._column(table, column)
            if not len(stored):
                return pa.nulls(len(positions), stored.type)
            values = stored.take(pa.array(np.maximum(positions, 0)))
        missing = positions < 0
        return values if not missing.any() else _nulled(values, missing)

    def _column(self, table: TableKey, column: Name) -> pa.Array:
        """Return a whole column: for keys that are not a function of the row's index alone."""
        at = (table, column)
        if at not in self._stored:
            if at in self._storing:
                raise PlanError(f"{table}.{column}: its values depend on themselves through foreign keys; declare the "
                                f"cycle's parent with --exclude {table}")  # fmt: skip
            self._storing.append(at)
            blocks = [self._finished(table, n)[0][column] for n in range(self.batch_count(table))]
            self._storing.pop()
            self._stored[at] = _joined(blocks) if blocks else pa.nulls(0, pa.string())
        return self._stored[at]

    def _rule(self, table: TableKey, column: Name) -> Rule:
        return next(rule for rule in self.rules[table] if rule.column == column)

    # --- parents ------------------------------------------------------------------------------------------------------

    def _choose_parents(self, table: TableKey, number: int) -> Parents:
        """Return, per foreign key, each row's parent (−1: none), before keys are made unique."""
        layout = self._layouts.of(table)
        scores, primary = layout.scores(number)
        first = layout.first_row(number)
        rows = np.arange(first, first + len(scores))
        found: dict[str, Integers] = {}
        for reference in self.model.plan.table(table).references:
            name = reference.foreign_key.name
            if reference.role == "primary":
                found[name] = primary
            elif reference.role != "implied":
                found[name] = self._choose(table, number, reference, rows, scores, found)
        return found

    def _choose(
        self, table: TableKey, number: int, reference: Reference, rows: Integers, scores: Floats, found: Parents
    ) -> Integers:
        key = reference.foreign_key
        link = self._links.get((table, key.name))
        if link is None or not self.rows.get(key.parent):
            return np.full(len(rows), -1, dtype=np.int64)
        random = self.streams.generator("link", table, key.name, number)
        if reference.role == "self":
            chosen = links.choose_earlier(self._parent_side(link)[0], rows, random)
            nulls = random.random(len(rows)) < link.null_share
            return np.where((nulls | (rows == 0)) if reference.nullable else False, -1, chosen)
        rank = links.child_side(link, scores, random)
        if reference.shared:
            nulls = random.random(len(rows)) < link.null_share
            columns = [self._referenced(table, name, found, len(rows)) for name in reference.shared]
            return self._groups(link, reference).choose(columns, rank, nulls)
        return self._link_index(link, reference).choose(rows, rank)

    def _parent_side(self, link: LinkModel) -> tuple[Floats, Floats]:
        layout = self._layouts.of(link.parent)
        random = self.streams.generator("fan-out", link.child, link.foreign_key)
        return links.parent_side(link, [layout.scores(n)[0] for n in range(layout.blocks)], random)

    def _link_index(self, link: LinkModel, reference: Reference) -> links.LinkIndex:
        at = (link.child, link.foreign_key)
        if at not in self._link_indexes:
            counts, scores = self._parent_side(link)
            rows = self.rows[link.child]
            linked = rows - round(rows * link.null_share) if reference.nullable else rows
            linked = min(linked, len(counts)) if reference.unique else linked
            self._link_indexes[at] = links.index_link(
                counts, scores, rows=rows, linked=linked, unique=reference.unique,
                permutation=self.streams.permutation(rows, "slots", *at),
                random=self.streams.generator("slots", *at),
            )  # fmt: skip
        index: links.LinkIndex = self._link_indexes[at]
        return index

    def _groups(self, link: LinkModel, reference: Reference) -> links.Groups:
        at = (link.child, link.foreign_key)
        if at not in self._link_indexes:
            counts, scores = self._parent_side(link)
            image = dict(zip(reference.foreign_key.columns, reference.foreign_key.parent_columns, strict=True))
            rows = np.arange(self.rows[link.parent])
            columns = [self._key(link.parent, image[name], rows) for name in reference.shared]
            self._link_indexes[at] = links.Groups(columns, scores, counts)
        groups: links.Groups = self._link_indexes[at]
        return groups

    def _referenced(self, table: TableKey, column: Name, parents: Parents, rows: int) -> pa.Array:
        """Return the values of a referencing column, by the first foreign key that sets it."""
        rule = self._rule(table, column)
        assert isinstance(rule, Referenced), f"{table}.{column} is not part of a foreign key"
        key = next(k for k in self.schema.table(table).foreign_keys if k.name == rule.foreign_key)
        if key.parent not in self.rules:
            return pa.nulls(rows, pa.int64())
        image = dict(zip(key.columns, key.parent_columns, strict=True))
        return self._key(key.parent, image[column], parents[key.name])

    def _most_children(self, child: TableKey) -> npt.NDArray[np.int64] | None:
        """Return how many children each row of the primary parent may have; None without a limit.

        One where the foreign key is unique; none where a further parent must agree with it on shared columns, and no row
        of that parent does.
        """
        plan = self.model.plan.table(child)
        primary = plan.primary
        assert primary is not None
        parent = primary.foreign_key.parent
        rows = np.arange(self.rows[parent])
        limit = np.full(len(rows), 1 if primary.unique else np.iinfo(np.int64).max // max(len(rows), 1), dtype=np.int64)
        image = dict(zip(primary.foreign_key.columns, primary.foreign_key.parent_columns, strict=True))
        limited = primary.unique
        for reference in plan.links:
            link = self._links.get((child, reference.foreign_key.name))
            bound = reference.shared and set(reference.shared) <= set(image)
            if link is not None and bound and not reference.nullable:
                columns = [self._key(parent, image[name], rows) for name in reference.shared]
                first, last = self._groups(link, reference).find(columns)
                limit = np.where(last > first, limit, 0)
                limited = True
        return limit if limited else None

    # --- columns ------------------------------------------------------------------------------------------------------

    def _finished(self, table: TableKey, number: int) -> tuple[dict[Name, pa.Array], Parents]:
        """Return all columns of a batch, unique where they must be and fulfilling every CHECK that can be judged."""
        maker = _Rows(self, table, number)
        maker.make_unique()
        return maker.checked(), maker.parents

    def _is_whole(self, table: TableKey) -> bool:
        """Whether a table has to be one batch: a unique key neither by index nor within one family of children."""
        plan, described = self.model.plan.table(table), self.schema.table(table)
        return any(not self._is_local(plan, described, key) for key in described.uniques())

    def _is_local(self, plan: TablePlan, described: Table, key: Sequence[Name]) -> bool:
        rules = [self._rule(plan.table, name) for name in key]
        if any(_is_distinct(rule) or isinstance(rule, Omitted) for rule in rules):
            return True
        if plan.primary is not None and set(plan.primary.foreign_key.columns) <= set(key):
            return True
        return any(r.unique and not r.shared and set(r.foreign_key.columns) <= set(key) for r in plan.links)

    def judge(self, table: TableKey, types: Mapping[Name, pa.DataType]) -> constraints.Judge | None:
        """Return the judge of a table's CHECK constraints."""
        if table not in self._judges:
            self._judges[table] = constraints.judge(self.schema.table(table), self.schema.dialect, types)
        return self._judges[table]


class _Rows:
    """One batch while it is made."""

    def __init__(self, generator: Generator, table: TableKey, number: int) -> None:
        self.generator, self.table, self.number = generator, table, number
        self.described = generator.schema.table(table)
        self.plan = generator.model.plan.table(table)
        self.layout = generator._layouts.of(table)
        self.scores = self.layout.scores(number)[0]
        self.first = self.layout.first_row(number)
        self.parents = dict(generator._parents(table, number))
        self.made: dict[Name, pa.Array] = {}

    def column(self, name: Name) -> pa.Array:
        """Return a column's values, made once."""
        if name not in self.made:
            self.made[name] = self._make(self.generator._rule(self.table, name), self.described.column(name))
        return self.made[name]

    def _make(self, rule: Rule, column: Column) -> pa.Array:
        rows = len(self.scores)
        if isinstance(rule, Referenced):
            return self.generator._referenced(self.table, rule.column, self.parents, rows)
        if isinstance(rule, Numbered):
            return _counted(unique.tuple_codes([self.column(name) for name in rule.parents], rows), rule.start)
        scores = None
        if isinstance(rule, Learned):
            scores = self.scores[:, self.generator.model.table(self.table).scores.index(column.name)]
        return make_values(
            rule, column, first_row=self.first, count=rows, streams=self.generator.streams,
            name=(self.table, column.name), scores=scores,
        )  # fmt: skip

    def make_unique(self) -> None:
        """Exchange links or draw values again until no unique key repeats within the batch."""
        for key in self.described.uniques():
            rules = [self.generator._rule(self.table, name) for name in key]
            if any(_is_distinct(rule) or isinstance(rule, Numbered | Omitted) for rule in rules):
                continue
            codes = unique.tuple_codes([self.column(name) for name in key], len(self.scores))
            if len(unique.repeats(codes)):
                self._separate(key)

    def _separate(self, key: Sequence[Name]) -> None:
        random = self.generator.streams.generator("unique", self.table, *key, self.number)
        movable = [r for r in self.plan.links if set(r.foreign_key.columns) - set(r.shared) <= set(key)
                   and r.role == "link" and not r.shared]  # fmt: skip
        drawn = [n for n in key if isinstance(self.generator._rule(self.table, n), Learned)]
        if movable:
            reference = max(movable, key=lambda r: self.generator.rows[r.foreign_key.parent])
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
        link = self.generator._links[self.table, name]
        rank = links.child_side(
            link, self.scores, self.generator.streams.generator("rank", self.table, name, self.number)
        )
        try:
            self.parents[name] = unique.exchange(
                fixed, self.parents[name], self.generator.rows[reference.foreign_key.parent], rank, random
            )
        except ValueError as error:
            raise self._impossible(key, str(error)) from error
        self._forget(reference.foreign_key.columns)

    def _redraw(self, key: Sequence[Name], drawn: Sequence[Name], random: np.random.Generator) -> None:
        places = [self.generator.model.table(self.table).scores.index(name) for name in drawn]
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
        groups = self.generator._groups(self.generator._links[self.table, name], reference)

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

    def checked(self) -> dict[Name, pa.Array]:
        """Return all written columns, violators of CHECK constraints repaired."""
        rules = {rule.column: rule for rule in self.generator.rules[self.table]}
        names = [c.name for c in self.described.written_columns if not isinstance(rules[c.name], Omitted)]
        columns = {name: self.column(name) for name in names}
        judge = self.generator.judge(self.table, {name: array.type for name, array in columns.items()})
        if judge is None:
            return columns
        keyed = {name for key in self.described.uniques() for name in key}
        fixed = frozenset(n for n in names if isinstance(rules[n], Referenced | Numbered) or n in keyed)
        random = self.generator.streams.generator("checks", self.table, self.number)
        return constraints.repair(judge, columns, fixed, random, lambda: self._donors(columns, random))

    def _donors(self, columns: Mapping[Name, pa.Array], random: np.random.Generator) -> dict[Name, pa.Array]:
        """Return further rows: learned columns drawn from the table's own correlation, the others taken from the batch."""
        count = 1000
        model = self.generator.model.table(self.table)
        scores = random.multivariate_normal(np.zeros(len(model.scores)), model.correlation, size=count, method="eigh")
        some = pa.array(random.integers(0, len(self.scores), count))
        out = {}
        for name, array in columns.items():
            rule = self.generator._rule(self.table, name)
            if isinstance(rule, Learned):
                out[name] = make_values(
                    rule, self.described.column(name), first_row=0, count=count, streams=self.generator.streams,
                    name=(self.table, name), scores=scores[:, model.scores.index(name)],
                )  # fmt: skip
            else:
                out[name] = array.take(some)
        return out


def _is_computed(rule: Rule) -> bool:
    """Whether the value of any row follows from its position alone."""
    return not isinstance(rule, Learned | Referenced | Numbered | Omitted)


def _is_distinct(rule: Rule) -> bool:
    """Whether no two rows of a table get the same value from the rule."""
    return isinstance(rule, SequenceKey | UuidKey) or bool(getattr(rule, "unique", False))


def _counted(codes: Integers, start: int) -> pa.Array:
    """Return 0, 1, 2 … within equal codes, in row order, from ``start``."""
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    begins = np.r_[True, ordered[1:] != ordered[:-1]] if len(ordered) else np.zeros(0, dtype=bool)
    within = np.arange(len(codes)) - np.maximum.accumulate(np.where(begins, np.arange(len(codes)), 0))
    out = np.empty(len(codes), dtype=np.int64)
    out[order] = within + start
    return pa.array(out)


def _nulled(values: pa.Array, missing: npt.NDArray[np.bool_]) -> pa.Array:
    index = np.arange(len(values))
    return values.take(pa.array(index, mask=missing))


def _joined(arrays: Sequence[pa.Array]) -> pa.Array:
    if pa.types.is_dictionary(arrays[0].type):
        return pa.chunked_array(arrays).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(arrays)
