-- Vouchers: codes that nobody guesses or mistypes, redeemed once or by parts, each call once for
-- its reference, until they are used, expire or are made void.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_vouchers;
SET search_path = t_vouchers;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers VALUES (1), (2);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'UTC');
CREATE FUNCTION told(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text; message text; detail text; hint text; result text;
BEGIN
	EXECUTE query INTO result;
	RETURN coalesce(result, 'done');
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, '')), '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g');
END $$;
-- what a call for the voucher of a name did
CREATE TABLE known (name text PRIMARY KEY, code text);
CREATE FUNCTION redeem(name text, arguments text) RETURNS text LANGUAGE sql AS $$
	SELECT replace(told(format('SELECT format(''entry %%s: %%s, leaves %%s'', entry, amount, balance) FROM club.redeem_voucher(%L, %s)',
	                           (SELECT k.code FROM known k WHERE k.name = redeem.name), arguments)), (SELECT k.code FROM known k WHERE k.name = redeem.name), 'CODE')
$$;
CREATE FUNCTION void(name text, reason text) RETURNS text LANGUAGE sql AS $$
	SELECT told(format('SELECT format(''entry %%s: %%s, leaves %%s'', entry, amount, balance) FROM club.void_voucher(%L, %L)',
	                   (SELECT k.code FROM known k WHERE k.name = void.name), reason))
$$;
CREATE FUNCTION status(name text, customer text DEFAULT 'NULL') RETURNS text LANGUAGE sql AS $$
	SELECT told(format('SELECT format(''%%s: %%s of %%s%%s'', status, balance, amount, CASE WHEN is_bound THEN '', bound'' END) FROM club.voucher_status(%L, %s)',
	                   (SELECT k.code FROM known k WHERE k.name = status.name), customer))
$$;

-- codes: the last character is what the sum of the others times powers of 3 takes to be 1 modulo 31.
-- The last characters of the first four were computed apart; small letters, dashes and blanks are as good.
SELECT c, _loyalty.read_code(c)
  FROM (VALUES ('2222222222222223'), ('23456789ABCDEFGU'), ('ZZZZZZZZZZZZZZZY'), ('WXYZ-ABCD-EFGH-JKMT'), (' wxyz abcd-EFGHJKM t '),
	('2222222222222222'), ('222222222222222'), ('22222222222222222'), ('22222222222222223'), (''), ('----'), ('0222222222222223'),
	(U&'222222222222222\00C4'), (E'2222222222222223\t')) v (c);
SELECT _loyalty.read_code(repeat('2', 10000)), _loyalty.read_code(NULL);
CREATE TABLE made AS SELECT _loyalty.new_code() AS code FROM generate_series(1, 300);
SELECT count(DISTINCT code), bool_and(code ~ '^[2-9A-HJKMNP-Z]{16}$') AS fine, bool_and(_loyalty.read_code(code) = code) AS read, count(DISTINCT c) AS characters
  FROM made CROSS JOIN LATERAL regexp_split_to_table(code, '') c;
-- no single wrong character is missed, and no swap of two: of neighbours, or any others
CREATE TABLE alphabet AS SELECT c FROM regexp_split_to_table('23456789ABCDEFGHJKMNPQRSTUVWXYZ', '') c;
SELECT count(*) AS wrong_characters, count(_loyalty.read_code(overlay(code PLACING c FROM i FOR 1))) AS missed
  FROM made CROSS JOIN generate_series(1, 16) i CROSS JOIN alphabet WHERE substr(code, i, 1) <> c;
SELECT count(*) > 4000 AS swaps, count(_loyalty.read_code(overlay(code PLACING substr(code, i + 1, 1) || substr(code, i, 1) FROM i FOR 2))) AS missed
  FROM made CROSS JOIN generate_series(1, 15) i WHERE substr(code, i, 1) <> substr(code, i + 1, 1);
SELECT count(*) > 30000 AS swaps, count(_loyalty.read_code(overlay(overlay(code PLACING substr(code, j, 1) FROM i FOR 1) PLACING substr(code, i, 1) FROM j FOR 1))) AS missed
  FROM made CROSS JOIN generate_series(1, 15) i CROSS JOIN generate_series(i + 1, 16) j WHERE substr(code, i, 1) <> substr(code, j, 1);

-- issued once for a reference
INSERT INTO known VALUES ('gift', club.issue_voucher(25, 'order-1'));
SELECT code ~ '^[2-9A-HJKMNP-Z]{4}(-[2-9A-HJKMNP-Z]{4}){3}$' AS fine, club.issue_voucher(25.00, 'order-1') = code AS same FROM known;
SELECT told($$SELECT club.issue_voucher(26, 'order-1')$$);
SELECT told($$SELECT club.issue_voucher(25, 'order-1', customer => 1)$$), told($$SELECT club.issue_voucher(25, 'order-1', expires_at => '2100-01-01')$$);
SELECT told($$SELECT club.issue_voucher(25, 'order-1', campaign => 'x')$$), told($$SELECT count(*) FROM club.issue_vouchers(2, 25, 'order-1')$$);
-- one and several are the same call; without a reference each is another one
SELECT v = code AS same FROM club.issue_vouchers(1, 25, 'order-1') v, known;
SELECT count(DISTINCT club.issue_voucher(1, NULL)) FROM generate_series(1, 3);
-- many at once, in the same order again
CREATE TABLE xmas AS SELECT * FROM club.issue_vouchers(10000, 5, 'xmas', campaign => 'Christmas', expires_at => '2100-01-01') WITH ORDINALITY v (code, n);
SELECT count(DISTINCT code), bool_and(v.code = x.code) AS same FROM xmas x JOIN club.issue_vouchers(10000, 5, 'xmas', campaign => 'Christmas', expires_at => '2100-01-01') WITH ORDINALITY v (code, n) USING (n, code);

-- redeemed by parts, each once: 25 less 5.50, 10, and the rest of 9.50
SELECT status('gift');
SELECT redeem('gift', $$'cart-1', 5.50$$);
SELECT redeem('gift', $$'cart-1', 5.5$$), redeem('gift', $$'cart-1', 5.51$$), redeem('gift', $$'cart-1'$$);
SELECT redeem('gift', $$'order-1', 25$$);
SELECT redeem('gift', $$'cart-2', 20$$);
SELECT redeem('gift', $$'cart-2', 10$$), status('gift');
SELECT redeem('gift', $$'cart-3'$$), redeem('gift', $$'cart-3'$$), redeem('gift', $$'cart-3', 9.5$$), status('gift');
SELECT redeem('gift', $$'cart-1', 5.5$$), redeem('gift', $$'cart-2', 10$$);
SELECT redeem('gift', $$'cart-4'$$), redeem('gift', $$'cart-4', 0.01$$);
SELECT entry, kind, amount, reference, actor = current_user AS me FROM club.voucher_entry WHERE code = (SELECT replace(code, '-', '') FROM known WHERE name = 'gift') ORDER BY entry;
-- what is rolled back did not happen
INSERT INTO known VALUES ('undone', club.issue_voucher(3, 'undone'));
BEGIN;
SAVEPOINT s;
SELECT redeem('undone', $$'c', 1$$);
ROLLBACK TO s;
SELECT redeem('undone', $$'c', 2$$);
ROLLBACK;
SELECT redeem('undone', $$'c', 3$$);
-- a reference is made, if none is given
INSERT INTO known VALUES ('unnamed', club.issue_voucher(3, NULL));
SELECT reference ~ '^[0-9a-f]{8}-[0-9a-f-]{27}$' AS is_uuid, amount, balance FROM known, club.redeem_voucher(code, NULL, 1) WHERE name = 'unnamed';

-- bound to a customer
INSERT INTO known VALUES ('bound', club.issue_voucher(10, 'bound', customer => 1));
SELECT status('bound'), status('bound', '1'), status('bound', '2'), status('bound', '3');
SELECT redeem('bound', $$'x'$$);
SELECT redeem('bound', $$'x', customer => 2$$), redeem('bound', $$'x', customer => 1.5$$);
SELECT redeem('bound', $$'x', customer => 1$$);
SELECT redeem('gift', $$'cart-1', 5.5, customer => 2$$);

-- they expire by themselves, whoever looks, and what was done before is answered again
BEGIN;
INSERT INTO known VALUES ('short', club.issue_voucher(10, 'short', expires_at => now() + interval '0.1 seconds'));
SELECT status('short'), redeem('short', $$'in time', 4$$);
COMMIT;
SELECT pg_sleep(0.2);
SELECT status('short'), redeem('short', $$'too late', 4$$), redeem('short', $$'in time', 4$$);

-- made void, for a reason, and what is left is gone
INSERT INTO known VALUES ('lost', club.issue_voucher(10, 'lost'));
SELECT redeem('lost', $$'first', 4$$);
SELECT void('lost', ' '), void('lost', NULL);
SELECT void('lost', 'was lost'), void('lost', 'was lost again'), status('lost');
SELECT redeem('lost', $$'second', 1$$), redeem('lost', $$'first', 4$$);
-- of one that is used or has expired, nothing is left
SELECT void('gift', 'is used'), void('short', 'has expired');

-- what is no code, amount, reference, number or time
INSERT INTO known VALUES ('mistyped', '2222-2222-2222-2222'), ('unknown', '2222-2222-2222-2223'), ('long', repeat('2', 1000)), ('nothing', NULL);
SELECT name, status(name), redeem(name, $$'x'$$) FROM known WHERE name IN ('mistyped', 'unknown', 'long', 'nothing') ORDER BY name;
SELECT void('unknown', 'x'), told('SELECT club.redeem_voucher(NULL, NULL)'), told($$SELECT club.void_voucher(NULL, 'x')$$);
INSERT INTO known VALUES ('good', club.issue_voucher(10, 'good'));
SELECT redeem('good', $$'x', 0$$), redeem('good', $$'x', -1$$), redeem('good', $$'x', 'NaN'$$), redeem('good', $$'x', 1e20$$), redeem('good', $$'x', 0.001$$);
SELECT redeem('good', $$''$$), redeem('good', $$repeat('x', 256)$$);
SELECT told($$SELECT club.issue_voucher(0, 'x')$$), told($$SELECT club.issue_voucher(-5, 'x')$$), told($$SELECT club.issue_voucher('NaN', 'x')$$), told($$SELECT club.issue_voucher(NULL, 'x')$$);
SELECT told($$SELECT club.issue_voucher(0.005, 'x')$$), told($$SELECT club.issue_voucher(1e20, 'x')$$), told($$SELECT club.issue_voucher(1, '')$$);
SELECT told($$SELECT club.issue_voucher(1, 'x', customer => 3)$$), told($$SELECT club.issue_voucher(1, 'x', expires_at => now())$$), told($$SELECT club.issue_voucher(1, 'x', expires_at => NULL)$$);
SELECT told($$SELECT count(*) FROM club.issue_vouchers(0, 1, 'x')$$), told($$SELECT count(*) FROM club.issue_vouchers(1000001, 1, 'x')$$), told($$SELECT count(*) FROM club.issue_vouchers(NULL, 1, 'x')$$);
-- a call that was made is answered although the program has fewer decimals by now
SELECT redeem('good', $$'cents', 0.25$$);
UPDATE club.program SET amount_scale = 0;
SELECT redeem('good', $$'cents', 0.25$$), redeem('good', $$'more cents', 0.25$$), redeem('good', $$'rest'$$);
UPDATE club.program SET amount_scale = 2;
BEGIN READ ONLY;
SELECT status('good'), redeem('good', $$'x'$$);
ROLLBACK;

-- what became of them.  Without a campaign: 25, three of 1, two of 3 and four of 10 were issued; redeemed
-- were 25, 3, 1, 10, 4, 4 and 10, 6 are void, and 6 have expired
SELECT * FROM club.voucher_campaigns ORDER BY campaign;
SELECT * FROM loyalty.verify('club');

-- a role that may redeem a voucher cannot list codes, and no more than redeem
CREATE ROLE regress_voucher_till;
CREATE ROLE regress_voucher_desk;
CREATE ROLE regress_voucher_other;
CREATE ROLE regress_voucher_reader;
GRANT USAGE ON SCHEMA t_vouchers TO regress_voucher_till, regress_voucher_desk, regress_voucher_other, regress_voucher_reader;
GRANT SELECT, INSERT ON known TO regress_voucher_till, regress_voucher_desk, regress_voucher_other, regress_voucher_reader;
GRANT USAGE ON SCHEMA club TO regress_voucher_till;
GRANT EXECUTE ON FUNCTION club.redeem_voucher TO regress_voucher_till;
SELECT loyalty.grant_access('club', 'regress_voucher_reader', 'read'), loyalty.grant_access('club', 'regress_voucher_desk', 'operate'),
       loyalty.grant_access('club', 'regress_voucher_other', 'operate');
INSERT INTO known VALUES ('till', club.issue_voucher(10, 'till'));
SET ROLE regress_voucher_till;
SELECT redeem('till', $$'a', 1$$), status('till'), void('till', 'x'), told($$SELECT club.issue_voucher(1, 'x')$$);
SELECT told('SELECT count(*) FROM club.voucher'), told('SELECT count(*) FROM club.voucher_entry'), told('SELECT count(*) FROM club.voucher_batch'),
       told('SELECT count(*) FROM club.voucher_campaigns');
SELECT told($$SELECT _loyalty.redeem_voucher('club.program', 'x', 'x', 1, 1, NULL)$$), told($$SELECT _loyalty.issued_codes('club', 'till')$$);
SET ROLE regress_voucher_reader;
SELECT status('till'), redeem('till', $$'b', 1$$), void('till', 'x'), told($$SELECT club.issue_voucher(1, 'x')$$);
SELECT told('SELECT count(*) FROM club.voucher'), told('SELECT count(*) FROM club.voucher_entry'), told('SELECT count(*) > 1 FROM club.voucher_batch'),
       told('SELECT count(*) FROM club.voucher_campaigns');
-- who issues vouchers is told their codes again, and no one else, but the owner
SET ROLE regress_voucher_desk;
INSERT INTO known VALUES ('desk', club.issue_voucher(7, 'desk'));
SELECT club.issue_voucher(7, 'desk') = code AS same, status('desk') FROM known WHERE name = 'desk';
SELECT told('SELECT count(*) FROM club.voucher'), told($$SELECT club.issue_voucher(10, 'till')$$) ~ '^42501' AS refused;
SET ROLE regress_voucher_other;
SELECT told($$SELECT club.issue_voucher(7, 'desk')$$), redeem('desk', $$'c', 2$$);
RESET ROLE;
SELECT club.issue_voucher(7, 'desk') = code AS same FROM known WHERE name = 'desk';
SELECT entry, kind, actor FROM club.voucher_entry e JOIN known k ON e.code = replace(k.code, '-', '') WHERE name = 'desk' ORDER BY entry;
-- nobody writes what calls write, whatever was granted
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON club.voucher, club.voucher_batch, club.voucher_entry TO regress_voucher_other;
SET ROLE regress_voucher_other;
SELECT told('UPDATE club.voucher SET balance = 100'), told('DELETE FROM club.voucher'), told('TRUNCATE club.voucher_batch');
SELECT told('INSERT INTO club.voucher_entry SELECT * FROM club.voucher_entry'), told('UPDATE club.voucher_entry SET amount = 100');
RESET ROLE;
SELECT told('UPDATE club.voucher_entry SET amount = 100'), told('DELETE FROM club.voucher_entry'), told('TRUNCATE club.voucher_entry');
-- an expression of the program is no place for it
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric);
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
CREATE FUNCTION sly(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$ BEGIN PERFORM club.issue_voucher(1, 'sly'); RETURN n; END $$;
UPDATE club.earning_rule SET points = 't_vouchers.sly(amount)';
SELECT told('INSERT INTO t_vouchers.orders (id, customer, total) VALUES (1, 1, 1)');
UPDATE club.earning_rule SET points = 'amount';
SELECT * FROM loyalty.verify('club');

-- whatever is wrong with a voucher is told, by its number in its batch and never by its code
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(regexp_replace(concat_ws(': ', v.violation, v.customer, v.detail), '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g')
		                                                                              ORDER BY v.violation, v.detail), '[]') FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
CREATE FUNCTION plain(name text) RETURNS text LANGUAGE sql AS $$ SELECT replace(k.code, '-', '') FROM t_vouchers.known k WHERE k.name = plain.name $$;
SELECT plant($$UPDATE club.voucher SET balance = 1 WHERE code = t_vouchers.plain('gift')$$);
SELECT plant($$UPDATE club.voucher SET entries = 1 WHERE code = t_vouchers.plain('gift')$$);
SELECT plant($$UPDATE club.voucher_entry SET amount = -20 WHERE reference = 'cart-2'; UPDATE club.voucher SET balance = -10 WHERE code = t_vouchers.plain('gift')$$);
SELECT plant($$UPDATE club.voucher_entry SET amount = 10 WHERE reference = 'cart-2'; UPDATE club.voucher SET balance = 20 WHERE code = t_vouchers.plain('gift')$$);
SELECT plant($$UPDATE club.voucher_entry SET kind = 'gift' WHERE reference = 'cart-2'$$);
SELECT plant($$DELETE FROM club.voucher_entry WHERE reference = 'cart-2'$$);
SELECT plant($$DELETE FROM club.voucher_entry WHERE code = t_vouchers.plain('till')$$);
SELECT plant($$UPDATE club.voucher_entry SET at = '2100-01-01' WHERE reference = 'in time'$$);
SELECT plant($$UPDATE club.voucher_batch SET expires_at = '2020-01-01' WHERE reference = 'short'$$);
SELECT plant($$INSERT INTO club.voucher_entry VALUES (t_vouchers.plain('short'), 3, 'void', -6, NULL, 'has expired', current_user, now()); UPDATE club.voucher SET balance = 0, entries = 3 WHERE code = t_vouchers.plain('short')$$);
SELECT plant($$UPDATE club.voucher_batch SET amount = 5 WHERE reference = 'short'$$);
SELECT plant($$UPDATE club.voucher_batch SET customer = 1, vouchers = 2 WHERE reference = 'short'$$);
SELECT plant($$UPDATE club.voucher_batch SET reference = 'long' WHERE reference = 'short'$$);
SELECT plant($$UPDATE club.voucher_entry SET reason = NULL WHERE kind = 'void' AND code = t_vouchers.plain('lost')$$);
SELECT plant($$INSERT INTO club.voucher_entry VALUES (t_vouchers.plain('lost'), 4, 'redemption', -1, 'again', NULL, 'me', now())$$);
SELECT plant($$UPDATE club.voucher SET code = '2222222222222222' WHERE code = t_vouchers.plain('till'); UPDATE club.voucher_entry SET code = '2222222222222222' WHERE code = t_vouchers.plain('till')$$);
SELECT plant($$UPDATE club.voucher SET code = '2222222222222223' WHERE code = t_vouchers.plain('till')$$);
SELECT plant($$DELETE FROM club.voucher WHERE code = t_vouchers.plain('till')$$);
SELECT plant($$UPDATE club.voucher_entry SET amount = 'NaN' WHERE reference = 'till'$$);

-- what is lost is made of the entries again; a program with vouchers is not dropped by accident
CREATE TABLE before AS SELECT code, batch, balance, entries FROM club.voucher;
DROP TABLE club.voucher CASCADE;
DROP FUNCTION club.void_voucher;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT count(*) AS lost FROM (SELECT * FROM before EXCEPT SELECT code, batch, balance, entries FROM club.voucher) x;
SELECT void('till', 'done'), status('till');
SELECT * FROM loyalty.verify('club');
SELECT told($$SELECT loyalty.drop_program('club')$$);

-- keys of a domain that refuses nulls, and names to be quoted
CREATE DOMAIN "Key" AS varchar(8) NOT NULL CHECK (VALUE <> '');
CREATE TABLE "Leute" (k "Key" PRIMARY KEY);
INSERT INTO "Leute" VALUES ('ann'), ('Bob''s "x');
SELECT loyalty.create_program('Mein "Club''', customers => '"Leute"', amount_scale => 0);
DO $$
DECLARE
	code text := "Mein ""Club'".issue_voucher(5, 'A "quoted'' one', customer => 'Bob''s "x');
	r record;
BEGIN
	RAISE WARNING '%', (SELECT status FROM "Mein ""Club'".voucher_status(code, 'ann'));
	SELECT * INTO r FROM "Mein ""Club'".redeem_voucher(code, 'x', 2, customer => 'Bob''s "x');
	RAISE WARNING '% %', r.amount, r.balance;
	code := "Mein ""Club'".issue_voucher(5, 'for all');
	RAISE WARNING '%', (SELECT status FROM "Mein ""Club'".voucher_status(code));
	SELECT * INTO r FROM "Mein ""Club'".redeem_voucher(code, 'x', 1);
	SELECT * INTO r FROM "Mein ""Club'".void_voucher(code, 'enough');
	RAISE WARNING '% %', r.amount, r.balance;
END $$;
SELECT * FROM "Mein ""Club'".voucher_campaigns;
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);

SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_voucher_till, regress_voucher_desk, regress_voucher_other, regress_voucher_reader;
DROP ROLE regress_voucher_till, regress_voucher_desk, regress_voucher_other, regress_voucher_reader;
DROP SCHEMA t_vouchers CASCADE;
