-- Constraints that rows drawn column by column would break: of several columns, of functions, of domains, of partitions.

CREATE FUNCTION is_even(value integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN value % 2 = 0; END $$;
CREATE DOMAIN postcode AS text CHECK (VALUE ~ '^[1-9][0-9]{3}$');

CREATE TABLE part (
    id integer PRIMARY KEY,
    name text NOT NULL,
    alias text,
    email text NOT NULL,
    deleted boolean NOT NULL,
    postcode postcode,
    slug text NOT NULL UNIQUE CHECK (slug ~ '^[a-z][a-z0-9-]*$'),
    even integer NOT NULL CHECK (is_even(even))
);
CREATE UNIQUE INDEX part_name ON part (lower(name));
CREATE UNIQUE INDEX part_email ON part (email) WHERE NOT deleted;
CREATE UNIQUE INDEX part_alias ON part (COALESCE(alias, name));

-- Whether there is an assembly decides the level; no part is a component of itself.
CREATE TABLE component (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    assembly integer REFERENCES part,
    component integer NOT NULL REFERENCES part,
    level smallint NOT NULL,
    starts date NOT NULL,
    ends date,
    quantity integer NOT NULL,
    price numeric(8, 2) NOT NULL,
    total numeric(12, 2) NOT NULL,
    doubled integer GENERATED ALWAYS AS (quantity * 2) STORED,
    CONSTRAINT component_level CHECK ((assembly IS NULL AND level = 0) OR (assembly IS NOT NULL AND level >= 1)),
    CONSTRAINT component_ends CHECK (ends > starts OR ends IS NULL),
    CONSTRAINT component_itself CHECK (assembly <> component),
    CONSTRAINT component_total CHECK (total = quantity * price)
);
CREATE UNIQUE INDEX component_once ON component (assembly, component, starts);

CREATE TABLE booking (
    id integer PRIMARY KEY,
    room integer NOT NULL,
    starts timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    CONSTRAINT booking_free EXCLUDE USING gist
        (int4range(room, room, '[]') WITH &&, tstzrange(starts, ends) WITH &&)
);

CREATE TABLE measurement (
    station integer NOT NULL,
    at date NOT NULL,
    celsius real
) PARTITION BY RANGE (at);
CREATE TABLE measurement_2021 PARTITION OF measurement FOR VALUES FROM ('2021-01-01') TO ('2021-07-01');
CREATE TABLE measurement_2022 PARTITION OF measurement FOR VALUES FROM ('2022-01-01') TO ('2022-07-01');

CREATE TABLE vehicle (id integer PRIMARY KEY, wheels smallint NOT NULL);
CREATE TABLE lorry (payload integer NOT NULL, PRIMARY KEY (id)) INHERITS (vehicle);

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this trigger must not fire'; END $$;

SELECT setseed(0.25);

INSERT INTO part
SELECT n, 'Part ' || n, CASE WHEN n % 3 = 0 THEN 'alias ' || n END, 'p' || n / 2 || '@example.org', n % 2 = 0,
       CASE WHEN n % 5 > 0 THEN (1000 + n * 7)::text END,
       (ARRAY['oak', 'elm', 'plain', 'a-long-one'])[1 + n % 4] || repeat('-leaf', n % 3) || '-' || md5(n::text), n * 2
FROM generate_series(1, 400) n;
INSERT INTO component (assembly, component, level, starts, ends, quantity, price, total)
SELECT CASE WHEN n % 8 > 0 THEN 1 + n % 40 END, 41 + n % 300, CASE WHEN n % 8 > 0 THEN 1 + n % 4 ELSE 0 END,
       date '2015-01-01' + n, CASE WHEN n % 3 > 0 THEN date '2015-01-01' + n + 1 + n % 90 END,
       q, p, q * p
FROM (SELECT n, 1 + floor(random() * 20)::int AS q, round((1 + random() * 90)::numeric, 2) AS p
      FROM generate_series(1, 3000) n) x;
INSERT INTO booking
SELECT n, 1 + n % 7, timestamptz '2024-01-01 00:00+00' + n * interval '1 hour',
       timestamptz '2024-01-01 00:00+00' + n * interval '1 hour' + (1 + n % 5) * interval '30 minutes'
FROM generate_series(1, 900) n;
INSERT INTO measurement
SELECT s, (CASE WHEN d % 2 = 0 THEN date '2021-01-01' ELSE date '2022-01-01' END) + d, random() * 30
FROM generate_series(1, 8) s, generate_series(0, 160) d;
INSERT INTO vehicle SELECT n, 4 FROM generate_series(1, 30) n;
INSERT INTO lorry SELECT 1000 + n, 6 + 2 * (n % 6), 100 * n FROM generate_series(1, 60) n;

CREATE TRIGGER refuse BEFORE INSERT ON part FOR EACH ROW EXECUTE FUNCTION refuse();
