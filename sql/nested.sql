-- What an expression calls changes no program and writes no orders: whatever would begin
-- anew within itself, and never end, is refused at once, and everything works afterwards.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET statement_timeout = '60s';
CREATE SCHEMA t_nested;
CREATE TABLE t_nested.customers (id int PRIMARY KEY);
INSERT INTO t_nested.customers VALUES (1), (2);
CREATE TABLE t_nested.orders (id int PRIMARY KEY, who int, at timestamptz DEFAULT '2024-01-01', total numeric);
CREATE TABLE t_nested.plain (id int PRIMARY KEY, who int, at timestamptz DEFAULT '2024-01-01', total numeric);
CREATE TABLE t_nested.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_nested.customers');
-- what a rule runs is in a setting: nothing at first
CREATE FUNCTION t_nested.run(n numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM t_nested.run_volatile(current_setting('t_nested.command', true));
	RETURN n;
END $$;
CREATE FUNCTION t_nested.run_volatile(command text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF command <> '' THEN
		EXECUTE command;
	END IF;
END $$;
SELECT loyalty.track_orders('club', 't_nested.orders', customer => 'who', at => 'at', amount => 'total') \gset
SELECT loyalty.track_refunds('club', 't_nested.refunds', order_key => 'order_id', amount => 'amount') \gset
INSERT INTO club.earning_rule (name, points) VALUES ('runs', 't_nested.run(amount)');
INSERT INTO t_nested.orders VALUES (1, 1, DEFAULT, 10), (2, 2, DEFAULT, 20);
CREATE TABLE t_nested.commands (n int PRIMARY KEY, command text);
INSERT INTO t_nested.commands VALUES
	(1, $$SELECT loyalty.track_orders('club', 't_nested.plain', customer => 'who', at => 'at', amount => 'total')$$),
	(2, $$SELECT loyalty.track_refunds('club', 't_nested.plain', order_key => 'id', amount => 'total')$$),
	(3, $$SELECT loyalty.backfill('club', 't_nested.orders')$$),
	(4, $$SELECT loyalty.alter_orders('club', 't_nested.orders', amount => 'total + 0')$$),
	(5, $$SELECT loyalty.alter_refunds('club', 't_nested.refunds', amount => 'amount + 0')$$),
	(6, $$SELECT * FROM loyalty.rerate('club')$$),
	(7, $$SELECT loyalty.pause('club', 't_nested.orders')$$),
	(8, $$SELECT loyalty.resume('club', 't_nested.orders')$$),
	(9, $$SELECT loyalty.untrack('club', 't_nested.orders')$$),
	(10, $$CALL loyalty.post('club')$$),
	(11, $$SELECT * FROM _loyalty.post_batch('club', NULL, 10)$$),
	(12, $$SELECT * FROM loyalty.reconcile('club')$$),
	(13, $$SELECT * FROM loyalty.verify('club')$$),
	(14, $$SELECT loyalty.grant_access('club', 'postgres', 'read')$$),
	(15, $$SELECT loyalty.change_owner('club', 'postgres')$$),
	(16, $$SELECT loyalty.drop_program('club', force => true)$$),
	(17, $$SELECT _loyalty.record_table('club', 1, false)$$),
	(18, $$INSERT INTO t_nested.orders VALUES (1000 + (random() * 1000000)::int, 1, DEFAULT, 1)$$),
	(19, $$INSERT INTO t_nested.refunds VALUES (2, 1)$$),
	(20, $$INSERT INTO club.earning_rule (name, points) VALUES (random()::text, '1')$$),
	(21, $$UPDATE club.program SET rounding = 'ceil'$$),
	(22, $$SELECT loyalty.upgrade_program('club')$$),
	(23, $$SELECT _loyalty.issue_card('club', 1::numeric, NULL)$$),
	(24, $$SELECT _loyalty.replace_card('club', '79927398713', NULL, NULL)$$),
	(25, $$SELECT _loyalty.set_card_status('club', 'block_card', '79927398713', 'blocked', 'x')$$),
	(26, $$SELECT * FROM loyalty.simulate('club')$$),
	(27, $$SELECT loyalty.track_events('club', 'seen', 't_nested.plain', customer => 'who', at => 'at')$$),
	(28, $$SELECT loyalty.alter_events('club', 'seen', 't_nested.plain', at => 'at')$$);
-- every function that changes or recomputes a program is in that list, but for one that makes a
-- new program, and one that only counts
SELECT p.proname FROM pg_proc p
 WHERE p.pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND p.prosrc ~ '(refuse_nested|begin_command)\(''' OR p.oid IN ('loyalty.post'::regproc, '_loyalty.post_batch'::regproc, 'loyalty.verify'::regproc)
EXCEPT SELECT (regexp_match(command, 'loyalty\.(\w+)'))[1] FROM t_nested.commands ORDER BY 1;
-- what became of an order, or of something else, while the rule does that: SQLSTATE, message, and
-- of a rule that failed what it said
CREATE FUNCTION t_nested.outcome(command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	state text;
	message text;
	context text;
BEGIN
	EXECUTE command;
	-- whatever it did is taken back
	RAISE 'done' USING ERRCODE = 'LY001';
EXCEPTION WHEN SQLSTATE 'LY001' THEN
	RETURN 'done';
WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, context = PG_EXCEPTION_CONTEXT;
	RETURN concat_ws(': ', state, message, split_part(context, E'\n', 1));
END $$;
CREATE FUNCTION t_nested.try(outer_command text) RETURNS TABLE (n int, outcome text) LANGUAGE plpgsql AS $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT * FROM t_nested.commands ORDER BY 1
	LOOP
		n := c.n;
		PERFORM set_config('t_nested.command', c.command, true);
		outcome := t_nested.outcome(outer_command);
		RETURN NEXT;
	END LOOP;
	PERFORM set_config('t_nested.command', '', true);
END $$;
SELECT * FROM t_nested.try('INSERT INTO t_nested.orders VALUES (3, 1, DEFAULT, 5)');
-- the same within other work, which reads views, and in a view that somebody reads by himself
SELECT count(*), regexp_replace(outcome, 'call \w+\(\)|write to table "\w+"', '...') FROM t_nested.try('SELECT loyalty.reconcile(''club'')') GROUP BY 2;
SELECT count(*), regexp_replace(outcome, 'call \w+\(\)|write to table "\w+"', '...') FROM t_nested.try('UPDATE club.earning_rule SET points = ''t_nested.run(2 * amount)''; SELECT loyalty.rerate(''club'', dry_run => false)') GROUP BY 2;
SELECT n, outcome FROM t_nested.try('SELECT sum(awards) FROM club.orders_1_2') WHERE n IN (3, 4, 12);
-- verify() tells of it, for both orders, and names what was called
SELECT set_config('t_nested.command', (SELECT command FROM t_nested.commands WHERE n = 12), false) \gset
SELECT violation, order_key, detail FROM loyalty.verify('club') ORDER BY 1, 2;
-- an order may be skipped instead, and one that calls nothing is as before
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_nested.orders VALUES (3, 1, DEFAULT, 5);
SELECT set_config('t_nested.command', '', false) \gset
SELECT id, points FROM club.members ORDER BY 1;
SELECT recorded FROM loyalty.reconcile('club');
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
UPDATE club.program SET on_invalid = 'error';
-- nothing is left of an error in a subtransaction, at any depth, nor of one that ended it all
SELECT set_config('t_nested.command', (SELECT command FROM t_nested.commands WHERE n = 12), false) \gset
BEGIN;
SAVEPOINT a;
SELECT t_nested.outcome('INSERT INTO t_nested.orders VALUES (4, 1, DEFAULT, 5)') <> 'done' AS refused;
SAVEPOINT b;
\set VERBOSITY sqlstate
INSERT INTO t_nested.orders VALUES (4, 1, DEFAULT, 5);
ROLLBACK TO a;
INSERT INTO t_nested.orders VALUES (4, 1, DEFAULT, 5);
ROLLBACK TO a;
\set VERBOSITY default
SELECT set_config('t_nested.command', '', false) \gset
INSERT INTO t_nested.orders VALUES (4, 1, DEFAULT, 5);
COMMIT;
CALL loyalty.post('club');
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- a trigger on the ledger comes after the work: it may write orders of another program, as one
-- that thanks for each order with 1, but not begin other work
CREATE TABLE t_nested.thanks (id serial PRIMARY KEY, who int, at timestamptz DEFAULT '2024-01-01', n int DEFAULT 1);
SELECT loyalty.create_program('thanks', customers => 't_nested.customers');
INSERT INTO thanks.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('thanks', 't_nested.thanks', customer => 'who', at => 'at', amount => 'n') \gset
CREATE FUNCTION t_nested.thank() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_nested.thanks (who) VALUES (NEW.customer);
	PERFORM t_nested.run_volatile(current_setting('t_nested.command', true));
	RETURN NULL;
END $$;
CREATE TRIGGER thank AFTER INSERT ON club.ledger FOR EACH ROW EXECUTE FUNCTION t_nested.thank();
INSERT INTO t_nested.orders VALUES (5, 1, DEFAULT, 7), (6, 2, DEFAULT, 7);
CALL loyalty.post('club');
SELECT id, points FROM thanks.members ORDER BY 1;
SELECT * FROM loyalty.verify('thanks');
INSERT INTO t_nested.orders VALUES (7, 1, DEFAULT, 1);
SELECT set_config('t_nested.command', (SELECT command FROM t_nested.commands WHERE n = 12), false) \gset
CALL loyalty.post('club');
SELECT set_config('t_nested.command', '', false) \gset
SELECT customer, sqlstate, error FROM club.set_aside;
CALL loyalty.post('club');
SELECT id, points FROM thanks.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- a tier that depends on who has it: it does not hold, and verify() tells; readers are not hurt
CREATE FUNCTION t_nested.golden() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM club.members WHERE tier = ''Gold''';
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, 't_nested.golden() < 5');
SELECT id, tier, points FROM club.members ORDER BY 1;
SELECT DISTINCT violation, detail FROM loyalty.verify('club') ORDER BY 1, 2;
DELETE FROM club.tier;
SELECT * FROM loyalty.verify('club');
-- a function that becomes volatile after the rule was written, as by a replacement that does not say
-- what it is: orders are recorded by it, and verify() tells until it is declared
CREATE FUNCTION t_nested.twice(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
UPDATE club.earning_rule SET points = 't_nested.twice(amount)';
CREATE OR REPLACE FUNCTION t_nested.twice(numeric) RETURNS numeric LANGUAGE sql AS 'SELECT $1 + $1';
UPDATE club.earning_rule SET points = 't_nested.twice(amount) + 1';
INSERT INTO t_nested.orders VALUES (8, 2, DEFAULT, 3);		-- 27 + 6
SELECT points FROM club.members WHERE id = 2;
SELECT violation, detail FROM loyalty.verify('club');
ALTER FUNCTION t_nested.twice(numeric) IMMUTABLE;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true), loyalty.drop_program('thanks', force => true);
DROP SCHEMA t_nested CASCADE;
