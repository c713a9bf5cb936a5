-- Text that compares without case, as a key and under a foreign key.

CREATE EXTENSION citext;
CREATE SCHEMA with_citext;
CREATE TABLE with_citext.member (email citext PRIMARY KEY, nickname citext UNIQUE, note text);
CREATE TABLE with_citext.vote (id serial PRIMARY KEY, email citext NOT NULL REFERENCES with_citext.member, yes boolean NOT NULL);
INSERT INTO with_citext.member SELECT 'Member' || n || '@Sink.example', CASE WHEN n % 3 > 0 THEN 'Nick' || n END, 'note' FROM generate_series(1, 40) n;
INSERT INTO with_citext.vote (email, yes) SELECT upper('Member' || 1 + n % 40 || '@Sink.example'), n % 3 > 0 FROM generate_series(1, 70) n;
