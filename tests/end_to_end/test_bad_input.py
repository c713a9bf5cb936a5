"""What goes wrong, each with its exit code and one line, and nothing written."""

from __future__ import annotations

import json
import signal
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url

from dbclone.db.embedded import EmbeddedServer
from tests.command import Finished, dbclone, finish, start, with_password
from tests.end_to_end.conftest import query, tables
from tests.unit.test_signature import key_pair


def refused(done: Finished, code: int, *words: str) -> None:
    """Fail unless the command ended with ``code`` and one line of error that has every one of ``words``."""
    assert done.code == code, done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.err
    for word in words:
        assert word in done.err


@pytest.fixture
def target(make_twin: Callable[[], str]) -> str:
    """An empty database to clone into."""
    return make_twin()


def test_unknown_database(shop: str, target: str) -> None:
    missing = make_url(shop).set(database="no_such_database").render_as_string(hide_password=False)
    refused(dbclone("clone", missing, target), 3, "no_such_database")
    refused(dbclone("clone", shop, missing), 3, "no_such_database", "target")


def test_wrong_password(embedded_server: EmbeddedServer) -> None:
    """The server of the tests trusts everybody: one role is made to need a password."""
    url = embedded_server.url("postgres")
    rules = Path(str(query(url, "SHOW hba_file")[0][0]))
    rules.write_text("local all locked_out scram-sha-256\n" + rules.read_text())
    query(url, "CREATE ROLE locked_out LOGIN PASSWORD 'another'")
    query(url, "SELECT pg_reload_conf()")
    time.sleep(0.5)
    wrong = with_password(make_url(url).set(username="locked_out").render_as_string(hide_password=False))
    refused(dbclone("plan", wrong), 3, "locked_out")


def test_no_tables(make_twin: Callable[[], str], target: str) -> None:
    refused(dbclone("clone", make_twin(), target), 4, "no table")


def test_target_equal_to_source(shop: str) -> None:
    before = tables(shop)
    other_words = make_url(shop).update_query_dict({"application_name": "other"}).render_as_string(hide_password=False)
    refused(dbclone("clone", shop, other_words, "--on-existing", "truncate"), 5, "same database")
    assert tables(shop) == before
    assert query(shop, "SELECT count(*) FROM customer") == [(80,)]


def test_a_target_that_holds_rows(shop: str, target: str) -> None:
    query(target, "CREATE TABLE customer (id int); INSERT INTO customer VALUES (1)")
    done = dbclone("clone", shop, target, "--json")
    assert done.code == done.json["exit_code"] == 5
    assert done.json["error"]["stage"] == "target"
    assert "sample" not in done.json["seconds"]
    assert query(target, "SELECT * FROM customer") == [(1,)]
    assert tables(target) == ["public.customer"]


def test_unknown_tables(shop: str, target: str) -> None:
    refused(dbclone("clone", shop, target, "--tables", "costumer"), 2, "costumer", "customer")
    refused(dbclone("clone", shop, target, "--exclude", "nothing*"), 2, "nothing*")
    refused(dbclone("clone", shop, target, "--rows", "nothing=3"), 2, "nothing")
    assert tables(target) == []


@pytest.mark.parametrize("scale", ["0", "-1", "nan"])
def test_scale_that_is_none(shop: str, target: str, scale: str) -> None:
    refused(dbclone("clone", shop, target, f"--scale={scale}"), 2, "--scale")
    assert tables(target) == []


def test_rows_that_keys_do_not_allow(shop: str, target: str) -> None:
    refused(dbclone("clone", shop, target, "--rows", "stock.tag=40000"), 4, "stock.tag")
    assert tables(target) == []


def test_an_unsupported_type_that_is_not_null(make_twin: Callable[[], str], target: str) -> None:
    source = make_twin()
    query(
        source, "CREATE TABLE place (id int PRIMARY KEY, position pg_lsn NOT NULL); INSERT INTO place VALUES (1, '0/1')"
    )
    refused(dbclone("clone", source, target), 4, "place.position", "pg_lsn", "--exclude place")
    assert tables(target) == []


def test_a_missing_select_names_the_table(shop: str, target: str) -> None:
    query(shop, "DROP ROLE IF EXISTS dbclone_test_reader; CREATE ROLE dbclone_test_reader LOGIN")
    try:
        query(shop, "GRANT USAGE ON SCHEMA stock TO dbclone_test_reader")
        query(shop, "GRANT SELECT ON ALL TABLES IN SCHEMA public, stock TO dbclone_test_reader")
        query(shop, "REVOKE SELECT ON article FROM dbclone_test_reader")
        reader = make_url(shop).set(username="dbclone_test_reader").render_as_string(hide_password=False)
        refused(dbclone("clone", reader, target), 3, "article", "GRANT")
    finally:
        query(shop, "DROP OWNED BY dbclone_test_reader; DROP ROLE dbclone_test_reader")
    assert tables(target) == []


def test_model_files_that_are_none(target: str, tmp_path: Path) -> None:
    missing, text, cut, other = (tmp_path / name for name in ("missing", "text", "cut", "other"))
    text.write_text("no model")
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("header.json", json.dumps({"format": "dbclone model", "version": 999, "digest": ""}))
        archive.writestr("model.json", "{}" * 1000)
    cut.write_bytes(other.read_bytes()[:-50])
    refused(dbclone("generate", missing, target), 2, "missing")
    refused(dbclone("generate", text, target), 2, "not a whole dbclone model")
    refused(dbclone("generate", cut, target), 2, "truncated")
    refused(dbclone("generate", other, target), 2, "version 999")
    assert tables(target) == []


def test_a_failed_load_leaves_the_target_as_it_was(shop: str, target: str) -> None:
    """The target's own rule refuses the rows, long after the first were sent."""
    query(target, (Path(__file__).parent / "shop.sql").read_text().split("SELECT setseed")[0])
    query(target, "ALTER TABLE order_line ADD CONSTRAINT never CHECK (quantity > 99)")
    refused(dbclone("clone", shop, target, "--on-drift", "ignore"), 6, "never", "order_line", "as it was")
    for table in tables(target):
        name = ".".join(f'"{part}"' for part in table.split("."))
        assert query(target, f"SELECT count(*) FROM {name}") == [(0,)]


def test_ctrl_c_leaves_nothing(shop: str, target: str) -> None:
    process = start("clone", shop, target, "--json")
    assert process.stderr is not None
    # Read until the sample is there: learning is under way then, and takes seconds.
    while (line := process.stderr.readline()) and not line.startswith("sample"):
        pass
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 130
    assert done.json["error"]["message"] == "interrupted"
    assert tables(target) == []


def test_models_that_strangers_signed(shop: str, target: str, tmp_path: Path) -> None:
    (ours, our_public), (_, theirs) = (key_pair(tmp_path, name) for name in ("ours", "theirs"))
    model = tmp_path / "shop.model"
    refused(
        dbclone("train", shop, "--out", model, "--sign", our_public), 2, "is not an unencrypted Ed25519 private key"
    )
    refused(dbclone("clone", shop, target, "--sign", ours), 2, "--save-model")
    assert not model.exists()
    assert dbclone("train", shop, "--out", model, "--sign", ours).code == 0
    refused(dbclone("generate", model, target, "--require-signature", theirs), 2, "was not signed by the owner")
    assert tables(target) == []
    assert dbclone("generate", model, target, "--require-signature", our_public).code == 0
