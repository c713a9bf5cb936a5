-- Everything around tables: views, functions, rules, comments, collations, storage, statistics, sequences.

CREATE SCHEMA objects;
COMMENT ON SCHEMA objects IS 'Everything around tables';
SET LOCAL search_path = objects;

-- Functions of every language that is always there, an aggregate, a procedure, an operator, a cast.

CREATE FUNCTION add_one(integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE RETURN $1 + 1;
CREATE FUNCTION spell(VARIADIC words text[] DEFAULT '{}', OUT spelt text, OUT letters integer) LANGUAGE sql AS
$_$ SELECT array_to_string(words, '; '), length(array_to_string(words, '')) $_$;
CREATE FUNCTION "odd ""name"" of; a function"("first arg" text, b text DEFAULT 'it''s; $$ --') RETURNS SETOF text
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog COST 50 ROWS 3 AS
$body$ BEGIN RETURN QUERY SELECT "first arg" || b /* ; */; END; $body$;
CREATE PROCEDURE tidy() LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; END $$;
CREATE FUNCTION median_step(state double precision[], value double precision) RETURNS double precision[]
    LANGUAGE sql IMMUTABLE RETURN array_append(state, value);
CREATE AGGREGATE collect(double precision) (SFUNC = median_step, STYPE = double precision[], INITCOND = '{}');
CREATE TYPE ratio AS (over integer, under integer);
CREATE FUNCTION ratio_equal(ratio, ratio) RETURNS boolean LANGUAGE sql IMMUTABLE
    RETURN ($1).over * ($2).under = ($2).over * ($1).under;
CREATE OPERATOR === (LEFTARG = ratio, RIGHTARG = ratio, FUNCTION = ratio_equal, COMMUTATOR = ===);
CREATE FUNCTION to_real(ratio) RETURNS double precision LANGUAGE sql IMMUTABLE RETURN ($1).over::double precision / ($1).under;
CREATE CAST (ratio AS double precision) WITH FUNCTION to_real(ratio) AS ASSIGNMENT;
CREATE TEXT SEARCH DICTIONARY plain (TEMPLATE = pg_catalog.simple, ACCEPT = false);
CREATE TEXT SEARCH CONFIGURATION sparse (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION sparse ALTER MAPPING FOR asciiword WITH plain, simple;

-- Sequences with every option, one that counts down, one that belongs to a column, one that nothing uses.

CREATE SEQUENCE free AS smallint START 100 INCREMENT BY 7 MINVALUE 10 MAXVALUE 32000 CACHE 3 CYCLE;
CREATE SEQUENCE counting_down INCREMENT BY -5 START -1 MINVALUE -100000 MAXVALUE -1;
CREATE SEQUENCE owned AS integer START 500;
CREATE SEQUENCE shared_by_two;
COMMENT ON SEQUENCE free IS 'Nothing uses it';

-- Collations, storage, compression, statistics targets, fill factors, comments on whatever can have one.

CREATE COLLATION by_bytes FROM "C";

CREATE TABLE item (
    id integer DEFAULT nextval('owned') PRIMARY KEY,
    low integer DEFAULT nextval('counting_down') NOT NULL,
    shared bigint DEFAULT nextval('shared_by_two') NOT NULL,
    label text COLLATE by_bytes NOT NULL,
    sort_key varchar(20) COLLATE "C" UNIQUE,
    body text,
    packed bytea COMPRESSION pglz,
    ratio ratio,
    made timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
    price numeric(8, 2) DEFAULT 9.99 NOT NULL
) WITH (fillfactor = 70, autovacuum_enabled = false, toast_tuple_target = 4080);
ALTER SEQUENCE owned OWNED BY item.id;
ALTER TABLE item ALTER COLUMN body SET STORAGE EXTERNAL, ALTER COLUMN label SET STATISTICS 500, ALTER COLUMN price SET (n_distinct = -0.5);
CREATE TABLE item_note (
    id bigint DEFAULT nextval('shared_by_two') PRIMARY KEY,
    item_id integer NOT NULL REFERENCES item,
    note text NOT NULL
);
CREATE UNLOGGED TABLE scratch (id integer PRIMARY KEY, value text);
CREATE TYPE pair AS (one integer, two text);
CREATE TABLE typed OF pair (PRIMARY KEY (one), two WITH OPTIONS NOT NULL);
CREATE TABLE replicated (id integer PRIMARY KEY, code text NOT NULL, CONSTRAINT replicated_code UNIQUE (code));

COMMENT ON TABLE item IS 'What there is; with ''quotes'', "more" and a line
break';
COMMENT ON COLUMN item.label IS 'What it''s called: 100 % of it';
COMMENT ON CONSTRAINT item_pkey ON item IS 'The key';
COMMENT ON FUNCTION add_one(integer) IS 'One more';
COMMENT ON TYPE ratio IS 'Two numbers';
COMMENT ON COLLATION by_bytes IS 'As the computer sees it';

INSERT INTO item (label, sort_key, body, packed, ratio, made, price)
SELECT 'Item ' || n % 40, CASE WHEN n % 4 > 0 THEN 'Sort ' || n END, repeat('body ', n), decode(repeat(md5(n::text), 3), 'hex'),
       CASE WHEN n % 2 = 0 THEN ROW(n, 1 + n % 3)::ratio END, timestamptz '2023-06-01 00:00+00' + n * interval '1 day',
       round((random() * 100)::numeric, 2)
FROM generate_series(1, 100) n;
INSERT INTO item_note (item_id, note) SELECT 500 + floor(random() * 100)::int, 'note ' || n FROM generate_series(1, 130) n;
INSERT INTO scratch SELECT n, 'scratch ' || n FROM generate_series(1, 20) n;
INSERT INTO typed SELECT n, 'two ' || n FROM generate_series(1, 30) n;
INSERT INTO replicated SELECT n, 'C' || 100 + n FROM generate_series(1, 30) n;

-- Indexes of every method, statistics objects, a replica identity, a clustering.

CREATE INDEX item_label_hash ON item USING hash (label);
CREATE INDEX item_made_brin ON item USING brin (made) WITH (pages_per_range = 16);
CREATE INDEX item_words ON item USING gin (to_tsvector('simple', label));
CREATE INDEX item_cheap ON item (price DESC NULLS LAST, lower(label) COLLATE "C" text_pattern_ops) INCLUDE (made) WHERE price < 50;
CREATE STATISTICS item_depends (dependencies, ndistinct) ON low, price FROM item;
CREATE STATISTICS item_common (mcv) ON label, price FROM item;
CREATE STATISTICS item_lower ON lower(label) FROM item;
ALTER STATISTICS item_common SET STATISTICS 200;
COMMENT ON STATISTICS item_common IS 'Which labels cost what';
COMMENT ON INDEX item_cheap IS 'Bargains';
ALTER TABLE replicated REPLICA IDENTITY USING INDEX replicated_code;
ALTER TABLE scratch REPLICA IDENTITY FULL;
ALTER TABLE item CLUSTER ON item_pkey;

-- Views: on views, updatable with a check, with a barrier, recursive, with a rule, with a trigger; materialized, on one
-- another, filled and not.

CREATE VIEW cheap AS SELECT id, label, price FROM item WHERE price < 20 WITH LOCAL CHECK OPTION;
CREATE VIEW cheapest WITH (security_barrier) AS SELECT * FROM cheap WHERE price < 5 WITH CASCADED CHECK OPTION;
CREATE VIEW noted WITH (security_invoker = true) AS
    SELECT i.*, n.note AS "the note" FROM item i LEFT JOIN item_note n ON n.item_id = i.id;
CREATE RECURSIVE VIEW countdown (n) AS SELECT 10 UNION ALL SELECT n - 1 FROM countdown WHERE n > 0;
CREATE MATERIALIZED VIEW per_label AS SELECT label, count(*) AS items, sum(price) AS total FROM item GROUP BY label;
CREATE UNIQUE INDEX per_label_label ON per_label (label);
CREATE MATERIALIZED VIEW top_labels AS SELECT label FROM per_label WHERE items > 1;
CREATE MATERIALIZED VIEW never_filled AS SELECT count(*) AS notes FROM item_note WITH NO DATA;
CREATE RULE no_updates AS ON UPDATE TO typed WHERE NEW.one < 0 DO INSTEAD NOTHING;
CREATE RULE noted_insert AS ON INSERT TO noted DO INSTEAD INSERT INTO objects.item_note (item_id, note) VALUES (NEW.id, NEW."the note");
COMMENT ON VIEW cheap IS 'Under twenty';
COMMENT ON MATERIALIZED VIEW per_label IS 'Refreshed at night';
COMMENT ON RULE no_updates ON typed IS 'Below zero nothing changes';

CREATE FUNCTION cheap_insert() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO objects.item (label, price) VALUES (NEW.label, NEW.price); RETURN NEW; END $$;
CREATE VIEW insertable AS SELECT label, price FROM item;
CREATE TRIGGER insert_instead INSTEAD OF INSERT ON insertable FOR EACH ROW EXECUTE FUNCTION cheap_insert();
COMMENT ON TRIGGER insert_instead ON insertable IS 'Into the table below';
