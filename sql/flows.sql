-- What accounting tells adds up over entries of every kind, in several wallets: what is issued, less what is redeemed and
-- has expired, is what is owed.  Numbers were worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
SET jit = off;	-- it takes longer than all that is tested here
CREATE SCHEMA t_flows;
CREATE TABLE t_flows.customers (id int PRIMARY KEY);
INSERT INTO t_flows.customers SELECT generate_series(1, 12);
CREATE TABLE t_flows.orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT now(), total numeric);
SELECT loyalty.create_program('club', customers => 't_flows.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_flows.orders', customer => 'customer', at => 'at', amount => 'total');
UPDATE club.program SET returns_paid_points = 'proportional';
-- "promo" is spent before "points", and "gift" after it; "status" never is.  All but "gift" expire in 5 seconds
SELECT now() + interval '5 s' AS soon \gset
INSERT INTO club.wallet (name, redeem_order, redeemable) VALUES ('promo', -1, true), ('gift', 5, true), ('status', 0, false);
UPDATE club.wallet SET expires = quote_literal(to_char(:'soon'::timestamptz, 'YYYY-MM-DD HH24:MI:SS.US')) WHERE name <> 'gift';
-- what was said above, and the same for each customer; rows that do not add up
CREATE FUNCTION t_flows.wrong() RETURNS TABLE (what text, numbers text) LANGUAGE sql STABLE AS $$
	SELECT 'flow of a month', f::text FROM club.points_flow f WHERE f.opening + f.earned + f.refunded + f.granted + f.redeemed + f.reversed + f.expired + f.adjusted <> f.closing
	UNION ALL
	SELECT 'flow and liability', format('%s, %s', f.closing, l) FROM (SELECT closing FROM club.points_flow ORDER BY month DESC LIMIT 1) f CROSS JOIN club.liability l WHERE f.closing <> l.outstanding - l.debt
	UNION ALL
	SELECT 'liability as of now', format('%s, %s', l, a) FROM club.liability l CROSS JOIN club.liability_at(now()) a WHERE (l.members, l.available, l.pending, l.held, l.debt) <> (a.members, a.available, a.pending, a.held, a.debt)
	UNION ALL
	SELECT 'liability by expiry', format('%s, %s', l, e.sum) FROM club.liability l CROSS JOIN (SELECT sum(outstanding) FROM club.liability_by_expiry) e WHERE l.outstanding - l.debt <> e.sum - l.debt
	UNION ALL
	SELECT 'revenue and flow', format('%s, %s', r, f) FROM (SELECT sum(issued) AS issued, sum(redeemed) AS redeemed, (array_agg(outstanding ORDER BY month DESC))[1] AS outstanding FROM loyalty.deferred_revenue('club', 0.01)) r
	  CROSS JOIN (SELECT sum(expired) AS expired, (array_agg(closing ORDER BY month DESC))[1] AS closing FROM club.points_flow) f WHERE r.issued - r.redeemed + f.expired <> r.outstanding OR r.outstanding <> f.closing
	UNION ALL
	SELECT 'breakage', b::text FROM club.breakage b WHERE b.issued <> b.redeemed + b.held + b.expired
	UNION ALL
	SELECT 'customer', format('%s: %s, %s', h.id, h.owed, m.owed)
	  FROM (SELECT h.id, h.points + h.held - coalesce((SELECT sum(l.points) FROM loyalty.unnest(h.lots) l WHERE l.expires_at <= now()), 0) AS owed FROM club.holdings h) h
	  FULL JOIN (SELECT m.id, sum(m.points - coalesce((SELECT sum(l.points) FROM loyalty.unnest(m.lots) l WHERE l.expires_at <= now()), 0)) AS owed FROM club.movements m GROUP BY m.id) m USING (id)
	 WHERE h.owed IS DISTINCT FROM m.owed
$$;

-- All of it is of one moment, before they expire.
BEGIN;
-- 1: 100 earned, and 50 of "promo"; 120 of both pay for the order, of which 40 of 100 are refunded: 48 come back, to "points", and 40 are taken: 38;
-- 10 are reversed: 48.  Issued 110, redeemed 62
INSERT INTO t_flows.orders VALUES (1, 1, now(), 100);
SELECT (club.grant_points(1, 50, 'g', wallet => 'promo')).balance;
SELECT (club.redeem(1, 120, 'pay', pays_for => '1')).balance;
UPDATE t_flows.orders SET total = 60 WHERE id = 1;
SELECT (club.reverse(1, 'pay', 10, 'back')).balance;
-- 2: 30, and 20 of "gift"; 40 are held, of which 25 are captured: 10 of "gift" and 5 of "points" come back.  Issued 30 and 20, redeemed 25
SELECT (club.grant_points(2, 30, 'g')).balance, (club.grant_points(2, 20, 'g2', wallet => 'gift')).balance;
SELECT (club.hold(2, 40, 'h')).balance, (club.capture(2, 'h', 25)).balance;
-- 3 and 4: 80 of "promo", and status points; 30 change hands, and 10 of them back; 5 were too many; 4 spends 8.  Issued 75, redeemed 8, left 55 and 12
SELECT (club.grant_points(3, 80, 'g', wallet => 'promo')).balance, (club.grant_points(3, 9, 's', wallet => 'status')).balance;
SELECT (club.transfer(3, 4, 30, 't')).balance, (club.reverse(3, 't', 10, 'tb')).balance, (club.adjust(3, -5, 'a', 'too many', wallet => 'promo')).balance;
SELECT (club.redeem(4, 8, 'r')).balance;
-- 5 becomes one with 6: 40, of which 15 are spent, and 10 held; then 6 more are, and 5 of the 15 reversed.  Issued 40, and 7 of "gift", redeemed 16, held 10, left 14
SELECT (club.grant_points(5, 40, 'g')).balance, (club.grant_points(5, 4, 's', wallet => 'status')).balance, (club.redeem(5, 15, 'r')).balance, (club.hold(5, 10, 'open')).balance;
SELECT (club.grant_points(6, 7, 'g', wallet => 'gift')).balance, (club.merge(5, 6, 'm')).balance;
SELECT (club.redeem(5, 6, 'r2')).balance, (club.reverse(5, 'r', 5, 'rb')).balance;
-- 7 owes 20 of an order that is gone, which he had spent; 8 gives him 30 of 50, of which 20 repay that.  Issued 20, and 50 less 20, redeemed 20, left 10 and 20
INSERT INTO t_flows.orders VALUES (7, 7, now(), 20);
SELECT (club.redeem(7, 20, 'r')).balance;
DELETE FROM t_flows.orders WHERE id = 7;
SELECT (club.grant_points(8, 50, 'g')).balance, (club.transfer(8, 7, 30, 't')).balance, club.balance(7);
-- 9: 25 less 5 that are reversed and 3 more; 4 are spent.  Issued 23, redeemed 4, left 19
SELECT (club.grant_points(9, 25, 'g')).balance, (club.reverse(9, 'g', 5, 'gb')).balance, (club.adjust(9, 3, 'a', 'too few')).balance, (club.redeem(9, 4, 'r')).balance;
-- 10 owes 20 as 7 did, and what he spent comes back, which repays it: by date of expiry, it was issued and spent
INSERT INTO t_flows.orders VALUES (10, 10, now(), 20);
SELECT (club.redeem(10, 20, 'r')).balance;
DELETE FROM t_flows.orders WHERE id = 10;
SELECT (club.reverse(10, 'r')).balance, club.balance(10);
-- 11 owes 20, too, and has 6 of "promo": both go to 12, who has 26, of which 20 repay it.  Issued 20, and 6 and 26 less 20, redeemed 20, left 6 and 6
INSERT INTO t_flows.orders VALUES (11, 11, now(), 20);
SELECT (club.redeem(11, 20, 'r')).balance;
DELETE FROM t_flows.orders WHERE id = 11;
SELECT (club.grant_points(11, 6, 'g', wallet => 'promo')).balance, (club.grant_points(12, 26, 'g')).balance, (club.merge(11, 12, 'm')).balance;
COMMIT;
SELECT * FROM loyalty.verify('club');
SELECT * FROM t_flows.wrong();

-- Earned 100 + 3 * 20, refunded 40 + 3 * 20, granted 50 + 50 + 80 + 47 + 50 + 25 + 32 = 334, redeemed 120 + 25 + 8 + 21 + 20 + 4 + 20 + 20 = 238,
-- reversed 48 + 10 + 5 - 5 + 20 = 78, adjusted -5 + 3; that makes 160 - 100 + 334 - 238 + 78 - 2 = 232.  Changed hands: 30, 10, 15 and the 10 that are held, 30, and 20 less 6
-- that are owed
SELECT pg_sleep(greatest(0, extract(epoch FROM :'soon'::timestamptz - clock_timestamp())));
-- of them 20 + 7 of "gift" and the 10 that are held are left, and 195 have expired: 48 + 5 + 55 + 12 + 14 + 10 + 20 + 19 + 6 + 6
SELECT sum(earned) AS earned, sum(refunded) AS refunded, sum(granted) AS granted, sum(redeemed) AS redeemed, sum(reversed) AS reversed, sum(expired) AS expired, sum(adjusted) AS adjusted, sum(transferred) AS transferred FROM club.points_flow;
SELECT * FROM club.liability;
-- issued 110 + 30 + 75 + 40 + 50 + 23 + 20 + 32 = 380, redeemed 62 + 25 + 8 + 16 + 20 + 4 + 20 + 20 = 175; 195 of 370
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage;
-- issued 160 - 100 + 334 - 2 - 5 = 387, redeemed 238 - 83 = 155; paid 60.00, of which 0.60 of 60.60: 0.594, and of this 155 of 192
SELECT sum(revenue) AS revenue, sum(allocated) AS allocated, sum(issued) AS issued, sum(redeemed) AS redeemed, min(outstanding) AS outstanding, sum(recognized) AS recognized FROM loyalty.deferred_revenue('club', 0.01, 1);
SELECT * FROM t_flows.wrong();
CALL loyalty.maintain('club');
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage;
SELECT * FROM t_flows.wrong();
-- the hold is given back, and gone; 30 more are refunded: of 110 that were not reversed, 77 come back, 48 of them before; 29 come back to what has
-- expired, 12 to "points" and 17 to "promo", and 30 of what has are issued no more: issued 350, redeemed 146, expired 195 + 10 + 29 - 30
SELECT (club.release(6, 'open')).balance;
UPDATE t_flows.orders SET total = 30 WHERE id = 1;
SELECT kind, points_change, lots OPERATOR(loyalty.=) (loyalty.lots_of(12, '-infinity', :'soon') OPERATOR(loyalty.+) loyalty.lots_of(17, '-infinity', :'soon', 2)) AS as_taken FROM club.unposted WHERE kind = 'return';
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage;
SELECT available, held, outstanding, debt FROM club.liability;
SELECT * FROM t_flows.wrong();
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT issued, redeemed, held, expired, rate, rate_to_date FROM club.breakage;
SELECT * FROM t_flows.wrong();
SELECT * FROM loyalty.verify('club');
-- movements of each kind, and which of them spend
SELECT DISTINCT m.movement, coalesce(l.kind, 'order') AS kind, m.spends FROM club.movements m
  JOIN club.ledger l ON l.tracked_table = m.tracked_table AND l.order_key = m.order_key AND l.revision = m.revision AND coalesce(l.account, l.customer) = m.id ORDER BY 1, 2, 3;
SELECT loyalty.drop_program('club', force => true);

-- Holds that are open when customers are merged, one after the other: 10, 20 and 40, of which 4, 5 and 6 are held, and 1 was captured: 9 go
-- to the second one, who holds 2 more, and captures 3 of the 4: 20 + 9 - 3 go to the third: 66
CREATE DOMAIN t_flows.key AS varchar(9);
CREATE TABLE t_flows.people (id t_flows.key PRIMARY KEY);
INSERT INTO t_flows.people VALUES ('ann'), ('bob'), ('cat');
SELECT loyalty.create_program('club', customers => 't_flows.people', time_zone => 'UTC');
SELECT (club.grant_points('ann', 10, 'g')).balance, (club.grant_points('bob', 20, 'g')).balance, (club.grant_points('cat', 40, 'g')).balance;
SELECT (club.hold('ann', 4, 'h')).balance, (club.hold('bob', 5, 'h')).balance, (club.hold('cat', 6, 'h')).balance, (club.hold('ann', 1, 'h2')).balance, (club.capture('ann', 'h2')).balance;
SELECT (club.merge('ann', 'bob', 'm')).balance;
SELECT (club.hold('ann', 2, 'h3')).balance, (club.capture('ann', 'h', 3)).balance;
SELECT (club.merge('bob', 'cat', 'm2')).balance;
SELECT id, points, order_key FROM club.movements WHERE movement = 'transferred' ORDER BY points;
SELECT transferred, redeemed, closing FROM club.points_flow;
CREATE VIEW t_flows.owed AS
	SELECT h.id, h.points, h.held, (SELECT sum(m.points) FROM club.movements m WHERE m.id = h.id) AS by_movements FROM club.holdings h;
SELECT * FROM t_flows.owed ORDER BY id;
-- 2 and 6 are given back, and all 5 captured
SELECT (club.release('ann', 'h3')).balance, (club.capture('bob', 'h')).balance, (club.release('cat', 'h')).balance;
SELECT * FROM t_flows.owed ORDER BY id;
SELECT * FROM loyalty.verify('club');
DROP VIEW t_flows.owed;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_flows CASCADE;
