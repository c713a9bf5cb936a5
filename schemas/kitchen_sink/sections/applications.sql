-- What web applications and their frameworks build: rules that are no foreign keys, keys that partitions ask for.

CREATE SCHEMA applications;
SET LOCAL search_path = applications;

-- One route for every row of two tables: each pair once, and all of them taken.

CREATE TABLE namespace (
    id bigserial PRIMARY KEY,
    parent_id bigint REFERENCES namespace ON DELETE SET NULL,
    path varchar(80) NOT NULL,
    kind varchar(10) DEFAULT 'user' NOT NULL CHECK (kind IN ('user', 'group'))
);
CREATE UNIQUE INDEX namespace_path ON namespace (lower(path)) WHERE parent_id IS NULL;
CREATE TABLE project (
    id bigserial PRIMARY KEY,
    namespace_id bigint NOT NULL REFERENCES namespace,
    title varchar NOT NULL CHECK (char_length(title) <= 60),
    state varchar(20) DEFAULT 'open' NOT NULL,
    CONSTRAINT known_state CHECK (state IN ('open', 'closed', 'it''s on "hold"')),
    CONSTRAINT no_draft CHECK (state NOT IN ('draft', 'gone'))
);
CREATE TABLE route (
    id bigserial PRIMARY KEY,
    source_type varchar NOT NULL,
    source_id bigint NOT NULL,
    path varchar NOT NULL UNIQUE,
    UNIQUE (source_type, source_id)
);

INSERT INTO namespace (parent_id, path, kind)
SELECT CASE WHEN n > 8 THEN 1 + n % 8 END, 'group-' || n, CASE WHEN n % 3 = 0 THEN 'user' ELSE 'group' END
FROM generate_series(1, 30) n;
INSERT INTO project (namespace_id, title, state)
SELECT 1 + floor(power(random(), 2) * 30)::int, 'Project ' || n, (ARRAY['open', 'open', 'closed', 'it''s on "hold"'])[1 + n % 4]
FROM generate_series(1, 80) n;
INSERT INTO route (source_type, source_id, path) SELECT 'Namespace', id, 'n/' || path FROM namespace;
INSERT INTO route (source_type, source_id, path) SELECT 'Project', id, 'p/' || id FROM project;

-- Owned by a project or by a group, never by both; titles unique per owner, of each kind in an index of its own.

CREATE TABLE milestone (
    id bigserial PRIMARY KEY,
    project_id bigint REFERENCES project,
    namespace_id bigint REFERENCES namespace,
    number integer,
    title varchar NOT NULL,
    starts date,
    ends date,
    CONSTRAINT one_owner CHECK (num_nonnulls(project_id, namespace_id) = 1),
    CONSTRAINT in_order CHECK (starts IS NULL OR ends IS NULL OR starts <= ends)
);
CREATE UNIQUE INDEX ON milestone (project_id, number);
CREATE UNIQUE INDEX milestone_of_group ON milestone (namespace_id, title) WHERE namespace_id IS NOT NULL;
CREATE UNIQUE INDEX milestone_in_state ON milestone (title, project_id) WHERE title IN ('v1', 'v2');

INSERT INTO milestone (project_id, number, title, starts, ends)
SELECT p, n, 'v' || n, CASE WHEN n = 2 THEN date '2023-01-01' + p END, CASE WHEN p % 2 = 0 THEN date '2023-02-01' + p + n END
FROM generate_series(1, 40) p, generate_series(1, 3) n;
INSERT INTO milestone (namespace_id, title) SELECT g, 'g' || n FROM generate_series(1, 30) g, generate_series(1, 2) n;

-- External names: unique within their module, of which there is one.

CREATE TABLE external_name (
    id serial PRIMARY KEY,
    module varchar NOT NULL,
    name varchar NOT NULL CHECK (name NOT LIKE '% %'),
    model varchar NOT NULL,
    row_id integer
);
CREATE UNIQUE INDEX ON external_name (module, name);

INSERT INTO external_name (module, name, model, row_id)
SELECT 'base', 'rec_' || n, (ARRAY['partner', 'user', 'group'])[1 + n % 3], 1 + n % 12 FROM generate_series(1, 120) n;

-- Partitions that the primary key names for their sake: a sequence numbers the rows of all of them.

CREATE TABLE job (
    id bigserial NOT NULL,
    "partition" bigint DEFAULT 1 NOT NULL,
    payload jsonb NOT NULL,
    status smallint DEFAULT 1 NOT NULL,
    PRIMARY KEY ("partition", id)
) PARTITION BY LIST ("partition");
CREATE TABLE job_1 PARTITION OF job FOR VALUES IN (1);
CREATE TABLE pipeline (
    id bigint NOT NULL,
    partition_id bigint NOT NULL,
    number integer,
    sha bytea NOT NULL CHECK (octet_length(sha) = 20),
    PRIMARY KEY (id, partition_id)
) PARTITION BY LIST (partition_id);
CREATE SEQUENCE pipeline_id_seq OWNED BY pipeline.id;
ALTER TABLE pipeline ALTER id SET DEFAULT nextval('pipeline_id_seq');
CREATE TABLE pipeline_100 PARTITION OF pipeline FOR VALUES IN (100, 101);
CREATE TABLE pipeline_102 PARTITION OF pipeline FOR VALUES IN (102);
CREATE UNIQUE INDEX ON pipeline (number, partition_id) WHERE number IS NOT NULL;
CREATE TABLE build (
    id bigserial NOT NULL,
    partition_id bigint NOT NULL,
    pipeline_id bigint NOT NULL,
    caused_by bigint,
    caused_in bigint,
    token varchar CHECK (char_length(token) <= 40),
    PRIMARY KEY (id, partition_id),
    FOREIGN KEY (pipeline_id, partition_id) REFERENCES pipeline ON DELETE CASCADE,
    FOREIGN KEY (caused_by, caused_in) REFERENCES pipeline ON DELETE SET NULL
) PARTITION BY LIST (partition_id);
CREATE TABLE build_100 PARTITION OF build FOR VALUES IN (100, 101);
CREATE TABLE build_102 PARTITION OF build FOR VALUES IN (102);
CREATE UNIQUE INDEX ON build (token, partition_id) WHERE token IS NOT NULL;

INSERT INTO job (payload) SELECT jsonb_build_object('row', n, 'table', 'project') FROM generate_series(1, 40) n;
INSERT INTO pipeline (partition_id, number, sha)
SELECT 100 + n % 3, CASE WHEN n % 4 > 0 THEN n END, decode(md5('sha' || n) || '00112233', 'hex') FROM generate_series(1, 90) n;
INSERT INTO build (partition_id, pipeline_id, caused_by, caused_in, token)
SELECT partition_id, p.id, CASE WHEN p.id % 5 = 0 THEN p.id END, CASE WHEN p.id % 5 = 0 THEN partition_id END,
       CASE WHEN n = 1 THEN md5(p.id::text) END
FROM pipeline p, generate_series(1, 3) n WHERE n <= 1 + p.id % 3;

-- Two references to one table: noted in one order only, never to the same row, within one tenant.

CREATE TABLE member (id integer PRIMARY KEY, nickname text NOT NULL);
CREATE TABLE friendship (
    one_id integer NOT NULL REFERENCES member,
    other_id integer NOT NULL REFERENCES member,
    PRIMARY KEY (one_id, other_id),
    CONSTRAINT noted_once CHECK (one_id < other_id)
);
CREATE TABLE document (tenant text NOT NULL, id integer NOT NULL, body text, PRIMARY KEY (tenant, id));
CREATE TABLE citation (
    tenant text NOT NULL,
    citing_id integer NOT NULL,
    cited_id integer NOT NULL,
    PRIMARY KEY (tenant, citing_id, cited_id),
    FOREIGN KEY (tenant, citing_id) REFERENCES document,
    FOREIGN KEY (tenant, cited_id) REFERENCES document,
    CONSTRAINT another CHECK (citing_id <> cited_id)
);

INSERT INTO member SELECT n, 'nick' || n FROM generate_series(1, 40) n;
INSERT INTO friendship
SELECT DISTINCT least(a, b), greatest(a, b)
FROM (SELECT 1 + n % 40 AS a, 1 + n * 7 % 40 AS b FROM generate_series(1, 150) n) pairs WHERE a <> b;
INSERT INTO document SELECT chr(97 + n % 3), n / 3, 'body ' || n FROM generate_series(0, 149) n;
INSERT INTO citation SELECT tenant, id, (id + 1 + id % 4) % 50 FROM document;

-- Codes of the same few shapes in every company: more of them than there are codes to go round.

CREATE TABLE company (code char(3) PRIMARY KEY, name varchar(40) NOT NULL);
CREATE TABLE item (
    company char(3) NOT NULL REFERENCES company,
    code varchar(15) NOT NULL,
    uom char(2) NOT NULL,
    PRIMARY KEY (company, code)
);

INSERT INTO company VALUES ('001', 'One'), ('002', 'Two'), ('010', 'Ten');
INSERT INTO item SELECT c.code, 'ITEM-' || n, 'EA' FROM company c, generate_series(1, 40) n;

-- Versions of a row: without an overlap, without an end for the last one, keyed by where they begin.

CREATE TABLE version (
    id bigserial PRIMARY KEY,
    natural_key text NOT NULL,
    label text,
    valid_from timestamp NOT NULL,
    valid_to timestamp DEFAULT 'infinity' NOT NULL,
    is_current boolean DEFAULT true NOT NULL,
    CONSTRAINT forwards CHECK (valid_from < valid_to)
);
CREATE UNIQUE INDEX one_current ON version (natural_key) WHERE is_current;

INSERT INTO version (natural_key, label, valid_from, valid_to, is_current)
SELECT 'K' || k, 'label ' || k % 9, timestamp '2020-01-01' + n * interval '100 days',
       CASE WHEN n = k % 3 THEN 'infinity' ELSE timestamp '2020-01-01' + (n + 1) * interval '100 days' END, n = k % 3
FROM generate_series(1, 60) k, generate_series(0, 2) n WHERE n <= k % 3;
