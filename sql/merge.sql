-- Customers who turn out to be one.  Numbers in the columns "should" were worked out by hand, as
-- the comments say; a query of "wrong" shows those that are others, and no row if there are none.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_merge;
CREATE TABLE t_merge.customers (id text PRIMARY KEY, since timestamptz);
INSERT INTO t_merge.customers SELECT c, '2020-01-01' FROM unnest('{ann, anna, bob, cat, dan, eve, fay, gus, hal}'::text[]) c;
CREATE TABLE t_merge.orders (id int PRIMARY KEY, customer text, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_merge.customers', joined_at => 'since', points_scale => 1, time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 250', 2);
SELECT loyalty.track_orders('club', 't_merge.orders', customer => 'customer', at => 'at', amount => 'total');
CREATE FUNCTION t_merge.wrong(what text, says anyelement, should anyelement)
RETURNS TABLE (wrong text, it_says anyelement, it_should anyelement) LANGUAGE sql AS
$$ SELECT what, says, should WHERE says IS DISTINCT FROM should $$;
CREATE PROCEDURE t_merge.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;
SET client_min_messages = warning;

-- WE-143: A has 100, B 200; B is merged into A, who has 300.  Half of it is not posted yet.
INSERT INTO t_merge.orders VALUES (1, 'ann', '2026-01-01', 100), (2, 'anna', '2026-01-02', 150);
CALL loyalty.post('club');
INSERT INTO t_merge.orders VALUES (3, 'anna', '2026-01-03', 50);
CREATE TABLE t_merge.before AS SELECT * FROM club.liability;
SELECT reference, entry, points, balance FROM club.merge('anna', 'ann', 'm1', 'one person');
SELECT * FROM t_merge.wrong('points of ann', club.balance('ann'), 300.0);
SELECT * FROM t_merge.wrong('points by the old key', club.balance('anna'), 300.0);
SELECT * FROM t_merge.wrong('available by the old key', (club.balances('anna')).available, 300.0);
-- WE-144: nothing came from nowhere, and nothing is lost; but there is a member less
SELECT * FROM t_merge.wrong('outstanding', (SELECT outstanding FROM club.liability), (SELECT outstanding FROM t_merge.before));
SELECT * FROM t_merge.wrong('members with points', (SELECT members FROM club.liability), 1::bigint);
SELECT id, points, lifetime_value, orders, first_order_at, last_order_at, tier FROM club.members WHERE orders > 0;
SELECT count(*) FROM club.members WHERE id = 'anna';
SELECT id, entry, kind, order_key, orders_change, amount_change, points, balance, counterpart, reason, recorded_for FROM club.entries ORDER BY id, entry;
SELECT customer, survivor, merged_into, reference FROM club.merged;
SELECT * FROM loyalty.verify('club');
-- a call that is repeated is the same one, and another one is refused
SELECT reference, entry, points, balance FROM club.merge('anna', 'ann', 'm1');
CALL t_merge.call($$SELECT club.merge('bob', 'ann', 'm1')$$);
CALL t_merge.call($$SELECT club.merge('anna', 'ann', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('anna', 'bob', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('ann', 'anna', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('bob', 'bob', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('bob', 'nobody', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('nobody', 'bob', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('bob', NULL, 'm2')$$);
CALL t_merge.call($$SELECT club.merge(NULL, 'bob', 'm2')$$);
CALL t_merge.call($$SELECT club.merge('bob', 'cat', repeat('x', 256))$$);
CALL t_merge.call($$SELECT club.transfer('anna', 'ann', 1, 't')$$);
SELECT status, detail FROM club.try_merge('anna', 'ann', 'm2');
SELECT count(*) FROM club.merged;

-- What is recorded under the old key is the survivor's: who has spent 300 by then, so a new order
-- earns twice (Gold): 10 * 2.  An order of before keeps its multiplier: 150 that become 140 are 10 less.
INSERT INTO t_merge.orders VALUES (4, 'anna', '2026-01-04', 10);
UPDATE t_merge.orders SET total = 140 WHERE id = 2;
SELECT * FROM t_merge.wrong('points with what waits', club.balance('ann'), 310.0);
SELECT * FROM t_merge.wrong('spend with what waits', (SELECT lifetime_value FROM club.members WHERE id = 'ann'), 300.00);
SELECT customer, account, order_key, revision, entry, points_change, tier FROM club.unposted ORDER BY entry;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT customer, account, order_key, revision, entry, points_change, tier FROM club.ledger WHERE account IS NOT NULL ORDER BY entry;
SELECT * FROM t_merge.wrong('points when posted', club.balance('ann'), 310.0);
SELECT customer, entries, spend, orders, points_earned, points, merged_into, merged FROM club.account ORDER BY customer COLLATE "C";
SELECT id, entry, recorded_for, order_key, revision, points, balance FROM club.entries WHERE id = 'ann' ORDER BY entry;
SELECT customer_id, order_key, points FROM (SELECT id AS customer_id, order_key, points FROM club.order_points) o ORDER BY order_key;
SELECT * FROM loyalty.verify('club');
-- the first order of all was ann's, and the last one anna's; without them, these are others
SELECT * FROM t_merge.wrong('first', (SELECT first_order_at FROM club.members WHERE id = 'ann'), '2026-01-01'::timestamptz);
SELECT * FROM t_merge.wrong('last', (SELECT last_order_at FROM club.members WHERE id = 'ann'), '2026-01-04'::timestamptz);
DELETE FROM t_merge.orders WHERE id IN (1, 4);
SELECT * FROM t_merge.wrong('first without it', (SELECT first_order_at FROM club.members WHERE id = 'ann'), '2026-01-02'::timestamptz);
SELECT * FROM t_merge.wrong('last without it', (SELECT last_order_at FROM club.members WHERE id = 'ann'), '2026-01-03'::timestamptz);
-- 310 less 100 and 20
SELECT * FROM t_merge.wrong('points without them', club.balance('ann'), 190.0);
CALL loyalty.post('club');
SELECT * FROM t_merge.wrong('first, posted', (SELECT first_order_at FROM club.account WHERE customer = 'ann'), '2026-01-02'::timestamptz);
SELECT * FROM loyalty.verify('club');
-- the host brings its orders to the new key: they keep what they earned
UPDATE t_merge.orders SET customer = 'ann' WHERE customer = 'anna';
SELECT * FROM t_merge.wrong('points of orders that moved', club.balance('ann'), 190.0);
CALL loyalty.post('club');
SELECT * FROM t_merge.wrong('points of orders that moved, posted', club.balance('ann'), 190.0);
SELECT * FROM t_merge.wrong('orders', (SELECT orders FROM club.members WHERE id = 'ann'), 2::bigint);
-- and deletes the customer: the key is as good as before
DELETE FROM t_merge.customers WHERE id = 'anna';
SELECT * FROM t_merge.wrong('points by a key that is gone', club.balance('anna'), 190.0);
SELECT count(*) FROM club.former_members WHERE id = 'anna';
SELECT * FROM loyalty.verify('club');

-- Calls by the old key, and of before.  cat has 80, spends 30 and gives 10 to dan: 40; bob has 5.
INSERT INTO t_merge.orders VALUES (11, 'cat', '2026-02-01', 80), (12, 'bob', '2026-02-02', 5), (13, 'dan', '2026-02-03', 1);
SELECT points, balance FROM club.redeem('cat', 30, 'cart-1');
SELECT points, balance FROM club.transfer('cat', 'dan', 10, 'gift');
SELECT points, balance FROM club.redeem('bob', 1, 'cart-2');
SELECT points, balance FROM club.hold('cat', 15, 'hold-1');
SELECT points, balance FROM club.hold('bob', 2, 'hold-1');
SELECT points, balance FROM club.merge('cat', 'bob', 'm3');	-- 80 - 30 - 10 - 15 = 25 and 5 - 1 - 2 = 2
SELECT * FROM t_merge.wrong('held by both', (club.balances('bob')).held, 17.0);
-- each call is known by its reference, under either key
SELECT entry, points, balance FROM club.redeem('cat', 30, 'cart-1');
SELECT entry, points, balance FROM club.redeem('bob', 30, 'cart-1');
SELECT entry, points, balance FROM club.redeem('cat', 1, 'cart-2');
CALL t_merge.call($$SELECT club.redeem('bob', 31, 'cart-1')$$);
-- holds are ended by whoever names them: that of the key that is named first
SELECT points, balance FROM club.capture('bob', 'hold-1', 1);	-- bob's own: 1 of 2 comes back: 28
SELECT points, balance FROM club.release('cat', 'hold-1');	-- cat's: 15 come back: 43
SELECT points, balance FROM club.release('cat', 'hold-1');
SELECT points, balance FROM club.hold('cat', 4, 'hold-2');	-- 39
SELECT points, balance FROM club.capture('bob', 'hold-2');	-- bob names the hold that was asked for by the other key
SELECT * FROM t_merge.wrong('held when all is ended', (club.balances('cat')).held, 0.0);
-- what was spent is taken back by either key, once: 39 + 20 + 10
SELECT points, balance FROM club.reverse('bob', 'cart-1', 20, 'back-1');
SELECT points, balance FROM club.reverse('cat', 'cart-1', NULL, 'back-2');
CALL t_merge.call($$SELECT club.reverse('bob', 'cart-1', 1, 'back-3')$$);
SELECT points, balance FROM club.reverse('cat', 'gift', NULL, 'back-4');	-- 10 of dan: 79
SELECT points, balance FROM club.redeem('cat', 9, 'cart-3');	-- 70
SELECT points, balance FROM club.transfer('dan', 'cat', 1, 'gift-2');	-- to whoever cat is: 71
SELECT * FROM t_merge.wrong('points of bob', club.balance('bob'), 71.0);
SELECT * FROM t_merge.wrong('points of dan', club.balance('dan'), 0.0);
CALL t_merge.call($$SELECT club.redeem('cat', 71.1, 'cart-4')$$);
SELECT customer, account, entry, kind, order_key, reverses, points_change FROM club.ledger WHERE customer IN ('bob', 'cat') ORDER BY coalesce(account, customer) COLLATE "C", entry;
SELECT customer, reference, points, recorded_for FROM club.held;
SELECT * FROM loyalty.verify('club');
-- one who was merged is merged on: all keys are those of the last.  dan and bob can have no transfer taken back between them.
SELECT points, balance FROM club.merge('dan', 'bob', 'm4');
CALL t_merge.call($$SELECT club.reverse('dan', 'gift-2', NULL, 'back-5')$$);
SELECT points, balance FROM club.merge('cat', 'eve', 'm5');	-- refused: cat is bob
SELECT points, balance FROM club.merge('bob', 'eve', 'm5');
SELECT customer, survivor, merged_into FROM club.merged ORDER BY customer COLLATE "C";
SELECT k AS key, club.balance(k) FROM unnest('{bob, cat, dan, eve}'::text[]) k;
SELECT points, balance FROM club.redeem('cat', 11, 'cart-5');	-- 60
SELECT points, balance FROM club.reverse('dan', 'cart-5', 1, 'back-6');	-- 61
INSERT INTO t_merge.orders VALUES (14, 'cat', '2026-02-04', 6), (15, 'dan', '2026-02-05', 7), (16, 'eve', '2026-02-06', 8);
SELECT * FROM t_merge.wrong('points of all four', club.balance('eve'), 82.0);
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club', 1);
SELECT * FROM t_merge.wrong('posted', club.balance('dan'), 82.0);
SELECT customer, account, order_key, entry FROM club.ledger WHERE order_key IN ('14', '15', '16') ORDER BY entry;
SELECT * FROM loyalty.verify('club');

-- Points that wait and expire keep their dates, of both.  fay has 30 until March 2126 and 40 that wait; gus has 20 until
-- February 2126.  10 that both spend are of February, though.
UPDATE club.wallet SET expires = $$'2126-03-01'$$;
INSERT INTO t_merge.orders VALUES (21, 'fay', '2026-03-01', 30);
UPDATE club.wallet SET expires = NULL, available_after = '200 years';
INSERT INTO t_merge.orders VALUES (22, 'fay', '2026-03-02', 40);
UPDATE club.wallet SET expires = $$'2126-02-01'$$, available_after = NULL;
INSERT INTO t_merge.orders VALUES (23, 'gus', '2026-03-03', 20);
UPDATE club.wallet SET expires = NULL;
SELECT points, balance FROM club.merge('fay', 'gus', 'm6');
SELECT wallet, available_at, expires_at, points, state FROM club.lots WHERE id = 'gus' ORDER BY expires_at, available_at;
SELECT points, balance FROM club.redeem('fay', 10, 'cart');
SELECT lots FROM club.ledger WHERE order_key = 'cart' AND customer = 'fay';
-- an order of before takes back from its own points: 30 that become 12
UPDATE t_merge.orders SET total = 12 WHERE id = 21;
SELECT lots FROM club.unposted WHERE order_key = '21';
CALL loyalty.maintain('club');
SELECT wallet, available_at, expires_at, points, state FROM club.lots WHERE id = 'gus' ORDER BY expires_at, available_at;
SELECT * FROM loyalty.verify('club');
-- What one owes is repaid by what the other has, as if it were refunded: by points that wait, first.  hal
-- owes 5; of the 40 of gus that wait 35 are left.
INSERT INTO t_merge.orders VALUES (24, 'hal', '2026-03-04', 5);
SELECT points, balance FROM club.redeem('hal', 5, 'cart');
DELETE FROM t_merge.orders WHERE id = 24;
SELECT points, balance FROM club.merge('hal', 'gus', 'm7');
SELECT expires_at, points, state FROM club.lots WHERE id = 'gus' ORDER BY expires_at, available_at;
SELECT * FROM loyalty.verify('club');

-- As of a moment, who was not merged yet is himself.
CREATE TABLE t_merge.moments AS SELECT at FROM club.merged WHERE customer = 'bob';
SELECT * FROM t_merge.wrong('of all keys', (SELECT array_agg(DISTINCT (club.member_at(k, now())).points) FROM unnest('{bob, cat, dan, eve}'::text[]) k), ARRAY[82.0]);
SELECT * FROM t_merge.wrong('bob before', (SELECT (club.member_at('bob', at - interval '1 microsecond', at - interval '1 microsecond')).points FROM t_merge.moments), 71.0);
SELECT * FROM t_merge.wrong('cat before', (SELECT (club.member_at('cat', at - interval '1 microsecond', at - interval '1 microsecond')).points FROM t_merge.moments), 71.0);
SELECT * FROM t_merge.wrong('eve before', (SELECT (club.member_at('eve', at - interval '1 microsecond', at - interval '1 microsecond')).points FROM t_merge.moments), 0.0);
-- by what is known now, orders of that time count that were recorded since: 6 of cat and 7 of dan, who were bob then, and 8 of eve
SELECT * FROM t_merge.wrong('bob before, known now', (SELECT (club.member_at('cat', at - interval '1 microsecond')).points FROM t_merge.moments), 84.0);
SELECT * FROM t_merge.wrong('eve before, known now', (SELECT (club.member_at('eve', at - interval '1 microsecond')).points FROM t_merge.moments), 8.0);
SELECT * FROM t_merge.wrong('eve then', (SELECT (club.member_at('eve', at, at)).points FROM t_merge.moments), 71.0);
SELECT * FROM t_merge.wrong('orders of eve then', (SELECT (club.member_at('eve', at, at)).orders FROM t_merge.moments), 3::bigint);
SELECT * FROM t_merge.wrong('first order of eve then', (SELECT (club.member_at('dan', at, at)).first_order_at FROM t_merge.moments), '2026-02-01'::timestamptz);
-- so does a balance as of then
SELECT * FROM t_merge.wrong('balance of cat before', (SELECT club.balance('cat', at - interval '1 microsecond') FROM t_merge.moments), 84.0);
SELECT * FROM t_merge.wrong('balance of dan now', club.balance('dan', now()), 82.0);
SELECT * FROM t_merge.wrong('tier of cat now', club.tier_at('cat'), NULL::text);
SELECT * FROM t_merge.wrong('tier of anna before', (SELECT club.tier_at('anna', '2026-01-05')), NULL::text);
SELECT * FROM t_merge.wrong('liability as of now', (SELECT l FROM club.liability_at(now()) l)::text, (SELECT ROW(l.*, NULL::numeric) FROM club.liability l)::text);
SELECT count(*) FROM club.lots_at('fay', now());
SELECT * FROM loyalty.verify('club');

-- What verify() finds.
CREATE FUNCTION t_merge.found(planted text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE planted;
	RETURN QUERY SELECT v.violation FROM loyalty.verify('club') v GROUP BY v.violation ORDER BY v.violation COLLATE "C";
	RAISE EXCEPTION USING ERRCODE = 'LY000';
EXCEPTION WHEN SQLSTATE 'LY000' THEN
	RETURN;
END $$;
SELECT t_merge.found($$UPDATE club.merged SET survivor = 'gus' WHERE customer = 'cat'$$);
SELECT t_merge.found($$UPDATE club.merged SET merged_into = 'eve' WHERE customer = 'cat'$$);
SELECT t_merge.found($$DELETE FROM club.merged WHERE customer = 'hal'$$);
SELECT t_merge.found($$UPDATE club.account SET merged = NULL WHERE customer = 'gus'$$);
SELECT t_merge.found($$UPDATE club.account SET merged_into = NULL WHERE customer = 'hal'$$);
SELECT t_merge.found($$UPDATE club.ledger SET account = NULL WHERE order_key = '15'$$);
SELECT t_merge.found($$UPDATE club.ledger SET account = 'gus' WHERE order_key = '15'$$);
SELECT t_merge.found($$UPDATE club.ledger SET points_change = points_change + 1, order_points = order_points + 1 WHERE kind = 'merge' AND order_key = 'm4'$$);
SELECT t_merge.found($$UPDATE club.ledger SET amount_change = amount_change + 1 WHERE kind = 'merge' AND order_key = 'm4'$$);
SELECT t_merge.found($$UPDATE club.ledger SET awards = awards - 1 WHERE kind = 'merged' AND order_key = 'm4'$$);
SELECT t_merge.found($$UPDATE club.ledger SET counterpart = 'gus' WHERE kind = 'merged' AND order_key = 'm4'$$);
SELECT t_merge.found($$UPDATE club.account SET first_order_at = '2026-02-02' WHERE customer = 'eve'$$);
SELECT t_merge.found($$UPDATE club.account SET points_earned = points_earned + 1 WHERE customer = 'eve'$$);
SELECT * FROM loyalty.verify('club');

-- tables that were lost are made again out of the ledger
CREATE TABLE t_merge.kept AS SELECT customer, entries, spend, orders, points_earned, points, first_order_at, last_order_at, last_recorded_at, held, next_release, lots::text, merged_into,
	ARRAY(SELECT k FROM unnest(merged) k ORDER BY k COLLATE "C") AS merged FROM club.account;
CREATE TABLE t_merge.kept_merges AS SELECT * FROM club.merged;
SELECT points, balance FROM club.hold('hal', 1, 'last');
DROP TABLE club.account, club.merged, club.held CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT customer, reference, points, recorded_for FROM club.held;
SELECT * FROM loyalty.verify('club');
SELECT points, balance FROM club.release('gus', 'last');
SELECT k.customer FROM t_merge.kept k FULL JOIN club.account a ON a.customer = k.customer
 WHERE (k.spend, k.orders, k.points_earned, k.points, k.first_order_at, k.last_order_at, k.held, k.next_release, k.merged_into)
       IS DISTINCT FROM (a.spend, a.orders, a.points_earned, a.points, a.first_order_at, a.last_order_at, a.held, a.next_release, a.merged_into)
    OR k.merged IS DISTINCT FROM ARRAY(SELECT m FROM unnest(a.merged) m ORDER BY m COLLATE "C");
SELECT * FROM t_merge.kept_merges EXCEPT SELECT * FROM club.merged;
SELECT * FROM loyalty.verify('club');

-- Rewards, cards and vouchers of either key.
UPDATE t_merge.orders SET total = 300 WHERE id = 16;
INSERT INTO club.reward (name, points, kind, member_limit) VALUES ('mug', 10, 'product', 3);
INSERT INTO t_merge.customers VALUES ('ivy'), ('joe');
INSERT INTO t_merge.orders VALUES (31, 'ivy', '2026-04-01', 100), (32, 'joe', '2026-04-02', 100);
SELECT reference, points, quantity FROM club.redeem_reward('ivy', 'mug', 'ivy-1', 2);
SELECT club.issue_card('ivy', '12345674');
SELECT count(*) FROM club.issue_voucher(5, 'for-ivy', customer => 'ivy');
SELECT points, balance FROM club.merge('ivy', 'joe', 'm8');
SELECT reference, points, quantity FROM club.redeem_reward('ivy', 'mug', 'ivy-1', 2);	-- the same
SELECT reference, points, quantity FROM club.redeem_reward('joe', 'mug', 'ivy-1', 2);	-- the same
CALL t_merge.call($$SELECT club.redeem_reward('joe', 'mug', 'joe-1', 2)$$);	-- 2 of 3 are had
SELECT reference, points, quantity FROM club.redeem_reward('joe', 'mug', 'joe-1', 1);
SELECT reward, quantity, limited_by FROM club.rewards_for('ivy');
SELECT points, balance FROM club.reverse('joe', 'ivy-1', NULL, 'mugs-back');
SELECT reward, quantity, limited_by FROM club.rewards_for('joe');
SELECT club.customer_of('12345674'), club.balance_by_card('12345674');
SELECT points, balance FROM club.redeem_by_card('12345674', 90, 'by card');
SELECT s.status FROM club.voucher v JOIN club.voucher_batch b ON b.reference = v.batch CROSS JOIN LATERAL club.voucher_status(v.code, 'joe') s WHERE b.reference = 'for-ivy';
SELECT s.status FROM club.voucher v JOIN club.voucher_batch b ON b.reference = v.batch CROSS JOIN LATERAL club.voucher_status(v.code, 'gus') s WHERE b.reference = 'for-ivy';
SELECT * FROM loyalty.verify('club');

-- Under any collation, and for keys of other types.
CREATE TABLE t_merge.people (id int2 PRIMARY KEY);
INSERT INTO t_merge.people VALUES (0), (1), (-1);
CREATE TABLE t_merge.sales (id int PRIMARY KEY, who int2, at timestamptz, total numeric);
SELECT loyalty.create_program('small', customers => 't_merge.people');
INSERT INTO small.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('small', 't_merge.sales', customer => 'who', at => 'at', amount => 'total');
INSERT INTO t_merge.sales VALUES (1, 0, '2026-01-01', 3), (2, 1, '2026-01-02', 4), (3, -1, '2026-01-03', 5);
SELECT points, balance FROM small.merge(1, 0, 'm1');
SELECT points, balance FROM small.merge(0, -1, 'm2');
INSERT INTO t_merge.sales VALUES (4, 0, '2026-01-04', 6), (5, 1, '2026-01-05', 7);
SELECT k AS key, small.balance(k), (small.member_at(k, now())).orders FROM unnest('{0, 1, -1}'::int[]) k;
SELECT points, balance FROM small.redeem(1::bigint, 20, 'r');
BEGIN;
CALL loyalty.post('small', 1);
CALL loyalty.maintain('small', 1);
COMMIT;
SELECT customer, account, order_key, points_change FROM small.ledger WHERE account IS NOT NULL ORDER BY entry;
SELECT * FROM loyalty.verify('small');

-- Keys that are equal, and written otherwise, are one.  7 has 10 and 8 has 20; then 5, 6 and 2: 43
CREATE TABLE t_merge.numbers (id numeric PRIMARY KEY);
CREATE TABLE t_merge.bills (id int PRIMARY KEY, who numeric, at timestamptz, total numeric);
INSERT INTO t_merge.numbers VALUES (7), (8);
SELECT loyalty.create_program('written', customers => 't_merge.numbers');
INSERT INTO written.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('written', 't_merge.bills', customer => 'who', at => 'at', amount => 'total');
INSERT INTO t_merge.bills VALUES (1, 7, '2026-01-01', 10), (2, 8, '2026-01-02', 20);
SELECT points, balance FROM written.merge(7.0, 8, 'm1');
INSERT INTO t_merge.bills VALUES (3, 7.00, '2026-01-03', 5), (4, 8.0, '2026-01-04', 6), (5, 7, '2026-01-05', 2);
SELECT * FROM t_merge.wrong('points however written', written.balance(7.000), 43::numeric);
SELECT customer, order_key, entry, points_change FROM written.unposted ORDER BY entry;
SELECT id, order_key, points FROM written.order_points ORDER BY order_key;
SELECT * FROM loyalty.verify('written');
CALL loyalty.post('written');
SELECT * FROM t_merge.wrong('the same, posted', written.balance(8.00), 43::numeric);
SELECT * FROM loyalty.verify('written');

-- What refunds take, and give back, of orders of either key.  kim has 100 and 50, and pays 30 of the order of 50 with points:
-- 120; lee has 10.
CREATE TABLE t_merge.carts (id int PRIMARY KEY, who text, at timestamptz, total numeric);
SELECT loyalty.create_program('paid', customers => 't_merge.customers');
INSERT INTO t_merge.customers VALUES ('kim'), ('lee');
UPDATE paid.program SET returns_paid_points = 'full', refund_shortfall = 'forgive';
INSERT INTO paid.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('paid', 't_merge.carts', customer => 'who', at => 'at', amount => 'total');
INSERT INTO t_merge.carts VALUES (1, 'kim', '2026-01-01', 100), (2, 'kim', '2026-01-02', 50), (3, 'lee', '2026-01-03', 10);
SELECT points, balance FROM paid.redeem('kim', 30, 'p1', pays_for => '2');
SELECT points, balance FROM paid.merge('kim', 'lee', 'm1');
DELETE FROM t_merge.carts WHERE id = 2;	-- 50 less, and 30 come back: 110
SELECT * FROM t_merge.wrong('after a return', paid.balance('kim'), 110::numeric);
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT customer, account, entry, kind, order_key, points_change FROM paid.ledger WHERE customer = 'kim' ORDER BY account NULLS FIRST, entry;
SELECT * FROM loyalty.verify('paid');
-- an order of 40 of which 20 are paid by the old key: 130; when it gets the new key, it is not returned
INSERT INTO t_merge.carts VALUES (4, 'kim', '2026-01-04', 40);
SELECT points, balance FROM paid.redeem('kim', 20, 'p2', pays_for => '4');
UPDATE t_merge.carts SET who = 'lee' WHERE who = 'kim';
SELECT * FROM t_merge.wrong('after the key changed', paid.balance('lee'), 130::numeric);
SELECT * FROM loyalty.verify('paid');
CALL loyalty.post('paid');
SELECT * FROM t_merge.wrong('the same, posted', paid.balance('lee'), 130::numeric);
SELECT * FROM loyalty.verify('paid');
-- all is spent; what an order of 100 takes back then is forgiven
SELECT points, balance FROM paid.redeem('kim', 130, 'all');
DELETE FROM t_merge.carts WHERE id = 1;
SELECT * FROM t_merge.wrong('what is forgiven is not owed', paid.balance('lee'), 0::numeric);
CALL loyalty.post('paid');
SELECT order_key, points_change, forgiven FROM paid.ledger WHERE forgiven IS NOT NULL;
SELECT * FROM loyalty.verify('paid');

-- Who may not call it, does not.
CREATE ROLE regress_merge_reader;
GRANT USAGE ON SCHEMA t_merge TO regress_merge_reader;
SELECT loyalty.grant_access('club', 'regress_merge_reader', 'read');
SET ROLE regress_merge_reader;
SELECT club.balance('ivy');
SELECT survivor FROM club.merged WHERE customer = 'ivy';
SELECT (club.member_at('ivy', 'infinity')).points;
SELECT club.merge('joe', 'gus', 'm9');
RESET ROLE;
SET client_min_messages = error;
SELECT loyalty.drop_program('small', force => true);
SELECT loyalty.drop_program('written', force => true);
SELECT loyalty.drop_program('paid', force => true);
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_merge CASCADE;
DROP OWNED BY regress_merge_reader;
DROP ROLE regress_merge_reader;

-- What two have together must fit into an account.  Each of two earned 9e25 with an order of 10^20 - 1 at 900000 times
-- its amount, and one more before: 900000 * 99999999999999999999 + 1.  Together that is a number of 27 digits, so they stay two
SET client_min_messages = warning;
CREATE SCHEMA t_merge;
CREATE TABLE t_merge.customers (id int PRIMARY KEY);
INSERT INTO t_merge.customers VALUES (1), (2);
CREATE TABLE t_merge.orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_merge.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('X', 1, 'orders >= 1', 900000);
UPDATE club.wallet SET expires = 'earned_on + 10';
SELECT loyalty.track_orders('club', 't_merge.orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO t_merge.orders VALUES (1, 1, '2020-01-01', 1), (2, 1, '2020-01-02', 99999999999999999999), (3, 2, '2020-01-01', 1), (4, 2, '2020-01-02', 99999999999999999999);
CALL loyalty.maintain('club');
SELECT customer, points, points_earned FROM club.account ORDER BY customer;
SELECT points FROM club.merge(1, 2, 'one');
INSERT INTO t_merge.orders VALUES (5, 2, '2100-01-01', 10);
CALL loyalty.post('club');
SELECT id, points FROM club.members ORDER BY id;	-- 0, 9000000
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_merge CASCADE;
