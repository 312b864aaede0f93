-- Who wants to be forgotten, and has several keys since customers were merged: no word of any of them
-- remains, each key is put out by its own call, and no total changes.  Expected numbers were
-- worked out by hand, as the comments say; a query of "wrong" shows those that are others.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_two;
SET search_path = t_two;
CREATE TABLE customers (id text PRIMARY KEY);
INSERT INTO customers VALUES ('web-7'), ('shop-7'), ('app-7'), ('bob'), ('cat'), ('cat-old'), ('dan'), ('eve');
CREATE TABLE orders (id int PRIMARY KEY, customer text, at timestamptz, total numeric);
CREATE TABLE baskets (id int PRIMARY KEY, customer text, at timestamptz);
CREATE TABLE basket_lines (id int, line int, price numeric, PRIMARY KEY (id, line));
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
UPDATE club.program SET returns_paid_points = 'full';
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
SELECT loyalty.track_orders('club', 'baskets', customer => 'customer', at => 'at', lines => 'basket_lines', line_order => 'id', line_amount => 'price') \gset
INSERT INTO club.reward (name, points) VALUES ('mug', 10);
INSERT INTO club.reward (name, points, kind, value) VALUES ('gift', 10, 'voucher', 5);
CREATE FUNCTION wrong(what text, says anyelement, should anyelement)
RETURNS TABLE (wrong text, it_says anyelement, it_should anyelement) LANGUAGE sql AS
$$ SELECT what, says, should WHERE says IS DISTINCT FROM should $$;
CREATE FUNCTION asked(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r text;
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE 'SELECT ' || query INTO r;
	RETURN r;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;
-- every row of every table of the program, as text
CREATE FUNCTION traces(pattern text) RETURNS TABLE (place text, rows bigint) LANGUAGE plpgsql AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relkind = 'r' ORDER BY c.relname
	LOOP
		EXECUTE format('SELECT count(*) FROM %s x WHERE x::text ~* $1', t) INTO rows USING pattern;
		place := t;
		IF rows > 0 THEN RETURN NEXT; END IF;
	END LOOP;
END $$;
-- all that is added up, without saying of whom
CREATE FUNCTION totals() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT 'liability ' || x::text FROM club.liability x;
	RETURN QUERY SELECT 'liability_by_expiry ' || x::text FROM club.liability_by_expiry x;
	RETURN QUERY SELECT 'points_flow ' || x::text FROM club.points_flow x;
	RETURN QUERY SELECT 'voucher ' || row(v.code, v.number, v.balance, v.entries)::text FROM club.voucher v;
	RETURN QUERY SELECT 'voucher_entry ' || row(v.code, v.entry, v.kind, v.amount, v.at)::text FROM club.voucher_entry v;
	RETURN QUERY SELECT 'ledger ' || (to_jsonb(l) - '{customer,order_key,reverses,reason,counterpart,account}'::text[])::text FROM club.ledger l;
	RETURN QUERY SELECT 'journal ' || (to_jsonb(j) - 'customer')::text FROM club.journal j;
	RETURN QUERY SELECT 'orders ' || row(l.tracked_table, l.order_key, l.revision)::text FROM club.ledger l WHERE l.tracked_table > 0;
	RETURN QUERY SELECT 'held ' || row(h.points, h.until, h.lots)::text FROM club.held h;
	RETURN QUERY SELECT 'account ' || (to_jsonb(a) - '{customer,merged_into,merged}'::text[])::text || coalesce(cardinality(a.merged), 0) FROM club.account a;
	RETURN QUERY SELECT 'redemption ' || (to_jsonb(r) - '{customer,reference,vouchers}'::text[])::text FROM club.reward_redemption r;
	RETURN QUERY SELECT 'batch ' || (to_jsonb(b) - '{customer,reference,reason}'::text[])::text FROM club.voucher_batch b;
	RETURN QUERY SELECT 'merged ' || m.at FROM club.merged m;
END $$;
CREATE TABLE before (line text);
CREATE FUNCTION differences() RETURNS TABLE (what text, line text) LANGUAGE sql AS $$
	SELECT 'gone', x.* FROM (SELECT * FROM before EXCEPT ALL SELECT * FROM totals()) x
	UNION ALL
	SELECT 'new', x.* FROM (SELECT * FROM totals() EXCEPT ALL SELECT * FROM before) x
$$;

-- What Ann did -------------------------------------------------------------------------
-- web 100 + 10 of a basket, shop 200, app 50; Bob 300; the old Cat 20
INSERT INTO orders VALUES (1, 'web-7', '2025-01-10', 100), (2, 'shop-7', '2025-02-10', 200), (3, 'app-7', '2025-03-10', 50),
	(4, 'bob', '2025-03-10', 300), (5, 'cat-old', '2025-03-10', 20);
INSERT INTO baskets VALUES (11, 'web-7', '2025-01-11');
INSERT INTO basket_lines VALUES (11, 1, 6), (11, 2, 4);
CALL loyalty.post('club');
SELECT * FROM wrong('cart', (SELECT balance FROM club.redeem('web-7', 30, 'ann-cart', 'Ann is hungry')), 80.0);
SELECT * FROM wrong('gift', (SELECT balance FROM club.transfer('web-7', 'bob', 20, 'ann-gift', 'from Ann')), 60.0);		-- Bob 320
SELECT * FROM wrong('of Cat', (SELECT balance FROM club.transfer('cat-old', 'shop-7', 5, 'cat-to-ann', 'to Ann')), 15.0);	-- shop 205
SELECT * FROM wrong('to herself', (SELECT balance FROM club.transfer('web-7', 'shop-7', 10, 'ann-own', 'Ann tries')), 50.0);	-- shop 215
SELECT * FROM wrong('hold of web', (SELECT balance FROM club.hold('web-7', 15, 'ann-room')), 35.0);
SELECT * FROM wrong('hold of shop', (SELECT balance FROM club.hold('shop-7', 5, 'ann-room')), 210.0);
SELECT * FROM wrong('mug', (SELECT balance FROM club.redeem_reward('web-7', 'mug', 'ann-mug', reason => 'Ann drinks')), 25.0);
SELECT * FROM wrong('voucher', (SELECT balance FROM club.redeem_reward('shop-7', 'gift', 'ann-present')), 200.0);
SELECT club.issue_voucher(8, 'ann-voucher', customer => 'web-7', reason => 'Ann waited') AS bound \gset
SELECT club.issue_card('web-7', '79927398713') \gset
SELECT club.issue_card('shop-7', '12345674') \gset
SELECT * FROM wrong('web into shop', (SELECT balance FROM club.merge('web-7', 'shop-7', 'ann-merge-1', 'Ann is one')), 225.0);
SELECT * FROM wrong('shop into app', (SELECT balance FROM club.merge('shop-7', 'app-7', 'ann-merge-2', 'Ann is one')), 275.0);
SELECT * FROM wrong('old Cat into Cat', (SELECT balance FROM club.merge('cat-old', 'cat', 'cat-merge')), 15.0);
-- by whichever key: recorded under the one that was named, or where the reference is
SELECT * FROM wrong('late', (SELECT balance FROM club.redeem('web-7', 5, 'ann-late')), 270.0);
SELECT * FROM wrong('10 of the cart', (SELECT balance FROM club.reverse('app-7', 'ann-cart', 10, 'ann-back', 'Ann again')), 280.0);
SELECT * FROM wrong('5 of the gift', (SELECT balance FROM club.reverse('app-7', 'ann-gift', 5, 'ann-gift-back')), 285.0);	-- Bob 315
SELECT * FROM wrong('seat', (SELECT balance FROM club.hold('shop-7', 7, 'ann-seat')), 278.0);
SELECT * FROM wrong('seat of 3', (SELECT balance FROM club.capture('app-7', 'ann-seat', 3)), 282.0);
SELECT * FROM wrong('part of order 2', (SELECT balance FROM club.redeem('shop-7', 4, 'ann-pays', pays_for => '2', tracked => 'orders')), 278.0);
INSERT INTO club.set_aside VALUES ('app-7', 1, '2', 2, '22012', 'division by zero for Ann');
-- not posted: 40 are new, and 200 become 190: 308
INSERT INTO orders VALUES (6, 'web-7', '2025-04-10', 40);
UPDATE orders SET total = 190 WHERE id = 2;
SELECT id, points, held, orders, lifetime_value FROM club.members WHERE orders > 0 ORDER BY id;
SELECT * FROM traces('ann|web-7|shop-7|app-7|79927398|12345674');
SELECT * FROM loyalty.verify('club');
INSERT INTO before SELECT * FROM totals();
CREATE TABLE was AS SELECT entry, kind, revision, effective_at, points, balance, posted, until, lots, (counterpart = 'bob') AS to_bob FROM club.entries WHERE id = 'app-7';
-- what each key had just before each merge, and now: web 25, shop 200, app 50; then shop 225; then all 308
CREATE TABLE moments AS SELECT 'm1' AS moment, at - interval '1 us' AS at FROM club.merged WHERE customer = 'web-7'
	UNION ALL SELECT 'm2', at - interval '1 us' FROM club.merged WHERE customer = 'shop-7' UNION ALL SELECT 'now', now();
CREATE FUNCTION read_all(web text, shop text, app text) RETURNS TABLE (key text, moment text, points numeric, balance numeric, orders bigint, held numeric, lots numeric) LANGUAGE sql AS $$
	SELECT k.name, m.moment, s.points, club.balance(k.key, m.at), s.orders, s.held, (SELECT sum(l.points) FROM club.lots_at(k.key, m.at, m.at) l)
	  FROM (VALUES ('web', web), ('shop', shop), ('app', app)) k (name, key) CROSS JOIN moments m CROSS JOIN LATERAL club.member_at(k.key, m.at, m.at) s
$$;
CREATE TABLE was_read AS SELECT * FROM read_all('web-7', 'shop-7', 'app-7');
SELECT key, moment, points FROM was_read ORDER BY moment, key;

-- What is refused ----------------------------------------------------------------------
-- only orders of the key that is put out must follow: 1 and 6
SELECT asked($$club.erase('web-7', 's-1')$$);
SELECT asked($$club.erase('web-7', 'shop-7', true)$$);
SELECT asked($$club.erase('web-7', 'web-7', true)$$);
SELECT asked($$club.erase('app-7', 'cat-old', true)$$);
SELECT * FROM differences();

-- Without another key: what was said by any of them goes, and all keys stay -----------------
-- 3 entries of others, 23 of Ann (4 orders, 9 calls before the merges, 4 of the merges, 6 behind), 2 vouchers with
-- batch and issue, 2 rewards, 2 holds, 2 merges, 2 cards and a note: 3 + 23 + 6 + 2 + 2 + 2 + 2 + 1
BEGIN;
SELECT * FROM wrong('rows', club.erase('shop-7'), 41::bigint);
SELECT * FROM traces('ann|79927398|12345674');
SELECT * FROM differences();
SELECT * FROM loyalty.verify('club');
ROLLBACK;

-- One key after the other --------------------------------------------------------------
-- as before, with 3 accounts, and an entry that waits: order 6
BEGIN;
SELECT * FROM wrong('rows of web', club.erase('web-7', 's-1', true), 45::bigint);
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 2, 3;
UPDATE orders SET customer = 's-1' WHERE customer = 'web-7';
UPDATE baskets SET customer = 's-1' WHERE customer = 'web-7';
DELETE FROM customers WHERE id = 'web-7';
COMMIT;
SELECT * FROM traces('ann|web-7|79927398|12345674');
SELECT * FROM differences();
SELECT customer, survivor, merged_into FROM club.merged ORDER BY 1;
SELECT customer, merged_into, merged FROM club.account WHERE merged_into IS NOT NULL OR merged IS NOT NULL ORDER BY 1;
SELECT * FROM loyalty.verify('club');
SELECT * FROM was_read EXCEPT ALL SELECT * FROM read_all('s-1', 'shop-7', 'app-7');
-- the survivor: 2 accounts (app, and shop that was merged into it), and no cards and notes any more; then who is between: 3, and what waits of order 2
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT * FROM wrong('rows of app', club.erase('app-7', 's-3', true), 40::bigint);
UPDATE orders SET customer = 's-3' WHERE customer = 'app-7';
DELETE FROM customers WHERE id = 'app-7';
SELECT * FROM loyalty.verify('club');
COMMIT;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT * FROM wrong('rows of shop', club.erase('shop-7', 's-2', true), 42::bigint);
UPDATE orders SET customer = 's-2' WHERE customer = 'shop-7';
DELETE FROM customers WHERE id = 'shop-7';
COMMIT;
SELECT * FROM traces('ann|web-7|shop-7|app-7|79927398|12345674');
SELECT * FROM differences();
SELECT customer, survivor, merged_into FROM club.merged ORDER BY 1;
SELECT customer, merged_into, merged FROM club.account WHERE merged_into IS NOT NULL OR merged IS NOT NULL ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- nothing was recorded anew, and each entry is as it was
SELECT count(*) FROM club.journal;
SELECT * FROM was EXCEPT ALL SELECT entry, kind, revision, effective_at, points, balance, posted, until, lots, (counterpart = 'bob') AS to_bob FROM club.entries WHERE id = 's-3';
SELECT count(*) = (SELECT count(*) FROM was) AS as_many FROM club.entries WHERE id = 's-3';
SELECT * FROM was_read EXCEPT ALL SELECT * FROM read_all('s-1', 's-2', 's-3');
SELECT id, points, held FROM club.former_members WHERE points <> 0;
SELECT club.balance('s-1'), club.balance('s-2'), club.balance('s-3'), club.balance('web-7') AS nobody;
-- each reference is one: both entries of a merge, and the table; a transfer; what was reversed and paid; holds and rewards
SELECT m.customer, (SELECT count(*) FROM club.ledger l WHERE l.order_key = m.reference) AS entries, m.reference ~ '^erased-[0-9a-f]{32}$' AS erased FROM club.merged m ORDER BY 1;
SELECT l.customer, l.kind, l.points_change, o.kind AS reversed, o.points_change AS of FROM club.ledger l
  JOIN club.ledger o ON o.customer = l.customer AND o.tracked_table = 0 AND o.order_key = l.reverses AND o.revision = 1 ORDER BY 1, 3;
SELECT h.customer, h.recorded_for, h.points, l.kind FROM club.held h JOIN club.ledger l ON l.customer = h.recorded_for AND l.tracked_table = 0 AND l.order_key = h.reference ORDER BY 2;
SELECT r.customer, r.reward, l.kind FROM club.reward_redemption r JOIN club.ledger l ON l.customer = r.customer AND l.tracked_table = 0 AND l.order_key = r.reference ORDER BY 2;
SELECT customer, kind, points_change, counterpart FROM club.ledger WHERE counterpart IS NOT NULL ORDER BY kind, points_change, customer;
-- once more, with keys that nobody has any more
SELECT club.erase('web-7', 's-9', true), club.erase('app-7');

-- What verify() finds, where something was left out ------------------------------------------
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(DISTINCT v.violation ORDER BY v.violation), '[]') FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT plant($$UPDATE club.merged SET reference = 'ann-merge-1' WHERE customer = 's-1'$$);
SELECT plant($$UPDATE club.merged SET customer = 'web-7' WHERE customer = 's-1'$$);
SELECT plant($$UPDATE club.merged SET survivor = 'app-7' WHERE customer = 's-1'$$);
SELECT plant($$UPDATE club.merged SET merged_into = 'shop-7' WHERE customer = 's-1'$$);
SELECT plant($$UPDATE club.account SET merged = array_replace(merged, 's-1', 'web-7') WHERE customer = 's-3'$$);
SELECT plant($$UPDATE club.account SET merged_into = 'app-7' WHERE customer = 's-2'$$);
SELECT plant($$UPDATE club.ledger SET account = 'app-7' WHERE account = 's-3' AND kind = 'redemption' AND points_change = -5$$);
SELECT plant($$UPDATE club.ledger SET counterpart = 'app-7' WHERE counterpart = 's-3' AND kind = 'merged'$$);
SELECT plant($$UPDATE club.ledger SET order_key = 'ann-merge-2' WHERE customer = 's-3' AND kind = 'merge'$$);
SELECT plant($$UPDATE club.ledger SET counterpart = 'web-7' WHERE counterpart = 's-1' AND customer = 'bob'$$);
SELECT plant($$UPDATE club.ledger SET order_key = 'ann-own' WHERE customer = 's-2' AND kind = 'transfer' AND points_change = 10$$);
SELECT plant($$UPDATE club.ledger SET reverses = 'ann-cart' WHERE customer = 's-1' AND kind = 'reversal' AND points_change = 10$$);
SELECT plant($$UPDATE club.held SET recorded_for = 'web-7' WHERE recorded_for = 's-1'$$);
SELECT plant($$UPDATE club.held SET customer = 'app-7' WHERE recorded_for = 's-1'$$);
SELECT plant($$UPDATE club.journal SET customer = 'web-7' WHERE customer = 's-1'$$);
SELECT plant($$UPDATE club.reward_redemption SET customer = 'web-7' WHERE reward = 'mug'$$);
SELECT * FROM loyalty.verify('club');

-- What goes on by the new keys ----------------------------------------------------------
-- 5 of 15 that are held are taken: 308 + 10; a new order of 12: 330
SELECT reference AS room FROM club.held WHERE recorded_for = 's-1' \gset
SELECT * FROM wrong('room', (SELECT balance FROM club.capture('s-1', :'room', 5)), 318.0);
INSERT INTO orders VALUES (7, 's-1', '2025-05-10', 12);
SELECT * FROM wrong('an order of the first key', club.balance('s-2'), 330.0);
SELECT * FROM loyalty.verify('club');
-- order 2 is refunded: 190 less, and 4 that it was paid with come back, as an entry of the same reference
DELETE FROM orders WHERE id = 2;
SELECT * FROM wrong('a refund', club.balance('s-3'), 144.0);
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT customer, account, kind, revision, points_change, order_points FROM club.ledger
 WHERE order_key = (SELECT order_key FROM club.ledger WHERE kind = 'return') ORDER BY revision;
SELECT * FROM wrong('a refund, posted', club.balance('s-1'), 144.0);
-- the rest of the gift, which a reversal finds by the reference on both sides
SELECT order_key AS gift FROM club.ledger WHERE customer = 's-1' AND kind = 'transfer' AND counterpart = 'bob' \gset
SELECT * FROM wrong('the gift', (SELECT balance FROM club.reverse('s-3', :'gift')), 159.0);
SELECT * FROM wrong('of Bob', club.balance('bob'), 300.0);
-- an old call by its old words is a new one
SELECT * FROM wrong('late again', (SELECT balance FROM club.redeem('s-1', 5, 'ann-late')), 154.0);
SELECT * FROM wrong('late again, the same', (SELECT balance FROM club.redeem('s-3', 5, 'ann-late')), 154.0);
-- the voucher is bound to the person, whichever key is named
SELECT asked(format('(club.redeem_voucher(%L, ''new'', 3, customer => ''bob'')).balance', :'bound')) ~ '^LY033' AS bound;
SELECT * FROM wrong('voucher', (SELECT (club.redeem_voucher(:'bound', 'new', 3, customer => 's-2')).balance), 5.0);
SELECT * FROM loyalty.verify('club');
-- who is merged again is one with all keys: 300 and 154; and so is who is erased then
SELECT * FROM wrong('merged again', (SELECT balance FROM club.merge('s-3', 'bob', 'again')), 454.0);
BEGIN;
SELECT club.erase('bob', 's-4', true) > 0 AS erased;
UPDATE orders SET customer = 's-4' WHERE customer = 'bob';
COMMIT;
SELECT k AS key, club.balance(k) FROM unnest('{s-1, s-2, s-3, s-4}'::text[]) k;
INSERT INTO orders VALUES (8, 's-1', '2025-06-10', 1);
CALL loyalty.post('club');
SELECT * FROM wrong('an order when all is done', club.balance('s-4'), 455.0);
SELECT * FROM traces('ann|again|late|bob');
SELECT * FROM loyalty.verify('club');
-- the other side of what Ann got may be one who was merged
BEGIN;
SELECT club.erase('cat-old', 's-8', true) > 0 AS erased;
UPDATE orders SET customer = 's-8' WHERE customer = 'cat-old';
COMMIT;
SELECT customer, account, kind, points_change, counterpart FROM club.ledger WHERE customer = 's-8' OR counterpart = 's-8' ORDER BY 1, 3, 4;
SELECT club.balance('s-8'), club.balance('cat');
SELECT * FROM loyalty.verify('club');
-- who has no account yet: an order that is not posted makes one, a voucher alone makes none, with its batch and issue
INSERT INTO orders VALUES (9, 'dan', '2025-06-10', 3);
SELECT club.issue_voucher(5, 'eve-voucher', customer => 'eve') IS NOT NULL AS issued;
BEGIN;
SELECT * FROM wrong('rows of dan', club.erase('dan', 's-5', true), 2::bigint);
UPDATE orders SET customer = 's-5' WHERE customer = 'dan';
SELECT * FROM wrong('rows of eve', club.erase('eve', 's-6'), 3::bigint);
COMMIT;
SELECT * FROM wrong('dan and all others', (SELECT balance FROM club.merge('s-5', 's-4', 'all-one')), 458.0);
SELECT * FROM traces('dan|eve-');
SELECT * FROM loyalty.verify('club');
-- tables that are lost are made again out of the ledger, which has the new keys and references
CREATE TABLE kept AS SELECT * FROM club.merged;
SELECT * FROM wrong('a last hold', (SELECT balance FROM club.hold('s-1', 8, 'last')), 450.0);
CREATE TABLE kept_held AS SELECT customer, reference, points, recorded_for FROM club.held;
DROP TABLE club.account, club.merged, club.held CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT * FROM kept EXCEPT SELECT * FROM club.merged;
SELECT customer, survivor, merged_into FROM club.merged ORDER BY 1;
SELECT * FROM kept_held EXCEPT SELECT customer, reference, points, recorded_for FROM club.held;
SELECT * FROM wrong('all of it', club.balance('s-2'), 450.0);
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_two CASCADE;
