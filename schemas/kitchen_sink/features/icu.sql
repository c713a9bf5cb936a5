-- Collations under which different strings are equal. Needs a server that was built with ICU.

CREATE SCHEMA with_icu;
CREATE COLLATION with_icu.without_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION with_icu.numbers (provider = icu, locale = 'en-u-kn-true');
CREATE DOMAIN with_icu.label AS text COLLATE with_icu.numbers;
CREATE TABLE with_icu.word (
    word text COLLATE with_icu.without_case PRIMARY KEY,
    label with_icu.label NOT NULL
);
CREATE TABLE with_icu.usage (
    id integer PRIMARY KEY,
    word text COLLATE with_icu.without_case NOT NULL REFERENCES with_icu.word
);
INSERT INTO with_icu.word SELECT 'Word' || n, 'label ' || n % 12 FROM generate_series(1, 40) n;
INSERT INTO with_icu.usage SELECT n, 'wORD' || 1 + n % 40 FROM generate_series(1, 60) n;
