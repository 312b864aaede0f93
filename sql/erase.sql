-- Who wants to be forgotten: no word of the customer remains in any table of the program, and no
-- total changes.  Expected numbers were worked out by hand.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_erase;
SET search_path = t_erase;
CREATE TABLE customers (id int PRIMARY KEY, name text);
INSERT INTO customers VALUES (4242424, 'Ann'), (43, 'Bob'), (44, 'Cat');
CREATE TABLE orders (id int, customer int, at timestamptz, total numeric, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE y2024 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE y2025 PARTITION OF orders FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 1000', 2);
UPDATE club.wallet SET expires = $$'2126-01-01'$$;
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total', order_key => 'id', key_is_unique => true) \gset
INSERT INTO club.reward (name, points, stock) VALUES ('mug', 10, 5);
INSERT INTO club.reward (name, points, kind, value) VALUES ('gift', 10, 'voucher', 5);
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
	RETURN QUERY SELECT 'liability_at ' || x::text FROM club.liability_at(now(), 'infinity', 0.01) x;
	RETURN QUERY SELECT 'points_flow ' || x::text FROM club.points_flow x;
	RETURN QUERY SELECT 'breakage ' || x::text FROM club.breakage x;
	RETURN QUERY SELECT 'voucher_campaigns ' || x::text FROM club.voucher_campaigns x;
	RETURN QUERY SELECT 'reward_stock ' || x::text FROM club.reward_stock x;
	RETURN QUERY SELECT 'voucher ' || row(v.code, v.number, v.balance, v.entries)::text FROM club.voucher v;
	RETURN QUERY SELECT 'voucher_entry ' || row(v.code, v.entry, v.kind, v.amount, v.actor, v.at)::text FROM club.voucher_entry v;
	RETURN QUERY SELECT 'ledger ' || (to_jsonb(l) - '{customer,order_key,reverses,reason,counterpart}'::text[])::text FROM club.ledger l;
	RETURN QUERY SELECT 'journal ' || (to_jsonb(j) - 'customer')::text FROM club.journal j;
	RETURN QUERY SELECT 'orders ' || row(l.tracked_table, l.order_key, l.revision)::text FROM club.ledger l WHERE l.tracked_table > 0;
	RETURN QUERY SELECT 'held ' || row(h.points, h.until, h.lots)::text FROM club.held h;
	RETURN QUERY SELECT 'archived ' || (to_jsonb(a) - 'customer')::text FROM club.archived a;
	RETURN QUERY SELECT 'account ' || (to_jsonb(a) - 'customer')::text FROM club.account a;
	RETURN QUERY SELECT 'redemption ' || (to_jsonb(r) - '{customer,reference,vouchers}'::text[])::text FROM club.reward_redemption r;
	RETURN QUERY SELECT 'batch ' || (to_jsonb(b) - '{customer,reference,reason}'::text[])::text FROM club.voucher_batch b;
END $$;
CREATE TABLE before (line text);
CREATE FUNCTION differences() RETURNS TABLE (what text, line text) LANGUAGE sql AS $$
	SELECT 'gone', x.* FROM (SELECT * FROM before EXCEPT ALL SELECT * FROM totals()) x
	UNION ALL
	SELECT 'new', x.* FROM (SELECT * FROM totals() EXCEPT ALL SELECT * FROM before) x
$$;

-- What Ann did -------------------------------------------------------------------------
-- 100, 200, and 50 of an order that is archived: 350; Bob has 300
INSERT INTO orders VALUES (1, 4242424, '2025-01-10', 100), (2, 4242424, '2025-02-10', 200), (3, 4242424, '2024-03-10', 50), (5, 43, '2025-03-10', 300);
CALL loyalty.post('club');
ALTER TABLE orders DETACH PARTITION y2024;
SELECT archived FROM loyalty.reconcile('club');
SELECT balance FROM club.redeem(4242424, 30, 'ann-cart');					-- 320
SELECT balance FROM club.grant_points(4242424, 10, 'ann-gift', 'Ann smiled');			-- 330
SELECT balance FROM club.adjust(4242424, -5, 'ann-fix', 'Ann asked');				-- 325
SELECT balance FROM club.transfer(4242424, 43, 20, 'ann-to-bob', 'from Ann');			-- 305; Bob 320
SELECT balance FROM club.transfer(43, 4242424, 15, 'bob-to-ann', 'to Ann');			-- Bob 305; 320
SELECT balance FROM club.reverse(4242424, 'ann-to-bob', 5, 'ann-back', 'Ann again');		-- 325; Bob 300
SELECT balance FROM club.hold(4242424, 25, 'ann-room', reason => 'Ann travels');		-- 300
SELECT balance FROM club.hold(4242424, 10, 'ann-seat');						-- 290
SELECT balance FROM club.capture(4242424, 'ann-seat', 4);					-- 296
SELECT balance FROM club.hold(4242424, 6, 'ann-bike');						-- 290
SELECT balance FROM club.release(4242424, 'ann-bike');						-- 296
SELECT balance, vouchers[1] AS code FROM club.redeem_reward(4242424, 'gift', 'ann-gift-1') \gset
SELECT :'balance' AS balance, (club.redeem_voucher(:'code', 'ann-order-7', 2, reason => 'by Ann')).balance AS voucher;	-- 286; 3 of 5
SELECT balance FROM club.redeem_reward(4242424, 'gift', 'ann-gift-2');				-- 276
SELECT balance FROM club.reverse(4242424, 'ann-gift-2', reference => 'ann-gift-2-back');	-- 286, and its voucher is void
SELECT balance FROM club.redeem_reward(4242424, 'mug', 'ann-mug', 2, reason => 'Ann drinks');	-- 266
SELECT club.issue_voucher(8, 'ann-voucher', customer => 4242424, campaign => 'sorry', reason => 'Ann waited') AS bound \gset
SELECT (club.redeem_voucher(:'bound', 'ann-order-8', 3, customer => 4242424, reason => 'by Ann')).balance AS voucher;	-- 5 of 8
SELECT balance FROM club.grant_points(44, 7, 'cat');
SELECT club.issue_card(4242424, '79927398713') \gset
SELECT club.replace_card('79927398713', '79927398747', 'Ann lost it') \gset
SELECT club.block_card('79927398747', 'Ann lost this, too') \gset
SELECT club.issue_card(43, '12345674') \gset
INSERT INTO club.set_aside VALUES (4242424, 1, '2', 2, '22012', 'division by zero for Ann');
-- not posted: 200 become 150, and 40 are new: 256, of 340 spent with 4 orders
UPDATE orders SET total = 150 WHERE id = 2;
INSERT INTO orders VALUES (4, 4242424, '2025-04-10', 40);
SELECT id, points, held, lifetime_value, orders, next_expiry, expiring FROM club.members ORDER BY id;
SELECT * FROM traces('ann|4242424|79927398');
SELECT * FROM loyalty.verify('club');
INSERT INTO before SELECT * FROM totals();
CREATE TABLE was AS SELECT entry, kind, revision, effective_at, points, balance, posted, until, lots, (counterpart = 43) AS to_bob FROM club.entries WHERE id = 4242424;

-- What is refused ----------------------------------------------------------------------
SELECT asked('club.erase(4242424, 9000001)');
SELECT asked('club.erase(4242424, surrogate => 4242424, orders_follow => true)');
SELECT asked('club.erase(4242424, surrogate => 43, orders_follow => true)');
SELECT asked('club.erase(4242424, surrogate => 1.5, orders_follow => true)');
SELECT asked('club.erase(4242424, surrogate => 9999999999, orders_follow => true)');
SELECT asked('club.erase(NULL)');
-- nobody, and nobody who could be: there is nothing to erase
SELECT club.erase(77), club.erase(77, 43), club.erase(1.5), club.erase(9999999999);
-- the orders have moved already: to erase comes first
BEGIN;
UPDATE orders SET customer = 9000001 WHERE customer = 4242424;
SELECT asked('club.erase(4242424, surrogate => 9000001, orders_follow => true)');
ROLLBACK;
-- of a table that is paused they would be recorded again, of one that is not tracked any more they are not
BEGIN;
SELECT loyalty.pause('club', 'orders');
SELECT asked('club.erase(4242424, 9000001)');
ROLLBACK;
BEGIN;
SELECT loyalty.untrack('club', 'orders');
SELECT club.erase(4242424, 9000001) > 0 AS erased;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
-- nobody changes entries by hand, before or behind an erasure, in its transaction either
\set VERBOSITY terse
UPDATE club.ledger SET reason = 'mine';
BEGIN;
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true) > 0 AS erased;
UPDATE club.ledger SET reason = 'mine';
ROLLBACK;
BEGIN;
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true) > 0 AS erased;
UPDATE club.journal SET at = at;
ROLLBACK;
BEGIN;
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true) > 0 AS erased;
DELETE FROM club.voucher_entry;
ROLLBACK;
UPDATE club.journal SET at = at;
-- nor does a trigger of the owner while somebody is erased: be it called before or behind the program's own
CREATE FUNCTION sly() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF pg_trigger_depth() = 1 THEN
		UPDATE club.ledger SET points_change = points_change + 1000;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER a_first BEFORE UPDATE ON club.ledger FOR EACH STATEMENT EXECUTE FUNCTION sly();
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
DROP TRIGGER a_first ON club.ledger;
CREATE TRIGGER z_last BEFORE UPDATE ON club.ledger FOR EACH STATEMENT EXECUTE FUNCTION sly();
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
DROP TRIGGER z_last ON club.ledger;
CREATE TRIGGER after AFTER UPDATE ON club.ledger FOR EACH STATEMENT EXECUTE FUNCTION sly();
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
DROP TRIGGER after ON club.ledger;
CREATE TRIGGER other AFTER UPDATE ON club.account FOR EACH STATEMENT EXECUTE FUNCTION sly();
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
DROP TRIGGER other ON club.account;
UPDATE club.ledger SET reason = 'mine';
\set VERBOSITY default
SELECT * FROM differences();
SELECT * FROM loyalty.verify('club');

-- Ann is forgotten ---------------------------------------------------------------------
-- 44 rows: the account, 18 entries of Ann and 3 of Bob (his sides of two transfers and a reversal), 2 that are not posted;
-- 3 batches with a voucher each, and 3 issues, 2 uses and 1 void of these; 3 redemptions of rewards, 1 hold, 1 archived
-- order; 2 cards and 1 note that are deleted
BEGIN;
DELETE FROM customers WHERE id = 4242424;
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
-- the orders that do not follow yet are told
SELECT violation, customer, order_key FROM loyalty.verify('club') ORDER BY 2, 3;
UPDATE orders SET customer = 9000001 WHERE customer = 4242424;
SELECT * FROM loyalty.verify('club');
COMMIT;
SELECT * FROM traces('ann|4242424|79927398');
SELECT * FROM differences();
SELECT * FROM loyalty.verify('club');
SELECT id, points, held, lifetime_value, orders, next_expiry, expiring FROM club.former_members;
SELECT id, points, held FROM club.members ORDER BY id;
-- each of the entries is as it was
SELECT * FROM was EXCEPT ALL SELECT entry, kind, revision, effective_at, points, balance, posted, until, lots, (counterpart = 43) AS to_bob FROM club.entries WHERE id = 9000001;
SELECT count(*) = (SELECT count(*) FROM was) AS as_many FROM club.entries WHERE id = 9000001;
SELECT points, orders, lifetime_value FROM club.member_at(9000001, now());
SELECT club.balance(9000001), club.balance(4242424) AS nobody, club.balance(9000001, '2025-01-31') AS of_january;
-- both sides of a transfer have one reference, and what is reversed is found by it
SELECT count(DISTINCT order_key), bool_and(order_key ~ '^erased-[0-9a-f]{32}$') AS erased, bool_and(reason IS NULL) AS no_reason
  FROM club.ledger WHERE kind = 'transfer' AND points_change IN (20, -20);
SELECT l.customer, l.points_change, o.kind, o.points_change AS of FROM club.ledger l JOIN club.ledger o ON o.customer = l.customer AND o.tracked_table = 0 AND o.order_key = l.reverses AND o.revision = 1
 WHERE l.reverses IS NOT NULL ORDER BY 1, 2;
-- whoever must say why did
SELECT 'ledger' AS place, kind, reason FROM club.ledger WHERE reason IS NOT NULL
UNION ALL SELECT 'vouchers', kind, reason FROM club.voucher_entry WHERE reason IS NOT NULL ORDER BY 1, 2;
-- the voucher that was hers alone is still bound, those that she had for points are not
SELECT amount, customer, count(*) FROM club.voucher_batch GROUP BY 1, 2 ORDER BY 1;
-- what others have is as it was
SELECT order_key, reason FROM club.ledger WHERE customer = 44;
SELECT card, customer FROM club.member_card;
SELECT asked($$club.customer_of('79927398713')$$);
-- once more: nothing is left
SELECT club.erase(4242424, surrogate => 9000001, orders_follow => true);
-- the open hold, vouchers and the transfer are in force: 256 + 25 - 20 = 261, 5 of the bound one are left; 15 of the transfer come back, of which Bob has 300
SELECT reference AS room FROM club.held \gset
SELECT balance FROM club.capture(9000001, :'room', 20);
SELECT asked(format('(club.redeem_voucher(%L, ''new'', 5, customer => 43)).balance', :'bound')) ~ '^LY033' AS bound;
SELECT (club.redeem_voucher(:'bound', 'new', 5, customer => 9000001)).balance;
SELECT order_key AS sent FROM club.ledger WHERE customer = 9000001 AND kind = 'transfer' AND points_change = -20 \gset
SELECT points, balance FROM club.reverse(9000001, :'sent');
SELECT id, points FROM club.members WHERE id = 43;
-- new orders of the surrogate, and changes of old ones
UPDATE orders SET total = 110 WHERE id = 1;
SELECT order_key, points FROM club.order_points WHERE id = 9000001 ORDER BY 1;
CALL loyalty.post('club');
SELECT points, orders FROM club.former_members WHERE id = 9000001;		-- 261 + 15 + 10
SELECT * FROM loyalty.verify('club');

-- The key may stay ---------------------------------------------------------------------
-- Bob has 285 by now; his orders stay as they are, and so does what others gave him
SELECT club.redeem(43, 5, 'bob-tea', 'Bob is thirsty') \gset
TRUNCATE before;
INSERT INTO before SELECT * FROM totals();
SELECT club.erase(43) > 0 AS erased;
SELECT * FROM traces('bob|12345674');
SELECT * FROM differences();
SELECT id, points FROM club.members WHERE id = 43;
SELECT club.erase(43) > 0 AS again;
SELECT * FROM differences();
SELECT * FROM loyalty.verify('club');
-- later, with a key, under the other isolation levels: no order is recorded anew
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT club.erase(43, 9000002, true) > 0 AS erased;
UPDATE orders SET customer = 9000002 WHERE customer = 43;
SELECT count(*) FROM club.journal;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT club.erase(43, 9000002, true) > 0 AS erased;
UPDATE orders SET customer = 9000002 WHERE customer = 43;
SELECT count(*) FROM club.journal;
SELECT * FROM loyalty.verify('club');
COMMIT;
SELECT count(*) FROM club.ledger WHERE 43 IN (customer, counterpart);
SELECT * FROM differences();
SELECT * FROM loyalty.verify('club');

-- What is wrong is told ------------------------------------------------------------------
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(DISTINCT v.violation ORDER BY v.violation), '[]') FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT balance FROM club.hold(9000001, 10, 'room');
-- a table that was left out: each of the references and keys is checked against another table
SELECT plant($$UPDATE club.held SET reference = 'ann-room'$$);
SELECT plant($$UPDATE club.held SET customer = 44$$);
SELECT plant($$UPDATE club.account SET customer = 4242424 WHERE customer = 9000001$$);
SELECT plant($$UPDATE club.reward_redemption SET reference = 'ann-mug' WHERE reward = 'mug'$$);
SELECT plant($$UPDATE club.reward_redemption SET customer = 4242424 WHERE reward = 'mug'$$);
SELECT plant($$UPDATE club.reward_redemption SET vouchers = 'ann' WHERE reward = 'gift'$$);
SELECT plant($$UPDATE club.voucher_batch SET reference = 'ann-voucher' WHERE amount = 8$$);
SELECT plant($$UPDATE club.voucher SET batch = 'ann-voucher' WHERE balance = 0 AND batch IN (SELECT reference FROM club.voucher_batch WHERE amount = 8)$$);
SELECT plant($$ALTER TABLE club.archived DISABLE TRIGGER USER; UPDATE club.archived SET customer = 4242424; ALTER TABLE club.archived ENABLE TRIGGER USER$$);
SELECT plant($$ALTER TABLE club.ledger DISABLE TRIGGER append_only; UPDATE club.ledger SET order_key = 'ann-cart' WHERE points_change = -20 AND kind = 'transfer'; ALTER TABLE club.ledger ENABLE TRIGGER append_only$$);
SELECT plant($$ALTER TABLE club.ledger DISABLE TRIGGER append_only; UPDATE club.ledger SET counterpart = 43 WHERE counterpart = 9000002; ALTER TABLE club.ledger ENABLE TRIGGER append_only$$);
SELECT plant($$ALTER TABLE club.ledger DISABLE TRIGGER append_only; UPDATE club.ledger SET reverses = 'ann-gift-2' WHERE reverses IS NOT NULL AND counterpart IS NULL; ALTER TABLE club.ledger ENABLE TRIGGER append_only$$);
SELECT plant($$ALTER TABLE club.ledger DISABLE TRIGGER append_only; UPDATE club.ledger SET reason = NULL WHERE kind = 'adjustment'; ALTER TABLE club.ledger ENABLE TRIGGER append_only$$);
SELECT * FROM loyalty.verify('club');

-- Rights -----------------------------------------------------------------------------------
CREATE ROLE regress_desk;
CREATE ROLE regress_officer;
CREATE ROLE regress_admin;
SELECT loyalty.grant_access('club', 'regress_desk', 'operate'), loyalty.grant_access('club', 'regress_admin', 'admin');
GRANT USAGE ON SCHEMA t_erase TO regress_desk, regress_officer, regress_admin;
GRANT USAGE ON SCHEMA club TO regress_officer;
GRANT EXECUTE ON FUNCTION club.erase TO regress_officer;
SET ROLE regress_desk;
SELECT asked('club.erase(44)');
-- an entry; then that with the account
SET ROLE regress_admin;
SELECT club.erase(44);
UPDATE club.ledger SET reason = 'mine';
SET ROLE regress_officer;
SELECT club.erase(44, 9000003);
SELECT asked('count(*) FROM club.ledger');
RESET ROLE;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty TO regress_officer;
SET ROLE regress_officer;
SELECT asked($$_loyalty.erase('club.program'::regclass, 9000003, 9000004, true)$$);
SELECT asked($$_loyalty.erase_rows('club', 9000003, 9000004, 'salt', '{9000003}'::int[])$$);
RESET ROLE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty FROM regress_officer;
-- out of place in an expression
CREATE FUNCTION sly(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM club.erase(9000003); RETURN n; END $$;
UPDATE club.earning_rule SET points = 't_erase.sly(amount)';
INSERT INTO orders VALUES (9, 44, '2025-01-01', 1);
UPDATE club.earning_rule SET points = 'amount';
SELECT customer, order_key ~ '^erased-' AS erased FROM club.ledger WHERE points_change = 7;
SELECT * FROM loyalty.verify('club');

-- All that holds customers is known.  Columns of the key's type, which no table of ours has otherwise, or of text, which
-- the list of what is erased does not have, or has and the tables do not: somebody has to decide what becomes of them
CREATE TABLE boxes (mac macaddr PRIMARY KEY);
SELECT loyalty.create_program('odd', customers => 'boxes');
CREATE VIEW columns_apart AS
WITH known AS (SELECT p.relation, p.name, CASE p.what WHEN 'customer' THEN 'macaddr' WHEN 'customers' THEN 'macaddr[]' WHEN 'member' THEN 'jsonb' ELSE 'text' END::regtype AS type FROM _loyalty.personal_columns() p),
present AS (SELECT c.relname AS relation, a.attname AS name, a.atttypid AS type
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = 'odd'::regnamespace AND c.relkind IN ('r', 'p'))
SELECT relation, name, k.type AS known, p.type::regtype AS present
  FROM (SELECT * FROM present WHERE type IN ('macaddr'::regtype, 'macaddr[]'::regtype, 'text'::regtype) OR (type = 'jsonb'::regtype AND relation <> 'tracked_table')) p FULL JOIN known k USING (relation, name)
 WHERE k.type IS DISTINCT FROM p.type;
SELECT * FROM columns_apart ORDER BY 1, 2;
-- columns of other types hold no words of callers: names of tables and their columns, and settings of tracked tables
SELECT DISTINCT a.atttypid::regtype AS type FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relnamespace = 'odd'::regnamespace AND c.relkind IN ('r', 'p') AND a.atttypid NOT IN ('macaddr'::regtype, 'macaddr[]'::regtype, 'text'::regtype) ORDER BY 1;
-- no column twice, and what is changed has one place among the statements
SELECT relation, name FROM _loyalty.personal_columns() GROUP BY 1, 2 HAVING count(*) > 1;
SELECT relation FROM _loyalty.personal_columns() WHERE what <> 'nobody' GROUP BY 1 HAVING count(DISTINCT place) > 1 OR min(place) = 0;
BEGIN;
SET LOCAL client_min_messages = error;
ALTER TABLE odd.held ADD COLUMN note text, ADD COLUMN friend macaddr, ADD COLUMN friends macaddr[];
ALTER TABLE odd.reward DROP COLUMN description;
SELECT * FROM columns_apart ORDER BY 1, 2;
ROLLBACK;
DROP VIEW columns_apart;
SELECT loyalty.drop_program('odd', force => true);
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_desk, regress_officer, regress_admin;
DROP ROLE regress_desk, regress_officer, regress_admin;

-- Keys of other types ----------------------------------------------------------------------
CREATE EXTENSION citext SCHEMA t_erase;
CREATE DOMAIN code AS text COLLATE "C";
CREATE DOMAIN strict_code AS text NOT NULL CHECK (VALUE <> '');
-- a has 10, and 5 of b; b has 20 less 5; a is erased, as x
CREATE FUNCTION run(key_type text, a text, b text, x text, written text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	plain text := split_part(key_type, ' COLLATE', 1);
BEGIN
	EXECUTE format('CREATE TABLE t_erase.people (id %s PRIMARY KEY)', key_type);
	EXECUTE format('CREATE TABLE t_erase.sales (id int PRIMARY KEY, who %s REFERENCES people ON UPDATE CASCADE, at timestamptz DEFAULT ''2020-01-01'', total numeric)', key_type);
	EXECUTE format('INSERT INTO people VALUES (%L), (%L)', a, b);
	PERFORM loyalty.create_program('club', customers => 'people', time_zone => 'UTC');
	PERFORM loyalty.track_orders('club', 'sales', customer => 'who', at => 'at', amount => 'total');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	EXECUTE format('INSERT INTO sales (id, who, total) VALUES (1, %L, 10), (2, %L, 20)', a, b);
	EXECUTE format('SELECT club.transfer(%L::%s, %L::%2$s, 5, ''said'')', b, plain, a);
	EXECUTE format('SELECT club.issue_voucher(5, ''said'', customer => %L::%s), club.issue_card(%1$L::%2$s)', a, plain);
	EXECUTE format('UPDATE sales SET total = 11 WHERE id = 1');
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something before'; END IF;
	EXECUTE format('SELECT club.erase(%L::%s)', coalesce(written, a), plain);
	IF EXISTS (SELECT FROM loyalty.verify('club')) OR EXISTS (SELECT FROM traces('said')) THEN RAISE 'the key stays, and something was found'; END IF;
	EXECUTE format('SELECT club.erase(%L::%s, %L::%2$s, true)', coalesce(written, a), plain, x);
	-- the key of the customer table hands the new one down
	EXECUTE format('UPDATE people SET id = %L WHERE id = %L', x, a);
	SELECT string_agg(format('%s %s', btrim(id::text), points), ', ' ORDER BY points DESC) INTO result FROM club.members;
	IF EXISTS (SELECT FROM loyalty.verify('club')) OR EXISTS (SELECT FROM traces('said|[( ,"]' || a || '[ ,")]')) THEN RAISE 'something was found'; END IF;
	IF (SELECT count(*) FROM club.journal) <> 1 OR (SELECT count(*) FROM club.ledger) <> 4 THEN RAISE 'entries are new'; END IF;
	PERFORM _loyalty.post_batch('club', NULL, 1000);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after posting'; END IF;
	-- x and b are one; x is erased, as a, whom nobody is any more; then b, as x
	EXECUTE format('SELECT club.merge(%L::%s, %L::%2$s, ''said'')', x, plain, b);
	EXECUTE format('SELECT club.erase(%L::%s, %L::%2$s, true)', x, plain, a);
	EXECUTE format('UPDATE people SET id = %L WHERE id = %L', a, x);
	IF EXISTS (SELECT FROM loyalty.verify('club')) OR EXISTS (SELECT FROM traces('said')) THEN RAISE 'something was found of who was merged'; END IF;
	EXECUTE format('SELECT club.erase(%L::%s, %L::%2$s, true)', b, plain, x);
	EXECUTE format('UPDATE people SET id = %L WHERE id = %L', x, b);
	EXECUTE format('UPDATE sales SET total = total + 1 WHERE who = %L', a);
	EXECUTE format('SELECT concat_ws('', '', %L, club.balance(%L::%s), club.balance(%L::%3$s))', result, a, plain, x) INTO result;
	IF EXISTS (SELECT FROM loyalty.verify('club')) OR EXISTS (SELECT FROM traces('[( ,"{]' || b || '[ ,")}]')) THEN RAISE 'something was found of the survivor'; END IF;
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE people, sales CASCADE;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
-- 11 and 5; 20 less 5; then 31 for both keys, and one more
SELECT run('int', '77', '88', '99');
SELECT run('smallint', '77', '88', '99');
SELECT run('bigint', '77777777777', '88', '99999999999');
SELECT run('numeric', '77.5', '88', '99', '77.50');
SELECT run('text', 'jo', 'al', 'x1');
SELECT run('text COLLATE "C"', 'jo', 'al', 'x1');
SELECT run('varchar(20)', 'jo', 'al', 'x1');
SELECT run('char(5)', 'jo', 'al', 'x1');
SELECT run('name', 'jo', 'al', 'x1');
SELECT run('code', 'jo', 'al', 'x1');
SELECT run('strict_code', 'jo', 'al', 'x1');
SELECT run('citext', 'Jo', 'Al', 'x1', 'JO');
SELECT run('uuid', '11111111-1111-1111-1111-111111111111', '22222222-2222-2222-2222-222222222222', '33333333-3333-3333-3333-333333333333');
SELECT run('date', '2001-01-01', '2002-01-01', '2003-01-01');
DROP SCHEMA t_erase CASCADE;
