-- Rows from arithmetic: the same ones each time.

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 12)
INSERT INTO studio (name, founded) SELECT 'Studio ' || char(64 + i), date('1950-01-01', (i * 731) || ' days') FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO film (id, studio_id, sequel_of, title, rating, minutes, budget, score, released, starts, in_colour, poster,
                  extras)
SELECT i, i % 12 + 1, CASE WHEN i % 5 = 0 THEN i / 5 END, 'Film ' || i, substr('G PGR ', i % 3 * 2 + 1, 1 + (i % 3 = 1)),
       60 + i % 97, CASE WHEN i % 7 > 0 THEN round(i * 1234.56, 2) END, (i * 37 % 100) / 10.0,
       datetime('1990-01-01', (i * 29) || ' days', (i * 7 % 24) || ' hours'), time('12:00', (i % 9 * 30) || ' minutes'),
       i % 4 > 0, CASE WHEN i % 10 = 0 THEN randomblob(0) || x'00ff27' END,
       CASE WHEN i % 3 = 0 THEN json_object('discs', i % 4, 'region', 'R' || (i % 2)) END
FROM n;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO person SELECT printf('P-%04d', i * 3), CASE WHEN i % 4 > 0 THEN 'p' || i || '@example.org' WHEN i % 8 = 0
                          THEN '' END, date('1940-06-01', (i * 97) || ' days'), 1.5 + (i * 13 % 50) / 100.0 FROM n;

INSERT INTO casting SELECT f.id, p.code, 'part ' || (f.id % 7), (f.id + coalesce(length(p.email), 0)) % 5
FROM film f JOIN person p ON (substr(p.code, 3) + f.id * 11) % 100 < 2;

INSERT INTO line SELECT c.film_id, c.person_code, k.value, 'words of ' || c.part
FROM casting c JOIN json_each('[1, 2, 3]') k WHERE k.value <= c.film_id % 4;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)
INSERT INTO office SELECT i, i % 9 + 1, 'City ' || (i % 4) FROM n;
INSERT INTO manager SELECT id, id, 'Manager ' || id FROM office;

WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
INSERT INTO "order" SELECT i, 1700000000 + i * 86400, 5000000000 + i, CASE i % 3 WHEN 0 THEN i WHEN 1 THEN 'text' END,
                           i * 2.5, 'it''s; "' || (i % 3) || '%:x' FROM n;
INSERT INTO [no key] SELECT 'note ' || (id % 6), CASE WHEN id % 2 THEN id END FROM film WHERE id < 80;
