-- What PostgreSQL 18 added.

CREATE SCHEMA since_18;
SET LOCAL search_path = since_18;

CREATE TABLE computed (
    id uuid DEFAULT uuidv7() PRIMARY KEY,
    price numeric(8, 2) NOT NULL,
    gross numeric(10, 2) GENERATED ALWAYS AS (price * 1.2) VIRTUAL,
    stored numeric(10, 2) GENERATED ALWAYS AS (price * 2) STORED
);
INSERT INTO computed (price) SELECT round((1 + random() * 90)::numeric, 2) FROM generate_series(1, 60) n;

-- A key over time, and a foreign key to it.
CREATE TABLE lease (
    flat int4range NOT NULL,
    during daterange NOT NULL,
    rent numeric(8, 2) NOT NULL,
    PRIMARY KEY (flat, during WITHOUT OVERLAPS)
);
INSERT INTO lease
SELECT int4range(n % 10, n % 10, '[]'), daterange(date '2020-01-01' + n * 40, date '2020-01-01' + n * 40 + 300), 500 + n
FROM generate_series(1, 60) n WHERE n % 10 < 9 OR n < 10;

CREATE TABLE loosely (
    id integer PRIMARY KEY,
    number integer,
    hope integer CONSTRAINT never_checked CHECK (hope > 0) NOT ENFORCED
);
INSERT INTO loosely SELECT n, CASE WHEN n % 9 = 0 THEN NULL ELSE n END, n - 5 FROM generate_series(1, 40) n;
ALTER TABLE loosely ADD CONSTRAINT number_given NOT NULL number NOT VALID;

-- A foreign key over time, one that is not enforced, and a column that takes no NULL in this table alone.
CREATE TABLE guest (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    flat int4range NOT NULL,
    during daterange NOT NULL,
    FOREIGN KEY (flat, PERIOD during) REFERENCES lease (flat, PERIOD during)
);
INSERT INTO guest (flat, during) SELECT flat, daterange(lower(during), lower(during) + 30) FROM lease;
CREATE TABLE hinted (
    id integer PRIMARY KEY,
    computed_id uuid REFERENCES computed NOT ENFORCED,
    local integer,
    CONSTRAINT given NOT NULL local NO INHERIT
);
INSERT INTO hinted SELECT n, gen_random_uuid(), n FROM generate_series(1, 30) n;
