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
