"""What the rows of a batch have to fulfil beyond their keys, kept: conditions, special unique keys, exclusions.

In this order, each with what was kept before it: conditions on single rows are repaired, rows that repeat a key of
expressions are drawn again, ranges that overlap are shifted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.errors import PlanError
from dbclone.generate import exclusion, unique
from dbclone.generate.casting import replaced
from dbclone.generate.constraints import Judge, row_conditions
from dbclone.generate.copula import positive_definite
from dbclone.generate.learned import on_axis
from dbclone.generate.offers import Freedom
from dbclone.generate.repair import mended, repair
from dbclone.generate.shared import Name, is_computed, is_distinct
from dbclone.generate.unfold import Axes, axis_value, unfold
from dbclone.generate.values import values_at
from dbclone.model.marginal import SCORE_LIMIT
from dbclone.model.rules import (
    CodeRule,
    Learned,
    Numbered,
    Omitted,
    PersonalRule,
    Referenced,
    Rule,
    SecretRule,
    TextRule,
)
from dbclone.schema.model import Exclusion, ForeignKey, Table
from dbclone.schema.plan import Reference

if TYPE_CHECKING:
    from dbclone.generate.drafts import Draft
    from dbclone.generate.rows import Rows

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

MOST_ROUNDS = 120
"""So often the rows that repeat a key are drawn again."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What a table's rows have to fulfil, as far as it can be kept here."""

    judge: Judge | None
    keys: tuple[unique.Key, ...]
    exclusions: tuple[exclusion.Spans, ...]
    emptied: tuple[tuple[str, tuple[Name, ...]], ...] = ()
    """Constraints that only rows without a value are sure to keep, and the columns that are NULL for that."""


Conditions = Callable[[Mapping[Name, pa.DataType]], Kept]


@dataclass(frozen=True, kw_only=True, eq=False)
class Finished:
    """The columns of a cluster in a batch, and how many of its rows were repaired, per constraint."""

    columns: dict[Name, pa.Array]
    repaired: Mapping[str, int]


def judged_texts(table: Table, rules: Mapping[Name, Rule]) -> set[Name]:
    """Return the columns of texts that all differ, which a condition reads: they may have to be spelled otherwise."""
    read = {name for check in row_conditions(table) for name in check.columns}
    texts = TextRule | PersonalRule | CodeRule | SecretRule
    return {name for name in read if name in rules and isinstance(rules[name], texts) and is_distinct(rules[name])}


class Keeping:
    """One cluster of a batch, being finished. Its own columns are not touched: they are what it was drafted as."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.shared, self.table = rows, rows.shared, rows.table
        self.described, self.plan, self.count = rows.described, rows.plan, len(rows.scores)

    def finished(self, conditions: Conditions) -> Finished:
        """Return the cluster's columns, with every condition, unique key and exclusion kept that can be kept here.

        ``conditions`` gives those of the table, once the types of its columns are known.
        """
        rules = {c.name: self.shared.rule(self.table, c.name) for c in self.described.written_columns}
        cluster = self.rows.cluster
        written = [name for name, rule in rules.items() if not isinstance(rule, Omitted)]
        names = [name for name in written if name in cluster.columns or name in cluster.reads]
        columns = {name: self.rows.column(name) for name in names}
        kept = conditions({name: array.type for name, array in columns.items()})
        random = self.shared.streams.generator("checks", self.table, cluster.name, self.rows.number)
        freedom = self._freedom(rules, names)
        draws = Draws(self.rows, columns, random)
        repaired: Counter[str] = Counter()
        if kept.judge is not None and kept.judge.checks:
            done = repair(kept.judge, columns, freedom, random, draws)
            columns, repaired = done.columns, Counter(done.rows)
        columns, separated = self._separate(kept, columns, freedom, draws)
        repaired.update(separated)
        for constraint, empty in kept.emptied:
            columns |= {name: pa.nulls(self.count, columns[name].type) for name in empty}
            repaired[constraint] += self.count
        for spans in kept.exclusions:
            columns, changed = self._separate_spans(spans, kept.judge, columns)
            repaired[spans.exclusion.name] += changed
        columns = {name: array for name, array in columns.items() if name in cluster.columns}
        return Finished(columns=columns, repaired={name: count for name, count in repaired.items() if count})

    def _freedom(self, rules: Mapping[Name, Rule], names: Sequence[Name]) -> Freedom:
        """Return what of a row may change: neither what is computed by index elsewhere nor what counts rows."""
        schema = self.shared.schema
        incoming = [key for table in schema.tables for key in table.foreign_keys if key.parent == self.table]
        referenced = {name for key in incoming for name in key.parent_columns}
        respelled = judged_texts(self.described, rules) - referenced
        # New texts can only be told from those of this batch.
        spelled = respelled if self.shared.rows[self.table] == self.count else set[Name]()
        pinned = {n for n in names if is_distinct(rules[n]) or (n in referenced and is_computed(rules[n]))} - spelled
        alike = {n for key in self.described.unique_keys if not key.nulls_distinct for n in key.columns}
        nullable = frozenset(n for n in names if self.described.column(n).nullable)
        erasable = (pinned & nullable) - referenced - alike - self.rows.cluster.reads
        # What other clusters have decided, and what references were chosen for, stays.
        pinned |= self.rows.cluster.reads
        pinned |= {n for r in self.plan.references if not set(names).isdisjoint(r.sets) for n in r.shared}
        counted = {n for n in names if isinstance(rules[n], Numbered)}
        counted |= {n for rule in rules.values() if isinstance(rule, Numbered) for n in rule.parents}
        references = {n for n in names if isinstance(rules[n], Referenced)}
        keys = self.described.uniques()
        keyed = ({n for key in keys for n in key} | spelled) - pinned - counted - references
        able = [r.foreign_key for r in self.plan.references if self._is_movable(r)]
        movable = [key for key in able if set(key.columns) <= set(names)]
        links = dict(self._links(movable, pinned | counted))
        return Freedom(
            free=frozenset(set(names) - pinned - counted - references - keyed),
            keyed=frozenset(keyed),
            keys=(*(key for key in keys if set(key) <= set(names)), *((name,) for name in sorted(spelled))),
            links=tuple(links),
            within=links,
            twins=tuple(self._twins(movable, pinned | counted)),
            nullable=nullable,
            erasable=frozenset(erasable),
            respelled=frozenset(respelled),
        )

    def _is_movable(self, reference: Reference) -> bool:
        """Whether rows may exchange what they refer to: neither trees nor what another reference implies."""
        made = self.shared.links.get((self.table, reference.foreign_key.name))
        return reference.role != "implied" and (made is None or made.tree is None)

    def _links(
        self, movable: Sequence[ForeignKey], stay: Set[Name]
    ) -> Iterator[tuple[tuple[Name, ...], tuple[Name, ...]]]:
        """Yield the columns of foreign keys that rows may exchange, and those that must agree for that."""
        for key in movable:
            link = set(key.columns)
            others = [set(other.columns) for other in self.described.foreign_keys]
            within = {name for other in others if other & link and not other <= link for name in other & link}
            own = link - within
            if own and not own & stay:
                yield tuple(sorted(own)), tuple(sorted(within))

    def _twins(
        self, movable: Sequence[ForeignKey], stay: Set[Name]
    ) -> Iterator[tuple[tuple[Name, ...], tuple[Name, ...]]]:
        """Yield the columns in which two foreign keys to the same key differ, if nothing else refers by them."""
        for one, other in combinations(movable, 2):
            if (one.parent, one.parent_columns) != (other.parent, other.parent_columns):
                continue
            pairs = [pair for pair in zip(one.columns, other.columns, strict=True) if pair[0] != pair[1]]
            mine = {name for pair in pairs for name in pair}
            third = {n for key in self.described.foreign_keys if key not in (one, other) for n in key.columns}
            alike = all(self.described.column(a).nullable == self.described.column(b).nullable for a, b in pairs)
            if pairs and alike and not mine & (stay | third):
                yield tuple(a for a, _ in pairs), tuple(b for _, b in pairs)

    def _separate(
        self, kept: Kept, columns: dict[Name, pa.Array], freedom: Freedom, draws: Draws
    ) -> tuple[dict[Name, pa.Array], dict[str, int]]:
        """Draw again what keys with expressions, a condition or NULL as a value read, until no two rows share one."""
        changed: dict[str, int] = {}
        for number in range(MOST_ROUNDS if kept.keys else 0):
            repeated = {key.key.name: self._repeats(key, columns) for key in kept.keys}
            if not any(len(rows) for rows in repeated.values()):
                return columns, changed
            for key in kept.keys:
                rows = repeated[key.key.name] if key is kept.keys[0] else self._repeats(key, columns)
                if number == 0 and len(rows):
                    changed[key.key.name] = len(rows)
                if len(rows):
                    columns = self._again(key, rows, number, kept, columns, freedom, draws)
        for key in kept.keys:
            if len(self._repeats(key, columns)):
                raise PlanError(
                    f"{self.table}: {self.count:,} rows cannot be unique in {key.key.name} ({', '.join(key.reads)}): "
                    f"what it reads are keys, or has too few values; lower --rows {self.table}"
                )
        return columns, changed

    def _repeats(self, key: unique.Key, columns: Mapping[Name, pa.Array]) -> Integers:
        return unique.repeats(key.codes(key.values(self.described, columns)))

    def _again(
        self,
        key: unique.Key,
        rows: Integers,
        number: int,
        kept: Kept,
        columns: dict[Name, pa.Array],
        freedom: Freedom,
        draws: Draws,
    ) -> dict[Name, pa.Array]:
        """Return the columns with those of a key drawn again in some rows; a try of round ``number``.

        Later rounds take what other rows refer to, make numbers that no row has, and NULL. Rows that would break a
        condition or a key stay.
        """
        names = [name for name in key.reads if name in freedom.free | freedom.keyed]
        if number > MOST_ROUNDS // 6 or not names:
            names += [name for link in freedom.links if set(link) & set(key.reads) for name in link]
        some = draws.of(names, len(rows))
        if number > MOST_ROUNDS // 3:
            some |= self._unheard_of(names, columns, len(rows))
        if number > 2 * MOST_ROUNDS // 3:
            nullable = freedom.nullable & set(names)
            some |= {name: pa.nulls(len(rows), columns[name].type) for name in nullable}
        if kept.judge is not None and kept.judge.checks:
            if number > MOST_ROUNDS // 3:
                # What else the conditions read is made to go with the new values.
                trial = columns | {name: replaced(columns[name], rows, array) for name, array in some.items()}
                trial, broken = mended(kept.judge, trial, freedom.without(names), draws.random, draws)
                good = np.flatnonzero(~broken[rows])
                some = {name: array.take(pa.array(rows)) for name, array in trial.items()}
            else:
                at = pa.array(rows)
                trial = {n: some[n] if n in some else array.take(at) for n, array in columns.items()}
                good = np.flatnonzero(~kept.judge.violators(trial).any(axis=0))
            rows, some = rows[good], {name: array.take(pa.array(good)) for name, array in some.items()}
            names = list(some)
        after = columns | {name: replaced(columns[name], rows, array) for name, array in some.items()}
        taken = np.zeros(self.count, dtype=bool)
        for plain in freedom.keys:
            if set(plain) & set(names):
                taken[unique.repeats(unique.tuple_codes([after[name] for name in plain], self.count))] = True
        if not taken.any():
            return after
        # Whoever was first has the key: those that were drawn now give way, also where they come first.
        back = np.flatnonzero(~taken[rows])
        if len(back) == len(rows):
            return columns
        kept_rows = {name: array.take(pa.array(back)) for name, array in some.items()}
        after = columns | {name: replaced(columns[name], rows[back], array) for name, array in kept_rows.items()}
        again = [unique.tuple_codes([after[n] for n in p], self.count) for p in freedom.keys if set(p) & set(names)]
        return columns if any(len(unique.repeats(codes)) for codes in again) else after

    def _unheard_of(self, names: Sequence[Name], columns: Mapping[Name, pa.Array], count: int) -> dict[Name, pa.Array]:
        """Return numbers and times above all that there are, for the columns that have such."""
        rules = [rule for name in names if unique.is_spaced(rule := self.shared.rule(self.table, name))]
        return {rule.column: unique.above(columns[rule.column], rule, count) for rule in rules[:1]}

    def _separate_spans(
        self, spans: exclusion.Spans, judge: Judge | None, columns: dict[Name, pa.Array]
    ) -> tuple[dict[Name, pa.Array], int]:
        try:
            moved = exclusion.separate(spans, self.described, columns)
        except ValueError as error:
            raise self._unkept(spans.exclusion, str(error)) from error
        if moved is None:
            return columns, 0
        after = columns | moved
        if judge is not None and judge.checks and judge.violators(after).any():
            number = int(judge.violators(after).any(axis=1).argmax())
            raise self._unkept(spans.exclusion, f"without overlaps, rows break {judge.checks[number].name}")
        if tied := [name for name in moved if isinstance(self.shared.rule(self.table, name), Referenced)]:
            raise self._unkept(spans.exclusion, f"{tied[0]} is that of the row it refers to, which cannot be moved")
        for key in self.described.uniques():
            if set(key) & set(moved) and len(unique.repeats(unique.tuple_codes([after[n] for n in key], self.count))):
                raise self._unkept(spans.exclusion, f"without overlaps, rows repeat the key ({', '.join(key)})")
        different = np.zeros(self.count, dtype=bool)
        for name, array in moved.items():
            same = pc.fill_null(pc.equal(array, columns[name]), False).to_numpy(zero_copy_only=False)
            none = pc.and_(array.is_null(), columns[name].is_null()).to_numpy(zero_copy_only=False)
            different |= ~(same | none)
        return after, int(different.sum())

    def _unkept(self, constraint: Exclusion, why: str) -> PlanError:
        return PlanError(
            f"{self.table}: {constraint.name} excludes rows from each other, and {why}; lower --rows {self.table}, or "
            f"leave the table out with --exclude {self.table}"
        )


class Draws:
    """Further rows of a table: learned columns from the table's own correlation, others by index or from the batch."""

    def __init__(self, rows: Draft, columns: Mapping[Name, pa.Array], random: np.random.Generator) -> None:
        self.rows, self.columns, self.random = rows, columns, random

    def __call__(self, count: int) -> dict[Name, pa.Array]:
        return self.of(list(self.columns), count)

    def of(self, names: Sequence[Name], count: int) -> dict[Name, pa.Array]:
        """Return ``count`` rows of these columns."""
        shared, table = self.rows.shared, self.rows.table
        model = shared.model.table(table)
        scores, axes = self._drawn(count)
        index = self.random.integers(0, 2**40, count)
        some = pa.array(self.random.integers(0, len(self.rows.scores), count))
        out = {}
        for name in names:
            rule, column = shared.rule(table, name), self.rows.described.column(name)
            if isinstance(rule, Learned) and name in axes:
                null = np.isnan(axes[name]) if rule.marginal.null_share else None
                out[name] = on_axis(axes[name], null, rule, column)
            elif isinstance(rule, Learned) and name in model.scores:
                place = model.scores.index(name)
                out[name] = values_at(
                    rule, column, index=index, streams=shared.streams, name=(table, name), scores=scores[:, place]
                )
            elif isinstance(rule, Learned) or (is_computed(rule) and not is_distinct(rule)):
                out[name] = values_at(rule, column, index=index, streams=shared.streams, name=(table, name))
            else:
                out[name] = self.columns[name].take(some)
            wanted = self.columns[name].type
            out[name] = out[name] if out[name].type == wanted else out[name].cast(wanted)
        return out

    def _drawn(self, count: int) -> tuple[Floats, Axes]:
        model = self.rows.shared.model.table(self.rows.table)
        if not model.scores:
            return np.zeros((count, 0)), {}
        root = np.linalg.cholesky(positive_definite(model.correlation))
        noise: Floats = np.clip(self.random.standard_normal((count, len(root))) @ root.T, -SCORE_LIMIT, SCORE_LIMIT)
        scores, axes = unfold(model, self.rows.described, noise, self.random, None)
        anyone = {
            fold.column: fold.decode(noise[:, model.scores.index(fold.column)], np.full(count, len(fold.pieces)), None)
            for fold in model.folds
            if fold.late
        }
        found = {**axes, **anyone}
        made = {p.column: axis_value(model, self.rows.described, scores, found, p.column) for p in model.products}
        return scores, {**found, **made}
