-- Budgets of earning rules for all members together.  Expected values are worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_budgets;
CREATE TABLE t_budgets.customers (id int PRIMARY KEY);
INSERT INTO t_budgets.customers SELECT generate_series(1, 60);
CREATE TABLE t_budgets.orders (id int PRIMARY KEY DEFERRABLE, customer int, total numeric, paid boolean DEFAULT true, at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.create_program('club', customers => 't_budgets.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_budgets.orders', customer => 'customer', at => 'at', amount => 'total', counts_when => 'paid');

-- 1. What a budget may say, and a rule that has one
INSERT INTO club.budget VALUES ('x', -1);
INSERT INTO club.budget VALUES ('x', 'NaN');
INSERT INTO club.budget VALUES ('x', 1e20);
INSERT INTO club.budget VALUES ('x', NULL);
INSERT INTO club.budget VALUES (' ', 1);
INSERT INTO club.budget VALUES ('x', 1, 1);
INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES ('x', '50', true, 'launch');
INSERT INTO club.budget VALUES ('launch', 120);
INSERT INTO club.earning_rule (name, points, budget) VALUES ('x', '50', 'launch');
INSERT INTO club.earning_rule (name, multiplier, budget) VALUES ('x', '50', 'launch');
INSERT INTO club.earning_rule (name, points, bonus, budget, for_members) VALUES ('x', '50', true, 'launch', 'orders = 0');
INSERT INTO club.earning_rule (name, points, bonus, budget, member_limit) VALUES ('x', '50', true, 'launch', 100);
INSERT INTO club.earning_rule (name, points, bonus, budget, stacking) VALUES ('x', '50', true, 'launch', 'best_of');

-- 2. Of 120, three orders of four get 50, 50 and 20, and the last one nothing.  All have 1 point per 1 beside that, and twice as many with a multiplier
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
INSERT INTO club.earning_rule (name, multiplier) VALUES ('twice', '2');
INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES ('launch', '50', true, 'launch');
SELECT name, budget FROM club.rules_at() ORDER BY name;
INSERT INTO t_budgets.orders SELECT n, n, 10 FROM generate_series(1, 4) n;
SELECT * FROM club.budget;
SELECT id, points FROM club.members WHERE id <= 4 ORDER BY id;		-- 70, 70, 40, 20
SELECT order_key, parts, allotted FROM club.unposted ORDER BY order_key;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, points FROM club.members WHERE id <= 4 ORDER BY id;
SELECT * FROM loyalty.verify('club');
SELECT what, name, status, value, points FROM club.explain('3');
SELECT sum(points) AS "explained: 40" FROM club.explain('3');
SELECT sum(points) AS "explained: 20" FROM club.explain('4');
SELECT what, points FROM club.simulate_order(ROW(99, 9, 10, true, '2026-01-01')::t_budgets.orders) WHERE what = 'budget';	-- -50

-- 3. What is given back: an order that is gone, and one that does not count.  Orders that had less get no more of it; a new one does
DELETE FROM t_budgets.orders WHERE id = 1;
UPDATE t_budgets.orders SET paid = false WHERE id = 3;
SELECT * FROM club.budget;		-- 50 of 120
UPDATE t_budgets.orders SET total = 20 WHERE id = 4;
SELECT sum(recorded) AS nothing FROM loyalty.reconcile('club');
SELECT id, points FROM club.members WHERE id <= 4 ORDER BY id;		-- 0, 70, 0, 40
INSERT INTO t_budgets.orders VALUES (5, 5, 10);
SELECT given FROM club.budget;		-- 100
-- of the 20 that are left; it counts again, like a new one
UPDATE t_budgets.orders SET paid = true WHERE id = 3;
SELECT given FROM club.budget;		-- 120
SELECT id, points FROM club.members WHERE id IN (3, 5) ORDER BY id;		-- 40, 70
SELECT * FROM loyalty.verify('club');
-- all of that in one transaction that is rolled back, in part or as a whole
BEGIN;
DELETE FROM t_budgets.orders WHERE id = 2;
SAVEPOINT one;
DELETE FROM t_budgets.orders WHERE id = 5;
SELECT given FROM club.budget;		-- 20
ROLLBACK TO one;
SELECT given FROM club.budget;		-- 70
INSERT INTO t_budgets.orders VALUES (6, 6, 10);
UPDATE t_budgets.orders SET total = 11 WHERE id = 6;
DELETE FROM t_budgets.orders WHERE id = 6;
INSERT INTO t_budgets.orders VALUES (6, 7, 10);
SELECT given FROM club.budget;		-- 120
SELECT * FROM loyalty.verify('club');
ROLLBACK;
SELECT given FROM club.budget;		-- 120
SELECT * FROM loyalty.verify('club');

-- 4. More for the budget, and less: what orders have they keep
UPDATE club.budget SET points = 60;
INSERT INTO t_budgets.orders VALUES (7, 7, 10);
SELECT points FROM club.members WHERE id = 7;		-- 20
UPDATE t_budgets.orders SET total = 30 WHERE id = 5;
SELECT points FROM club.members WHERE id = 5;		-- 110
UPDATE club.budget SET points = 200;
INSERT INTO t_budgets.orders VALUES (8, 8, 10);
SELECT points FROM club.members WHERE id = 8;		-- 70
SELECT * FROM club.budget;		-- 170
SELECT * FROM loyalty.verify('club');
-- what it cannot be
UPDATE club.budget SET given = 0;
UPDATE club.budget SET name = 'x';
DELETE FROM club.budget;
TRUNCATE club.budget;

-- 5. Another customer, another key, and an exchange of keys: what an order has of the budget goes along, whatever is left
UPDATE club.budget SET points = 170;
UPDATE t_budgets.orders SET customer = 10 WHERE id = 2;
UPDATE t_budgets.orders SET id = 12 WHERE id = 2;
UPDATE t_budgets.orders SET id = 11 - id WHERE id IN (3, 8);
SELECT order_key, points FROM club.order_points WHERE order_key IN ('12', '3', '8') ORDER BY 1;		-- 70; what was 8 is 3 now, with 70, and what was 3 is 8, with 40
UPDATE t_budgets.orders SET customer = customer + 10, id = id + 100;
SELECT given FROM club.budget;		-- 170
SELECT sum(points) AS "should be 350" FROM club.members;		-- 70, 70, 40, 40, 110, 20 of the orders 2, 8, 3, 4, 5, 7
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- a statement that uses a key again: the order on it is another one, and the one that left has what it had
WITH gone AS (UPDATE t_budgets.orders SET id = 300 WHERE id = 112 RETURNING 1)
INSERT INTO t_budgets.orders SELECT 112, 20, 10 FROM gone;
SELECT given FROM club.budget;		-- 170
SELECT points FROM club.order_points WHERE order_key = '112';		-- 20
SELECT * FROM loyalty.verify('club');

-- 6. Rules that share a budget, and a rule whose points have decimals, which are rounded as those of the program; of two rules of one
-- order, the one that comes first takes first.  An exclusive rule does not leave them out
SELECT loyalty.create_program('shared', customers => 't_budgets.customers', time_zone => 'UTC');
UPDATE shared.program SET rounding = 'half_up';
INSERT INTO shared.budget VALUES ('pot', 100), ('other', 5);
CREATE TABLE t_budgets.sales (id int PRIMARY KEY, customer int, total numeric, at timestamptz DEFAULT '2026-01-01');
SELECT loyalty.track_orders('shared', 't_budgets.sales', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO shared.earning_rule (name, points, stacking, priority) VALUES ('only', '1', 'exclusive', 9);
INSERT INTO shared.earning_rule (name, points, bonus, budget) VALUES ('a', 'amount / 4', true, 'pot'), ('b', 'amount', true, 'pot'), ('c', '2', true, 'other'),
	('taken', '- amount / 100', true, 'pot');
-- 30: 7.5 is 8, and 30, and 2, 1, less 0.3, which is 0: 41.   50: 12.5 is 13, and 49 of 50, as 38 and 13 are taken; and 2, 1, less 0.5, which is 1: 64.
-- 90: nothing of the pot, 1 of the other one, and 1, less 0.9, which is 1: 1
INSERT INTO t_budgets.sales VALUES (1, 1, 30), (2, 2, 50), (3, 3, 90);
SELECT order_key, points, allotted FROM shared.unposted JOIN shared.order_points USING (order_key) ORDER BY order_key;
SELECT * FROM shared.budget ORDER BY name;
SELECT * FROM loyalty.verify('shared');
SELECT k, (SELECT sum(points) FROM shared.explain(k)) FROM unnest('{1,2,3}'::text[]) k;
-- the first one is worth 10: 3, and 10; 25 are free.  With 40 it gets 10, and the 25 are taken as 7 and 18 at most: 10 and 28 of 40
UPDATE t_budgets.sales SET total = 10 WHERE id = 1;
SELECT given FROM shared.budget WHERE name = 'pot';		-- 75
UPDATE t_budgets.sales SET total = 40 WHERE id = 1;
SELECT given FROM shared.budget WHERE name = 'pot';		-- 100
SELECT allotted FROM shared.unposted WHERE order_key = '1' ORDER BY revision DESC LIMIT 1;		-- 10 and 28
-- what was cut stays cut
DELETE FROM t_budgets.sales WHERE id = 2;
UPDATE t_budgets.sales SET total = 50 WHERE id = 1;
SELECT allotted FROM shared.unposted WHERE order_key = '1' ORDER BY revision DESC LIMIT 1;		-- 13 and 28
SELECT given FROM shared.budget WHERE name = 'pot';		-- 41
SELECT * FROM loyalty.verify('shared');
CALL loyalty.post('shared');
SELECT * FROM loyalty.verify('shared');

-- 7. Corrected rules, and terms by which orders are counted anew
UPDATE shared.earning_rule SET points = 'amount / 2' WHERE name = 'a';
-- 25, 50, 2 and 1, less 1: 77.   25, nothing, 2 and 1, less 1: 27
SELECT (loyalty.rerate('shared', dry_run => dry)).points_after AS "should be 104" FROM unnest('{true,false}'::boolean[]) dry;
SELECT given FROM shared.budget WHERE name = 'pot';		-- 25 and 50 of the first one, and 25 of the 45 of the third one, which comes after it
SELECT * FROM loyalty.verify('shared');
CALL loyalty.post('shared');
SELECT * FROM loyalty.verify('shared');

-- the order that was made first takes first: 45, 55, 2 and 1, less 1 of the third one: 102; of the first one 2 and 1, less 1: 2.  The same where orders
-- are read one by one, as rules look at the customer's row
UPDATE t_budgets.sales SET at = '2025-12-31' WHERE id = 3;
BEGIN;
UPDATE shared.earning_rule SET points = 'amount / 2.0' WHERE name = 'a';
SELECT (loyalty.rerate('shared', dry_run => false)).points_after AS "should be 104";
SELECT order_key, points FROM shared.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('shared');
ROLLBACK;
BEGIN;
UPDATE shared.earning_rule SET points = 'amount / 2 + 0 * member.id' WHERE name = 'a';
SELECT (loyalty.rerate('shared', dry_run => false)).points_after AS "should be 104";
SELECT order_key, points FROM shared.order_points ORDER BY 1;
SELECT * FROM loyalty.verify('shared');
ROLLBACK;

-- 8. Orders that were there before: in the order of their times, so 1 to 3 have none, and 4 has 30.  A trigger of the host's writes the row again
CREATE TABLE t_budgets.old (id int PRIMARY KEY, customer int, total numeric, at timestamptz DEFAULT '2026-01-01');
INSERT INTO t_budgets.old SELECT n, n, 10, '2026-01-01'::timestamptz - n * interval '1 day' FROM generate_series(1, 10) n;
UPDATE club.budget SET points = 170 + 330;
SELECT loyalty.track_orders('club', 't_budgets.old', customer => 'customer', at => 'at', amount => 'total');
SELECT given FROM club.budget;		-- 500
SELECT count(*) FILTER (WHERE points = 70) AS "6 have all", string_agg(order_key, ',') FILTER (WHERE points = 50) AS "4 has 30", string_agg(order_key, ',' ORDER BY order_key) FILTER (WHERE points = 20) AS "1,2,3 have none"
  FROM club.order_points JOIN club.tracked_table USING (tracked_table) WHERE relation = 't_budgets.old'::regclass;
CREATE FUNCTION t_budgets.again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE t_budgets.old SET total = total + 1 WHERE id = NEW.id;
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER again AFTER INSERT OR UPDATE ON t_budgets.old FOR EACH ROW EXECUTE FUNCTION t_budgets.again();
UPDATE club.budget SET points = 1000;
INSERT INTO t_budgets.old VALUES (21, 20, 10), (22, 20, 10);
UPDATE t_budgets.old SET customer = customer + 20, id = id + 100 WHERE id > 5;
SELECT given FROM club.budget;		-- 600
SELECT * FROM loyalty.verify('club');
TRUNCATE t_budgets.old;
SELECT given FROM club.budget;		-- 170
SELECT * FROM loyalty.verify('club');
-- a table that is not tracked any more: its orders keep what they have
SELECT loyalty.untrack('club', 't_budgets.old');
SELECT given FROM club.budget;
SELECT * FROM loyalty.verify('club');

-- 9. Rights: who orders needs none on the budget
CREATE ROLE regress_loyalty_till;
GRANT USAGE ON SCHEMA t_budgets TO regress_loyalty_till;
GRANT SELECT, INSERT, UPDATE, DELETE ON t_budgets.orders TO regress_loyalty_till;
SET ROLE regress_loyalty_till;
INSERT INTO t_budgets.orders VALUES (400, 40, 10);
UPDATE t_budgets.orders SET total = 5 WHERE id = 400;
DELETE FROM t_budgets.orders WHERE id = 400;
INSERT INTO t_budgets.orders VALUES (401, 40, 10);
SELECT * FROM club.budget;
RESET ROLE;
SELECT given FROM club.budget;		-- 220
SELECT points FROM club.members WHERE id = 40;		-- 70
SELECT * FROM loyalty.verify('club');

-- 10. Faults that are planted are found
ALTER TABLE club.budget DISABLE TRIGGER USER;
BEGIN;
UPDATE club.budget SET given = given - 1;
SELECT violation, detail FROM loyalty.verify('club');
ROLLBACK;
-- reconcile counts anew
BEGIN;
UPDATE club.budget SET given = given - 1;
ALTER TABLE club.budget ENABLE TRIGGER USER;
SELECT sum(recorded) AS nothing FROM loyalty.reconcile('club');
SELECT given FROM club.budget;		-- 220
SELECT violation, detail FROM loyalty.verify('club');
ROLLBACK;
BEGIN;
DELETE FROM club.budget;
SELECT violation, detail FROM loyalty.verify('club') ORDER BY 2;
ROLLBACK;
CALL loyalty.post('club');
ALTER TABLE club.ledger DISABLE TRIGGER append_only;
BEGIN;
UPDATE club.ledger SET allotted[array_position(parts, 50::numeric)] = 51 WHERE order_key = '401';
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE order_key = '401' OR order_key IS NULL ORDER BY 1;
ROLLBACK;
BEGIN;
UPDATE club.ledger SET allotted = NULL WHERE order_key = '401';
SELECT DISTINCT violation FROM loyalty.verify('club') WHERE order_key = '401' OR order_key IS NULL ORDER BY 1;
ROLLBACK;
ALTER TABLE club.ledger ENABLE TRIGGER append_only;
ALTER TABLE club.budget ENABLE TRIGGER USER;
-- without the row, orders get nothing of it, and nobody is stopped
ALTER TABLE club.budget DISABLE TRIGGER USER;
BEGIN;
DELETE FROM club.budget;
INSERT INTO t_budgets.orders VALUES (402, 41, 10);
SELECT points FROM club.members WHERE id = 41;		-- 20
ROLLBACK;
ALTER TABLE club.budget ENABLE TRIGGER USER;

-- 11. At random: two rules, one of them with a budget of its own, the other one with one that both have, orders that come, change, move and go, several at
-- once.  What is given is counted anew by what orders have, never more than there is, and no order changes because of others
INSERT INTO club.budget VALUES ('small', 37);
INSERT INTO club.earning_rule (name, points, bonus, budget) VALUES ('some', 'amount / 3', true, 'small');
DO $do$
DECLARE
	n int;
	wrong bigint;
BEGIN
	PERFORM setseed(0.25);
	FOR i IN 1 .. 300
	LOOP
		n := 1 + random() * 40;
		CASE (random() * 7)::int
			WHEN 0 THEN INSERT INTO t_budgets.orders SELECT 1000 + i * 10 + k, n, (random() * 60)::int, random() < 0.9 FROM generate_series(1, 1 + (random() * 4)::int) k;
			WHEN 1 THEN DELETE FROM t_budgets.orders WHERE customer = n;
			WHEN 2 THEN UPDATE t_budgets.orders SET total = (random() * 60)::int WHERE customer BETWEEN n AND n + 3;
			WHEN 3 THEN UPDATE t_budgets.orders SET customer = n WHERE customer BETWEEN n - 2 AND n + 2;
			WHEN 4 THEN UPDATE t_budgets.orders SET id = id + 10000 WHERE customer = n;
			WHEN 5 THEN UPDATE t_budgets.orders SET paid = NOT paid WHERE customer = n;
			WHEN 6 THEN UPDATE club.budget SET points = 20 + (random() * 100)::int WHERE name = 'small';
			ELSE INSERT INTO t_budgets.orders VALUES (1000 + i * 10, n, 30);
		END CASE;
		IF i % 25 = 0 THEN
			PERFORM loyalty.reconcile('club');
			SELECT count(*) INTO wrong FROM loyalty.verify('club');
			IF wrong > 0 THEN
				RAISE EXCEPTION 'step %: % violations', i, wrong;
			END IF;
		END IF;
		IF i % 70 = 0 THEN
			UPDATE club.earning_rule SET points = format('amount / %s', 2 + i / 70) WHERE name = 'some';
		END IF;
	END LOOP;
END
$do$;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program(p, force => true) FROM unnest('{club,shared}'::name[]) p;
DROP SCHEMA t_budgets CASCADE;
DROP ROLE regress_loyalty_till;
