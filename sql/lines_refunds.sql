-- What orders with lines and refunds are worth, to the last point, whatever way and order their
-- rows come in.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
\set now 'SELECT id, points, trim_scale(lifetime_value), orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_shares;
CREATE TABLE t_shares.customers (id int PRIMARY KEY);
INSERT INTO t_shares.customers VALUES (1), (2);
CREATE TABLE t_shares.orders (id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_shares.lines (order_id int, sku text, qty int, price numeric,
	total numeric GENERATED ALWAYS AS (qty * price) STORED);
CREATE INDEX ON t_shares.lines (order_id);
CREATE TABLE t_shares.refunds (order_id int, net numeric, vat numeric DEFAULT 0,
	amount numeric GENERATED ALWAYS AS (net + vat) STORED);
CREATE INDEX ON t_shares.refunds (order_id);
CREATE FUNCTION t_shares.track() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE t_shares.orders, t_shares.lines, t_shares.refunds;
	PERFORM loyalty.create_program('club', customers => 't_shares.customers');
	PERFORM loyalty.track_orders('club', 't_shares.orders', customer => 'customer_id', at => 'at',
		lines => 't_shares.lines', line_order => 'order_id', line_amount => 'total');
	PERFORM loyalty.track_refunds('club', 't_shares.refunds', order_key => 'order_id',
		amount => 'amount');
END $$;

-- Orders of nothing -----------------------------------------------------------------
SELECT t_shares.track();
INSERT INTO club.earning_rule (name, points, per) VALUES ('each', 'qty', 'line');
INSERT INTO t_shares.orders VALUES (1, 1);
INSERT INTO t_shares.lines VALUES (1, 'gift', 3, 0);
-- an order of nothing counts, with 3 points
:now
-- a refund of less than nothing is a charge: 5 more, of which no line has a share
INSERT INTO t_shares.refunds VALUES (1, -5);
:now
:verify
-- a refund of nothing, and one that cancels the charge
INSERT INTO t_shares.refunds VALUES (1, 0);
INSERT INTO t_shares.refunds VALUES (1, 5);
:now
:verify
-- lines that cancel each other: 20 - 20 and 2 + 1 points, and a refund of 1 is all of it
INSERT INTO t_shares.orders VALUES (2, 2);
INSERT INTO t_shares.lines VALUES (2, 'a', 2, 10), (2, 'discount', 1, -20);
:now
INSERT INTO t_shares.refunds VALUES (2, 1);
:now
:verify
-- an order of less than nothing, a return in the shop: -10 and 1 point
DELETE FROM t_shares.refunds WHERE order_id = 2;
DELETE FROM t_shares.lines WHERE sku = 'a';
UPDATE t_shares.lines SET price = -10 WHERE order_id = 2;
:now
:verify
CALL loyalty.post('club');
:verify
SELECT loyalty.drop_program('club', force => true);

-- Shares ---------------------------------------------------------------------------
-- Points are multiplied before they are divided, and rounded once.
SELECT t_shares.track();
INSERT INTO club.earning_rule (name, points, per) VALUES ('value', 'qty * price', 'line');
INSERT INTO t_shares.orders VALUES (1, 1);
INSERT INTO t_shares.lines VALUES (1, 'a', 3, 10.00);
INSERT INTO t_shares.refunds VALUES (1, 16.81, 3.19);
-- 30 * 10 / 30 = 10
:now
:verify
-- three rules of 10 each, for an order of which a third is left: 30 * 1 / 3, and not 3 * 3.33
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, per) VALUES ('a', '10', 'line'), ('b', '10', 'line'),
	('c', '10', 'line');
INSERT INTO t_shares.orders VALUES (2, 2);
INSERT INTO t_shares.lines VALUES (2, 'x', 1, 3);
INSERT INTO t_shares.refunds VALUES (2, 2);
:now
:verify
-- seven lines of 1, one of them refunded: 7 * 30 * 6 / 7 = 180 more
INSERT INTO t_shares.orders VALUES (3, 2);
INSERT INTO t_shares.lines SELECT 3, 'x', 1, 1 FROM generate_series(1, 7);
INSERT INTO t_shares.refunds VALUES (3, 1);
:now
:verify
-- a third after the other: 90 more, 30 less, 30 less
INSERT INTO t_shares.orders VALUES (4, 2);
INSERT INTO t_shares.lines VALUES (4, 'x', 1, 3), (4, 'y', 1, 3), (4, 'z', 1, 3);
:now
INSERT INTO t_shares.refunds VALUES (4, 3);
:now
INSERT INTO t_shares.refunds VALUES (4, 3);
:now
:verify
-- beside a rule of the order: half of 10 is refunded, and 5 / 10 + 1 * 5 / 10 are rounded once
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, per) VALUES ('one', '1', 'line'),
	('tenth', 'amount / 10', 'order');
INSERT INTO t_shares.orders VALUES (5, 2);
INSERT INTO t_shares.lines VALUES (5, 'x', 10, 1.00);
INSERT INTO t_shares.refunds VALUES (5, 5);
SELECT order_key, sum(points) FROM club.entries WHERE order_key = '5' GROUP BY 1;
:verify
-- a tier's multiplier comes before the rounding: 1.5 * 20 * 1 / 3 = 10
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('T', 1, 'spend > 3', 1.5);
DELETE FROM club.earning_rule WHERE name = 'tenth';
UPDATE club.earning_rule SET points = '20' WHERE name = 'one';
INSERT INTO t_shares.orders VALUES (6, 2);
INSERT INTO t_shares.lines VALUES (6, 'x', 1, 3);
INSERT INTO t_shares.refunds VALUES (6, 2);
SELECT order_key, sum(points) FROM club.entries WHERE order_key = '6' GROUP BY 1;
:verify
CALL loyalty.post('club');
-- the refund is withdrawn after posting: 1.5 * 20
DELETE FROM t_shares.refunds WHERE order_id = 6;
SELECT order_key, sum(points) FROM club.entries WHERE order_key = '6' GROUP BY 1;
:verify
SELECT loyalty.drop_program('club', force => true);

-- Loads ---------------------------------------------------------------------------
-- All headers first, by COPY, then all lines: each order counts from its lines on, at its own
-- time, in one entry, and tiers see what was spent before it.
SELECT t_shares.track();
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('T', 1, 'spend >= 100', 2);
COPY t_shares.orders FROM stdin;
3	1	2021-03-01 00:00+00
1	1	2021-01-01 00:00+00
2	1	2021-02-01 00:00+00
4	2	2021-04-01 00:00+00
5	2	2021-05-01 00:00+00
\.
-- none counts yet
:now
:verify
SELECT count(*) FROM club.entries;
COPY t_shares.lines (order_id, sku, qty, price) FROM stdin;
2	a	1	30
3	a	1	10
3	b	2	10
1	a	1	100
4	a	5	1
\.
-- 1: 100, then 2 * 30 and 2 * 30 as a member of T; 2: 5
:now
SELECT id, order_key, effective_at::date, tier, points, balance FROM club.entries
 ORDER BY id, entry;
SELECT club.balance(1, '2021-01-31'), club.balance(1, '2021-02-28'), club.balance(1, '2021-12-31');
:verify
-- the same one by one, in several statements: the order's time is its own, later lines are
-- amendments of now
INSERT INTO t_shares.lines VALUES (5, 'a', 1, 200);
INSERT INTO t_shares.lines VALUES (5, 'b', 1, 20);
SELECT order_key, revision, effective_at < '2022-01-01' AS then, points
  FROM club.entries WHERE order_key = '5' ORDER BY entry;
:verify
-- without its last line it counts no more, and with another line again
DELETE FROM t_shares.lines WHERE order_id = 5;
:now
INSERT INTO t_shares.lines VALUES (5, 'c', 1, 7);
:now
:verify
-- the last line of order 4 moves to order 5: 7 + 5, and one order
UPDATE t_shares.lines SET order_id = 5 WHERE order_id = 4;
:now
:verify
CALL loyalty.post('club');
DELETE FROM t_shares.lines WHERE order_id = 5;
:now
:verify
-- headers and lines in one transaction, in both ways, and a header that comes last of all
BEGIN;
INSERT INTO t_shares.orders VALUES (6, 2, '2021-06-01');
INSERT INTO t_shares.lines VALUES (6, 'a', 1, 1), (7, 'a', 1, 2), (8, 'a', 1, 3);
INSERT INTO t_shares.orders VALUES (7, 2, '2021-07-01');
COMMIT;
INSERT INTO t_shares.orders VALUES (8, 2, '2021-08-01');
SELECT order_key, effective_at::date, points FROM club.entries WHERE order_key IN ('6', '7', '8')
 ORDER BY entry;
:now
:verify
-- all at once, again: nothing changes by what is written as it was
UPDATE t_shares.orders SET customer_id = customer_id;
UPDATE t_shares.lines SET qty = qty;
:now
SELECT count(*) FROM club.entries WHERE NOT posted;
TRUNCATE t_shares.lines;
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);

-- Refunds before their orders -------------------------------------------------------
SELECT t_shares.track();
-- a rule per line that uses no line is of as many points as there are lines
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	('one', 'amount', 'true', 'order'), ('line', '100', 'amount >= 0 AND new.id > 0', 'line');
INSERT INTO t_shares.refunds VALUES (1, 2), (1, 3), (2, 50), (3, 10);
:now
INSERT INTO t_shares.orders VALUES (1, 1), (2, 1), (3, 2);
:now
INSERT INTO t_shares.lines VALUES (1, 'a', 1, 10), (2, 'a', 1, 50), (3, 'a', 1, 5), (3, 'b', 1, 5);
-- order 1: 5 + 100 / 2; 2 and 3 are refunded in full, at once, and never counted
:now
SELECT order_key, points FROM club.entries ORDER BY entry;
:verify
-- a line more: 10 of 20 are left of order 3, and 10 + 300 / 2
INSERT INTO t_shares.lines VALUES (3, 'c', 1, 10);
:now
:verify
-- the refund is of order 2 then, which was refunded in full and more; order 3 is whole
UPDATE t_shares.refunds SET order_id = 2 WHERE order_id = 3;
:now
DELETE FROM t_shares.refunds WHERE order_id = 2 AND amount = 50;
:now
:verify
SELECT loyalty.drop_program('club', force => true);

-- One moment for one transaction ----------------------------------------------------
-- Refunds that are tracked, or made, in the transaction of their orders have lowered what was
-- spent before the next order: 100 - 60, and 50 without T, as if all had been made one by one.
TRUNCATE t_shares.orders, t_shares.lines, t_shares.refunds;
INSERT INTO t_shares.orders VALUES (1, 1, '2024-01-01'), (2, 1, '2024-02-01');
INSERT INTO t_shares.lines VALUES (1, 'a', 1, 100), (2, 'a', 1, 50);
INSERT INTO t_shares.refunds VALUES (1, 60);
SELECT loyalty.create_program('club', customers => 't_shares.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('T', 1, 'spend >= 100', 2);
BEGIN;
SELECT loyalty.track_orders('club', 't_shares.orders', customer => 'customer_id', at => 'at',
	lines => 't_shares.lines', line_order => 'order_id', line_amount => 'total');
SELECT pg_sleep(0.01) \gset
SELECT loyalty.track_refunds('club', 't_shares.refunds', order_key => 'order_id',
	amount => 'amount');
COMMIT;
:now
SELECT count(DISTINCT recorded_at) FROM club.entries;
:verify
BEGIN;
INSERT INTO t_shares.orders VALUES (3, 2, '2024-01-01');
INSERT INTO t_shares.lines VALUES (3, 'a', 1, 100), (4, 'a', 1, 50);
INSERT INTO t_shares.orders VALUES (4, 2, '2024-02-01');
SELECT pg_sleep(0.01) \gset
INSERT INTO t_shares.refunds VALUES (3, 60);
COMMIT;
:now
SELECT count(DISTINCT recorded_at) FROM club.entries;
:verify
CALL loyalty.post('club');
:now
:verify
SELECT loyalty.drop_program('club', force => true);

-- Once for each order ----------------------------------------------------------------
-- Functions count their calls: when an order is read again, its condition and the rules are
-- evaluated once, and the amount and points of each line once.
CREATE SEQUENCE t_shares.counts;
CREATE SEQUENCE t_shares.lines_of;
CREATE SEQUENCE t_shares.rules;
CREATE SEQUENCE t_shares.points;
CREATE FUNCTION t_shares.counts(int) RETURNS boolean LANGUAGE plpgsql STABLE
	AS $$BEGIN PERFORM nextval('t_shares.counts'); RETURN true; END$$;
CREATE FUNCTION t_shares.line(numeric) RETURNS numeric LANGUAGE plpgsql STABLE
	AS $$BEGIN PERFORM nextval('t_shares.lines_of'); RETURN $1; END$$;
CREATE FUNCTION t_shares.rule(numeric) RETURNS numeric LANGUAGE plpgsql STABLE
	AS $$BEGIN PERFORM nextval('t_shares.rules'); RETURN $1; END$$;
CREATE FUNCTION t_shares.points(numeric) RETURNS numeric LANGUAGE plpgsql STABLE
	AS $$BEGIN PERFORM nextval('t_shares.points'); RETURN $1; END$$;
-- how often each was called since this was asked last
CREATE FUNCTION t_shares.calls(OUT counts bigint, OUT lines bigint, OUT rules bigint,
	OUT points bigint) LANGUAGE plpgsql AS $$
BEGIN
	counts := nextval('t_shares.counts') - 1;
	lines := nextval('t_shares.lines_of') - 1;
	rules := nextval('t_shares.rules') - 1;
	points := nextval('t_shares.points') - 1;
	PERFORM setval('t_shares.counts', 1, false), setval('t_shares.lines_of', 1, false),
	        setval('t_shares.rules', 1, false), setval('t_shares.points', 1, false);
END $$;
TRUNCATE t_shares.orders, t_shares.lines, t_shares.refunds;
SELECT loyalty.create_program('club', customers => 't_shares.customers');
SELECT loyalty.track_orders('club', 't_shares.orders', customer => 'customer_id', at => 'at',
	counts_when => 't_shares.counts(id)',
	lines => 't_shares.lines', line_order => 'order_id', line_amount => 't_shares.line(total)');
SELECT loyalty.track_refunds('club', 't_shares.refunds', order_key => 'order_id',
	amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES
	('order', 't_shares.rule(amount)', 'order'), ('line', 't_shares.points(total)', 'line');
INSERT INTO t_shares.lines VALUES (1, 'a', 1, 3), (1, 'b', 1, 4);
SELECT * FROM t_shares.calls();
INSERT INTO t_shares.orders VALUES (1, 1);
SELECT * FROM t_shares.calls();
INSERT INTO t_shares.lines VALUES (1, 'c', 1, 5);
SELECT * FROM t_shares.calls();
INSERT INTO t_shares.refunds VALUES (1, 6);
SELECT * FROM t_shares.calls();
UPDATE t_shares.orders SET at = '2024-02-01';
SELECT * FROM t_shares.calls();
-- 6 + 12 * 6 / 12
:now
-- a hundred orders of three lines: the lines in one statement, then a refund of half of them
INSERT INTO t_shares.orders SELECT i, 2 FROM generate_series(101, 200) i;
SELECT lines, points FROM t_shares.calls();
INSERT INTO t_shares.lines
SELECT i, 'a', j, 1 FROM generate_series(101, 200) i, generate_series(1, 3) j;
SELECT * FROM t_shares.calls();
INSERT INTO t_shares.refunds SELECT i, 3 FROM generate_series(101, 200, 2) i;
SELECT * FROM t_shares.calls();
-- 50 * (6 + 6) + 50 * (3 + 3)
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_shares.orders, t_shares.lines, t_shares.refunds;

-- Partitions -----------------------------------------------------------------------
-- whose columns stand in other orders, some of them generated, some dropped
CREATE TABLE t_shares.orders (gone int, id int PRIMARY KEY, customer_id int,
	at timestamptz DEFAULT '2024-01-01', net numeric,
	total numeric GENERATED ALWAYS AS (net * 2) STORED) PARTITION BY RANGE (id);
ALTER TABLE t_shares.orders DROP COLUMN gone;
CREATE TABLE t_shares.orders_1 (total numeric GENERATED ALWAYS AS (net * 2) STORED,
	at timestamptz DEFAULT '2024-01-01', gone int, customer_id int, net numeric, id int NOT NULL);
ALTER TABLE t_shares.orders_1 DROP COLUMN gone;
ALTER TABLE t_shares.orders ATTACH PARTITION t_shares.orders_1 FOR VALUES FROM (1) TO (100);
CREATE TABLE t_shares.orders_2 PARTITION OF t_shares.orders FOR VALUES FROM (100) TO (200);
CREATE TABLE t_shares.lines (order_id int, qty int) PARTITION BY RANGE (order_id);
CREATE TABLE t_shares.lines_1 (gone int, qty int, order_id int);
ALTER TABLE t_shares.lines_1 DROP COLUMN gone;
ALTER TABLE t_shares.lines ATTACH PARTITION t_shares.lines_1 FOR VALUES FROM (1) TO (100);
CREATE TABLE t_shares.lines_2 PARTITION OF t_shares.lines FOR VALUES FROM (100) TO (200);
CREATE TABLE t_shares.refunds (order_id int, amount numeric) PARTITION BY RANGE (order_id);
CREATE TABLE t_shares.refunds_1 (amount numeric, order_id int);
ALTER TABLE t_shares.refunds ATTACH PARTITION t_shares.refunds_1 FOR VALUES FROM (1) TO (100);
CREATE TABLE t_shares.refunds_2 PARTITION OF t_shares.refunds DEFAULT;
SELECT loyalty.create_program('club', customers => 't_shares.customers');
SELECT loyalty.track_orders('club', 't_shares.orders', customer => 'customer_id', at => 'at',
	amount => 'total', lines => 't_shares.lines', line_order => 'order_id', line_amount => '0');
SELECT loyalty.track_refunds('club', 't_shares.refunds', order_key => 'order_id',
	amount => 'amount');
INSERT INTO club.earning_rule (name, points, per) VALUES ('one', 'amount', 'order'),
	('line', 'qty', 'line');
-- 100 + 3 and 40 + 5
INSERT INTO t_shares.lines VALUES (1, 3), (101, 5);
INSERT INTO t_shares.orders (id, customer_id, net) VALUES (1, 1, 50), (101, 1, 20);
:now
-- 75 + 3 * 75 / 100 = 77.25
INSERT INTO t_shares.refunds VALUES (1, 25);
:now
-- by the partition's name: 175 + 3 * 175 / 200 = 177.625
UPDATE t_shares.orders_1 SET net = 100 WHERE id = 1;
:now
:verify
-- into another partition, away from its lines and its refund: 200 + 40 + 5
UPDATE t_shares.orders SET id = 102 WHERE id = 1;
:now
-- which follow, one after the other: 203 + 45, 177.625 + 45
UPDATE t_shares.lines SET order_id = 102 WHERE order_id = 1;
:now
UPDATE t_shares.refunds SET order_id = 102 WHERE order_id = 1;
:now
:verify
-- 175 + 8 * 175 / 200 = 182
INSERT INTO t_shares.lines_2 VALUES (102, 5);
:now
CALL loyalty.post('club');
-- without lines: 175 + 40
TRUNCATE t_shares.lines_2;
:now
:verify
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_shares CASCADE;
