-- What SQLite databases are made of: every kind of key, table and column that it has, and values that no declaration
-- promises.

CREATE TABLE studio (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    founded DATE,
    "home page" VARCHAR(80)
);

CREATE TABLE film (
    id INTEGER PRIMARY KEY,
    studio_id INTEGER NOT NULL REFERENCES studio DEFERRABLE INITIALLY DEFERRED,
    sequel_of INTEGER REFERENCES film (id) ON DELETE SET NULL,
    title TEXT NOT NULL, -- (no comma, no parenthesis is missing here
    rating TEXT CHECK (rating IN ('G', 'PG', 'R')),
    minutes INT CONSTRAINT "has a length" CHECK (minutes > 0 AND minutes < 600),
    budget NUMERIC(12, 2),
    score REAL,
    released DATETIME,
    starts TIME,
    in_colour BOOLEAN NOT NULL DEFAULT 1,
    poster BLOB,
    extras JSON,
    hours REAL GENERATED ALWAYS AS (minutes / 60.0) VIRTUAL,
    slug TEXT AS (lower(title)) STORED,
    CHECK (budget IS NULL OR budget >= 0)
);

CREATE TABLE person (
    code TEXT PRIMARY KEY NOT NULL,
    email TEXT,
    born TEXT,
    height REAL
) STRICT;

CREATE TABLE casting (
    film_id INTEGER NOT NULL REFERENCES film,
    person_code TEXT NOT NULL REFERENCES person (code),
    part TEXT,
    place INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (film_id, person_code)
) WITHOUT ROWID;

CREATE TABLE line (
    film_id INTEGER NOT NULL,
    person_code TEXT NOT NULL,
    number INTEGER NOT NULL,
    words TEXT,
    PRIMARY KEY (film_id, person_code, number),
    FOREIGN KEY (film_id, person_code) REFERENCES Casting (FILM_ID, Person_Code)
);

-- Each needs the other.
CREATE TABLE office (id INTEGER PRIMARY KEY, manager_id INTEGER NOT NULL REFERENCES manager (id), city TEXT);
CREATE TABLE manager (id INTEGER PRIMARY KEY, office_id INTEGER NOT NULL REFERENCES office (id), name TEXT);

-- What is declared is not what is stored.
CREATE TABLE "order" (
    id INTEGER PRIMARY KEY,
    placed DATETIME NOT NULL,
    "2019" BIGINT,
    anything,
    amount MONEY,
    "quoted ""name""" TEXT
);

CREATE TABLE never_used (id INTEGER PRIMARY KEY, film_id INTEGER NOT NULL REFERENCES film);
CREATE TABLE [no key] (note TEXT, film_id INTEGER REFERENCES film);

CREATE UNIQUE INDEX one_title_per_studio ON film (studio_id, lower(title));
CREATE UNIQUE INDEX email_of_those_who_have_one ON person (email) WHERE email IS NOT NULL AND email <> '';
CREATE INDEX film_by_release ON film (released DESC);

CREATE VIEW long_film AS SELECT id, title FROM film WHERE minutes > 120;
CREATE TRIGGER studio_is_shouted AFTER INSERT ON studio BEGIN
    UPDATE studio SET "home page" = 'https://' || lower(NEW.name) || ';' WHERE id = NEW.id;
    INSERT INTO [no key] (note) VALUES ('a trigger was here; ' || NEW.name);
END;
