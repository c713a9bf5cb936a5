CREATE EXTENSION vector;
CREATE SCHEMA with_vector;
CREATE TABLE with_vector.embedding (
    id integer PRIMARY KEY,
    place vector(3) NOT NULL,
    other vector(4)
);
INSERT INTO with_vector.embedding
SELECT n, ARRAY[random(), random(), n]::real[]::vector, CASE WHEN n % 2 = 0 THEN '[1,2,3,4]'::vector END FROM generate_series(1, 50) n;
CREATE INDEX embedding_place ON with_vector.embedding USING hnsw (place vector_l2_ops);
