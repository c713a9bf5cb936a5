"""HMA1 for one star, learned in closed form: SDV's synthesizer, metadata and transformers without its loops.

:func:`star_synthesizer` builds an ``HMASynthesizer`` whose extensions come from :mod:`dbclone.learn.closed_form`; they
equal SDV's own to rounding. The star's tables and columns go by plain names (``t0``, ``c3``): SDV flattens names into
column names and takes them apart again, which names with double underscores or leading digits do not survive.

SDV is imported inside the functions: it takes seconds, and only training needs it.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pandas as pd

from dbclone.learn.closed_form import Extension, extend
from dbclone.model.marginal import Marginal
from dbclone.schema.plan import Detail

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

KEY, PARENT = "key", "parent"


@dataclass(frozen=True, kw_only=True, eq=False)
class StarTable:
    """A table of a star as SDV sees it.

    ``axes`` (rows × columns) are the values as numbers (NaN is NULL), ``marginals`` what encodes each of them;
    ``parent`` holds the position of each row's parent in the star's parent table (None for that table itself);
    ``latents`` (rows × l) are further scores, taken as they are.
    """

    axes: Floats
    marginals: Sequence[Marginal]
    latents: Floats
    parent: Integers | None = None
    detail: Detail = "correlations"


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedStar:
    """Scores of the parent's rows (rows × own columns) and the raw extension of every child, in the order given."""

    scores: Floats
    extensions: tuple[Extension, ...]


def learn_star(parent: StarTable, children: Sequence[StarTable]) -> LearnedStar:
    """Train HMA1 on one star and return what it learned.

    SDV refuses an empty table. A child without rows, as when all of them are orphans, has nothing to teach.
    """
    named = {f"t{n + 1}": child for n, child in enumerate(children)}
    tables = {"t0": parent, **{name: child for name, child in named.items() if len(child.axes)}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SDV warns of its own version checks and of pandas' future; nothing of ours
        synthesizer = star_synthesizer(tables)
        processed = synthesizer.preprocess({name: _frame(table) for name, table in tables.items()})
        for name, table in tables.items():
            for n in range(table.latents.shape[1]):
                processed[name][f"l{n:03d}"] = table.latents[:, n]
        synthesizer.fit_processed_data(processed)
    own = [f"c{n:03d}" for n in range(parent.axes.shape[1])] + [f"l{n:03d}" for n in range(parent.latents.shape[1])]
    return LearnedStar(
        scores=processed["t0"].reindex(columns=own).to_numpy(dtype=float),
        extensions=tuple(
            synthesizer.learned_extensions[name] if name in tables else _unknown(child, len(parent.axes))
            for name, child in named.items()
        ),
    )


def _unknown(child: StarTable, parents: int) -> Extension:
    """Return the extension of a child of which no parent has a row: its columns are as good as independent."""
    scores = np.concatenate([child.axes, child.latents], axis=1)
    none = np.empty(0, dtype=np.int64)
    nothing = extend(scores, none, 0, pairs=child.detail == "correlations")
    return replace(_spread(nothing, none, parents), within=np.eye(scores.shape[1]))


def _frame(table: StarTable) -> pd.DataFrame:
    rows = len(table.axes)
    keys: dict[str, Any] = {KEY: np.arange(rows)}
    if table.parent is not None:
        keys[PARENT] = table.parent
    return pd.DataFrame({**keys, **{f"c{n:03d}": table.axes[:, n] for n in range(table.axes.shape[1])}})


def star_synthesizer(tables: Mapping[str, StarTable]) -> Any:
    """Return an untrained synthesizer for these tables, its encoders assigned through ``update_transformers``.

    ``tables`` has the parent as ``t0``. Only its children's extensions are learned by SDV's own traversal.
    """
    synthesizer = _synthesizer_class()(star_metadata(tables), verbose=False)
    synthesizer.details = {name: table.detail for name, table in tables.items()}
    synthesizer.auto_assign_transformers({name: _frame(table).head(1) for name, table in tables.items()})
    for name, table in tables.items():
        encoders = {f"c{n:03d}": normal_score(m, crc32(f"{name}.{n}".encode())) for n, m in enumerate(table.marginals)}
        if encoders:
            synthesizer.update_transformers(name, encoders)
    return synthesizer


def star_metadata(tables: Mapping[str, StarTable]) -> Any:
    """Return SDV's ``Metadata`` of a star: surrogate integer keys, every other column a number."""
    from sdv.metadata import Metadata

    described = {}
    for name, table in tables.items():
        columns: dict[str, Any] = {KEY: {"sdtype": "id"}}
        if table.parent is not None:
            columns[PARENT] = {"sdtype": "id"}
        columns |= {f"c{n:03d}": {"sdtype": "numerical"} for n in range(table.axes.shape[1])}
        described[name] = {"primary_key": KEY, "columns": columns}
    relationships = [
        {
            "parent_table_name": "t0",
            "parent_primary_key": KEY,
            "child_table_name": name,
            "child_foreign_key": PARENT,
        }
        for name, table in tables.items()
        if table.parent is not None
    ]
    return Metadata.load_from_dict({"tables": described, "relationships": relationships, "METADATA_SPEC_VERSION": "V1"})


@functools.lru_cache(maxsize=1)
def _synthesizer_class() -> type[Any]:
    from sdv.multi_table import HMASynthesizer

    class ClosedFormHMA(HMASynthesizer):
        """HMA1 whose extensions are computed for all parents at once."""

        details: Mapping[str, Detail] = {}

        def _get_extension(
            self,
            child_name: str,
            child_table: pd.DataFrame,
            foreign_key: str,
            progress_bar_desc: str,  # noqa: ARG002
        ) -> pd.DataFrame:
            metadata = self.metadata
            keys = metadata._get_all_foreign_keys(child_name)
            primary_key = metadata.tables[child_name].primary_key
            is_key = foreign_key == primary_key
            values = child_table.index.to_numpy() if is_key else child_table[foreign_key].to_numpy()
            columns = list(child_table.columns.difference(keys))
            known = ~pd.isna(values)
            codes, parents = pd.factorize(values[known])
            scores = child_table[columns].to_numpy(dtype=float)[known]
            raw = extend(
                scores, codes, len(parents), pairs=self.details.get(child_name, "correlations") == "correlations"
            )
            self.raw_extensions[child_name] = (raw, parents)
            return extension_frame(raw, columns, f"__{child_name}__{foreign_key}__", parents)

        @staticmethod
        def _clear_nans(table_data: pd.DataFrame, ignore_cols: Sequence[str] | None = None) -> None:
            """Leave missing scores missing: SDV's mean in their place would pass for a known one."""

        def _augment_tables(self, processed_data: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
            self.raw_extensions: dict[str, tuple[Extension, npt.NDArray[Any]]] = {}
            augmented: dict[str, pd.DataFrame] = super()._augment_tables(processed_data)
            rows = len(processed_data["t0"]) if "t0" in processed_data else 0
            self.learned_extensions = {
                name: _spread(raw, parents, rows) for name, (raw, parents) in self.raw_extensions.items()
            }
            return augmented

        def _model_tables(self, augmented_data: dict[str, pd.DataFrame]) -> None:
            """Leave the copula of the parent's columns to :mod:`dbclone.learn.train`: it knows of missing scores."""

    return ClosedFormHMA


def _spread(raw: Extension, parents: npt.NDArray[Any], rows: int) -> Extension:
    """Return the extension with one entry for each of ``rows`` parents, in their order, childless ones included."""
    at = parents.astype(np.int64)

    def place(values: npt.NDArray[Any], fill: float) -> npt.NDArray[Any]:
        out = np.full((rows, *values.shape[1:]), fill, dtype=values.dtype)
        out[at] = values
        return out

    return Extension(
        rows=place(raw.rows, 0),
        mean=place(raw.mean, np.nan),
        scale=place(raw.scale, np.nan),
        seen=place(raw.seen, 0.0),
        square=place(raw.square, 0.0),
        correlation=place(raw.correlation, 0.0),
        pair_seen=place(raw.pair_seen, 0.0),
        pair_cross=place(raw.pair_cross, 0.0),
        within=raw.within,
    )


def extension_frame(raw: Extension, columns: Sequence[str], prefix: str, parents: npt.NDArray[Any]) -> pd.DataFrame:
    """Return an extension in the layout of ``HMASynthesizer._get_extension``: one row per parent, named by
    ``parents``.
    """
    data: dict[str, npt.NDArray[Any]] = {}
    left, right = np.tril_indices(len(columns), -1)
    for n in range(raw.correlation.shape[1]):
        data[f"{prefix}correlation__{left[n] - 1}__{right[n]}"] = raw.correlation[:, n]
    for n, column in enumerate(columns):
        data[f"{prefix}univariates__{column}__loc"] = raw.mean[:, n]
        data[f"{prefix}univariates__{column}__scale"] = raw.scale[:, n]
    data[f"{prefix}num_rows"] = raw.rows
    return pd.DataFrame(data, index=parents)


@functools.lru_cache(maxsize=1)
def _transformer_class() -> type[Any]:
    from rdt.transformers import BaseTransformer

    class NormalScore(BaseTransformer):
        """RDT transformer between values and standard-normal scores, by a fitted marginal distribution."""

        INPUT_SDTYPE = "numerical"
        SUPPORTED_SDTYPES = ["numerical"]  # noqa: RUF012 - RDT reads the class attribute

        def __init__(self, marginal: Marginal | None = None, seed: int = 0) -> None:
            super().__init__()
            self.marginal = marginal
            self.seed = seed

        def _fit(self, data: pd.Series[Any]) -> None:
            if self.marginal is None:
                from dbclone.model.marginal import fit_marginal

                self.marginal = fit_marginal(data.to_numpy(dtype=float))

        def _transform(self, data: pd.Series[Any]) -> Floats:
            jitter = np.random.default_rng(self.seed).random(len(data))
            return self._fitted().encode(data.to_numpy(dtype=float), jitter)

        def _reverse_transform(self, data: pd.Series[Any]) -> Floats:
            return self._fitted().decode(data.to_numpy(dtype=float))

        def _fitted(self) -> Marginal:
            if self.marginal is None:
                raise RuntimeError("a transformer is fitted before it transforms")
            return self.marginal

    return NormalScore


def normal_score(marginal: Marginal, seed: int) -> Any:
    """Return the RDT transformer that encodes a column by ``marginal``; ``seed`` is that of its jitter."""
    return _transformer_class()(marginal, seed)
