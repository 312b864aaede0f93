-- Orders are recorded again under the present terms, as if they had been recorded under these
-- from the start.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
\set now 'SELECT id, tier, points, trim_scale(lifetime_value) AS spend, orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
\set entries 'SELECT order_key, revision, terms, counts, tier, trim_scale(multiplier) AS m, points, posted FROM club.entries WHERE id = 1 ORDER BY entry;'
CREATE SCHEMA t_rerate;
CREATE TABLE t_rerate.customers (id int PRIMARY KEY, since date DEFAULT '2020-01-01');
INSERT INTO t_rerate.customers VALUES (1), (2);
CREATE TABLE t_rerate.orders (id int PRIMARY KEY, customer int, total numeric, at timestamptz);
INSERT INTO t_rerate.orders VALUES (1, 1, 60, '2024-01-01'), (2, 1, 60, '2024-01-02'), (3, 1, 30, '2024-01-03'),
	(4, 1, 10, '2024-01-04'), (5, 2, 40, '2024-01-01'), (6, 2, 20, '2024-01-02');
CREATE PROCEDURE t_rerate.track() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.create_program('club', customers => 't_rerate.customers', joined_at => 'since');
	PERFORM loyalty.track_orders('club', 't_rerate.orders', customer => 'customer', at => 'at', amount => 'total');
END $$;
CREATE PROCEDURE t_rerate.rules() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('silver', 1, 'spend >= 50', 1.5), ('gold', 2, 'spend >= 100', 2);
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
END $$;

-- rules that are written after the orders were recorded, unposted --------------------
CALL t_rerate.track();
CALL t_rerate.rules();
:now
-- 60 + 60 * 1.5 + 30 * 2 + 10 * 2 = 230, and 40 + 20 = 60
SELECT * FROM loyalty.rerate('club');
-- nothing has changed
:now
:entries
:verify
SELECT * FROM loyalty.rerate('club', dry_run => false);
:now
:entries
:verify
-- twice changes nothing more
SELECT * FROM loyalty.rerate('club', dry_run => false);
:verify
CALL loyalty.post('club');
:now
:entries
:verify
-- orders go on: 10 * 2; a refund takes back what was earned, 60 * 1.5, and nothing else
INSERT INTO t_rerate.orders VALUES (7, 1, 10, '2024-01-05');
DELETE FROM t_rerate.orders WHERE id = 2;
:now
:verify
CALL loyalty.post('club');
-- half of the third is refunded: 15 * 2 less
UPDATE t_rerate.orders SET total = 15 WHERE id = 3;
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DELETE FROM t_rerate.orders WHERE id = 7;
UPDATE t_rerate.orders SET total = 30 WHERE id = 3;
INSERT INTO t_rerate.orders VALUES (2, 1, 60, '2024-01-02');

-- the same when all was posted, and what is written before and after it in one transaction
CALL t_rerate.track();
CALL loyalty.post('club');
CALL t_rerate.rules();
SELECT * FROM loyalty.rerate('club');
:now
BEGIN;
INSERT INTO t_rerate.orders VALUES (7, 2, 10, '2024-01-05');
-- 10 * 1.5 were earned by it, and it is there when 6 is added: 40, 20 * 1.5
SELECT * FROM loyalty.rerate('club', dry_run => false);
-- 1 * 1.5 of 70 spent
INSERT INTO t_rerate.orders VALUES (8, 2, 2, '2024-01-06');
COMMIT;
:now
:verify
-- refunded before it is posted, and posted
DELETE FROM t_rerate.orders WHERE id = 2;
:now
:verify
CALL loyalty.post('club');
:now
:entries
:verify

-- since, and once more under other terms ------------------------------------------------
UPDATE club.earning_rule SET points = '3 * amount';
-- 3 and 4 of customer 1, after 60: 3 * 30 * 1.5 + 3 * 10 * 1.5 instead of 60 + 20; 6, 7 and 8 of
-- customer 2 before whom stand 40 in the fold: 3 * 20 * 1 + 3 * 10 * 1.5 + 3 * 2 * 1.5 instead of 20 + 10 + 3
SELECT * FROM loyalty.rerate('club', since => '2024-01-02');
SELECT * FROM loyalty.rerate('club', since => '2024-01-02', dry_run => false);
:now
:verify
SELECT order_key, terms, awards FROM club.recorded_orders ORDER BY 1;
CALL loyalty.post('club');
:verify
-- now the first of both, with 40 and 32 spent on what stays: 3 * 60 instead of 60, 3 * 40 instead of 40
SELECT * FROM loyalty.rerate('club', dry_run => false);
:now
:verify

-- an order that moves to another customer keeps what it earned, with the tier it had -----
UPDATE t_rerate.orders SET customer = 2 WHERE id = 3;
:now
:verify
CALL loyalty.post('club');
:verify
UPDATE t_rerate.orders SET customer = 2 WHERE id = 4;
:now
:verify
-- one that moved is rerated at the customer it moved to: 40 + 20, then 60 are spent: 30 * 1.5, 10 * 1.5,
-- and then 100: 10 * 2 + 2 * 2 = 144; and 60
UPDATE club.earning_rule SET points = 'amount';
SELECT * FROM loyalty.rerate('club', dry_run => false);
:now
:verify
-- and keeps that when it moves on, before that is posted and after it: 20
UPDATE t_rerate.orders SET customer = 1 WHERE id = 7;
:now
:verify
CALL loyalty.post('club');
:verify
UPDATE t_rerate.orders SET customer = 2 WHERE id = 7;
:now
:verify
UPDATE t_rerate.orders SET total = total / 2 WHERE id = 3;
-- 45 becomes 22, rounded down from 22.5
:now
:verify

-- what it needs -----------------------------------------------------------------------------
\set VERBOSITY sqlstate
SELECT * FROM loyalty.rerate('no_such');
SELECT * FROM loyalty.rerate('club', since => NULL);
\set VERBOSITY default
SET DateStyle = 'German, DMY';
SET timezone = 'Europe/Berlin';
SELECT orders FROM loyalty.rerate('club');
RESET DateStyle;
SET timezone = 'UTC';
UPDATE club.earning_rule SET points = 'amount / (total - 40)';
-- 5 has 40
SELECT * FROM loyalty.rerate('club', dry_run => false);
:verify
-- it does not count; 60 / 20, then 20 / (20 - 40), and fractions
UPDATE club.program SET on_invalid = 'skip';
SELECT * FROM loyalty.rerate('club', dry_run => false);
SELECT orders FROM club.members WHERE id = 2;
:verify
SELECT * FROM loyalty.rerate('club', dry_run => false);
-- it is corrected: 41 more
UPDATE t_rerate.orders SET total = 41 WHERE id = 5;
:now
:verify
UPDATE club.program SET on_invalid = 'error';
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_rerate.orders;

-- lines, refunds and currency -----------------------------------------------------------------
CREATE TABLE t_rerate.orders (id int PRIMARY KEY, customer int, currency text, at timestamptz);
CREATE TABLE t_rerate.lines (order_id int, amount numeric);
CREATE TABLE t_rerate.refunds (order_id int, amount numeric);
INSERT INTO t_rerate.orders VALUES (1, 1, 'EUR', '2024-01-01'), (2, 1, 'USD', '2024-01-02'), (3, 1, 'EUR', '2024-01-03');
INSERT INTO t_rerate.lines VALUES (1, 40), (1, 20), (2, 100), (3, 100);
INSERT INTO t_rerate.refunds VALUES (1, 6), (3, 50);
SELECT loyalty.create_program('club', customers => 't_rerate.customers', joined_at => 'since');
INSERT INTO club.exchange_rate VALUES ('EUR', '2000-01-01', 1), ('USD', '2000-01-01', 0.8);
SELECT loyalty.track_orders('club', 't_rerate.orders', customer => 'customer', at => 'at', currency => 'currency',
	lines => 't_rerate.lines', line_order => 'order_id', line_amount => 'amount') \gset
SELECT loyalty.track_refunds('club', 't_rerate.refunds', order_key => 'order_id', amount => 'amount') \gset
:now
-- the rate that an order was recorded with stays
UPDATE club.exchange_rate SET rate = 0.5 WHERE currency = 'USD';
CALL t_rerate.rules();
INSERT INTO club.earning_rule (name, points, per) VALUES ('line', '1', 'line');
-- 54 + 2 * 54 / 60 = 55.8; (80 + 1) * 1.5 = 121.5; then 134 were spent: (50 + 0.5) * 2 = 101
SELECT * FROM loyalty.rerate('club', dry_run => false);
:now
:entries
:verify
-- 60 * 0.8 is left of the second: (48 + 0.6) * 1.5 = 72.9
INSERT INTO t_rerate.refunds VALUES (2, 40);
:now
:verify
CALL loyalty.post('club');
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_rerate.orders, t_rerate.lines, t_rerate.refunds;

-- a tier by tenure; an archived order; two tables ------------------------------------------------
CREATE TABLE t_rerate.orders (id int PRIMARY KEY, customer int, total numeric, at timestamptz) PARTITION BY LIST (id);
CREATE TABLE t_rerate.old PARTITION OF t_rerate.orders FOR VALUES IN (1);
CREATE TABLE t_rerate.young PARTITION OF t_rerate.orders FOR VALUES IN (2, 3);
CREATE TABLE t_rerate.rents (id int PRIMARY KEY, customer int, total numeric, at timestamptz);
INSERT INTO t_rerate.orders VALUES (1, 1, 5, '2024-01-01'), (2, 1, 10, '2024-01-02'), (3, 1, 20, '2024-01-04');
INSERT INTO t_rerate.rents VALUES (1, 1, 40, '2024-01-03');
SELECT loyalty.create_program('club', customers => 't_rerate.customers', joined_at => 'since');
SELECT loyalty.track_orders('club', 't_rerate.orders', customer => 'customer', at => 'at', amount => 'total', order_key => 'id') \gset
SELECT loyalty.track_orders('club', 't_rerate.rents', customer => 'customer', at => 'at', amount => 'total') \gset
ALTER TABLE t_rerate.orders DETACH PARTITION t_rerate.old;
SELECT sum(archived) FROM loyalty.reconcile('club');
UPDATE t_rerate.customers SET since = '2010-01-01' WHERE id = 1;
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('long', 1, $$tenure >= '10 years'$$, 2), ('spender', 2, 'spend >= 55', 3);
-- the first stays, and its 5 count as spent: 10 * 2 of 5, 40 * 2 of 15, 20 * 3 of 55
SELECT * FROM loyalty.rerate('club', dry_run => false);
:entries
:verify
CALL loyalty.post('club');
:now
:verify

-- whoever may not ------------------------------------------------------------------------------------
CREATE ROLE t_rerate_user;
GRANT USAGE ON SCHEMA loyalty TO t_rerate_user;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty, _loyalty TO t_rerate_user;
SET ROLE t_rerate_user;
SELECT * FROM loyalty.rerate('club');
SELECT _loyalty.rerate_table('club', 1, '-infinity', now(), false);
RESET ROLE;
SELECT * FROM loyalty.rerate('club');
DROP OWNED BY t_rerate_user;
DROP ROLE t_rerate_user;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_rerate CASCADE;
