"""Columns are classified by type, name and values, and fail closed."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest

from dbclone.learn.rules import column_facts
from dbclone.schema.classify import (
    ColumnClass,
    classify,
    iban_valid,
    looks_like_codes,
    luhn_valid,
    pattern_of,
    shape,
    shape_level,
)
from dbclone.schema.model import Column
from dbclone.schema.names import personal_name, words


def classified(name: str, values: Sequence[str | None], *, is_key: bool = False) -> ColumnClass:
    column = Column(name=name, type="text", kind="text")
    return classify(column, column_facts(pa.array(values, pa.string())), is_key=is_key)


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("email", "email"),
        ("customerEMail", "email"),
        ("correo_electronico", "email"),
        ("EmailAddress", "email"),
        ("telefon", "phone"),
        ("HomePhone", "phone"),
        ("tel", "phone"),
        ("first_name", "first_name"),
        ("kunden_vorname", "first_name"),
        ("prénom", "first_name"),
        ("nombre", "first_name"),
        ("Surname", "last_name"),
        ("nachname", "last_name"),
        ("customer_name", "name"),
        ("assigned_to", "name"),
        ("order_assigned_to", "name"),
        ("login", "user_name"),
        ("address2", "street"),
        ("Straße", "street"),
        ("rue", "street"),
        ("ip_address", "ip"),
        ("MACAddress", "mac"),
        ("mac_addr", "mac"),
        ("ship_address", "street"),
        ("client_ip", "ip"),
        ("ipv4", "ip"),
        ("AccountNumber", "account"),
        ("postal_code", "postcode"),
        ("PLZ", "postcode"),
        ("iban", "iban"),
        ("credit_card_number", "card"),
        ("ssn", "national_id"),
        ("date_of_birth", "birth_date"),
        ("password_hash", "password_hash"),
        ("passport_no", "national_id"),
        ("api_key", "token"),
        ("email_status", None),
        ("address_type", None),
        ("department", None),
        ("brand", None),
        ("name", None),
        ("description", None),
        ("state", None),
        ("curve", None),
        ("telemetry", None),
    ],
)
def test_a_name_says_what_is_personal(name: str, what: str | None) -> None:
    assert personal_name(name) == what


def test_a_name_is_cut_into_words() -> None:
    assert words("CustomerEMail2") == "_customer_e_mail2_"
    assert words("Größe (cm)") == "_grosse_cm_"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("ada@lovelace.org", "email"),
        ("4242 4242 4242 4242", "card"),
        ("4242 4242 4242 4243", None),
        ("DE89 3704 0044 0532 0130 00", "iban"),
        ("DE88370400440532013000", None),
        ("+44 20 7946 0958", "phone"),
        ("(212) 555-0143", "phone"),
        ("2019-01-31", None),
        ("12:30:00", None),
        ("192.168.0.1", "ip"),
        ("fe80::1", "ip"),
        ("00:1b:63:84:45:e6", "mac"),
        ("0190b3c2-7d5e-7c3a-9f11-2b6a0d4c8e77", "uuid"),
        ("https://example.com/a", "url"),
        ("$2b$10$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK", "password_hash"),
        ("078-05-1120", "national_id"),
        ("978-3-16-148410-0", None),
        ("", None),
    ],
)
def test_a_pattern_is_checked_with_its_check_digits(value: str, what: str | None) -> None:
    assert pattern_of(value) == what


def test_check_digits() -> None:
    assert luhn_valid("79927398713")
    assert not luhn_valid("79927398710")
    assert iban_valid("GB82WEST12345698765432")
    assert not iban_valid("GB82WEST12345698765431")


def test_a_few_labels_that_many_rows_share_are_a_category() -> None:
    assert classified("department", ["toys", "food", None] * 10).kind == "category"


def test_a_category_may_have_a_few_rare_values() -> None:
    assert classified("department", ["toys"] * 95 + ["a", "b", "c"]).kind == "category"
    assert classified("department", ["toys"] * 50 + [f"rare thing {n}" for n in range(50)]).kind == "text"


@pytest.mark.parametrize("name", ["email", "vorname", "strasse", "telefon", "owner", "user_name"])
def test_a_personal_name_is_never_a_category(name: str) -> None:
    found = classified(name, ["x y", "z"] * 50)
    assert found.kind == "personal"
    assert found.personal == personal_name(name)


def test_personal_values_are_never_a_category_whatever_the_name() -> None:
    assert classified("comment", ["a@b.com", "c@d.org"] * 50).personal == "email"
    assert classified("comment", ["done"] * 90 + ["a@b.com"] * 10).kind == "text"


def test_a_shared_city_is_a_category_and_a_rare_one_is_personal() -> None:
    assert classified("city", ["Rome", "Oslo"] * 20).kind == "category"
    assert classified("city", [f"Town of {n}" for n in range(40)]).personal == "city"


def test_secrets_are_found_by_name_and_by_value() -> None:
    assert classified("api_token", ["a", "b"] * 30).kind == "secret"
    hashed = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$abcdefghijklmnopqrstuvwxyz"
    assert classified("field7", [hashed + str(n) for n in range(20)]).personal == "password_hash"


def test_codes_uuids_json_and_text_are_told_apart() -> None:
    assert classified("sku", [f"AB-{n:05d}" for n in range(300)]).kind == "code"
    assert classified("code", ["ALFKI", "ANATR", "ANTON", "AROUT", "BERGS", "BLAUS"], is_key=True).kind == "code"
    assert classified("x", [f"{n:08x}-0000-4000-8000-000000000000" for n in range(30)]).kind == "uuid"
    assert classified("x", [f'{{"n": {n}}}' for n in range(30)]).kind == "json"
    assert classified("x", [f"some words and number {n}" for n in range(30)]).kind == "text"
    assert classified("x", ["Bordeaux", "Chablis", "Rioja", "Chianti", "Barolo"]).kind == "text"


def test_the_blanks_of_padded_columns_mean_nothing() -> None:
    column = Column(name="code", type="character(5)", kind="text", length=5)
    facts = column_facts(pa.array([f"{n:03d}  " for n in range(99)]))
    assert classify(column, facts, is_key=True).kind == "code"


def test_an_empty_column_is_text() -> None:
    assert classified("x", []).kind == "text"
    assert classified("x", [None, None]).kind == "text"


def test_numbers_are_keys_only_when_unique() -> None:
    column = Column(name="id", type="integer", kind="integer")
    assert classify(column, column_facts(pa.array([1, 2, 3])), is_key=True).kind == "key"
    assert classify(column, column_facts(pa.array([1, 2, 2])), is_key=True).kind == "number"
    assert classify(column, column_facts(pa.array([1, 2, 3])), is_key=False).kind == "number"


def test_a_telephone_number_may_be_a_whole_number() -> None:
    column = Column(name="phone", type="bigint", kind="integer", bytes=8)
    found = classify(column, column_facts(pa.array([2125550143 + n for n in range(20)])), is_key=False)
    assert (found.kind, found.personal) == ("personal", "phone")


def test_a_birth_date_stays_a_time() -> None:
    column = Column(name="birth_date", type="date", kind="date")
    found = classify(column, column_facts(pa.array([1, 2, 2], pa.int32()).cast(pa.date32())), is_key=False)
    assert (found.kind, found.personal) == ("time", "birth_date")


def test_evidence_and_facts_show_no_value() -> None:
    values = [f"secret-value-{n}@corp.example" for n in range(30)]
    found = classified("note", list(values))
    facts = column_facts(pa.array(values))
    assert found.evidence
    assert "corp" not in " ".join(found.evidence)
    assert "corp" not in repr(facts)
    assert facts.sample


def test_shapes_of_different_classes_never_meet() -> None:
    assert shape("KX-20b", 0) == "AA-99a"
    assert shape("KX-20b", 3) == "ww-www"
    assert shape_level(["ab12", "1a2b", "a1b2", "abcd", "1234", "12ab"]) == 1
    assert looks_like_codes([f"{n:040x}" for n in range(10**20, 10**20 + 9)])
    assert not looks_like_codes(["a long text with 1 number", "another of 2"])
