"""The plan: primary parents, stars, load steps, and what is refused before anything is read."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from collections.abc import Mapping, Sequence

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dbclone.errors import PlanError
from dbclone.schema import graph
from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, UniqueKey
from dbclone.schema.plan import (
    STAR_COLUMNS,
    Backfill,
    Load,
    Plan,
    PlanOptions,
    Suspend,
    extension_width,
    make_plan,
)


def integer(name: str, *, nullable: bool = False) -> Column:
    return Column(name=name, type="integer", kind="integer", nullable=nullable, bytes=4)


def reference(columns: Sequence[str], parent: str, parent_columns: Sequence[str] = ("id",), **more: bool) -> ForeignKey:
    return ForeignKey(
        name=f"{'_'.join(columns)}_fkey",
        columns=tuple(columns),
        parent=TableKey(parent),
        parent_columns=tuple(parent_columns),
        **more,
    )


def table(
    name: str,
    *foreign_keys: ForeignKey,
    primary_key: Sequence[str] = ("id",),
    columns: Sequence[str] = (),
    nullable: Sequence[str] = (),
) -> Table:
    referencing = [column for key in foreign_keys for column in key.columns]
    names = dict.fromkeys([*primary_key, *referencing, *columns])
    return Table(
        schema="public",
        name=name,
        key=TableKey(name),
        columns=tuple(integer(column, nullable=column in nullable) for column in names),
        primary_key=tuple(primary_key),
        foreign_keys=foreign_keys,
    )


def schema(*tables: Table) -> Schema:
    ordered = tuple(sorted(tables, key=lambda t: t.key))
    return Schema(dialect="postgresql", server_version="18", default_schema="public", tables=ordered)


def plan_of(*tables: Table, source: Mapping[str, int] | None = None, **options: object) -> Plan:
    described = schema(*tables)
    counts = {t.key: (source or {}).get(t.key, 100) for t in described.tables}
    return make_plan(described, counts, PlanOptions(**options))  # type: ignore[arg-type]


def primary_of(plan: Plan, name: str) -> str | None:
    found = plan.table(TableKey(name)).primary
    return found.foreign_key.parent if found else None


def test_a_line_belongs_to_its_basket_not_to_its_product() -> None:
    plan = plan_of(
        table("household"),
        table("product"),
        table("basket", reference(["household_id"], "household")),
        table("line", reference(["product_id"], "product"), reference(["basket_id"], "basket"),
              primary_key=["basket_id", "product_id"]),
    )  # fmt: skip
    assert primary_of(plan, "line") == "basket"
    assert [link.foreign_key.parent for link in plan.table(TableKey("line")).links] == ["product"]


def test_identifying_beats_optional_and_not_null_beats_nullable() -> None:
    plan = plan_of(
        table("a"),
        table("b"),
        table("child", reference(["a_id"], "a"), reference(["b_id"], "b"), primary_key=["b_id", "n"]),
        table("other", reference(["a_id"], "a"), reference(["b_id"], "b"), nullable=["a_id"]),
    )
    assert primary_of(plan, "child") == "b"
    assert primary_of(plan, "other") == "b"


def test_a_foreign_key_that_another_one_fulfils_is_implied() -> None:
    plan = plan_of(
        table("campaign"),
        table("member", reference(["campaign_id"], "campaign"), primary_key=["campaign_id", "person_id"]),
        table("redemption", reference(["campaign_id", "person_id"], "member", ["campaign_id", "person_id"]),
              reference(["campaign_id"], "campaign")),
    )  # fmt: skip
    roles = {r.foreign_key.parent: r.role for r in plan.table(TableKey("redemption")).references}
    assert roles == {"member": "primary", "campaign": "implied"}


def test_overlapping_composite_keys_share_their_columns() -> None:
    plan = plan_of(
        table("users", primary_key=["tenant_id", "user_id"]),
        table("project", primary_key=["tenant_id", "project_id"]),
        table("task", reference(["tenant_id", "user_id"], "users", ["tenant_id", "user_id"]),
              reference(["tenant_id", "project_id"], "project", ["tenant_id", "project_id"])),
    )  # fmt: skip
    link = plan.table(TableKey("task")).links[0]
    assert link.shared == ("tenant_id",)


def test_no_star_is_more_than_sdv_accepts() -> None:
    children = [table(f"child{n}", reference(["parent_id"], "parent"), columns=[f"c{m}" for m in range(12)])
                for n in range(11)]  # fmt: skip
    plan = plan_of(table("parent"), *children)
    assert [len(star.branches) for star in plan.stars] == [4, 4, 3]
    assert all(star.width <= STAR_COLUMNS for star in plan.stars)
    assert {branch.child for star in plan.stars for branch in star.branches} == {child.key for child in children}
    assert any("stars" in note.message for note in plan.notes)


def test_a_cycle_loads_through_its_nullable_foreign_key() -> None:
    plan = plan_of(
        table("staff", reference(["store_id"], "store")),
        table("store", reference(["manager_id"], "staff"), nullable=["manager_id"]),
    )
    assert plan.steps == (
        Load(table=TableKey("store"), null=("manager_id",)),
        Load(table=TableKey("staff")),
        Backfill(table=TableKey("store"), foreign_key="manager_id_fkey"),
    )


def test_a_deferrable_foreign_key_needs_no_step_and_a_hard_one_is_suspended() -> None:
    soft = plan_of(
        table("staff", reference(["store_id"], "store", deferrable=True)),
        table("store", reference(["manager_id"], "staff")),
    )
    assert soft.steps == (Load(table=TableKey("staff")), Load(table=TableKey("store")))
    hard = plan_of(table("staff", reference(["store_id"], "store")), table("store", reference(["manager_id"], "staff")))
    assert [type(step) for step in hard.steps] == [Suspend, Load, Load]


def test_a_self_reference_is_a_link_and_no_cycle() -> None:
    plan = plan_of(table("employee", reference(["boss_id"], "employee"), nullable=["boss_id"]))
    assert plan.table(TableKey("employee")).links[0].role == "self"
    assert plan.steps == (Load(table=TableKey("employee")),)


@settings(deadline=None)
@given(st.data())
def test_every_parent_precedes_its_child_unless_deferred(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 8))
    names = [f"t{n}" for n in range(size)]
    tables = []
    for name in names:
        parents = data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
        keys = [dataclasses.replace(reference([f"{p}_id"], p), deferrable=data.draw(st.booleans())) for p in parents]
        nullable = [f"{p}_id" for p in parents if data.draw(st.booleans())]
        tables.append(table(name, *keys, nullable=nullable))
    described = schema(*tables)
    order, deferred = graph.load_order(described)
    assert sorted(order) == sorted(names)
    skipped = {(d.edge.child, d.edge.foreign_key.name) for d in deferred}
    for edge in graph.edges(described):
        if not edge.is_self and (edge.child, edge.foreign_key.name) not in skipped:
            assert order.index(edge.parent) < order.index(edge.child)
    plan = make_plan(described, {t.key: 10 for t in described.tables}, PlanOptions())
    primary = nx.DiGraph([(t.primary.foreign_key.parent, t.table) for t in plan.tables if t.primary])
    assert nx.is_directed_acyclic_graph(primary)


def test_hma_growth_is_that_of_its_closed_form() -> None:
    assert extension_width(10, "correlations") == 1 + 20 + 45
    assert extension_width(20, "correlations") == 231
    assert extension_width(600, "means") == 601


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.0}, "--scale"),
        ({"scale": -1.0}, "--scale"),
        ({"rows": ((TableKey("nothing"), 5),)}, "no such table"),
        ({"rows": ((TableKey("a"), -5),)}, "negative"),
        ({"rows": ((TableKey("empty"), 5),)}, "empty"),
        ({"rows": ((TableKey("a"), 0),)}, "b needs a parent row in a"),
        ({"rows": ((TableKey("a"), 3_000_000_000),)}, "more keys than integer has"),
    ],
)
def test_impossible_requests_are_refused(options: Mapping[str, object], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        plan_of(table("a"), table("b", reference(["a_id"], "a")), table("empty"), source={"empty": 0}, **options)


def test_more_rows_than_a_unique_reference_allows_are_refused() -> None:
    one = table("b", reference(["id"], "a"))
    with pytest.raises(PlanError, match="allows one for each"):
        plan_of(table("a"), one, source={"a": 5, "b": 5}, rows=((TableKey("b"), 6),))


def test_a_type_that_cannot_be_generated_is_refused_where_it_is_not_null() -> None:
    odd = Column(name="shape", type="polygon", kind="other", nullable=False)
    described = dataclasses.replace(table("a"), columns=(integer("id"), odd))
    with pytest.raises(PlanError, match=r"a\.shape: values of type polygon"):
        plan_of(described)
    kept = plan_of(dataclasses.replace(described, columns=(integer("id"), dataclasses.replace(odd, nullable=True))))
    assert "will be NULL" in kept.notes[0].message


def test_scale_keeps_a_row_where_there_was_one_and_none_where_there_was_none() -> None:
    plan = plan_of(table("a"), table("one"), table("none"), source={"one": 1, "none": 0}, scale=0.01)
    assert {t.table: t.rows for t in plan.tables} == {"a": 1, "one": 1, "none": 0}


def test_a_thousand_tables_are_planned_in_seconds() -> None:
    tables = [
        table(f"t{n:04d}", *(reference([f"p{m}_id"], f"t{(n * 7 + m) % n:04d}") for m in range(3) if n > 3))
        for n in range(1_000)
    ]
    begun = time.perf_counter()
    assert len(plan_of(*tables).tables) == 1_000
    assert time.perf_counter() - begun < 5


def test_only_unique_keys_over_all_rows_count() -> None:
    partial = UniqueKey(name="u", columns=("a_id",), predicate="deleted = false")
    described = dataclasses.replace(table("b", reference(["a_id"], "a")), unique_keys=(partial,))
    plan = plan_of(table("a"), described)
    assert not plan.table(TableKey("b")).references[0].unique


# ---- Roles ----------------------------------------------------------------------------------------------------------


def test_only_own_nullable_columns_become_null() -> None:
    plan = plan_of(
        table("users", primary_key=["tenant_id", "user_id"]),
        table("project", primary_key=["tenant_id", "project_id"]),
        table("task", reference(["tenant_id", "user_id"], "users", ["tenant_id", "user_id"]),
              reference(["tenant_id", "project_id"], "project", ["tenant_id", "project_id"]),
              nullable=["tenant_id", "project_id"]),
    )  # fmt: skip
    first, second = plan.table(TableKey("task")).references
    assert (first.shared, first.null) == ((), ("tenant_id",))
    assert (second.shared, second.sets, second.null) == (("tenant_id",), ("project_id",), ("project_id",))


def test_match_full_is_null_all_or_none() -> None:
    full = dataclasses.replace(reference(["a", "b"], "seat", ["a", "b"]), match_full=True)
    plan = plan_of(table("seat", primary_key=["a", "b"]), table("ticket", full, nullable=["a", "b"]))
    assert plan.table(TableKey("ticket")).references[0].null == ("a", "b")


def test_a_column_that_would_refer_to_itself_is_made_by_its_table() -> None:
    plan = plan_of(
        table("buyer", reference(["id", "last"], "purchase", ["buyer", "number"]), nullable=["last"]),
        table("purchase", reference(["buyer"], "buyer"), primary_key=["buyer", "number"]),
    )
    link = plan.table(TableKey("buyer")).links[0]
    assert (link.shared, link.sets) == (("id",), ("last",))
    assert primary_of(plan, "purchase") == "buyer"


def test_a_row_that_refers_to_itself_by_its_own_key_says_nothing() -> None:
    plan = plan_of(table("t", reference(["id"], "t")))
    assert [r.role for r in plan.table(TableKey("t")).references] == ["implied"]


def test_the_wider_key_comes_first_where_it_fulfils_the_others() -> None:
    plan = plan_of(
        table("stop"),
        table("depot", reference(["stop"], "stop"), columns=["stop"]),
        table("bus", reference(["depot"], "depot"), reference(["stop"], "stop"),
              reference(["depot", "stop"], "depot", ["id", "stop"])),
    )  # fmt: skip
    roles = {r.foreign_key.columns: r.role for r in plan.table(TableKey("bus")).references}
    assert roles == {("depot", "stop"): "primary", ("depot",): "implied", ("stop",): "implied"}


# ---- Size -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("children", [0, 1, 4])
def test_no_star_is_wider_than_it_may_be_however_many_columns_its_tables_have(children: int) -> None:
    names = [f"c{n}" for n in range(600)]
    plan = plan_of(
        table("wide", columns=names),
        *(table(f"child{n}", reference(["w"], "wide"), columns=names) for n in range(children)),
    )
    assert all(0 < star.width <= STAR_COLUMNS for star in plan.stars)
    apart = plan.table(TableKey("wide")).apart
    assert len(apart) >= 350
    assert any(apart[0] in note.message for note in plan.notes)


def test_a_table_of_pairs_is_not_made_larger_than_its_pairs() -> None:
    pairs = table("ab", reference(["a_id"], "a"), reference(["b_id"], "b"), primary_key=["a_id", "b_id"])
    plan = plan_of(table("a"), table("b"), pairs, source={"a": 10, "b": 10, "ab": 100}, scale=0.5)
    assert plan.table(TableKey("ab")).rows == 25
    with pytest.raises(PlanError, match="only 25 combinations"):
        plan_of(table("a"), table("b"), pairs, source={"a": 10, "b": 10, "ab": 100}, scale=0.5,
                rows=((TableKey("ab"), 26),))  # fmt: skip


def test_a_thousand_tables_in_circles_are_planned_in_seconds() -> None:
    names = [f"t{n:04d}" for n in range(1_000)]
    tables = [
        table(
            name,
            *(reference([f"p{m}_id"], names[(n * 7 + 13 * m) % 1_000]) for m in range(3)),
            columns=[f"c{m}" for m in range(20)],
            nullable=["p2_id"],
        )
        for n, name in enumerate(names)
    ]
    tracemalloc.start()
    begun = time.perf_counter()
    plan = plan_of(*tables)
    seconds, (_, peak) = time.perf_counter() - begun, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(plan.tables) == 1_000
    assert seconds < 20  # traced memory makes it several times slower
    assert peak < 500e6
