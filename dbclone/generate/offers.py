"""Changes of a batch's rows that are offered and taken only where they mend something: the ground of every repair.

Every change is judged before it is taken, and taken only if a row breaks fewer conditions than before and no unique key
is repeated. What is offered is the business of :mod:`dbclone.generate.repair`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.generate import unique
from dbclone.generate.casting import replaced
from dbclone.generate.constraints import Booleans, Columns, Judge

Integers = npt.NDArray[np.int64]

CANDIDATES = 40_000
"""Rows that are judged at once: enough to use DuckDB well, few enough for some milliseconds."""
MOST_TRIES = 256
"""Candidates per row and round at most."""


@dataclass(frozen=True, kw_only=True)
class Freedom:
    """What of a row may change: ``free`` columns; ``keyed`` ones as long as none of ``keys`` repeats in the batch.

    ``links`` are the columns of foreign keys whose values rows may exchange, those ``within`` which names columns only
    with rows that agree on these; ``twins`` are the columns of two foreign keys to the same key, which a row may
    exchange between them. ``respelled`` are texts that all differ and may only be written otherwise, one by one;
    ``erasable`` are values that all differ and may become NULL. Other columns stay. ``nullable`` are those that may be
    NULL.
    """

    free: frozenset[str]
    keyed: frozenset[str]
    keys: tuple[tuple[str, ...], ...]
    links: tuple[tuple[str, ...], ...]
    nullable: frozenset[str]
    respelled: frozenset[str] = frozenset()
    erasable: frozenset[str] = frozenset()
    within: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)
    twins: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()

    def without(self, names: Collection[str]) -> Freedom:
        """Return the freedom with these columns fixed."""
        return replace(
            self,
            free=self.free.difference(names),
            keyed=self.keyed.difference(names),
            links=tuple(link for link in self.links if set(link).isdisjoint(names)),
            twins=tuple(pair for pair in self.twins if {*pair[0], *pair[1]}.isdisjoint(names)),
            respelled=self.respelled.difference(names),
            erasable=self.erasable.difference(names),
        )


class Offers:
    """One batch to be mended. ``broken`` (conditions × rows) is kept up to date; ``changed`` columns may change now."""

    def __init__(
        self,
        judge: Judge,
        columns: dict[str, pa.Array],
        freedom: Freedom,
        random: np.random.Generator,
    ) -> None:
        self.judge, self.columns, self.freedom, self.random = judge, columns, freedom, random
        self.broken = judge.violators(columns)
        self.changed = freedom.free

    def rows_of(self, names: Sequence[str]) -> Integers:
        """Return the rows that break a condition on any of these columns."""
        about = [bool(set(check.columns) & set(names)) for check in self.judge.checks]
        return np.flatnonzero(self.broken[about].any(axis=0))

    def groups(self, *, wide: bool) -> Iterator[tuple[list[str], list[str], Integers]]:
        """Yield the broken rows by which conditions they break: the columns to change, those to keep, and the rows."""
        rows = np.flatnonzero(self.broken.any(axis=0))
        if not len(rows):
            return
        kinds, which = np.unique(self.broken[:, rows].T, axis=0, return_inverse=True)
        for number, kind in enumerate(kinds):
            about = {name for check, hit in zip(self.judge.checks, kind, strict=True) if hit for name in check.columns}
            before: set[str] = set()
            while wide and about != before:
                before = set(about)
                about |= {n for c in self.judge.checks if set(c.columns) & about & self.changed for n in c.columns}
            names = sorted(about & self.changed)
            if names:
                yield names, sorted(about - self.changed), rows[which.ravel() == number]

    def offer_several(self, rows: Integers, pool: Columns, *, alike: bool = False) -> None:
        """Offer each row random rows of ``pool``, as many as can be judged at once."""
        if not pool or not len(rows):
            return
        count = len(next(iter(pool.values())))
        tries = min(max(CANDIDATES // len(rows), 1), MOST_TRIES)
        at = pa.array(self.random.integers(0, count, len(rows) * tries))
        self.offer(rows, {name: array.take(at) for name, array in pool.items()}, tries=tries, alike=alike)

    def offer(self, rows: Integers, changes: Columns, *, tries: int = 1, alike: bool = False) -> None:
        """Take the first of ``tries`` candidates per row that breaks fewer conditions and no new one.

        ``alike``: only one in which the same columns are NULL.
        """
        if not len(rows) or not changes:
            return
        each = np.repeat(rows, tries)
        broken = self.judged(each, changes)
        better = fewer(broken, self.broken[:, each])
        for name, array in changes.items() if alike else ():
            same = pc.equal(array.is_valid(), self.columns[name].is_valid().take(pa.array(each)))
            better &= same.to_numpy(zero_copy_only=False)
        better = better.reshape(len(rows), tries)
        some = np.flatnonzero(better.any(axis=1))
        at = some * tries + better[some].argmax(axis=1)
        taken = {name: array.take(pa.array(at)) for name, array in changes.items()}
        self.commit(rows[some], taken, broken[:, at], pairs=False)

    def judged(self, rows: Integers, changes: Columns) -> Booleans:
        at = pa.array(rows)
        judged = {n: a.take(at) if n not in changes else changes[n] for n, a in self.columns.items()
                  if n in self.judge.columns}  # fmt: skip
        return self.judge.violators(judged)

    def commit(self, rows: Integers, changes: Columns, broken: Booleans, *, pairs: bool) -> None:
        """Write accepted changes, but not those that repeat a key.

        Of ``pairs``, which are a row of the first half and one of the second, both are written or none.
        """
        keys = [key for key in self.freedom.keys if set(key) & set(changes)]
        while len(rows):
            columns = {name: replaced(self.columns[name], rows, array) for name, array in changes.items()}
            repeated = np.zeros(len(rows), dtype=bool)
            for key in keys:
                codes = unique.tuple_codes([columns.get(n, self.columns[n]) for n in key], self.broken.shape[1])
                count = np.bincount(codes[codes >= 0], minlength=int(codes.max(initial=0)) + 1)
                repeated |= (codes[rows] >= 0) & (count[np.maximum(codes[rows], 0)] > 1)
            if pairs:
                half = len(rows) // 2
                repeated = np.tile(repeated[:half] | repeated[half:], 2)
            if not repeated.any():
                self.columns |= columns
                self.broken[:, rows] = broken
                return
            kept = np.flatnonzero(~repeated)
            rows, broken = rows[kept], broken[:, kept]
            changes = {name: array.take(pa.array(kept)) for name, array in changes.items()}


def fewer(new: Booleans, old: Booleans) -> Booleans:
    """Return per row whether ``new`` breaks some but not all of what ``old`` does, and nothing else."""
    fewer: Booleans = (new <= old).all(axis=0) & (new != old).any(axis=0)
    return fewer
