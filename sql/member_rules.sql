-- Earning rules that are for some members, and bonuses that nothing multiplies.
\set SHOW_CONTEXT never
\set VERBOSITY default
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET jit = off;
CREATE SCHEMA t_mrules;
CREATE TABLE t_mrules.customers (id int PRIMARY KEY, since timestamptz);
INSERT INTO t_mrules.customers SELECT i, '2020-01-01' FROM generate_series(1, 12) i;
CREATE TABLE t_mrules.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', 't_mrules.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_mrules.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 100', 1.5);

-- What a rule may say
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('x', '1', 'ordres = 0');
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('x', '1', 'amount > 0');
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('x', '1', 'orders');
INSERT INTO club.earning_rule (name, multiplier, for_members, per) VALUES ('x', '2', 'orders = 0', 'line');
INSERT INTO club.earning_rule (name, multiplier, bonus) VALUES ('x', '2', true);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 9, $$tier = 'Gold'$$);
INSERT INTO club.earning_rule (name, points) VALUES ('1 per 1', 'amount');
-- under plain terms, entries have no parts
INSERT INTO t_mrules.orders VALUES (1, 1, '2026-06-01', 19.99);
SELECT order_key, awards, parts, held_rules, order_points FROM club.unposted;

-- 500 points for the first order, which nothing multiplies; Gold earns double on Tuesdays; a customer of five years has 10 more, multiplied
INSERT INTO club.earning_rule (name, points, for_members, bonus) VALUES ('welcome', '500', 'orders = 0', true);
INSERT INTO club.earning_rule (name, multiplier, applies_when, for_members) VALUES ('golden Tuesday', '2', 'extract(isodow FROM at) = 2', $$tier = 'Gold'$$);
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('five years', '10', $$tenure >= '5 years'$$);
SELECT award, name, for_members, bonus FROM club.terms_rule WHERE version = (SELECT terms FROM club.program) ORDER BY award;
SELECT * FROM loyalty.verify('club');
-- Numbers of awards: 1 '1 per 1', 2 'five years', 3 'golden Tuesday', 4 'welcome'.
-- 11: no tier, the first one: 120 + 10 = 130, and 500: 630.
-- 12: Gold on Tuesday, 2026-06-02: (10.25 + 10) * 2 * 1.5 = 60.75: 60.
-- 13: Gold on a Wednesday: (10 + 10) * 1.5 = 30.
INSERT INTO t_mrules.orders VALUES (11, 2, '2026-06-01', 120);
INSERT INTO t_mrules.orders VALUES (12, 2, '2026-06-02 12:00', 10.25);
INSERT INTO t_mrules.orders VALUES (13, 2, '2026-06-03', 10);
SELECT order_key, tier, awards, parts, held_rules, order_points FROM club.unposted WHERE customer = 2 ORDER BY 1;
SELECT points FROM club.members WHERE id = 2;		-- 630 + 60 + 30 = 720
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT order_key, tier, awards, parts, held_rules, order_points FROM club.ledger WHERE customer = 2 ORDER BY 1;
SELECT points FROM club.members WHERE id = 2;
SELECT * FROM loyalty.verify('club');

-- Why: bonuses come after the tier, and the steps add up
SELECT * FROM club.explain('11');
SELECT * FROM club.explain('12');
SELECT * FROM club.explain('13');
-- what an order would earn: (20 + 10) * 2 * 1.5 = 90 for a customer of Gold on a Tuesday, 20 + 10 + 500 for one who has none yet, and 20 for one who has an order, but no five years in 2024
SELECT what, name, status, points FROM club.simulate_order(ROW(0, 2, '2026-06-09', 20)::t_mrules.orders);
SELECT what, name, status, points FROM club.simulate_order(ROW(0, 3, '2026-06-09', 20)::t_mrules.orders);
SELECT sum(points) FROM club.simulate_order(ROW(0, 1, '2024-06-10', 20)::t_mrules.orders);

-- A refund: the first order stays the first, at 20 of 120: 20 + 10 + 500 = 530.  What it was before stays what it was for the others, too.
UPDATE t_mrules.orders SET total = 20 WHERE id = 11;
SELECT order_key, points FROM club.order_points WHERE id = 2 ORDER BY 1;
SELECT points FROM club.members WHERE id = 2;		-- 530 + 60 + 30 = 620
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 2;
SELECT revision, parts, held_rules, order_points, points_change FROM club.ledger WHERE customer = 2 AND order_key = '11' ORDER BY 1;
-- taken back, it leaves nothing, and comes back as the first: it was for whom it was
DELETE FROM t_mrules.orders WHERE id = 11;
SELECT points FROM club.members WHERE id = 2;		-- 60 + 30 = 90
INSERT INTO t_mrules.orders VALUES (11, 2, '2026-06-01', 30);
SELECT points FROM club.members WHERE id = 2;		-- 30 + 10 + 500 = 540, and 90
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 2;
SELECT * FROM loyalty.verify('club');

-- Exactly one of two orders is the first, whatever comes first to the ledger.
-- 3: both are recorded before any is posted; the second is of an earlier day.  Entries are added in the order of their recording: 21 is the first.
INSERT INTO t_mrules.orders VALUES (21, 3, '2026-06-03', 10);
INSERT INTO t_mrules.orders VALUES (22, 3, '2026-05-03', 10);
-- 4: posted in between
INSERT INTO t_mrules.orders VALUES (31, 4, '2026-06-03', 10);
CALL loyalty.post('club');
INSERT INTO t_mrules.orders VALUES (32, 4, '2026-05-03', 10);
-- 5: in one statement, by their own time: 42 is the first
INSERT INTO t_mrules.orders VALUES (41, 5, '2026-06-03', 10), (42, 5, '2026-05-03', 10);
-- 10 + 10 each, and 500 once: 520 and 20
SELECT id, order_key, points FROM club.order_points WHERE id BETWEEN 3 AND 5 ORDER BY 1, 2;
SELECT id, points FROM club.members WHERE id BETWEEN 3 AND 5 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, order_key, points FROM club.order_points WHERE id BETWEEN 3 AND 5 ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');

-- As of a moment: what was known and had been earned.  The 20 of 22 are of May, and the 520 of 21 of June.
SELECT club.balance(3, '2026-06-01'), club.balance(3, '2026-07-01');

-- An order that moves to another customer takes along that it was the first: 41 and 42 are 20 and 520; 42 goes to 2, who has orders.
UPDATE t_mrules.orders SET customer_id = 2 WHERE id = 42;
SELECT order_key, moved, tier, multiplier, held_rules, parts FROM club.journal WHERE customer = 2;
SELECT id, points FROM club.members WHERE id IN (2, 5) ORDER BY 1;	-- 630 + 520 = 1150; 20
SELECT * FROM loyalty.verify('club');
-- before it is posted: 51 is the first of 6, and goes to 7, who has none, and whose next is another first
INSERT INTO t_mrules.orders VALUES (51, 6, '2026-06-03', 10);
UPDATE t_mrules.orders SET customer_id = 7 WHERE id = 51;
INSERT INTO t_mrules.orders VALUES (52, 7, '2026-06-04', 10), (53, 6, '2026-06-04', 10);
-- 7 has 520 of 51, and 52 is not the first any more: 20; 6 has 53: 520, as 51 is gone
SELECT id, order_key, points FROM club.order_points WHERE id IN (6, 7) ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, order_key, points FROM club.order_points WHERE id IN (6, 7) ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');

-- Customers who are one: 8 had one order, and so had 9; afterwards 8, who is 9, has no first one.
INSERT INTO t_mrules.orders VALUES (61, 8, '2026-06-03', 10), (62, 9, '2026-06-03', 10);
SELECT club.merge(8, 9, reference => 'm1') \g /dev/null
INSERT INTO t_mrules.orders VALUES (63, 8, '2026-06-05', 10), (64, 9, '2026-06-06', 10);
SELECT points FROM club.members WHERE id = 9;		-- 520 + 520 + 20 + 20 = 1080
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points FROM club.members WHERE id = 9;
SELECT * FROM loyalty.verify('club');

-- Who is not for a rule does not have it left out others, and it is not the best: exclusive and best_of see those left.
-- 71, the first: 'newcomers' is exclusive in its group and leaves out 'others': 7; of the group b, 30 is better than 20: 37.
-- 72: 'newcomers' and 'good' are not for him: 3 + 20 = 23; the bonus of the group b counts as it is.
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, priority, stacking, stacking_group, for_members, bonus) VALUES
	('newcomers', '7', 9, 'exclusive', 'a', 'orders = 0', false), ('others', '3', 8, 'add', 'a', NULL, false),
	('good', '30', 0, 'best_of', 'b', 'orders = 0', true), ('fair', '20', 0, 'best_of', 'b', NULL, true);
INSERT INTO t_mrules.orders VALUES (71, 10, '2026-06-01', 1);
INSERT INTO t_mrules.orders VALUES (72, 10, '2026-06-02', 1);
SELECT order_key, points FROM club.order_points WHERE id = 10 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- A bonus beside points of one group: the best is the one or the other, and is multiplied or not.
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, stacking, stacking_group, bonus) VALUES ('points', '6', 'best_of', 'b', false), ('bonus', 'amount - 193', 'best_of', 'b', true), ('rest', '2', NULL, NULL, false);
INSERT INTO t_mrules.orders VALUES (73, 10, '2026-06-03', 200);		-- not Gold before it: 2 + 7
INSERT INTO t_mrules.orders VALUES (74, 10, '2026-06-04', 200);		-- 2 * 1.5 + 7
INSERT INTO t_mrules.orders VALUES (75, 10, '2026-06-04', 198);		-- (2 + 6) * 1.5, as 6 is better than 5
SELECT order_key, points FROM club.order_points WHERE id = 10 AND order_key > '72' ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- WE-017 and WE-019 with a bonus: 100 exclusively, and 5 that come before; whole points doubled: 2 * 19, and 5.5 more: 43.5, down to 43
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, priority, stacking, bonus) VALUES ('1 per 1', 'amount', 0, 'add', false), ('fixed', '100', 10, 'exclusive', false), ('bonus', '5', 20, 'add', true);
INSERT INTO t_mrules.orders VALUES (81, 11, '2026-06-01', 19.99);
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, multiplier, rounding, bonus) VALUES ('1 per 1', 'amount', NULL, 'floor', false), ('double', NULL, '2.0', NULL, false), ('bonus', '5.5', NULL, NULL, true);
INSERT INTO t_mrules.orders VALUES (82, 11, '2026-06-02', 19.99);
SELECT order_key, points FROM club.order_points WHERE id = 11 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- rated anew under present terms, 81 is 2 * 19 + 5.5 as well
SELECT loyalty.rerate('club', dry_run => false) \g /dev/null
SELECT order_key, points FROM club.order_points WHERE id = 11 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- A condition that fails does not hold, and verify() tells of it
INSERT INTO club.earning_rule (name, points, for_members) VALUES ('fails', '1000', '1 / orders > 0');
INSERT INTO t_mrules.orders VALUES (91, 12, '2026-06-01', 10);
INSERT INTO t_mrules.orders VALUES (92, 12, '2026-06-02', 10);
-- 91: 10 * 2 + 5.5 = 25.5; 92: (10 + 1000) * 2 + 5.5 = 2025.5, as 1 / 1 > 0
SELECT order_key, points FROM club.order_points WHERE id = 12 ORDER BY 1;
SELECT violation, detail FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT violation, detail FROM loyalty.verify('club');
-- corrected in the terms that have it, and so in the rule
UPDATE club.terms_rule SET for_members = 'orders > 0' WHERE name = 'fails';
SELECT name, for_members FROM club.earning_rule WHERE for_members IS NOT NULL;
SELECT * FROM loyalty.verify('club');
UPDATE club.terms_rule SET for_members = NULL WHERE name = 'fails';

-- What a condition calls can be renamed, and not dropped
CREATE FUNCTION t_mrules.is_new(orders bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT orders = 0';
UPDATE club.earning_rule SET for_members = 't_mrules.is_new(orders)' WHERE name = 'fails';
ALTER FUNCTION t_mrules.is_new RENAME TO is_newcomer;
INSERT INTO club.earning_rule (name, points) VALUES ('renames', '0');
SELECT name, for_members FROM club.earning_rule WHERE for_members IS NOT NULL;
\set VERBOSITY terse
DROP FUNCTION t_mrules.is_newcomer;
\set VERBOSITY default
SELECT * FROM loyalty.verify('club');

-- Dropped with CASCADE, it takes the view along; orders are recorded, and folded when the condition is corrected
\set VERBOSITY terse
DROP FUNCTION t_mrules.is_newcomer CASCADE;
\set VERBOSITY default
SELECT DISTINCT violation, regexp_replace(regexp_replace(detail, 'terms \d+', 'terms N', 'g'), 'version = \d+', 'version = N') AS detail FROM loyalty.verify('club');
INSERT INTO t_mrules.customers VALUES (13, '2020-01-01'), (14, '2020-01-01');
INSERT INTO t_mrules.orders VALUES (100, 14, '2026-06-01', 10);
SELECT customer, parts, held_rules FROM club.journal WHERE order_key = '100';
UPDATE club.terms_rule SET for_members = 'orders = 0' WHERE for_members LIKE '%is_new%';
SELECT name, for_members FROM club.earning_rule WHERE for_members IS NOT NULL;
SELECT points FROM club.members WHERE id = 14;		-- (10 + 1000) * 2 + 5.5 = 2025.5
SELECT * FROM loyalty.verify('club');

-- Points that were spent are not taken back, where that is refused: an order is worth 100 + 500, all of it spent
DELETE FROM club.earning_rule;
INSERT INTO club.earning_rule (name, points, for_members, bonus) VALUES ('1 per 1', 'amount', NULL, false), ('welcome', '500', 'orders = 0', true);
UPDATE club.program SET refund_shortfall = 'reject';
INSERT INTO t_mrules.orders VALUES (101, 13, '2026-06-01', 100);
SELECT status FROM club.try_redeem(13, 600, reference => 'r1');
UPDATE t_mrules.orders SET total = 50 WHERE id = 101;
DELETE FROM t_mrules.orders WHERE id = 101;
UPDATE t_mrules.orders SET total = 120 WHERE id = 101;
SELECT points FROM club.members WHERE id = 13;		-- 20
UPDATE t_mrules.orders SET total = 110 WHERE id = 101;
SELECT points FROM club.members WHERE id = 13;		-- 10
SELECT * FROM loyalty.verify('club');

-- The program goes to another owner, whose rights conditions have then
CREATE ROLE regress_mrules;
GRANT CREATE ON DATABASE :DBNAME TO regress_mrules;
GRANT USAGE ON SCHEMA t_mrules, loyalty TO regress_mrules;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_mrules;
GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA t_mrules TO regress_mrules;
SELECT loyalty.change_owner('club', 'regress_mrules');
SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relname LIKE 'for\_members%';
INSERT INTO t_mrules.orders VALUES (102, 13, '2026-06-02', 1);
SELECT points FROM club.members WHERE id = 13;		-- 11
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');

-- Lines, refunds, archived orders, and lines that left --------------------------------------
CREATE TABLE t_mrules.baskets (id int PRIMARY KEY, customer_id int, at timestamptz);
CREATE TABLE t_mrules.lines (order_id int, year int, qty int, price numeric) PARTITION BY LIST (year);
CREATE TABLE t_mrules.lines_2020 PARTITION OF t_mrules.lines FOR VALUES IN (2020);
CREATE TABLE t_mrules.lines_2021 PARTITION OF t_mrules.lines FOR VALUES IN (2021);
CREATE TABLE t_mrules.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('mall', 't_mrules.customers', time_zone => 'UTC');
INSERT INTO mall.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'orders > 0', 2);
SELECT loyalty.track_orders('mall', 't_mrules.baskets', customer => 'customer_id', at => 'at', lines => 't_mrules.lines', line_order => 'order_id', line_amount => 'price');
SELECT loyalty.track_refunds('mall', 't_mrules.refunds', order_key => 'order_id', amount => 'amount');
-- awards 1 'double', 2 'each', 3 'rate', 4 'welcome'
INSERT INTO mall.earning_rule (name, points, multiplier, per, for_members, bonus) VALUES
	('double', NULL, '2', 'order', $$tier = 'Gold'$$, false), ('each', '10 * qty', NULL, 'line', NULL, false), ('rate', 'amount', NULL, 'order', NULL, false), ('welcome', '100', NULL, 'order', 'orders = 0', true);
INSERT INTO t_mrules.baskets VALUES (1, 1, '2021-01-01'), (2, 1, '2021-01-02');
INSERT INTO t_mrules.lines VALUES (1, 2020, 1, 10), (1, 2021, 2, 20), (2, 2021, 3, 30);
-- 1: 30 of the amount, 10 * 3 pieces, and 100: 160; 2: (30 + 30) * 2 * 2 = 240
SELECT order_key, points FROM mall.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
-- half of 1 is left: 15 + 15 + 100 = 130
INSERT INTO t_mrules.refunds VALUES (1, 15);
SELECT order_key, points FROM mall.order_points ORDER BY 1;
CALL loyalty.post('mall');
SELECT * FROM loyalty.verify('mall');
-- the line of 10 leaves: it gave 10 of 30 points before refunds
ALTER TABLE t_mrules.lines DETACH PARTITION t_mrules.lines_2020;
SELECT recorded, archived, reversed FROM loyalty.reconcile('mall', missing => 'archive');
SELECT order_key, trim_scale(amount) AS amount, awards, parts FROM mall.kept;
SELECT order_key, points FROM mall.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
-- a quarter is left: 7.5 + 7.5 + 100 = 115
INSERT INTO t_mrules.refunds VALUES (1, 7.5);
SELECT order_key, points FROM mall.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
-- and it comes back
ALTER TABLE t_mrules.lines ATTACH PARTITION t_mrules.lines_2020 FOR VALUES IN (2020);
SELECT recorded, archived, reversed FROM loyalty.reconcile('mall', missing => 'archive');
SELECT count(*) FROM mall.kept;
SELECT order_key, points FROM mall.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
-- 2 is archived, and 10 of 30 are refunded: (20 + 20) * 2 * 2 = 160, where the multiplier is not shared
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM t_mrules.lines WHERE order_id = 2;
DELETE FROM t_mrules.baskets WHERE id = 2;
COMMIT;
SELECT recorded, archived, reversed FROM loyalty.reconcile('mall', missing => 'archive');
SELECT order_key, awards, parts FROM mall.archived;
INSERT INTO t_mrules.refunds VALUES (2, 10);
SELECT order_key, points FROM mall.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('mall');
CALL loyalty.post('mall');
SELECT * FROM loyalty.verify('mall');

-- rule by rule, although its rows are gone
SELECT what, name, status, value, points FROM mall.explain('2');
SELECT what, name, status, value, points FROM mall.explain('1');

-- Planted faults are found: in parts, in who a rule is for, and in points
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE mall.ledger SET parts[2] = parts[2] + 10 WHERE order_key = '1' AND revision = 3;
SELECT DISTINCT violation FROM loyalty.verify('mall') WHERE order_key = '1' ORDER BY 1;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE mall.ledger SET held_rules = '{}' WHERE order_key = '1';
SELECT DISTINCT violation FROM loyalty.verify('mall') WHERE order_key = '1' ORDER BY 1;
ROLLBACK;
-- all that follows from it was changed, too, so that only the condition tells: 240 and 100 are 340; 160 and two thirds of 100 are 226
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE mall.ledger SET held_rules = '{1,4}', order_points = order_points + CASE revision WHEN 1 THEN 100 ELSE 66 END, points_change = points_change + CASE revision WHEN 1 THEN 100 ELSE -34 END WHERE order_key = '2';
UPDATE mall.account SET points = points + 66, points_earned = points_earned + 66 WHERE customer = 1;
SELECT DISTINCT violation FROM loyalty.verify('mall') WHERE order_key = '2' ORDER BY 1;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE mall.ledger SET order_points = order_points + 1, points_change = points_change + 1 WHERE order_key = '1' AND revision = 1;
SELECT DISTINCT violation FROM loyalty.verify('mall') WHERE order_key = '1' ORDER BY 1;
ROLLBACK;
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE mall.ledger SET parts = NULL, held_rules = NULL WHERE order_key = '1' AND revision = 1;
SELECT DISTINCT violation FROM loyalty.verify('mall') WHERE order_key = '1' ORDER BY 1;
ROLLBACK;
SELECT * FROM loyalty.verify('mall');

-- Rules at random, orders that change and move, before and after posting: what recording, the fold and verify() say is the same
CREATE TABLE t_mrules.receipts (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, units int);
SELECT loyalty.create_program('shop', 't_mrules.customers', joined_at => 'since', time_zone => 'Europe/Berlin', points_scale => 1, rounding => 'half_even');
INSERT INTO shop.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 1.2), ('Gold', 2, 'spend >= 300', 1.5);
SELECT loyalty.track_orders('shop', 't_mrules.receipts', customer => 'customer_id', at => 'at', amount => 'total');
CREATE PROCEDURE t_mrules.random_rules(n int) LANGUAGE plpgsql AS $$
DECLARE
	key int;
BEGIN
	DELETE FROM shop.earning_rule;
	INSERT INTO shop.earning_rule (name, points, multiplier, applies_when, minimum_order, every, gives, at_most, rounding, priority, stacking, stacking_group, for_members, bonus)
	SELECT 'rule ' || i, CASE WHEN NOT m THEN format('amount * %s', round(random()::numeric, 3)) END, CASE WHEN m THEN round(0.5 + random()::numeric * 2, 2)::text END,
	       CASE WHEN random() < 0.4 THEN format('units > %s', floor(random() * 3)) ELSE 'true' END, CASE WHEN random() < 0.2 THEN 20 END,
	       e.every, CASE WHEN e.every IS NOT NULL THEN 7 END, CASE WHEN NOT m AND random() < 0.2 THEN 15 END,
	       CASE WHEN NOT m AND random() < 0.4 THEN (ARRAY['floor', 'half_even', 'half_up', 'ceil'])[1 + floor(random() * 4)::int] END, floor(random() * 3)::int,
	       (CASE WHEN m THEN ARRAY['multiply', 'add', 'exclusive', 'best_of'] ELSE ARRAY['add', 'add', 'exclusive', 'best_of'] END)[1 + floor(random() * 4)::int],
	       CASE WHEN random() < 0.6 THEN (ARRAY['g', 'h'])[1 + floor(random() * 2)::int] END,
	       CASE WHEN random() < 0.6 THEN (ARRAY['orders = 0', 'orders > 5', $c$tier = 'Gold'$c$, $c$tier IS DISTINCT FROM 'Gold'$c$, 'spend < 100', 'points_earned > 50', 'extract(isodow FROM today) < 4',
	                                            'first_order_at IS NULL', 'last_order_at > at - interval ''5 hours''', $c$tenure > '6 years 5 months'$c$])[1 + floor(random() * 10)::int] END,
	       NOT m AND random() < 0.3
	  FROM (SELECT i, random() < 0.3 AS m FROM generate_series(1, n) i) x
	 CROSS JOIN LATERAL (SELECT CASE WHEN NOT m AND random() < 0.3 AND i > 0 THEN 3.5 END AS every) e;
	SELECT coalesce(max(id), 0) INTO key FROM t_mrules.receipts;
	FOR i IN 1 .. 30 LOOP
		INSERT INTO t_mrules.receipts VALUES (key + i, 1 + floor(random() * 4), timestamptz '2026-06-01' + floor(random() * 240) * interval '3 hours', round((random() * 100)::numeric, 3), floor(random() * 4));
	END LOOP;
END $$;
-- orders of all rule sets so far get another amount or customer, are taken back, or are posted
CREATE PROCEDURE t_mrules.random_changes() LANGUAGE plpgsql AS $$
BEGIN
	UPDATE t_mrules.receipts SET total = round((random() * 100)::numeric, 3), units = floor(random() * 4) WHERE random() < 0.1;
	UPDATE t_mrules.receipts SET customer_id = 1 + floor(random() * 4) WHERE random() < 0.05;
	DELETE FROM t_mrules.receipts WHERE random() < 0.05;
END $$;
CREATE TABLE t_mrules.found (n int, at text, violation text, customer text, order_key text, detail text);
SELECT setseed(0.4);
\set ECHO none
SELECT format(s.command, n, 2 + n % 7)
  FROM generate_series(1, 12) n
 CROSS JOIN (VALUES (1, 'CALL t_mrules.random_rules(%2$s)'), (2, $$INSERT INTO t_mrules.found SELECT %1$s, 'recorded', v.* FROM loyalty.verify('shop') v$$),
                    (3, 'CREATE TEMP TABLE before AS SELECT id, points, tier FROM shop.members'), (4, $$CALL loyalty.post('shop')$$),
                    (5, $$INSERT INTO t_mrules.found SELECT %1$s, 'posted', 'points differ', m.id, m.points, b.points FROM shop.members m JOIN before b USING (id) WHERE m.points <> b.points$$),
                    (6, 'DROP TABLE before'), (7, 'CALL t_mrules.random_changes()'), (8, $$INSERT INTO t_mrules.found SELECT %1$s, 'changed', v.* FROM loyalty.verify('shop') v$$)) s (step, command)
 WHERE n % 3 > 0 OR s.step NOT IN (3, 4, 5, 6)
 ORDER BY n, s.step
\gexec
\set ECHO all
SELECT * FROM t_mrules.found;
CALL loyalty.post('shop');
SELECT * FROM loyalty.verify('shop');
-- and why: the steps add up to the points
SELECT o.order_key, o.points, e.points AS explained FROM (SELECT * FROM shop.order_points ORDER BY order_key LIMIT 80) o
 CROSS JOIN LATERAL (SELECT sum(x.points) AS points, bool_or(x.what = 'difference') AS differs FROM shop.explain(o.order_key) x) e WHERE o.points <> e.points OR e.differs;
-- rules were for some, and for others not; rules of all kinds gave points
SELECT count(*) > 300 AS "many orders", count(*) FILTER (WHERE held_rules <> '{}') > 50 AS "for some", count(*) FILTER (WHERE held_rules = '{}') > 50 AS "for others", count(*) FILTER (WHERE points_change <> 0) > 200 AS "of some points",
       count(*) FILTER (WHERE moved) > 10 AS "moved", max(revision) > 2 AS "changed again"
  FROM shop.ledger;

SET client_min_messages = error;
SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.drop_program('mall', force => true);
SELECT loyalty.drop_program('shop', force => true);
DROP SCHEMA t_mrules CASCADE;
DROP OWNED BY regress_mrules;
DROP ROLE regress_mrules;
