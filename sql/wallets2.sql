-- Several wallets: which points are spent first, and which never.  Expected numbers were worked
-- out by hand; the cases WE-... are published examples of other systems.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, MDY';
CREATE SCHEMA t_wallets2;
CREATE TABLE t_wallets2.customers (id int PRIMARY KEY);
INSERT INTO t_wallets2.customers SELECT generate_series(1, 20);
CREATE TABLE t_wallets2.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_wallets2.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_wallets2.orders', customer => 'customer', at => 'at', amount => 'total');
CREATE PROCEDURE t_wallets2.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;
-- what a customer has, by wallets: all, and what can be spent
CREATE FUNCTION t_wallets2.has(customer int, OUT wallets text, OUT points numeric) LANGUAGE sql STABLE AS $$
	SELECT (SELECT string_agg(format('%s %s', b.wallet_name, b.available) || CASE WHEN b.pending <> 0 THEN format(' +%s', b.pending) ELSE '' END, ', ' ORDER BY b.wallet)
	          FROM club.wallet_balances b WHERE b.id = $1),
	       (SELECT m.points FROM club.members m WHERE m.id = $1)
$$;

-- wallets are rows: 2 is spent before 1, 3 after it, and 4 never
INSERT INTO club.wallet (name, redeem_order, expires) VALUES ('promo', -1, $$'2126-01-01'$$), ('gift', 5, NULL);
INSERT INTO club.wallet (name, redeemable) VALUES ('status', false);
SELECT wallet, name, redeem_order, redeemable FROM club.wallet ORDER BY 1;
SELECT t.wallet, t.name, t.redeem_order, t.redeemable FROM club.terms_wallet t JOIN club.program p ON p.terms = t.version ORDER BY 1;
CALL t_wallets2.call($$INSERT INTO club.wallet (name) VALUES ('gift')$$);
CALL t_wallets2.call($$INSERT INTO club.wallet (name) VALUES (' ')$$);
CALL t_wallets2.call($$INSERT INTO club.wallet (wallet, name) VALUES (0, 'zero')$$);
CALL t_wallets2.call($$UPDATE club.wallet SET wallet = 7 WHERE name = 'gift'$$);
CALL t_wallets2.call($$UPDATE club.wallet SET redeemable = false WHERE wallet = 1$$);
CALL t_wallets2.call($$DELETE FROM club.wallet WHERE wallet = 1$$);
CALL t_wallets2.call($$TRUNCATE club.wallet$$);
-- one that nothing was ever in may go, or become another kind
INSERT INTO club.wallet (wallet, name) VALUES (9, 'mistake');
UPDATE club.wallet SET redeemable = false WHERE name = 'mistake';
DELETE FROM club.wallet WHERE name = 'mistake';
SELECT count(*) FROM club.wallet;

-- WE-083: the wallet that comes first is emptied first: 0 and 4000
SELECT points, balance FROM club.grant_points(1, 5000, 'g2', wallet => 'promo');
SELECT points, balance FROM club.grant_points(1, 5000, 'g3', wallet => 'gift');
SELECT points, balance FROM club.redeem(1, 6000, 'r1');
SELECT * FROM t_wallets2.has(1);
-- WE-085: in each wallet what expires first: of five lots of 1000, 3500 leave 500 and 1000
SELECT balance FROM club.grant_points(2, 1000, 'a', wallet => 'promo');
UPDATE club.wallet SET expires = $$'2126-02-01'$$ WHERE name = 'promo';
SELECT balance FROM club.grant_points(2, 1000, 'b', wallet => 'promo');
UPDATE club.wallet SET expires = $$'2125-01-01'$$ WHERE name = 'gift';
SELECT balance FROM club.grant_points(2, 1000, 'c', wallet => 'gift');
UPDATE club.wallet SET expires = $$'2125-02-01'$$ WHERE name = 'gift';
SELECT balance FROM club.grant_points(2, 1000, 'd', wallet => 'gift');
UPDATE club.wallet SET expires = NULL WHERE name = 'gift';
SELECT balance FROM club.grant_points(2, 1000, 'e', wallet => 'gift');
SELECT points, balance FROM club.redeem(2, 3500, 'r1');
SELECT points, lots FROM club.account WHERE customer = 2;
UPDATE club.wallet SET expires = $$'2126-01-01'$$ WHERE name = 'promo';
-- 700 taken back: the 500 of "gift" that were taken last, and 200 of those before; then the rest
SELECT points, balance FROM club.reverse(2, 'r1', 700);
SELECT points, lots FROM club.account WHERE customer = 2;
SELECT points, balance FROM club.reverse(2, 'r1');
SELECT points, lots FROM club.account WHERE customer = 2;
-- WE-087: who names a wallet takes from no other one: 3000 of 5000, with 10000 elsewhere
SELECT balance FROM club.grant_points(3, 10000, 'a', wallet => 'promo');
SELECT balance FROM club.grant_points(3, 5000, 'b', wallet => 'gift');
SELECT points, balance FROM club.redeem(3, 3000, 'r1', wallet => 'gift');
SELECT * FROM t_wallets2.has(3);
CALL t_wallets2.call($$SELECT club.redeem(3, 2001, 'r2', wallet => 'gift')$$);
CALL t_wallets2.call($$SELECT club.redeem(3, 1, 'r2', wallet => 'points')$$);
SELECT * FROM loyalty.verify('club');

-- a repeated call is of the same wallet; null is the first one for a grant, and any for a redemption
SELECT points, balance FROM club.grant_points(3, 5000, 'b', wallet => 'gift');
SELECT points, balance FROM club.redeem(3, 3000, 'r1', wallet => 'gift');
SELECT points, balance FROM club.redeem(3, 3000, 'r1');
CALL t_wallets2.call($$SELECT club.grant_points(3, 5000, 'b', wallet => 'promo')$$);
CALL t_wallets2.call($$SELECT club.grant_points(3, 5000, 'b')$$);
CALL t_wallets2.call($$SELECT club.redeem(3, 3000, 'r1', wallet => 'promo')$$);
SELECT balance FROM club.grant_points(3, 7, 'c');
SELECT balance FROM club.grant_points(3, 7, 'c', wallet => 'points');
SELECT status, detail FROM club.try_redeem(3, 3000, 'r1', wallet => 'promo');
SELECT status, message FROM club.try_redeem(3, 1, 'r9', wallet => 'nothing');

-- status points are shown, and never spent: 100 can be
INSERT INTO t_wallets2.orders VALUES (1, 4, '2026-01-01', 100);
SELECT points, balance FROM club.grant_points(4, 70, 's1', wallet => 'status');
SELECT * FROM t_wallets2.has(4);
SELECT available, pending, held, debt FROM club.balances(4);
CALL t_wallets2.call($$SELECT club.redeem(4, 1, 'x', wallet => 'status')$$);
CALL t_wallets2.call($$SELECT club.hold(4, 1, 'x', wallet => 'status')$$);
CALL t_wallets2.call($$SELECT club.transfer(4, 5, 1, 'x', wallet => 'status')$$);
CALL t_wallets2.call($$SELECT club.redeem(4, 1, 'x', wallet => 'nothing')$$);
CALL t_wallets2.call($$SELECT club.redeem(4, 101, 'x')$$);
SELECT points, balance FROM club.redeem(4, 100, 'r1');
SELECT points, balance FROM club.adjust(4, -20, 's2', 'too many', wallet => 'status');
CALL t_wallets2.call($$SELECT club.adjust(4, -51, 's3', 'too many', wallet => 'status')$$);
CALL t_wallets2.call($$SELECT club.adjust(4, -20, 's2', 'too many')$$);
CALL t_wallets2.call($$SELECT club.reverse(4, 's1')$$);	-- 70 were given, and 50 are left
SELECT points, balance FROM club.reverse(4, 's1', 30);
SELECT * FROM t_wallets2.has(4);
CALL t_wallets2.call($$DELETE FROM club.wallet WHERE name = 'status'$$);
CALL t_wallets2.call($$UPDATE club.wallet SET redeemable = true WHERE name = 'status'$$);
SELECT * FROM loyalty.verify('club');

-- debt is of wallet 1; others do not repay it, but what can be spent is so much less: 150 less 100
INSERT INTO t_wallets2.orders VALUES (2, 5, '2026-01-01', 100);
SELECT balance FROM club.redeem(5, 100, 'r1');
DELETE FROM t_wallets2.orders WHERE id = 2;
SELECT balance FROM club.grant_points(5, 150, 'g1', wallet => 'promo');
SELECT * FROM t_wallets2.has(5);
CALL t_wallets2.call($$SELECT club.redeem(5, 60, 'r2')$$);
CALL t_wallets2.call($$SELECT club.redeem(5, 60, 'r2', wallet => 'promo')$$);
SELECT balance FROM club.redeem(5, 50, 'r2', wallet => 'promo');
-- a grant of status points is none of that: given 60 and taken 50, while 100 are owed
SELECT balance FROM club.grant_points(5, 60, 's1', wallet => 'status');
SELECT balance FROM club.adjust(5, -50, 's2', 'no', wallet => 'status');
-- and what is left of a grant is taken back from its wallet
SELECT points, balance FROM club.reverse(5, 'g1', 100);
SELECT * FROM t_wallets2.has(5);
SELECT * FROM loyalty.verify('club');

-- a refund takes its points from wallet 1: of 100, 0 are there, so all is owed, and "promo" stays
INSERT INTO t_wallets2.orders VALUES (3, 6, '2026-01-01', 100);
SELECT balance FROM club.grant_points(6, 50, 'g1', wallet => 'promo');
SELECT balance FROM club.redeem(6, 100, 'r1', wallet => 'points');
DELETE FROM t_wallets2.orders WHERE id = 3;
SELECT * FROM t_wallets2.has(6);

-- a hold of 160 of "promo" 30, "points" 100 and "gift" 50 keeps 30, 100 and 30; 120 are captured: 40 come back, 30 to "gift" and 10 to "points"
INSERT INTO t_wallets2.orders VALUES (4, 7, '2026-01-01', 100);
SELECT balance FROM club.grant_points(7, 30, 'g1', wallet => 'promo');
SELECT balance FROM club.grant_points(7, 50, 'g2', wallet => 'gift');
SELECT points, balance FROM club.hold(7, 160, 'h1');
SELECT lots FROM club.held WHERE customer = 7;
SELECT points, balance FROM club.capture(7, 'h1', 120);
SELECT * FROM t_wallets2.has(7);
-- of the 120, which were 30 and 90, 25 go back to "points"; then the rest
SELECT points, balance FROM club.reverse(7, 'h1', 25);
SELECT * FROM t_wallets2.has(7);
SELECT points, balance FROM club.reverse(7, 'h1');
SELECT * FROM t_wallets2.has(7);
-- released, all is where it was
SELECT points, balance FROM club.hold(7, 170, 'h2');
SELECT * FROM t_wallets2.has(7);
SELECT points, balance FROM club.release(7, 'h2');
SELECT * FROM t_wallets2.has(7);
SELECT points, balance FROM club.hold(7, 20, 'h3', wallet => 'gift');
SELECT * FROM t_wallets2.has(7);
SELECT points, balance FROM club.release(7, 'h3');
-- a transfer of 120 gives 30 of "promo" and 90 of "points", in their wallets; back come the same
SELECT points, balance FROM club.transfer(7, 8, 120, 't1');
SELECT * FROM t_wallets2.has(7), LATERAL t_wallets2.has(8) AS other;
SELECT points, balance FROM club.transfer(7, 8, 50, 't2', wallet => 'gift');
SELECT * FROM t_wallets2.has(8);
SELECT points, balance FROM club.reverse(7, 't1');
SELECT * FROM t_wallets2.has(7), LATERAL t_wallets2.has(8) AS other;
SELECT * FROM loyalty.verify('club');

-- by a card
SELECT club.issue_card(9, '79927398713');
SELECT balance FROM club.grant_points_by_card('79927398713', 10, 'g', wallet => 'gift');
SELECT balance FROM club.redeem_by_card('79927398713', 4, 'r', wallet => 'gift');
CALL t_wallets2.call($$SELECT club.redeem_by_card('79927398713', 4, 'x', wallet => 'points')$$);

-- each wallet has its own dates: "gift" waits, "promo" and "status" expire, here at once
UPDATE club.wallet SET available_after = '10 days' WHERE name = 'gift';
UPDATE club.wallet SET expires = $$'2020-01-01'$$ WHERE name IN ('promo', 'status');
SELECT balance FROM club.grant_points(10, 5, 'p');
SELECT balance FROM club.grant_points(10, 50, 'g', wallet => 'gift');
SELECT balance FROM club.grant_points(10, 30, 'e1', wallet => 'promo');
SELECT balance FROM club.grant_points(10, 20, 'e2', wallet => 'status');
SELECT * FROM t_wallets2.has(10);
SELECT points, pending FROM club.members WHERE id = 10;
CALL t_wallets2.call($$SELECT club.redeem(10, 1, 'r', wallet => 'gift')$$);
SELECT * FROM loyalty.verify('club');
CALL loyalty.maintain('club');
SELECT kind, points, lots FROM club.entries WHERE id = 10 AND tracked_table = -1;
SELECT * FROM t_wallets2.has(10);
UPDATE club.wallet SET available_after = NULL, expires = NULL WHERE wallet > 1;
SELECT * FROM loyalty.verify('club');

-- orders keep points of the wallets that say so: those of "gift", and not of "promo"
UPDATE club.wallet SET expires = $$'2126-01-01'$$ WHERE name IN ('promo', 'gift');
UPDATE club.wallet SET extended = $$'2127-01-01'$$ WHERE name = 'gift';
SELECT balance FROM club.grant_points(11, 10, 'g1', wallet => 'promo');
SELECT balance FROM club.grant_points(11, 20, 'g2', wallet => 'gift');
INSERT INTO t_wallets2.orders VALUES (5, 11, '2026-01-01', 100);
SELECT wallet, expires_at, points FROM club.lots WHERE id = 11 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT points, lots FROM club.account WHERE customer = 11;
UPDATE club.wallet SET expires = NULL, extended = NULL WHERE wallet > 1;
SELECT * FROM loyalty.verify('club');

-- status points are no part of what is owed or flows; entries count them.  All differences are 0.
-- 100 of an order, 40 of "gift" and 25 of "status" make 140 that can be spent
INSERT INTO t_wallets2.orders VALUES (6, 12, '2026-01-01', 100);
SELECT balance FROM club.grant_points(12, 40, 'g1', wallet => 'gift');
SELECT balance FROM club.grant_points(12, 25, 's1', wallet => 'status');
SELECT club.balance(12), club.balance(12, now()), (club.member_at(12, now())).points;
SELECT wallet, points, state FROM club.lots_at(12, now());
SELECT id, wallet, wallet_name AS name, redeemable, available, pending, next_expiry, expiring FROM club.wallet_balances WHERE id = 12 ORDER BY 2;
SELECT points, lots FROM club.holdings WHERE id = 12;
SELECT movement, points, lots FROM club.movements WHERE id = 12 ORDER BY tracked_table DESC, order_key;
SELECT kind, points, balance FROM club.entries WHERE id = 12 ORDER BY entry;
SELECT l.available - (SELECT sum(greatest(m.points, 0)) FROM club.members m) AS available, l.debt + (SELECT sum(least(m.points, 0)) FROM club.members m) AS debt,
       l.outstanding - l.debt - (SELECT f.closing FROM club.points_flow f ORDER BY f.month DESC LIMIT 1) AS flow,
       l.outstanding - a.outstanding AS at, l.outstanding - (SELECT sum(e.outstanding) FROM club.liability_by_expiry e) AS expiry
  FROM club.liability l, club.liability_at(now()) a;
-- 140 points at 0.05 each pay 7.00 of 50.00; a reward of 45 can be had three times
INSERT INTO club.conversion (points, amount) VALUES (1, 0.05);
SELECT q.points, q.value FROM club.quote(12, 50.00) q;
INSERT INTO club.reward (name, points) VALUES ('mug', 45);
SELECT reward, points, quantity, limited_by FROM club.rewards_for(12);
SELECT points, balance FROM club.redeem_reward(12, 'mug', 'm1', quantity => 3);
SELECT * FROM t_wallets2.has(12);
SELECT * FROM loyalty.verify('club');

-- verify() finds what is planted
CREATE FUNCTION t_wallets2.planted(who int, reference text, change text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE club.ledger DISABLE TRIGGER USER;
	EXECUTE format('UPDATE club.ledger SET lots = %s WHERE customer = $1 AND order_key = $2', change) USING who, reference;
	ALTER TABLE club.ledger ENABLE TRIGGER USER;
	RETURN QUERY SELECT DISTINCT v.violation FROM loyalty.verify('club') v ORDER BY 1;
END $$;
CALL loyalty.post('club');
SELECT lots FROM club.ledger WHERE customer = 12 AND order_key = 'm1';
-- 35 of "gift" were spent, and not of "status"
BEGIN; SELECT * FROM t_wallets2.planted(12, 'm1', $$'{wallet 4: -35}'$$); ROLLBACK;
-- "points" come before "gift": to take 40 of that leaves 5
BEGIN; SELECT * FROM t_wallets2.planted(12, 'm1', $$'{wallet 3: -40}'$$); ROLLBACK;
-- 6000 of 5000 and 5000 leave none in one of them, whatever the order was then
BEGIN; SELECT * FROM t_wallets2.planted(1, 'r1', $$'{wallet 2: -3000 until 2126-01-01, wallet 3: -3000}'$$); ROLLBACK;
-- there is no wallet 8
BEGIN; SELECT * FROM t_wallets2.planted(12, 's1', $$'{wallet 8: 25}'$$); ROLLBACK;
-- an order gives no points to "gift"
BEGIN; SELECT * FROM t_wallets2.planted(12, '6', $$'{wallet 3: 10}'$$); ROLLBACK;
-- an order kept points from expiring, and this says that it did not
BEGIN; SELECT * FROM t_wallets2.planted(11, '5', 'NULL'); ROLLBACK;
-- what the account says is what wallet_balances show
BEGIN; UPDATE club.account SET lots = '{wallet 3: 3, wallet 4: 25}' WHERE customer = 12; SELECT DISTINCT violation FROM loyalty.verify('club') ORDER BY 1; ROLLBACK;
SELECT * FROM loyalty.verify('club');

-- customers who turn out to be one: 15 has 10 points, 20 of "promo" until 2126-01-01 and 5 status points; 16 has 30 of an order that is
-- not posted, 100 of "promo" until 2126-02-01, 1 of "gift" and 7 status points.  Together: 40, 120, 1 and 12; 40 + 120 + 1 = 161 can be spent.
-- The entry passes on 10 + 20 + 5 = 35.
UPDATE club.wallet SET expires = $$'2126-01-01'$$ WHERE name = 'promo';
SELECT balance FROM club.grant_points(15, 10, 'g1');
SELECT balance FROM club.grant_points(15, 20, 'g2', wallet => 'promo');
SELECT balance FROM club.grant_points(15, 5, 'g3', wallet => 'status');
UPDATE club.wallet SET expires = $$'2126-02-01'$$ WHERE name = 'promo';
SELECT balance FROM club.grant_points(16, 100, 'g1', wallet => 'promo');
SELECT balance FROM club.grant_points(16, 1, 'g2', wallet => 'gift');
SELECT balance FROM club.grant_points(16, 7, 'g3', wallet => 'status');
INSERT INTO t_wallets2.orders VALUES (20, 16, '2026-01-01', 30);
SELECT points, balance FROM club.merge(15, 16, 'one');
SELECT * FROM t_wallets2.has(16);
SELECT * FROM t_wallets2.has(15);
SELECT wallet, expires_at, points FROM club.lots WHERE id = 16 ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');
-- other dates than they had
BEGIN; SELECT * FROM t_wallets2.planted(16, 'one', $$'{wallet 2: 20 until 2126-02-01, wallet 4: 5}'$$); ROLLBACK;
-- status points were not passed on
BEGIN; UPDATE club.account SET lots = '{wallet 2: 20 until 2126-01-01, wallet 2: 100 until 2126-02-01, wallet 3: 1, wallet 4: 7}' WHERE customer = 16; SELECT DISTINCT violation FROM loyalty.verify('club') ORDER BY 1; ROLLBACK;
-- by the old key, 130 are all 120 of "promo", what expires first before the rest, and 10 of "points"; 30 and 1 are left, and the status points
SELECT points, balance FROM club.redeem(15, 130, 'r1');
SELECT points_change, lots FROM club.ledger WHERE customer = 15 AND order_key = 'r1';
SELECT * FROM t_wallets2.has(16);
-- a wallet that is named has no more by either key: 1 of "gift"
SELECT status, detail FROM club.try_redeem(15, 2, 'r2', wallet => 'gift');
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_wallets2 CASCADE;
