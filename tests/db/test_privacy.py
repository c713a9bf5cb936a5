"""What leaks from a source is found in the target, wherever it stands and however little of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import get_args

import psycopg
import pytest

from dbclone.config_file import make_settings
from dbclone.db.connect import open_database
from dbclone.db.dialects.base import Dialect
from dbclone.db.reflect import reflect_schema
from dbclone.db.strings import Strings
from dbclone.privacy import verify_privacy
from dbclone.report.privacy import Measure, Privacy, privacy_lines

SHOP = """
    CREATE TABLE customer (
        id int PRIMARY KEY, full_name text, email text UNIQUE, iban text, segment text, spent numeric(10, 2),
        visits int, rating float, note text, extra jsonb, tags text[], ref uuid
    );
"""
FILL = """
    INSERT INTO customer SELECT n,
        (ARRAY['Anna','Piotr','Jürgen','María','Lars'])[1 + n % 5] || ' Q' || md5('{salt}' || n),
        md5('{salt}m' || n) || '@{domain}', 'XX' || md5('{salt}i' || n),
        (ARRAY['gold','silver','basic'])[1 + ((n * {step}) % 3)],
        ((n * 7919 * {step}) % 100000) / 100.0, (n * 31 * {step}) % 97, sqrt((n * 13 * {step}) % 1009),
        'asked about ' || md5('{salt}n' || n), jsonb_build_object('contact', md5('{salt}j' || n), 'plan', 'monthly'),
        ARRAY['newsletter', md5('{salt}t' || n)], md5('{salt}u' || n)::uuid
    FROM generate_series(1, 600) n;
"""


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture
def pair(make_database: Callable[[], str]) -> tuple[str, str]:
    """A source, and a twin that has nothing of it but the shared labels."""
    source, target = make_database(), make_database()
    for url, salt, step in ((source, "s", 1), (target, "t", 11)):
        domain = "corp.biz" if url == source else "example.com"
        execute(url, SHOP + FILL.format(salt=salt, step=step, domain=domain))
    return source, target


def found(source: str, target: str, **options: object) -> Privacy:
    return verify_privacy(target, source, make_settings(**options))


def leaks(privacy: Privacy) -> dict[str, float]:
    return {f"{f.table}.{f.column}": f.value for f in privacy.failed if f.measure == "source strings"}


def test_a_twin_without_a_string_of_the_source_passes(pair: tuple[str, str]) -> None:
    privacy = found(*pair)
    assert leaks(privacy) == {}
    assert privacy.compared > 3_000
    assert {f.column for f in privacy.findings if f.measure == "source strings"} == {
        "full_name", "email", "iban", "note", "extra", "tags", "ref",
    }  # fmt: skip


LEAKS = """
    UPDATE customer SET note = 'write to <' || md5('sm7') || '@corp.biz>, please' WHERE id = 1;
    UPDATE customer SET extra = jsonb_build_object('a', jsonb_build_array(md5('sm8') || '@corp.biz')) WHERE id = 2;
    UPDATE customer SET tags = ARRAY['x', md5('sm9') || '@corp.biz'] WHERE id = 3;
    UPDATE customer SET note = 'met Piotr Q' || md5('s6') || '; tall' WHERE id = 4;
    UPDATE customer SET extra = jsonb_build_object('XX' || md5('si9'), 1) WHERE id = 5;
    UPDATE customer SET full_name = md5('sj9') WHERE id = 6;
    UPDATE customer SET note = md5('st9') WHERE id = 7;
    UPDATE customer SET ref = md5('su9')::uuid WHERE id = 8;
    UPDATE customer SET note = 'asked about ' || md5('sn9') WHERE id = 9;
"""


def test_single_strings_of_the_source_are_found_wherever_they_stand(pair: tuple[str, str]) -> None:
    source, target = pair
    execute(target, LEAKS)
    privacy = found(source, target)
    names = {"email": 3, "full_name": 2, "iban": 1, "extra": 1, "tags": 1, "ref": 1, "note": 2}
    assert leaks(privacy) == {f"customer.{name}": count for name, count in names.items()}
    assert not privacy.passed
    said = "\n".join(privacy_lines(privacy)) + json.dumps(privacy.to_json()) + repr(privacy)
    assert "corp.biz" not in said


def test_copied_rows_are_found_by_every_measure(pair: tuple[str, str]) -> None:
    source, target = pair
    values = "segment = s.segment, spent = s.spent, visits = s.visits, rating = s.rating"
    rows = f"(VALUES {numbers(source)}) s (id, segment, spent, visits, rating)"
    execute(target, f"UPDATE customer c SET {values} FROM {rows} WHERE s.id = c.id")
    privacy = found(source, target, sample_rows=250)
    assert {f.measure for f in privacy.failed} >= {"identical rows", "closest record"}
    assert {f.measure for f in privacy.findings} == set(get_args(Measure)) - {"rare combinations"}


def numbers(url: str) -> str:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        rows = connection.execute("SELECT id, segment, spent, visits, rating FROM customer").fetchall()
    return ", ".join(f"({i}, '{segment}', {spent}, {visits}, {rating})" for i, segment, spent, visits, rating in rows)


def test_the_database_hashes_as_python_does(pair: tuple[str, str]) -> None:
    source, _ = pair
    execute(source, "UPDATE customer SET note = E'  Öl, \\t(x@y.test) \\n a@b.io!  ' WHERE id = 3")
    with open_database(source) as database, database.snapshot() as connection:
        table = reflect_schema(connection, database.dialect).table("customer")  # type: ignore[arg-type]
        for column in (c for c in table.columns if c.name in ("note", "extra", "tags", "full_name", "segment")):
            for wanted in (
                Strings(salt="x", parts="whole"),
                Strings(salt="x", parts="identifying", rarer_than=5),
                Strings(salt="x", parts="words", shared_by=5),
            ):
                theirs = database.dialect.string_hashes(connection, table, column, wanted)
                ours = Dialect.string_hashes(database.dialect, connection, table, column, wanted)
                assert theirs.tolist() == ours.tolist()
    assert "salt" not in repr(wanted)
