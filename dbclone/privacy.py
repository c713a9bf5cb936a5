"""``verify --privacy``: what of the source can be found in a twin, measured in both databases.

Owns the order of the measures and the lives of the connections. The sample that the model was learned from is drawn
again (the same settings and data give the same one), and rows of the source that are not in it are the strangers that
every attack is measured against. Strings are compared as salted hashes; the rows that distances are measured on, up to
:data:`COMPARED_ROWS` per table, are read into memory and kept nowhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.stats import poisson

from dbclone.config import Settings
from dbclone.db.connect import Database
from dbclone.db.dialects.base import RandomRows
from dbclone.db.reflect import reflect_schema
from dbclone.db.sample import count_rows, take_sample
from dbclone.db.strings import HOLDING_TEXT, SHORTEST, Hashes, Strings, hash_of
from dbclone.errors import PlanError, at_most
from dbclone.events import OnEvent, ignore
from dbclone.generate.public import public_people, public_strings
from dbclone.learn.axes import learned_axis
from dbclone.learn.classes import Classes, classify_sample
from dbclone.learn.codes import learn_masks
from dbclone.learn.cohere import locales_of
from dbclone.model.flow import Sample
from dbclone.model.literals import text_of
from dbclone.report.attacks import Rows, encode
from dbclone.report.gates import Limits
from dbclone.report.privacy import FEWEST_ROWS, Finding, Privacy, table_findings
from dbclone.schema.classify import SHARED_BY, ColumnClass
from dbclone.schema.model import Column, Schema, Table, TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run
from dbclone.steps import plan_of, said_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

COMPARED_ROWS = 2_000
"""Rows of each kind per table that the attacks are measured on."""
_CHANCE = 0.9999
_BY_CHANCE = ("code", "postcode", "account", "licence_plate", "birth_date", "ip", "coordinates")
"""Kinds that are made in the shape of the source's: some are equal to one by chance, and no more than that may be."""

Floats = npt.NDArray[np.float64]


def verify_privacy(
    target: str,
    source: str,
    settings: Settings,
    on_event: OnEvent = ignore,
) -> Privacy:
    """Return what of ``source`` was found in ``target``, and how well attacks on it succeed.

    ``settings`` are those that the twin was made with. Raises PlanError if the source has no rows to be found.
    """
    run, gates = Run(on_event), settings.limits
    with (
        run.database(target, "target") as goal,
        run.database(source, "source") as origin,
        origin.snapshot() as ours,
    ):
        plan = plan_of(run, origin, ours, settings)
        with run.stage("sample"):
            sample = take_sample(ours, origin.dialect, plan, seed=settings.seed)
        if not sample.tables:
            raise PlanError("the source has no rows: there is nothing that could be found in the target")
        classes = classify_sample(sample, plan, said_of(plan.schema, settings))
        with run.stage("compare"), goal.snapshot() as theirs:
            both = _Both(origin=origin, ours=ours, goal=goal, theirs=theirs, plan=plan, sample=sample, classes=classes)
            strings = both.strings(gates)
            tables, skipped = both.tables(gates, settings.seed)
    return Privacy(
        findings=(*strings.findings, *tables),
        compared=strings.compared,
        searched=strings.searched,
        skipped=skipped,
    )


@dataclass(frozen=True, kw_only=True)
class _Strings:
    """The findings about strings, and how many were compared with how many."""

    findings: tuple[Finding, ...]
    compared: int
    searched: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Public:
    """Hashes of what anybody may have: the words of public lists, and people put together from them."""

    words: Hashes
    people: Hashes

    @classmethod
    def of(cls, salt: str, locales: Sequence[str]) -> _Public:
        words, people = (
            np.unique(np.fromiter((hash_of(text, salt) for text in texts), np.int64))
            for texts in (public_strings(locales), public_people(locales))
        )
        return cls(words=words, people=people)

    def without(self, hits: Hashes, sought: Hashes, everywhere: Hashes) -> tuple[Hashes, int]:
        """Return the hits that are no word of a list, and how many people may be among them by chance."""
        hits = np.setdiff1d(hits, self.words, assume_unique=True)
        if not np.isin(hits, self.people).any():
            return hits, 0
        mine, theirs = (float(np.isin(some, self.people).sum()) for some in (sought, everywhere))
        return hits, int(poisson.ppf(_CHANCE, mine * theirs / len(self.people)))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Both:
    """The two databases, one connection each, and what is known of the source."""

    origin: Database
    ours: Connection
    goal: Database
    theirs: Connection
    plan: Plan
    sample: Sample
    classes: Classes

    @cached_property
    def live(self) -> Schema:
        """The target's tables as they are."""
        return reflect_schema(self.theirs, self.goal.dialect)

    # ---- Strings ----------------------------------------------------------------------------------------------------

    def strings(self, limits: Limits) -> _Strings:
        """Search all text of the target for the strings of every column that is no shared category."""
        salt = secrets.token_hex(16)
        searched = dict(self._target_hashes(salt))
        everywhere = np.unique(np.concatenate([*searched.values(), np.zeros(0, np.int64)]))
        findings, compared = [], 0
        public: _Public | None = None
        shared = self._shared_labels(salt)
        for table, column, found in self._sought():
            hashes = self.origin.dialect.string_hashes(self.ours, table, column, _of_source(column, salt))
            compared += len(hashes)
            hits = np.setdiff1d(np.intersect1d(hashes, everywhere, assume_unique=True), shared, assume_unique=True)
            by_chance = 0
            if len(hits):
                public = public or _Public.of(salt, self._locales())
                hits, by_chance = public.without(hits, hashes, everywhere)
            where = [place for place, there in searched.items() if np.isin(hits, there, assume_unique=True).any()]
            findings.append(self._finding(table, column, found, len(hashes), len(hits), where, limits, by_chance))
        return _Strings(findings=tuple(findings), compared=compared, searched=len(everywhere))

    def _locales(self) -> list[str]:
        """Return the locales in which people were made: those of each table, and of the whole database."""
        found = [locales_of(self.sample, self.classes, table) for table in (None, *self.classes)]
        return sorted({"en_US", *(locale for locales in found for locale, _ in locales)})

    def _shared_labels(self, salt: str) -> Hashes:
        """Return the labels that the source's categories share: they are carried over, and name no one."""
        wanted = Strings(salt=salt, parts="words", shared_by=SHARED_BY)
        found = [
            self.origin.dialect.string_hashes(self.ours, self.plan.schema.table(key), column, wanted)
            for key, classes in self.classes.items()
            for column in self.plan.schema.table(key).columns
            if column.name in classes and column.kind == "text" and classes[column.name].ends_as == "category"
        ]
        return np.unique(np.concatenate([*found, np.zeros(0, np.int64)]))

    def _sought(self) -> Iterator[tuple[Table, Column, ColumnClass]]:
        """Yield the columns whose strings must not be found: all that hold text and are no shared category."""
        for key, found in self.classes.items():
            table = self.plan.schema.table(key)
            for column in table.columns if not self.plan.table(key).copied else ():
                kind = found.get(column.name)
                # What a text search has read stands in other columns, and is searched for there.
                if kind is None or column.kind not in HOLDING_TEXT or column.kind == "search":
                    continue
                if kind.ends_as != "category":
                    yield table, column, kind

    def _target_hashes(self, salt: str) -> Iterator[tuple[tuple[TableKey, str], Hashes]]:
        copied = {plan.table for plan in self.plan.tables if plan.copied}
        for table in self.live.tables:
            for column in table.columns:
                if column.kind in HOLDING_TEXT and table.key not in copied:
                    wanted = Strings(salt=salt, parts="whole" if column.kind in ("uuid", "network") else "words")
                    yield (
                        (table.key, column.name),
                        self.goal.dialect.string_hashes(self.theirs, table, column, wanted),
                    )

    def _finding(
        self,
        table: Table,
        column: Column,
        found: ColumnClass,
        sought: int,
        hits: int,
        where: Sequence[tuple[TableKey, str]],
        limits: Limits,
        by_chance: int,
    ) -> Finding:
        limit = limits.source_strings + by_chance
        if found.called in _BY_CHANCE and hits and set(where) <= {(table.key, column.name)}:
            limit += self._by_chance(table, column, sought)
        places = ", ".join(f"{key}.{name}" for key, name in where)
        return Finding(
            measure="source strings",
            table=table.key,
            column=column.name,
            value=hits,
            limit=limit,
            passed=hits <= limit,
            message=f"{hits:,} of {sought:,} strings are in the target: in {places}" if hits else "",
        )

    def _by_chance(self, table: Table, column: Column, sought: int) -> int:
        """Return how many codes may be equal by chance: the shapes of the twin's say how many codes there could be."""
        twin = self.live.table(table.key)
        rows = self._random(self.goal, self.theirs, twin, 5_000)[column.name].drop_null()
        values = {v for v in text_of(rows.combine_chunks()).to_pylist() if len(v) >= SHORTEST}
        made = count_rows(self.theirs, self.goal.dialect, self.live.keep([table.key]))[table.key]
        masks = learn_masks(sorted(values))
        likeness = sum(mask.share**2 / float(np.prod([float(len(a)) for a in mask.alphabets])) for mask in masks)
        distinct = made * len(values) / max(len(rows), 1)
        return int(poisson.ppf(_CHANCE, sought * distinct * min(likeness, 1.0)))

    # ---- Rows -------------------------------------------------------------------------------------------------------

    def tables(self, limits: Limits, seed: int) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
        """Return what the attacks on each table found, and which tables could not be attacked, and why."""
        findings: list[Finding] = []
        whole = []
        for key in self.classes:
            table, names = self.plan.schema.table(key), self._learned(key)
            if (
                self.plan.table(key).copied
                or key not in self.live
                or not set(names) <= {c.name for c in self.live.table(key).columns}
            ):
                continue
            twins = self._random(self.goal, self.theirs, self.live.table(key), COMPARED_ROWS)
            members, strangers, known = self._real(table, seed)
            fewest = min(twins.num_rows, members.num_rows, strangers.num_rows)
            if len(names) < 2 or fewest < FEWEST_ROWS:
                continue
            whole += [] if known else [key]
            columns = [table.column(name) for name in names]
            rows = _encoded(columns, [members, strangers, twins])
            findings += table_findings(key, rows[2], rows[0], rows[1], limits, known=known, seed=seed)
        if not whole:
            return tuple(findings), ()
        said = (
            f"every row of {', '.join(at_most(whole))} was learned from: membership inference, singling out and "
            "linkability have nothing to be compared with there; the other measures compare two halves of the rows"
        )
        return tuple(findings), (said,)

    def _learned(self, key: TableKey) -> list[str]:
        """Return the columns that are learned with their table: the rest is made, and equals nothing."""
        learned = ("number", "time", "category", "boolean")
        return [name for name, found in self.classes[key].items() if found.kind in learned]

    def _real(self, table: Table, seed: int) -> tuple[pa.Table, pa.Table, bool]:
        """Return rows that the model was learned from, and others; None of these left, two halves of the former."""
        random = np.random.default_rng(seed)
        drawn = self.sample.tables[table.key]
        members = drawn.rows.filter(pa.array(drawn.base))
        members = members.take(pa.array(random.permutation(members.num_rows)[: 2 * COMPARED_ROWS]))
        plan = self.plan.table(table.key)
        if plan.source_rows > drawn.rows.num_rows and table.primary_key:
            others = self._random(self.origin, self.ours, table, 2 * COMPARED_ROWS, plan.source_rows)
            known = set(_keys(drawn.rows, table.primary_key))
            new = [key not in known for key in _keys(others, table.primary_key)]
            strangers = others.filter(pa.array(new)).slice(0, COMPARED_ROWS)
            if strangers.num_rows >= FEWEST_ROWS:
                return members.slice(0, COMPARED_ROWS), strangers, True
        half = members.num_rows // 2
        return members.slice(0, half), members.slice(half), False

    def _random(
        self, database: Database, connection: Connection, table: Table, wanted: int, rows: int | None = None
    ) -> pa.Table:
        if rows is None:
            alone = Schema(dialect="", server_version="", default_schema=None, tables=(table,))
            rows = database.dialect.count_rows(connection, alone.tables)[table.key]
        if rows <= wanted:
            return database.dialect.read_all(connection, table)
        draw = RandomRows(wanted=wanted, available=rows, table_rows=rows, seed=secrets.randbelow(2**31))
        return database.dialect.read_random(connection, table, draw).slice(0, wanted)


def _of_source(column: Column, salt: str) -> Strings:
    """Return what is searched for: of documents and arrays, strings that fewer than five rows have."""
    alone = column.kind in ("text", "uuid", "network")
    return Strings(
        salt=salt,
        parts="whole" if column.kind in ("uuid", "network") else "identifying",
        rarer_than=None if alone else SHARED_BY,
    )


def _keys(rows: pa.Table, names: Iterable[str]) -> list[tuple[str, ...]]:
    columns = [text_of(rows[name].combine_chunks()).to_pylist() for name in names]
    return list(zip(*columns, strict=True))


def _encoded(columns: Sequence[Column], samples: Sequence[pa.Table]) -> tuple[Rows, ...]:
    ordered: list[tuple[Floats, ...]] = []
    labels: list[tuple[list[str | None], ...]] = []
    for column in columns:
        values = [rows[column.name] for rows in samples]
        if column.kind in ("text", "enum", "boolean"):
            labels.append(tuple(text_of(v.combine_chunks()).to_pylist() for v in values))
        else:
            ordered.append(tuple(learned_axis(column, v)[0] for v in values))
    return encode(ordered, labels)
