"""Databases that nobody cleaned: what their constraints don't cover, what no key tells apart, what no font shows.

Each test makes its own source, of one habit only, so that a failure says which one is not borne.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.command import dbclone, with_password
from tests.end_to_end.conftest import query
from tests.judge import Judge, conninfo, difference


@pytest.fixture
def clone(make_database: Callable[[], str]) -> Callable[[str], str]:
    """Return a function that runs a script, clones what it made, and returns the URL of the twin.

    What holds for every twin is asserted here: the same definition, as many rows, and none that breaks a rule.
    """

    def run(script: str) -> str:
        source, target = make_database(), make_database()
        query(source, script)
        done = dbclone("clone", with_password(source), with_password(target), "--seed", "11", "--quiet")
        assert done.code == 0, done.err
        assert difference(source, target) == ""
        with judge(source) as there, judge(target) as here:
            assert here.counts() == there.counts()
            assert here.constraints() == there.constraints()
            assert here.violations() == []
            assert here.late_sequences() == []
        return target

    return run


@contextmanager
def judge(url: str) -> Iterator[Judge]:
    with psycopg.connect(conninfo(url)) as connection:
        yield Judge(connection)


def values(url: str, column: str, table: str) -> set[str]:
    return {value for (value,) in query(url, f"SELECT {column} FROM {table}")}


PARENTS = """
    CREATE TABLE vendor (id integer PRIMARY KEY, region char(2) NOT NULL, UNIQUE (id, region));
    INSERT INTO vendor SELECT n, (ARRAY['N', 'S'])[1 + n % 2] FROM generate_series(1, 20) n;
"""


def test_orphans_under_a_foreign_key_that_is_not_valid(clone: Callable[[str], str]) -> None:
    """They are not made again: every row of the twin has its parent, and the constraint stays NOT VALID."""
    target = clone(
        PARENTS
        + """
        CREATE TABLE delivery (id integer PRIMARY KEY, vendor_id integer, must_id integer NOT NULL, region char(2));
        INSERT INTO delivery SELECT n, CASE WHEN n % 3 = 0 THEN 500 + n WHEN n % 3 = 1 THEN 1 + n % 20 END,
            CASE WHEN n % 5 = 0 THEN -1 ELSE 1 + n % 20 END, CASE WHEN n % 2 = 0 THEN 'XX' END
        FROM generate_series(1, 120) n;
        ALTER TABLE delivery ADD CONSTRAINT may FOREIGN KEY (vendor_id) REFERENCES vendor NOT VALID;
        ALTER TABLE delivery ADD CONSTRAINT must FOREIGN KEY (must_id) REFERENCES vendor NOT VALID;
        ALTER TABLE delivery ADD CONSTRAINT pair
            FOREIGN KEY (vendor_id, region) REFERENCES vendor (id, region) NOT VALID;
        """
    )
    ((orphans,),) = query(
        target,
        "SELECT count(*) FROM delivery d WHERE must_id NOT IN (SELECT id FROM vendor) "
        "OR vendor_id NOT IN (SELECT id FROM vendor)",
    )
    assert orphans == 0


def test_only_orphans_under_a_foreign_key_that_is_not_valid(clone: Callable[[str], str]) -> None:
    target = clone(
        PARENTS
        + """
        CREATE TABLE delivery (id integer PRIMARY KEY, vendor_id integer NOT NULL);
        INSERT INTO delivery SELECT n, 900 + n FROM generate_series(1, 50) n;
        ALTER TABLE delivery ADD FOREIGN KEY (vendor_id) REFERENCES vendor NOT VALID;
        """
    )
    assert values(target, "vendor_id", "delivery") <= values(target, "id", "vendor")


def test_rows_that_break_a_check_that_is_not_valid(clone: Callable[[str], str]) -> None:
    clone("""
        CREATE TABLE parcel (id integer PRIMARY KEY, weight integer NOT NULL, remark text);
        INSERT INTO parcel SELECT n, CASE WHEN n % 4 = 0 THEN -n ELSE n END, CASE WHEN n % 2 = 0 THEN 'a' || n END
        FROM generate_series(1, 100) n;
        ALTER TABLE parcel ADD CONSTRAINT heavy CHECK (weight > 0) NOT VALID;
        ALTER TABLE parcel ADD CONSTRAINT remarked CHECK (remark IS NOT NULL) NOT VALID;
    """)


def test_rows_that_repeat_where_no_key_forbids_it(clone: Callable[[str], str]) -> None:
    target = clone(
        PARENTS
        + """
        CREATE TABLE log (at timestamp, level text, code integer);
        INSERT INTO log
        SELECT timestamp '2023-01-01' + n % 4 * interval '1 hour', (ARRAY['info', 'error'])[1 + n % 2], n % 3
        FROM generate_series(1, 120) n;
        INSERT INTO log SELECT NULL, NULL, NULL FROM generate_series(1, 6);
        CREATE TABLE tag (vendor_id integer REFERENCES vendor, tag text);
        INSERT INTO tag SELECT 1 + n % 20, 'tag ' || n % 2 FROM generate_series(1, 90) n;
        INSERT INTO tag SELECT NULL, NULL FROM generate_series(1, 4);
        """
    )
    ((different,),) = query(target, "SELECT count(*) FROM (SELECT DISTINCT * FROM log) d")
    assert different < 120


def test_strings_of_every_plane_of_unicode(clone: Callable[[str], str]) -> None:
    """Whatever is a text can be learned, made and loaded; NUL alone is none, and not in the twin either."""
    target = clone("""
        CREATE TABLE unicode (id integer PRIMARY KEY, sample text NOT NULL, short varchar(3), key text NOT NULL UNIQUE);
        INSERT INTO unicode
        SELECT n, chr((1 + n % 16) * x'10000'::int + n) || chr(1 + n % 31) || chr(768 + n % 60) || chr(8192 + n % 90),
               (ARRAY['', U&'\\+01F600\\+01F601\\+01F602', U&'\\202E\\FEFF\\FFFF', E'\\r\\n\\t'])[1 + n % 4],
               chr(x'20000'::int + n) || chr(x'10FF00'::int + n % 250)
        FROM generate_series(1, 160) n;
        CREATE TABLE category (id integer PRIMARY KEY, name text NOT NULL);
        INSERT INTO category SELECT n, (ARRAY[U&'\\+01F468\\200D\\+01F469', 'e' || U&'\\0301', E'\\x01', '',
                                              U&'\\+100000'])[1 + n % 5] FROM generate_series(1, 100) n;
    """)
    assert all(len(short or "") <= 3 for short in values(target, "short", "unicode"))
    assert "" in values(target, "name", "category")


def test_values_that_formats_of_files_take_for_something_else(clone: Callable[[str], str]) -> None:
    """COPY, CSV, JSON and format strings each have a text that means something: here it means itself."""
    target = clone(r"""
        CREATE TABLE quoted (id integer PRIMARY KEY, value text);
        INSERT INTO quoted
        SELECT n, (ARRAY['', ' ', 'NULL', '\N', '\.', '"', '""', '''', '\', E'a\tb', E'a\nb', E'a\r\nb', ',', '%s',
                         ':x', '$1', '{}', 'NaN', 'true', '2020-02-30', '-0', ' lead', 'trail '])[1 + n % 23]
        FROM generate_series(1, 230) n;
        INSERT INTO quoted SELECT 1000 + n, NULL FROM generate_series(1, 30) n;
    """)
    made = values(target, "value", "quoted")
    assert {"", "NULL", "\\N", "\\.", '"', "a\r\nb", "%s", None} <= made


def test_names_that_need_quotes(clone: Callable[[str], str]) -> None:
    long = "n" * 62
    clone(f"""
        CREATE SCHEMA "a.b ""c"" 100%";
        SET search_path = "a.b ""c"" 100%";
        CREATE TABLE " " (" " integer PRIMARY KEY, "." text, "%s" integer NOT NULL, "order" date);
        CREATE TABLE "select" ("table" serial PRIMARY KEY, "x.y" integer NOT NULL REFERENCES " ", "{long}1" integer,
                               "{long}2" integer UNIQUE, "quote""'s" text, ":bind" text,
                               "%(x)s" text CHECK ("%(x)s" <> '%'));
        CREATE TABLE "{long}1" ("{long}1" integer PRIMARY KEY);
        CREATE TABLE "{long}2" ("{long}2" integer PRIMARY KEY REFERENCES "{long}1", "2019" numeric(5, 2), "表☃😀" text);
        INSERT INTO " " SELECT n, 'text ' || n % 4, n, date '2020-01-01' + n FROM generate_series(1, 40) n;
        INSERT INTO "select" ("x.y", "{long}1", "{long}2", "quote""'s", ":bind", "%(x)s")
            SELECT 1 + n % 40, n, n, 'it''s ' || n % 3, ':bind', '%s' FROM generate_series(1, 60) n;
        INSERT INTO "{long}1" SELECT n FROM generate_series(1, 30) n;
        INSERT INTO "{long}2" SELECT n, n / 4.0, '表' || n % 3 FROM generate_series(1, 25) n;
    """)


def test_tables_of_unusual_size(clone: Callable[[str], str]) -> None:
    """No row, one row, one column, no column, only NULLs, only what the database fills in, 300 columns."""
    many = ", ".join(f"c{n} {('integer', 'text', 'date')[n % 3]}" for n in range(300))
    some = ", ".join(("n", "'v' || n % 4", "date '2020-01-01' + n")[n % 3] for n in range(300))
    target = clone(f"""
        CREATE TABLE empty (id integer PRIMARY KEY, name text NOT NULL UNIQUE);
        CREATE TABLE empty_child (id integer PRIMARY KEY, empty_id integer NOT NULL REFERENCES empty);
        CREATE TABLE only_null (id integer PRIMARY KEY, empty_id integer REFERENCES empty, nothing text);
        INSERT INTO only_null SELECT n FROM generate_series(1, 20) n;
        CREATE TABLE one_row (id integer PRIMARY KEY, name text NOT NULL, rate numeric(6, 4));
        INSERT INTO one_row VALUES (1, 'only', 0.5);
        CREATE TABLE one_column (word text);
        INSERT INTO one_column SELECT 'w' || n % 3 FROM generate_series(1, 30) n;
        CREATE TABLE one_key (id integer PRIMARY KEY);
        INSERT INTO one_key SELECT n FROM generate_series(1, 30) n;
        CREATE TABLE no_column ();
        CREATE TABLE filled_in (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                                two integer GENERATED ALWAYS AS (2) STORED);
        INSERT INTO filled_in (id) OVERRIDING USER VALUE SELECT n FROM generate_series(1, 15) n;
        CREATE TABLE wide (id integer PRIMARY KEY, {many});
        INSERT INTO wide SELECT n, {some} FROM generate_series(1, 30) n;
    """)
    assert values(target, "empty_id", "only_null") == {None}
