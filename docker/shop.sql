-- A small shop, for compose.yaml: PostgreSQL and MariaDB take it as it is.
CREATE TABLE customer (
    customer_id integer PRIMARY KEY,
    email varchar(80) NOT NULL UNIQUE,
    since date NOT NULL
);
CREATE TABLE purchase (
    purchase_id integer PRIMARY KEY,
    customer_id integer NOT NULL REFERENCES customer (customer_id),
    status varchar(10) NOT NULL,
    amount numeric(8, 2) NOT NULL CHECK (amount > 0)
);
INSERT INTO customer
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 200)
SELECT i, concat('customer', i, '@shop.example'), DATE '2024-02-01' FROM n;
INSERT INTO purchase
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900)
SELECT i, 1 + (i * i * i) % 173, CASE WHEN i % 5 = 0 THEN 'open' ELSE 'paid' END, 1 + (i * 7) % 90 FROM n;
