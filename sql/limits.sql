-- Limits of what a rule gives to a member in a period.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_limits;
CREATE TABLE t_limits.customers (id int PRIMARY KEY);
INSERT INTO t_limits.customers SELECT generate_series(1, 30);
CREATE TABLE t_limits.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', 't_limits.customers', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_limits.orders', customer => 'customer_id', at => 'at', amount => 'total');

-- What a rule may say
INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('x', 'amount', -1);
INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('x', 'amount', 'NaN');
INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('x', 'amount', 1e20);
INSERT INTO club.earning_rule (name, points, limit_period) VALUES ('x', 'amount', 'day');
INSERT INTO club.earning_rule (name, points, member_limit, limit_period) VALUES ('x', 'amount', 10, 'fortnight');
INSERT INTO club.earning_rule (name, multiplier, member_limit) VALUES ('x', '2', 10);
INSERT INTO club.earning_rule (name, points, limit_unit) VALUES ('x', 'amount', 'times');
INSERT INTO club.earning_rule (name, points, member_limit, limit_unit) VALUES ('x', 'amount', 1.5, 'times');
INSERT INTO club.earning_rule (name, points, member_limit, limit_unit) VALUES ('x', 'amount', 2, 'orders');

-- Shops give 5 points per 1, and 100 a day at most; the rest gives 1 per 10.  Days are those of Berlin: in winter they begin at 23:00.
-- 1: 5 * 12 = 60, of 100; and 1.2: 61.   2: 5 * 10 = 50, of 40; and 1: 41.   3: the next day in Berlin: 50, and 1: 51.
INSERT INTO club.earning_rule (name, points, member_limit, limit_period) VALUES ('five a day', '5 * amount', 100, 'day');
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount / 10');
SELECT award, name, member_limit, limit_period FROM club.terms_rule WHERE version = (SELECT terms FROM club.program) ORDER BY award;
INSERT INTO t_limits.orders VALUES (1, 1, '2026-01-05 08:00+00', 12);
INSERT INTO t_limits.orders VALUES (2, 1, '2026-01-05 22:59:59+00', 10);
INSERT INTO t_limits.orders VALUES (3, 1, '2026-01-05 23:00+00', 10);
SELECT order_key, order_points, rooms, apart FROM club.unposted ORDER BY 1;
SELECT points FROM club.members WHERE id = 1;		-- 153
SELECT * FROM club.explain('2');
SELECT sum(points) FROM club.explain('2');
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT order_key, order_points, rooms, apart FROM club.ledger ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- of the other one, nothing is used; of this one, 50 are left of the second day
SELECT what, name, value, points FROM club.simulate_order(ROW(0, 2, '2026-01-05 10:00+00', 30)::t_limits.orders);
SELECT what, name, value, points FROM club.simulate_order(ROW(0, 1, '2026-01-06 10:00+00', 30)::t_limits.orders);

-- A refund gives room to later orders, and none to those before: 1 is 10 + 0.2, so 50 are free for 4, which
-- would give 75: 50 + 1.5; 2 stays at 40, and when it is corrected it has no more room than it began with.
UPDATE t_limits.orders SET total = 2 WHERE id = 1;
INSERT INTO t_limits.orders VALUES (4, 1, '2026-01-05 12:00+00', 15);
UPDATE t_limits.orders SET total = 100 WHERE id = 2;
-- 1 began with a room of 100, of which 10 + 40 + 50 are used: it stays at 10, and 0.9 of 9
UPDATE t_limits.orders SET total = 9 WHERE id = 1;
SELECT order_key, revision, order_points, rooms, apart FROM club.unposted ORDER BY entry;
SELECT points FROM club.members WHERE id = 1;		-- 10 + 50 + 51 + 51 = 162
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 1;
SELECT * FROM loyalty.verify('club');

-- An order that is made on another day: 3 goes to the first day, where nothing is left, and back
UPDATE t_limits.orders SET at = '2026-01-05 13:00+00' WHERE id = 3;
SELECT order_points, rooms, apart FROM club.unposted WHERE order_key = '3';
SELECT * FROM loyalty.verify('club');
UPDATE t_limits.orders SET at = '2026-01-05 23:00+00' WHERE id = 3;
SELECT points FROM club.members WHERE id = 1;
CALL loyalty.post('club');
-- to another customer, with room of its own; 4 is deleted, and 5 has the room
UPDATE t_limits.orders SET customer_id = 2 WHERE id = 1;
DELETE FROM t_limits.orders WHERE id = 4;
INSERT INTO t_limits.orders VALUES (5, 1, '2026-01-05 14:00+00', 20);
SELECT customer, order_key, revision, counts, order_points, rooms, apart FROM club.unposted ORDER BY customer, entry;
SELECT id, points FROM club.members WHERE id < 3 ORDER BY 1;		-- 1: 50 (2: 40 + 10) + 51 + 60 + 2 (5) = 163; 2: 45 + 0.9: 45
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, points FROM club.members WHERE id < 3 ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- Limits go on under other terms by the name of the rule.  In that week, customer 1 has had 40 + 50 + 60 = 150 by 5 a day; 60 are left of 210.
UPDATE club.earning_rule SET member_limit = 210, limit_period = 'week' WHERE name = 'five a day';
INSERT INTO t_limits.orders VALUES (6, 1, '2026-01-11 22:59+00', 13), (7, 1, '2026-01-11 23:01+00', 13);
SELECT order_key, order_points, rooms, apart FROM club.unposted ORDER BY 1;		-- 60 + 1.3; 65 + 1.3
SELECT * FROM loyalty.verify('club');
-- an order of the terms before, which have a limit for the day
UPDATE t_limits.orders SET total = 1 WHERE id = 2;
SELECT order_key, terms, order_points, rooms, apart FROM club.unposted WHERE order_key = '2';
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- less than what was had already: nothing, and nothing is taken away
UPDATE club.earning_rule SET member_limit = 20, limit_period = NULL WHERE name = 'five a day';
INSERT INTO t_limits.orders VALUES (8, 1, '2026-03-01', 10);
UPDATE t_limits.orders SET total = 12 WHERE id = 7;
SELECT order_key, order_points, rooms, apart FROM club.unposted ORDER BY 1;		-- 7: 60 + 1.2; 8: 0 + 1
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- After multipliers and the tier: Gold doubles, and so do Sundays.  2026-03-01 is one.
-- 11: 10 * 2 = 20 of 30, and the bonus 7 of 10; then Gold.  12: 10 * 2 * 2 = 40 of the 10 that are left, and the bonus 3 that is left of its 10.
-- 13, a Monday: nothing of both, and 2.4 * 2 = 4.8, rounded to 4, of base
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, member_limit, limit_period) VALUES ('one', 'amount', 30, 'quarter');
INSERT INTO club.earning_rule (name, points, bonus, member_limit, limit_period) VALUES ('seven', '7', true, 10, 'year');
INSERT INTO club.earning_rule (name, multiplier, applies_when) VALUES ('Sunday', '2', $$extract(isodow FROM at AT TIME ZONE 'Europe/Berlin') = 7$$);
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'orders > 0', 2);
INSERT INTO t_limits.orders VALUES (11, 3, '2026-03-01 12:00+00', 10), (12, 3, '2026-03-01 13:00+00', 10);
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount * 0.24');
INSERT INTO t_limits.orders VALUES (13, 3, '2026-03-02 13:00+00', 10);
-- the next quarter, and the year goes on: 20 of 30, and 4.8
INSERT INTO t_limits.orders VALUES (14, 3, '2026-03-31 22:00+00', 10);
-- the next year in Berlin: 20, 7 and 4.8 = 31.8
INSERT INTO t_limits.orders VALUES (15, 3, '2026-12-31 23:00+00', 10);
SELECT order_key, tier, order_points, apart FROM club.unposted WHERE customer = 3 ORDER BY 1;		-- 27, 13, 4, 24, 31
SELECT * FROM club.explain('12');
SELECT o.order_key, o.points, e.sum FROM (SELECT * FROM club.order_points OFFSET 0) o CROSS JOIN LATERAL (SELECT sum(points) FROM club.explain(o.order_key)) e WHERE o.id = 3 AND o.points IS DISTINCT FROM e.sum;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 3;		-- 99
SELECT * FROM loyalty.verify('club');

-- Of the best of a group, what counts is what it would give before its limit: 21 gives 'much' 30 of 15, and 'little' nothing
DELETE FROM club.tier;
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, stacking, stacking_group, member_limit) VALUES ('much', '3 * amount', 'best_of', 'g', 15);
INSERT INTO club.earning_rule (name, points, stacking, stacking_group) VALUES ('little', '2 * amount', 'best_of', 'g');
-- with for_members: the first order alone
INSERT INTO club.earning_rule (name, points, for_members, member_limit, limit_period) VALUES ('first', '5', 'orders = 0', 100, 'month');
INSERT INTO t_limits.orders VALUES (21, 4, '2026-03-01', 10), (22, 4, '2026-03-01', 10);
SELECT order_key, order_points, apart FROM club.unposted WHERE customer = 4 ORDER BY 1;		-- 20, 0
SELECT * FROM loyalty.verify('club');

-- Merged: what both had counts from then on.  5 has had 40 of 50, 6 has had 30: nothing is left, and nothing is taken away
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('fifty', 'amount', 50);
INSERT INTO t_limits.orders VALUES (31, 5, '2026-03-01', 40), (32, 6, '2026-03-01', 30);
SELECT points, balance FROM club.merge(6, 5, 'm1');
INSERT INTO t_limits.orders VALUES (33, 5, '2026-03-01', 10), (34, 6, '2026-03-01', 10);
UPDATE t_limits.orders SET total = 35 WHERE id = 31;
SELECT order_key, order_points, rooms, apart FROM club.unposted WHERE customer IN (5, 6) ORDER BY entry;
SELECT points FROM club.members WHERE id = 5;		-- 65
-- 32 gives 30 back: of 50 there are 35, and 35 has 15
DELETE FROM t_limits.orders WHERE id = 32;
INSERT INTO t_limits.orders VALUES (35, 6, '2026-03-01', 100);
SELECT points FROM club.members WHERE id = 5;		-- 50
SELECT sum(points) FROM club.simulate_order(ROW(0, 6, '2026-03-01', 100)::t_limits.orders);		-- 0
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 5;
SELECT * FROM loyalty.verify('club');

-- An order that gets another key keeps its room, and leaves none behind, whichever key comes first: 7 has room for 40 and the 10 of 8 are left.
-- 40 and 10 stay, also when both are exchanged, and 5 of 12 that come then
INSERT INTO t_limits.orders VALUES (41, 7, '2026-03-01', 40), (42, 7, '2026-03-01', 20);
UPDATE t_limits.orders SET id = 401 WHERE id = 41;
UPDATE t_limits.orders SET id = 2 + 400 WHERE id = 42;
SELECT order_key, revision, came_from, order_points, rooms, apart FROM club.unposted WHERE customer = 7 ORDER BY entry;
SELECT points FROM club.members WHERE id = 7;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
UPDATE t_limits.orders SET id = 30 + 400 WHERE id = 401;
ALTER TABLE t_limits.orders DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pkey PRIMARY KEY (id) DEFERRABLE;
UPDATE t_limits.orders SET id = 430 + 402 - id WHERE id IN (430, 402);
UPDATE t_limits.orders SET total = 35 WHERE total = 40 AND customer_id = 7;
INSERT INTO t_limits.orders VALUES (43, 7, '2026-03-01', 12);
SELECT order_key, revision, counts, came_from, order_points, rooms, apart FROM club.unposted WHERE customer = 7 ORDER BY entry;
SELECT points FROM club.members WHERE id = 7;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 7;
SELECT * FROM loyalty.verify('club');
ALTER TABLE t_limits.orders DROP CONSTRAINT orders_pkey, ADD CONSTRAINT orders_pkey PRIMARY KEY (id);

-- An order that is moved to another period has the room that is left there: 52 had none in June, and has 20 in July; 53 has 30 then
UPDATE club.earning_rule SET limit_period = 'month';
INSERT INTO t_limits.orders VALUES (51, 8, '2026-06-01', 50), (52, 8, '2026-06-02', 20);
UPDATE t_limits.orders SET at = '2026-07-02' WHERE id = 52;
INSERT INTO t_limits.orders VALUES (53, 8, '2026-07-03', 40);
-- with another key at once: 20 in August; back, 30 are left in July of 53, and the room is found anew: 20
UPDATE t_limits.orders SET at = '2026-08-02', id = 520 WHERE id = 52;
UPDATE t_limits.orders SET at = '2026-07-02' WHERE id = 520;
SELECT order_key, revision, counts, order_points, rooms, apart FROM club.unposted WHERE customer = 8 ORDER BY entry;
SELECT points FROM club.members WHERE id = 8;		-- 50 + 20 + 30 = 100
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 8;
SELECT * FROM loyalty.verify('club');

-- A limit has as many decimals as points have: 10.5 is 10.  Points of other rules are rounded alone: 2.5 to 2 (half_even), and 10: 12
UPDATE club.program SET rounding = 'half_even';
UPDATE club.earning_rule SET limit_period = NULL, member_limit = 10.5;
INSERT INTO club.earning_rule (name, points) VALUES ('free', 'amount');
INSERT INTO t_limits.orders VALUES (61, 9, '2026-06-01', 2.5), (62, 9, '2026-06-01', 20.5), (63, 9, '2026-06-01', 0.5);
SELECT order_key, order_points, rooms, apart FROM club.unposted WHERE customer = 9 ORDER BY entry;		-- 2 + 2 of 2.5; 20 + 8; 0
SELECT sum(points) FROM club.simulate_order(ROW(0, 20, '2026-06-01', 30)::t_limits.orders);		-- 30 + 10
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 9;		-- 32
SELECT * FROM loyalty.verify('club');
UPDATE club.program SET rounding = 'floor';

-- How often a rule gives points, in place of how many: the first two orders of a month have half of their amount, if it is not less than 2
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, bonus, applies_when, member_limit, limit_unit, limit_period) VALUES ('two a month', 'amount / 2', true, 'amount >= 2', 2, 'times', 'month');
INSERT INTO club.earning_rule (name, points) VALUES ('one', '1');
-- 1 of 1, which takes nothing; 20 + 1, 30 + 1; nothing is left, so 1; and of the next month, which begins at 22:00 in Berlin, 5 + 1
INSERT INTO t_limits.orders VALUES (500, 21, '2026-07-01', 1), (501, 21, '2026-07-02', 40), (502, 21, '2026-07-03', 60), (503, 21, '2026-07-04', 80), (504, 21, '2026-07-31 22:00+00', 10);
SELECT order_key, order_points, rooms, apart FROM club.unposted WHERE customer = 21 ORDER BY at;
SELECT what, name, value, points FROM club.explain('503');		-- 40 that are taken off again
SELECT sum(points) FROM club.explain('503');
SELECT sum(points) AS "1" FROM club.simulate_order(ROW(0, 21, '2026-07-05', 30)::t_limits.orders);
SELECT sum(points) AS "16" FROM club.simulate_order(ROW(0, 21, '2026-08-05', 30)::t_limits.orders);
SELECT * FROM loyalty.verify('club');
-- a correction takes no more times than the order has: 50 + 1; what is refunded is free for the next one: 25 + 1; 503 stays, and 501 had room
-- when it began, but none is left when it comes back: 1
UPDATE t_limits.orders SET total = 100 WHERE id = 502;
UPDATE t_limits.orders SET total = 0 WHERE id = 501;
INSERT INTO t_limits.orders VALUES (505, 21, '2026-07-06', 50);
UPDATE t_limits.orders SET total = 81 WHERE id = 503;
UPDATE t_limits.orders SET total = 40 WHERE id = 501;
SELECT order_key, revision, order_points, rooms, apart FROM club.unposted WHERE customer = 21 AND (revision > 1 OR order_key = '505') ORDER BY entry;
SELECT points FROM club.members WHERE id = 21;		-- 1 + 1 + 51 + 1 + 6 + 26 = 86
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 21;
SELECT * FROM loyalty.verify('club');
-- another key and another customer take the time along
UPDATE t_limits.orders SET id = 602 WHERE id = 502;
UPDATE t_limits.orders SET customer_id = 22 WHERE id = 505;
INSERT INTO t_limits.orders VALUES (506, 21, '2026-07-07', 20), (507, 22, '2026-07-07', 20), (508, 22, '2026-07-08', 20);
SELECT id, points FROM club.members WHERE id IN (21, 22) ORDER BY id;		-- 86 - 26 + 11; 26 + 11 + 1
SELECT * FROM loyalty.verify('club');
-- the same rule with a limit of points: 50 and 10 of July are used, of 100 (40 are left: 40 + 1), and of its times again, 3 are used, of 4
UPDATE club.earning_rule SET limit_unit = 'points', member_limit = 100 WHERE name = 'two a month';
INSERT INTO t_limits.orders VALUES (509, 21, '2026-07-08', 200);
UPDATE club.earning_rule SET limit_unit = 'times', member_limit = 4 WHERE name = 'two a month';
INSERT INTO t_limits.orders VALUES (510, 21, '2026-07-09', 20), (511, 21, '2026-07-09 01:00', 20);
SELECT order_key, order_points, rooms, apart FROM club.unposted WHERE customer = 21 AND order_key IN ('509', '510', '511') ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- verify() tells an order that has points without a time, and one that has none though it had one
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE club.ledger SET apart = replace(apart::text, '0', '10')::numeric[], order_points = 11, points_change = 11 WHERE order_key = '511';
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE violation ~ 'limit|room' ORDER BY 1;
ROLLBACK;
BEGIN;
UPDATE club.ledger SET apart = replace(apart::text, '10', '0')::numeric[], order_points = 1, points_change = 1 WHERE order_key = '510';
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE violation ~ 'limit|room' ORDER BY 1;
ROLLBACK;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;

-- Many orders of few customers that change at random, posted now and then: verify() sums up anew what was used
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, member_limit, limit_period) VALUES ('day', 'amount * 1.3', 40, 'day');
INSERT INTO club.earning_rule (name, points, bonus, applies_when, member_limit, limit_period) VALUES ('week', 'amount / 3', true, 'amount > 5', 55, 'week');
INSERT INTO club.earning_rule (name, points, member_limit) VALUES ('ever', 'amount', 300);
INSERT INTO club.earning_rule (name, points, member_limit, limit_unit, limit_period) VALUES ('times', 'amount / 4', 5, 'times', 'week');
INSERT INTO club.earning_rule (name, multiplier, applies_when) VALUES ('double', '2', 'amount > 15');
CREATE FUNCTION t_limits.random_number(seed int, below int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT abs(hashint4(seed)) % below';
CREATE PROCEDURE t_limits.change(n int) LANGUAGE plpgsql AS $$
DECLARE
	chosen CONSTANT int := 1000 + t_limits.random_number(n, 120);
	kind CONSTANT int := t_limits.random_number(n + 100000, 10);
BEGIN
	IF kind < 6 THEN
		INSERT INTO t_limits.orders VALUES (chosen, 10 + t_limits.random_number(n + 200000, 3), timestamptz '2026-05-01' + t_limits.random_number(n + 300000, 240) * interval '1 hour', t_limits.random_number(n + 400000, 3000) / 100.0)
		ON CONFLICT ON CONSTRAINT orders_pkey DO UPDATE SET total = EXCLUDED.total;
	ELSIF kind = 6 THEN
		DELETE FROM t_limits.orders o WHERE o.id = chosen;
	ELSIF kind = 7 THEN
		UPDATE t_limits.orders o SET at = o.at + interval '20 hours' WHERE o.id = chosen;
	ELSIF kind = 8 AND n % 2 = 0 THEN
		UPDATE t_limits.orders o SET id = 1000 + t_limits.random_number(n + 600000, 240) WHERE o.id = chosen
		   AND NOT EXISTS (SELECT FROM t_limits.orders x WHERE x.id = 1000 + t_limits.random_number(n + 600000, 240));
	ELSIF kind = 8 THEN
		UPDATE t_limits.orders o SET customer_id = 10 + t_limits.random_number(n + 500000, 3) WHERE o.id = chosen;
	ELSIF t_limits.random_number(n, 4) = 0 THEN
		CALL loyalty.post('club');
	END IF;
	IF n = 250 THEN
		UPDATE club.earning_rule SET member_limit = 25 WHERE name = 'day';
	ELSIF n = 300 OR n = 500 THEN
		UPDATE club.earning_rule SET limit_unit = CASE n WHEN 300 THEN 'points' ELSE 'times' END, member_limit = CASE n WHEN 300 THEN 30 ELSE 3 END WHERE name = 'times';
	ELSIF n = 400 THEN
		UPDATE club.earning_rule SET limit_period = 'month', member_limit = 120 WHERE name = 'week';
	END IF;
END
$$;
DO $$
BEGIN
	FOR n IN 1 .. 600 LOOP
		CALL t_limits.change(n);
		COMMIT;
	END LOOP;
END
$$;
SELECT count(*) > 100 AS many, count(*) FILTER (WHERE apart IS NOT NULL) > 100 AS apart FROM club.ledger WHERE customer BETWEEN 10 AND 12;
SELECT count(*) > 5 AS unposted FROM club.unposted;
SELECT * FROM loyalty.verify('club');
CREATE TEMPORARY TABLE before AS SELECT * FROM club.members;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT count(*) FROM (SELECT * FROM before EXCEPT SELECT * FROM club.members) x;
-- no limit is exceeded by the orders of the last terms, whose limits are the least
SELECT customer, day, sum FROM (SELECT l.customer, date_trunc('day', l.at, 'Europe/Berlin') AS day, sum(l.apart[(SELECT r.award FROM club.terms_rule r WHERE r.version = l.terms AND r.name = 'day')])
                                  FROM (SELECT DISTINCT ON (customer, order_key) * FROM club.ledger WHERE customer BETWEEN 10 AND 12 ORDER BY customer, order_key, revision DESC) l GROUP BY 1, 2) x WHERE sum > 40;
SELECT customer, sum FROM (SELECT l.customer, sum(l.apart[(SELECT r.award FROM club.terms_rule r WHERE r.version = l.terms AND r.name = 'ever')])
                                  FROM (SELECT DISTINCT ON (customer, order_key) * FROM club.ledger WHERE customer BETWEEN 10 AND 12 ORDER BY customer, order_key, revision DESC) l GROUP BY 1) x WHERE sum > 300;
SELECT customer, week, count FROM (SELECT l.customer, date_trunc('week', l.at, 'Europe/Berlin') AS week, count(*) FILTER (WHERE l.apart[(SELECT r.award FROM club.terms_rule r WHERE r.version = l.terms AND r.name = 'times')] > 0)
                                  FROM (SELECT DISTINCT ON (customer, order_key) * FROM club.ledger WHERE customer BETWEEN 10 AND 12 AND terms = (SELECT terms FROM club.program) ORDER BY customer, order_key, revision DESC) l GROUP BY 1, 2) x WHERE count > 3;
SELECT o.order_key, o.points, e.sum FROM (SELECT * FROM club.order_points OFFSET 0) o CROSS JOIN LATERAL (SELECT sum(points) FROM club.explain(o.order_key)) e WHERE o.id BETWEEN 10 AND 12 AND o.points IS DISTINCT FROM e.sum;

-- verify() tells a limit that is exceeded, or that cut too much, and a room that was not there
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
CREATE TEMPORARY TABLE saved AS SELECT * FROM club.ledger WHERE order_key = '2' AND tracked_table = 1 AND revision = 1;
UPDATE club.ledger SET apart = '{NULL,50}', order_points = 51, points_change = 51 WHERE order_key = '2' AND revision = 1;
SELECT violation, customer, order_key, detail FROM loyalty.verify('club') WHERE violation ~ 'limit|room' ORDER BY 1, 3, 4;
UPDATE club.ledger SET apart = '{NULL,30}', order_points = 31, points_change = 31 WHERE order_key = '2' AND revision = 1;
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE violation ~ 'limit|room' ORDER BY 1;
UPDATE club.ledger l SET apart = s.apart, order_points = s.order_points, points_change = s.points_change, rooms = '{NULL,60}' FROM saved s WHERE l.order_key = '2' AND l.revision = 1;
SELECT DISTINCT violation FROM loyalty.verify('club') ORDER BY 1;
UPDATE club.ledger l SET rooms = s.rooms, apart = NULL FROM saved s WHERE l.order_key = '2' AND l.revision = 1;
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE violation !~ 'add up' ORDER BY 1;
UPDATE club.ledger l SET apart = s.apart FROM saved s WHERE l.order_key = '2' AND l.revision = 1;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_limits CASCADE;
