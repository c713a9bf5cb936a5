"""``learn``: from a sample and a plan to a model, star by star, the deepest first.

Owns the order of learning and what is handed from one star to the next. How one star is learned is in
:mod:`dbclone.learn.hma`, what is made of it in :mod:`dbclone.learn.stars`, second parents in
:mod:`dbclone.learn.links`.
"""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import numpy.typing as npt

import dbclone
from dbclone.errors import PlanError
from dbclone.learn.classes import Said, classify_sample
from dbclone.learn.closed_form import LEAST_RELIABILITY, correlation_of, nearest_correlation, without_jitter
from dbclone.learn.cohere import Known, cohere
from dbclone.learn.encode import Encoded, encode_table
from dbclone.learn.entities import entities_of
from dbclone.learn.folds import Anchor, Teller
from dbclone.learn.hma import StarTable, learn_star
from dbclone.learn.keyrules import key_rules
from dbclone.learn.links import learn_link
from dbclone.learn.patterns import null_patterns, null_share, observed_keys, twins
from dbclone.learn.stars import ScoredBranch, branch_model, latent_scores, score_branch, star_correlation
from dbclone.learn.trees import learn_tree
from dbclone.model.flow import Ddl, Sample
from dbclone.model.matching import parent_positions
from dbclone.model.parts import CopiedRows, LinkModel, Model, StarModel, TableModel, Twin
from dbclone.model.rules import LabelKey
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Plan, Reference, Star, TablePlan

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

OnTable = Callable[[TableKey], None]


def train(
    sample: Sample,
    plan: Plan,
    ddl: Ddl | None,
    *,
    seed: int,
    on_table: OnTable | None = None,
    said: Said | None = None,
) -> Model:
    """Return the model of everything in the plan; ``on_table`` is called with each table whose star is learned.

    ``said`` is what people say that columns hold; the others are classified by what the sample has of them.
    """
    return _Training(sample, plan, seed, on_table or (lambda _: None), said).model(ddl)


class _Training:
    """One run of ``train``: what is known of each table so far."""

    def __init__(self, sample: Sample, plan: Plan, seed: int, on_table: OnTable, said: Said | None) -> None:
        self.sample, self.plan, self.on_table = sample, plan, on_table
        self.random = np.random.default_rng(seed)
        self.seed = seed
        self.learned = [
            t
            for t in plan.tables
            if t.source_rows and t.table in sample.tables and sample.tables[t.table].rows.num_rows
        ]
        self.parents = {t.table: self._positions(t) for t in self.learned}
        self.encoded: dict[TableKey, Encoded] = {}
        classes, entities = classify_sample(sample, plan, said), entities_of(sample, plan)
        for t in self.learned:
            table, rows = plan.schema.table(t.table), sample.tables[t.table]
            found, fan_outs = classes[t.table], self._fan_outs(t)
            keys = key_rules(table, t, rows, self.parents[t.table], fan_outs, sample.source_rows, found)
            whose, anchors, tellers = entities[t.table], self._anchors(t), self._tellers(t)
            self.encoded[t.table] = encode_table(
                table, t, rows, keys, found, whose, plan.schema.dialect, anchors, tellers
            )
        together = [
            Known(plan=t, rules=self.encoded[t.table].rules, parents=self.parents[t.table]) for t in self.learned
        ]
        for key, rules in cohere(together, sample, classes).items():
            self.encoded[key] = replace(self.encoded[key], rules=rules)
        self.reliability: dict[TableKey, Floats] = {}
        self.latents: dict[TableKey, Floats] = {
            t.table: np.zeros((sample.tables[t.table].rows.num_rows, 0)) for t in self.learned
        }

    def model(self, ddl: Ddl | None) -> Model:
        by_parent: dict[TableKey, list[Star]] = defaultdict(list)
        for star in self.plan.stars:
            if star.branches and star.parent in self.encoded:
                by_parent[star.parent].append(star)
        stars = [model for parent in self._deepest_first(by_parent) for model in self._learn(by_parent[parent])]
        links = [self._link(t, r) for t in self.learned for r in t.links if r.foreign_key.parent in self.encoded]
        return Model(
            plan=self.plan,
            ddl=ddl,
            tables=tuple(self._with_copied_keys(self._table(t.table)) for t in self.learned),
            stars=tuple(stars),
            links=tuple(links),
            seed=self.seed,
            copied=tuple(CopiedRows.of(table, rows) for table, rows in self.sample.copied.items()),
            versions={
                "dbclone": dbclone.__version__,
                "python": platform.python_version(),
                **{name: version(name) for name in ("sdv", "rdt", "numpy", "pyarrow")},
            },
        )

    def _with_copied_keys(self, model: TableModel) -> TableModel:
        """Return the model of a table such that rows which refer to a copied one get its keys as they are."""
        copied = self.sample.copied.get(model.table)
        if copied is None:
            return model
        referred = {
            name
            for table in self.plan.schema.tables
            for key in table.foreign_keys
            if key.parent == model.table
            for name in key.parent_columns
        }
        rules = []
        for rule in model.rules:
            if rule.column in referred:
                values = copied[rule.column].to_pylist()
                if None in values:
                    raise PlanError(
                        f"{model.table} cannot be copied: {rule.column}, which others refer to, is NULL in it"
                    )
                rule = LabelKey(column=rule.column, values=tuple(values))
            rules.append(rule)
        return replace(model, rules=tuple(rules))

    def _positions(self, plan: TablePlan) -> dict[str, Integers]:
        rows = self.sample.tables[plan.table].rows
        found = {}
        for reference in plan.references:
            key = reference.foreign_key
            if key.parent in self.sample.tables:
                parent = self.sample.tables[key.parent].rows
                found[key.name] = parent_positions(rows, parent, key.columns, key.parent_columns)
            else:
                found[key.name] = np.full(rows.num_rows, -1, dtype=np.int64)
        return found

    def _fan_outs(self, plan: TablePlan) -> dict[str, Floats]:
        """Return, per foreign key, how many children each sampled row of its parent has; NaN where not counted."""
        counted = {f.foreign_key: f.counts for f in self.sample.fan_outs if f.child == plan.table}
        return {name: np.where(counts < 0, np.nan, counts.astype(float)) for name, counts in counted.items()}

    def _anchors(self, plan: TablePlan) -> list[Anchor]:
        """Return the times of each row's primary parent, if that is encoded already."""
        primary = plan.primary
        if primary is None or primary.foreign_key.parent not in self.encoded:
            return []
        parent, position = self.encoded[primary.foreign_key.parent], self.parents[plan.table][primary.foreign_key.name]
        return [
            Anchor(
                foreign_key=primary.foreign_key.name,
                name=name,
                kind=parent.table.column(name).kind,
                axis=np.where(position >= 0, axis[np.maximum(position, 0)], np.nan),
            )
            for name, axis in parent.times.items()
        ]

    def _tellers(self, plan: TablePlan) -> list[Teller]:
        """Return the columns of few values of the rows that each row refers to, where those are encoded already."""
        found = []
        for reference in plan.references:
            key = reference.foreign_key
            if reference.role not in ("primary", "link") or key.parent == plan.table or key.parent not in self.encoded:
                continue
            position = self.parents[plan.table][key.name]
            if not (position >= 0).any():
                continue
            at, rows = np.maximum(position, 0), np.bincount(position[position >= 0]).astype(float)
            # A few rows that most refer to tell little of their kind (Kish's effective sample size).
            groups = max(int(rows.sum() ** 2 / (rows**2).sum()), 1)
            found += [
                replace(
                    teller,
                    axis=np.where(position >= 0, teller.axis[at], np.nan),
                    lent=(position < 0) | teller.lent[at],
                    groups=groups,
                    foreign_key=key.name,
                    late=reference.role == "link",
                )
                for teller in self.encoded[key.parent].tellers.values()
            ]
        return found

    def _deepest_first(self, stars: Mapping[TableKey, object]) -> list[TableKey]:
        def depth(key: TableKey) -> int:
            steps, primary = 0, self.plan.table(key).primary
            while primary is not None:
                steps, primary = steps + 1, self.plan.table(primary.foreign_key.parent).primary
            return steps

        return sorted(stars, key=lambda key: (-depth(key), key))

    def _learn(self, stars: list[Star]) -> list[StarModel]:
        """Learn all stars of one parent; their children's latents are known by now, the parent's follow from here."""
        parent = stars[0].parent
        self.on_table(parent)
        encoded = self.encoded[parent]
        scored = [self._score(star) for star in stars]
        own = encoded.scores[encoded.base]
        found = np.zeros((len(own), 0))
        if self.plan.table(parent).primary is not None and self.plan.latents:
            every = [branch for branches in scored for branch in branches]
            found, self.reliability[parent] = latent_scores(every, self.plan.latents)
            self.latents[parent] = np.full((len(encoded.base), found.shape[1]), np.nan)
            self.latents[parent][encoded.base] = found
        models = []
        for branches in scored:
            correlation = star_correlation(own, found, branches, encoded.reliability)
            start, made = own.shape[1] + found.shape[1], []
            for branch in branches:
                made.append(branch_model(branch, start, correlation, self.random))
                start += len(branch.marginals)
            models.append(StarModel(parent=parent, correlation=correlation, branches=tuple(made)))
        return models

    def _score(self, star: Star) -> list[ScoredBranch]:
        parent = self.encoded[star.parent]
        place = np.cumsum(parent.base) - 1  # position among the parent's base rows
        branches = [branch for branch in star.branches if branch.child in self.encoded]
        tables, counts = [], []
        for branch in branches:
            reference = self._primary(branch.child)
            fan_out = self.sample.fan_out(branch.child, reference.foreign_key.name)
            position = self.parents[branch.child][reference.foreign_key.name]
            taught = (position >= 0) & (fan_out.complete & parent.base)[np.maximum(position, 0)]
            child = self.encoded[branch.child]
            tables.append(
                StarTable(
                    axes=child.axes[taught],
                    marginals=child.marginals,
                    latents=self.latents[branch.child][taught],
                    parent=place[position[taught]],
                    detail=branch.detail,
                )
            )
            counts.append(np.where(fan_out.counts < 0, np.nan, fan_out.counts.astype(float))[parent.base])
        root = StarTable(
            axes=parent.axes[parent.base],
            marginals=parent.marginals,
            latents=np.zeros((int(parent.base.sum()), 0)),
        )
        learned = learn_star(root, tables)
        return [
            score_branch(
                learned,
                number,
                child=branch.child,
                detail=branch.detail,
                counts=counts[number],
                null_share=self._null_share(branch.child, self._primary(branch.child)),
                jitter=self.random,
                reliability=np.concatenate(
                    [
                        np.clip(self.encoded[branch.child].folded_reliability, LEAST_RELIABILITY, 1.0) ** 2,
                        self.reliability.get(branch.child, np.zeros(0)),
                    ]
                ),
            )
            for number, branch in enumerate(branches)
        ]

    def _primary(self, child: TableKey) -> Reference:
        primary = self.plan.table(child).primary
        if primary is None:
            raise LookupError(f"{child} is in a star without a primary parent")
        return primary

    def _null_share(self, table: TableKey, reference: Reference) -> float:
        rows = self.sample.source_rows[table]
        return self.sample.null_references.get((table, reference.foreign_key.name), 0) / max(rows, 1)

    def _own_scores(self, table: TableKey) -> Floats:
        return np.concatenate([self.encoded[table].scores, self.latents[table]], axis=1)

    def _link(self, plan: TablePlan, reference: Reference) -> LinkModel:
        key = reference.foreign_key
        counts, position = self._fan_outs(plan)[key.name], self.parents[plan.table][key.name]
        scores, base = self._own_scores(plan.table), self.encoded[key.parent].base
        sampled = bool(reference.shared) or reference.null != key.columns
        return learn_link(
            child=plan.table,
            foreign_key=key.name,
            parent=key.parent,
            child_scores=scores,
            position=position,
            parent_scores=self._own_scores(key.parent),
            counts=counts,
            base=base,
            null_share=null_share(reference, self.sample.tables[plan.table])
            if sampled
            else self._null_share(plan.table, reference),
            tree=learn_tree(reference, position, scores, counts, base) if reference.role == "self" else None,
        )

    def _table(self, key: TableKey) -> TableModel:
        encoded = self.encoded[key]
        same = self._twins(self.plan.table(key))
        scores = np.concatenate([encoded.folded, self.latents[key]], axis=1)[encoded.base]
        reliability = np.r_[encoded.folded_reliability, np.ones(self.latents[key].shape[1])]
        latents = tuple(f"latent {n + 1}" for n in range(self.latents[key].shape[1]))
        return TableModel(
            table=key,
            rules=encoded.rules,
            scores=(*encoded.names, *latents),
            correlation=nearest_correlation(without_jitter(correlation_of(scores), reliability)),
            nulls=null_patterns(self.plan.table(key), encoded, self.sample.tables[key]),
            twins=same,
            observed_keys=observed_keys(encoded.table, self.plan.table(key), self.sample.tables[key].rows, same),
            folds=encoded.folds,
            products=encoded.products,
        )

    def _twins(self, plan: TablePlan) -> tuple[Twin, ...]:
        parents = {r.foreign_key.name: r.foreign_key.parent for r in plan.references}
        rows = {n: self.sample.tables[key].rows.num_rows for n, key in parents.items() if key in self.sample.tables}
        return twins(plan, self.parents[plan.table], self.encoded[plan.table].base, rows)
