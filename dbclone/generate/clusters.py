"""Clusters: the columns of a table that are decided together, and in which order those of all tables are.

Unique keys, CHECKs and foreign keys of several columns tie columns together: what keeps one of them may change any of
its columns. Columns that nothing ties together are in different clusters, and each cluster of a batch is made on its
own. So a row's key can be known before the row it refers to is: a table ``(a, b, parent_a, parent_b)`` with the primary
key ``(a, b)`` and a foreign key to itself has the clusters ``{a, b}`` and ``{parent_a, parent_b}``.

Clusters that nobody needs to know beforehand are one. Where clusters still need each other in a circle, the columns
that others refer to are decided first: what ties them to further columns is kept by these alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import networkx as nx

from dbclone.generate.constraints import row_conditions
from dbclone.generate.shared import Name, Shared, is_computed, is_distinct
from dbclone.model.rules import (
    Carried,
    ExpressionRule,
    Numbered,
    Omitted,
    PersonalRule,
    PolymorphicKey,
    Referenced,
)
from dbclone.schema.checks import columns_of
from dbclone.schema.model import TableKey
from dbclone.schema.plan import Reference
from dbclone.schema.roles import Place

Node = tuple[TableKey, int]
"""A cluster: the number of one of a table's."""


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """``columns`` are decided together; ``reads`` are columns of other clusters that what ties them names.

    ``name`` tells the random streams of a table's clusters apart: one of its columns, or nothing for the last one.
    """

    columns: frozenset[Name]
    reads: frozenset[Name] = frozenset()
    name: Name = ""

    def keeps(self, names: Sequence[Name]) -> bool:
        """Whether what ties these columns together is kept when this cluster is made."""
        return not self.columns.isdisjoint(names) and self.columns | self.reads >= set(names)


class Clusters:
    """The clusters of all tables of a model."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.touched = lru_cache(maxsize=None)(self._touched)
        self._ties = lru_cache(maxsize=None)(self._tied)

    def of(self, table: TableKey) -> tuple[Cluster, ...]:
        """Return the clusters of a table; every column that is made is in one."""
        return self._found[table]

    def having(self, table: TableKey, column: Name) -> Cluster:
        """Return the cluster of a column."""
        return next(cluster for cluster in self._found[table] if column in cluster.columns)

    # ---- What needs no cluster -------------------------------------------------------------------------------------

    def is_computed(self, table: TableKey, column: Name) -> bool:
        """Whether a column's values follow from the rows' positions, and stay."""
        return is_computed(self.shared.rule(table, column)) and not self._is_drawn_again(table, column)

    def _is_drawn_again(self, table: TableKey, column: Name) -> bool:
        """Whether values that are made by index may be drawn again: those of a key that repeats otherwise."""
        for key in self.shared.schema.table(table).uniques():
            rules = [self.shared.rule(table, name) for name in key]
            if column in key and not any(is_distinct(rule) or isinstance(rule, Numbered | Omitted) for rule in rules):
                return True
        return False

    def is_drafted(self, table: TableKey, column: Name) -> bool:
        """Whether a draft's values stay: neither uniqueness nor a condition changes what the primary reference sets."""
        rule = self.shared.rule(table, column)
        primary = self.shared.plan.table(table).primary
        if isinstance(rule, Numbered):
            return all(self.is_drafted(table, name) for name in rule.parents)
        if isinstance(rule, Referenced):
            is_primary = primary is not None and rule.foreign_key == primary.foreign_key.name
            return is_primary and column not in self.touched(table)
        return self.is_computed(table, column)

    def _touched(self, table: TableKey) -> frozenset[Name]:
        """Return the columns that a condition on a table's rows may change: those that it reads, and whole keys."""
        described, dialect = self.shared.schema.table(table), self.shared.schema.dialect
        everything = tuple(column.name for column in described.columns)
        names: set[Name] = {name for check in row_conditions(described) for name in check.columns}
        texts = [text for key in described.unique_keys if not key.is_plain for text in key.expressions]
        texts += [key.predicate for key in described.unique_keys if key.predicate]
        texts += [text for item in described.exclusions for text, _ in item.elements]
        for text in texts:
            found = columns_of(text, described, dialect)
            names.update(everything if found is None else found)
        for key in described.unique_keys:
            names.update(() if key.is_plain and key.nulls_distinct else key.columns)
        names.update(name for key in described.foreign_keys if names & set(key.columns) for name in key.columns)
        return frozenset(names)

    # ---- Clusters --------------------------------------------------------------------------------------------------

    @cached_property
    def _found(self) -> Mapping[TableKey, tuple[Cluster, ...]]:
        tables = [table.table for table in self.shared.model.tables]
        first: dict[TableKey, frozenset[Name]] = dict.fromkeys(tables, frozenset())
        while True:
            found = {table: self._grouped(table, first[table]) for table in tables}
            graph = self._graph(found)
            circles = [c for c in nx.strongly_connected_components(graph) if len(c) > 1 or graph.has_edge(*[*c] * 2)]
            before = dict(first)
            for table, number in (node for circle in circles for node in circle):
                sought = graph.nodes[table, number].get("sought", frozenset())
                if sought < found[table][number]:
                    first[table] |= sought
            if first == before:
                return {table: self._joined(table, found[table], graph, first[table]) for table in tables}

    def _grouped(self, table: TableKey, first: frozenset[Name]) -> tuple[frozenset[Name], ...]:
        """Return the columns of a table in groups that nothing ties to each other; ``first`` are apart from others."""
        names = [rule.column for rule in self.shared.model.table(table).rules]
        tied: nx.Graph[Name] = nx.Graph()
        tied.add_nodes_from(names)
        for tie in self._ties(table):
            some = [name for name in names if name in tie]
            later = [name for name in some if name not in first] or some
            nx.add_path(tied, later)
        groups = [frozenset(group) for group in nx.connected_components(tied)]
        # Columns of one row that need each other are decided together.
        graph: nx.DiGraph[int] = nx.DiGraph()
        graph.add_nodes_from(range(len(groups)))
        at = {name: number for number, group in enumerate(groups) for name in group}
        for name in names:
            graph.add_edges_from((at[name], at[other]) for other in self._of_the_row(table, name) if other in at)
        return tuple(
            frozenset(name for number in together for name in groups[number])
            for together in nx.strongly_connected_components(graph)
        )

    def _tied(self, table: TableKey) -> tuple[frozenset[Name], ...]:
        """Return sets of columns that have to be decided together."""
        described, dialect = self.shared.schema.table(table), self.shared.schema.dialect
        everything = tuple(column.name for column in described.columns)

        def named(texts: Sequence[str | None]) -> Iterator[Name]:
            for text in texts:
                found = columns_of(text, described, dialect) if text else ()
                yield from everything if found is None else found

        plan, model = self.shared.plan.table(table), self.shared.model.table(table)
        sets = {reference.foreign_key.name: reference.sets for reference in plan.references}
        ties: list[Sequence[Name]] = [*sets.values()]
        ties += [(*sets[twin.foreign_key], *sets[twin.other]) for twin in model.twins if not twin.share]
        for key in (*described.uniques(), *model.observed_keys):
            rules = [self.shared.rule(table, name) for name in key]
            if not any(is_distinct(rule) or isinstance(rule, Numbered | Omitted) for rule in rules):
                ties.append(key)
        ties += [check.columns for check in row_conditions(described)]
        ties += [
            (*key.columns, *named([*key.expressions, key.predicate]))
            for key in (*described.unique_keys, *described.partition_keys)
        ]
        ties += [
            (*item.columns, *named([*(text for text, _ in item.elements), item.predicate]))
            for item in described.exclusions
        ]
        return tuple(frozenset(tie) for tie in ties if len(set(tie)) > 1)

    def _of_the_row(self, table: TableKey, column: Name) -> tuple[Name, ...]:
        """Return the columns of a row that one of its columns is made from."""
        rule = self.shared.rule(table, column)
        if isinstance(rule, Referenced):
            return self._reference(table, rule.foreign_key).shared
        if isinstance(rule, Carried):
            key = self._reference(table, rule.foreign_key).foreign_key
            return tuple(n for n in key.columns if isinstance(self.shared.rule(table, n), Referenced | Carried))
        if isinstance(rule, Numbered):
            return rule.parents
        if isinstance(rule, ExpressionRule):
            return rule.columns
        if isinstance(rule, PersonalRule) and rule.country is not None:
            return (rule.country,)
        return (rule.type_column,) if isinstance(rule, PolymorphicKey) else ()

    def _of_others(self, table: TableKey, column: Name) -> Iterator[Place]:
        """Yield the columns of other rows that must be known before a column of a table is made."""
        rule = self.shared.rule(table, column)
        if isinstance(rule, Referenced):
            key = self._reference(table, rule.foreign_key).foreign_key
            yield from ((key.parent, name) for name in key.parent_columns)
        if isinstance(rule, Carried):
            yield (self._reference(table, rule.foreign_key).foreign_key.parent, rule.parent_column)
        if isinstance(rule, PolymorphicKey):
            yield from ((target.table, target.column) for target in rule.targets)

    def _of_the_layout(self, table: TableKey) -> Iterator[Place]:
        """Yield the columns that say how many children the rows of the primary parent can have."""
        plan = self.shared.plan.table(table)
        if plan.primary is None:
            return
        key = plan.primary.foreign_key
        parent, image = self.shared.schema.table(key.parent), dict(zip(key.columns, key.parent_columns, strict=True))
        yield from ((key.parent, name) for name in key.parent_columns if parent.column(name).nullable)
        for reference in plan.links:
            theirs = dict(zip(reference.foreign_key.columns, reference.foreign_key.parent_columns, strict=True))
            if reference.shared and set(reference.shared) <= set(plan.primary.sets):
                for name in reference.shared:
                    yield key.parent, image[name]
                    yield reference.foreign_key.parent, theirs[name]

    def _reference(self, table: TableKey, foreign_key: str) -> Reference:
        found = self.shared.plan.table(table).references
        return next(reference for reference in found if reference.foreign_key.name == foreign_key)

    def _graph(self, found: Mapping[TableKey, tuple[frozenset[Name], ...]]) -> nx.DiGraph[Node]:
        """Return which clusters each cluster needs; ``sought`` of a node are its columns that others need."""
        graph: nx.DiGraph[Node] = nx.DiGraph()
        at = {(t, name): (t, n) for t, groups in found.items() for n, group in enumerate(groups) for name in group}
        graph.add_nodes_from(at.values())
        layouts = {table: self._known(self._of_the_layout(table)) for table in found}
        for (table, column), node in at.items():
            needs = self._known(self._of_others(table, column))
            if not self.is_computed(table, column):
                needs |= layouts[table]
            for need in needs:
                graph.add_edge(node, at[need])
                graph.nodes[at[need]]["sought"] = graph.nodes[at[need]].get("sought", frozenset()) | {need[1]}
            for name in self._of_the_row(table, column):
                if (table, name) in at and at[table, name] != node:
                    graph.add_edge(node, at[table, name])
        return graph

    def _known(self, places: Iterable[Place]) -> set[Place]:
        """Return the columns of clusters that must be made for these columns to be known."""
        seen: set[Place] = set()
        return {need for place in places for need in self._needed(place, seen)}

    def _needed(self, place: Place, seen: set[Place]) -> Iterator[Place]:
        table, column = place
        if place in seen or table not in self.shared.model or self.is_computed(table, column):
            return
        seen.add(place)
        if not self.is_drafted(table, column):
            yield place
            return
        places = [*self._of_others(table, column), *self._of_the_layout(table)]
        for other in (*places, *((table, name) for name in self._of_the_row(table, column))):
            yield from self._needed(other, seen)

    def _joined(
        self, table: TableKey, groups: Sequence[frozenset[Name]], graph: nx.DiGraph[Node], first: frozenset[Name]
    ) -> tuple[Cluster, ...]:
        """Return the clusters of a table: those that others need, and all the rest as one."""
        reads: dict[int, set[Name]] = defaultdict(set)
        for tie in self._ties(table):
            for number, group in enumerate(groups):
                if group & tie and not tie <= group and not (group & tie) <= first:
                    reads[number] |= tie - group
        sought = {name for others in reads.values() for name in others}
        apart = [n for n, group in enumerate(groups) if graph.in_degree((table, n)) or group & sought]
        rest = [n for n in range(len(groups)) if n not in apart]
        made = [Cluster(columns=groups[n], reads=frozenset(reads[n]) - groups[n], name=min(groups[n])) for n in apart]
        if rest:
            columns = frozenset(name for n in rest for name in groups[n])
            made.append(Cluster(columns=columns, reads=frozenset(r for n in rest for r in reads[n]) - columns))
        return tuple(made)
