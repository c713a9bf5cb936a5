"""The rules of columns that are keys: references, numbers within a parent, polymorphic pairs, and keys by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from dbclone.learn.rules import make_rule
from dbclone.model.flow import TableSample
from dbclone.model.marginal import Marginal, fit_marginal
from dbclone.model.rules import Numbered, PolymorphicKey, PolymorphicTarget, Referenced, Rule
from dbclone.schema.classify import ColumnClass
from dbclone.schema.model import Polymorphic, Table, TableKey
from dbclone.schema.plan import TablePlan

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

NUMBERED_SHARE = 0.9
"""From this share of groups on that are counted without a gap, a column counts."""
FEW_ROWS = 20
"""In fewer rows, numbers are all different by chance."""
STEPS = (1, 2, 5, 10, 100)


def key_rules(
    table: Table,
    plan: TablePlan,
    sample: TableSample,
    parents: Mapping[str, Integers],
    fan_outs: Mapping[str, Floats],
    source_rows: Mapping[TableKey, int],
    classes: Mapping[str, ColumnClass],
) -> dict[str, Rule]:
    """Return the rules of a table's keys, by column.

    ``parents`` has, per foreign key, the position of each row's parent in that table's sample, ``fan_outs`` how many
    children each of these has in the source (NaN where not counted).
    """
    rules: dict[str, Rule] = {}
    for reference in plan.references:
        for name in reference.sets:
            rules.setdefault(name, Referenced(column=name, foreign_key=reference.foreign_key.name))
    for pair in table.polymorphic:
        if pair.column not in rules and {pair.column, pair.type_column} <= set(sample.rows.column_names):
            rules[pair.column] = _polymorphic(pair, plan, sample, source_rows)
    # The short ones first: a number that is unique by itself does not count the rows of a group.
    for unique in sorted(table.uniques(), key=len):
        own = [name for name in unique if name not in rules and name in sample.rows.column_names]
        counted = [name for name in own if _is_counted(name, unique, table, plan, sample)]
        if (len(unique) == 1 and own) or counted:
            name = (counted or own)[0]
            rules[name] = make_rule(table.column(name), classes[name], sample.rows[name], unique=True)
        elif len(unique) > 1 and set(unique) <= set(sample.rows.column_names):
            for name in own:
                if table.column(name).kind == "integer" and name not in rules:
                    others = tuple(other for other in unique if other != name)
                    sizes = _group_sizes(plan, sample, others, parents, fan_outs)
                    rule = None if sizes is None else _numbered(name, others, sample.rows[name], *sizes)
                    if rule is not None:
                        rules[name] = rule
                        break
    return rules


def _is_counted(name: str, unique: Sequence[str], table: Table, plan: TablePlan, sample: TableSample) -> bool:
    """Whether all rows are numbered in one column of a key: then it is a key by itself, whatever other columns say.

    As where a table is partitioned by a column that its primary key has to hold for that. Without a sequence, numbers
    of rows with different values elsewhere in the key say so: those of one family may be counted within it.
    """
    column, values = table.column(name), sample.rows[name]
    if column.kind != "integer" or len(pc.unique(values)) != len(values) or not len(values) or values.null_count:
        return False
    if column.filled_by_sequence:
        return True
    others = [sample.rows[other] for other in unique if other != name and other in sample.rows.column_names]
    ends = pc.min_max(values).as_py()
    is_dense = ends["max"] - ends["min"] < 2 * plan.source_rows
    return is_dense and len(values) >= FEW_ROWS and len(others) > 0 and len(np.unique(group_codes(others))) > 1


# ---- Numbers within a group -----------------------------------------------------------------------------------------


def _group_sizes(
    plan: TablePlan,
    sample: TableSample,
    others: Sequence[str],
    parents: Mapping[str, Integers],
    fan_outs: Mapping[str, Floats],
) -> tuple[Integers, Floats] | None:
    """Return each sampled row's group (−1: none) by the columns ``others``, and how many rows each group has.

    Counted where the whole table or all rows of a parent are sampled, else known from the parent's fan-out. None where
    it is neither.
    """
    groups = group_codes([sample.rows[name] for name in others])
    count = np.bincount(groups[groups >= 0], minlength=int(groups.max(initial=-1)) + 1).astype(float)
    if plan.sample_rows >= plan.source_rows:
        return groups, count
    for reference in plan.references:
        name = reference.foreign_key.name
        if set(reference.foreign_key.columns) == set(others) and name in fan_outs:
            position = parents[name]
            known = (groups >= 0) & (position >= 0)
            sizes = np.full(len(count), np.nan)
            sizes[groups[known]] = fan_outs[name][position[known]]
            return groups, sizes
    primary = plan.primary
    if primary is not None and set(primary.foreign_key.columns) <= set(others):
        return np.where(sample.base, groups, -1), count
    return None


def group_codes(columns: Sequence[pa.ChunkedArray]) -> Integers:
    """Return one number per row, equal where all columns are; −1 where one is NULL."""
    codes = np.zeros(len(columns[0]), dtype=np.int64)
    missing = np.zeros(len(columns[0]), dtype=bool)
    for column in columns:
        flat = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        encoded = flat.dictionary_encode()
        index = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        missing |= index < 0
        codes = np.unique(codes * (len(encoded.dictionary) + 1) + index + 1, return_inverse=True)[1].astype(np.int64)
    return np.where(missing, -1, codes)


def _numbered(
    column: str, others: tuple[str, ...], values: pa.ChunkedArray, groups: Integers, sizes: Floats
) -> Numbered | None:
    """Return the rule of a column that counts the rows of nearly every group without a gap; None if it does not."""
    numbers = values.to_numpy(zero_copy_only=False).astype(float)
    known = (groups >= 0) & ~np.isnan(numbers)
    known[known] = ~np.isnan(sizes[groups[known]])
    if not known.any() or (np.nanmax(sizes) <= 1 and numbers[known].min() < numbers[known].max()):
        return None
    at, number = groups[known], numbers[known]
    low = np.full(len(sizes), np.inf)
    np.minimum.at(low, at, number)
    starts, frequency = np.unique(low[np.isfinite(low)], return_counts=True)
    start = float(starts[frequency.argmax()])
    for step in STEPS:
        place = (number - start) / step
        good = (place == np.rint(place)) & (place >= 0) & (place < sizes[at])
        bad = np.bincount(at[~good], minlength=len(sizes)) > 0
        counted = np.bincount(at, minlength=len(sizes)) > 0
        if 1.0 - bad[counted].mean() >= NUMBERED_SHARE:
            return Numbered(column=column, parents=others, start=int(start), step=step)
    return None


# ---- Polymorphic pairs ----------------------------------------------------------------------------------------------


def _polymorphic(
    pair: Polymorphic, plan: TablePlan, sample: TableSample, source_rows: Mapping[TableKey, int]
) -> PolymorphicKey:
    types = sample.rows[pair.type_column].cast(pa.string())
    ids = sample.rows[pair.column]
    null = ids.filter(types.is_valid()).null_count / max(len(ids), 1)
    whole = plan.sample_rows >= plan.source_rows
    targets = []
    for target in pair.targets:
        mine = ids.filter(pc.fill_null(pc.equal(types, target.label), False)).drop_null()
        counts = mine.value_counts().field("counts").to_numpy(zero_copy_only=False).astype(float)
        rows = source_rows[target.table]
        targets.append(
            PolymorphicTarget(
                label=target.label,
                table=target.table,
                column=target.column,
                fan_out=_fan_out(counts, rows) if whole else fit_marginal(np.ones(5)),
            )
        )
    return PolymorphicKey(column=pair.column, type_column=pair.type_column, targets=tuple(targets), null_share=null)


def _fan_out(counts: Floats, rows: int) -> Marginal:
    """Return the marginal of the number of rows that refer to each row of a target, zero included."""
    return fit_marginal(np.concatenate([counts, np.zeros(max(rows - len(counts), 0))]), at_least=1)
