CREATE EXTENSION ltree;
CREATE SCHEMA with_ltree;
CREATE TABLE with_ltree.place (path ltree PRIMARY KEY, other ltree[], pattern lquery);
INSERT INTO with_ltree.place
SELECT ('world.c' || n % 5 || '.p' || n)::ltree, ARRAY['a.b', 'c']::ltree[], CASE WHEN n % 2 = 0 THEN 'world.*{1,2}.p1'::lquery END FROM generate_series(1, 50) n;
CREATE INDEX place_path ON with_ltree.place USING gist (path);
