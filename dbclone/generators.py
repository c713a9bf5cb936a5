"""What ``dbclone.yaml`` says about columns, put into a model: other rules for their values.

What was learned of such a column is replaced before the model is saved, so that nothing of it is kept. Functions are
code, which no model file holds: they are put in when rows are made.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Collection, Iterable
from graphlib import CycleError, TopologicalSorter
from typing import Any

import pyarrow as pa
from faker import Faker

from dbclone.config import ColumnKeys, GeneratorKeys, Settings
from dbclone.errors import ConfigurationError, at_most
from dbclone.generate.custom import load_function, masks_of, overlap, readable_expression
from dbclone.model.literals import typed
from dbclone.model.parts import Model, TableModel
from dbclone.model.rules import (
    ChoiceRule,
    CodeRule,
    ConstantRule,
    ExpressionRule,
    FakerRule,
    FunctionRule,
    Learned,
    NullRule,
    Numbered,
    Omitted,
    Referenced,
    Rule,
    SequenceKey,
    UuidKey,
)
from dbclone.schema.checks import columns_of
from dbclone.schema.kinds import declared_class
from dbclone.schema.model import Column, Schema, Table, TableKey


def with_generators(model: Model, settings: Settings, *, functions: bool) -> Model:
    """Return the model with the rules that the settings ask for; with ``functions``, those as well.

    Raises ConfigurationError that names every column which is not there or cannot be made as asked.
    """
    refuse_wrong_columns(model.plan.schema, settings)
    problems: list[str] = []
    tables = tuple(_configured(table, model, settings, functions, problems) for table in model.tables)
    learned = {(t.table, rule.column) for t in tables for rule in t.rules if isinstance(rule, Learned)}
    tables = tuple(_still_following(table, model.plan.schema.table(table.table), learned, problems) for table in tables)
    if problems:
        raise ConfigurationError(problems[0], details=at_most(problems[1:]))
    return dataclasses.replace(model, tables=tables)


def _still_following(
    model: TableModel, table: Table, learned: Collection[tuple[TableKey, str]], problems: list[str]
) -> TableModel:
    """Return the model without what it says of columns that follow from others, where either is not learned any more.

    Such a column keeps its distribution; one that was computed from others has none of its own.
    """
    parents = {key.name: key.parent for key in table.foreign_keys}

    def known(column: str, foreign_key: str = "") -> bool:
        return not column or (parents[foreign_key] if foreign_key else table.key, column) in learned

    folds = tuple(
        fold
        for fold in model.folds
        if known(fold.column) and known(fold.anchor, fold.foreign_key) and known(fold.given, fold.given_key)
    )
    products = tuple(product for product in model.products if known(product.column))
    problems += [
        f"{table.key}.{product.column}: it is computed from {product.factors[0]} × {product.factors[1]}, of which one "
        "has a generator; give it one, too"
        for product in products
        if not all(map(known, product.factors))
    ]
    return dataclasses.replace(model, folds=folds, products=products)


def without_functions(model: Model) -> Model:
    """Return the model without code: where a function made the values, a constant says how many are NULL."""
    return _with_rules(
        model,
        lambda _, rule: (
            ConstantRule(column=rule.column, value="", null_share=rule.null_share)
            if isinstance(rule, FunctionRule)
            else rule
        ),
    )


def with_functions(model: Model, settings: Settings) -> Model:
    """Return a model from which :func:`without_functions` took the functions of the same settings as it was."""
    asked = {
        (table.table, rule.column): rule
        for table in with_generators(model, settings, functions=True).tables
        for rule in table.rules
        if isinstance(rule, FunctionRule)
    }
    return _with_rules(model, lambda table, rule: asked.get((table, rule.column), rule))


def _with_rules(model: Model, rule_of: Callable[[TableKey, Rule], Rule]) -> Model:
    tables = tuple(
        dataclasses.replace(table, rules=tuple(rule_of(table.table, rule) for rule in table.rules))
        for table in model.tables
    )
    return dataclasses.replace(model, tables=tables)


def refuse_wrong_columns(schema: Schema, settings: Settings) -> None:
    """Raise ConfigurationError for settings of columns that no table has to which they apply.

    What a pattern of tables says applies to those that have the column.
    """
    problems = []
    for pattern, keys in settings.tables.items():
        tables = [table for table in schema.tables if keys.columns and settings.matches(pattern, table.key)]
        known = {column.name for table in tables for column in table.columns}
        for name in keys.columns if tables else ():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(at_most(sorted(known)))}"
                problems.append(f"{pattern} has no column {name}{hint}")
    if problems:
        raise ConfigurationError(problems[0], details=at_most(problems[1:]))


def check_columns(schema: Schema, settings: Settings) -> None:
    """Raise ConfigurationError for every column that cannot be made as asked, as far as its schema tells."""
    problems: list[str] = []
    for table in schema.tables:
        known = {column.name for column in table.columns}
        referring = {name: key.name for key in table.foreign_keys for name in key.columns}
        for name, keys in settings.table(table.key).columns.items():
            if name not in known:
                continue
            column = table.column(name)
            try:
                if keys.kind is not None:
                    declared_class(column, keys.kind)
                if keys.generator is not None:
                    rule: Rule = NullRule(column=name)
                    if name in referring:
                        rule = Referenced(column=name, foreign_key=referring[name])
                    elif column.generated:
                        rule = Omitted(column=name)
                    _rule(rule, table, keys, schema.dialect, True)
            except ConfigurationError as error:
                problems.append(f"{table.key}.{name}: {error}")
    if problems:
        raise ConfigurationError(problems[0], details=at_most(problems[1:]))


def _configured(
    model: TableModel, whole: Model, settings: Settings, functions: bool, problems: list[str]
) -> TableModel:
    table = whole.plan.schema.table(model.table)
    said = settings.table(model.table).columns
    rules: list[Rule] = []
    for rule in model.rules:
        keys = said.get(rule.column)
        if keys is not None:
            try:
                rule = _rule(rule, table, keys, whole.plan.schema.dialect, functions)
            except ConfigurationError as error:
                problems.append(f"{table.key}.{rule.column}: {error}")
        rules.append(rule)
    return dataclasses.replace(model, rules=tuple(_in_order(rules, table.key, problems)))


def _in_order(rules: list[Rule], key: TableKey, problems: list[str]) -> list[Rule]:
    """Return the rules, expressions after those that they read; the order of others stays."""
    reads = {rule.column: rule.columns for rule in rules if isinstance(rule, ExpressionRule)}
    if not reads:
        return rules
    try:
        order = list(TopologicalSorter(reads).static_order())
    except CycleError as error:
        problems.append(f"{key}: expressions read each other: {', '.join(dict.fromkeys(error.args[1]))}")
        return rules
    return sorted(rules, key=lambda rule: order.index(rule.column) if rule.column in reads else -1)


def _rule(rule: Rule, table: Table, keys: ColumnKeys, dialect: str, functions: bool) -> Rule:
    """Return the rule of one column as asked for."""
    column = table.column(rule.column)
    null_share = _null_share(rule, column, keys)
    if keys.generator is None:
        return _adjusted(rule, keys, null_share)
    if isinstance(rule, Referenced):
        raise ConfigurationError(
            "it is part of a foreign key, and has its parent's values: generate the column that it refers to"
        )
    if isinstance(rule, Omitted):
        raise ConfigurationError(f"the database makes its values ({column.generated or 'by default'})")
    alone = any(key == (column.name,) for key in table.uniques())
    unique = alone if keys.unique is None else keys.unique or alone
    return _generated(keys.generator, table, column, dialect, null_share, unique=unique, before=rule, code=functions)


def _generated(
    said: GeneratorKeys,
    table: Table,
    column: Column,
    dialect: str,
    null_share: float,
    *,
    unique: bool,
    before: Rule,
    code: bool,
) -> Rule:
    if said.function is not None:
        load_function(said.function)
        made = FunctionRule(column=column.name, function=said.function, unique=unique, null_share=null_share)
        return made if code else before
    if said.expression is not None:
        return _expression(said.expression, table, column, dialect)
    if said.pattern is not None:
        masks = masks_of(said.pattern)
        if unique and overlap(masks):
            raise ConfigurationError("its values must differ, and two shapes of the pattern have some in common")
        return CodeRule(column=column.name, masks=masks, unique=unique, null_share=null_share, max_length=column.length)
    if unique:
        raise ConfigurationError("its values must differ: use pattern, function or expression, or kind alone")
    _refuse_unreadable(
        (said.choices if said.choices is not None else [said.constant]) if not said.faker else (), column
    )
    if said.choices is not None:
        weights = said.choices if isinstance(said.choices, dict) else dict.fromkeys(map(_text, said.choices), 1.0)
        return ChoiceRule(
            column=column.name, values=tuple(weights), shares=_shares(tuple(weights.values())), null_share=null_share
        )
    if said.faker is not None:
        _refuse_unknown_provider(said.faker, said.locale)
        return FakerRule(
            column=column.name,
            provider=said.faker,
            locale=said.locale,
            null_share=null_share,
            max_length=column.length,
        )
    _refuse_unreadable([said.constant], column)
    return ConstantRule(column=column.name, value=_text(said.constant), null_share=null_share)


def _refuse_unreadable(values: Iterable[object], column: Column) -> None:
    """Raise ConfigurationError unless all values can be values of the column."""
    try:
        typed(column.kind, pa.array([_text(value) for value in values], pa.string()))
    except (ValueError, pa.ArrowInvalid):
        raise ConfigurationError(f"a value of the generator is none of type {column.type}") from None


def _expression(expression: str, table: Table, column: Column, dialect: str) -> Rule:
    readable_expression(expression, dialect)
    read = columns_of(expression, table, dialect) or ()
    if not read:
        raise ConfigurationError("the expression reads no column of the table: use constant instead")
    if column.name in read:
        raise ConfigurationError("the expression reads the column that it makes")
    return ExpressionRule(column=column.name, expression=expression, columns=read)


def _refuse_unknown_provider(provider: str, locale: str) -> None:
    try:
        faker = Faker(locale)
    except AttributeError:
        raise ConfigurationError(f"Faker has no locale {locale}") from None
    known = [name for name in dir(faker.factories[0]) if not name.startswith(("_", "add_", "seed", "get_", "set_"))]
    if provider not in known:
        near = difflib.get_close_matches(provider, known, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigurationError(f"Faker has no provider {provider}{hint}")


def _adjusted(rule: Rule, keys: ColumnKeys, null_share: float) -> Rule:
    """Return a rule with what is said of NULLs and uniqueness alone."""
    if keys.unique:
        if not hasattr(rule, "unique") and not isinstance(rule, SequenceKey | UuidKey | Numbered):
            raise ConfigurationError("values that are learned repeat: with unique, say a kind or a generator as well")
        if hasattr(rule, "unique"):
            rule = _with(rule, unique=True)
    if not keys.keep_null_share and hasattr(rule, "null_share"):
        rule = _with(rule, null_share=null_share)
    elif not keys.keep_null_share and isinstance(rule, Learned) and rule.marginal.null_share:
        raise ConfigurationError("NULLs are learned with the values: to have none, say a generator as well")
    return rule


def _with(rule: Rule, **fields: Any) -> Rule:
    return dataclasses.replace(rule, **fields)


def _null_share(rule: Rule, column: Column, keys: ColumnKeys) -> float:
    if not keys.keep_null_share or not column.nullable:
        return 0.0
    share = rule.marginal.null_share if isinstance(rule, Learned) else getattr(rule, "null_share", 0.0)
    return float(share)


def _shares(weights: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(weight / sum(weights) for weight in weights)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
