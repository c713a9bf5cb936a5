-- Keys of every shape: our own tables and rows. The rows follow rules that the clone has to follow, too.
SELECT setseed(0.4);

-- Tenants: overlapping composite foreign keys, three of them, and nullable ones
CREATE TABLE tenant (tenant_id int PRIMARY KEY, plan text NOT NULL);
INSERT INTO tenant SELECT n, (ARRAY['free', 'paid'])[1 + n % 2] FROM generate_series(1, 12) n;
CREATE TABLE member (tenant_id int REFERENCES tenant, user_id int, age int, PRIMARY KEY (tenant_id, user_id));
INSERT INTO member SELECT t, u, 20 + (random() * 40)::int FROM generate_series(1, 12) t, generate_series(1, 4 + t) u;
CREATE TABLE project (tenant_id int REFERENCES tenant, project_id int, PRIMARY KEY (tenant_id, project_id));
INSERT INTO project SELECT t, p FROM generate_series(1, 12) t, generate_series(1, 2 + t % 3) p;
CREATE TABLE milestone (tenant_id int, project_id int, milestone_id int, PRIMARY KEY (tenant_id, project_id, milestone_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES project);
INSERT INTO milestone SELECT tenant_id, project_id, m FROM project, generate_series(1, 2) m WHERE (tenant_id + project_id) % 3 > 0;
CREATE TABLE task (id serial PRIMARY KEY, tenant_id int NOT NULL, author_id int NOT NULL, project_id int NOT NULL,
    checker_id int, milestone_id int, hours numeric(6,2),
    FOREIGN KEY (tenant_id, author_id) REFERENCES member (tenant_id, user_id),
    FOREIGN KEY (tenant_id, project_id) REFERENCES project,
    FOREIGN KEY (tenant_id, checker_id) REFERENCES member (tenant_id, user_id),
    FOREIGN KEY (tenant_id, project_id, milestone_id) REFERENCES milestone);
INSERT INTO task (tenant_id, author_id, project_id, checker_id, milestone_id, hours)
SELECT t, 1 + (random() * (3 + t))::int, p, CASE WHEN random() < 0.6 THEN 1 + (random() * (3 + t))::int END,
    (SELECT min(milestone_id) FROM milestone m WHERE (m.tenant_id, m.project_id) = (t, p) AND n % 3 = 0), random() * 10
FROM (SELECT n, 1 + n % 12 AS t, 1 + (n / 12) % (2 + (1 + n % 12) % 3) AS p FROM generate_series(1, 400) n) s;
CREATE TABLE assignment (tenant_id int, user_id int, project_id int, PRIMARY KEY (tenant_id, user_id, project_id),
    FOREIGN KEY (tenant_id, user_id) REFERENCES member, FOREIGN KEY (tenant_id, project_id) REFERENCES project);
INSERT INTO assignment SELECT tenant_id, user_id, project_id FROM member JOIN project USING (tenant_id);

-- A unique key that is not the primary key, and one that may be NULL
CREATE TABLE country (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code char(2) UNIQUE, dial int UNIQUE);
INSERT INTO country (code, dial) SELECT chr(65 + n / 26) || chr(65 + n % 26), CASE WHEN n % 3 > 0 THEN 100 + n END
FROM generate_series(0, 59) n;
CREATE TABLE phone (id int PRIMARY KEY, country char(2) NOT NULL REFERENCES country (code),
    dial int NOT NULL REFERENCES country (dial), backup int REFERENCES country (dial));
INSERT INTO phone SELECT n, (SELECT code FROM country ORDER BY code OFFSET n % 60 LIMIT 1),
    (SELECT dial FROM country WHERE dial IS NOT NULL ORDER BY dial OFFSET n % 40 LIMIT 1),
    CASE WHEN n % 4 = 0 THEN (SELECT min(dial) FROM country) END FROM generate_series(1, 300) n;

-- Inheritance by keys: four levels, and a row of two parents at once
CREATE TABLE party (id bigserial PRIMARY KEY, since date);
INSERT INTO party (since) SELECT date '2000-01-01' + n FROM generate_series(1, 300) n;
CREATE TABLE person (id bigint PRIMARY KEY REFERENCES party, born int);
INSERT INTO person SELECT id, 1950 + (id % 50) FROM party WHERE id % 3 > 0;
CREATE TABLE student (id bigint PRIMARY KEY REFERENCES person, term int);
INSERT INTO student SELECT id, id % 9 FROM person WHERE id % 2 = 0;
CREATE TABLE worker (id bigint PRIMARY KEY REFERENCES person, pay int);
INSERT INTO worker SELECT id, 1000 + id FROM person WHERE id % 4 <> 1;
CREATE TABLE working_student (id bigint PRIMARY KEY REFERENCES student REFERENCES worker, hours int);
INSERT INTO working_student SELECT id, id % 20 FROM student JOIN worker USING (id);
CREATE TABLE left_side (id uuid PRIMARY KEY, a int);
CREATE TABLE right_side (id uuid PRIMARY KEY, b int);
CREATE TABLE both_sides (id uuid PRIMARY KEY REFERENCES left_side REFERENCES right_side);
INSERT INTO left_side SELECT gen_random_uuid(), n FROM generate_series(1, 60) n;
INSERT INTO right_side SELECT id, a FROM left_side WHERE a <= 50;
INSERT INTO both_sides SELECT id FROM right_side WHERE b <= 30;

-- Several foreign keys to one parent; unique over the pair, never to itself
CREATE TABLE stop (id int PRIMARY KEY, name text);
INSERT INTO stop SELECT n, 'stop ' || n FROM generate_series(1, 40) n;
CREATE TABLE leg (from_id int REFERENCES stop, to_id int REFERENCES stop, via_id int REFERENCES stop, km int,
    PRIMARY KEY (from_id, to_id), CHECK (from_id <> to_id));
INSERT INTO leg SELECT a, b, CASE WHEN (a + b) % 2 = 0 THEN a END, abs(a - b)
FROM generate_series(1, 40) a, generate_series(1, 40) b WHERE a <> b AND (a * b) % 5 < 2;

-- MATCH FULL
CREATE TABLE seat (hall int, number int, PRIMARY KEY (hall, number));
INSERT INTO seat SELECT h, s FROM generate_series(1, 5) h, generate_series(1, 20) s;
CREATE TABLE ticket (id int PRIMARY KEY, hall int, number int, sold date,
    FOREIGN KEY (hall, number) REFERENCES seat MATCH FULL);
INSERT INTO ticket SELECT n, CASE WHEN n % 4 > 0 THEN 1 + n % 5 END, CASE WHEN n % 4 > 0 THEN 1 + n % 20 END,
    CASE WHEN n % 4 > 0 THEN date '2024-01-01' + n END FROM generate_series(1, 300) n;

-- Trees: by NULL, by rows that refer to themselves, within a tenant, chains, pairs
CREATE TABLE folder (id int PRIMARY KEY, parent_id int REFERENCES folder, kind text);
INSERT INTO folder SELECT n, CASE WHEN n > 8 THEN CASE WHEN n <= 60 THEN 1 + n % 8 ELSE 9 + n % 52 END END,
    CASE WHEN n <= 8 THEN 'root' WHEN n <= 60 THEN 'section' ELSE 'file' END FROM generate_series(1, 400) n;
CREATE TABLE category (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES category);
INSERT INTO category SELECT n, CASE WHEN n <= 5 THEN n WHEN n <= 40 THEN 1 + n % 5 ELSE 6 + n % 35 END FROM generate_series(1, 200) n;
CREATE TABLE comment (tenant_id int REFERENCES tenant, id int, answers int, PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, answers) REFERENCES comment);
INSERT INTO comment SELECT t, n, CASE WHEN n > 3 THEN n / 3 END FROM generate_series(1, 12) t, generate_series(1, 25) n;
CREATE TABLE version (id int PRIMARY KEY, follows int UNIQUE REFERENCES version);
INSERT INTO version SELECT n, CASE WHEN n % 10 > 0 THEN n - 1 END FROM generate_series(10, 209) n;
CREATE TABLE spouse (id int PRIMARY KEY, partner int UNIQUE REFERENCES spouse DEFERRABLE INITIALLY DEFERRED);
INSERT INTO spouse SELECT n, CASE WHEN n <= 120 THEN n + 2 * (n % 2) - 1 END FROM generate_series(1, 150) n;

-- Circles: NOT NULL both ways; nullable; of four tables; and keys that name each other
CREATE TABLE shop (id int PRIMARY KEY, manager int NOT NULL UNIQUE);
CREATE TABLE clerk (id int PRIMARY KEY, shop int NOT NULL REFERENCES shop);
INSERT INTO shop SELECT n, n * 10 FROM generate_series(1, 15) n;
INSERT INTO clerk SELECT n, 1 + (n / 10) % 15 FROM generate_series(1, 159) n;
ALTER TABLE shop ADD FOREIGN KEY (manager) REFERENCES clerk;
CREATE TABLE ring_a (id int PRIMARY KEY, next int NOT NULL);
CREATE TABLE ring_b (id int PRIMARY KEY, next int NOT NULL REFERENCES ring_a);
CREATE TABLE ring_c (id int PRIMARY KEY, next int NOT NULL REFERENCES ring_b DEFERRABLE);
CREATE TABLE ring_d (id int PRIMARY KEY, next int REFERENCES ring_c);
INSERT INTO ring_a SELECT n, n FROM generate_series(1, 50) n;
INSERT INTO ring_b SELECT n, n FROM generate_series(1, 50) n;
INSERT INTO ring_c SELECT n, 51 - n FROM generate_series(1, 50) n;
INSERT INTO ring_d SELECT n, CASE WHEN n % 5 > 0 THEN n END FROM generate_series(1, 50) n;
ALTER TABLE ring_a ADD FOREIGN KEY (next) REFERENCES ring_d;
CREATE TABLE buyer (id int PRIMARY KEY, last_order int);
CREATE TABLE purchase (buyer int REFERENCES buyer, number int, total numeric(8,2), PRIMARY KEY (buyer, number));
INSERT INTO buyer SELECT n, CASE WHEN n % 4 > 0 THEN n % 4 END FROM generate_series(1, 80) n;
INSERT INTO purchase SELECT b, n, random() * 100 FROM generate_series(1, 80) b, generate_series(1, b % 4) n;
ALTER TABLE buyer ADD FOREIGN KEY (id, last_order) REFERENCES purchase;
CREATE TABLE head (id int PRIMARY KEY, weight int);
CREATE TABLE tail (id int PRIMARY KEY REFERENCES head, length int);
INSERT INTO head SELECT n, n % 7 FROM generate_series(1, 40) n;
INSERT INTO tail SELECT n, n % 5 FROM generate_series(1, 40) n;
ALTER TABLE head ADD FOREIGN KEY (id) REFERENCES tail;

-- Pairs of a table of pairs: every combination, nearly every one, of three tables
CREATE TABLE week (id int PRIMARY KEY, starts date);
INSERT INTO week SELECT n, date '2024-01-01' + 7 * n FROM generate_series(1, 13) n;
CREATE TABLE stop_week (stop int REFERENCES stop, week int REFERENCES week, riders int, PRIMARY KEY (stop, week));
INSERT INTO stop_week SELECT s, w, (random() * 100)::int FROM generate_series(1, 40) s, generate_series(1, 13) w;
CREATE TABLE offer (stop int REFERENCES stop, week int REFERENCES week, fare text, price int, UNIQUE (stop, week, fare));
INSERT INTO offer SELECT s, w, f, 10 * w FROM generate_series(1, 40) s, generate_series(1, 13) w,
    unnest(ARRAY['adult', 'child']) f WHERE s % 2 = 0 OR (s + w) % 5 > 0;

-- NULL where something else says so; one of three
CREATE TABLE job (id int PRIMARY KEY, state text NOT NULL, done_by int REFERENCES clerk, tags int REFERENCES week,
    CHECK ((state = 'done') = (done_by IS NOT NULL)));
INSERT INTO job SELECT n, CASE WHEN n % 5 < 2 THEN 'done' WHEN n % 5 = 2 THEN 'late' ELSE 'open' END,
    CASE WHEN n % 5 < 2 THEN 1 + n % 159 END, CASE WHEN n % 10 = 0 THEN 1 + n % 13 END FROM generate_series(1, 500) n;
CREATE TABLE attachment (id int PRIMARY KEY, on_job int REFERENCES job, on_task int REFERENCES task, on_stop int REFERENCES stop,
    CHECK (num_nonnulls(on_job, on_task, on_stop) = 1));
INSERT INTO attachment SELECT n, CASE WHEN n % 3 = 0 THEN 1 + n % 500 END, CASE WHEN n % 3 = 1 THEN 1 + n % 400 END,
    CASE WHEN n % 3 = 2 THEN 1 + n % 40 END FROM generate_series(1, 300) n;

-- Keys of text and UUIDs, numbers within a parent, at the type's edge
CREATE TABLE airline (code char(5) PRIMARY KEY, name text);
INSERT INTO airline SELECT chr(65 + n % 26) || chr(65 + n / 26) || 'X' || lpad(n::text, 2, '0'), 'airline' FROM generate_series(0, 69) n;
CREATE TABLE flight (airline char(5) REFERENCES airline, number int, hours int, PRIMARY KEY (airline, number));
INSERT INTO flight SELECT code, n, n % 10 FROM airline, generate_series(100, 104) n;
CREATE TABLE event (id uuid PRIMARY KEY, kind text);
INSERT INTO event SELECT (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 5, 15))::uuid, 'k'
FROM generate_series(1, 200) n;
CREATE TABLE event_line (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), event uuid NOT NULL REFERENCES event, line smallint NOT NULL,
    note text, UNIQUE (event, line));
INSERT INTO event_line (event, line) SELECT e.id, l FROM (SELECT id, row_number() OVER () AS n FROM event) e, generate_series(1, 1 + (n % 4)::int) l;
CREATE TABLE crew (clerk int PRIMARY KEY REFERENCES clerk, airline char(5) NOT NULL REFERENCES airline, place int NOT NULL, UNIQUE (airline, place));
INSERT INTO crew SELECT n, (SELECT code FROM airline ORDER BY code OFFSET (n - 1) % 30 LIMIT 1), 10 * ((n - 1) / 30) FROM generate_series(1, 150) n;
CREATE TABLE flight_leg (airline char(5), number int, place int, km int, PRIMARY KEY (airline, number, place),
    FOREIGN KEY (airline, number) REFERENCES flight);
INSERT INTO flight_leg SELECT airline, number, p, p * 10 FROM flight, generate_series(0, number % 3) p;
CREATE TABLE edge (id smallint PRIMARY KEY, a int);
INSERT INTO edge SELECT 32767 - n, n FROM generate_series(0, 500) n;

-- Odd tables
CREATE TABLE log (at timestamp, clerk int REFERENCES clerk, what text);
INSERT INTO log SELECT timestamp '2024-01-01' + (n / 3) * interval '1 minute', 1 + (n / 3) % 159, 'w' || (n / 3) % 2 FROM generate_series(1, 300) n;
CREATE TABLE only_keys (stop int REFERENCES stop, week int REFERENCES week, PRIMARY KEY (stop, week));
INSERT INTO only_keys SELECT s, 1 + s % 13 FROM generate_series(1, 40) s;
CREATE TABLE one_column (word text);
INSERT INTO one_column SELECT (ARRAY['yes', 'no'])[1 + n % 2] FROM generate_series(1, 50) n;
CREATE TABLE one_row (id int PRIMARY KEY, version text, stop int REFERENCES stop);
INSERT INTO one_row VALUES (1, 'v1', 3);
CREATE TABLE empty (id int PRIMARY KEY, stop int NOT NULL REFERENCES stop, other int REFERENCES empty);
CREATE TABLE of_empty (id int PRIMARY KEY, empty int REFERENCES empty);
INSERT INTO of_empty SELECT n FROM generate_series(1, 10) n;
CREATE SCHEMA other;
CREATE TABLE other.depot (id int PRIMARY KEY, stop int NOT NULL REFERENCES public.stop,
    CONSTRAINT again FOREIGN KEY (stop) REFERENCES public.stop);
INSERT INTO other.depot SELECT n, 1 + n % 40 FROM generate_series(1, 60) n;
CREATE TABLE bus (id int PRIMARY KEY, depot int NOT NULL REFERENCES other.depot, stop int NOT NULL);
INSERT INTO bus SELECT n, 1 + n % 60, 1 + (1 + n % 60) % 40 FROM generate_series(1, 100) n;
ALTER TABLE other.depot ADD UNIQUE (id, stop);
ALTER TABLE bus ADD FOREIGN KEY (depot, stop) REFERENCES other.depot (id, stop), ADD FOREIGN KEY (stop) REFERENCES stop;
CREATE TABLE ride (id int, week int, bus int, PRIMARY KEY (id, week)) PARTITION BY RANGE (week);
CREATE TABLE ride_early PARTITION OF ride FOR VALUES FROM (1) TO (7);
CREATE TABLE ride_late PARTITION OF ride FOR VALUES FROM (7) TO (14);
ALTER TABLE ride_early ADD FOREIGN KEY (bus) REFERENCES bus, ADD FOREIGN KEY (week) REFERENCES week;
ALTER TABLE ride_late ADD FOREIGN KEY (bus) REFERENCES bus, ADD FOREIGN KEY (week) REFERENCES week;
INSERT INTO ride SELECT n, 1 + n % 13, 1 + n % 100 FROM generate_series(1, 200) n;

-- A polymorphic pair
CREATE TABLE remark (id int PRIMARY KEY, subject_type text NOT NULL, subject_id int NOT NULL, words text);
INSERT INTO remark SELECT n, CASE WHEN n % 3 = 0 THEN 'Task' ELSE 'Stop' END,
    CASE WHEN n % 3 = 0 THEN 1 + n % 400 ELSE 1 + n % 40 END, 'fine' FROM generate_series(1, 240) n;
