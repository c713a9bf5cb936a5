"""``dbclone init``: what every column of a source was found to hold, as a configuration file that people correct.

Each column is listed with its kind and the evidence for it, never with a value. The file says ``new_columns: refuse``,
so that a column which appears later stops a run instead of being guessed at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from dbclone.config import Settings
from dbclone.db.sample import take_sample
from dbclone.errors import ConfigurationError
from dbclone.events import OnEvent, ignore
from dbclone.learn.classes import Classes, classify_sample
from dbclone.learn.documents import learn_documents
from dbclone.model.flow import Sample
from dbclone.model.rules import JsonNode
from dbclone.results import Begun
from dbclone.schema.classify import ColumnClass
from dbclone.schema.model import Column, TableKey
from dbclone.schema.plan import Plan
from dbclone.stages import Run
from dbclone.steps import listed_columns, plan_of, said_of, writing

DOCUMENTS = 500
"""Documents read to tell what stands at their paths."""


def begin(source: str, settings: Settings, on_event: OnEvent = ignore, *, out: Path) -> Begun:
    """Write the configuration file for ``source``. Raises ConfigurationError if the file is there already."""
    if out.exists():
        raise ConfigurationError(f"{out} is there already: choose another file with --out, or correct that one")
    run = Run(on_event)
    with run.database(source, "source") as origin, origin.snapshot() as connection:
        plan = plan_of(run, origin, connection, settings)
        with run.stage("sample"):
            sample = take_sample(connection, origin.dialect, plan, seed=settings.seed)
    classes = classify_sample(sample, plan, said_of(plan.schema, settings))
    text = "\n".join(_lines(run.names["source"], plan, sample, classes)) + "\n"
    # "x": never over a file that has appeared meanwhile, which somebody may have corrected by hand.
    with writing(out), out.open("x", encoding="utf-8") as file:
        file.write(text)
    endings: dict[str, int] = {}
    for kind in (kind for found in classes.values() for kind in found.values()):
        endings[kind.ends_as] = endings.get(kind.ends_as, 0) + 1
    return Begun(source=run.names["source"], file=out, endings=endings, record=run.record())


_HEAD = """\
# yaml-language-server: $schema=dbclone.schema.json
# What the columns of {source} hold, as dbclone init found it. Correct what is wrong.
#
# category, boolean      labels that five people share are carried over
# number, time, key      learned as numbers; keys are made anew
# text                   free text: common words of the same lengths
# secret, password_hash, token, unclassified    something obviously fake
# any other              made anew as a value of that kind
# source: ${{DBCLONE_SOURCE}}
# target: ${{DBCLONE_TARGET}}
new_columns: refuse      # a column that is not listed stops the run; generate: nothing is carried over from it
tables:"""


def _lines(source: str, plan: Plan, sample: Sample, classes: Classes) -> Iterator[str]:
    yield _HEAD.format(source=json.dumps(source, ensure_ascii=False)[1:-1])
    for item in plan.tables:
        if item.copied or item.table not in classes:
            continue
        columns = listed_columns(plan.schema.table(item.table))
        found = [(column, classes[item.table][column.name]) for column in columns if column.name in classes[item.table]]
        if not found:
            continue
        yield f"  {_key(item.table)}:"
        yield "    columns:"
        for column, kind in found:
            entry = f"      {_key(column.name)}: {{kind: {kind.called}}}"
            yield f"{entry:<44}  # {_comment(kind)}"
            yield from (f"        # {path}" for path in _paths(item.table, column, kind, sample))


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", name) and name.lower() not in _WORDS else json.dumps(name)


_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML reads as truth values and nothing."""


def _comment(kind: ColumnClass) -> str:
    """Return how the column ends and why. Names and types may hold anything, and a comment ends with its line."""
    text = f"{kind.ends_as}: {'; '.join(kind.evidence)}" if kind.ends_as != kind.called else "; ".join(kind.evidence)
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _paths(table: TableKey, column: Column, kind: ColumnClass, sample: Sample) -> Iterator[str]:
    """Yield, for documents, what stands at each of their paths: ``$.contact.email: email``."""
    if kind.kind != "json":
        return
    values = sample.tables[table].rows[column.name].drop_null()
    yield from _members(learn_documents(values.cast(pa.string()).slice(0, DOCUMENTS).to_pylist()), "$")


def _members(node: JsonNode, path: str) -> Iterator[str]:
    kinds = {name for name, _ in node.kinds}
    if "string" in kinds:
        what = node.personal or ("category" if node.labels else "free text")
        yield f"{json.dumps(path, ensure_ascii=False)[1:-1]}: {what}"
    for member in node.members:
        yield from _members(member.node, f"{path}.{member.name}")
    if node.element is not None:
        yield from _members(node.element, f"{path}[]")
