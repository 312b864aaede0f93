-- Points, tiers and time: by hand-computed numbers.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_points;
CREATE TABLE t_points.customers (customer_id int PRIMARY KEY, joined timestamptz);
CREATE TABLE t_points.orders (order_id serial PRIMARY KEY, customer_id int, at timestamptz, total numeric, status text DEFAULT 'paid');
CREATE FUNCTION t_points.fresh(points_scale int DEFAULT 0, rounding text DEFAULT 'floor') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM loyalty.programs) THEN
		IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
		PERFORM loyalty.drop_program('club', force => true);
	END IF;
	TRUNCATE t_points.orders RESTART IDENTITY;
	PERFORM loyalty.create_program('club', customers => 't_points.customers', joined_at => 'joined', points_scale => fresh.points_scale, rounding => fresh.rounding);
	PERFORM loyalty.track_orders('club', 't_points.orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => $x$status = 'paid'$x$);
END $$;
-- the seed example: five years and 3,000,000 is Gold, five years and 5,000,000 Platinum
INSERT INTO t_points.customers VALUES (1, '2019-03-10'), (2, '2019-03-10'), (3, '2019-03-11'), (4, '2020-02-29');
SELECT t_points.fresh();
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES
  ('Gold',     1, $$tenure >= '5 years' AND spend >= 3000000$$, 1.25),
  ('Platinum', 2, $$tenure >= '5 years' AND spend >= 5000000$$, 1.50);
INSERT INTO t_points.orders (customer_id, at, total) VALUES
  (1, '2019-03-10', 3000000), (2, '2019-03-10', 5000000), (3, '2019-03-11', 9000000), (4, '2020-03-01', 3000000);
SELECT c.customer_id, t.at::date, club.tier_at(c.customer_id, t.at)
  FROM t_points.customers c CROSS JOIN (VALUES (timestamptz '2024-03-09'), ('2024-03-10'), ('2024-03-11')) t (at)
 WHERE customer_id < 4 ORDER BY 1, 2;
-- joined on 29 February: five years are complete on 1 March
SELECT t.at::date, club.tier_at(4, t.at), _loyalty.tenure('2020-02-29', t.at, 'UTC')
  FROM (VALUES (timestamptz '2025-02-28'), ('2025-03-01')) t (at);
-- a return brings the spend below the limit
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-04-01', -1);
SELECT club.tier_at(1, '2024-03-31'), club.tier_at(1, '2024-04-02');
-- tenure in the program's time zone; 29 days at most, so that years compare exactly
SELECT _loyalty.tenure('2020-01-31', '2025-01-30', 'UTC'), _loyalty.tenure('2020-01-31', '2025-01-30', 'UTC') >= '5 years';
SELECT _loyalty.tenure('2020-01-01 23:30+00', '2025-01-02 00:30+01', 'Europe/Berlin') >= '5 years',
       _loyalty.tenure('2020-01-01 23:30+00', '2025-01-01 00:30+00', 'UTC') >= '5 years';
SELECT _loyalty.tenure('infinity', now(), 'UTC'), _loyalty.tenure(now(), '-infinity', 'UTC');
SELECT _loyalty.tenure(now(), now(), 'Mars/Olympus');
-- verify() computes tenure in another way
SELECT format($$SELECT count(*), count(t.tenure) FROM generate_series(timestamptz '2019-12-28', '2020-03-03', '1 day') a
  CROSS JOIN generate_series(timestamptz '2019-02-25', '2025-03-05', '3 days') b CROSS JOIN LATERAL (SELECT %s AS tenure) t
 WHERE _loyalty.tenure(a, b, 'UTC') IS NOT DISTINCT FROM t.tenure$$, _loyalty.tenure_sql('a', 'b', $q$'UTC'$q$)) AS compare \gset
:compare;
SELECT format($$SELECT t.tenure FROM (VALUES (timestamptz 'infinity', now()), (NULL, now())) v (a, b) CROSS JOIN LATERAL (SELECT %s AS tenure) t$$,
              _loyalty.tenure_sql('a', 'b', $q$'UTC'$q$)) AS compare \gset
:compare;

-- the multiplier is that of the tier held just before the order
SELECT t_points.fresh();
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.25), ('Gold', 2, 'orders >= 3 AND points_earned >= 300', 2);
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-01-01', 100);
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-01-02', 100), (1, '2024-01-03', 100);
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-01-04', 10);
SELECT order_key, tier, multiplier, points, balance FROM club.entries WHERE customer_id = 1 ORDER BY entry;
SELECT tier, points, lifetime_value, orders, first_order_at, last_order_at, average_order FROM club.members WHERE customer_id = 1;
CALL loyalty.post('club');
SELECT order_key, tier, multiplier, points, balance FROM club.entries WHERE customer_id = 1 ORDER BY entry;
-- terms are pinned: neither new rules nor new tiers change what was earned, and
-- a refund takes back exactly that
UPDATE club.earning_rule SET points = 'amount * 2';
UPDATE club.tier SET multiplier = 10;
UPDATE t_points.orders SET total = 40 WHERE order_id = 4;
SELECT points, balance FROM club.entries WHERE customer_id = 1 ORDER BY entry DESC LIMIT 1;
UPDATE t_points.orders SET status = 'refunded';
SELECT tier, points, lifetime_value, orders, first_order_at, last_order_at, average_order FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- configuration takes effect in the next statement of the transaction, and goes with it
BEGIN;
DELETE FROM club.earning_rule;
INSERT INTO t_points.orders (customer_id, at, total) VALUES (2, '2024-01-01', 100);
SELECT points, orders FROM club.members WHERE customer_id = 2;
ROLLBACK;
INSERT INTO t_points.orders (customer_id, at, total) VALUES (2, '2024-01-01', 100);
SELECT points, orders FROM club.members WHERE customer_id = 2;
-- buy and refund, n times, is nothing
DO $$
BEGIN
	FOR i IN 1 .. 20 LOOP
		INSERT INTO t_points.orders (order_id, customer_id, at, total) VALUES (1000 + i % 3, 3, '2024-01-01', 99.99 + i);
		IF i % 2 = 0 THEN DELETE FROM t_points.orders WHERE order_id = 1000 + i % 3;
		ELSE UPDATE t_points.orders SET status = 'refunded' WHERE order_id = 1000 + i % 3;
		     DELETE FROM t_points.orders WHERE order_id = 1000 + i % 3; END IF;
	END LOOP;
END $$;
SELECT points, orders, lifetime_value FROM club.members WHERE customer_id = 3;

-- rounding: once per order
CREATE TABLE t_points.rounding (mode text, scale int, amount numeric, points numeric);
DO $$
DECLARE m text; s int;
BEGIN
	FOREACH m IN ARRAY ARRAY['floor', 'half_even', 'half_up', 'ceil'] LOOP
		FOREACH s IN ARRAY ARRAY[0, 1] LOOP
			PERFORM t_points.fresh(s, m);
			INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
			INSERT INTO t_points.orders (customer_id, at, total)
				SELECT 1, '2024-01-01', x FROM unnest(ARRAY[2.5, 3.5, 2.51, -2.5, 0.25, 0.35, 2]) x;
			INSERT INTO t_points.rounding SELECT m, s, amount_change, points FROM club.entries;
		END LOOP;
	END LOOP;
END $$;
SELECT amount, scale, max(points) FILTER (WHERE mode = 'floor') AS floor, max(points) FILTER (WHERE mode = 'half_even') AS half_even,
       max(points) FILTER (WHERE mode = 'half_up') AS half_up, max(points) FILTER (WHERE mode = 'ceil') AS ceil
  FROM t_points.rounding GROUP BY 1, 2 ORDER BY 2, 1;
-- published examples of others
SELECT t_points.fresh();
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('4 per dollar', '4 * amount', 'true'), ('10 per dollar', '10 * amount', 'true');
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-01-01', 152);	-- both rules stack: 2128
SELECT points FROM club.members WHERE customer_id = 1;
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('step', '1 * floor(amount / 10)', 'amount >= 10');
INSERT INTO t_points.orders (customer_id, at, total) VALUES (2, '2024-01-01', 105), (3, '2024-01-01', 9);	-- 10 and 0
SELECT customer_id, points FROM club.members WHERE customer_id IN (2, 3) ORDER BY 1;
-- RVCA: $100 earns 100, a return of $75 keeps 25
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO t_points.orders (order_id, customer_id, at, total) VALUES (500, 4, '2024-01-01', 100);
UPDATE t_points.orders SET total = 25 WHERE order_id = 500;
SELECT points FROM club.members WHERE customer_id = 4;
-- balance as of a moment
SELECT club.balance(2), club.balance(2, '2023-12-31'), club.balance(2, '2024-01-01'), club.balance(99), club.tier_at(99);
-- who is no customer has none, then as now, until he is one; a customer without orders has 0
INSERT INTO t_points.orders (order_id, customer_id, at, total) VALUES (501, 99, '2024-01-01', 30);
\set ninety_nine 'SELECT club.balance(99) AS now, club.balance(99, ''2024-01-01'') AS then, club.balance(99, ''2023-12-31'') AS before, club.balance(98) AS unknown, club.balance(98, now()) AS unknown_then;'
:ninety_nine
INSERT INTO t_points.customers (customer_id) VALUES (99);
:ninety_nine
DELETE FROM t_points.orders WHERE order_id = 501;
DELETE FROM t_points.customers WHERE customer_id = 99;
-- exact decimals
SELECT t_points.fresh(2);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO t_points.orders (customer_id, at, total) VALUES (1, '2024-01-01', 267.39), (1, '2024-01-02', 0.89);
SELECT points FROM club.members WHERE customer_id = 1;
-- wrong configuration changes nothing
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'spnd > 1');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'spend');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('x', 1, 'true', 'NaN');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('x', 1, 'true', -1);
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'amount)');
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$'much'$$);
UPDATE club.program SET time_zone = 'Mars/Olympus';
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_points CASCADE;
