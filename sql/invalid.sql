-- Values that can't be counted with.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_invalid;
CREATE TABLE t_invalid.customers (customer_id int PRIMARY KEY);
INSERT INTO t_invalid.customers VALUES (1);
CREATE TABLE t_invalid.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, factor numeric DEFAULT 1);
SELECT loyalty.create_program('club', customers => 't_invalid.customers');
SELECT loyalty.track_orders('club', 't_invalid.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount * factor');
INSERT INTO t_invalid.orders VALUES (1, 1, '2020-01-01', 'NaN');
INSERT INTO t_invalid.orders VALUES (1, 1, 'infinity', 1);
INSERT INTO t_invalid.orders VALUES (1, 1, '-infinity', 1);
INSERT INTO t_invalid.orders VALUES (1, 1, '2020-01-01', 1, 'NaN');
-- no customer, no time, no amount: earns nothing, never fails
INSERT INTO t_invalid.orders VALUES (1, NULL, 'infinity', 'NaN', 1), (2, 1, NULL, 5, 1), (3, 1, '2020-01-01', NULL, 1), (4, 1, '2020-01-01', 5, NULL);
SELECT points, orders, lifetime_value FROM club.members;
SELECT * FROM loyalty.verify('club');
-- an unknown customer earns, and is seen as soon as the customer exists
INSERT INTO t_invalid.orders VALUES (5, 77, '2020-01-01', 5);
SELECT * FROM loyalty.verify('club');
INSERT INTO t_invalid.customers VALUES (77);
SELECT customer_id, points FROM club.members ORDER BY 1;
-- the option: skip and log
UPDATE club.program SET on_invalid = 'ignore';
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_invalid.orders VALUES (6, 1, '2020-01-01', 'NaN'), (7, 1, 'infinity', 1), (8, 1, '2020-01-01', 3);
SELECT points, orders, lifetime_value FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- a counted order that becomes invalid is taken back
UPDATE t_invalid.orders SET total = 'NaN' WHERE order_id = 8;
SELECT points, orders, lifetime_value FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- entries can't be changed, by nobody
UPDATE club.journal SET awards = 1000000;
DELETE FROM club.journal;
TRUNCATE club.ledger;
-- planted mistakes are found, one by one
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
CREATE FUNCTION t_invalid.plant(statement text) RETURNS TABLE (violation text, customer text, order_key text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		CREATE TEMP TABLE found ON COMMIT DROP AS SELECT v.violation, v.customer, v.order_key FROM loyalty.verify('club') v;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(f ORDER BY f.violation, f.customer, f.order_key), '[]') FROM found f);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_to_recordset(sqlerrm::json) AS (violation text, customer text, order_key text);
	END;
END $$;
SELECT * FROM t_invalid.plant('UPDATE club.account SET points = points + 1 WHERE customer = 77');
SELECT * FROM t_invalid.plant('UPDATE club.account SET last_order_at = now() WHERE customer = 77');
SELECT * FROM t_invalid.plant('DELETE FROM club.account WHERE customer = 77');
SELECT * FROM t_invalid.plant('UPDATE club.ledger SET points_change = points_change + 1 WHERE customer = 77');
SELECT * FROM t_invalid.plant('UPDATE club.ledger SET multiplier = 2, order_points = 10, points_change = 10 WHERE customer = 77');
SELECT * FROM t_invalid.plant('UPDATE club.ledger SET entry = 7 WHERE customer = 77');
SELECT * FROM t_invalid.plant('DELETE FROM club.ledger WHERE customer = 77');
SELECT * FROM t_invalid.plant('INSERT INTO club.journal SELECT customer, tracked_table, order_key, 3, at, recorded_at, terms, counts, amount, awards, currency, rate, joined_at, moved FROM club.ledger WHERE customer = 77');
SELECT * FROM t_invalid.plant('UPDATE t_invalid.orders SET total = 6 WHERE order_id = 5');
SELECT * FROM t_invalid.plant('DELETE FROM t_invalid.orders WHERE order_id = 5');
SELECT * FROM t_invalid.plant($$INSERT INTO t_invalid.orders VALUES (50, 77, '2020-01-01', 1)$$);
SELECT * FROM t_invalid.plant('DROP TRIGGER loyalty_update_club_1 ON t_invalid.orders');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
-- Refunds ------------------------------------------------------------------------
CREATE TABLE t_invalid.sales (order_id int, customer_id int, at timestamptz, total numeric, PRIMARY KEY (order_id, at)) PARTITION BY RANGE (at);
CREATE TABLE t_invalid.sales_2019 PARTITION OF t_invalid.sales FOR VALUES FROM ('2019-01-01') TO ('2020-01-01');
CREATE TABLE t_invalid.sales_2020 PARTITION OF t_invalid.sales FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE t_invalid.lines (order_id int, total numeric);
CREATE TABLE t_invalid.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_invalid.customers');
SELECT loyalty.track_orders('club', 't_invalid.sales', order_key => 'order_id', customer => 'customer_id', at => 'at', lines => 't_invalid.lines', line_order => 'order_id', line_amount => 'total');
SELECT loyalty.track_refunds('club', 't_invalid.refunds', order_key => 'order_id', amount => 'amount');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO t_invalid.sales VALUES (1, 1, '2020-01-01'), (2, 1, '2019-01-01');
INSERT INTO t_invalid.lines VALUES (1, 100), (2, 10);
-- order 2 is archived with 10
ALTER TABLE t_invalid.sales DETACH PARTITION t_invalid.sales_2019;
SELECT archived FROM loyalty.reconcile('club', missing => 'archive');
INSERT INTO t_invalid.refunds VALUES (1, 'NaN');
INSERT INTO t_invalid.refunds VALUES (2, 'NaN');
INSERT INTO t_invalid.refunds VALUES (1, 7), (1, 'NaN');
INSERT INTO t_invalid.lines VALUES (1, 'NaN');
SELECT points, orders FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- those that PostgreSQL 13 does not know
CREATE FUNCTION t_invalid.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF current_setting('server_version_num')::int < 140000 THEN
		RETURN 'the amount of an order must be finite';
	END IF;
	EXECUTE statement;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlerrm;
END $$;
SELECT o, amount, t_invalid.try(format('INSERT INTO t_invalid.refunds VALUES (%s, %L)', o, amount))
  FROM generate_series(1, 2) o, unnest('{Infinity,-Infinity}'::text[]) amount ORDER BY 1, 2;
SELECT points, orders FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- by option such an order does not count, until the refund is corrected: 100 - 7, 10 - 1
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_invalid.refunds VALUES (1, 'NaN'), (2, 'NaN');
SELECT points, orders FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
UPDATE t_invalid.refunds SET amount = CASE order_id WHEN 1 THEN 7 ELSE 1 END;
SELECT points, orders FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_invalid CASCADE;
