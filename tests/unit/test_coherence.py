"""The generated columns of a row agree with each other, and with those of the row's parent."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa

from dbclone.generate.batches import Generator
from dbclone.learn.classes import classify_sample
from dbclone.learn.cohere import locales_of
from dbclone.learn.entities import entities_of
from dbclone.learn.rules import column_facts
from dbclone.learn.train import train
from dbclone.model.flow import FanOut, Sample, TableSample
from dbclone.model.places import COUNTRIES, country_number
from dbclone.model.rules import Carried, PersonalRule
from dbclone.schema.lexicon import locale_shares, plain
from dbclone.schema.model import Column, Schema, Table, TableKey, UniqueKey
from dbclone.schema.plan import Plan, PlanOptions, make_plan
from tests.unit.shop import column, foreign_key

PERSON, TICKET = TableKey("person"), TableKey("ticket")
GERMAN = ("Jürgen", "Heike", "Klaus", "Sabine", "Uwe", "Petra"), ("Schmidt", "Müller", "Weber", "Fischer", "Vogel")
SPANISH = ("María", "José", "Carmen", "Javier", "Lucía"), ("García", "Martínez", "Sánchez", "Fernández", "Navarro")
ROWS = 240


def text(name: str, **more: object) -> Column:
    return Column(name=name, type="text", kind="text", nullable=True, **more)  # type: ignore[arg-type]


SCHEMA = Schema(
    dialect="postgresql",
    server_version="18",
    default_schema="public",
    tables=(
        Table(
            schema="public", name="person", key=PERSON, primary_key=("id",),
            columns=(column("id"), text("first_name"), text("last_name"), text("full_name"), text("email"),
                     text("login"), text("city"), text("region"), text("zip"), text("country"), text("password")),
            unique_keys=(UniqueKey(name="e", columns=("email",)), UniqueKey(name="l", columns=("login",))),
        ),
        Table(
            schema="public", name="ticket", key=TICKET, primary_key=("id",),
            columns=(column("id"), column("person_id"), text("contact_email"), text("opened_by"), text("reviewer")),
            foreign_keys=(foreign_key("ticket_person", ("person_id",), "person", ("id",)),),
        ),
    ),
)  # fmt: skip


@lru_cache
def sample() -> Sample:
    rows = []
    for n in range(ROWS):
        firsts, lasts = GERMAN if n % 3 else SPANISH
        first, last = firsts[n % len(firsts)], lasts[n * 7 % len(lasts)]
        rows.append(
            {
                "id": n, "first_name": first, "last_name": last, "full_name": f"{first} {last}",
                "email": f"{plain(first)}.{plain(last)}{n}@corp.biz", "login": f"{plain(first)}_{n}",
                "city": f"Ort {n}", "region": f"Gau {n}", "zip": f"{n * 397 % 90000 + 10000}",
                "country": "Germany" if n % 3 else "España", "password": "$2b$10$" + f"{n:046d}",
            }
        )  # fmt: skip
    person = pa.Table.from_pylist(rows)
    owner = [n * 11 % ROWS for n in range(2 * ROWS)]
    ticket = pa.table(
        {
            "id": list(range(2 * ROWS)), "person_id": owner,
            "contact_email": [rows[n]["email"] for n in owner], "opened_by": [rows[n]["full_name"] for n in owner],
            "reviewer": [rows[(n * 5 + 1) % ROWS]["full_name"] for n in owner],
        }
    )  # fmt: skip
    return Sample(
        tables={
            PERSON: TableSample(rows=_chunked(person), base=np.ones(ROWS, bool)),
            TICKET: TableSample(rows=_chunked(ticket), base=np.ones(2 * ROWS, bool)),
        },
        source_rows={PERSON: ROWS, TICKET: 2 * ROWS},
        null_references={},
        fan_outs=(
            FanOut(
                child=TICKET, foreign_key="ticket_person", cap=99,
                counts=np.bincount(owner, minlength=ROWS).astype(np.int64), complete=np.ones(ROWS, bool),
            ),
        ),
    )  # fmt: skip


def _chunked(rows: pa.Table) -> pa.Table:
    return rows.combine_chunks()


@lru_cache
def plan() -> Plan:
    return make_plan(SCHEMA, {PERSON: ROWS, TICKET: 2 * ROWS}, PlanOptions(scale=4.0))


@lru_cache
def made() -> dict[TableKey, pa.Table]:
    generator = Generator(train(sample(), plan(), None, seed=0), seed=5)
    return {key: pa.concat_tables([b.rows for b in generator.batches() if b.table == key]) for key in (PERSON, TICKET)}


def test_names_addresses_and_logins_of_a_row_are_one_persons() -> None:
    rows = made()[PERSON].to_pylist()
    assert len(rows) == 4 * ROWS
    for row in rows:
        user = ".".join("".join(c for c in plain(row[n]) if "a" <= c <= "z") for n in ("first_name", "last_name"))
        assert row["full_name"] == f"{row['first_name']} {row['last_name']}"
        assert row["email"].startswith(user)
        assert row["login"].startswith(user)
        assert row["email"].rpartition("@")[2] in ("example.com", "example.org", "example.net")
    assert len({row["email"] for row in rows}) == len({row["login"] for row in rows}) == len(rows)
    assert len({row["password"] for row in rows}) == 1


def test_people_have_names_of_the_locales_of_the_source() -> None:
    found = dict(locale_shares(made()[PERSON]["full_name"].to_pylist()))
    assert set(found) == {"de_DE", "es_ES"}
    assert abs(found["de_DE"] - 2 / 3) < 0.2
    assert dict(locales_of(sample(), classify_sample(sample(), plan()), PERSON)).keys() == found.keys()


def test_city_region_and_postcode_lie_in_the_country_that_the_row_says() -> None:
    rows = made()[PERSON].to_pylist()
    assert {row["country"] for row in rows} == {"Germany", "España"}
    for row in rows:
        country = COUNTRIES[country_number(row["country"])]
        place = next(p for p in country.places if (p.city, p.region) == (row["city"], row["region"]))
        assert all(
            c.isdigit() if symbol == "#" else c == symbol for c, symbol in zip(row["zip"], place.postcode, strict=True)
        )


def test_a_row_repeats_what_its_parent_has_where_the_source_does() -> None:
    model = train(sample(), plan(), None, seed=0)
    rules = {rule.column: rule for rule in model.table(TICKET).rules}
    assert isinstance(rules["contact_email"], Carried)
    assert isinstance(rules["opened_by"], Carried)
    assert isinstance(rules["reviewer"], PersonalRule)
    people = {row["id"]: row for row in made()[PERSON].to_pylist()}
    for ticket in made()[TICKET].to_pylist():
        assert ticket["contact_email"] == people[ticket["person_id"]]["email"]
        assert ticket["opened_by"] == people[ticket["person_id"]]["full_name"]


def test_a_batch_is_the_same_whoever_makes_it() -> None:
    alone = Generator(train(sample(), plan(), None, seed=0), seed=5)
    rows = alone.batch(TICKET, alone.batch_count(TICKET) - 1).rows
    assert rows.to_pylist() == made()[TICKET].to_pylist()[-rows.num_rows :]


def test_a_label_that_few_people_share_is_not_carried_over_however_often_each_has_it() -> None:
    """Of 480 tickets 400 are of four people who each have their own word: a hundred rows share it, and one person."""
    rows = sample().tables[TICKET].rows
    owner = [n % 4 if n < 400 else 4 + n % 200 for n in range(2 * ROWS)]
    words = [f"habit of {n}" if n < 4 else "ordinary" for n in owner]
    ticket = pa.table({**{name: rows[name] for name in rows.column_names}, "person_id": owner, "reviewer": words})
    one = replace(sample(), tables={**sample().tables, TICKET: TableSample(rows=ticket, base=np.ones(2 * ROWS, bool))})
    entities = entities_of(one, plan())
    assert entities[TICKET].tolist() == owner
    assert column_facts(ticket["reviewer"]).shared_share == 1.0
    assert column_facts(ticket["reviewer"], entities[TICKET]).shared_share < 0.2
    assert classify_sample(one, plan())[TICKET]["reviewer"].ends_as != "category"
