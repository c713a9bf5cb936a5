"""How many children a row can have: what unique keys, shared columns and NULLs in referenced columns leave room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dbclone.generate.layout import Layouts
from dbclone.generate.shared import Name
from dbclone.model.normal import ndtri
from dbclone.model.parts import LinkModel
from dbclone.model.rules import Learned
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Reference, TablePlan
from dbclone.schema.roles import Place, origin, sources

if TYPE_CHECKING:
    from dbclone.generate.references import References

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

MOST = 2**40
"""No limit: the sum over a few million parents still fits into 64 bits."""


class Room:
    """The limits of all fan-outs."""

    def __init__(self, references: References, layouts: Callable[[], Layouts]) -> None:
        self.references, self.shared, self._layouts = references, references.shared, layouts
        self._asking: list[TableKey] = []

    def most_children(self, child: TableKey) -> Integers | None:
        """Return how many children each row of the primary parent may have; None without a limit.

        One where the foreign key is unique; none where the row cannot be referred to, or where a further parent must
        agree with it on shared columns, and no row of that parent does. Where a unique key is made of the primary
        reference and others, as many as these have combinations.
        """
        plan = self.shared.plan.table(child)
        primary = plan.primary
        if primary is None:
            return None
        key = primary.foreign_key
        rows = self.shared.rows[key.parent]
        limit = np.full(rows, 1 if primary.unique else MOST, dtype=np.int64)
        able = self.references.able(key.parent, key.parent_columns)
        if able is not None:
            limit[~able] = 0
        for reference in plan.links:
            if self._follows(child, reference, primary) and not reference.null:
                limit = np.where(self._agreeing_rows(child, reference, primary) > 0, limit, 0)
        for unique in self.shared.schema.table(child).uniques():
            if set(key.columns) <= set(unique):
                narrow = np.minimum(limit, self._combinations(child, unique, primary, everyone=False))
                if int(narrow.sum()) >= self.shared.rows[child]:
                    limit = narrow
                else:
                    limit = np.minimum(limit, self._combinations(child, unique, primary, everyone=True))
        return limit if (limit < MOST).any() else None

    def _follows(self, child: TableKey, reference: Reference, primary: Reference) -> bool:
        """Whether the columns that a link shares are all set by the primary reference."""
        return (
            (child, reference.foreign_key.name) in self.shared.links
            and reference.role == "link"
            and bool(reference.shared)
            and set(reference.shared) <= set(primary.sets)
        )

    def _agreeing_rows(self, child: TableKey, reference: Reference, primary: Reference) -> Integers:
        """Return, for each row of the primary parent, how many rows of a link's parent agree with it."""
        key = primary.foreign_key
        image = dict(zip(key.columns, key.parent_columns, strict=True))
        rows = np.arange(self.shared.rows[key.parent])
        columns = [self.references.key(key.parent, image[name], rows) for name in reference.shared]
        link = self.shared.links[child, reference.foreign_key.name]
        first, last = self.references.groups(link, reference).find(columns)
        return last - first

    def _combinations(self, child: TableKey, unique: Sequence[Name], primary: Reference, *, everyone: bool) -> Integers:
        """Return how many children of one parent row can differ in the rest of a unique key.

        Unless ``everyone``, with such rows of other parents only as any row refers to.
        """
        rest = set(unique) - set(primary.sets)
        rows = self.shared.rows[primary.foreign_key.parent]
        if not rest:
            return np.ones(rows, dtype=np.int64)
        total = np.ones(rows, dtype=np.int64)
        for reference in self.shared.plan.table(child).links:
            link = self.shared.links.get((child, reference.foreign_key.name))
            if link is None or not reference.sets or not set(reference.sets) <= rest:
                continue
            if reference.null and link.null_share:
                return np.full(rows, MOST)
            if not reference.shared:
                twin = self.shared.model.table(child).twin(reference.foreign_key.name)
                differs = twin is not None and twin.share == 0 and twin.other == primary.foreign_key.name
                size: Integers | int = (self.size_of(reference) if everyone else self.in_use(link)) - int(differs)
            elif self._follows(child, reference, primary):
                size = self._agreeing_rows(child, reference, primary)
            else:
                continue
            total = np.minimum(total * np.minimum(size, MOST // np.maximum(total, 1)), MOST)
            rest -= set(reference.sets)
        for name in sorted(rest):
            atoms = self.labels_of(child, name)
            total = np.full(rows, MOST) if atoms is None else np.minimum(total * atoms, MOST)
        return total

    def size_of(self, reference: Reference) -> int:
        """Return how many rows can be referred to."""
        key = reference.foreign_key
        able = self.references.able(key.parent, key.parent_columns)
        return self.shared.rows[key.parent] if able is None else int(able.sum())

    def in_use(self, link: LinkModel) -> int:
        """Return how many rows of a link's parent have children, by the learned fan-out."""
        rows = self.shared.rows[link.parent]
        fan_out = link.fan_out.decode(ndtri((np.arange(rows) + 0.5) / max(rows, 1)))
        return max(int(np.count_nonzero(np.nan_to_num(fan_out) >= 0.5)), 1)

    def labels_of(self, table: TableKey, column: Name) -> int | None:
        """Return how many different values a learned column takes; None if as many as there are rows."""
        rule = self.shared.rule(table, column)
        if not isinstance(rule, Learned):
            return None
        low, high = rule.marginal.low, rule.marginal.high
        alike = (low == high) | np.isnan(low)
        return len(low) if alike.all() and len(np.unique(low)) == len(low) else None

    def of_link(self, child: TableKey, reference: Reference) -> Integers:
        """Return how many children each row of a link's parent may have."""
        key = reference.foreign_key
        rows = self.shared.rows[key.parent]
        limit = np.full(rows, 1 if reference.unique else MOST, dtype=np.int64)
        primary = self.shared.plan.table(child).primary
        if primary is not None and not self._layouts().of(child).parentless:
            pair = set(primary.sets) | set(reference.sets)
            if any(set(unique) == pair for unique in self.shared.schema.table(child).uniques()):
                limit = np.minimum(limit, np.count_nonzero(self._layouts().of(child).counts))
        able = self.references.able(key.parent, key.parent_columns)
        if able is not None:
            limit[~able] = 0
        return limit

    def agreeing(self, child: TableKey, reference: Reference, able: Booleans | None) -> Booleans | None:
        """Return which rows of a link's parent may be chosen: those that later references can agree with.

        A reference after this one may share columns that this one sets; rows for which it would find nobody are out.
        """
        key = reference.foreign_key
        image = dict(zip(key.columns, key.parent_columns, strict=True))
        plan = self.shared.plan.table(child)
        later = plan.links[plan.links.index(reference) + 1 :]
        for other in later:
            link = self.shared.links.get((child, other.foreign_key.name))
            bound = other.shared and set(other.shared) <= set(key.columns) and set(other.shared) & set(reference.sets)
            if link is None or other.role != "link" or other.null or not bound:
                continue
            rows = np.arange(self.shared.rows[key.parent])
            columns = [self.references.key(key.parent, image[name], rows) for name in other.shared]
            first, last = self.references.groups(link, other).find(columns)
            able = (last > first) if able is None else able & (last > first)
        return able

    # ---- Children that must be there -------------------------------------------------------------------------------

    def least_children(self, table: TableKey) -> Integers | None:
        """Return how many children each row of the primary parent must have; None if any number will do.

        A table whose key refers to two tables at once (a working student is a student and a member of staff) needs rows
        that both of them have: where these two descend from one table, the second takes as many rows of that one as the
        first has, and needs.
        """
        plan = self.shared.plan.table(table)
        primary = plan.primary
        if primary is None or not primary.unique or table in self._asking:
            return None
        self._asking.append(table)
        rows = self.shared.rows[primary.foreign_key.parent]
        least = np.zeros(rows, dtype=np.int64)
        found = {t.table: t.references for t in self.shared.plan.tables}
        onward = sources(found)
        for other in self.shared.plan.tables:
            for reference in other.links:
                key = reference.foreign_key
                if key.parent == table and not reference.sets and other.primary is not None and not reference.null:
                    wanted = self._wanted(other.table, reference, other.primary, onward)
                    if wanted is not None:
                        least[wanted[wanted >= 0]] = 1
        self._asking.pop()
        return least if least.any() else None

    def _wanted(
        self, child: TableKey, reference: Reference, first: Reference, onward: dict[Place, Place]
    ) -> Integers | None:
        """Return rows of the common ancestor that both parents of ``child`` should have."""
        mine, theirs = reference.foreign_key.columns[0], reference.foreign_key.parent_columns[0]
        if mine not in first.sets or first.foreign_key.parent in self._asking:
            return None
        start = dict(zip(first.foreign_key.columns, first.foreign_key.parent_columns, strict=True))[mine]
        place: Place = (first.foreign_key.parent, start)
        target = self.shared.plan.table(reference.foreign_key.parent).primary
        if target is None or origin(onward, place) != origin(onward, (reference.foreign_key.parent, theirs)):
            return None
        positions = np.arange(self.shared.rows[place[0]])
        while place[0] != target.foreign_key.parent:
            step = self.shared.plan.table(place[0]).primary
            if step is None or place[1] not in step.sets:
                return None
            positions = self._layouts().of(place[0]).parents[positions]
            place = onward[place]
        random = self.shared.streams.generator("both", child, reference.foreign_key.name)
        return random.permutation(positions)[: self.shared.rows[child]]

    # ---- Children of two that have a parent in common ----------------------------------------------------------------

    def crossed(self, table: TableKey, counts: Integers, most: Integers | None) -> Integers:
        """Return the fan-outs of a table, exchanged between parents as far as other tables need it.

        A table of the pairs of users and projects of one tenant has room for users × projects, tenant by tenant. Where
        that is too little for its rows, tenants of many users get the larger numbers of projects; where even that is,
        projects move to the tenant of most users, unless ``most`` limits how many a tenant has.
        """
        primary = self.shared.plan.table(table).primary
        if primary is None or table in self._asking:
            return counts
        self._asking.append(table)
        for other in self.shared.plan.tables:
            sibling = None if other.primary is None else other.primary.foreign_key.parent
            if sibling is None or not self._crosses(other, sibling, table, primary):
                continue
            theirs = self._layouts().of(sibling).counts
            order = np.argsort(theirs, kind="stable")
            for part in (0.0, 0.25, 0.5, 0.75, 1.0):
                # The parents with the most children elsewhere, in that order, get their own numbers in that order.
                some = order[len(order) - round(part * len(order)) :]
                trial = counts.copy()
                trial[some] = np.sort(counts[some])
                if int(trial @ theirs) >= self.shared.rows[other.table]:
                    break
            short = self.shared.rows[other.table] - int(trial @ theirs)
            counts = trial if short <= 0 or most is not None else _concentrated(trial, theirs, short)
        self._asking.pop()
        return counts

    def _crosses(self, other: TablePlan, sibling: TableKey, table: TableKey, primary: Reference) -> bool:
        """Whether ``other`` holds pairs of rows of two tables with a parent in common, each pair once at most."""
        beside = self.shared.plan.table(sibling).primary
        if beside is None or sibling in self._asking or other.table not in self.shared.model:
            return False
        if (beside.foreign_key.parent, beside.foreign_key.parent_columns) != (
            primary.foreign_key.parent,
            primary.foreign_key.parent_columns,
        ):
            return False
        first = other.primary
        return first is not None and any(
            reference.foreign_key.parent == table
            and self._follows(other.table, reference, first)
            and any(
                set(unique) == {*first.sets, *reference.sets}
                for unique in self.shared.schema.table(other.table).uniques()
            )
            for reference in other.links
        )


def _concentrated(counts: Integers, theirs: Integers, short: int) -> Integers:
    """Return counts of which as few as need be have moved to where ``theirs`` is highest, for ``short`` more pairs."""
    holder = np.repeat(np.arange(len(counts)), counts)
    holder = holder[np.argsort(theirs[holder], kind="stable")]
    gain = np.cumsum(theirs.max(initial=0) - theirs[holder])
    moving = holder[: int(np.searchsorted(gain, short)) + 1]
    out = counts - np.bincount(moving, minlength=len(counts))
    out[int(theirs.argmax())] += len(moving)
    return out
