"""Folds, learned: which columns follow from others so closely that a correlation of scores would lose it.

Looked for in this order. *Anchors*: a time that lies at a characteristic distance from another time of the row, or of
the row's parent, is learned as that distance. *Weeks*: times that are not anchored closely are learned without their
profile over the week. *Conditions*: a column whose distribution differs between the values of another is learned apart
for each of them, each column by the one that tells most of it. *Products* of two columns are computed and not learned.

Nothing is taken from fewer than :data:`RARE` rows: a combination of values that fewer have gets the share that its
parts have in the whole table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import numpy.typing as npt

from dbclone.model.folds import HOURS, Fold, Product, evened, piece_of, week_of
from dbclone.model.marginal import APART, Marginal, fit_marginal
from dbclone.schema.model import TypeKind

Booleans = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RARE = 5
FEWEST = 50
"""Rows below which no relation is looked for."""
PROBES = 24
"""Rows in which products are looked for, before all rows are asked."""
FEWEST_IN_PIECE = 20
"""Rows that tell a distribution of numbers of their own."""
MOST_PIECES = 256
MOST_ROWS = 20_000
LEAST_TOLD = 0.03
"""Share of a column's entropy that another must take away."""
BINS = 8
CLOSE = 0.35
"""An anchored time spreads over so much of the range over which it would spread otherwise, at most."""
LEAST_PROFILE = 0.1
"""Total variation between a week's profile and an even one from which on the profile is kept."""
LATE = 3.0
"""Days: times that follow their anchor more closely take their profile over the week from it."""

TIMES: tuple[TypeKind, ...] = ("date", "timestamp", "timestamptz")
_DAY = 86_400_000_000.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A learned column: its values on its axis (NaN is NULL), and its marginal.

    ``unit`` is its grid's. ``keyed``: part of a unique key or of a pair, drawn again on its own. ``lent``
    marks the rows that were given another row's value, as their own is too rare to be kept: they tell of no relation.
    """

    name: str
    kind: TypeKind
    axis: Floats
    marginal: Marginal
    is_category: bool
    unit: float
    lent: Booleans
    keyed: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Anchor:
    """A time of the row that a foreign key refers to, for each row."""

    foreign_key: str
    name: str
    kind: TypeKind
    axis: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Teller:
    """A column of few values that others may be conditioned on; of the row that a foreign key refers to, if one is
    named. ``groups`` rows at most tell independently of each other. ``late`` as in :class:`Fold`.
    """

    name: str
    axis: Floats
    pieces: Floats
    lent: Booleans
    groups: int
    foreign_key: str = ""
    late: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class Folded:
    """What was found. ``scores`` and ``reliability`` have an entry per folded column; folds come in the order in which
    they are undone: each after what it follows from.
    """

    folds: tuple[Fold, ...] = ()
    scores: Mapping[str, Floats]
    reliability: Mapping[str, float]


def find_folds(
    columns: Sequence[Candidate],
    base: Booleans,
    anchors: Sequence[Anchor] = (),
    tellers: Sequence[Teller] = (),
    *,
    name: str = "",
) -> Folded:
    """Return how the columns of one table follow from each other; ``base`` marks the rows that stand for the table.

    ``anchors`` and ``tellers`` are those of other tables' rows. ``name`` seeds what is random.
    """
    if int(base.sum()) < FEWEST:
        return Folded(scores={}, reliability={})
    tried = {c.name: _anchored(c, columns, base, anchors, name) for c in columns}
    drafts = {n: draft for n, draft in tried.items() if draft is not None}
    _break_circles(drafts)
    rests = {c.name: drafts[c.name].rest if c.name in drafts else c.axis for c in columns}
    own = [
        Teller(name=c.name, axis=c.axis, pieces=c.marginal.low, lent=c.lent, groups=len(c.axis))
        for c in columns
        if is_telling(c.marginal)
    ]
    anchored = {n: d.anchor for n, d in drafts.items() if not d.foreign_key}
    given = _conditions(columns, [*own, *tellers], rests, base, anchored)
    folds, scores, reliability = {}, {}, {}
    for column in columns:
        draft, condition = drafts.get(column.name), given.get(column.name)
        if draft is None and condition is None:
            continue
        fold = _fold(column, draft, rests[column.name], condition, base)
        piece = fold.piece(np.zeros(len(base)) if condition is None else condition.axis)
        jitter = np.random.default_rng(crc32(f"{name}.{column.name}.folded".encode())).random(len(base))
        scores[column.name] = _encode(fold, rests[column.name], piece, jitter)
        weights = np.bincount(piece[base], minlength=len(fold.marginals)) / max(int(base.sum()), 1)
        reliability[column.name] = float(
            sum(w * m.reliability for w, m in zip(weights, fold.marginals, strict=True) if w)
        )
        folds[column.name] = fold
    return Folded(
        folds=tuple(folds[n] for n in _ordered(folds)),
        scores=scores,
        reliability=reliability,
    )


def _encode(fold: Fold, rest: Floats, piece: Integers, jitter: Floats) -> Floats:
    scores = np.empty(len(rest))
    for number in np.unique(piece):
        at = piece == number
        scores[at] = fold.marginals[number].encode(rest[at], jitter[at])
    return scores


def _ordered(folds: Mapping[str, Fold]) -> list[str]:
    """Return the folded columns, each after those that it follows from."""
    done: list[str] = []
    while len(done) < len(folds):
        for name, fold in folds.items():
            own = ("" if fold.given_key else fold.given, "" if fold.foreign_key else fold.anchor)
            if name not in done and all(other not in folds or other in done for other in own):
                done.append(name)
    return done


# ---- Anchors and weeks ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Draft:
    """A time as it is learned: ``rest`` is what remains of it."""

    rest: Floats
    anchor: str
    foreign_key: str
    at_least: bool
    week: Floats


def _anchored(
    column: Candidate, columns: Sequence[Candidate], base: Booleans, anchors: Sequence[Anchor], name: str
) -> _Draft | None:
    known = base & ~np.isnan(column.axis)
    if column.kind not in TIMES or column.keyed or known.sum() < FEWEST or (np.abs(column.axis[known]) >= APART).any():
        return None
    even = fit_marginal(column.axis[base])
    if (even.low == even.high)[~np.isnan(even.low)].all() and len(even.low) < BINS:
        return None
    others = [(c.name, "", c.kind, c.axis) for c in columns if c.kind in TIMES and c.name != column.name]
    others += [(a.name, a.foreign_key, a.kind, a.axis) for a in anchors]
    best: tuple[float, str, str, Floats] | None = None
    for other, foreign_key, kind, axis in others:
        if (kind == "date") != (column.kind == "date") or np.isnan(axis[known]).any():
            continue
        if (np.abs(axis[known]) >= APART).any():
            continue
        spread = _spread((column.axis - axis)[known]) / max(_spread(column.axis[known]), 1e-9)
        ahead = float(((column.axis - axis)[known] >= 0).mean())
        if spread > CLOSE and not (ahead == 1.0 and _by_chance(column.axis[known], axis[known]) < 0.9):
            continue
        if ahead < 0.5 and not foreign_key:
            continue  # the other of the two is anchored here
        if best is None or spread < best[0]:
            best = (spread, other, foreign_key, axis)
    length = 7.0 if column.kind == "date" else 7.0 * _DAY
    random = np.random.default_rng(crc32(f"{name}.{column.name}.week".encode()))
    spread_out = column.axis + column.unit * random.random(len(column.axis))
    if best is None:
        week = _week(column.axis[known], length)
        if not len(week):
            return None
        return _Draft(rest=evened(spread_out, week, length), anchor="", foreign_key="", at_least=False, week=week)
    _, other, foreign_key, axis = best
    distance = column.axis - axis
    late = float(np.median(np.abs(distance[known]))) > LATE * length / 7.0
    week = _week(column.axis[known], length) if late else np.zeros(0)
    rest = evened(spread_out, week, length) - axis if len(week) else distance
    return _Draft(rest=np.where(np.isnan(axis), column.axis, rest), anchor=other, foreign_key=foreign_key,
                  at_least=bool((distance[known] >= 0).all()), week=week)  # fmt: skip


def _spread(values: Floats) -> float:
    low, high = np.quantile(values, [0.1, 0.9])
    return float(high - low)


def _by_chance(one: Floats, two: Floats) -> float:
    """Return how often a value of the first column would not be below one of the second, were they independent."""
    return float(np.searchsorted(np.sort(two), one, side="right").mean() / max(len(two), 1))


def _week(values: Floats, length: float) -> Floats:
    """Return the profile of times over the week; none where they come evenly."""
    inside = week_of(values, length)[1]
    parts = 7 if length == 7.0 else HOURS
    share = np.bincount(np.minimum((inside * parts + 1e-9).astype(int), parts - 1), minlength=parts) / len(values)
    bias = 0.4 * np.sqrt(parts / len(values))
    if np.abs(share - 1.0 / parts).sum() / 2 < LEAST_PROFILE + bias:
        return np.zeros(0)
    smooth = (share * len(values) + 0.5 / parts) / (len(values) + 0.5)
    return np.interp(np.linspace(0, 1, HOURS + 1), np.linspace(0, 1, parts + 1), np.r_[0.0, np.cumsum(smooth)])


def _break_circles(drafts: dict[str, _Draft]) -> None:
    """Leave out anchors that lead back to their own column."""
    for name in sorted(drafts):
        seen, at = {name}, drafts[name]
        while at.anchor and not at.foreign_key and at.anchor in drafts:
            if at.anchor in seen:
                del drafts[name]
                break
            seen.add(at.anchor)
            at = drafts[at.anchor]


# ---- Conditions -----------------------------------------------------------------------------------------------------


def _conditions(
    columns: Sequence[Candidate],
    tellers: Sequence[Teller],
    rests: Mapping[str, Floats],
    base: Booleans,
    anchored: Mapping[str, str],
) -> dict[str, Teller]:
    """Return, per column, the one that tells most of it, as long as no column tells of itself in the end."""
    rows = np.flatnonzero(base)
    if len(rows) > MOST_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]
    codes = {c.name: _codes(rests[c.name][rows]) for c in columns if not c.keyed}
    told = []
    for number, teller in enumerate(tellers):
        telling = _codes(teller.axis[rows])
        for column in columns:
            if column.keyed or (teller.name == column.name and not teller.foreign_key):
                continue
            own = ~(column.lent | teller.lent)[rows]
            share = _told(telling[own], codes[column.name][own], min(int(own.sum()), teller.groups))
            if share >= LEAST_TOLD:
                told.append((-round(share, 3), len(teller.pieces), column.name, number))
    follows: dict[str, set[str]] = {c.name: {anchored[c.name]} if c.name in anchored else set() for c in columns}
    found: dict[str, Teller] = {}
    late: set[str] = set()
    for _, _, name, number in sorted(told):
        teller = tellers[number]
        followed = name in set().union(*follows.values())
        if name in found or (teller.late and (followed or name in anchored)):
            continue
        if not teller.foreign_key:
            if teller.name in late or name in _reached(follows, teller.name):
                continue
            follows[name].add(teller.name)
        late |= {name} if teller.late else set()
        found[name] = teller
    return found


def is_telling(marginal: Marginal) -> bool:
    """Whether a column has so few values that others can be learned apart for each."""
    atomic = (marginal.low == marginal.high) | np.isnan(marginal.low)
    return 1 < len(marginal.low) <= MOST_PIECES and bool(atomic.all())


def _reached(follows: Mapping[str, set[str]], start: str) -> set[str]:
    seen, left = {start}, [start]
    while left:
        new = follows.get(left.pop(), set()) - seen
        seen |= new
        left += new
    return seen


def _codes(values: Floats) -> Integers:
    """Return whole numbers for values: one for each of few, else of equal parts; NULL has its own."""
    known = ~np.isnan(values)
    found, code, count = np.unique(values[known], return_inverse=True, return_counts=True)
    out = np.zeros(len(values), dtype=np.int64)
    if len(found) > MOST_PIECES or (len(found) > BINS and count.mean() < RARE):
        common = count >= max(RARE, 0.02 * known.sum())
        ends = np.unique(np.quantile(values[known], np.linspace(0, 1, BINS + 1)[1:-1]))
        place = np.where(common, BINS + np.cumsum(common), np.searchsorted(ends, found, side="right"))
        out[known] = 1 + place[code]
    else:
        out[known] = 1 + code
    return np.unique(out, return_inverse=True)[1].astype(np.int64)


def _told(given: Integers, codes: Integers, independent: int) -> float:
    """Return which share of a column's entropy another takes away, what chance would take not counted.

    The bias of mutual information is (r - 1)(c - 1) / 2n (Miller, 1955), of n ``independent`` rows; twice that must be
    exceeded.
    """
    if not len(codes):
        return 0.0
    n, r, c = len(codes), int(given.max()) + 1, int(codes.max()) + 1
    joint = np.bincount(given * c + codes, minlength=r * c).reshape(r, c) / n
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    filled = columns[columns > 0]
    entropy = float(-(filled * np.log(filled)).sum())
    if entropy < 1e-9:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        mutual = float(np.nansum(joint * np.log(joint / np.outer(rows, columns))))
    if mutual > (1.0 - 1e-9) * entropy and independent / r >= RARE:
        return 1.0
    return (mutual - (r - 1) * (c - 1) / independent) / entropy


def _fold(column: Candidate, draft: _Draft | None, rest: Floats, given: Teller | None, base: Booleans) -> Fold:
    pooled = _fit(column, draft, rest[base])
    fold = Fold(
        column=column.name,
        marginals=(pooled,),
        pieces=np.zeros(0),
        week=np.zeros(0) if draft is None else draft.week,
        anchor="" if draft is None else draft.anchor,
        foreign_key="" if draft is None else draft.foreign_key,
        at_least=draft is not None and draft.at_least,
        week_length=7.0 if column.kind == "date" else 7.0 * _DAY,
        unit=column.unit,
    )
    if given is None:
        return fold
    pieces = given.pieces
    piece = np.where(base & ~given.lent & ~column.lent, piece_of(pieces, given.axis), -1)
    marginals = tuple(_piece_marginal(column, draft, rest[piece == n], rest[base], pooled) for n in range(len(pieces)))
    return replace(
        fold,
        given=given.name,
        given_key=given.foreign_key,
        late=given.late,
        pieces=pieces,
        marginals=(*marginals, pooled),
    )


def _fit(column: Candidate, draft: _Draft | None, values: Floats) -> Marginal:
    if column.is_category and draft is None:
        return fit_marginal(values, at_least=1, most_atoms=2**31)
    return fit_marginal(values, at_least=RARE)


def _piece_marginal(
    column: Candidate, draft: _Draft | None, values: Floats, everything: Floats, pooled: Marginal
) -> Marginal:
    """Return a column's marginal where another has one value; no more of it than :data:`RARE` rows share."""
    if len(values) < RARE:
        return pooled
    if column.is_category and draft is None:
        return shared_categories(values, everything)
    null = np.isnan(values)
    if null.all() or (len(np.unique(values[~null])) == 1 and not null.any()):
        return fit_marginal(values, at_least=1)
    if len(values) >= FEWEST_IN_PIECE:
        return fit_marginal(values, at_least=RARE)
    if not null.any() and pooled.null_share:
        return _fit(column, draft, everything[~np.isnan(everything)])
    return pooled


def shared_categories(values: Floats, everything: Floats) -> Marginal:
    """Return the shares of categories: those of fewer than :data:`RARE` rows share theirs as in the whole table."""
    codes, count = np.unique(np.nan_to_num(everything, nan=-1.0), return_counts=True)
    own = np.bincount(np.searchsorted(codes, np.nan_to_num(values, nan=-1.0)), minlength=len(codes))
    rare = own < RARE
    left = own[rare].sum()
    weights = np.where(rare, left * count / max(count[rare].sum(), 1), own)
    kept = weights > 0
    edges = np.r_[0.0, np.cumsum(weights[kept]) / weights.sum()]
    edges[-1] = 1.0
    low = np.where(codes[kept] < 0, np.nan, codes[kept])
    return Marginal(edges=edges, low=low, high=low.copy())


# ---- Products -------------------------------------------------------------------------------------------------------


def find_products(columns: Sequence[Candidate], base: Booleans) -> tuple[Product, ...]:
    """Return the columns that are products of two others, to within half of their own grid's unit, in every row.

    They are computed, so there is nothing else to learn of them.
    """
    numbers = [c for c in columns if c.kind in ("integer", "decimal", "float") and not c.keyed]
    numbers = [c for c in numbers if _spread_of(c.axis[base]) > 0]
    found: list[Product] = []
    taken: set[str] = set()
    for column, pairs in _probable_products(numbers, base):
        for one, two in pairs:
            if taken & {one.name, two.name}:
                continue
            known = base & ~(np.isnan(column.axis) | np.isnan(one.axis) | np.isnan(two.axis))
            same = np.isnan(column.axis[base]) >= np.isnan(one.axis[base]) | np.isnan(two.axis[base])
            if known.sum() < FEWEST or not same.all():
                continue
            want, have = one.axis[known] * two.axis[known], column.axis[known]
            if (np.abs(want - have) <= _room(column, want)).all() and _tells(one.axis[known], two.axis[known]):
                found.append(Product(column=column.name, factors=(one.name, two.name)))
                taken.add(column.name)
                break
    return tuple(found)


def _probable_products(
    columns: Sequence[Candidate], base: Booleans
) -> Iterator[tuple[Candidate, Iterator[tuple[Candidate, Candidate]]]]:
    """Yield each column with the pairs of others whose product it is in some rows, or may be where a value is unknown.

    There are as many triples as columns to the third power: row by row, few of them are left.
    """
    rows = np.flatnonzero(base)
    rows = rows[np.linspace(0, len(rows) - 1, min(PROBES, len(rows))).astype(np.int64)]
    values = np.stack([column.axis[rows] for column in columns], axis=1) if columns else np.empty((0, 0))
    first, second = np.tril_indices(len(columns), -1)
    for n, column in enumerate(columns):
        others = (first != n) & (second != n)
        one, two = first[others], second[others]
        for row in values:
            want = row[one] * row[two]
            left = ~(np.abs(want - row[n]) > _room(column, want))
            one, two = one[left], two[left]
        yield column, ((columns[i], columns[j]) for i, j in zip(one, two, strict=True))


def _room(column: Candidate, product: Floats) -> Floats:
    """Return how far a value may be from a product that was rounded to the column's grid."""
    return 0.5 * column.unit + 1e-9 * np.abs(product)


def _tells(one: Floats, two: Floats) -> bool:
    """Whether neither factor is nearly always 0 or 1: everything is a product of itself and 1."""
    return all(float(np.isin(values, (0.0, 1.0)).mean()) < 0.9 for values in (one, two))


def _spread_of(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.max() - known.min()) if len(known) else 0.0
