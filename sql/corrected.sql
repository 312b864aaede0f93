-- Corrections of what a program knows of its customers, and mistakes that can be made
-- while correcting tracked tables.
\set VERBOSITY terse
CREATE SCHEMA t_corrected;
CREATE TABLE t_corrected.customers (customer_id int PRIMARY KEY, created_at timestamptz);
INSERT INTO t_corrected.customers VALUES (1, '2020-01-01 00:00+00'), (2, '2021-01-01 00:00+00');
CREATE TABLE t_corrected.orders (id int PRIMARY KEY, c int, at timestamptz, total numeric);
CREATE TABLE t_corrected.refunds (id int PRIMARY KEY, o int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_corrected.customers', joined_at => 'created_at', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('amount', 'amount');
SELECT loyalty.track_orders('club', 't_corrected.orders', customer => 'c', at => 'at', amount => 'total', backfill => false);
SELECT loyalty.track_refunds('club', 't_corrected.refunds', order_key => 'o', amount => 'amount');
CREATE VIEW t_corrected.now AS SELECT customer_id, points, joined_at AT TIME ZONE 'UTC' AS joined_at FROM club.members ORDER BY 1;
INSERT INTO t_corrected.orders VALUES (1, 1, '2024-01-01', 50), (2, 2, '2024-01-01', 70);
INSERT INTO t_corrected.refunds VALUES (1, 1, 20);
SELECT * FROM t_corrected.now;

-- 1. what is renamed is written with the name that it has now
ALTER TABLE t_corrected.customers RENAME customer_id TO "Kunde Nr";
ALTER TABLE t_corrected.customers RENAME created_at TO since;
UPDATE club.program SET on_invalid = 'skip';
SELECT customers, customer_key, joined_at FROM club.program;
UPDATE club.program SET joined_at = $$(since AT TIME ZONE 'UTC' + interval '1 hour') AT TIME ZONE 'UTC'$$;
SELECT customers, customer_key, joined_at FROM club.program;
SELECT * FROM t_corrected.now;
UPDATE club.program SET customer_key = 'customer_id';
UPDATE club.program SET customer_key = 'since';
ALTER TABLE t_corrected.customers ADD number int UNIQUE;
UPDATE t_corrected.customers SET number = 3 - "Kunde Nr";
BEGIN;
-- each is the other by this number
UPDATE club.program SET customer_key = 'number';
SELECT * FROM t_corrected.now;
ROLLBACK;

-- 2. a table takes the place of another, with a key of another name
CREATE TABLE t_corrected.people (id int PRIMARY KEY, since timestamptz);
INSERT INTO t_corrected.people SELECT "Kunde Nr", since FROM t_corrected.customers;
UPDATE club.program SET customers = 't_corrected.people';
UPDATE club.program SET customers = 't_corrected.people', customer_key = 'id', joined_at = 'since';
DROP TABLE t_corrected.customers;
-- a key that was renamed is the key still, also when another column gets its name, which verify() tells
-- until the settings say which is meant; a view that takes another column by hand it tells, too
SELECT customer_key FROM club.program;
BEGIN;
ALTER TABLE t_corrected.people RENAME id TO person;
SELECT * FROM loyalty.verify('club');
ALTER TABLE t_corrected.people ADD id int;
SELECT violation, detail FROM loyalty.verify('club');
UPDATE club.program SET customer_key = customer_key;
SELECT customer_key FROM club.program;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
BEGIN;
ALTER TABLE t_corrected.people ADD other int UNIQUE;
UPDATE t_corrected.people SET other = id;
CREATE OR REPLACE VIEW club.customer AS SELECT person.other AS customer, (person.since)::timestamptz AS joined_at FROM t_corrected.people person;
SELECT violation, detail FROM loyalty.verify('club');
ROLLBACK;
SELECT * FROM t_corrected.now;
SELECT * FROM _loyalty.strangers('club');
SELECT * FROM loyalty.verify('club');

-- 3. mistakes
SELECT loyalty.alter_orders('club', 't_corrected.orders', at => '');
SELECT loyalty.alter_orders('club', 't_corrected.orders', customer => '');
SELECT loyalty.alter_orders('club', 't_corrected.orders', counts_when => '');
SELECT loyalty.alter_orders('club', 't_corrected.orders', order_key => '');
SELECT loyalty.alter_orders('club', 't_corrected.orders', amount => '');
SELECT loyalty.alter_refunds('club', 't_corrected.refunds', order_key => '');
SELECT loyalty.alter_orders('club', 't_corrected.refunds', at => 'at');
SELECT loyalty.pause('club', 't_corrected.refunds');
SELECT loyalty.backfill('club', 't_corrected.refunds');
SELECT loyalty.alter_orders('club', 't_corrected.people', at => 'at');
SELECT loyalty.pause('club', 't_corrected.orders');
SELECT loyalty.alter_orders('club', 't_corrected.orders', amount => '2 * total');
SELECT loyalty.alter_refunds('club', 't_corrected.refunds', amount => '2 * amount');
SELECT loyalty.resume('club', 't_corrected.orders');
SELECT loyalty.resume('club', 't_corrected.orders');
SELECT * FROM t_corrected.now;
SELECT * FROM loyalty.verify('club');

-- 4. refunds that go alone: the orders count without them at once
SELECT loyalty.untrack('club', 't_corrected.refunds');
SELECT * FROM t_corrected.now;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.track_refunds('club', 't_corrected.refunds', order_key => 'o', amount => 'amount');
SELECT * FROM t_corrected.now;
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_corrected CASCADE;
