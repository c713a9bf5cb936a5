"""From sampled rows to numbers: which columns are learned, on which axis, and as which normal scores.

Each column is classified on its sampled values and gets its rule here. Learned columns become an axis of floats (NaN is
NULL) and a marginal distribution, fitted on the rows that stand for the table (``base``). The categories of a table are
ordered along its leading axis of association, so that a normal score can carry what they have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.learn.axes import exact_atoms, interval_units, learned_axis
from dbclone.learn.folds import TIMES, Anchor, Candidate, Teller, find_folds, find_products, is_telling
from dbclone.learn.rules import entity_counts, make_rule
from dbclone.model.flow import TableSample
from dbclone.model.folds import Fold, Product
from dbclone.model.grids import grid_unit
from dbclone.model.marginal import UNIFORM, Marginal, fit_marginal
from dbclone.model.normal import ndtr
from dbclone.model.rules import Learned, NullRule, Omitted, Rule
from dbclone.schema.checks import declared_values
from dbclone.schema.classify import ColumnClass
from dbclone.schema.model import Column, Table
from dbclone.schema.plan import TablePlan, is_modelled

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RARE = 5
"""A category is carried over only if at least so many entities of the sample have it."""
AVERAGING_ROUNDS = 30


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """A table as numbers: sample rows × learned columns. ``base`` is the sample's.

    ``scores`` are the columns' own normal scores, ``reliability`` (one per column) which share of them is no jitter.
    What is learned of the rows are ``folded`` scores and their reliability (:mod:`dbclone.model.folds`); ``axes`` and
    ``marginals`` are what they are scores of. ``times`` has the axes of columns of times, ``tellers``
    the columns of few values: what the columns of other tables' rows may follow from.
    """

    table: Table
    rules: tuple[Rule, ...]
    names: tuple[str, ...]
    axes: Floats
    marginals: tuple[Marginal, ...]
    scores: Floats
    reliability: Floats
    folded: Floats
    folded_reliability: Floats
    folds: tuple[Fold, ...]
    products: tuple[Product, ...]
    times: Mapping[str, Floats]
    tellers: Mapping[str, Teller]
    base: npt.NDArray[np.bool_]

    @property
    def late(self) -> frozenset[str]:
        """The columns that follow from rows that are chosen late; their own scores are the folded ones."""
        return frozenset(fold.column for fold in self.folds if fold.late)

    @property
    def unfolded(self) -> frozenset[str]:
        """The columns whose scores are learned as they are."""
        return frozenset(self.names) - {fold.column for fold in self.folds}


def encode_table(
    table: Table,
    plan: TablePlan,
    sample: TableSample,
    keys: Mapping[str, Rule],
    classes: Mapping[str, ColumnClass],
    entities: Integers,
    dialect: str,
    anchors: Sequence[Anchor] = (),
    tellers: Sequence[Teller] = (),
) -> Encoded:
    """Return the table's rules and its learned columns as numbers.

    ``keys`` are the rules of its keys, ``classes`` say what its columns hold, ``entities`` whose each row is.
    ``anchors`` are times of each row's parent, which times of the row may keep their distance from; ``tellers`` columns
    of the rows that each refers to.
    """
    enums = {column.name: column.enum_values for column in table.columns if column.enum_values}
    declared = {**declared_values(table, dialect), **enums}
    classes = {name: found for name, found in classes.items() if name not in keys}
    learned = [name for name, found in classes.items() if _is_learned(table.column(name), found)]
    labels = {
        name: _labels(sample.rows[name], sample.base, entities) for name in learned if _has_labels(table.column(name))
    }
    for name, allowed in declared.items():
        if name in classes and is_modelled(table.column(name)):
            learned += [name] if name not in learned else []
            labels[name] = _declared_labels(sample.rows[name], allowed)
    learned = [name for name in learned if name not in labels or labels[name]]
    axes, decimals, lent = {}, {}, {}
    for name in learned:
        axes[name], decimals[name] = learned_axis(table.column(name), sample.rows[name], labels.get(name, ()))
        lent[name] = np.zeros(len(sample.base), dtype=bool)
        if name in labels:
            lent[name] = np.isnan(axes[name]) & sample.rows[name].is_valid().to_numpy().astype(bool)
            axes[name] = _without_rare(axes[name], lent[name], np.random.default_rng(crc32(name.encode())))
        if not table.column(name).nullable:
            axes[name] = _without_nulls(axes[name], np.random.default_rng(crc32(name.encode())))
    order = _order_categories(axes, {name: len(found) for name, found in labels.items() if name in axes}, sample.base)
    for name, places in order.items():
        axes[name] = np.where(np.isnan(axes[name]), np.nan, places[np.nan_to_num(axes[name]).astype(int)])
        labels[name] = tuple(np.array(labels[name], dtype=object)[np.argsort(places)])
    marginals = {name: _marginal(axes[name][sample.base], name in order) for name in learned}
    rules: list[Rule] = []
    for column in table.columns:
        name = column.name
        if name in keys:
            rules.append(keys[name])
        elif name in marginals:
            rules.append(
                Learned(
                    column=name,
                    marginal=marginals[name],
                    kind=column.kind,
                    categories=labels.get(name, ()),
                    decimals=decimals[name],
                    units=interval_units(sample.rows[name]) if column.kind == "interval" else (),
                    exact=exact_atoms(column, sample.rows[name], marginals[name]),
                )
            )
        elif name in classes:
            rules.append(make_rule(column, classes[name], sample.rows[name], unique=(name,) in table.uniques()))
        else:
            rules.append(_unread_rule(column))
    learned = [name for name in learned if name not in plan.apart]
    jitter = {name: np.random.default_rng(crc32(f"{table.key}.{name}".encode())) for name in learned}
    scores = {name: marginals[name].encode(axes[name], jitter[name].random(len(sample.base))) for name in learned}
    by_name = {rule.column: rule for rule in rules if isinstance(rule, Learned)}
    keyed = {name for key in table.uniques() for name in key} | {pair.type_column for pair in table.polymorphic}
    candidates = [
        Candidate(
            name=name,
            kind=table.column(name).kind,
            axis=axes[name],
            marginal=marginals[name],
            is_category=name in order,
            unit=grid_unit(by_name[name], table.column(name)),
            lent=lent[name],
            keyed=name in keyed,
        )
        for name in learned
    ]
    products = find_products(candidates, sample.base)
    learned = [name for name in learned if name not in {product.column for product in products}]
    candidates = [candidate for candidate in candidates if candidate.name in learned]
    found = find_folds(candidates, sample.base, anchors, tellers, name=str(table.key))
    late = {fold.column for fold in found.folds if fold.late}
    scores |= {name: found.scores[name] for name in late}
    reliability = {n: found.reliability[n] if n in late else marginals[n].reliability for n in learned}
    return Encoded(
        table=table,
        rules=tuple(rules),
        names=tuple(learned),
        axes=_columns([ndtr(found.scores[n]) if n in found.scores else axes[n] for n in learned], len(sample.base)),
        marginals=tuple(UNIFORM if name in found.scores else marginals[name] for name in learned),
        scores=_columns([scores[name] for name in learned], len(sample.base)),
        reliability=np.array([reliability[name] for name in learned]),
        folded=_columns([found.scores.get(name, scores[name]) for name in learned], len(sample.base)),
        folded_reliability=np.array([found.reliability.get(name, reliability[name]) for name in learned]),
        folds=found.folds,
        products=products,
        times={name: axes[name] for name in learned if table.column(name).kind in TIMES and name not in late},
        tellers={
            name: Teller(
                name=name, axis=axes[name], pieces=marginals[name].low, lent=lent[name], groups=len(sample.base)
            )
            for name in learned
            if name not in late and is_telling(marginals[name])
        },
        base=sample.base,
    )


def _without_nulls(axis: Floats, random: np.random.Generator) -> Floats:
    """Return the axis with values of other rows for NULL: rows of before the constraint, which is NOT VALID."""
    missing = np.isnan(axis)
    if not missing.any() or missing.all():
        return axis
    out = axis.copy()
    out[missing] = random.choice(axis[~missing], int(missing.sum()))
    return out


def _columns(columns: Sequence[Floats], rows: int) -> Floats:
    return np.column_stack(columns) if columns else np.zeros((rows, 0))


def _unread_rule(column: Column) -> Rule:
    if column.generated or (column.default is not None and not column.nullable):
        return Omitted(column=column.name)
    return NullRule(column=column.name)


def _is_learned(column: Column, found: ColumnClass) -> bool:
    return is_modelled(column) and found.kind in ("number", "time", "category", "boolean")


def _has_labels(column: Column) -> bool:
    return column.kind in ("text", "enum")


def _labels(values: pa.ChunkedArray, base: npt.NDArray[np.bool_], entities: Integers) -> tuple[str, ...]:
    """Return the values that at least :data:`RARE` entities have, those that most have first."""
    found, counts = entity_counts(values.filter(pa.array(base)), entities[base])
    order = np.argsort(-counts, kind="stable")
    return tuple(found.take(pa.array(order[counts[order] >= RARE])).to_pylist())


def _without_rare(codes: Floats, rare: npt.NDArray[np.bool_], random: np.random.Generator) -> Floats:
    """Give rows with a rare label the code of a random other row: their share goes to the common ones."""
    known = codes[~np.isnan(codes)]
    out = codes.copy()
    out[rare] = random.choice(known, int(rare.sum())) if len(known) else np.nan
    return out


def _declared_labels(values: pa.ChunkedArray, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return those of the values that the schema itself allows by name which occur at all, rare ones included."""
    occurring = pc.is_in(pa.array(allowed, values.type), value_set=values.unique())
    return tuple(label for label, occurs in zip(allowed, occurring.to_pylist(), strict=True) if occurs)


def _marginal(values: Floats, is_category: bool) -> Marginal:
    return fit_marginal(values, at_least=1, most_atoms=2**31) if is_category else fit_marginal(values, at_least=RARE)


def _order_categories(
    axes: Mapping[str, Floats], labels: Mapping[str, int], base: npt.NDArray[np.bool_]
) -> dict[str, Integers]:
    """Return the new position of every code, per categorical column.

    Reciprocal averaging: rows are scored by the mean of their categories' scores and of their numbers, categories by
    the mean of their rows, until both settle: the first axis of multiple correspondence analysis (Hill, *J. Ecology*
    61, 1973). Labels without rows go last.
    """
    rows = int(base.sum())
    numbers = [_standardised(axes[name][base]) for name in axes if name not in labels]
    codes = {name: axes[name][base] for name in labels}
    if not labels:
        return {}
    row = np.random.default_rng(0).standard_normal(rows)
    means: dict[str, Floats] = {}
    for _ in range(AVERAGING_ROUNDS):
        total = np.zeros(rows)
        for name, code in codes.items():
            known = ~np.isnan(code)
            at = code[known].astype(int)
            count = np.bincount(at, minlength=labels[name])
            means[name] = np.bincount(at, row[known], minlength=labels[name]) / np.maximum(count, 1)
            means[name][count == 0] = np.inf
            total[known] += means[name][at]
        for number in numbers:
            total += number * float(number @ row) / max(rows, 1)
        total -= total.mean()
        row = total / max(float(total.std()), 1e-12)
    places = {}
    for name, mean in means.items():
        places[name] = np.empty(len(mean), dtype=np.int64)
        places[name][np.argsort(mean, kind="stable")] = np.arange(len(mean))
    return places


def _standardised(values: Floats) -> Floats:
    """Return rank scores in ±√3 (NaN as 0): unit variance, whatever the tails."""
    known = ~np.isnan(values)
    out = np.zeros(len(values))
    ranks = np.argsort(np.argsort(values[known], kind="stable"), kind="stable")
    out[known] = ((ranks + 0.5) / max(int(known.sum()), 1) - 0.5) * np.sqrt(12.0)
    return out
