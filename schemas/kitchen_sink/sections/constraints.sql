-- Constraints of every shape: UNIQUE, CHECK, EXCLUDE, domains, generated columns, partitions, inheritance.

CREATE SCHEMA constraints;
SET LOCAL search_path = constraints;

-- UNIQUE: partial, of expressions, with NULLs alike, deferrable, with included columns.

CREATE TABLE account (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login text NOT NULL,
    alias text,
    email text NOT NULL,
    phone text,
    region text,
    position integer NOT NULL,
    deleted boolean DEFAULT false NOT NULL,
    CONSTRAINT account_region_phone UNIQUE NULLS NOT DISTINCT (region, phone),
    CONSTRAINT account_position UNIQUE (position) DEFERRABLE INITIALLY DEFERRED
);
CREATE UNIQUE INDEX account_login ON account (lower(login));
CREATE UNIQUE INDEX account_alias ON account (COALESCE(alias, login));
CREATE UNIQUE INDEX account_email ON account (email) WHERE NOT deleted;
CREATE UNIQUE INDEX account_default ON account (region) WHERE position < 4;
CREATE UNIQUE INDEX account_login_prefix ON account (region, substr(login, 4, 5), (position % 10)) INCLUDE (email);

INSERT INTO account (login, alias, email, phone, region, position, deleted)
SELECT 'Login' || n, CASE WHEN n % 3 = 0 THEN 'alias' || n END, 'mail' || n / 2 || '@sink.example',
       CASE WHEN n % 10 > 0 THEN '+43 1 ' || 10000 + n END, CASE WHEN n % 10 > 0 THEN 'region ' || n % 4 ELSE 'r' || n END,
       n, n % 2 = 1
FROM generate_series(1, 90) n;

-- CHECK: of one column, of several, with functions, exactly one of three, over parts of a composite value.

CREATE FUNCTION is_even(value integer) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
$$ BEGIN RETURN value % 2 = 0; END $$;
CREATE TYPE money_amount AS (amount numeric(12, 2), currency char(3));

CREATE TABLE checked (
    id integer PRIMARY KEY,
    low integer NOT NULL,
    high integer NOT NULL,
    even integer NOT NULL CHECK (is_even(even)),
    state text NOT NULL CHECK (state IN ('draft', 'open', 'closed')),
    opened date,
    closed date,
    cash numeric(8, 2),
    card numeric(8, 2),
    voucher text,
    postcode varchar(10) CHECK (postcode ~ '^[0-9]{4,5}$'),
    discount numeric(4, 3) DEFAULT 0 NOT NULL CHECK (discount >= 0 AND discount < 1),
    price money_amount CHECK ((price).amount > 0 AND (price).currency IN ('EUR', 'CHF')),
    tags text[] CHECK (cardinality(tags) <= 3),
    settings jsonb DEFAULT '{}' NOT NULL CHECK (jsonb_typeof(settings) = 'object'),
    name text NOT NULL CHECK (length(btrim(name)) BETWEEN 3 AND 20),
    CHECK (low <= high),
    CONSTRAINT "in order" CHECK (opened IS NULL OR closed IS NULL OR closed >= opened),
    CONSTRAINT closed_when_closed CHECK ((state = 'closed') = (closed IS NOT NULL)),
    CONSTRAINT paid_one_way CHECK (num_nonnulls(cash, card, voucher) = 1),
    CONSTRAINT span CHECK (GREATEST(low, high) - LEAST(low, high) < 1000)
);

INSERT INTO checked
SELECT n, n * 3, n * 3 + floor(random() * 900)::int, n * 2, (ARRAY['draft', 'open', 'closed'])[1 + n % 3],
       CASE WHEN n % 5 > 0 THEN date '2022-01-01' + n END, CASE WHEN n % 3 = 2 THEN date '2022-02-01' + 2 * n END,
       CASE WHEN n % 4 = 0 THEN round((random() * 500)::numeric, 2) END,
       CASE WHEN n % 4 IN (1, 2) THEN round((random() * 500)::numeric, 2) END,
       CASE WHEN n % 4 = 3 THEN 'V-' || n END, CASE WHEN n % 6 > 0 THEN lpad((1000 + n * 53)::text, 4, '0') END,
       round((random() * 0.9)::numeric, 3),
       CASE WHEN n % 2 = 0 THEN ROW(round((1 + random() * 50)::numeric, 2), 'EUR')::money_amount END,
       CASE WHEN n % 2 = 0 THEN (ARRAY['red', 'green', 'blue'])[1:1 + n % 3] END,
       jsonb_build_object('theme', (ARRAY['dark', 'light'])[1 + n % 2], 'size', n % 7),
       'name ' || n
FROM generate_series(1, 120) n;

-- Domains: with quoted names, checks, NOT NULL, a default, of a domain, of an array.

CREATE DOMAIN "Positive Amount" AS numeric(10, 2) CHECK (VALUE > 0);
CREATE DOMAIN "Small ""Positive"" Amount" AS "Positive Amount" CONSTRAINT "not too much" CHECK (VALUE < 1000);
CREATE DOMAIN code AS varchar(8) NOT NULL CHECK (VALUE ~ '^[A-Z]{2}[0-9]{3,6}$');
CREATE DOMAIN weekday AS smallint DEFAULT 1 CHECK (VALUE BETWEEN 1 AND 7);
CREATE DOMAIN weekdays AS smallint[] CHECK (cardinality(VALUE) BETWEEN 1 AND 7);
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'it''s "complicated"');

CREATE TABLE domained (
    code code PRIMARY KEY,
    amount "Positive Amount" NOT NULL,
    small "Small ""Positive"" Amount",
    day weekday,
    days weekdays NOT NULL,
    mood mood DEFAULT 'ok' NOT NULL,
    moods mood[]
);

INSERT INTO domained
SELECT 'AB' || 1000 + n, round((1 + random() * 5000)::numeric, 2),
       CASE WHEN n % 3 > 0 THEN round((1 + random() * 900)::numeric, 2) END, 1 + n % 7,
       (ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[])[1:1 + n % 7],
       (ARRAY['sad', 'ok', 'ok', 'happy', 'it''s "complicated"'])[1 + n % 5]::mood,
       CASE WHEN n % 2 = 0 THEN ARRAY['sad', 'happy']::mood[] END
FROM generate_series(1, 80) n;

-- EXCLUDE: nothing may overlap within a room; circles may not meet; equality, spelt the long way.

CREATE TABLE booking (
    id integer PRIMARY KEY,
    room integer NOT NULL,
    during tsrange NOT NULL,
    cancelled boolean DEFAULT false NOT NULL,
    CONSTRAINT no_double_booking EXCLUDE USING gist (int4range(room, room, '[]') WITH &&, during WITH &&)
        WHERE (NOT cancelled)
);
CREATE TABLE antenna (
    id integer PRIMARY KEY,
    channel integer NOT NULL,
    area circle,
    EXCLUDE USING gist (area WITH &&),
    CONSTRAINT one_per_channel EXCLUDE USING btree (channel WITH =) DEFERRABLE
);

INSERT INTO booking
SELECT n, 1 + n % 5,
       tsrange(timestamp '2024-01-01' + n * interval '1 hour', timestamp '2024-01-01' + n * interval '1 hour'
               + (1 + n % 4) * interval '30 minutes'), n % 9 = 0
FROM generate_series(1, 70) n;
INSERT INTO antenna SELECT n, 100 + n, circle(point(n * 10, n % 3), 1 + n % 4) FROM generate_series(1, 25) n;

-- Generated columns are never written; identity ALWAYS is, by overriding. NOT NULL without a default.

CREATE TABLE invoice (
    number bigint GENERATED ALWAYS AS IDENTITY (START WITH 7 INCREMENT BY 3 MINVALUE 1 MAXVALUE 99999 CACHE 5) PRIMARY KEY,
    quantity integer NOT NULL,
    price numeric(10, 2) NOT NULL,
    total numeric(14, 2) GENERATED ALWAYS AS (quantity * price) STORED,
    issued timestamp NOT NULL,
    year smallint GENERATED ALWAYS AS (date_part('year', issued)) STORED NOT NULL,
    description text NOT NULL,
    search tsvector GENERATED ALWAYS AS (to_tsvector('english', description)) STORED,
    UNIQUE (total, number)
);
CREATE INDEX invoice_search ON invoice USING gin (search);

INSERT INTO invoice (quantity, price, issued, description)
SELECT 1 + n % 9, round((1 + random() * 80)::numeric, 2), timestamp '2020-01-01' + n * interval '5 days',
       'Goods delivered on day ' || n
FROM generate_series(1, 100) n;

-- Partitions: by range two levels deep, by list with a default, by hash, by two columns, one with another column order.

CREATE TABLE measurement (
    station integer NOT NULL,
    at date NOT NULL,
    celsius real,
    PRIMARY KEY (station, at)
) PARTITION BY RANGE (at);
CREATE TABLE measurement_2021 PARTITION OF measurement FOR VALUES FROM ('2021-01-01') TO ('2022-01-01')
    PARTITION BY LIST (station);
CREATE TABLE measurement_2021_low PARTITION OF measurement_2021 FOR VALUES IN (1, 2, 3);
CREATE TABLE measurement_2021_other PARTITION OF measurement_2021 DEFAULT;
CREATE TABLE measurement_2022 (celsius real, dropped integer, at date NOT NULL, station integer NOT NULL);
ALTER TABLE measurement_2022 DROP COLUMN dropped;
ALTER TABLE measurement ATTACH PARTITION measurement_2022 FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');

CREATE TABLE ticket (
    id integer NOT NULL,
    region text,
    account_id integer NOT NULL REFERENCES account,
    severity integer NOT NULL CHECK (severity BETWEEN 1 AND 5)
) PARTITION BY LIST (region);
CREATE TABLE ticket_north PARTITION OF ticket FOR VALUES IN ('north', 'arctic');
CREATE TABLE ticket_south PARTITION OF ticket (CONSTRAINT calm CHECK (severity < 5)) FOR VALUES IN ('south');
CREATE TABLE ticket_nowhere PARTITION OF ticket FOR VALUES IN (NULL);

CREATE TABLE visit (
    id uuid NOT NULL,
    page text NOT NULL,
    PRIMARY KEY (id, page)
) PARTITION BY HASH (id);
CREATE TABLE visit_0 PARTITION OF visit FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE visit_1 PARTITION OF visit FOR VALUES WITH (MODULUS 3, REMAINDER 1);
CREATE TABLE visit_2 PARTITION OF visit FOR VALUES WITH (MODULUS 3, REMAINDER 2);

CREATE TABLE tariff (
    zone text NOT NULL,
    weight integer NOT NULL,
    price numeric(8, 2) NOT NULL
) PARTITION BY RANGE (zone, weight);
CREATE TABLE tariff_a PARTITION OF tariff FOR VALUES FROM ('A', MINVALUE) TO ('B', MINVALUE);
CREATE TABLE tariff_b_light PARTITION OF tariff FOR VALUES FROM ('B', 0) TO ('B', 1000);

CREATE TABLE archived (
    id integer NOT NULL,
    at date NOT NULL,
    account_id integer NOT NULL
) PARTITION BY RANGE (date_part('year', at));
CREATE TABLE archived_2020 PARTITION OF archived FOR VALUES FROM (2020) TO (2021);
CREATE TABLE archived_2021 PARTITION OF archived FOR VALUES FROM (2021) TO (2022);
CREATE TABLE reading (
    id integer PRIMARY KEY,
    station integer NOT NULL,
    at date NOT NULL,
    FOREIGN KEY (station, at) REFERENCES measurement
);

INSERT INTO measurement
SELECT s, date '2021-03-01' + d * 9, CASE WHEN random() < 0.9 THEN -5 + random() * 30 END
FROM generate_series(1, 6) s, generate_series(0, 60) d;
INSERT INTO ticket
SELECT n, (ARRAY['north', 'south', NULL, 'arctic', 'south'])[1 + n % 5], 1 + n % 90, 1 + n % 4
FROM generate_series(1, 140) n;
INSERT INTO visit SELECT md5('visit' || n)::uuid, '/page/' || n % 9 FROM generate_series(1, 120) n;
INSERT INTO tariff SELECT 'A', n * 50, n FROM generate_series(1, 40) n UNION ALL SELECT 'B', n * 20, n FROM generate_series(1, 40) n;
INSERT INTO archived SELECT n, date '2020-01-01' + n * 6, 1 + n % 90 FROM generate_series(0, 110) n;
INSERT INTO reading SELECT row_number() OVER (ORDER BY station, at), station, at FROM measurement WHERE station % 2 = 0;

-- On the leaves alone.
ALTER TABLE archived_2020 ADD FOREIGN KEY (account_id) REFERENCES account;
ALTER TABLE archived_2021 ADD FOREIGN KEY (account_id) REFERENCES account;
ALTER TABLE archived_2021 ADD UNIQUE (id);

-- Inheritance: a parent with rows of its own, a child of two parents, a check that children do not share.

CREATE TABLE vehicle (
    id integer PRIMARY KEY,
    wheels smallint NOT NULL,
    CONSTRAINT few_wheels CHECK (wheels BETWEEN 0 AND 18),
    CONSTRAINT plain_only CHECK (id < 100000) NO INHERIT
);
CREATE TABLE insured (policy text NOT NULL);
CREATE TABLE lorry (payload integer NOT NULL, PRIMARY KEY (id)) INHERITS (vehicle);
CREATE TABLE company_car (driver text) INHERITS (vehicle, insured);

INSERT INTO vehicle SELECT n, 4 FROM generate_series(1, 30) n;
INSERT INTO lorry SELECT 1000 + n, 6 + 2 * (n % 6), 100 * n FROM generate_series(1, 40) n;
INSERT INTO company_car SELECT 200000 + n, 4, 'P-' || n, 'Driver ' || n FROM generate_series(1, 25) n;

-- Row-level security, also for the owner.

CREATE TABLE secret (
    id integer PRIMARY KEY,
    owner name DEFAULT CURRENT_USER NOT NULL,
    content text NOT NULL
);
INSERT INTO secret SELECT n, 'owner_' || n % 3, 'content ' || n FROM generate_series(1, 40) n;
ALTER TABLE secret ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON secret USING (owner = CURRENT_USER) WITH CHECK (owner = CURRENT_USER);
CREATE POLICY no_deletes ON secret AS RESTRICTIVE FOR DELETE TO PUBLIC USING (false);

-- Triggers: a load that fired them would leave other rows than it wrote.

CREATE TABLE product (
    id serial PRIMARY KEY,
    title text NOT NULL,
    updated timestamp NOT NULL,
    words tsvector NOT NULL
);
CREATE TABLE product_log (
    id bigserial PRIMARY KEY,
    product_id integer NOT NULL,
    action text NOT NULL
);

INSERT INTO product (title, updated, words)
SELECT 'Product ' || n, timestamp '2023-01-01' + n * interval '1 hour', to_tsvector('simple', 'Product ' || n)
FROM generate_series(1, 50) n;
INSERT INTO product_log (product_id, action) SELECT 1 + n % 50, 'insert' FROM generate_series(1, 20) n;

CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN NEW.updated := timestamp '1999-12-31'; NEW.words := to_tsvector('simple', NEW.title); RETURN NEW; END $$;
CREATE FUNCTION log_product() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO constraints.product_log (product_id, action) VALUES (NEW.id, lower(TG_OP)); RETURN NULL; END $$;
CREATE FUNCTION log_all() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO constraints.product_log (product_id, action) SELECT id, 'all' FROM arrived; RETURN NULL; END $$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'this trigger must not fire'; END $$;

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON product FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE TRIGGER log AFTER INSERT ON product FOR EACH ROW WHEN (NEW.id > 0) EXECUTE FUNCTION log_product();
CREATE TRIGGER log_all AFTER INSERT ON product REFERENCING NEW TABLE AS arrived
    FOR EACH STATEMENT EXECUTE FUNCTION log_all();
CREATE TRIGGER refuse_always BEFORE INSERT ON product FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse_disabled BEFORE INSERT ON product FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse_replica BEFORE INSERT ON product FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON product DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER refuse_ticket BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION refuse();
ALTER TABLE product ENABLE ALWAYS TRIGGER refuse_always;
ALTER TABLE product DISABLE TRIGGER refuse_disabled;
ALTER TABLE product ENABLE REPLICA TRIGGER refuse_replica;
