-- Calls that answer with an outcome: the same as the calls, but for the errors that an
-- application has to expect.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_try;
SET search_path = t_try;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT i FROM generate_series(1, 9) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2));
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
INSERT INTO orders (id, customer, total) VALUES (1, 1, 100), (2, 2, 50);
-- what became of a call; what it says, or does, that the call of that name does not
CREATE FUNCTION tried(name text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	o loyalty.outcome;
	r loyalty.receipt;
	e loyalty.outcome;
BEGIN
	EXECUTE format('SELECT * FROM club.try_%s(%s)', name, arguments) INTO o;
	BEGIN
		EXECUTE format('SELECT * FROM club.%s(%s)', name, arguments) INTO r;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS e.message = MESSAGE_TEXT, e.detail = PG_EXCEPTION_DETAIL, e.hint = PG_EXCEPTION_HINT;
	END;
	RETURN regexp_replace(concat_ws(' | ', o.status,
	                                CASE WHEN o.status = 'done' THEN format('entry %s: %s, leaves %s', o.entry, o.points, o.balance) END,
	                                o.message, o.detail, o.hint,
	                                CASE WHEN (o.reference, o.entry, o.points, o.balance, o.at) IS DISTINCT FROM
	                                          (r.reference, r.entry, r.points, r.balance, r.at) THEN 'NOT SO: ' || r::text END,
	                                CASE WHEN (o.message, o.detail, o.hint) IS DISTINCT FROM
	                                          (e.message, nullif(e.detail, ''), nullif(e.hint, '')) THEN 'NOT SO: ' || e::text END),
	                      '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g');
EXCEPTION WHEN OTHERS THEN
	RETURN concat_ws(' | ', 'raised ' || SQLSTATE, SQLERRM);
END $$;

-- each call, as it is done, and as it is refused; repeated, the answer is the same
SELECT tried('redeem', $$1, 40, 'cart-1'$$);
SELECT tried('redeem', $$1, 40, 'cart-1'$$);
SELECT tried('redeem', $$1, 41, 'cart-1'$$);
SELECT tried('redeem', $$1, 61, 'cart-2'$$);
SELECT tried('grant_points', $$1, 5, 'gift', 'birthday'$$);
SELECT tried('grant_points', $$1, 5, 'cart-1'$$);
SELECT tried('adjust', $$1, -70, 'fix', 'wrong'$$);
SELECT tried('adjust', $$1, -5, 'fix', 'wrong'$$);
SELECT tried('reverse', $$1, 'cart-1', 10, 'back'$$);
SELECT tried('reverse', $$1, 'cart-1', 31, 'back-2'$$);
SELECT tried('reverse', $$1, 'cart-1', NULL, 'back-2'$$);
SELECT tried('reverse', $$1, 'cart-1', NULL, 'back-3'$$);
SELECT tried('reverse', $$1, 'nothing', NULL, 'back-3'$$);
SELECT tried('hold', $$1, 101, 'room'$$);
SELECT tried('hold', $$1, 50, 'room', reason => 'booked'$$);
SELECT tried('hold', $$1, 50, 'room', now() + interval '1 day'$$);
SELECT tried('capture', $$1, 'room', 51$$);
SELECT tried('capture', $$1, 'room', 20$$);
SELECT tried('capture', $$1, 'room', 21$$);
SELECT tried('release', $$1, 'room'$$);
SELECT tried('release', $$1, 'none'$$);
SELECT tried('hold', $$1, 10, 'seat'$$), tried('release', $$1, 'seat', 'cancelled'$$);
SELECT tried(c.name, '77' || c.arguments) FROM (VALUES (1, 'redeem', $$, 1, 'x'$$), (2, 'grant_points', $$, 1, 'x'$$), (3, 'adjust', $$, 1, 'x', 'why'$$),
	(4, 'reverse', $$, 'x'$$), (5, 'hold', $$, 1, 'x'$$), (6, 'capture', $$, 'x'$$), (7, 'release', $$, 'x'$$)) c (n, name, arguments) ORDER BY c.n;
SELECT tried('redeem', $$1.5, 1, 'x'$$);
SELECT entry, kind, order_key, points, balance, reason FROM club.entries WHERE id = 1 ORDER BY entry;
-- a reference is made if none is given
SELECT status, reference ~ '^[0-9a-f]{8}-' AS is_made, entry, points, balance, at = now() AS now, message, detail, hint FROM club.try_redeem(1, 1, NULL);

-- what is wrong by itself is an error as ever
SELECT tried('redeem', $$1, 0, 'x'$$);
SELECT tried('redeem', $$1, 0.5, 'x'$$);
SELECT tried('redeem', $$NULL, 1, 'x'$$);
SELECT tried('redeem', $$1, NULL, 'x'$$);
SELECT tried('grant_points', $$1, 1, ''$$);
SELECT tried('adjust', $$1, 1, 'x', ' '$$);
SELECT tried('reverse', $$1, 'back'$$);
SELECT tried('reverse', $$1, NULL$$);
SELECT tried('hold', $$1, 1, 'past', '2020-01-01'$$);
SELECT tried('capture', $$1, NULL$$);
SELECT tried('release', $$1, NULL$$);
BEGIN READ ONLY;
SELECT tried('redeem', $$1, 1, 'x'$$);
ROLLBACK;

-- what is refused is taken back with all that the call did, and the transaction goes on:
-- an order that waits is not posted, there is no account, no hold is noted as timed out
INSERT INTO orders (id, customer, total) VALUES (3, 3, 10);
SELECT (club.hold(2, 20, 'soon', clock_timestamp() + interval '0.5 seconds')).balance;
SELECT pg_sleep(0.6) \g /dev/null
BEGIN;
SELECT status, detail FROM club.try_redeem(3, 11, 'tea');
SELECT status, detail FROM club.try_redeem(2, 51, 'tea');
SELECT count(*) AS waiting, (SELECT count(*) FROM club.account WHERE customer = 3) AS accounts, (SELECT count(*) FROM club.held) AS held,
       (SELECT count(*) FROM club.ledger WHERE customer = 2) AS entries FROM club.journal;
SELECT * FROM loyalty.verify('club');
-- what came before it in the transaction stays, and what comes after finds all as it was
INSERT INTO orders (id, customer, total) VALUES (4, 3, 1);
SELECT status, entry, points, balance FROM club.try_redeem(3, 11, 'tea');
SELECT status, detail FROM club.try_redeem(3, 1, 'cake');
SELECT status, entry, points, balance FROM club.try_grant_points(3, 4, 'gift');
SELECT status, entry, points, balance FROM club.try_redeem(2, 50, 'tea');
COMMIT;
SELECT entry, kind, points, balance, posted FROM club.entries WHERE id = 3 ORDER BY entry;
SELECT count(*) AS waiting, (SELECT count(*) FROM club.held) AS held FROM club.journal;
-- many at once; the first two are done
SELECT i, o.status, o.balance FROM generate_series(1, 3) i CROSS JOIN LATERAL club.try_redeem(3, 2, 'sweet-' || i) o ORDER BY i;
SELECT * FROM loyalty.verify('club');

-- they are for those who operate, or to whom one is granted, and the entry has their name
CREATE ROLE regress_reader;
CREATE ROLE regress_till;
CREATE ROLE regress_cashier;
SELECT loyalty.grant_access('club', 'regress_reader', 'read'), loyalty.grant_access('club', 'regress_cashier', 'operate');
GRANT USAGE ON SCHEMA club TO regress_till;
GRANT EXECUTE ON FUNCTION club.try_grant_points TO regress_till;
GRANT USAGE ON SCHEMA t_try TO regress_reader, regress_till, regress_cashier;
SET ROLE regress_reader;
SELECT tried('redeem', $$1, 1, 'x'$$), tried('release', $$1, 'x'$$);
SET ROLE regress_till;
SELECT status, balance FROM club.try_grant_points(5, 3, 'welcome');
SELECT status, message FROM club.try_grant_points(77, 3, 'welcome');
SELECT tried('redeem', $$5, 1, 'x'$$);
SET ROLE regress_cashier;
SELECT status, balance FROM club.try_redeem(5, 1, 'mint');
SELECT status, detail FROM club.try_redeem(5, 3, 'candy');
RESET ROLE;
SELECT kind, points, actor FROM club.entries WHERE id = 5 ORDER BY entry;
-- who may call what they are made of is no owner of the program
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty TO regress_till;
SET ROLE regress_till;
SELECT _loyalty.try_call('redeem', 'club.program', 5::numeric, 'x', points => 1);
RESET ROLE;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA _loyalty FROM regress_till;
-- nobody may by himself
SELECT p.proname FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace AND p.proname LIKE 'try%'
   AND (has_function_privilege('public', p.oid, 'EXECUTE') OR obj_description(p.oid) IS NULL OR NOT p.prosecdef
        OR NOT coalesce(p.proconfig @> '{"search_path=pg_catalog, pg_temp"}', false));

-- a program that lacks them gets them
DROP FUNCTION club.try_redeem, club.try_hold;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT status FROM club.try_redeem(5, 3, 'candy');
SELECT * FROM loyalty.verify('club');

-- keys of other types, decimals, and names to be quoted
CREATE DOMAIN person AS varchar(20);
CREATE TABLE people (name person PRIMARY KEY);
INSERT INTO people VALUES ('ann'), ('Bob''s "x');
SELECT loyalty.create_program('Mein "Club''', customers => 'people', points_scale => 2);
SELECT status, points, balance FROM "Mein ""Club'".try_grant_points('ann', 1.5, 'A "quoted'' one');
SELECT status, detail FROM "Mein ""Club'".try_redeem('ann', 1.51, 'x');
SELECT status, points, balance FROM "Mein ""Club'".try_hold('ann', 0.25, 'x');
SELECT status, points, balance FROM "Mein ""Club'".try_capture('ann', 'x', 0.2);
SELECT status, message FROM "Mein ""Club'".try_redeem('Bob', 1, 'x');
SELECT * FROM loyalty.verify('Mein "Club''');
SELECT loyalty.drop_program('Mein "Club''', force => true);
CREATE TABLE devices (id uuid PRIMARY KEY);
INSERT INTO devices VALUES ('11111111-2222-3333-4444-555555555555');
SELECT loyalty.create_program('devices', customers => 'devices');
SELECT status, balance FROM devices.try_grant_points('11111111-2222-3333-4444-555555555555', 3, 'x');
SELECT status, message FROM devices.try_reverse('11111111-2222-3333-4444-555555555555', 'y');
SELECT * FROM loyalty.verify('devices');
SELECT loyalty.drop_program('devices', force => true);

SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_try FROM regress_reader, regress_till, regress_cashier;
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_cashier;
DROP ROLE regress_reader, regress_till, regress_cashier;
DROP SCHEMA t_try CASCADE;
