"""The foreign-key graph: components, layers, and which foreign keys to take out so that it can be loaded.

The field's terms, as used everywhere in dbclone:

* A **child** table holds the **referencing** columns of a foreign key, the **parent** table the **referenced** ones.
* The **fan-out** of a parent row is the number of child rows that refer to it, zero included.
* An **orphan** is a child row whose parent does not exist.
* A **strongly connected component** is a largest set of tables of which each can be reached from each other along
  foreign keys; one of more than one table is a **cycle**. A **self-reference** is a foreign key from a table to itself.
* The **layer** of a table is the length of the longest path to a table without parents, cycles taken as one step.
* A foreign key is **deferrable** when the database may check it at the end of the transaction.
* A **root** has no primary parent; the **primary parent** of a child is the one parent whose star it is learned in;
  its other parents are reached by **links** (see :mod:`dbclone.schema.plan`).

Pure. Cycles and orders come from networkx; what they mean for loading is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx

from dbclone.schema.model import ForeignKey, Schema, TableKey


@dataclass(frozen=True, kw_only=True)
class Edge:
    """One foreign key of one table."""

    child: TableKey
    foreign_key: ForeignKey
    nullable: bool

    @property
    def parent(self) -> TableKey:
        return self.foreign_key.parent

    @property
    def is_self(self) -> bool:
        return self.child == self.parent


def edges(schema: Schema) -> Iterator[Edge]:
    """Yield every foreign key of the schema, in table and constraint order."""
    for table in schema.tables:
        for foreign_key in table.foreign_keys:
            yield Edge(child=table.key, foreign_key=foreign_key, nullable=table.nullable(foreign_key))


def _digraph(schema: Schema) -> nx.MultiDiGraph[TableKey]:
    """Return the graph parent → child; self-references are left out."""
    graph: nx.MultiDiGraph[TableKey] = nx.MultiDiGraph()
    graph.add_nodes_from(table.key for table in schema.tables)
    for edge in edges(schema):
        if not edge.is_self:
            graph.add_edge(edge.parent, edge.child, edge=edge)
    return graph


def cycles(schema: Schema) -> tuple[tuple[TableKey, ...], ...]:
    """Return the strongly connected components of more than one table, each sorted."""
    components = nx.strongly_connected_components(_digraph(schema))
    return tuple(sorted(tuple(sorted(c)) for c in components if len(c) > 1))


def layers(schema: Schema) -> dict[TableKey, int]:
    """Return the layer of every table; all tables of a cycle share one."""
    condensed = nx.condensation(nx.DiGraph(_digraph(schema)))
    depth: dict[int, int] = {}
    for node in nx.topological_sort(condensed):
        depth[node] = max((depth[parent] + 1 for parent in condensed.predecessors(node)), default=0)
    return {key: depth[node] for node in condensed for key in condensed.nodes[node]["members"]}


@dataclass(frozen=True, kw_only=True)
class Deferred:
    """A foreign key that a load order ignores, and what makes up for it."""

    edge: Edge
    by: str
    """``deferrable``: checked at commit; ``null``: loaded as NULL, then filled; ``constraint``: dropped meanwhile."""


def load_order(schema: Schema) -> tuple[tuple[TableKey, ...], tuple[Deferred, ...]]:
    """Return the tables so that every parent precedes its children, and the foreign keys taken out to make that true.

    In a cycle the easiest foreign key goes first: one that is deferrable, then one that is nullable, then any. So the
    hardest are put into the order first, and those that would close a cycle then are taken out.
    """
    graph = _digraph(schema)
    component = {
        key: number for number, keys in enumerate(nx.strongly_connected_components(graph)) for key in sorted(keys)
    }
    inner = [edge for edge in edges(schema) if not edge.is_self and component[edge.parent] == component[edge.child]]
    hardness = {id(edge): _hardness(edge, schema) for edge in inner}
    order = _Order(sorted({key for edge in inner for key in (edge.parent, edge.child)}))
    taken = tuple(
        Deferred(edge=edge, by=("deferrable", "null", "constraint")[hardness[id(edge)]])
        for edge in sorted(inner, key=lambda edge: -hardness[id(edge)])
        if not order.add(edge.parent, edge.child)
    )
    skipped = {(item.edge.child, item.edge.foreign_key.name) for item in taken}
    kept: nx.DiGraph[TableKey] = nx.DiGraph()
    kept.add_nodes_from(table.key for table in schema.tables)
    kept.add_edges_from(
        (edge.parent, edge.child)
        for edge in edges(schema)
        if not edge.is_self and (edge.child, edge.foreign_key.name) not in skipped
    )
    return tuple(nx.lexicographical_topological_sort(kept)), taken


class _Order:
    """Tables in an order that respects the edges added so far.

    Only what lies between the two ends of a new edge is looked at (Pearce and Kelly, *A dynamic topological sort
    algorithm*, 2006): looking for a cycle in the whole component for each of its foreign keys is quadratic.
    """

    def __init__(self, keys: Sequence[TableKey]) -> None:
        self._place = {key: place for place, key in enumerate(keys)}
        self._after: dict[TableKey, set[TableKey]] = {key: set() for key in keys}
        self._before: dict[TableKey, set[TableKey]] = {key: set() for key in keys}

    def add(self, first: TableKey, second: TableKey) -> bool:
        """Put ``first`` before ``second``; return False, and change nothing, if that would close a cycle."""
        low, high = self._place[second], self._place[first]
        if low < high:
            behind = self._reached(second, self._after, lambda place: place <= high)
            if first in behind:
                return False
            ahead = self._reached(first, self._before, lambda place: place >= low)
            moved = [*sorted(ahead, key=self._place.__getitem__), *sorted(behind, key=self._place.__getitem__)]
            for place, key in zip(sorted(self._place[key] for key in moved), moved, strict=True):
                self._place[key] = place
        self._after[first].add(second)
        self._before[second].add(first)
        return True

    def _reached(
        self, start: TableKey, along: Mapping[TableKey, set[TableKey]], within: Callable[[int], bool]
    ) -> set[TableKey]:
        found, waiting = {start}, [start]
        while waiting:
            new = {key for key in along[waiting.pop()] if within(self._place[key])} - found
            found |= new
            waiting += new
        return found


def _hardness(edge: Edge, schema: Schema) -> int:
    if edge.foreign_key.deferrable:
        return 0
    return 1 if edge.nullable and nulled_columns(schema, edge) else 2


def nulled_columns(schema: Schema, edge: Edge) -> tuple[str, ...]:
    """Return the columns that are NULL while ``edge`` is not loaded yet: nullable and in no other key; maybe none."""
    table = schema.table(edge.child)
    others = {name for key in table.foreign_keys if key is not edge.foreign_key for name in key.columns}
    keyed = others.union(*table.uniques()) if table.uniques() else others
    return tuple(c for c in edge.foreign_key.columns if table.column(c).nullable and c not in keyed)
