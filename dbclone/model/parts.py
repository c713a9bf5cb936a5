"""What was learned: a :class:`Model`, as data. Nothing in it is code, and nothing in it is a source row, but for the
rows of tables that are copied: migration bookkeeping, which is part of the schema, and what a user asked for.

Scores are standard normal. A table's *own scores* are one per learned column and then its latents: summaries of what
its children are like, by which grandchildren still move with grandparents.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from dbclone.model.flow import Ddl
from dbclone.model.folds import Fold, Product
from dbclone.model.marginal import Marginal
from dbclone.model.rules import Rule
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Detail, Plan

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class NullPattern:
    """Which rows refer to nothing through ``foreign_key``, where that goes with something else of the row.

    Either with the learned column ``column``: ``edges`` cut its shares, 0 to 1, into pieces, and ``shares`` is the
    part of the rows in each piece that refers to nothing. Or with the foreign keys ``others``: the n-th of ``shares``
    is for the rows in which just those are NULL whose bits are set in n; −1 where no row of the source is so.
    """

    foreign_key: str
    column: str
    edges: Floats
    others: tuple[str, ...]
    shares: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Twin:
    """Of two foreign keys to the same parent: the ``share`` of rows in which both refer to the same row."""

    foreign_key: str
    other: str
    share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TableModel:
    """How one table's rows are made.

    ``observed_keys`` are columns that no two sampled rows share, although nothing forbids it: kept where possible.
    ``rules`` has one rule per column, in table order. ``scores`` names the own scores; ``correlation`` is theirs over
    all rows: a root's rows, and rows without a primary parent, are drawn from it. ``folds`` and ``products`` say which
    columns follow from others: what is drawn and sampled are folded scores, see :mod:`dbclone.model.folds`.
    """

    table: TableKey
    rules: tuple[Rule, ...]
    scores: tuple[str, ...]
    correlation: Floats
    nulls: tuple[NullPattern, ...] = ()
    twins: tuple[Twin, ...] = ()
    observed_keys: tuple[tuple[str, ...], ...] = ()
    folds: tuple[Fold, ...] = ()
    products: tuple[Product, ...] = ()

    def null_pattern(self, foreign_key: str) -> NullPattern | None:
        """Return what the NULLs of a foreign key go with; None if nothing that was found."""
        return next((pattern for pattern in self.nulls if pattern.foreign_key == foreign_key), None)

    def twin(self, foreign_key: str) -> Twin | None:
        """Return how often a foreign key refers to the same row as an earlier one to the same parent."""
        return next((twin for twin in self.twins if twin.foreign_key == foreign_key), None)


@dataclass(frozen=True, kw_only=True, eq=False)
class BranchModel:
    """The children of one table within a star, given each parent row's extension parameters.

    ``extension`` holds the marginals of the parameters, in this order: number of rows; k means; k log scales (from
    detail ``scales`` on); k(k-1)/2 Fisher-z correlations (detail ``correlations``). ``pooled`` (k × k) is the
    covariance within parents, used for what the detail leaves out. ``calibration`` (k × grid) maps a child's score,
    which is a mixture over parents, back to a standard-normal one: its value at each point of ``grid``. ``null_share``
    of the rows have no parent.
    """

    child: TableKey
    detail: Detail
    extension: tuple[Marginal, ...]
    pooled: Floats
    grid: Floats
    calibration: Floats
    most_rows: int
    null_share: float


@dataclass(frozen=True, kw_only=True, eq=False)
class StarModel:
    """One HMA1 model: the correlation of the parent's own scores and the extensions of all branches, in that order."""

    parent: TableKey
    correlation: Floats
    branches: tuple[BranchModel, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class TreeModel:
    """The shape of the trees that a self-reference makes, or of its pairs.

    ``depth`` is the marginal of the number of rows above a row; ``depth_weights`` (own scores) and ``depth_residual``
    say how its score follows from the row's own. ``fan_outs`` has the marginal of the number of children by depth; the
    last one holds for all that are deeper. ``self_share`` of the roots refer to themselves, the others to nothing.
    ``pairs``: rows refer to each other, two by two, instead.
    """

    depth: Marginal
    depth_weights: Floats
    depth_residual: float
    fan_outs: tuple[Marginal, ...]
    self_share: float
    pairs: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkModel:
    """How the parent of a link is chosen.

    Every parent row has a fan-out and a link score, every child row a link score; both sides meet in rank order.
    ``child_weights`` (k) regress the child's link score on its own scores, ``child_residual`` is the deviation of the
    rest. ``parent_weights`` (2 × own scores) regress the parent's fan-out score and link score on its own scores, with
    ``parent_residual`` (2 × 2), the Cholesky factor of the rest. ``fan_out`` is the marginal of the fan-out.
    ``null_share`` of the rows, of those whose other columns of the key are not NULL, refer to none. ``tree`` is set
    where rows refer to rows of their own table without going in circles, or in pairs.
    """

    child: TableKey
    foreign_key: str
    parent: TableKey
    child_weights: Floats
    child_residual: float
    parent_weights: Floats
    parent_residual: Floats
    fan_out: Marginal
    null_share: float
    tree: TreeModel | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class CopiedRows:
    """All rows of a table that is copied: an Arrow IPC stream of texts (uint8)."""

    table: TableKey
    stream: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, table: TableKey, rows: pa.Table) -> CopiedRows:
        """Return the rows, packed."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        return cls(table=table, stream=np.frombuffer(sink.getvalue(), np.uint8))

    def rows(self) -> pa.Table:
        """Return the rows: every value is text, or NULL."""
        return pa.ipc.open_stream(pa.py_buffer(self.stream.tobytes())).read_all()


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Everything that ``generate`` needs: the plan, the DDL to build a target, and what was learned.

    ``versions`` names the software that learned it; ``seed`` is that of sampling and learning. ``copied`` are the
    tables whose rows are not made but taken over.
    """

    plan: Plan
    ddl: Ddl | None
    tables: tuple[TableModel, ...]
    stars: tuple[StarModel, ...]
    links: tuple[LinkModel, ...]
    seed: int
    versions: Mapping[str, str]
    copied: tuple[CopiedRows, ...] = ()

    @cached_property
    def _by_key(self) -> Mapping[TableKey, TableModel]:
        return {table.table: table for table in self.tables}

    def table(self, key: TableKey) -> TableModel:
        """Return the model of one table; KeyError if the table has no rows to learn from."""
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key
