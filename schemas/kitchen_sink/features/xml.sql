-- XML: documents and fragments, alone and in arrays. Needs a server that was built with libxml.

CREATE SCHEMA with_xml;
CREATE TABLE with_xml.paper (
    id integer PRIMARY KEY,
    markup xml NOT NULL,
    fragment xml,
    several xml[]
);
INSERT INTO with_xml.paper
SELECT n, xmlparse(document format('<order id="%s"><line>%s &amp; more</line></order>', n, n * 2)),
       CASE WHEN n % 3 > 0 THEN xmlparse(content format('text <b>%s</b>', n)) END,
       CASE WHEN n % 2 = 0 THEN ARRAY[xmlparse(content '<a/>'), NULL] END
FROM generate_series(1, 60) n;
