"""Rows that break a condition, repaired: by what their neighbours have, by drawing again, by what the condition names.

Every proposal is judged before it is taken, and taken only if a row breaks fewer conditions than before, so repairs
never undo each other. The proposals go from the most to the least plausible:

1. two columns of a comparison exchange their values or get another row's distance (``ends >= starts``), an equation is
   computed (``total = a + b``);
2. the columns of the broken conditions are taken from a row of the batch that breaks none and agrees with the violator
   on what may not change: by value, else by what is NULL, else at random;
3. they are drawn again, many times, from the table's own correlation; NULL stays NULL and a value one, if that helps;
4. two rows exchange the parents that they refer to, which keeps every fan-out;
5. texts are written otherwise, or they get a value that the condition itself names, or NULL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.errors import PlanError
from dbclone.generate import unique
from dbclone.generate.casting import (
    RESPELLINGS,
    as_numbers,
    as_type,
    from_numbers,
    named_values,
    plain,
)
from dbclone.generate.constraints import Booleans, Columns, Judge, compute
from dbclone.generate.offers import CANDIDATES, MOST_TRIES, Freedom, Offers, fewer
from dbclone.generate.patterns import matching
from dbclone.schema.checks import Comparison, comparisons, literals, patterns

Integers = npt.NDArray[np.int64]

REDRAWS = 24
ALIKE = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """The columns of a batch, and per condition how many of its rows were repaired."""

    columns: dict[str, pa.Array]
    rows: Mapping[str, int]


def repair(
    judge: Judge, columns: Columns, freedom: Freedom, random: np.random.Generator, draw: Callable[[int], Columns]
) -> Repaired:
    """Return the columns, every row of which fulfils all conditions; ``draw(count)`` makes rows anew.

    Raises ConditionError, naming the condition, if rows are left that no proposal repairs.
    """
    work = _Repair(judge, dict(columns), freedom, random, draw)
    before = work.broken.sum(axis=1)
    work.run()
    if work.broken.any():
        raise _hopeless(judge, work.broken, work.impossible)
    repaired = {check.name: int(count) for check, count in zip(judge.checks, before, strict=True) if count}
    return Repaired(columns=work.columns, rows=repaired)


def mended(
    judge: Judge, columns: Columns, freedom: Freedom, random: np.random.Generator, draw: Callable[[int], Columns]
) -> tuple[dict[str, pa.Array], Booleans]:
    """Return the columns with as many rows repaired as can be, and which rows still break a condition."""
    work = _Repair(judge, dict(columns), freedom, random, draw)
    work.run()
    return work.columns, np.asarray(work.broken.any(axis=0))


class ConditionError(PlanError):
    """No row of a table can be made that fulfils one of its conditions: more rows or fewer change nothing."""


def _hopeless(judge: Judge, broken: Booleans, impossible: Callable[[int], bool]) -> ConditionError:
    number = int(broken.sum(axis=1).argmax())
    check, table = judge.checks[number], judge.table.key
    columns = ", ".join(check.columns)
    why = (
        "its columns are keys, which cannot be chosen"
        if impossible(number)
        else "neither other rows nor new draws helped"
    )
    return ConditionError(
        f"{table}: no generated value of ({columns}) fulfils {check.name} in {int(broken[number].sum()):,} of "
        f"{broken.shape[1]:,} rows of a batch: {why}; leave the table out with --exclude {table}"
    )


class _Repair(Offers):
    """One batch under repair: what is offered, and in which order."""

    def __init__(
        self,
        judge: Judge,
        columns: dict[str, pa.Array],
        freedom: Freedom,
        random: np.random.Generator,
        draw: Callable[[int], Columns],
    ) -> None:
        super().__init__(judge, columns, freedom, random)
        self.draw = draw
        self.comparisons = [
            (number, comparison)
            for number, check in enumerate(judge.checks)
            for comparison in comparisons(check, judge.dialect)
        ]

    def run(self) -> None:
        """Carry out the proposals, in order, until nothing is broken; a second time with key columns as well."""
        for changed in (self.freedom.free, self.freedom.free | self.freedom.keyed):
            self.changed = changed
            for proposal in self._proposals():
                if not self.broken.any():
                    return
                proposal()

    def impossible(self, number: int) -> bool:
        """Whether nothing that the condition reads may change."""
        links = {name for link in (*self.freedom.links, *sum(self.freedom.twins, ())) for name in link}
        may = self.freedom.free | self.freedom.keyed | self.freedom.respelled | self.freedom.erasable | links
        return not set(self.judge.checks[number].columns) & may

    def _proposals(self) -> Iterator[Callable[[], None]]:
        yield from (self._swap, self._equate, self._swap, self._keep_distance, self._cross)
        for _ in range(3):
            yield self._take_known
        for level in ("value", "null") * 2:
            yield lambda level=level: self._take(level, wide=False)  # type: ignore[misc]
        for _ in range(ALIKE):
            yield lambda: self._redraw(wide=False, alike=True)
        for wide in (False, True):
            for _ in range(3):
                yield lambda wide=wide: self._take("any", wide)  # type: ignore[misc]
        for number in range(REDRAWS):
            yield lambda wide=number % 3 == 2: self._redraw(wide, alike=False)  # type: ignore[misc]
        for link in self.freedom.links:
            for _ in range(12):
                yield lambda link=link: self._exchange(link)  # type: ignore[misc]
        yield self._respell
        yield self._clamp
        for _ in range(3):
            yield self._from_condition
        for link in (*self.freedom.links, *((name,) for name in sorted(self.freedom.erasable))):
            yield lambda link=link: self._unlink(link)  # type: ignore[misc]
            yield self._from_condition

    # ---- Proposals -------------------------------------------------------------------------------------------------

    def _swap(self) -> None:
        """Exchange the two columns of a comparison where it is broken."""
        for number, comparison in self.comparisons:
            other = comparison.other_column
            rows = np.flatnonzero(self.broken[number])
            if other is None or comparison.equal or not len(rows) or not {comparison.column, other} <= self.changed:
                continue
            mine, theirs = self.columns[comparison.column], self.columns[other]
            if mine.type == theirs.type:
                at = pa.array(rows)
                self.offer(rows, {comparison.column: theirs.take(at), other: mine.take(at)})

    def _cross(self) -> None:
        """Let a row exchange what it refers to through two foreign keys: a friendship is noted in one order only."""
        for one, other in self.freedom.twins:
            rows = self.rows_of((*one, *other))
            at = pa.array(rows)
            pairs = [*zip(one, other, strict=True), *zip(other, one, strict=True)]
            self.offer(rows, {mine: self.columns[theirs].take(at) for mine, theirs in pairs})

    def _keep_distance(self) -> None:
        """Give a column of a broken comparison the other one's value and the distance that they have in another row."""
        for number, comparison in self.comparisons:
            other = comparison.other_column
            rows = np.flatnonzero(self.broken[number])
            if other is None or comparison.equal or not len(rows) or comparison.column not in self.changed:
                continue
            mine, theirs = self.columns[comparison.column], self.columns[other]
            ours, others = as_numbers(mine), as_numbers(theirs)
            if mine.type != theirs.type or ours is None or others is None:
                continue
            known = pc.and_(ours.is_valid(), others.is_valid()).to_numpy(zero_copy_only=False).astype(bool)
            donors = np.flatnonzero(~self.broken.any(axis=0) & known)
            rows = rows[others.is_valid().to_numpy(zero_copy_only=False).astype(bool)[rows]]
            if not len(donors) or not len(rows):
                continue
            tries = min(max(CANDIDATES // len(rows), 1), 8)
            chosen, each = self.random.choice(donors, len(rows) * tries), np.repeat(rows, tries)
            moved = pc.add(others.take(pa.array(each)), pc.subtract(ours, others).take(pa.array(chosen)))
            self.offer(each[::tries], {comparison.column: from_numbers(moved, mine.type)}, tries=tries)

    def _equate(self) -> None:
        self._assign([(number, item) for number, item in self.comparisons if item.equal])

    def _clamp(self) -> None:
        self._assign(self.comparisons)

    def _assign(self, found: Sequence[tuple[int, Comparison]]) -> None:
        """Give the column of a broken comparison the value of its other side."""
        for number, comparison in found:
            rows = np.flatnonzero(self.broken[number])
            if not len(rows) or comparison.column not in self.changed:
                continue
            values = self._computed(comparison, rows)
            if values is not None:
                self.offer(rows, {comparison.column: values})

    def _computed(self, comparison: Comparison, rows: Integers) -> pa.Array | None:
        """Return the other side's values in the column's type; None if they have none there."""
        at = pa.array(rows)
        judged = {name: array.take(at) for name, array in self.columns.items() if name in self.judge.columns}
        try:
            values = compute(self.judge.table, [comparison.other], judged)["c0"].combine_chunks()
        except duckdb.Error:
            return None
        return as_type(values, self.columns[comparison.column].type)

    def _take(self, level: str, wide: bool) -> None:
        """Take the columns of the broken conditions from rows that break none and agree on the columns that stay.

        ``wide``: also the columns of other conditions that share a column with them, and so on.
        """
        donors = np.flatnonzero(~self.broken.any(axis=0))
        if not len(donors):
            return
        for names, fixed, rows in self.groups(wide=wide):
            chosen = self._agreeing(rows, donors, (fixed, names), level)
            some = chosen >= 0
            at = pa.array(chosen[some])
            self.offer(rows[some], {name: self.columns[name].take(at) for name in names})

    def _agreeing(
        self, rows: Integers, donors: Integers, columns: tuple[Sequence[str], Sequence[str]], level: str
    ) -> Integers:
        """Return a random donor for each row; −1 where there is none.

        It agrees on the first ``columns`` by value or by which are NULL, as ``level`` says, and on which of the second
        are NULL; at level ``any`` on nothing.
        """
        if level == "any":
            return self.random.choice(donors, len(rows))
        fixed = [self.columns[name] for name in columns[0]]
        codes = unique.tuple_codes(
            [
                *(column.is_valid() if level == "null" else column for column in fixed),
                *(self.columns[name].is_valid() for name in columns[1]),
            ],
            self.broken.shape[1],
            nulls_distinct=False,
        )
        order = donors[np.argsort(codes[donors], kind="stable")]
        first = np.searchsorted(codes[order], codes[rows], side="left")
        last = np.searchsorted(codes[order], codes[rows], side="right")
        place = first + (self.random.random(len(rows)) * (last - first)).astype(np.int64)
        return np.where(last > first, order[np.minimum(place, len(order) - 1)], -1)

    def _take_known(self) -> None:
        """Take values that the target let pass, for the conditions that only it can judge."""
        for number, check in enumerate(self.judge.checks):
            rows = np.flatnonzero(self.broken[number])
            if self.judge.expressions[number] is not None or not len(rows):
                continue
            good = self.judge.known[check.name].good
            names = [name for name in check.columns if name in self.changed]
            count = len(next(iter(good.values())))
            if names and count:
                self.offer_several(rows, {name: good[name] for name in names})

    def _redraw(self, wide: bool, alike: bool) -> None:
        """Draw again; ``wide`` as in :meth:`_take`, ``alike`` if what is NULL is to be as it was."""
        for names, _, rows in self.groups(wide=wide):
            made = self.draw(int(np.clip(4 * len(rows), 2_000, 16_000)))
            self.offer_several(rows, {name: made[name] for name in names if name in made}, alike=alike)

    def _respell(self) -> None:
        """Write texts otherwise: in one case, without blanks, without what is neither letter nor digit."""
        may = self.changed | self.freedom.respelled
        for number, check in enumerate(self.judge.checks):
            for name in check.columns:
                if name not in may or not pa.types.is_string(plain(self.columns[name]).type):
                    continue
                for respell in RESPELLINGS:
                    rows = np.flatnonzero(self.broken[number])
                    if len(rows):
                        self.offer(rows, {name: respell(plain(self.columns[name].take(pa.array(rows))))})

    def _from_condition(self) -> None:
        """Take values that the conditions name, or NULL, in random combinations with what is there."""
        words = self._vocabulary()
        for names, _, rows in self.groups(wide=False):
            count = max(4 * len(rows), 1_000)
            tries = min(max(CANDIDATES // max(len(rows), 1), 1), MOST_TRIES)
            rows_each = np.repeat(rows, tries)
            changes = {}
            for name in names:
                kept = self.columns[name].take(pa.array(rows_each))
                changes[name] = self._mixed(kept, words.get(name), name in self.freedom.nullable)
            self.offer(rows, changes, tries=tries)
            made = self.draw(min(count, 16_000))
            self.offer_several(rows, {name: made[name] for name in names if name in made})

    def _mixed(self, kept: pa.Array, words: pa.Array | None, nullable: bool) -> pa.Array:
        kind = self.random.random(len(kept))
        out = kept
        if words is not None and len(words):
            named = words.take(pa.array(self.random.integers(0, len(words), len(kept))))
            out = pc.if_else(pa.array(kind < 0.6), named, plain(out))
        if nullable:
            out = pc.if_else(pa.array(kind > 0.8), pa.scalar(None, plain(out).type), plain(out))
        return out

    def _vocabulary(self) -> dict[str, pa.Array]:
        """Return, per column, values that the conditions name, and numbers next to them."""
        found: dict[str, list[pa.Array]] = {}
        for check in self.judge.checks:
            for name, values in literals(check, self.judge.dialect).items():
                if name in self.columns:
                    found.setdefault(name, []).extend(named_values(values, plain(self.columns[name]).type))
            for name, expressions in patterns(check, self.judge.dialect).items():
                if name in self.columns and pa.types.is_string(plain(self.columns[name]).type):
                    for expression in expressions:
                        texts = matching(expression, 200, self.random)
                        found.setdefault(name, []).append(pa.array(texts, pa.string()))
        return {name: pa.concat_arrays(values) for name, values in found.items() if values}

    def _unlink(self, link: Sequence[str]) -> None:
        """Have rows refer to no parent, or have no value of a key."""
        if not set(link) <= self.freedom.nullable:
            return
        rows = self.rows_of(link)
        self.offer(rows, {name: pa.nulls(len(rows), plain(self.columns[name]).type) for name in link})

    def _exchange(self, link: Sequence[str]) -> None:
        """Have rows exchange the parents they refer to with random other rows, none of which gets worse by it."""
        rows = self.rows_of(link)
        others = np.flatnonzero(~self.broken.any(axis=0))
        if not len(rows) or not len(others):
            return
        mine = self.random.permutation(rows)
        theirs = self._agreeing(mine, others, (self.freedom.within.get(tuple(link), ()), ()), "value")
        mine, theirs = _each_once(mine, theirs)
        count = len(mine)
        both, crossed = np.concatenate([mine, theirs]), pa.array(np.concatenate([theirs, mine]))
        changes = {name: self.columns[name].take(crossed) for name in link}
        broken = self.judged(both, changes)
        better = fewer(broken[:, :count], self.broken[:, mine]) & ~broken[:, count:].any(axis=0)
        pairs = np.flatnonzero(better)
        kept = np.concatenate([pairs, count + pairs])
        self.commit(both[kept], {n: a.take(pa.array(kept)) for n, a in changes.items()}, broken[:, kept], pairs=True)


def _each_once(mine: Integers, theirs: Integers) -> tuple[Integers, Integers]:
    """Return the pairs that have a partner (not −1), each partner once."""
    mine, theirs = mine[theirs >= 0], theirs[theirs >= 0]
    _, first = np.unique(theirs, return_index=True)
    return mine[first], theirs[first]
