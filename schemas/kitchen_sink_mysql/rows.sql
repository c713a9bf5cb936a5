-- Rows from arithmetic: the same ones each time. A statement is a paragraph.

INSERT INTO customer
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)
    SELECT i, concat('Person', i, '@example.org'), concat('c', lpad(i * 7, 5, '0')), 1 + i % 3, i % 8, i % 4 > 0,
           i % 32, 1990 + i % 30, CASE WHEN i % 5 = 0 THEN '0000-00-00' ELSE '1970-01-01' + INTERVAL i * 61 DAY END,
           concat(lpad(i, 4, '0'), ' is the "number", it''s \\ said %s'), '2021-01-01' + INTERVAL i * 7 HOUR
    FROM n;

INSERT INTO `order` (id, customer_id, replaces, `placed at`, opens, net, rate, weight, extras, photo, `2019`)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
    SELECT i, 1 + (i * i) % 150, CASE WHEN i % 10 = 0 THEN i / 10 END, '2022-03-01' + INTERVAL i * 11 HOUR,
           sec_to_time(i * 137 % 86400), round(i * 1.37, 2), i / 7, i % 13 / 4,
           CASE WHEN i % 3 = 0 THEN json_object('gift', i % 2 = 0, 'boxes', i % 5) END,
           CASE WHEN i % 4 = 0 THEN unhex(md5(i)) END, CASE WHEN i % 6 > 0 THEN i % 500 END
    FROM n;

INSERT INTO product
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)
    SELECT concat('SKU-', lpad(i * 31, 5, '0')), concat('Thing number ', i), i * 0.99 FROM n;

INSERT INTO order_line
    SELECT o.id, n.k, concat('sku-', lpad(((o.id * n.k) % 60 + 1) * 31, 5, '0')), 1 + o.id % 4
    FROM `order` o JOIN (SELECT 1 AS k UNION SELECT 2 UNION SELECT 3) n ON n.k <= 1 + o.id % 3;

SET foreign_key_checks = 0;

INSERT INTO staff VALUES (1, 1, 'Ann'), (2, 2, 'Bob'), (3, 1, 'Cid'), (4, 2, 'Dot');

INSERT INTO store VALUES (1, 1), (2, 2);

SET foreign_key_checks = 1;

INSERT INTO place (name, spot) SELECT concat('Place ', id), ST_GeomFromText(concat('POINT(', id, ' 1)')) FROM staff;

INSERT INTO visit SELECT id, '2023-06-01' + INTERVAL id DAY, id % 9 FROM `order`;

UPDATE audit SET at = '2022-01-01';
