-- What verify() tells: tampering with the program's own tables by an owner who
-- disables its triggers, expressions that fail for somebody, and dates before Christ.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_verify;
CREATE TABLE t_verify.customers (id int PRIMARY KEY, other int, since timestamptz DEFAULT '2010-03-05', born timestamptz DEFAULT '1990-01-01');
INSERT INTO t_verify.customers SELECT i, 10 - i FROM generate_series(1, 4) i;
CREATE TABLE t_verify.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2020-01-01', total numeric, n int DEFAULT 1);
CREATE TABLE t_verify.refunds (id int PRIMARY KEY, of int, amount numeric, n int DEFAULT 1);
SELECT loyalty.create_program('club', customers => 't_verify.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_verify.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_refunds('club', 't_verify.refunds', order_key => 'of', amount => 'amount / n');
INSERT INTO club.earning_rule (name, points) VALUES ('per piece', 'amount / n');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'orders >= 2', 2);
INSERT INTO t_verify.orders SELECT i, 1 + i % 3, '2020-01-01'::timestamptz + i * interval '1 day', 10 FROM generate_series(1, 12) i;
CALL loyalty.post('club');
INSERT INTO t_verify.orders SELECT i, 1 + i % 3, '2020-01-01'::timestamptz + i * interval '1 day', 10 FROM generate_series(13, 15) i;
SELECT * FROM loyalty.verify('club');

CREATE FUNCTION t_verify.plant(statement text) RETURNS TABLE (violation text, customer text, order_key text, detail text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM loyalty.verify('club') v;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(f ORDER BY f.violation, f.customer, f.order_key), '[]') FROM found f);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_to_recordset(sqlerrm::json) AS (violation text, customer text, order_key text, detail text);
	END;
END $$;
-- times of recording that cannot be
SELECT violation, count(*) FROM t_verify.plant($$UPDATE club.ledger SET recorded_at = recorded_at - interval '1 year'$$) GROUP BY 1 ORDER BY 1;
SELECT violation, count(*) FROM t_verify.plant($$UPDATE club.ledger SET recorded_at = recorded_at + interval '1 year'$$) GROUP BY 1 ORDER BY 1;
SELECT violation, count(*) FROM t_verify.plant($$UPDATE club.journal SET recorded_at = recorded_at - interval '1 year'$$) GROUP BY 1 ORDER BY 1;
SELECT violation, count(*) FROM t_verify.plant($$UPDATE club.journal SET recorded_at = recorded_at + interval '1 year'$$) GROUP BY 1 ORDER BY 1;
-- settings that say something else than the views
SELECT violation, detail FROM t_verify.plant($$UPDATE club.program SET customers = 't_verify.orders'$$);
SELECT violation, detail FROM t_verify.plant($$DROP VIEW club.tiers_3$$);
SELECT violation, detail FROM t_verify.plant($$DROP VIEW club.orders_1_3$$);
SELECT violation, detail FROM t_verify.plant($$DROP VIEW club.refunds_2 CASCADE$$);
SELECT violation, detail FROM t_verify.plant($$DROP VIEW club.customer CASCADE$$);
-- what else is wrong is told nevertheless
SELECT violation, order_key FROM t_verify.plant($$DROP VIEW club.tiers_3; DELETE FROM t_verify.orders WHERE order_id = 7$$);
SELECT violation, order_key FROM t_verify.plant($$DROP VIEW club.customer CASCADE; DELETE FROM t_verify.orders WHERE order_id = 7$$);
SELECT violation, detail FROM t_verify.plant($$DROP VIEW club.entries CASCADE$$);
-- a view that says something else than what was recorded, and one that takes customers from elsewhere
SELECT violation, customer, order_key, detail FROM t_verify.plant($$CREATE OR REPLACE VIEW club.orders_1 AS SELECT tracked.n AS customer, tracked.order_id AS key,
	tracked.order_id::text COLLATE "C" AS order_key, tracked.tableoid AS row_table, tracked.ctid AS row_id FROM t_verify.orders tracked$$);
SELECT violation, customer, order_key, detail FROM t_verify.plant($$ALTER VIEW club.orders_1_3 RENAME TO real; CREATE VIEW club.orders_1_3 AS
	SELECT said.customer, tracked.order_id AS key, r.order_key, r.at, r.counts, r.amount, r.currency, r.rate, r.available_at, CASE r.order_key WHEN '14' THEN r.awards + 1 ELSE r.awards END AS awards, r.parts, r.member, r.award_1
	  FROM t_verify.orders AS tracked JOIN club.real r ON r.key = tracked.order_id CROSS JOIN LATERAL (SELECT tracked.customer_id AS customer) AS said$$);
SELECT violation, detail FROM t_verify.plant('DROP TRIGGER check_change ON club.tracked_table');
SELECT violation, detail FROM t_verify.plant('DROP TRIGGER keep_row ON club.terms');
-- renames are none
BEGIN;
ALTER TABLE t_verify.customers RENAME COLUMN since TO joined;
SELECT * FROM loyalty.verify('club');
ALTER TABLE t_verify.customers RENAME COLUMN id TO customer_id;
ALTER TABLE t_verify.customers RENAME TO people;
SELECT * FROM loyalty.verify('club');
ROLLBACK;

-- a rule fails for one order: it is named, and the others are verified
SELECT violation, order_key, detail FROM t_verify.plant('UPDATE t_verify.orders SET n = 0 WHERE order_id = 7');
SELECT violation, order_key FROM t_verify.plant('UPDATE t_verify.orders SET n = CASE order_id WHEN 7 THEN 0 ELSE 1 END, total = CASE order_id WHEN 8 THEN 9 ELSE 10 END');
SELECT violation, order_key, detail FROM t_verify.plant('INSERT INTO t_verify.orders VALUES (20, 1, DEFAULT, 10, 0)');
SELECT violation, order_key, detail FROM t_verify.plant('INSERT INTO t_verify.refunds VALUES (1, 3, 10, 0)');
-- one that fails for every order; a refund of an order that is not there is nobody's
SELECT violation, count(*), min(detail) FROM t_verify.plant('UPDATE t_verify.orders SET n = 0') GROUP BY 1;
SELECT violation, order_key, detail FROM t_verify.plant('INSERT INTO t_verify.refunds VALUES (1, 99, 10, 0)');
-- more than verify() looks for
SELECT violation, count(*) > 1000 AS many, min(detail) FROM t_verify.plant($$INSERT INTO t_verify.orders SELECT i, 1, '2020-01-01', 1, 0 FROM generate_series(1001, 4000) i$$) GROUP BY 1 ORDER BY 1;
-- with skip, such an order does not count: only if it does nevertheless, that is told
SELECT violation, order_key, detail FROM t_verify.plant($$UPDATE club.program SET on_invalid = 'skip'; UPDATE t_verify.orders SET n = 0 WHERE order_id = 7$$);
SELECT violation, order_key, detail FROM t_verify.plant($$UPDATE club.program SET on_invalid = 'skip'; INSERT INTO t_verify.orders VALUES (20, 1, DEFAULT, 10, 0)$$);
-- a condition of a tier fails: each of three customers has five orders, the first two
-- before Gold; it fails before their last orders, and the fourth customer has none
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT violation, detail FROM t_verify.plant($$CREATE OR REPLACE VIEW club.tiers_3 AS SELECT 100 / (facts.orders - 4) > 1000 OR facts.orders >= 2 AS tier_1 FROM (SELECT (NULL::club.facts).*) facts$$);
-- before the first orders, and for the customer without; then third and fourth orders
-- should not have been Gold
SELECT violation, detail FROM t_verify.plant($$CREATE OR REPLACE VIEW club.tiers_3 AS SELECT 100 / facts.orders < 30 AS tier_1 FROM (SELECT (NULL::club.facts).*) facts$$);

SELECT * FROM loyalty.verify('club');

-- amounts that cannot be added up: the other parts are verified
SELECT violation, detail FROM t_verify.plant($$UPDATE club.ledger SET amount_change = '9e131071' WHERE customer = 2; UPDATE club.account SET points = 0 WHERE customer = 1$$)
 WHERE violation NOT LIKE 'entries of an order%' ORDER BY 1, 2;

-- tenure over the change of eras, on the days before and of an anniversary: there is no
-- year 0, so 5 March 2 AD is 4 years after 5 March 3 BC
SELECT loyalty.drop_program('club', force => true);
UPDATE t_verify.customers SET since = '0003-03-05 BC';
TRUNCATE t_verify.orders;
SELECT loyalty.create_program('club', customers => 't_verify.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_verify.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('One year', 1, $$tenure >= '1 year'$$, 2), ('Four years', 2, $$tenure >= '4 years'$$, 3);
INSERT INTO t_verify.orders VALUES (1, 1, '0002-03-04 BC', 1), (2, 1, '0002-03-05 BC', 1), (3, 1, '0002-03-04', 1), (4, 1, '0002-03-05', 1);
SELECT _loyalty.tenure('0003-03-05 BC', at, 'UTC') AS tenure, tier, points FROM t_verify.orders o JOIN club.entries e ON e.order_key = o.order_id::text ORDER BY order_id;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_verify CASCADE;
