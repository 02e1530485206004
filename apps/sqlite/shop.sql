-- SPDX-License-Identifier: GPL-2.0-only
-- Tables, an index, transactions and a query over both.
PRAGMA journal_mode = WAL;
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE orders (customer INTEGER NOT NULL REFERENCES customers, cents INTEGER NOT NULL);
CREATE INDEX orders_of ON orders (customer);
BEGIN;
INSERT INTO customers (name) VALUES ('Ada'), ('Grace');
INSERT INTO orders SELECT 1, value FROM json_each('[1000, 2000, 1250]');
INSERT INTO orders VALUES (2, 99);
COMMIT;
BEGIN;
DELETE FROM orders;
ROLLBACK;
SELECT name, count(*), sum(cents) / 100.0 FROM customers JOIN orders ON customer = id GROUP BY name ORDER BY name;
SELECT 'orders: ' || count(*) FROM orders;
