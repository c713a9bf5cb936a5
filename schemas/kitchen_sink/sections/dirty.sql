-- Forty years of habits: rows that break constraints declared later, rows without a key, every plane of Unicode, tables of
-- unusual size.

CREATE SCHEMA dirty;
SET LOCAL search_path = dirty;

-- Orphans, wrong values and half-filled pairs under NOT VALID constraints; NULLs in what a NOT VALID check forbids.

CREATE TABLE vendor (id integer PRIMARY KEY, region char(2) NOT NULL, UNIQUE (id, region));
CREATE TABLE delivery (
    id integer PRIMARY KEY,
    vendor_id integer,
    checked_vendor_id integer NOT NULL,
    region char(2),
    weight integer NOT NULL,
    remark text
);

INSERT INTO vendor SELECT n, (ARRAY['N', 'S', 'NW'])[1 + n % 3] FROM generate_series(1, 25) n;
INSERT INTO delivery
SELECT n, CASE n % 6 WHEN 0 THEN NULL WHEN 1 THEN 900 + n ELSE 1 + n % 25 END, CASE WHEN n % 10 = 0 THEN -1 ELSE 1 + n % 25 END,
       CASE WHEN n % 4 = 0 THEN 'XX' WHEN n % 4 = 1 THEN (ARRAY['N', 'S', 'NW'])[1 + (1 + n % 25) % 3] END,
       CASE WHEN n % 7 = 0 THEN -n ELSE n END, CASE WHEN n % 2 = 0 THEN 'remark ' || n END
FROM generate_series(1, 150) n;

ALTER TABLE delivery ADD CONSTRAINT delivery_vendor FOREIGN KEY (vendor_id) REFERENCES vendor NOT VALID;
ALTER TABLE delivery ADD CONSTRAINT delivery_checked_vendor FOREIGN KEY (checked_vendor_id) REFERENCES vendor NOT VALID;
ALTER TABLE delivery ADD CONSTRAINT delivery_region FOREIGN KEY (vendor_id, region) REFERENCES vendor (id, region) NOT VALID;
ALTER TABLE delivery ADD CONSTRAINT heavy_enough CHECK (weight > 0) NOT VALID;
ALTER TABLE delivery ADD CONSTRAINT has_remark CHECK (remark IS NOT NULL) NOT VALID;

-- No key, and rows that repeat exactly, NULLs and all.

CREATE TABLE log (at timestamp, level text, message text, code integer);
CREATE TABLE log_tag (vendor_id integer REFERENCES vendor, tag text);
CREATE TABLE keyless_parent (id integer, name text);

INSERT INTO log
SELECT timestamp '2023-01-01' + n % 20 * interval '1 hour', (ARRAY['info', 'info', 'error', NULL])[1 + n % 4], 'message ' || n % 10, n % 5
FROM generate_series(1, 160) n;
INSERT INTO log SELECT NULL, NULL, NULL, NULL FROM generate_series(1, 5);
INSERT INTO log_tag SELECT 1 + n % 25, 'tag ' || n % 2 FROM generate_series(1, 100) n;
INSERT INTO log_tag SELECT NULL, NULL FROM generate_series(1, 3);
INSERT INTO keyless_parent SELECT n % 30, 'name ' || n % 30 FROM generate_series(1, 60) n;

-- Every plane of Unicode that has characters, what renders badly, what is invisible, control characters, no NUL.

CREATE TABLE unicode (
    id integer PRIMARY KEY,
    sample text NOT NULL,
    short varchar(3),
    fixed char(2),
    key text NOT NULL UNIQUE
);
INSERT INTO unicode
SELECT n,
       CASE n % 12
           WHEN 0 THEN chr(1 + n % 31)                                            -- control characters
           WHEN 1 THEN 'e' || U&'\0301' || U&'\0327' || 'z' || U&'\0335'         -- combining marks
           WHEN 2 THEN U&'\FEFF' || 'mark' || U&'\FFFE' || U&'\FFFF'             -- byte order mark, not characters
           WHEN 3 THEN U&'\202E' || 'right to left' || U&'\05D0\05D1\0627\0644'   -- an override, Hebrew, Arabic
           WHEN 4 THEN chr(x'10000'::int + n) || chr(x'1F600'::int + n % 60)       -- plane 1
           WHEN 5 THEN chr(x'20000'::int + n) || chr(x'2F800'::int + n)            -- plane 2
           WHEN 6 THEN chr(x'30000'::int + n)                                      -- plane 3
           WHEN 7 THEN chr(x'E0001'::int) || chr(x'E0100'::int + n % 200)           -- plane 14: tags, variation selectors
           WHEN 8 THEN chr(x'F0000'::int + n) || chr(x'10FFFD'::int)                -- planes 15 and 16: private use
           WHEN 9 THEN chr((1 + n % 16) * x'10000'::int + n)                        -- each plane in turn
           WHEN 10 THEN U&'\200B\00A0\3000\2028\0085 ' || E'\r\n\t\v\f'          -- blanks of all kinds
           ELSE U&'\+01F468\200D\+01F469\200D\+01F467' || U&'\+01F1E6\+01F1F9'     -- a family in one glyph, a flag
       END,
       CASE n % 4 WHEN 0 THEN '' WHEN 1 THEN U&'\+01F600\+01F601\+01F602' WHEN 2 THEN U&'\00DF\0130\01C5' END,
       (ARRAY['ß', ' a', U&'\+020000', ''])[1 + n % 4],
       chr(160 + n) || chr(x'1F300'::int + n)
FROM generate_series(1, 200) n;
CREATE TABLE quoted (id integer PRIMARY KEY, value text);
INSERT INTO quoted
SELECT n, (ARRAY['', ' ', 'NULL', '\N', '\.', '"', '""', '''', E'\\', E'a\tb', E'a\nb', E'a\r\nb', ',', 'a,b', '%s', '%', ':x', '$1', '{}',
                 '{"a": 1}', '0', '-0', '1e5', 'NaN', 'true', '2020-02-30', '<b>', '&amp;', E'\x01', ' lead', 'trail '])[1 + n % 31]
FROM generate_series(1, 124) n;

-- Tables of unusual size: no row, one row, one column, no column, only what the database fills in, 600 columns.

CREATE TABLE empty (id integer PRIMARY KEY, vendor_id integer NOT NULL REFERENCES vendor, name text NOT NULL UNIQUE);
CREATE TABLE empty_child (id integer PRIMARY KEY, empty_id integer REFERENCES empty);
CREATE TABLE one_row (id integer PRIMARY KEY, name text NOT NULL, rate numeric(6, 4) NOT NULL, since date);
CREATE TABLE one_row_child (id integer PRIMARY KEY, one_row_id integer NOT NULL REFERENCES one_row);
CREATE TABLE one_column (word text);
CREATE TABLE one_key (id integer PRIMARY KEY);
CREATE TABLE always_null (id integer PRIMARY KEY, nothing text, number integer, at timestamptz, data jsonb);
CREATE TABLE constant (id integer PRIMARY KEY, same integer NOT NULL, also text NOT NULL, stamp timestamp NOT NULL);
CREATE TABLE filled_in (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, twice integer GENERATED ALWAYS AS (2) STORED);
CREATE TABLE no_column ();
CREATE TABLE columns_dropped (a integer, id integer PRIMARY KEY, b text, c text NOT NULL, d date);
ALTER TABLE columns_dropped DROP COLUMN a, DROP COLUMN b;

INSERT INTO one_row VALUES (1, 'the only one', 0.1234, '2020-01-01');
INSERT INTO one_row_child SELECT n, 1 FROM generate_series(1, 10) n;
INSERT INTO one_column SELECT (ARRAY['a', 'b', NULL, ''])[1 + n % 4] FROM generate_series(1, 40) n;
INSERT INTO one_key SELECT n * n FROM generate_series(1, 30) n;
INSERT INTO always_null (id) SELECT n FROM generate_series(1, 30) n;
INSERT INTO constant SELECT n, 42, 'constant', timestamp '2000-01-01' FROM generate_series(1, 30) n;
INSERT INTO filled_in (id) OVERRIDING USER VALUE SELECT n FROM generate_series(1, 20) n;
INSERT INTO columns_dropped SELECT n, 'c' || n % 3, date '2022-01-01' + n FROM generate_series(1, 30) n;

DO $$
BEGIN
    EXECUTE (SELECT 'CREATE TABLE wide (id integer PRIMARY KEY, '
                    || string_agg(format('c%s %s', n, (ARRAY['integer', 'text', 'numeric(8, 2)', 'boolean', 'date'])[1 + n % 5]), ', ' ORDER BY n)
                    || ')' FROM generate_series(1, 599) n);
    EXECUTE (SELECT 'INSERT INTO wide SELECT n, '
                    || string_agg((ARRAY['n + ' || n, '''text '' || n % 5', 'round((random() * 100)::numeric, 2)', 'random() < 0.5',
                                         'date ''2020-01-01'' + n'])[1 + n % 5], ', ' ORDER BY n)
                    || ' FROM generate_series(1, 60) n' FROM generate_series(1, 599) n);
END $$;
