CREATE EXTENSION hstore;
CREATE SCHEMA with_hstore;
CREATE TABLE with_hstore.thing (id integer PRIMARY KEY, attributes hstore NOT NULL, more hstore, many hstore[]);
INSERT INTO with_hstore.thing
SELECT n, hstore(ARRAY['colour', 'size'], ARRAY['red', (n % 5)::text]), CASE WHEN n % 2 = 0 THEN '"a b"=>NULL, "c\"d"=>"e,f"'::hstore END, ARRAY[hstore('k', 'v' || n % 3)]
FROM generate_series(1, 50) n;
CREATE INDEX thing_attributes ON with_hstore.thing USING gin (attributes);
