"""A small schema of our own with what is awkward in real ones: composite keys, a cycle, a self-reference, odd names."""

from __future__ import annotations

from dbclone.schema.model import Column, ForeignKey, Schema, Table, TableKey, TypeKind, UniqueKey, quote_part


def column(name: str, kind: TypeKind = "integer", *, nullable: bool = False, type: str | None = None) -> Column:
    return Column(name=name, type=type or kind, kind=kind, nullable=nullable, bytes=4 if kind == "integer" else None)


def foreign_key(name: str, columns: tuple[str, ...], parent: str, parent_columns: tuple[str, ...]) -> ForeignKey:
    return ForeignKey(name=name, columns=columns, parent=TableKey(parent), parent_columns=parent_columns)


def table(
    name: str,
    *columns: Column,
    primary_key: tuple[str, ...] = (),
    foreign_keys: tuple[ForeignKey, ...] = (),
    unique_keys: tuple[UniqueKey, ...] = (),
) -> Table:
    return Table(
        schema="public",
        name=name,
        key=TableKey(quote_part(name)),
        columns=columns,
        primary_key=primary_key,
        foreign_keys=foreign_keys,
        unique_keys=unique_keys,
    )


def schema(*tables: Table) -> Schema:
    return Schema(
        dialect="postgresql",
        server_version="15.0",
        default_schema="public",
        tables=tuple(sorted(tables, key=lambda t: t.key)),
    )


SHOP = schema(
    table(
        "customer",
        column("id"),
        column("name", "text"),
        column("email", "text"),
        column("since", "date", nullable=True),
        column("favourite", nullable=True),
        primary_key=("id",),
        unique_keys=(UniqueKey(name="customer_email", columns=("email",)),),
        foreign_keys=(foreign_key("customer_favourite", ("favourite",), "article", ("id",)),),
    ),
    table(
        "article",
        column("id"),
        column("price", "decimal", type="numeric(10,2)"),
        column("bought_by", nullable=True),
        column("part_of", nullable=True),
        primary_key=("id",),
        foreign_keys=(
            foreign_key("article_buyer", ("bought_by",), "customer", ("id",)),
            foreign_key("article_part", ("part_of",), "article", ("id",)),
        ),
    ),
    table(
        "order",
        column("customer"),
        column("number"),
        column("at", "timestamptz", type="timestamp with time zone"),
        primary_key=("customer", "number"),
        foreign_keys=(foreign_key("order_customer", ("customer",), "customer", ("id",)),),
    ),
    table(
        "order line",
        column("order number"),
        column("customer"),
        column("article"),
        column("note", "json", nullable=True),
        primary_key=("order number", "customer", "article"),
        foreign_keys=(
            foreign_key("line_order", ("order number", "customer"), "order", ("number", "customer")),
            foreign_key("line_article", ("article",), "article", ("id",)),
            foreign_key("line_article_again", ("article",), "article", ("id",)),
        ),
    ),
)
