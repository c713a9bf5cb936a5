-- The usual way to say that nothing overlaps within a room.

CREATE EXTENSION btree_gist;
CREATE SCHEMA with_btree_gist;
CREATE TABLE with_btree_gist.room (name text PRIMARY KEY);
CREATE TABLE with_btree_gist.reservation (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    room text NOT NULL REFERENCES with_btree_gist.room,
    during tstzrange NOT NULL,
    EXCLUDE USING gist (room WITH =, during WITH &&)
);
INSERT INTO with_btree_gist.room SELECT 'room ' || n FROM generate_series(1, 6) n;
INSERT INTO with_btree_gist.reservation (room, during)
SELECT 'room ' || 1 + n % 6, tstzrange(timestamptz '2024-01-01 00:00+00' + n * interval '1 hour', timestamptz '2024-01-01 00:00+00' + n * interval '1 hour' + interval '45 minutes')
FROM generate_series(1, 80) n;

CREATE TABLE with_btree_gist.price (
    product integer NOT NULL,
    currency char(3) NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    amount numeric(12, 4) NOT NULL CHECK (amount > 0),
    PRIMARY KEY (product, currency, valid_from),
    EXCLUDE USING gist (product WITH =, currency WITH =, daterange(valid_from, valid_to, '[)') WITH &&)
);
INSERT INTO with_btree_gist.price
SELECT p, c, date '2020-01-01' + n * 200, CASE WHEN n < 2 THEN date '2020-01-01' + (n + 1) * 200 END, p * 1.5 + n
FROM generate_series(1, 30) p, unnest(ARRAY['EUR', 'USD']) c, generate_series(0, 2) n;
