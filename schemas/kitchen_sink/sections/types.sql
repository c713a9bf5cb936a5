-- Every type that PostgreSQL has without an extension, with the values that are awkward, alone and in arrays.

CREATE SCHEMA types;
SET LOCAL search_path = types;

CREATE TYPE colour AS ENUM ('red', 'green', 'blue', '');
CREATE TYPE address AS (street text, "house no." varchar(6), located point, tags text[]);
CREATE TYPE contact AS (name text, home address, born date);
CREATE TYPE timerange AS RANGE (subtype = time, multirange_type_name = timemultirange);
CREATE DOMAIN percentage AS numeric(5, 2) CHECK (VALUE BETWEEN 0 AND 100);

CREATE TABLE numbers (
    id integer PRIMARY KEY,
    int2 smallint NOT NULL,
    int4 integer,
    int8 bigint NOT NULL,
    exact numeric NOT NULL,
    rounded numeric(12, 4),
    wide numeric(60, 30) NOT NULL,
    whole numeric(9, 0),
    hundreds numeric(6, -2),
    tiny numeric(3, 5),
    cash money NOT NULL,
    float4 real,
    float8 double precision,
    truth boolean NOT NULL,
    maybe boolean,
    share percentage NOT NULL,
    object oid
);
INSERT INTO numbers
SELECT n, (CASE n WHEN 1 THEN -32768 WHEN 2 THEN 32767 ELSE n * 7 % 300 END)::smallint,
       CASE WHEN n % 9 > 0 THEN (random() * 1e6)::integer END,
       CASE n WHEN 1 THEN -9223372036854775808 WHEN 2 THEN 9223372036854775807 ELSE 9007199254740993 + n END,
       CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN 'Infinity' WHEN 3 THEN 12345678901234567890123456789.000000001
              ELSE n / 7.0 END,
       round((random() * 99999999)::numeric, 4), 123456789012345678901234567890.123456789012345678901234567890 + n,
       n * 1000, 100 * n, 0.00001 * n, (n * 1.25)::numeric::money,
       CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' WHEN 3 THEN 'Infinity' ELSE random() END::real,
       CASE n WHEN 1 THEN 'NaN' WHEN 2 THEN '-Infinity' WHEN 3 THEN 'Infinity' WHEN 4 THEN 5e-324 WHEN 5 THEN 1.7e308
              ELSE exp(random() * 20) END,
       random() < 0.1, CASE WHEN n % 4 > 0 THEN random() < 0.8 END, round((random() * 100)::numeric, 2), 16384 + n
FROM generate_series(1, 120) n;

CREATE TABLE texts (
    id integer PRIMARY KEY,
    fixed char(6) NOT NULL,
    one char NOT NULL,
    single "char",
    short varchar(4) NOT NULL,
    unlimited varchar,
    long text,
    identifier name NOT NULL,
    colour colour NOT NULL,
    bytes bytea NOT NULL,
    more_bytes bytea
);
INSERT INTO texts
SELECT n, 'f' || n % 50, chr(97 + n % 5), chr(65 + n % 20)::"char", (ARRAY['äöüß', '日本語文', '', '😀😀😀😀'])[1 + n % 4],
       CASE WHEN n % 3 > 0 THEN repeat('ab ', n % 20) END,
       CASE WHEN n % 7 = 0 THEN repeat('Lorem ipsum dolor sit amet. ', n * 4) ELSE E'tab\t, newline\n, backslash \\N ' || n END,
       'name_' || n, (ARRAY['red', 'red', 'green', 'blue', ''])[1 + n % 5]::colour, decode(md5(n::text), 'hex'),
       CASE n % 3 WHEN 0 THEN ''::bytea WHEN 1 THEN '\x00ff0a5c'::bytea END
FROM generate_series(1, 100) n;

CREATE TABLE times (
    id integer PRIMARY KEY,
    day date NOT NULL,
    any_day date,
    clock time NOT NULL,
    clock_zone timetz,
    whole_seconds time(0),
    stamp timestamp NOT NULL,
    any_stamp timestamp,
    stamp_zone timestamptz NOT NULL,
    any_stamp_zone timestamptz(3),
    span interval NOT NULL,
    year_span interval year to month,
    second_span interval second(2)
);
INSERT INTO times
SELECT n, date '2020-02-29' + n,
       CASE n WHEN 1 THEN date '0044-03-15 BC' WHEN 2 THEN 'infinity' WHEN 3 THEN '-infinity' WHEN 4 THEN '5874897-12-31'
              WHEN 5 THEN NULL ELSE date '1900-01-01' + n * 400 END,
       CASE n WHEN 1 THEN time '24:00:00' WHEN 2 THEN '00:00' ELSE time '08:30' + n * interval '3 minutes' END,
       CASE n WHEN 1 THEN timetz '24:00:00-15:59' ELSE ('12:34:56.789+0' || n % 10)::timetz END, time '12:00' + n * interval '1 second',
       timestamp '2021-01-01 00:00:00.000001' + n * interval '5 hours',
       CASE n WHEN 1 THEN timestamp '4713-01-01 00:00 BC' WHEN 2 THEN 'infinity' WHEN 3 THEN '-infinity'
              WHEN 4 THEN '294276-12-31 23:59:59.999999' ELSE timestamp '1970-01-01' + n * interval '50 days' END,
       timestamptz '2021-03-28 00:00+00' + n * interval '7 minutes',
       CASE n WHEN 1 THEN timestamptz '0001-01-01 00:00+00 BC' WHEN 2 THEN 'infinity' WHEN 3 THEN '-infinity'
              WHEN 4 THEN NULL ELSE timestamptz '2000-01-01 00:00+00' + n * interval '1 day' END,
       CASE WHEN n % 3 = 0 THEN n * interval '1 month' + n * interval '1 day' - n * interval '0.5 seconds'
            ELSE n * interval '90 minutes' END,
       n * interval '1 month', n * interval '1.25 seconds'
FROM generate_series(1, 110) n;

CREATE TABLE documents (
    id uuid DEFAULT gen_random_uuid() PRIMARY KEY,
    other uuid,
    plain json NOT NULL,
    parsed jsonb NOT NULL,
    scalar jsonb,
    listed json,
    search tsvector NOT NULL,
    found tsquery NOT NULL,
    path jsonpath
);
INSERT INTO documents
SELECT md5('document' || n)::uuid, CASE WHEN n % 2 = 0 THEN md5('other' || n)::uuid END,
       json_build_object('id', n, 'name', 'name ' || n, 'nested', json_build_object('on', n % 2 = 0, 'x', n / 4.0)),
       jsonb_build_object('tags', (ARRAY['a', 'b', 'c'])[1:n % 4], 'amount', n * 1.5, 'note', CASE WHEN n % 3 = 0 THEN 'hm' END,
                          'lines', jsonb_build_array(jsonb_build_object('sku', 'S' || n, 'count', n % 5))),
       (ARRAY['1', '"text"', 'true', 'null', '[]', '{}'])[1 + n % 6]::jsonb,
       CASE WHEN n % 4 > 0 THEN json_build_array(n, 'x', NULL, false) END,
       to_tsvector('english', 'The quick brown foxes jumped over dog ' || n), to_tsquery('english', 'fox & dog | cat' || n % 3),
       CASE WHEN n % 2 = 0 THEN '$.lines[*].sku'::jsonpath END
FROM generate_series(1, 90) n;

CREATE TABLE arrays (
    id integer PRIMARY KEY,
    booleans boolean[] NOT NULL,
    integers integer[] NOT NULL,
    matrix integer[][] NOT NULL,
    from_zero integer[],
    numerics numeric(8, 2)[],
    texts text[] NOT NULL,
    chars char(3)[],
    dates date[],
    stamps timestamptz[],
    uuids uuid[],
    documents jsonb[],
    bytes bytea[],
    colours colour[] NOT NULL,
    ranges int4range[],
    addresses address[],
    points point[],
    percentages percentage[]
);
INSERT INTO arrays
SELECT n, (ARRAY[true, false, NULL])[1:1 + n % 3], (ARRAY[n, n * 2, NULL, -n])[1:n % 5], ARRAY[[n, 1], [2, 3], [4, NULL]],
       CASE WHEN n % 3 = 0 THEN '[0:2]={1,2,3}'::integer[] END, ARRAY[n * 1.25, NULL],
       CASE n % 4 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['a', NULL, '', 'NULL', '{"x, y"}', E'\\'] ELSE ARRAY['word ' || n] END,
       ARRAY['ab', 'abc'], ARRAY[date '2020-01-01' + n, 'infinity'], ARRAY[timestamptz '2020-01-01 00:00+00' + n * interval '1 hour'],
       ARRAY[md5(n::text)::uuid], ARRAY[jsonb_build_object('n', n), 'null'::jsonb], ARRAY['\x00'::bytea, decode(md5(n::text), 'hex')],
       (ARRAY['red', 'green', 'blue']::colour[])[1:1 + n % 3], ARRAY[int4range(n, n + 5), 'empty'],
       CASE WHEN n % 2 = 0 THEN ARRAY[ROW('Main, "St"', '1 a', point(n, n), ARRAY['x'])::address] END, ARRAY[point(n, -n)],
       ARRAY[50.5, n % 100]::percentage[]
FROM generate_series(1, 80) n;

CREATE TABLE ranges (
    id integer PRIMARY KEY,
    integers int4range NOT NULL,
    bigs int8range,
    numerics numrange NOT NULL,
    days daterange NOT NULL,
    stamps tsrange,
    stamps_zone tstzrange NOT NULL,
    times timerange,
    many_integers int4multirange NOT NULL,
    many_days datemultirange,
    many_times timemultirange
);
INSERT INTO ranges
SELECT n, CASE n % 5 WHEN 0 THEN 'empty' WHEN 1 THEN int4range(NULL, n) ELSE int4range(n, n + 10, '[]') END,
       int8range(n::bigint * 10000000000, NULL), numrange(n / 3.0, n / 2.0, '(]'),
       daterange(date '2022-01-01' + n, date '2022-01-01' + n + 1 + n % 30),
       CASE WHEN n % 4 > 0 THEN tsrange(timestamp '2022-01-01' + n * interval '1 hour', 'infinity') END,
       tstzrange(timestamptz '2022-01-01 00:00+00' + n * interval '1 hour', timestamptz '2023-01-01 00:00+00' + n * interval '2 hours'),
       timerange(time '08:00', time '08:00' + n * interval '1 minute'),
       int4multirange(int4range(n, n + 2), int4range(n + 5, n + 9)),
       CASE WHEN n % 3 > 0 THEN datemultirange(daterange(date '2022-01-01', date '2022-02-01' + n)) ELSE '{}' END,
       CASE WHEN n % 3 > 0 THEN timemultirange(timerange(time '01:00', time '02:00')) END
FROM generate_series(1, 80) n;

CREATE TABLE networks (
    id integer PRIMARY KEY,
    host inet NOT NULL,
    any_host inet,
    net cidr NOT NULL,
    mac macaddr NOT NULL,
    mac8 macaddr8,
    flags bit(5) NOT NULL,
    one_flag bit NOT NULL,
    some_flags bit varying(12),
    any_flags bit varying NOT NULL
);
INSERT INTO networks
SELECT n, ('10.0.' || n % 4 || '.' || n)::inet, CASE n % 3 WHEN 0 THEN ('2001:db8::' || to_hex(n) || '/64')::inet WHEN 1 THEN '192.0.2.7/24' END,
       CASE WHEN n % 4 = 0 THEN '2001:db8::/32' ELSE ('10.' || n || '.0.0/16') END::cidr,
       ('08:00:2b:01:02:' || lpad(to_hex(n), 2, '0'))::macaddr, CASE WHEN n % 2 = 0 THEN '08:00:2b:01:02:03:04:05'::macaddr8 END,
       (n % 32)::bit(5), (n % 2)::bit, CASE WHEN n % 3 > 0 THEN substring((n * 37)::bit(12) FROM 1 FOR 1 + n % 12) END,
       substring(n::bit(20) FROM 1 FOR n % 20)
FROM generate_series(1, 80) n;

CREATE TABLE shapes (
    id integer PRIMARY KEY,
    at point NOT NULL,
    straight line,
    segment lseg NOT NULL,
    area box NOT NULL,
    open_path path,
    outline polygon NOT NULL,
    round circle NOT NULL
);
INSERT INTO shapes
SELECT n, point(n, n / 3.0), CASE WHEN n % 2 = 0 THEN line(point(0, 0), point(1, n)) END, lseg(point(0, n), point(n, 0)),
       box(point(0, 0), point(n, 2 * n)), CASE WHEN n % 3 > 0 THEN '[(0,0),(1,1),(2,0)]'::path END,
       polygon(box(point(0, 0), point(n, n))), circle(point(n, 0), n / 2.0)
FROM generate_series(1, 60) n;

CREATE TABLE composites (
    id integer PRIMARY KEY,
    home address NOT NULL,
    work address,
    person contact
);
INSERT INTO composites
SELECT n, ROW('Street ' || n, n, point(n, n), ARRAY['a', 'b'])::address, CASE WHEN n % 2 = 0 THEN ROW(NULL, NULL, NULL, NULL)::address END,
       CASE WHEN n % 3 > 0 THEN ROW('Name ' || n, ROW('Lane ' || n, NULL, NULL, '{}')::address, date '1980-01-01' + n)::contact END
FROM generate_series(1, 60) n;

CREATE TABLE internals (
    id integer PRIMARY KEY,
    relation regclass,
    kind regtype,
    position pg_lsn,
    snapshot pg_snapshot,
    row_pointer tid,
    transaction xid8,
    odd integer DEFAULT NULL
);
INSERT INTO internals
SELECT n, CASE WHEN n % 2 = 0 THEN 'pg_class'::regclass END, 'integer'::regtype, ('0/' || to_hex(n * 4096))::pg_lsn, '10:20:10,14'::pg_snapshot,
       ('(0,' || n || ')')::tid, n::text::xid8
FROM generate_series(1, 30) n;

-- Natural keys of types other than integer and text, with children.

CREATE TABLE by_day (day date PRIMARY KEY, total integer NOT NULL);
CREATE TABLE by_moment (at timestamptz NOT NULL, day date NOT NULL REFERENCES by_day, value real, PRIMARY KEY (day, at));
CREATE TABLE by_amount (amount numeric(8, 2) PRIMARY KEY, colour colour NOT NULL UNIQUE);
CREATE TABLE by_colour (colour colour PRIMARY KEY REFERENCES by_amount (colour), amount numeric(8, 2) REFERENCES by_amount);
CREATE TABLE by_bytes (digest bytea PRIMARY KEY, flag boolean NOT NULL, UNIQUE (digest, flag));
CREATE TABLE by_address (host inet PRIMARY KEY, mac macaddr NOT NULL UNIQUE);

INSERT INTO by_day SELECT date '2023-01-01' + n, n * 2 FROM generate_series(1, 60) n;
INSERT INTO by_moment
SELECT timestamptz '2023-01-01 00:00+00' + n * interval '6 hours', date '2023-01-01' + 1 + n / 4, random() FROM generate_series(0, 200) n;
INSERT INTO by_amount VALUES (1.25, 'red'), (2.50, 'green'), (5.00, 'blue');
INSERT INTO by_colour VALUES ('red', 1.25), ('blue', NULL);
INSERT INTO by_bytes SELECT decode(md5(n::text), 'hex'), n % 3 = 0 FROM generate_series(1, 50) n;
INSERT INTO by_address SELECT ('10.9.0.' || n)::inet, ('08:00:2b:ff:00:' || lpad(to_hex(n), 2, '0'))::macaddr FROM generate_series(1, 50) n;
