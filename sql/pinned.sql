-- What an order keeps from when it was first recorded.  The values in comments are
-- computed by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';

-- The joining date of the customer ------------------------------------------------

CREATE SCHEMA t_joined;
-- who has "every" = 0 makes the expression fail
CREATE TABLE t_joined.customers (customer_id int PRIMARY KEY, since timestamptz, every int DEFAULT 1);
INSERT INTO t_joined.customers VALUES (1, '2015-01-01'), (2, '2023-01-01'), (3, '2015-01-01'), (4, NULL);
CREATE TABLE t_joined.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_joined.customers',
                              joined_at => $$(since AT TIME ZONE 'UTC' + interval '1 year' * (1 / every - 1)) AT TIME ZONE 'UTC'$$, time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_joined.orders', customer => 'customer_id', at => 'at', amount => 'total');
CREATE VIEW t_joined.now AS SELECT customer_id, points FROM club.members WHERE orders <> 0 OR points <> 0 ORDER BY 1;
-- terms without a tier that uses the tenure read nothing
INSERT INTO t_joined.orders VALUES (1, 1, '2024-01-01', 1);
SELECT joined_at FROM club.journal;
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $$tenure >= '5 years'$$, 3);
-- 1 + 300, 100, 300, 100
INSERT INTO t_joined.orders VALUES (2, 1, '2024-01-01', 100);
INSERT INTO t_joined.orders VALUES (3, 2, '2024-01-01', 100), (4, 3, '2024-01-01', 100), (5, 4, '2024-01-01', 100);
SELECT * FROM t_joined.now;
-- changed before posting: later, earlier, not there any more, known by now
UPDATE t_joined.customers SET since = '2023-01-01' WHERE customer_id = 1;
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id = 2;
DELETE FROM t_joined.customers WHERE customer_id = 3;
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id = 4;
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- later revisions keep it: 1 + 150, 50, 150, 50
UPDATE t_joined.orders SET total = 50 WHERE id > 1;
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
CALL loyalty.post('club');
SELECT customer_id, sum(points) FROM club.entries GROUP BY 1 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- also after posting, and if the order was gone in between: 1 + 60, 20
DELETE FROM t_joined.orders WHERE id IN (2, 3);
INSERT INTO t_joined.orders VALUES (2, 1, '2024-01-01', 20), (3, 2, '2024-01-01', 20);
SELECT customer, order_key, revision, amount, joined_at::date, points_change FROM club.unposted ORDER BY 1, 2, 3;
-- new orders of theirs have the new dates: 30, 90
INSERT INTO t_joined.orders VALUES (6, 1, '2024-01-01', 30), (7, 2, '2024-01-01', 30);
SELECT order_key, points FROM club.entries WHERE order_key IN ('6', '7') ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- a customer for whom the expression fails is one of unknown tenure, others are not
INSERT INTO t_joined.customers VALUES (10, '2010-01-01', 1), (11, '2010-01-01', 0), (12, '2010-01-01', 1);
INSERT INTO t_joined.orders VALUES (11, 11, '2024-01-01', 1);
INSERT INTO t_joined.orders VALUES (20, 10, '2024-01-01', 1), (21, 11, '2024-01-01', 1), (22, 12, '2024-01-01', 1), (23, 11, '2024-01-01', 1);
UPDATE t_joined.orders SET total = 2 WHERE customer_id > 10;
SELECT customer_id, order_key, sum(points) FROM club.entries WHERE customer_id >= 10 GROUP BY 1, 2 ORDER BY 1, 2;
UPDATE t_joined.customers SET every = 1;
INSERT INTO t_joined.orders VALUES (24, 11, '2024-01-01', 1);
SELECT order_key, points FROM club.entries WHERE order_key = '24';
SELECT * FROM loyalty.verify('club');
-- a customer of the same statement, and of the same transaction
WITH c AS (INSERT INTO t_joined.customers VALUES (13, '2010-01-01') RETURNING customer_id)
INSERT INTO t_joined.orders SELECT 30, customer_id, '2024-01-01', 10 FROM c;
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO t_joined.customers VALUES (14, '2010-01-01');
INSERT INTO t_joined.orders VALUES (31, 14, '2024-01-01', 10), (32, 13, '2024-01-01', 10);
COMMIT;
SELECT order_key, points FROM club.entries WHERE order_key IN ('30', '31', '32') ORDER BY 1;
-- many customers, old and new, through every path: each third is old
INSERT INTO t_joined.customers SELECT i, CASE i % 3 WHEN 0 THEN timestamptz '2010-01-01' WHEN 1 THEN timestamptz '2023-01-01' END FROM generate_series(100, 1299) i;
INSERT INTO t_joined.orders SELECT i, i, '2024-01-01', 1 FROM generate_series(100, 1299) i;
-- 800 + 400 * 3
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE customer_id >= 100;
UPDATE t_joined.customers SET since = '2022-01-01' WHERE customer_id >= 100;
CALL loyalty.post('club');
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE customer_id >= 100;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.untrack('club', 't_joined.orders');
UPDATE t_joined.customers SET since = '2010-01-01' WHERE customer_id % 2 = 0;
-- 300 orders are new, and 150 of their customers are old by now: 150 + 150 * 3
INSERT INTO t_joined.orders SELECT 10000 + i, i, '2024-01-01', 1 FROM generate_series(200, 499) i;
SELECT loyalty.track_orders('club', 't_joined.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT count(*), sum(points), count(*) FILTER (WHERE tier = 'Old') AS old FROM club.entries WHERE order_key::int > 10000;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_joined CASCADE;

-- Orders that get another customer or key -----------------------------------------

CREATE SCHEMA t_moved;
CREATE TABLE t_moved.customers (customer_id int PRIMARY KEY, since timestamptz);
INSERT INTO t_moved.customers SELECT i, CASE WHEN i % 2 = 1 THEN timestamptz '2010-01-01' ELSE '2023-06-01' END FROM generate_series(1, 20) i;
CREATE TABLE t_moved.orders (id int PRIMARY KEY, customer_id int REFERENCES t_moved.customers ON UPDATE CASCADE, at timestamptz, total numeric, money text, status text DEFAULT 'paid');
CREATE PROCEDURE t_moved.program() LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE t_moved.orders;
	PERFORM loyalty.create_program('club', customers => 't_moved.customers', joined_at => 'since', time_zone => 'UTC');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
END $$;
CREATE PROCEDURE t_moved.track() LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.track_orders('club', 't_moved.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $x$status = 'paid'$x$);
END $$;
CREATE FUNCTION t_moved.points() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT string_agg(customer_id || ': ' || points, ', ' ORDER BY customer_id) FROM club.members WHERE orders <> 0 OR points <> 0);
END $$;

-- the rule that was in force: 100 + 100 stay 200
CALL t_moved.program();
CALL t_moved.track();
INSERT INTO t_moved.orders VALUES (1, 1, '2024-01-01', 100), (2, 2, '2024-01-01', 100);
UPDATE club.earning_rule SET points = '2 * amount';
UPDATE t_moved.orders SET customer_id = 1 WHERE customer_id = 2;
SELECT t_moved.points();
SELECT customer, order_key, revision, terms, moved, multiplier, points_change FROM club.unposted ORDER BY 1, 2, 3;
SELECT * FROM loyalty.verify('club');
-- posted, and back again; what was recorded before keeps its own
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = '3 * amount';
UPDATE t_moved.orders SET customer_id = 2 WHERE id = 2;
UPDATE t_moved.orders SET customer_id = 3 WHERE id = 1;
SELECT t_moved.points();
-- a refund takes back what it gave: 50 each
UPDATE t_moved.orders SET total = 50;
SELECT t_moved.points();
-- another key, and both at once, and nothing of that: 50, 50, and a new one of 3 * 10
UPDATE t_moved.orders SET id = 11 WHERE id = 1;
UPDATE t_moved.orders SET id = 12, customer_id = 4 WHERE id = 2;
INSERT INTO t_moved.orders VALUES (1, 3, '2024-01-01', 10);
SELECT t_moved.points();
-- ... which had the terms of the key that it takes, as ever: 1 * 10
SELECT order_key, terms, revision, points FROM club.entries WHERE order_key = '1' AND customer_id = 3 ORDER BY entry;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
-- keys are exchanged, of orders of three versions of the terms: 1 * 50, 1 * 50, 3 * 7
INSERT INTO t_moved.orders VALUES (13, 5, '2024-01-01', 7);
ALTER TABLE t_moved.orders DROP CONSTRAINT orders_pkey, ADD PRIMARY KEY (id) DEFERRABLE;
DELETE FROM t_moved.orders WHERE id = 1;
UPDATE t_moved.orders SET id = CASE id WHEN 11 THEN 12 WHEN 12 THEN 13 ELSE 11 END;
SELECT t_moved.points();
SELECT * FROM loyalty.verify('club');
-- an order that does not count when it moves, and counts later: 3 * 7 is 1 * 7
UPDATE club.earning_rule SET points = '1000 * amount';
UPDATE t_moved.orders SET status = 'open', customer_id = 6 WHERE customer_id = 5;
SELECT t_moved.points();
UPDATE t_moved.orders SET status = 'paid';
SELECT t_moved.points();
-- without a customer in between, it is first recorded anew: 7000
UPDATE t_moved.orders SET customer_id = NULL WHERE customer_id = 6;
UPDATE t_moved.orders SET customer_id = 7 WHERE customer_id IS NULL;
SELECT t_moved.points();
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- the tier that was held just before: 1 * 100, 2 * 50, 3 * 10 with a tenure
CALL t_moved.program();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 2), ('Gold', 2, $$spend >= 150 AND tenure >= '5 years'$$, 3);
CALL t_moved.track();
INSERT INTO t_moved.orders VALUES (1, 1, '2024-01-01', 100);
INSERT INTO t_moved.orders VALUES (2, 1, '2024-02-01', 50);
INSERT INTO t_moved.orders VALUES (3, 1, '2024-03-01', 10);
SELECT t_moved.points();
-- unposted, to customers of whom it would be another; the last keeps its own tier
UPDATE t_moved.orders SET customer_id = 2 WHERE id = 3;
SELECT t_moved.points();
UPDATE t_moved.orders SET customer_id = 4 WHERE id = 2;
SELECT t_moved.points();
SELECT customer, order_key, revision, tier, multiplier, points_change, joined_at::date FROM club.unposted WHERE moved ORDER BY 1, 2, 3;
SELECT * FROM loyalty.verify('club');
-- what they spend from then on counts as ever: at 50 none, 60 is 60; at 110 Silver, 10 is 20
INSERT INTO t_moved.orders VALUES (4, 4, '2024-04-01', 60);
INSERT INTO t_moved.orders VALUES (5, 4, '2024-05-01', 10);
SELECT t_moved.points();
-- posted, and moved on, all in one statement; 1 * 100, 2 * 50, 3 * 10, 60, 2 * 10
CALL loyalty.post('club');
UPDATE t_moved.orders SET customer_id = 20;
SELECT t_moved.points();
SELECT order_key, tier, multiplier, points_change FROM club.unposted WHERE customer = 20 ORDER BY 1;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- halves are halves of what they were; and taken back is all
UPDATE t_moved.orders SET total = total / 2;
SELECT t_moved.points();
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
DELETE FROM t_moved.orders;
SELECT t_moved.points();
SELECT * FROM loyalty.verify('club');
-- a customer that gets another key by the foreign key, posted and not
INSERT INTO t_moved.orders VALUES (11, 5, '2024-01-01', 100);
INSERT INTO t_moved.orders VALUES (12, 5, '2024-02-01', 50);
CALL loyalty.post('club');
INSERT INTO t_moved.orders VALUES (13, 5, '2024-03-01', 10);
UPDATE club.tier SET multiplier = 10;
UPDATE t_moved.customers SET customer_id = 105, since = '2024-01-01' WHERE customer_id = 5;
SELECT t_moved.points();
SELECT order_key, tier, points_change, joined_at::date FROM club.unposted WHERE customer = 105 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
CALL t_moved.program();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 2), ('Gold', 2, $$spend >= 150 AND tenure >= '5 years'$$, 3);
CALL t_moved.track();
-- several customers, some with posted orders, become one: nothing is lost or won.
-- By old terms 7 has 100 + 2 * 60, 9 has 100 + 2 * 60 + 3 * 10, and by new ones each 200
INSERT INTO t_moved.orders VALUES (31, 7, '2024-01-01', 100), (41, 9, '2024-01-01', 100);
INSERT INTO t_moved.orders VALUES (32, 7, '2024-02-01', 60), (42, 9, '2024-02-01', 60);
CALL loyalty.post('club');
INSERT INTO t_moved.orders VALUES (43, 9, '2024-03-01', 10);
UPDATE club.tier SET multiplier = 1;
UPDATE club.earning_rule SET points = 'amount * 20';
INSERT INTO t_moved.orders VALUES (34, 7, '2024-04-01', 10), (44, 9, '2024-04-01', 10);
SELECT t_moved.points();
UPDATE t_moved.orders SET customer_id = 8 WHERE customer_id IN (7, 9);
SELECT t_moved.points();
SELECT order_key, terms, tier, points_change FROM club.unposted WHERE customer = 8 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- points are effective where the order is: before the merge none are customer 8's
SELECT customer, count(*) FROM club.ledger WHERE moved AND recorded_at > (SELECT max(recorded_at) FROM club.ledger WHERE NOT moved AND revision = 1) GROUP BY 1;
-- within the transaction that made them, and under SERIALIZABLE: 2000, 2000, 5 * 200
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO t_moved.orders VALUES (51, 11, '2024-01-01', 100);
INSERT INTO t_moved.orders VALUES (52, 11, '2024-01-02', 100);
UPDATE club.tier SET multiplier = 5;
INSERT INTO t_moved.orders VALUES (53, 11, '2024-01-03', 10);
SELECT order_key, tier, multiplier, points_change FROM club.unposted WHERE customer = 11 ORDER BY 1;
UPDATE t_moved.orders SET customer_id = 12 WHERE customer_id = 11;
SELECT order_key, tier, multiplier, points_change FROM club.unposted WHERE customer = 12 ORDER BY 1;
COMMIT;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- tampering with what was brought along is told
BEGIN;
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
UPDATE club.ledger SET multiplier = 4, order_points = order_points * 4, points_change = points_change * 4 WHERE customer = 12 AND order_key = '51';
SELECT violation FROM loyalty.verify('club') WHERE order_key = '51';
ROLLBACK;
SELECT loyalty.drop_program('club', force => true);

-- rates and lines go along
CREATE TABLE t_moved.lines (id int PRIMARY KEY, order_id int, price numeric);
CALL t_moved.program();
INSERT INTO club.exchange_rate VALUES ('CHF', DEFAULT, 2);
SELECT loyalty.track_orders('club', 't_moved.orders', customer => 'customer_id', at => 'at', currency => 'money',
                            lines => 't_moved.lines', line_order => 'order_id', line_amount => 'price');
INSERT INTO t_moved.orders VALUES (1, 1, '2024-01-01', NULL, 'CHF'), (2, 1, '2024-01-01', NULL, 'CHF');
INSERT INTO t_moved.lines VALUES (1, 1, 10), (2, 1, 5), (3, 2, 100);
UPDATE club.exchange_rate SET rate = 3;
UPDATE club.earning_rule SET points = 'amount * 7';
UPDATE t_moved.orders SET customer_id = 2 WHERE id = 1;
SELECT t_moved.points();
UPDATE t_moved.lines SET price = price + 1 WHERE order_id = 1;
SELECT t_moved.points();
-- another currency is another rate: 3 * 17
UPDATE club.exchange_rate SET currency = 'SEK';
UPDATE t_moved.orders SET customer_id = 3, money = 'SEK' WHERE id = 1;
SELECT t_moved.points();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- a customer in two columns, which foreign keys change one after the other: what the
-- first one had goes to the last
CREATE TABLE t_moved.regions (region int PRIMARY KEY);
INSERT INTO t_moved.regions VALUES (1);
CREATE TABLE t_moved.halves (id int PRIMARY KEY, tens int REFERENCES t_moved.regions ON UPDATE CASCADE, ones int REFERENCES t_moved.regions ON UPDATE CASCADE,
                             at timestamptz, total numeric);
CALL t_moved.program();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 2);
SELECT loyalty.track_orders('club', 't_moved.halves', customer => 'tens * 10 + ones', at => 'at', amount => 'total');
INSERT INTO t_moved.halves VALUES (1, 1, 1, '2024-01-01', 100);
INSERT INTO t_moved.halves VALUES (2, 1, 1, '2024-01-02', 10);
UPDATE club.earning_rule SET points = 'amount * 7';
INSERT INTO t_moved.customers VALUES (12), (21), (22) ON CONFLICT DO NOTHING;
-- 100 + 2 * 10
UPDATE t_moved.regions SET region = 2;
SELECT t_moved.points();
SELECT customer, order_key, tier, moved FROM club.unposted WHERE counts AND customer <> 11 ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);

-- a trigger that changes an order again once it has moved, or all that moved; 10 + 1,
-- and 20 + 1, by the first terms, and a new one of 7 * 5
CREATE FUNCTION t_moved.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	UPDATE t_moved.orders SET total = total + 1 WHERE id = NEW.id AND NEW.customer_id = 3 AND total IN (10, 20);
	RETURN NULL;
END $$;
CALL t_moved.program();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 30', 2);
CALL t_moved.track();
INSERT INTO t_moved.orders VALUES (1, 1, '2024-01-01', 10), (2, 1, '2024-01-01', 20);
CREATE TRIGGER aaa AFTER UPDATE ON t_moved.orders FOR EACH ROW EXECUTE FUNCTION t_moved.again();
UPDATE club.earning_rule SET points = 'amount * 7';
INSERT INTO t_moved.orders VALUES (3, 3, '2024-01-02', 5);
UPDATE t_moved.orders SET customer_id = 3 WHERE id = 1;
SELECT t_moved.points();
UPDATE t_moved.orders SET customer_id = 3 WHERE id <> 1;
SELECT t_moved.points();
SELECT customer, order_key, revision, moved, amount FROM club.journal WHERE customer = 3 ORDER BY 1, 2, 3;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TRIGGER aaa ON t_moved.orders;

-- ten thousand orders of a thousand customers, half of them posted, become one's
INSERT INTO t_moved.customers SELECT i, '2010-01-01' FROM generate_series(1000, 1999) i;
CALL t_moved.program();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 3', 2);
CALL t_moved.track();
INSERT INTO t_moved.orders SELECT i, 1000 + i % 1000, timestamptz '2024-01-01' + interval '1 hour' * i, 1 FROM generate_series(0, 4999) i;
CALL loyalty.post('club');
INSERT INTO t_moved.orders SELECT i, 1000 + i % 1000, timestamptz '2024-01-01' + interval '1 hour' * i, 1 FROM generate_series(5000, 9999) i;
UPDATE club.earning_rule SET points = '50 * amount';
UPDATE club.tier SET multiplier = 70;
-- each has 3 * 1 + 7 * 2
SELECT count(*), sum(points), min(points), max(points) FROM club.members WHERE orders <> 0;
SELECT clock_timestamp() AS start \gset
UPDATE t_moved.orders SET customer_id = 1;
SELECT clock_timestamp() - :'start' < interval '30 s' AS is_fast;
SELECT count(*), sum(points), sum(orders) FROM club.members WHERE orders <> 0 OR points <> 0;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_moved CASCADE;
