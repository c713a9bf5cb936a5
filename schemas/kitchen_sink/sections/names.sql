-- Names that only quotes make possible: dots, quotes, percent signs, blanks, keywords, 63 bytes, what drivers take for
-- parameters, what a program that reads tables might call things itself.

CREATE SCHEMA "odd ""names"". 100%";
SET LOCAL search_path = "odd ""names"". 100%";

CREATE TYPE "type.of ""odd"" %s" AS ENUM ('a,b', 'c"d', 'e''f', '{g}', 'NULL', ' ', '\h', '%i', 'j;--');
CREATE DOMAIN "domain of 100%" AS text CHECK (VALUE <> 'the VALUE') DEFAULT '%s';

-- A single blank is the shortest name that says nothing: SQL has no empty ones.
CREATE TABLE " " (
    " " integer PRIMARY KEY,
    "  " text NOT NULL,
    """" "type.of ""odd"" %s" NOT NULL,
    "." integer
);
CREATE TABLE "select" (
    "order" integer PRIMARY KEY,
    "offset" text NOT NULL,
    "user" text,
    "table" "domain of 100%",
    "primary" boolean NOT NULL,
    "group" integer REFERENCES " ",
    "transaction" integer,
    "limit" numeric(5, 1),
    "null" text,
    "default" date,
    "from" date
);
CREATE TABLE "per cent %s" (
    "%" integer PRIMARY KEY,
    "%s" text NOT NULL,
    "%(name)s" text,
    "100%%" numeric(4, 1) NOT NULL CHECK ("100%%" % 100 >= 0),
    ":bind" integer REFERENCES "select" ("order"),
    "$1" integer,
    "?" text,
    "{brace}" text,
    "back\slash" text DEFAULT E'\\%',
    "single'quote" text UNIQUE,
    "new
line" integer,
    "tab	in it" integer,
    "semi;colon -- comment" text
);
CREATE TABLE "schema.table" (
    "2019" integer PRIMARY KEY,
    "1st" text NOT NULL,
    "a-b" integer NOT NULL,
    "a.b" integer NOT NULL,
    "a b" integer,
    "Ünïcödé ☃ 表" text,
    "😀" integer NOT NULL,
    UNIQUE ("a.b", "a-b")
);
CREATE TABLE "schema"  (
    "table" integer PRIMARY KEY,
    "a.b" integer,
    "a-b" integer,
    FOREIGN KEY ("a.b", "a-b") REFERENCES "schema.table" ("a.b", "a-b"),
    CONSTRAINT "fk, (odd) ""one""" FOREIGN KEY ("table") REFERENCES "schema.table"
);
CREATE TABLE "Case" ("ID" integer PRIMARY KEY, "Id" integer UNIQUE, id integer NOT NULL REFERENCES "Case");
CREATE TABLE "CASE" (id integer PRIMARY KEY, "ID" integer REFERENCES "Case" ("Id"));
CREATE TABLE "case" (id integer PRIMARY KEY REFERENCES "Case");

-- 63 bytes, alike but for the last; and 63 bytes of which a character takes three.
CREATE TABLE a23456789_123456789_123456789_123456789_123456789_123456789_12a (
    c23456789_123456789_123456789_123456789_123456789_123456789_12a integer PRIMARY KEY,
    c23456789_123456789_123456789_123456789_123456789_123456789_12b integer NOT NULL,
    CONSTRAINT k23456789_123456789_123456789_123456789_123456789_123456789_12a
        UNIQUE (c23456789_123456789_123456789_123456789_123456789_123456789_12b)
);
CREATE TABLE a23456789_123456789_123456789_123456789_123456789_123456789_12b (
    c23456789_123456789_123456789_123456789_123456789_123456789_12a integer PRIMARY KEY
        CONSTRAINT f23456789_123456789_123456789_123456789_123456789_123456789_12a
        REFERENCES a23456789_123456789_123456789_123456789_123456789_123456789_12a,
    "表表表表表表表表表表表表表表表表表表表表表" text NOT NULL
);
CREATE TABLE "表表表表表表表表表表表表表表表表表表表表表" (id serial PRIMARY KEY, "表" text);

-- What SQLAlchemy, pandas, SDV and dbclone itself call things.
CREATE TABLE "index" (
    "index" integer PRIMARY KEY,
    level_0 integer NOT NULL,
    child text NOT NULL,
    parent integer NOT NULL REFERENCES "select" ("order"),
    n integer,
    repeated integer,
    count integer,
    "__num_rows" integer,
    ctid_ integer,
    oid integer,
    value text,
    row text,
    base boolean NOT NULL,
    metadata text,
    "#1" integer,
    "__select__parent__num_rows" integer
);
CREATE TABLE child (parent integer PRIMARY KEY REFERENCES "index", child integer NOT NULL UNIQUE);
CREATE TABLE parent (child integer REFERENCES child (child), parent integer REFERENCES child);

INSERT INTO " "
SELECT n, 'text ' || n % 7, (enum_range(NULL::"type.of ""odd"" %s"))[1 + n % 9], n FROM generate_series(1, 40) n;
INSERT INTO "select"
SELECT n, 'offset ' || n % 5, 'user ' || n, (ARRAY['%s', '%', 'VALUE', E'\\'])[1 + n % 4], n % 2 = 0, CASE WHEN n % 3 > 0 THEN 1 + n % 40 END,
       n, n / 2.0, NULL, date '2020-01-01' + n, date '2019-01-01' + n
FROM generate_series(1, 60) n;
INSERT INTO "per cent %s"
SELECT n, '%s ' || n % 3, '%(name)s', n % 100, 1 + n % 60, n, '?', '{}', E'\\', 'it''s ' || n, n, n, '; --' FROM generate_series(1, 50) n;
INSERT INTO "schema.table" SELECT n, 'first ' || n % 4, n, n * 2, n % 5, 'ü' || n % 3, n FROM generate_series(1, 45) n;
INSERT INTO "schema" SELECT n, CASE WHEN n % 2 = 0 THEN n * 2 END, CASE WHEN n % 2 = 0 THEN n END FROM generate_series(1, 30) n;
INSERT INTO "Case" SELECT n, n + 100, 1 + n % 20 FROM generate_series(1, 20) n;
INSERT INTO "CASE" SELECT n, 101 + n % 20 FROM generate_series(1, 25) n;
INSERT INTO "case" SELECT n FROM generate_series(1, 15) n;
INSERT INTO a23456789_123456789_123456789_123456789_123456789_123456789_12a SELECT n, n * 5 FROM generate_series(1, 30) n;
INSERT INTO a23456789_123456789_123456789_123456789_123456789_123456789_12b SELECT n, 'row ' || n % 3 FROM generate_series(1, 25) n;
INSERT INTO "表表表表表表表表表表表表表表表表表表表表表" ("表") SELECT '表' || n % 4 FROM generate_series(1, 25) n;
INSERT INTO "index"
SELECT n, n, 'child ' || n % 3, 1 + n % 60, n, n, n, n, n, n, 'value', 'row', n % 2 = 0, 'metadata', n, n FROM generate_series(1, 70) n;
INSERT INTO child SELECT n, n * 3 FROM generate_series(1, 50) n;
INSERT INTO parent SELECT 3 * (1 + n % 50), CASE WHEN n % 2 = 0 THEN 1 + n % 50 END FROM generate_series(1, 80) n;

-- Constraints and triggers of the same name in several tables; an index and a rule with odd names.
ALTER TABLE "select" ADD CONSTRAINT "same name" CHECK ("order" > 0);
ALTER TABLE "schema" ADD CONSTRAINT "same name" CHECK ("table" > 0);
CREATE INDEX "odd.index ""%s""" ON "per cent %s" ("%s", ("%(name)s" || ':x'));
CREATE VIEW "view ; of %" AS SELECT "%" AS ":a", "%s" FROM "per cent %s" WHERE "%s" LIKE '%s%%';
COMMENT ON COLUMN "per cent %s"."%s" IS '%s; %(x)s -- :y';
CREATE FUNCTION "same name"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "same name" BEFORE INSERT ON "select" FOR EACH ROW EXECUTE FUNCTION "same name"();
CREATE TRIGGER "same name" BEFORE INSERT ON "schema" FOR EACH ROW EXECUTE FUNCTION "same name"();
