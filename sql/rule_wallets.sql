-- Earning rules that give their points into wallets of their own: what is where, from when, until when, and what refunds
-- take from which wallet.  Numbers were worked out by hand, as the comments say.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_rule_wallets;
SET search_path = t_rule_wallets, pg_catalog;
CREATE TABLE t_rule_wallets.customers (id int PRIMARY KEY, since date DEFAULT '2019-01-01');
INSERT INTO t_rule_wallets.customers SELECT generate_series(1, 60);
CREATE TABLE t_rule_wallets.orders (id int PRIMARY KEY, customer int, total numeric, promo numeric DEFAULT 0, at timestamptz DEFAULT '2020-03-01 10:00+00');
SELECT loyalty.create_program('club', customers => 't_rule_wallets.customers', joined_at => 'since', time_zone => 'UTC');
INSERT INTO club.wallet (name, available_after, expires) VALUES ('promo', '2 days', 'earned_on + 73000');
INSERT INTO club.wallet (name, redeemable) VALUES ('status', false);
INSERT INTO club.earning_rule (name, points) VALUES ('base', 'amount');
SELECT loyalty.track_orders('club', 't_rule_wallets.orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points, wallet) VALUES ('promo', 'new.promo', 'promo'), ('status', 'amount * 2', 'status');

-- 100 base points; 50.5, which is 50, wait for two days and expire 73,000 days after 2020-03-01 (Python: 2220-01-13); 200 status points.
-- What can be spent: 150
INSERT INTO t_rule_wallets.orders VALUES (1, 1, 100, 50.5);
SELECT order_points, parts, apart, lots FROM club.unposted;
SELECT points FROM club.members WHERE id = 1;
SELECT wallet_name, available, pending FROM club.wallet_balances WHERE id = 1;
-- status points are owed to nobody: 150 are, and of 100 that the order was worth, at 1 each, 150 / 250 are those of points: 60
SELECT movement, points, order_points, lots FROM club.movements;
SELECT revenue, allocated, issued, outstanding FROM loyalty.deferred_revenue('club', 1, 1) ORDER BY month LIMIT 1;
SELECT * FROM club.explain('1');
SELECT * FROM club.simulate_order(ROW(99, 1, 10, 2.5, '2024-02-28 23:30+00')::t_rule_wallets.orders);
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
-- each wallet gives back what it got: 60, 40 and 120
UPDATE t_rule_wallets.orders SET total = 40, promo = 10 WHERE id = 1;
SELECT order_points, apart, lots FROM club.unposted;
-- another day: 10 points go along, to 2020-02-27 and 2220-01-08
UPDATE t_rule_wallets.orders SET at = '2020-02-25 10:00+00' WHERE id = 1;
SELECT revision, points_change, lots FROM club.unposted ORDER BY revision;
SELECT * FROM loyalty.verify('club');
-- 45 of 50: 40 of wallet 1, and 5 of promo.  Then the order is gone: 5 are there to be taken, 45 are owed, and of status points 80 are gone
SELECT balance FROM club.redeem(1, 45, 'first');
DELETE FROM t_rule_wallets.orders WHERE id = 1;
SELECT order_points, points_change, apart, lots FROM club.unposted;
SELECT points FROM club.members WHERE id = 1;
SELECT * FROM loyalty.verify('club');
-- 30 base points repay 30 of them, and what the order gives to another wallet repays the rest: 0, and 85 there
INSERT INTO t_rule_wallets.orders VALUES (2, 1, 30, 100);
SELECT points_change, lots FROM club.unposted WHERE order_key = '2';
SELECT points FROM club.members WHERE id = 1;
SELECT wallet_name, available, pending FROM club.wallet_balances WHERE id = 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- What is not in the wallet any more is taken from wallet 1: 30 of 60 promo points are spent, so 30 and 30 of 100 go, and 70 are left; then 60 come again
INSERT INTO t_rule_wallets.orders VALUES (10, 2, 100, 60);
SELECT balance FROM club.redeem(2, 30, 'promo', wallet => 'promo');
UPDATE t_rule_wallets.orders SET promo = 0 WHERE id = 10;
SELECT points_change, lots FROM club.unposted WHERE order_key = '10' AND revision = 2;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 2;
UPDATE t_rule_wallets.orders SET promo = 60 WHERE id = 10;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 2;
SELECT * FROM loyalty.verify('club');
-- or from what the same entry gives elsewhere, but to status points: 60 promo points are spent; 40 base points more, and 60 promo points less, which are
-- 10 + 40 - 60 = -10; and 20 + 80 status points
INSERT INTO t_rule_wallets.orders VALUES (20, 3, 10, 60);
SELECT balance FROM club.redeem(3, 60, 'promo', wallet => 'promo');
UPDATE t_rule_wallets.orders SET total = 50, promo = 0 WHERE id = 20;
SELECT points_change, lots FROM club.unposted WHERE order_key = '20' AND revision = 2;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 3;
SELECT points FROM club.members WHERE id = 3;
SELECT * FROM loyalty.verify('club');
-- status points are taken back in any case: 100 were taken off by hand before, so there are 100 less than none.  50 base points are taken
INSERT INTO t_rule_wallets.orders VALUES (30, 4, 50, 0);
SELECT points FROM club.adjust(4, -100, 'new year', 'new year', wallet => 'status');
DELETE FROM t_rule_wallets.orders WHERE id = 30;
SELECT order_points, forgiven, points_change, lots FROM club.unposted WHERE order_key = '30';
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 4;
SELECT points FROM club.adjust(4, -1, 'too much', 'too much', wallet => 'status');
SELECT points FROM club.members WHERE id = 4;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- Points that are missing are forgiven: 60 promo points are spent; of 10 + 60 points, the refund takes the 10 base points for promo points that are not
-- there or for themselves, and 60 are forgiven
UPDATE club.program SET refund_shortfall = 'forgive';
INSERT INTO t_rule_wallets.orders VALUES (40, 5, 10, 60);
SELECT balance FROM club.redeem(5, 60, 'promo', wallet => 'promo');
DELETE FROM t_rule_wallets.orders WHERE id = 40;
SELECT order_points, forgiven, points_change, lots FROM club.unposted WHERE order_key = '40' AND revision = 2;
SELECT points FROM club.members WHERE id = 5;
SELECT * FROM loyalty.verify('club');
-- the order is there again, and worth 10 + 80 + 20 = 110: 60 of them were forgiven, and come off what it gives to the wallet of the rule: 20, 10 and 20
INSERT INTO t_rule_wallets.orders VALUES (40, 5, 10, 80);
SELECT order_points, forgiven, points_change, lots FROM club.unposted WHERE order_key = '40' AND revision = 3;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 5;
SELECT * FROM loyalty.verify('club');
-- rejected: a statement that takes back what is not there
UPDATE club.program SET refund_shortfall = 'reject';
INSERT INTO t_rule_wallets.orders VALUES (50, 6, 10, 60);
SELECT balance FROM club.redeem(6, 60, 'promo', wallet => 'promo');
UPDATE t_rule_wallets.orders SET promo = 45 WHERE id = 50;		-- 15 are missing, of which 10 are in wallet 1
UPDATE t_rule_wallets.orders SET promo = 50 WHERE id = 50;		-- 10
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 6;
SELECT * FROM loyalty.verify('club');
UPDATE club.program SET refund_shortfall = 'owe';
CALL loyalty.post('club');

-- Rounding: rules of a wallet are rounded each by itself (0.6 and 0.6 are 0), those of wallet 1 together (1.2 is 1).
-- Multipliers and the tier hold for both: 1.5 * 2 * 0.6 = 1.8, twice, is 1 + 1 = 2 in the wallet, and 3.6, so 3, in wallet 1
INSERT INTO club.earning_rule (name, points, wallet) VALUES ('fine', 'new.promo * 0.6', 'promo'), ('finer', 'new.promo * 0.6', 'promo');
INSERT INTO club.earning_rule (name, points) VALUES ('first', 'new.promo * 0.6'), ('second', 'new.promo * 0.6');
UPDATE club.earning_rule SET applies_when = 'new.total = 0' WHERE name IN ('fine', 'finer', 'first', 'second');
UPDATE club.earning_rule SET applies_when = 'new.total > 0' WHERE name IN ('promo', 'status');
INSERT INTO t_rule_wallets.orders VALUES (60, 7, 0, 1);
INSERT INTO club.earning_rule (name, multiplier) VALUES ('double', '2');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('gold', 1, 'true', 1.5);
INSERT INTO t_rule_wallets.orders VALUES (61, 7, 0, 1);
SELECT order_key, order_points, apart, lots FROM club.unposted WHERE customer = 7 ORDER BY entry;
SELECT * FROM club.explain('61');
SELECT o.order_key, o.points, e.sum FROM (SELECT * FROM club.order_points OFFSET 0) o CROSS JOIN LATERAL (SELECT sum(points) FROM club.explain(o.order_key)) e WHERE o.points IS DISTINCT FROM e.sum;
SELECT * FROM loyalty.verify('club');
DELETE FROM club.tier;
DELETE FROM club.earning_rule WHERE name IN ('double', 'fine', 'finer', 'first', 'second');

-- Limits, budgets, stacking, conditions over members and campaigns go with wallets: 100 promo points per member, of which the second order gets 20; the status rule
-- gives out of a budget of 150, so 100 and 50; "best" gives 3 points per amount to wallet 1 instead of "base", for orders from 50
INSERT INTO club.budget (name, points) VALUES ('medals', 150);
UPDATE club.earning_rule SET member_limit = 100, applies_when = 'true' WHERE name = 'promo';
UPDATE club.earning_rule SET bonus = true, budget = 'medals', applies_when = 'true' WHERE name = 'status';
UPDATE club.earning_rule SET stacking = 'best_of', stacking_group = 'base' WHERE name = 'base';
INSERT INTO club.campaign (name, applies_when) VALUES ('spring', 'new.total >= 50');
INSERT INTO club.earning_rule (name, points, stacking, stacking_group, campaign, for_members, wallet) VALUES ('best', 'amount * 3', 'best_of', 'base', 'spring', 'orders > 0', 'promo');
INSERT INTO t_rule_wallets.orders VALUES (70, 8, 50, 80, '2020-03-01 10:00+00'), (71, 8, 50, 80, '2020-03-01 11:00+00');
-- 70: base 50, promo 80, status 100; 71: best 150 in place of base, promo 20, status 50
SELECT order_key, order_points, rooms, apart, allotted, lots FROM club.unposted WHERE customer = 8 ORDER BY entry;
SELECT campaign, members, orders, points FROM club.campaigns;		-- 150 in place of 50
SELECT * FROM loyalty.verify('club');
DELETE FROM t_rule_wallets.orders WHERE id = 70;
SELECT order_key, points_change, lots FROM club.unposted WHERE customer = 8 AND revision = 2;
SELECT name, given FROM club.budget;
SELECT wallet_name, available, pending FROM club.wallet_balances WHERE id = 8;		-- 71 keeps what it has
SELECT * FROM loyalty.verify('club');
DELETE FROM club.earning_rule WHERE name = 'best';
UPDATE club.earning_rule SET member_limit = NULL, applies_when = 'true' WHERE name = 'promo';
UPDATE club.earning_rule SET bonus = false, budget = NULL WHERE name = 'status';
UPDATE club.earning_rule SET stacking = 'add', stacking_group = NULL WHERE name = 'base';

-- Orders that get another key, or another customer, take along what they have where it is
INSERT INTO t_rule_wallets.orders VALUES (80, 9, 10, 5), (81, 9, 20, 7), (82, 9, 30, 9);
SELECT balance FROM club.redeem(9, 3, 'nine', wallet => 'promo');
UPDATE t_rule_wallets.orders SET id = 83 WHERE id = 80;
UPDATE t_rule_wallets.orders SET id = CASE id WHEN 81 THEN 182 ELSE 181 END WHERE id IN (81, 82);
SELECT order_key, revision, came_from, points_change, apart, lots FROM club.unposted WHERE customer = 9 ORDER BY entry;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 9;		-- 60, 21 - 3 = 18, 120
-- with another amount, too: 2 promo points more, and 10 base points less
UPDATE t_rule_wallets.orders SET id = 84, total = 0, promo = 7 WHERE id = 83;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 9;		-- 50, 20, 100
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 9;
UPDATE t_rule_wallets.orders SET customer = 10 WHERE id = 181;		-- 30, 9, 60 go to another customer
SELECT id, wallet_name, available FROM club.wallet_balances WHERE id IN (9, 10);
SELECT * FROM loyalty.verify('club');
-- who becomes one has all of it: 30 + 20, 9 + 11, 60 + 40
SELECT balance FROM club.merge(9, 10, 'one');
SELECT id, wallet_name, available FROM club.wallet_balances WHERE id IN (9, 10);
UPDATE t_rule_wallets.orders SET promo = 0 WHERE id = 182;		-- 7 promo points less
SELECT id, wallet_name, available FROM club.wallet_balances WHERE id IN (9, 10);
SELECT * FROM loyalty.verify('club');

-- Other terms: promo points go to wallet 1 from now on, and status points to promo.  Orders that are there keep what they have, until they are rerated
INSERT INTO t_rule_wallets.orders VALUES (90, 11, 10, 5);
UPDATE club.earning_rule SET wallet = CASE name WHEN 'status' THEN 'promo' END WHERE name IN ('promo', 'status');
UPDATE t_rule_wallets.orders SET promo = 6 WHERE id = 90;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 11;		-- 10, 6, 20
SELECT balance FROM club.redeem(11, 6, 'eleven', wallet => 'promo');
-- 10 + 6 to wallet 1, 20 to promo.  First the order goes: 20 status points, 10 of wallet 1, and for 6 promo points, which are spent, 6 are owed; then it
-- comes again, and repays these: 10, and 20.  All of its points are 6 more than those of the 12 orders before, since order 71 got 220 when "best" was a rule, and is worth
-- 50 + 80 + 100 now, and 60 and 61 have 1 + 0 and 1 + 0 in place of 1 and 5.  Of the customers, these points are 264 less, which they spent
SELECT orders, points_before, points_after FROM loyalty.rerate('club', since => '2020-03-01 00:00+00', dry_run => false);
SELECT revision, terms, points_change, lots FROM club.unposted WHERE order_key = '90' ORDER BY revision;
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 11;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT name, wallet FROM club.rules_at() ORDER BY 1;


SELECT loyalty.drop_program('club', force => true);

-- What cannot be
ALTER TABLE t_rule_wallets.orders ADD COLUMN fixed_at timestamptz;
DELETE FROM t_rule_wallets.orders;
SELECT loyalty.create_program('mall', customers => 't_rule_wallets.customers', joined_at => 'since', time_zone => 'Europe/Berlin');
INSERT INTO mall.earning_rule (name, points) VALUES ('base', 'amount');
SELECT loyalty.track_orders('mall', 't_rule_wallets.orders', customer => 'customer', at => 'at', amount => 'total', available_at => 'fixed_at');
INSERT INTO mall.earning_rule (name, points, wallet) VALUES ('promo', 'new.promo', 'promo');
INSERT INTO mall.wallet (name, available_after, expires) VALUES ('promo', '2 days', 'earned_on + 73000'), ('stars', NULL, NULL);
INSERT INTO mall.earning_rule (name, points, wallet) VALUES ('promo', 'new.promo * 0.7', 'promo'), ('stars', 'amount * 0.3', 'stars');
INSERT INTO mall.earning_rule (name, multiplier, wallet) VALUES ('double', '2', 'stars');
UPDATE mall.earning_rule SET points = NULL, multiplier = '2' WHERE name = 'stars';
DELETE FROM mall.wallet WHERE name = 'stars';
UPDATE mall.wallet SET name = 'star' WHERE name = 'stars';
DELETE FROM mall.wallet WHERE name = 'points';
-- that of wallet 1 may be named, which changes nothing
UPDATE mall.earning_rule SET wallet = 'points' WHERE name = 'base';
INSERT INTO t_rule_wallets.orders VALUES (1, 1, 10, 10, '2020-03-27 23:30+01', NULL), (2, 1, 10, 10, '2020-03-27 23:30+01', '2020-04-15 12:00+02');
-- two days later is 23:30 in summer time, so 21:30 UTC; 73,000 days after 2020-03-27 it is 2220-02-08 (Python), which begins at 23:00 UTC
SELECT order_key, order_points, apart, lots FROM mall.unposted ORDER BY 1;
SELECT what, name, status, value, points FROM mall.explain('2') WHERE what = 'lot';
SELECT * FROM loyalty.verify('mall');
-- an order whose time is not known yet
INSERT INTO t_rule_wallets.orders VALUES (3, 2, 10, 10, '2020-03-27 23:30+01', 'infinity');
SELECT wallet_name, available, pending FROM mall.wallet_balances WHERE id = 2;
UPDATE t_rule_wallets.orders SET fixed_at = '2020-05-01 00:00+02' WHERE id = 3;
SELECT wallet_name, available, pending FROM mall.wallet_balances WHERE id = 2;
SELECT * FROM loyalty.verify('mall');
-- a refund of points that wait: the own ones go
UPDATE t_rule_wallets.orders SET fixed_at = 'infinity' WHERE id = 3;
UPDATE t_rule_wallets.orders SET promo = 3 WHERE id = 3;
SELECT wallet_name, available, pending FROM mall.wallet_balances WHERE id = 2;
SELECT * FROM loyalty.verify('mall');

-- Points of a rule expire, and to take them back costs nothing then
UPDATE mall.wallet SET expires = $$'2020-06-01'$$ WHERE name = 'promo';
INSERT INTO t_rule_wallets.orders VALUES (4, 3, 10, 10, '2020-03-27 23:30+01'), (5, 3, 10, 10, '2020-03-27 23:30+01');
UPDATE mall.wallet SET expires = 'earned_on + 73000' WHERE name = 'promo';
INSERT INTO t_rule_wallets.orders VALUES (6, 3, 10, 10, '2020-03-27 23:30+01');
SELECT points FROM mall.members WHERE id = 3;		-- 30 + 3 * 3 + 7
DELETE FROM t_rule_wallets.orders WHERE id = 4;		-- 10 and 3 less
SELECT points FROM mall.members WHERE id = 3;
CALL loyalty.maintain('mall');
SELECT points FROM mall.members WHERE id = 3;
DELETE FROM t_rule_wallets.orders WHERE id = 5;
SELECT points FROM mall.members WHERE id = 3;		-- 10 + 3 + 7
SELECT * FROM loyalty.verify('mall');
CALL loyalty.maintain('mall');
SELECT * FROM loyalty.verify('mall');

-- An order that is worth nothing for a while leaves nothing behind: what is owed then, since the points are spent, is repaid when it is worth as much again
INSERT INTO t_rule_wallets.orders VALUES (7, 4, 10, 10, '2020-03-27 23:30+01');
SELECT balance FROM mall.redeem(4, 7, 'four', wallet => 'promo');
SELECT balance FROM mall.redeem(4, 13, 'four and more');
UPDATE t_rule_wallets.orders SET total = 0, promo = 0 WHERE id = 7;
SELECT wallet_name, available FROM mall.wallet_balances WHERE id = 4;		-- all 20 are owed
UPDATE t_rule_wallets.orders SET total = 10, promo = 10 WHERE id = 7;
SELECT wallet_name, available FROM mall.wallet_balances WHERE id = 4;
-- and less than nothing is no lot
INSERT INTO t_rule_wallets.orders VALUES (8, 4, 0, -10, '2020-03-27 23:30+01');
SELECT what, name, value, points FROM mall.explain('8');
DELETE FROM t_rule_wallets.orders WHERE id = 8;
SELECT wallet_name, available FROM mall.wallet_balances WHERE id = 4;
SELECT * FROM loyalty.verify('mall');

-- A wallet stays what it is while orders may have points in it that no entry has yet, posted or not; one that no order knows of goes
INSERT INTO mall.wallet (name, redeemable) VALUES ('medals', false), ('none', true);
INSERT INTO mall.earning_rule (name, points, wallet) VALUES ('medals', '1', 'medals');
INSERT INTO t_rule_wallets.orders VALUES (9, 5, 10, 10, '2020-03-27 23:30+01');
DELETE FROM mall.earning_rule WHERE name = 'medals';
INSERT INTO mall.earning_rule (name, points, wallet) VALUES ('none', '1', 'none');
DELETE FROM mall.earning_rule WHERE name = 'none';
DELETE FROM mall.wallet WHERE name = 'medals';
UPDATE mall.wallet SET redeemable = true WHERE name = 'medals';
DELETE FROM mall.wallet WHERE name = 'none';
DELETE FROM t_rule_wallets.orders WHERE id = 9;
SELECT * FROM loyalty.verify('mall');

-- At random: of customers 31 to 33, who spend nothing, each wallet has what the orders say, computed from their table; of 34 to 36, all of it less what they
-- spent.  verify() looks at all of it
SELECT setseed(0.42);
CREATE PROCEDURE t_rule_wallets.change(n int) LANGUAGE plpgsql AS $$
DECLARE
	k int := 100 + (random() * 40)::int;
	c int := 31 + floor(random() * 6)::int;
	what int := floor(random() * 12)::int;
	now_at timestamptz := '2020-03-01 10:00+00'::timestamptz + floor(random() * 40) * interval '1 day';
BEGIN
	IF what <= 3 THEN
		INSERT INTO t_rule_wallets.orders VALUES (k, c, round((random() * 100)::numeric, 2), round((random() * 100)::numeric, 2), now_at)
		ON CONFLICT (id) DO UPDATE SET total = round((random() * 100)::numeric, 2), promo = round((random() * 50)::numeric, 2);
	ELSIF what = 4 THEN
		DELETE FROM t_rule_wallets.orders WHERE id = k;
	ELSIF what = 5 THEN
		UPDATE t_rule_wallets.orders SET at = now_at, promo = promo / 2 WHERE id = k;
	ELSIF what = 6 THEN
		UPDATE t_rule_wallets.orders SET customer = c WHERE id = k;
	ELSIF what = 7 THEN
		UPDATE t_rule_wallets.orders SET id = 1000 - id, total = total - 1 WHERE id IN (k, 1000 - k);
	ELSIF what = 8 THEN
		UPDATE t_rule_wallets.orders SET id = CASE id WHEN k THEN k + 200 ELSE k + 201 END, promo = promo + 1 WHERE id IN (k, k + 1) AND NOT EXISTS (SELECT FROM t_rule_wallets.orders WHERE id IN (k + 200, k + 201));
	ELSIF what = 9 THEN
		PERFORM _loyalty.post_batch('mall', NULL, 1 + floor(random() * 5)::int);
	ELSIF c >= 34 THEN
		PERFORM mall.try_redeem(c, 1 + floor(random() * 40)::int, 'n' || n, wallet => CASE floor(random() * 4) WHEN 0 THEN 'promo' WHEN 1 THEN 'stars' END);
	END IF;
EXCEPTION WHEN unique_violation THEN
	NULL;		-- the key was another order's
END
$$;
DO $$
BEGIN
	FOR n IN 1 .. 400 LOOP
		CALL t_rule_wallets.change(n);
		COMMIT;
	END LOOP;
END
$$;
CREATE VIEW t_rule_wallets.wrong AS
SELECT s.customer, s.wallet_name, s.points, coalesce(b.points, 0) AS has
  FROM (SELECT o.customer, w.wallet_name, sum(CASE w.wallet_name WHEN 'points' THEN trunc(o.total) WHEN 'promo' THEN trunc(o.promo * 0.7) ELSE trunc(o.total * 0.3) END) AS points
          FROM t_rule_wallets.orders o CROSS JOIN (VALUES ('points'), ('promo'), ('stars')) w (wallet_name) WHERE o.customer BETWEEN 31 AND 33 GROUP BY 1, 2) s
  LEFT JOIN (SELECT id, wallet_name, available + pending AS points FROM mall.wallet_balances) b ON b.id = s.customer AND b.wallet_name = s.wallet_name
 WHERE s.points <> coalesce(b.points, 0)
UNION ALL
SELECT s.customer, 'all', s.points - coalesce(r.points, 0), m.points
  FROM (SELECT o.customer, sum(trunc(o.total) + trunc(o.promo * 0.7) + trunc(o.total * 0.3)) AS points FROM t_rule_wallets.orders o WHERE o.customer BETWEEN 34 AND 36 GROUP BY 1) s
  LEFT JOIN (SELECT customer, -sum(points_change) AS points FROM mall.ledger WHERE tracked_table = 0 GROUP BY 1) r ON r.customer = s.customer
  JOIN mall.members m ON m.id = s.customer
 WHERE s.points - coalesce(r.points, 0) <> m.points;
SELECT * FROM t_rule_wallets.wrong;
SELECT count(*) > 150 AS many, count(*) FILTER (WHERE came_from IS NOT NULL) > 5 AS rekeyed, count(*) FILTER (WHERE tracked_table = 0) > 10 AS spent FROM mall.entries WHERE id BETWEEN 31 AND 36;
SELECT * FROM loyalty.verify('mall');
CREATE TEMPORARY TABLE before AS SELECT * FROM mall.wallet_balances;
CALL loyalty.post('mall');
SELECT * FROM (SELECT * FROM before EXCEPT SELECT * FROM mall.wallet_balances) x;
SELECT * FROM t_rule_wallets.wrong;
SELECT * FROM loyalty.verify('mall');
SELECT o.order_key, o.points, e.sum FROM (SELECT * FROM mall.order_points OFFSET 0) o CROSS JOIN LATERAL (SELECT sum(points) FROM mall.explain(o.order_key)) e WHERE o.points IS DISTINCT FROM e.sum;
-- with rules that change under way, and what is missing is forgiven
DO $$
BEGIN
	FOR n IN 401 .. 650 LOOP
		CALL t_rule_wallets.change(n);
		IF n % 50 = 0 THEN
			UPDATE mall.earning_rule SET wallet = (ARRAY['stars', 'promo', NULL])[1 + floor(random() * 3)::int] WHERE name = 'stars';
			UPDATE mall.program SET refund_shortfall = (ARRAY['owe', 'forgive'])[1 + floor(random() * 2)::int];
		END IF;
		IF n % 70 = 0 THEN
			PERFORM loyalty.rerate('mall', dry_run => false);
		END IF;
		COMMIT;
	END LOOP;
END
$$;
SELECT * FROM loyalty.verify('mall');
CALL loyalty.post('mall');
SELECT * FROM loyalty.verify('mall');

-- verify() tells of points in another wallet, of other dates, and of other points than the rule gives
INSERT INTO t_rule_wallets.orders VALUES (2000, 50, 10, 10, '2020-03-27 23:30+01'), (2001, 50, 10, 10, '2020-03-28 23:30+01');
UPDATE mall.earning_rule SET wallet = 'stars' WHERE name = 'stars';
UPDATE mall.program SET refund_shortfall = 'owe';
INSERT INTO t_rule_wallets.orders VALUES (2002, 51, 10, 10, '2020-03-27 23:30+01');
UPDATE t_rule_wallets.orders SET promo = 5 WHERE id = 2002;
CALL loyalty.post('mall');
SELECT * FROM loyalty.verify('mall');
ALTER TABLE mall.ledger DISABLE TRIGGER append_only;
CREATE PROCEDURE t_rule_wallets.plant(what text, lots text, apart numeric[], points numeric) LANGUAGE plpgsql AS $$
DECLARE
	l mall.ledger;
	a mall.account;
BEGIN
	SELECT * INTO l FROM mall.ledger WHERE order_key = '2002' AND revision = 1;
	SELECT * INTO a FROM mall.account WHERE customer = 51;
	UPDATE mall.ledger SET lots = plant.lots::loyalty.lots, apart = coalesce(plant.apart, l.apart), order_points = plant.points, points_change = plant.points WHERE order_key = '2002' AND revision = 1;
	UPDATE mall.account SET lots = (SELECT loyalty.sum(x.lots) FROM mall.ledger x WHERE x.customer = 51) WHERE customer = 51;
	RAISE WARNING '%: %', what, (SELECT string_agg(DISTINCT v.violation, '; ' ORDER BY v.violation) FROM loyalty.verify('mall') v WHERE v.violation <> 'trigger missing or disabled');
	UPDATE mall.ledger SET lots = l.lots, apart = l.apart, order_points = l.order_points, points_change = l.points_change WHERE order_key = '2002' AND revision = 1;
	UPDATE mall.account SET lots = a.lots WHERE customer = 51;
END
$$;
SELECT lots, apart, order_points FROM mall.ledger WHERE order_key = '2002' ORDER BY revision;
CALL t_rule_wallets.plant('all of it in promo', '{wallet 2: 10 from 2020-03-29T21:30:00Z until 2220-02-07T23:00:00Z}', NULL, 20);
CALL t_rule_wallets.plant('in wallet 1', '{wallet 3: 3}', NULL, 20);
CALL t_rule_wallets.plant('other dates', '{wallet 2: 7 from 2020-03-28T22:30:00Z until 2220-02-07T23:00:00Z, wallet 3: 3}', NULL, 20);
CALL t_rule_wallets.plant('another rounding', '{wallet 2: 7 from 2020-03-29T21:30:00Z until 2220-02-07T23:00:00Z, wallet 3: 4}', '{NULL,7,4}', 21);
CALL t_rule_wallets.plant('a wallet of no rule', '{wallet 2: 7 from 2020-03-29T21:30:00Z until 2220-02-07T23:00:00Z, wallet 3: 3, wallet 4: 1}', NULL, 20);
ALTER TABLE mall.ledger ENABLE TRIGGER append_only;
SELECT * FROM loyalty.verify('mall');

SELECT loyalty.drop_program('mall', force => true);
DROP SCHEMA t_rule_wallets CASCADE;
