-- What MariaDB and MySQL databases are made of. A statement is a paragraph.

CREATE TABLE customer (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    email VARCHAR(120) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci NOT NULL,
    code CHAR(8) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL UNIQUE,
    tier ENUM('basic', 'it''s gold', 'plat,inum') NOT NULL DEFAULT 'basic',
    flags SET('newsletter', 'beta', 'staff') NOT NULL DEFAULT '',
    is_active TINYINT(1) NOT NULL DEFAULT 1,
    permissions BIT(5) NOT NULL DEFAULT b'0',
    founded YEAR,
    birthday DATE NOT NULL DEFAULT '0000-00-00',
    note TEXT COMMENT 'free; text ) AUTO_INCREMENT=7 here',
    created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    UNIQUE KEY email_once (email),
    UNIQUE KEY note_begins (note(60))
) ENGINE=InnoDB AUTO_INCREMENT=9001 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci COMMENT='buyers';

CREATE TABLE `order` (
    `id` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    `customer_id` INT UNSIGNED NOT NULL,
    `replaces` BIGINT UNSIGNED,
    `placed at` DATETIME(6) NOT NULL,
    `opens` TIME(3),
    `net` DECIMAL(10, 2) NOT NULL CHECK (`net` >= 0),
    `rate` DOUBLE,
    `weight` FLOAT,
    `gross` DECIMAL(12, 2) GENERATED ALWAYS AS (`net` * 1.2) STORED,
    `year` INT GENERATED ALWAYS AS (year(`placed at`)) VIRTUAL,
    `extras` JSON,
    `photo` VARBINARY(40),
    `2019` SMALLINT,
    CONSTRAINT `a name` CHECK (`2019` BETWEEN -5 AND 500 OR `2019` IS NULL),
    CONSTRAINT `order_customer` FOREIGN KEY (`customer_id`) REFERENCES `customer` (`id`) ON DELETE CASCADE,
    CONSTRAINT `order_replaces` FOREIGN KEY (`replaces`) REFERENCES `order` (`id`) ON DELETE SET NULL,
    KEY `by_day` (`placed at`)
) ENGINE=InnoDB;

CREATE TABLE product (
    sku VARCHAR(20) COLLATE utf8mb4_unicode_ci PRIMARY KEY,
    name VARCHAR(60) NOT NULL,
    price DECIMAL(8, 2) UNSIGNED,
    FULLTEXT KEY words (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE order_line (
    order_id BIGINT UNSIGNED NOT NULL,
    line_no SMALLINT UNSIGNED NOT NULL,
    sku VARCHAR(20) COLLATE utf8mb4_unicode_ci NOT NULL,
    quantity MEDIUMINT NOT NULL DEFAULT 1,
    PRIMARY KEY (order_id, line_no),
    FOREIGN KEY (order_id) REFERENCES `order` (id),
    FOREIGN KEY (sku) REFERENCES product (sku) ON UPDATE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

CREATE TABLE staff (id INT PRIMARY KEY, store_id INT NOT NULL, name VARCHAR(40)) ENGINE=InnoDB;

CREATE TABLE store (
    id INT PRIMARY KEY,
    manager_id INT NOT NULL,
    FOREIGN KEY (manager_id) REFERENCES staff (id)
) ENGINE=InnoDB;

ALTER TABLE staff ADD FOREIGN KEY (store_id) REFERENCES store (id);

CREATE TABLE place (id INT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(30), spot POINT NULL) ENGINE=InnoDB;

CREATE TABLE visit (
    id INT NOT NULL,
    day DATE NOT NULL,
    count INT,
    PRIMARY KEY (id, day)
) ENGINE=InnoDB PARTITION BY RANGE (year(day)) (
    PARTITION before_2024 VALUES LESS THAN (2024),
    PARTITION later VALUES LESS THAN MAXVALUE
);

CREATE TABLE audit (at DATETIME NOT NULL, message VARCHAR(80)) ENGINE=MyISAM;

CREATE TABLE never_used (id INT PRIMARY KEY, order_id BIGINT UNSIGNED NOT NULL REFERENCES `order` (id)) ENGINE=InnoDB;

CREATE VIEW z_open_order AS SELECT * FROM `order` WHERE `replaces` IS NULL;

CREATE VIEW a_summary AS
    SELECT c.id, count(*) AS orders FROM z_open_order o JOIN customer c ON c.id = o.customer_id GROUP BY c.id;

CREATE FUNCTION gross(net DECIMAL(10, 2)) RETURNS DECIMAL(12, 2) DETERMINISTIC RETURN net * 1.2;

CREATE PROCEDURE forget(IN who INT) BEGIN
    DELETE FROM `order` WHERE customer_id = who;
    DELETE FROM customer WHERE id = who;
END;

CREATE TRIGGER order_is_noted AFTER INSERT ON `order` FOR EACH ROW BEGIN
    INSERT INTO audit VALUES (now(), concat('order; ', NEW.id));
END;
