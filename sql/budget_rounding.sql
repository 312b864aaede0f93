-- What budgets give is rounded once more with all that others give.  What an order has, what
-- simulate_order() says before and explain() afterwards is the same.  Expected values are worked
-- out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_bround;
CREATE TABLE t_bround.customers (id int PRIMARY KEY);
INSERT INTO t_bround.customers SELECT generate_series(1, 9);
CREATE TABLE t_bround.orders (id int PRIMARY KEY, customer int, total numeric, rounding name,
                              at timestamptz DEFAULT '2026-01-01');
-- a program for each rounding, which counts the orders that name it
SELECT loyalty.create_program(p, 't_bround.customers', time_zone => 'UTC', rounding => p)
  FROM unnest('{floor,half_even,half_up,ceil}'::name[]) p;
SELECT loyalty.track_orders(p, 't_bround.orders', customer => 'customer', at => 'at',
                            amount => 'total',
                            counts_when => format('rounding = %L', p))
  FROM unnest('{floor,half_even,half_up,ceil}'::name[]) p;

-- The points of an order in a program: simulated, recorded and explained.
CREATE FUNCTION t_bround.order_in(p name, id int, total numeric, customer int DEFAULT 1)
RETURNS TABLE (simulated numeric, recorded numeric, explained numeric)
LANGUAGE plpgsql AS $$
DECLARE
	o t_bround.orders := ROW(id, customer, total, p, '2026-01-01');
BEGIN
	EXECUTE format('SELECT sum(points) FROM %I.simulate_order($1)', p) INTO simulated USING o;
	INSERT INTO t_bround.orders SELECT (o).*;
	EXECUTE format('SELECT points FROM %I.order_points WHERE order_key = $1', p) INTO recorded
	  USING id::text;
	EXECUTE format('SELECT sum(points) FROM %I.explain($1)', p) INTO explained USING id::text;
	RETURN NEXT;
END $$;

-- 1. 1.25 points out of a budget of 2.5 are 1, or 2 with ceil.  Beside the amount, 2.5 and 1 are
-- 3.5, and 2.5 and 2 are 4.5; -3.4 and 1 are -2.4.  Of the third order half a point is left, which
-- is none.
CREATE FUNCTION t_bround.rules(statement text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	p name;
BEGIN
	FOREACH p IN ARRAY '{floor,half_even,half_up,ceil}'::name[]
	LOOP
		EXECUTE replace(statement, 'club', quote_ident(p));
	END LOOP;
END $$;
SELECT t_bround.rules($$
	INSERT INTO club.budget (name, points) VALUES ('b', 2.5);
	INSERT INTO club.campaign (name, budget) VALUES ('camp', 'b');
	INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
	INSERT INTO club.earning_rule (name, points, bonus, campaign) VALUES ('bud', '1.25', true, 'camp');
$$);
-- floor 3, -2, 2; half_even 4, -2, 2; half_up 4, -2, 3; ceil 5, -4, 3
SELECT p AS rounding, n AS order, x.*
  FROM unnest('{floor,half_even,half_up,ceil}'::name[]) WITH ORDINALITY r (p, k)
 CROSS JOIN (VALUES (1, 2.50), (2, -3.40), (3, 2.50)) o (n, total)
 CROSS JOIN LATERAL t_bround.order_in(p, k::int * 1000 + n, total) x
 ORDER BY k, n;
-- what the campaign gave is what is given of the budget: 2 in each
SELECT 'floor' AS rounding, c.points, b.given FROM floor.campaigns c, floor.budget b
UNION ALL SELECT 'half_even', c.points, b.given FROM half_even.campaigns c, half_even.budget b
UNION ALL SELECT 'half_up', c.points, b.given FROM half_up.campaigns c, half_up.budget b
UNION ALL SELECT 'ceil', c.points, b.given FROM ceil.campaigns c, ceil.budget b;
-- the steps: 1.25 are 1 by themselves, 2.5 and 1 are 4, and what is more than 3.75 is of rounding
SELECT what, name, value, points FROM half_even.explain('2001');
-- 1.25 are left out by it, and 2.5 are 2
SELECT what, name, value, points FROM half_even.explain('2003');
SELECT p AS program, v.* FROM unnest('{floor,half_even,half_up,ceil}'::name[]) p
 CROSS JOIN LATERAL loyalty.verify(p) v;

-- 2. Of a campaign that gives out of a budget and beside it, the budget's part counts as it is:
-- with 2.5, 1 and 2, which are 5.5, the order has 6; without the 2, it has 3.5, which are 4
BEGIN;
UPDATE half_even.budget SET points = 100;
DELETE FROM half_even.earning_rule;
INSERT INTO half_even.campaign (name) VALUES ('both');
INSERT INTO half_even.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO half_even.earning_rule (name, points, bonus, budget, campaign) VALUES
  ('bud', '1', true, 'b', 'both'), ('more', '2', true, NULL, 'both');
SELECT * FROM t_bround.order_in('half_even', 2004, 2.50);
SELECT points AS "6 - 4 + 1" FROM half_even.campaigns WHERE campaign = 'both';
SELECT * FROM loyalty.verify('half_even');
ROLLBACK;

-- 3. By chance: orders above and below zero, with halves and thirds, under rules that are
-- multiplied, rounded by themselves, for some, limited, or given into wallets, with budgets that are cut
SELECT t_bround.rules($$
	INSERT INTO club.wallet (name, available_after) VALUES ('later', '10 days');
	UPDATE club.budget SET points = 60;
	INSERT INTO club.budget (name, points) VALUES ('c', 30);
	INSERT INTO club.earning_rule (name, multiplier, applies_when) VALUES ('m', '1.5', 'amount > 3');
	INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES
	  ('third', 'amount / 3', true, 'b'), ('same', 'abs(amount) / 2', true, 'b');
	INSERT INTO club.earning_rule (name, points, bonus, budget, wallet) VALUES
	  ('later', 'amount / 4', true, 'c', 'later');
	INSERT INTO club.earning_rule (name, points, for_members) VALUES ('few', '0.5', 'orders < 3');
	INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('limited', 'amount / 8', 3);
	INSERT INTO club.earning_rule (name, points, rounding) VALUES ('own', 'amount / 7', 'half_up');
$$);
DO $do$
DECLARE
	p name;
	x record;
	total numeric;
	place int := 0;
BEGIN
	PERFORM setseed(0.5);
	FOREACH p IN ARRAY '{floor,half_even,half_up,ceil}'::name[]
	LOOP
		place := place + 1000;
		FOR i IN 1 .. 24
		LOOP
			total := (random() * 40 - 12)::int / 2.0 + CASE WHEN i % 3 = 0 THEN 0.25 ELSE 0 END;
			SELECT * INTO x FROM t_bround.order_in(p, place + 100 + i, total, 1 + i % 9);
			IF (x.simulated = x.recorded AND x.explained = x.recorded) IS NOT TRUE THEN
				RAISE EXCEPTION '%, order % of %: simulated %, recorded %, explained %',
					p, i, total, x.simulated, x.recorded, x.explained;
			END IF;
			IF i = 12 THEN
				EXECUTE format('CALL loyalty.post(%L)', p);
			END IF;
		END LOOP;
	END LOOP;
END
$do$;
-- explained as they stand, posted or not, and after amounts that change
UPDATE t_bround.orders SET total = total + 0.5 WHERE id % 4 = 0;
SELECT t_bround.rules($$
	DO $do$
	DECLARE
		wrong text;
	BEGIN
		WITH o AS MATERIALIZED (SELECT order_key, points FROM club.order_points)
		SELECT string_agg(o.order_key, ', ') INTO wrong FROM o
		 WHERE o.points <> (SELECT sum(e.points) FROM club.explain(o.order_key) e)
		    OR EXISTS (SELECT FROM club.explain(o.order_key) e WHERE e.what = 'difference');
		IF wrong IS NOT NULL THEN
			RAISE EXCEPTION 'club: explained otherwise than recorded: %', wrong;
		END IF;
	END
	$do$
$$);
SELECT p AS program, v.* FROM unnest('{floor,half_even,half_up,ceil}'::name[]) p
 CROSS JOIN LATERAL loyalty.verify(p) v;
SELECT count(*) AS orders FROM t_bround.orders;		-- 4 * 27

SELECT loyalty.drop_program(p, force => true)
  FROM unnest('{floor,half_even,half_up,ceil}'::name[]) p;
DROP SCHEMA t_bround CASCADE;
