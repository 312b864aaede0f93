-- Several wallets, at their edges: what is owed beside other points, expressions that fail, and
-- numbers.  Expected numbers are worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_wallets3;
CREATE TABLE t_wallets3.customers (id int PRIMARY KEY);
INSERT INTO t_wallets3.customers SELECT generate_series(1, 9);
CREATE TABLE t_wallets3.orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2026-01-01', total numeric);
SELECT loyalty.create_program('club', customers => 't_wallets3.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_wallets3.orders', customer => 'customer', at => 'at', amount => 'total');
CREATE PROCEDURE t_wallets3.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;
INSERT INTO club.wallet (name, redeem_order) VALUES ('promo', -1);
INSERT INTO club.wallet (name, redeemable) VALUES ('status', false);

-- 100 are earned, spent, and taken back: wallet 1 owes 100.  80 in promo do not repay it: -20, of which 20 are debt,
-- whatever there is of status points.
INSERT INTO t_wallets3.orders VALUES (1, 1, DEFAULT, 100);
SELECT points, balance FROM club.redeem(1, 100, 'all');
DELETE FROM t_wallets3.orders WHERE id = 1;
SELECT points, balance FROM club.grant_points(1, 80, 'promo', wallet => 'promo');
SELECT points, balance FROM club.grant_points(1, 500, 'status', wallet => 'status');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 1 ORDER BY wallet;
SELECT points FROM club.members WHERE id = 1;
SELECT available, pending, held, debt FROM club.balances(1);
SELECT available, pending, held, outstanding, debt FROM club.liability;
-- what is earned next repays it: 30 make -70 and 80, of which 10 can be spent
INSERT INTO t_wallets3.orders VALUES (2, 1, DEFAULT, 30);
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 1 ORDER BY wallet;
SELECT available, debt FROM club.balances(1);
CALL t_wallets3.call($$SELECT club.redeem(1, 11, 'more')$$);
SELECT points, balance FROM club.redeem(1, 10, 'more');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 1 ORDER BY wallet;
-- everywhere points are what can be spent less what is owed: 0 for all of these
SELECT m.points - b.available + b.debt AS members, m.points - w.available AS wallets
  FROM club.members m CROSS JOIN LATERAL club.balances(m.id) b
  JOIN (SELECT id, sum(available) AS available FROM club.wallet_balances WHERE redeemable GROUP BY id) w ON w.id = m.id;
SELECT * FROM loyalty.verify('club');

-- What was taken last comes back first, though the order is another one by then.  200 and 50 promo, which is first: 70
-- take 50 promo and 20.  Then promo is last.  20 come back: 200 and 0, and 10 more: 200 and 10.
SELECT balance FROM club.grant_points(6, 200, 'g');
SELECT balance FROM club.grant_points(6, 50, 'p', wallet => 'promo');
SELECT points, balance FROM club.redeem(6, 70, 'r');
SELECT balance FROM club.grant_points(7, 200, 'g');
SELECT balance FROM club.grant_points(7, 50, 'p', wallet => 'promo');
SELECT points, balance FROM club.hold(7, 70, 'h');
UPDATE club.wallet SET redeem_order = 9 WHERE name = 'promo';
SELECT points, balance FROM club.reverse(6, 'r', 20, 'r-1');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 6 ORDER BY wallet;
SELECT points, balance FROM club.reverse(6, 'r', 10, 'r-2');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 6 ORDER BY wallet;
-- of a hold, 20 of 70 come back when 50 are captured: 200 and 0; and 5 of these, when it is reversed: promo 5
SELECT points, balance FROM club.capture(7, 'h', 50);
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 7 ORDER BY wallet;
SELECT points, balance FROM club.reverse(7, 'h', 5, 'h-1');
SELECT wallet_name, available FROM club.wallet_balances WHERE id = 7 ORDER BY wallet;
SELECT * FROM loyalty.verify('club');
-- verify() finds what came back to the wrong wallet, 20 and 10 of promo before 20 of points; and a call that lacks its
-- terms
BEGIN;
ALTER TABLE club.ledger DISABLE TRIGGER ALL;
UPDATE club.ledger SET lots = '{wallet 2: 20}' WHERE order_key = 'r-1';
SELECT violation, order_key FROM loyalty.verify('club') WHERE violation LIKE 'points did not come back%';
UPDATE club.ledger SET terms = 0 WHERE order_key = 'h' AND revision = 1;
SELECT violation, order_key FROM loyalty.verify('club') WHERE violation = 'call is not recorded as one';
ROLLBACK;
UPDATE club.wallet SET redeem_order = -1 WHERE name = 'promo';

-- an order that is paid for has a key
CALL t_wallets3.call($$SELECT club.redeem(1, 1, 'p', pays_for => '')$$);
SELECT club.issue_card(1, '79927398713');
CALL t_wallets3.call($$SELECT club.redeem_by_card('79927398713', 1, 'p', pays_for => '')$$);
CALL t_wallets3.call($$SELECT club.try_redeem(1, 1, 'p', pays_for => '')$$);
SELECT points, balance FROM club.grant_points(2, 10, 'g');
SELECT points, balance FROM club.hold(2, 10, 'h');
CALL t_wallets3.call($$SELECT club.capture(2, 'h', pays_for => '')$$);
SELECT points, balance FROM club.capture(2, 'h', pays_for => ' ');	-- a key of text may be this
SELECT pays_for FROM club.ledger WHERE pays_for IS NOT NULL;
SELECT * FROM loyalty.verify('club');

-- An expression that fails on a day gives points that never expire, and verify() tells, for each wallet.  Today
-- is later than 2020, so this one divides by zero; null is no failure.
CREATE FUNCTION t_wallets3.failing(OUT what text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT regexp_replace(detail, 'terms \d+', 'terms N') FROM loyalty.verify('club') WHERE violation = 'expression of a wallet fails'
	UNION ALL SELECT violation FROM loyalty.verify('club') WHERE violation <> 'expression of a wallet fails' $$;
UPDATE club.wallet SET expires = 'CASE WHEN earned_on < ''2020-01-01'' THEN earned_on END' WHERE name = 'promo';
SELECT points FROM club.grant_points(3, 10, 'null', wallet => 'promo');
SELECT * FROM t_wallets3.failing();
UPDATE club.wallet SET expires = 'earned_on + 30 / (CASE WHEN earned_on < ''2020-01-01'' THEN 1 ELSE 0 END)' WHERE name = 'promo';
SELECT * FROM t_wallets3.failing();	-- nothing was given yet
SELECT points FROM club.redeem(3, 1, 'r');
SELECT * FROM t_wallets3.failing();
SELECT points FROM club.grant_points(3, 10, 'fails', wallet => 'promo');
SELECT * FROM t_wallets3.failing();
UPDATE club.wallet SET expires = 'earned_on + 30' WHERE name = 'promo';
SELECT points FROM club.grant_points(3, 10, 'expires', wallet => 'promo');
SELECT * FROM t_wallets3.failing();	-- of the terms of before, as long as they are kept
-- of wallet 1, too, where no order is of such a day
UPDATE club.wallet SET expires = 'earned_on + 30 / (CASE WHEN earned_on < ''2020-01-01'' THEN 1 ELSE 0 END)' WHERE wallet = 1;
SELECT * FROM t_wallets3.failing();	-- the terms of before are not
SELECT points FROM club.adjust(4, 10, 'fails', 'why');
SELECT * FROM t_wallets3.failing();
UPDATE club.wallet SET expires = NULL;

-- the number behind the highest one, and if that is the last that there is, the lowest free one: 2 and 3 are taken
INSERT INTO club.wallet (name) VALUES ('four');
INSERT INTO club.wallet (wallet, name) VALUES (7, 'seven'), (2147483647, 'last');
INSERT INTO club.wallet (name) VALUES ('five'), ('six'), ('eight');
SELECT wallet, name FROM club.wallet ORDER BY wallet;
SELECT points FROM club.grant_points(5, 3, 'last', wallet => 'last');
SELECT wallet, available FROM club.wallet_balances WHERE id = 5;
-- one that was deleted, and that older terms have, is not given again: 9, and not 5
DELETE FROM club.wallet WHERE name = 'five';
INSERT INTO club.wallet (name) VALUES ('nine');
SELECT wallet, name FROM club.wallet WHERE wallet > 3 ORDER BY wallet;
SELECT * FROM t_wallets3.failing();
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_wallets3 CASCADE;
