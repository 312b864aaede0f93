-- Points are spent, given, corrected and taken back by calls, each once for its reference.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_calls;
SET search_path = t_calls;
CREATE TABLE customers (id int PRIMARY KEY, joined timestamptz DEFAULT '2015-01-01');
INSERT INTO customers SELECT i FROM generate_series(1, 9) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2));
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'joined');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'points_earned >= 1000', 2);
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
CREATE FUNCTION call(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r loyalty.receipt;
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE 'SELECT * FROM ' || query INTO r;
	RETURN format('entry %s: %s, leaves %s', r.entry, r.points, r.balance);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, ''));
END $$;

-- an order that is not posted yet can be spent at once, in its own transaction too
BEGIN;
INSERT INTO orders (id, customer, total) VALUES (1, 1, 1000);
SELECT reference, entry, points, balance, at = now() AS now FROM club.redeem(1, 400, 'cart-1');
SELECT points FROM club.members WHERE id = 1;
COMMIT;
SELECT count(*) FROM club.journal;
-- the same call again has the same answer, and no effect; another one with its reference is refused
SELECT call($$club.redeem(1, 400, 'cart-1')$$), call($$club.redeem(1, 400.0, 'cart-1')$$);
SELECT call($$club.redeem(1, 401, 'cart-1')$$);
SELECT call($$club.grant_points(1, 400, 'cart-1')$$);
SELECT call($$club.reverse(1, 'x', NULL, 'cart-1')$$);
-- each customer has references of his own
INSERT INTO orders (id, customer, total) VALUES (2, 2, 50);
SELECT call($$club.redeem(2, 20, 'cart-1')$$);
-- no more than there is; the tier is that of the points earned, whatever was spent
SELECT call($$club.redeem(1, 601, 'cart-2')$$);
SELECT call($$club.redeem(1, 600, 'cart-2')$$);
SELECT tier, points FROM club.members WHERE id = 1;
-- an order made at Gold: 10 * 2
INSERT INTO orders (id, customer, total) VALUES (3, 1, 10);
SELECT tier, points, lifetime_value, orders FROM club.members WHERE id = 1;
SELECT club.balance(1), club.tier_at(1);
-- what is no number of points, no customer, no reference, no reason
SELECT call('club.redeem(1, 0, NULL)');
SELECT call('club.redeem(1, -1, NULL)');
SELECT call('club.redeem(1, NULL, NULL)');
SELECT call($$club.redeem(1, 'NaN', NULL)$$);
SELECT call('club.redeem(1, 1e20, NULL)');
SELECT call('club.redeem(1, 0.5, NULL)');
SELECT call('club.redeem(NULL, 1, NULL)');
SELECT call('club.redeem(10, 1, NULL)');
SELECT call('club.redeem(1.5, 1, NULL)');
SELECT call('club.redeem(9999999999, 1, NULL)');
SELECT call($$club.redeem(1, 1, '')$$);
SELECT call($$club.redeem(1, 1, repeat('x', 256))$$);
SELECT call($$club.adjust(1, 1, NULL, ' ')$$);
SELECT call('club.adjust(1, 1, NULL, NULL)');
SELECT call($$club.adjust(1, 0, NULL, 'why')$$);
SELECT call($$club.reverse(1, NULL)$$);
-- who has no points yet, and never ordered
SELECT call('club.redeem(3, 1, NULL)');
SELECT call($$club.grant_points(3, 10, 'welcome')$$);
SELECT call($$club.adjust(3, -4, 'fix', 'typed wrong')$$);
SELECT call($$club.adjust(3, -7, 'fix-2', 'typed wrong')$$);
SELECT call($$club.adjust(4, 99999999999999999999, 'much', 'much')$$);
SELECT call($$club.grant_points(4, 99999999999999999999, 'more')$$);
SELECT id, points, tier FROM club.members WHERE id IN (3, 4) ORDER BY id;
-- a reference is made, if none is given
SELECT reference ~ '^[0-9a-f]{8}-[0-9a-f-]{27}$' AS is_uuid, entry, points FROM club.redeem(3, 1, NULL);
-- who is not in the customer table, but has orders, before they are posted too; who has neither is no customer
INSERT INTO orders (id, customer, total) VALUES (4, 77, 30);
SELECT call('club.redeem(77, 10, NULL)');
SELECT call('club.redeem(78, 10, NULL)');
SELECT id, points FROM club.former_members;

-- taken back in parts, and in full, and no more than once
SELECT call($$club.reverse(1, 'cart-1', 100, 'back-1')$$);
SELECT call($$club.reverse(1, 'cart-1', 100, 'back-1')$$);
SELECT call($$club.reverse(1, 'cart-1', 101, 'back-1')$$);
SELECT call($$club.reverse(1, 'cart-2', NULL, 'back-1')$$);
SELECT call($$club.reverse(1, 'cart-1', 301, 'back-2')$$);
SELECT call($$club.reverse(1, 'cart-1', NULL, 'back-2')$$);
SELECT call($$club.reverse(1, 'cart-1', NULL, 'back-3')$$);
SELECT call($$club.reverse(1, 'back-1', NULL, 'back-3')$$);
SELECT call($$club.reverse(1, 'nothing', NULL, 'back-3')$$);
-- the key of an order is none, and is told of who has the order
SELECT call($$club.reverse(1, '1', NULL, 'back-3')$$), call($$club.reverse(2, '1', NULL, 'back-3')$$);
SELECT call($$club.reverse(2, 'cart-2', NULL, 'back-3')$$);
-- a grant that was spent meanwhile
SELECT call($$club.reverse(3, 'welcome')$$);
SELECT call($$club.reverse(3, 'welcome', 5, 'part')$$);
SELECT call($$club.reverse(3, 'fix', NULL, 'unfix')$$);
SELECT call($$club.reverse(3, 'welcome', NULL, 'rest')$$);
SELECT kind, order_key, reverses, points, balance, reason, actor = current_user AS me, posted FROM club.entries WHERE id IN (1, 3) AND order_key !~ '-.*-' ORDER BY id, entry;

-- an order that goes after its points are spent leaves less than nothing; the next ones pay that back
DELETE FROM orders WHERE id = 2;
SELECT points FROM club.members WHERE id = 2;
SELECT call($$club.redeem(2, 1, 'more')$$);
SELECT call($$club.grant_points(2, 5, 'kind')$$);
INSERT INTO orders (id, customer, total) VALUES (5, 2, 16);
SELECT call($$club.redeem(2, 1, 'more')$$);

-- entries that cannot be posted cannot be spent, and the error says so
ALTER TABLE club.ledger ADD CONSTRAINT nobody CHECK (customer <> 5);
INSERT INTO orders (id, customer, total) VALUES (7, 5, 100);
SELECT call($$club.redeem(5, 1, 'small')$$);
ALTER TABLE club.ledger DROP CONSTRAINT nobody;
SELECT call($$club.redeem(5, 1, 'small')$$);
-- nor what a refund that cannot be posted has taken: 100 - 1, less 60
ALTER TABLE club.ledger ADD CONSTRAINT no_refund CHECK (amount_change >= 0) NOT VALID;
UPDATE orders SET total = 40 WHERE id = 7;
SELECT points FROM club.members WHERE id = 5;
SELECT call($$club.redeem(5, 40, 'over')$$);
SELECT call($$club.redeem(5, 39, 'just')$$);
SELECT points FROM club.members WHERE id = 5;
ALTER TABLE club.ledger DROP CONSTRAINT no_refund;
CALL loyalty.post('club');
SELECT call($$club.redeem(5, 1, 'over')$$);
-- messages do not repeat what is endless
SELECT length(call($$club.redeem(5, 1e1000, 'x')$$)) < 300 AS short, length(call($$club.reverse(5, repeat('x', 100000), 1)$$)) < 300 AS short;

-- what is rolled back did not happen, and its reference is free
BEGIN;
SAVEPOINT s;
SELECT call($$club.redeem(1, 1, 'undone')$$);
ROLLBACK TO s;
SELECT call($$club.redeem(1, 2, 'undone')$$);
ROLLBACK;
SELECT call($$club.redeem(1, 3, 'undone')$$);
-- several calls in one transaction, and one statement
SELECT (club.redeem(1, 1, 'many-' || i)).balance FROM generate_series(1, 3) i;
BEGIN READ ONLY;
SELECT call($$club.redeem(1, 1, 'ro')$$);
ROLLBACK;
-- moments: at the end of 2023, with the first order, and now
SELECT club.balance(1, '2023-12-31'), club.balance(1, '2024-01-01'), club.balance(1) = club.balance(1, now()) AS same;
SELECT * FROM loyalty.verify('club');

-- rights: of those that operate, not of those that read; the role is told, whoever's rights it has
CREATE ROLE regress_reader;
CREATE ROLE regress_cashier;
GRANT USAGE ON SCHEMA t_calls TO regress_reader, regress_cashier;
SELECT loyalty.grant_access('club', 'regress_reader', 'read');
SELECT loyalty.grant_access('club', 'regress_cashier', 'operate');
SET ROLE regress_reader;
SELECT call('club.redeem(1, 1, NULL)');
SELECT call($$club.adjust(1, 1, NULL, 'me')$$);
SELECT call($$_loyalty.redeem('club.program', 1, 1, NULL, NULL, NULL)$$);
SET ROLE regress_cashier;
SELECT call($$club.redeem(1, 1, 'till')$$);
SELECT actor FROM club.entries WHERE id = 1 AND order_key = 'till';
SELECT call($$_loyalty.redeem('club.program', 1, 1, NULL, NULL, NULL)$$);
INSERT INTO club.ledger SELECT * FROM club.ledger;
RESET ROLE;
-- who may call it by rights on functions is no owner of the program
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty TO regress_cashier;
GRANT USAGE ON SCHEMA _loyalty TO regress_cashier;
SET ROLE regress_cashier;
SELECT call($$_loyalty.redeem('club.program', 1, 1, NULL, NULL, NULL)$$);
RESET ROLE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty FROM regress_cashier;
REVOKE USAGE ON SCHEMA _loyalty FROM regress_cashier;
-- in an expression of the program it is out of place
CREATE FUNCTION sly(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM club.redeem(1, 1, 'sly'); RETURN n; END $$;
UPDATE club.earning_rule SET points = 't_calls.sly(amount)';
INSERT INTO orders (id, customer, total) VALUES (6, 1, 1);
UPDATE club.earning_rule SET points = 'amount';
SELECT * FROM loyalty.verify('club');

-- whatever is wrong with a call is told
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(concat_ws(': ', v.violation, v.customer, v.order_key, v.detail) ORDER BY v.violation, v.order_key), '[]')
		                                                      FROM loyalty.verify('club') v WHERE v.violation !~ '^(account|member|entries were) ');
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT plant($$UPDATE club.ledger SET kind = 'gift' WHERE customer = 3 AND order_key = 'welcome'$$);
SELECT plant($$UPDATE club.ledger SET kind = NULL WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET points_change = 4, order_points = 4 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET points_change = -400 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET reason = NULL WHERE customer = 3 AND order_key = 'fix'$$);
SELECT plant($$UPDATE club.ledger SET counts = true, amount = 1 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET reverses = 'cart-9' WHERE customer = 1 AND order_key = 'back-2'$$);
SELECT plant($$UPDATE club.ledger SET reverses = 'cart-2' WHERE customer = 1 AND order_key IN ('back-1', 'back-2'); UPDATE club.ledger SET points_change = points_change + 300, order_points = order_points + 300 WHERE order_key = 'back-2'$$);
SELECT plant($$UPDATE club.ledger SET points_change = -4000, order_points = -4000 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET recorded_at = '2100-01-01' WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET multiplier = 2 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET tier = 'Gold' WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET rate = 3 WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET order_key = '' WHERE customer = 1 AND order_key = 'till'$$);
SELECT plant($$UPDATE club.ledger SET points_change = 'NaN', order_points = 'NaN' WHERE customer = 1 AND order_key = 'till'; UPDATE club.account SET points = 'NaN' WHERE customer = 1$$);
SELECT plant($$UPDATE club.ledger SET kind = 'grant' WHERE customer = 1 AND tracked_table = 1 AND order_key = '3'$$);
SELECT plant($$UPDATE club.ledger SET actor = 'me' WHERE customer = 1 AND tracked_table = 1 AND order_key = '3'$$);
SELECT plant($$INSERT INTO club.journal (customer, tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, moved)
               SELECT 3, 0, 'gift', 1, '2025-01-01 12:00+00', now(), terms, true, 5, 5, '', 1, false FROM club.program$$);
-- accounts that are lost are made of the ledger again
DROP TABLE club.account CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');
SELECT call($$club.redeem(1, 1, 'till')$$);

-- points with decimals, keys of text, and names to be quoted
CREATE TABLE "Leute" (k varchar(10) PRIMARY KEY);
INSERT INTO "Leute" VALUES ('ann'), ('Bob''s "x');
CREATE TABLE "Buys" (id int PRIMARY KEY, wer varchar(10), wann timestamptz DEFAULT now(), total numeric);
SELECT loyalty.create_program('Mein "Club''', customers => '"Leute"', points_scale => 2);
INSERT INTO "Mein ""Club'".earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('Mein "Club''', '"Buys"', customer => 'wer', at => 'wann', amount => 'total') \gset
INSERT INTO "Buys" VALUES (1, 'ann', now(), 10.257);
SELECT call($$"Mein ""Club'".redeem('ann', 0.26, 'A "quoted'' one')$$);
SELECT call($$"Mein ""Club'".redeem('ann', 0.001, NULL)$$);
SELECT call($$"Mein ""Club'".grant_points('Bob''s "x', 1.5, NULL)$$);
SELECT k, points FROM "Mein ""Club'".members ORDER BY k;
-- a call is repeated although the program has fewer decimals by now; a new one is not made
UPDATE "Mein ""Club'".program SET points_scale = 0;
SELECT call($$"Mein ""Club'".redeem('ann', 0.26, 'A "quoted'' one')$$);
SELECT call($$"Mein ""Club'".redeem('ann', 0.25, 'A "quoted'' one')$$);
SELECT call($$"Mein ""Club'".redeem('ann', 0.26, 'new')$$);
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);

-- views show the decimals that calls had, when the program has fewer, and no terms that had them
SELECT loyalty.create_program('cents', customers => 'customers', points_scale => 2);
SELECT call('cents.grant_points(1, 10.57, NULL)') ~ 'leaves 10.57$';
UPDATE cents.program SET points_scale = 0;
INSERT INTO cents.tier (name, rank, qualifies) VALUES ('Gold', 1, 'orders > 1');
SELECT max(points_scale) FROM cents.terms;
UPDATE cents.program SET amount_scale = 3;
SELECT points, cents.balance(1) FROM cents.members WHERE id = 1;
SELECT call($$cents.redeem(1, 11, 'all')$$);
SELECT call($$cents.redeem(1, 10, 'all')$$);
SELECT points, cents.balance(1) FROM cents.members WHERE id = 1;
SELECT * FROM loyalty.verify('cents');
SELECT loyalty.drop_program('cents', force => true);

SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_calls FROM regress_reader, regress_cashier;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_cashier;
DROP ROLE regress_reader, regress_cashier;
DROP SCHEMA t_calls CASCADE;
