-- Compression by LZ4. Needs a server that was built with it.

CREATE SCHEMA with_lz4;
CREATE TABLE with_lz4.packed (id integer PRIMARY KEY, body text COMPRESSION lz4 NOT NULL);
INSERT INTO with_lz4.packed SELECT n, repeat('body of ' || n || ' ', 40) FROM generate_series(1, 40) n;
