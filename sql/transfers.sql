-- Points that one customer gives to another one.  Expected numbers were worked out by hand.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_transfers;
CREATE TABLE t_transfers.customers (id text PRIMARY KEY);
INSERT INTO t_transfers.customers VALUES ('ann'), ('bob'), ('cat'), ('dan');
CREATE TABLE t_transfers.orders (id int PRIMARY KEY, customer text, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_transfers.customers', points_scale => 1);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_transfers.orders', customer => 'customer', at => 'at', amount => 'total');
CREATE PROCEDURE t_transfers.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;

-- 40 until 2126-01-01, 50 until 2126-02-01, 10 for ever
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
INSERT INTO t_transfers.orders VALUES (1, 'ann', '2026-01-01', 40);
UPDATE club.wallet SET expires = $$'2126-02-01'$$;
INSERT INTO t_transfers.orders VALUES (2, 'ann', '2026-01-02', 50);
UPDATE club.wallet SET expires = NULL;
INSERT INTO t_transfers.orders VALUES (3, 'ann', '2026-01-03', 10);

-- the points keep their dates; what expires first goes first
SELECT reference, points, balance FROM club.transfer('ann', 'bob', 60.5, 't1', 'a birthday');
SELECT id, entry, kind, order_key, points, counterpart, reason, lots FROM club.entries WHERE kind = 'transfer' ORDER BY id, entry;
SELECT id, points, next_expiry, expiring FROM club.members ORDER BY id;
-- a call that is repeated is the same one, and any other has another reference
SELECT reference, points, balance FROM club.transfer('ann', 'bob', 60.5, 't1');
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', 60, 't1')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'cat', 60.5, 't1')$$);
CALL t_transfers.call($$SELECT club.transfer('bob', 'ann', 60.5, 't1')$$);
CALL t_transfers.call($$SELECT club.redeem('ann', 60.5, 't1')$$);
SELECT reference, points FROM club.grant_points('cat', 5, 'gift');
CALL t_transfers.call($$SELECT club.transfer('ann', 'cat', 1, 'gift')$$);	-- the recipient has used it
-- what cannot be
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', 39.6, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'ann', 1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'eve', 1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('eve', 'ann', 1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', NULL, 1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer(NULL, 'ann', 1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', NULL, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', -1, 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', 'NaN', 't2')$$);
CALL t_transfers.call($$SELECT club.transfer('ann', 'bob', 0.05, 't2')$$);
SELECT status, detail FROM club.try_transfer('ann', 'bob', 39.6, 't2');
SELECT status, points, balance FROM club.try_transfer('ann', 'bob', 9.5, 't2');
SELECT count(*) FROM club.entries WHERE kind = 'transfer';
SELECT * FROM loyalty.verify('club');

-- it is reversed for the giver, in parts, each point once; what the recipient has spent cannot come back
CALL t_transfers.call($$SELECT club.reverse('bob', 't1')$$);
SELECT points, balance FROM club.redeem('bob', 40, 'cart');	-- those that expire first: 40 until January
SELECT points, balance FROM club.reverse('ann', 't1', 20, 'back-1');
SELECT points, balance FROM club.reverse('ann', 't1', 20, 'back-1');
CALL t_transfers.call($$SELECT club.reverse('ann', 't1', 30, 'back-2')$$);	-- bob has 10
CALL t_transfers.call($$SELECT club.reverse('ann', 't1', 40.6, 'back-2')$$);	-- 40.5 are left
SELECT points, balance FROM club.reverse('ann', 't1', 10, 'back-2');
SELECT id, entry, kind, order_key, reverses, points, counterpart, lots FROM club.entries WHERE entry > 0 AND id IN ('ann', 'bob') AND kind <> 'order' ORDER BY id, entry;
SELECT customer, points, lots FROM club.account ORDER BY customer COLLATE "C";
SELECT * FROM loyalty.verify('club');

-- who owes points pays with what comes
INSERT INTO t_transfers.orders VALUES (4, 'dan', '2026-01-04', 20);
SELECT points, balance FROM club.redeem('dan', 20, 'cart');
DELETE FROM t_transfers.orders WHERE id = 4;
SELECT * FROM club.balances('dan');
SELECT points, balance FROM club.transfer('ann', 'dan', 15, 't3');
SELECT * FROM club.balances('dan');
SELECT points, balance FROM club.transfer('ann', 'dan', 15, 't4');
SELECT * FROM club.balances('dan');
SELECT * FROM loyalty.verify('club');

-- what comes back in parts has its dates with both: the giver gets what expires last, and the other has the rest
BEGIN;
INSERT INTO t_transfers.customers VALUES ('eve'), ('fay');
UPDATE club.wallet SET available_after = NULL, extended = NULL, expires = $$'2126-01-01'$$;
SELECT points FROM club.grant_points('eve', 10, 'early');
UPDATE club.wallet SET expires = $$'2127-01-01'$$;
SELECT points FROM club.grant_points('eve', 10, 'late');
SELECT points, balance FROM club.transfer('eve', 'fay', 20, 'both');
SELECT points, balance FROM club.reverse('eve', 'both', 10, 'half');
SELECT customer, lots FROM club.account WHERE customer IN ('eve', 'fay') ORDER BY 1;
SELECT points, balance FROM club.reverse('eve', 'both');
SELECT customer, lots FROM club.account WHERE customer IN ('eve', 'fay') ORDER BY 1;
SELECT * FROM loyalty.verify('club');
ROLLBACK;

-- verify() tells of what one side lacks
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM club.ledger WHERE customer = 'dan' AND order_key = 't4';
UPDATE club.ledger SET counterpart = 'cat' WHERE customer = 'ann' AND order_key = 't3';
SET LOCAL session_replication_role = origin;
SELECT violation, customer, order_key, detail FROM loyalty.verify('club') WHERE violation LIKE 'what one%' ORDER BY 2, 3;
ROLLBACK;
-- a lost account is filled again with its lots
BEGIN;
DROP TABLE club.account CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT customer, points, lots FROM club.account ORDER BY customer COLLATE "C";
SELECT * FROM loyalty.verify('club');
ROLLBACK;
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_transfers CASCADE;
