-- Who may do what, as ordinary roles do it: nothing is set up here but what the
-- README says.  The work of a superuser ends with the grants.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_rights_shop;		-- has the tables of the shop
CREATE ROLE regress_rights_keeper;		-- has the program
CREATE ROLE regress_rights_clerk;		-- inserts orders
CREATE ROLE "regress_rights_Help Desk";	-- read, operate, admin in turn
CREATE ROLE regress_rights_mallory;		-- may nothing
-- A database with careful defaults: nothing is everybody's by itself.  What the
-- extension makes for everybody, it grants.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_rights_keeper REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE regress_rights_keeper REVOKE USAGE ON TYPES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO regress_rights_mallory;
DROP EXTENSION loyalty;
CREATE EXTENSION loyalty;
CREATE SCHEMA t_rights AUTHORIZATION regress_rights_shop;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_rights_keeper', current_database()); END $$;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_rights_keeper WITH GRANT OPTION;

SET ROLE regress_rights_shop;
CREATE TABLE t_rights.customers (customer_id int PRIMARY KEY, name text);
INSERT INTO t_rights.customers VALUES (1, 'Ann'), (2, 'Bob');
CREATE TABLE t_rights.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2025-01-01 00:00+00', total numeric, currency text);
CREATE TABLE t_rights.refunds (refund_id int PRIMARY KEY, order_id int, amount numeric);
CREATE TABLE t_rights.secret (salary numeric);
GRANT USAGE ON SCHEMA t_rights TO regress_rights_keeper, regress_rights_clerk, regress_rights_mallory;
GRANT INSERT, UPDATE, DELETE ON t_rights.orders TO regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (1, 1, DEFAULT, 10, NULL);

-- 1. what the keeper lacks is told, grant by grant
SET ROLE regress_rights_keeper;
SELECT loyalty.create_program('club', customers => 't_rights.customers');
SET ROLE regress_rights_shop;
GRANT SELECT ON t_rights.customers TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
SELECT loyalty.create_program('club', customers => 't_rights.customers');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total');
SET ROLE regress_rights_shop;
GRANT SELECT, UPDATE, DELETE, TRIGGER ON t_rights.orders, t_rights.refunds TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'currency');
SELECT loyalty.track_refunds('club', 't_rights.refunds', order_key => 'order_id', amount => 'amount');
UPDATE club.program SET rounding = 'half_up';
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 10', 2);
INSERT INTO club.exchange_rate (currency, rate) VALUES ('CHF', 2);
SET ROLE regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (2, 1, DEFAULT, 5, 'CHF');	-- 5 * 2 in Gold: 20 points, and 10 before
SET ROLE regress_rights_keeper;
SELECT customer_id, points, tier FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- nobody else may do any of that, or is told anything
SET ROLE regress_rights_mallory;
SELECT loyalty.create_program('other', customers => 't_rights.customers');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.grant_access('club', 'regress_rights_mallory', 'admin');
SELECT * FROM loyalty.verify('club');
SELECT * FROM loyalty.backlog('club');
SELECT _loyalty.tier_for('club.program'::regclass, 1, 1, 1, 1, NULL, NULL, NULL, now(), NULL);
SELECT name, owner FROM loyalty.programs;
-- nor by the right to call everything
RESET ROLE;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
SELECT loyalty.grant_access('club', 'regress_rights_mallory', 'admin');
SELECT _loyalty.as_owner('club', 'SELECT 1');
SELECT loyalty.backfill('club', 't_rights.orders');
SELECT loyalty.untrack('club', 't_rights.orders');
SELECT * FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club');
SELECT loyalty.drop_program('club', force => true);
SELECT loyalty.change_owner('club', 'regress_rights_mallory');
SELECT _loyalty.record_table('club', 1, false);
RESET ROLE;

-- the levels of access, as the owner grants them
SET ROLE regress_rights_keeper;
SELECT loyalty.grant_access('club', '"regress_rights_Help Desk"', 'read');
SET ROLE "regress_rights_Help Desk";
SELECT customer_id, points, tier FROM club.members ORDER BY 1;
SELECT club.balance(1), club.tier_at(1);
SELECT * FROM loyalty.verify('club');
SELECT unposted FROM loyalty.backlog('club');
CALL loyalty.post('club');
INSERT INTO club.earning_rule (name, points) VALUES ('mine', '1000000');
SET ROLE regress_rights_keeper;
SELECT loyalty.grant_access('club', '"regress_rights_Help Desk"', 'operate');
SET ROLE "regress_rights_Help Desk";
CALL loyalty.post('club');
SELECT unposted FROM loyalty.backlog('club');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('mine', 2, 'true');
SET ROLE regress_rights_keeper;
SELECT loyalty.grant_access('club', '"regress_rights_Help Desk"', 'admin');
SET ROLE "regress_rights_Help Desk";
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('big', '5', 'new.order_id > 100');
UPDATE club.earning_rule SET points = '6' WHERE name = 'big';
DELETE FROM club.earning_rule WHERE name = 'big';
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Silver', 0, 'spend >= 1');
UPDATE club.tier SET qualifies = 'spend >= 2' WHERE name = 'Silver';
DELETE FROM club.tier WHERE name = 'Silver';
INSERT INTO club.exchange_rate (currency, rate) VALUES ('USD', 1.5);
UPDATE club.exchange_rate SET rate = 1.6 WHERE currency = 'USD';
DELETE FROM club.exchange_rate WHERE currency = 'USD';
UPDATE club.program SET on_invalid = 'skip';
SELECT * FROM loyalty.verify('club');
-- what decides is written by the extension, and by nobody who was granted rules
INSERT INTO club.terms_rule (version, award, name, points, applies_when) VALUES (1, 1, 'mine', '1000000', 'true');
UPDATE club.tracked_table SET definition = '{"table": {"customer": "1"}}';
SELECT * FROM club.orders_1_2;
CREATE OR REPLACE VIEW club.orders_1_2 AS SELECT 1 AS customer;
SELECT loyalty.drop_program('club', force => true);
-- nor by saying that he is the extension
SET loyalty.tracking = 'on';
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 9, '(SELECT count(*) > 0 FROM t_rights.secret)');
UPDATE club.tier SET qualifies = '(SELECT count(*) > 0 FROM t_rights.secret)';
INSERT INTO club.earning_rule (name, points, stacking) VALUES ('x', '(SELECT sum(salary) FROM t_rights.secret)', 'add');
UPDATE club.earning_rule SET points = '(SELECT sum(salary) FROM t_rights.secret)';
UPDATE club.tracked_table SET active = false;
RESET loyalty.tracking;
-- not even if the owner grants it
SET ROLE regress_rights_keeper;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON club.terms, club.terms_rule, club.terms_tier, club.tracked_table, club.archived TO "regress_rights_Help Desk";
SET ROLE "regress_rights_Help Desk";
INSERT INTO club.terms_rule (version, award, name, points, applies_when) VALUES (1, 1, 'mine', '(SELECT salary FROM t_rights.secret)', 'true');
UPDATE club.terms_tier SET qualifies = 'true';
DELETE FROM club.terms;
UPDATE club.tracked_table SET definition = '{"table": {"customer": "1"}}';
UPDATE club.tracked_table SET relation = 't_rights.secret' WHERE kind = 'refunds';
TRUNCATE club.archived;
SET ROLE regress_rights_keeper;
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON club.terms, club.terms_rule, club.terms_tier, club.tracked_table, club.archived FROM "regress_rights_Help Desk";
-- who writes rules has the rights of the owner, and no more
BEGIN;
SET LOCAL ROLE "regress_rights_Help Desk";
INSERT INTO club.tier (name, rank, qualifies) VALUES ('spy', 9, $$length(table_to_xml('t_rights.orders', true, true, '')::text) > 0$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('spy2', 10, $$length(table_to_xml('t_rights.secret', true, true, '')::text) > 0$$);
SELECT tier FROM club.members;
ROLLBACK;
RESET ROLE;
-- what cannot be granted is an error that says what to do
REVOKE GRANT OPTION FOR EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_rights_keeper CASCADE;
SET ROLE regress_rights_keeper;
SELECT loyalty.grant_access('club', '"regress_rights_Help Desk"', 'read');
SELECT loyalty.grant_access('club', '"regress_rights_Help Desk"', 'operate');
RESET ROLE;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_rights_keeper WITH GRANT OPTION;

-- 2. a trigger of configuration can't be borrowed: only on the program's own tables
SET ROLE regress_rights_mallory;
CREATE TEMP TABLE earning_rule (name text, points text, applies_when text, per text);
CREATE TRIGGER borrowed BEFORE INSERT ON earning_rule FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_earning_rule');
\set VERBOSITY sqlstate
INSERT INTO earning_rule VALUES ('x', '1', 'true', 'order');
\set VERBOSITY default
DROP TABLE earning_rule;
RESET ROLE;
GRANT USAGE, CREATE ON SCHEMA club TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TABLE club.mine (name text, points text, applies_when text, per text);
CREATE TRIGGER borrowed BEFORE INSERT ON club.mine FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('check_earning_rule');
INSERT INTO club.mine VALUES ('x', '1', 'true', 'order');
CREATE TRIGGER again BEFORE INSERT ON club.mine FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration('record');
CREATE TRIGGER none BEFORE INSERT ON club.mine FOR EACH ROW EXECUTE FUNCTION _loyalty.configuration();
DROP TRIGGER borrowed ON club.mine;
INSERT INTO club.mine VALUES ('x', '1', 'true', 'order');
DROP TRIGGER again ON club.mine;
INSERT INTO club.mine VALUES ('x', '1', 'true', 'order');
DROP TABLE club.mine;
RESET ROLE;
REVOKE USAGE, CREATE ON SCHEMA club FROM regress_rights_mallory;

-- 3. code of the owner of a tracked table never runs as the owner of the program.
-- Every function of the shop tells if it does.
SET ROLE regress_rights_shop;
CREATE FUNCTION t_rights.note(text) RETURNS void LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_rights_shop' THEN
		RAISE WARNING '% ran as %', $1, current_user;
	END IF;
END $$;
CREATE TYPE t_rights.money AS ENUM ('10', '20');
CREATE FUNCTION t_rights.to_numeric(t_rights.money) RETURNS numeric LANGUAGE plpgsql STABLE AS
	'BEGIN PERFORM t_rights.note(''cast''); RETURN $1::text::numeric; END';
CREATE CAST (t_rights.money AS numeric) WITH FUNCTION t_rights.to_numeric(t_rights.money) AS IMPLICIT;
-- the views of the program hold the column; as the table is its own, it can drop them with it
\set VERBOSITY terse
ALTER TABLE t_rights.orders ALTER total TYPE t_rights.money USING '10'::t_rights.money;
\set VERBOSITY default
BEGIN;
DELETE FROM t_rights.orders;
ALTER TABLE t_rights.orders DROP total CASCADE, DROP currency CASCADE;
ALTER TABLE t_rights.orders ADD total t_rights.money, ADD currency text;
SAVEPOINT s;
INSERT INTO t_rights.orders VALUES (3, 1, DEFAULT, '10', NULL);
ROLLBACK TO s;
SET ROLE regress_rights_keeper;
SELECT loyalty.alter_orders('club', 't_rights.orders', amount => 'total', currency => 'currency');
ROLLBACK TO s;
RESET ROLE;
SELECT loyalty.untrack('club', 't_rights.orders');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total');
ROLLBACK TO s;
RESET ROLE;
INSERT INTO t_rights.orders VALUES (3, 1, DEFAULT, '10', NULL);
ROLLBACK TO s;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
ROLLBACK TO s;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.reconcile('club');
ROLLBACK TO s;
RESET ROLE;
SELECT * FROM loyalty.reconcile('club');
ROLLBACK;
-- a key that can be compared by casts of its own
SET ROLE regress_rights_shop;
BEGIN;
CREATE FUNCTION t_rights.to_int(t_rights.money) RETURNS int LANGUAGE plpgsql STABLE AS
	'BEGIN PERFORM t_rights.note(''key cast''); RETURN 1; END';
CREATE CAST (t_rights.money AS int) WITH FUNCTION t_rights.to_int(t_rights.money) AS IMPLICIT;
SAVEPOINT s;
ALTER TABLE t_rights.refunds ALTER order_id TYPE t_rights.money USING '10';
ROLLBACK TO s;
ALTER TABLE t_rights.refunds DROP order_id CASCADE;
ALTER TABLE t_rights.refunds ADD order_id t_rights.money;
SAVEPOINT s;
INSERT INTO t_rights.refunds VALUES (1, 1, '10');
ROLLBACK TO s;
RESET ROLE;
SELECT loyalty.untrack('club', 't_rights.refunds');
SAVEPOINT s;
SET ROLE regress_rights_keeper;
SELECT loyalty.track_refunds('club', 't_rights.refunds', order_key => 'order_id', amount => 'amount');
ROLLBACK TO s;
SELECT loyalty.track_refunds('club', 't_rights.refunds', order_key => 'order_id::int', amount => 'amount');
ROLLBACK TO s;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
ROLLBACK TO s;
ROLLBACK;
-- a domain with a check; a function that fits better; an index on a constant
SET ROLE regress_rights_shop;
CREATE FUNCTION t_rights.is_good(numeric) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN PERFORM t_rights.note(''domain''); RETURN true; END';
CREATE DOMAIN t_rights.price AS numeric CHECK (t_rights.is_good(VALUE));
CREATE FUNCTION t_rights.weight(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1';
GRANT USAGE ON TYPE t_rights.price TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
UPDATE club.earning_rule SET points = 't_rights.weight(amount)';
UPDATE club.earning_rule SET points = 'amount::t_rights.price';
UPDATE club.earning_rule SET points = $$('{1}'::t_rights.price[])[1]$$;
UPDATE club.tier SET qualifies = 't_rights.is_good(spend)';
SELECT loyalty.create_program('other', customers => 't_rights.customers', joined_at => 't_rights.weight(1)::int::text::timestamptz');
RESET ROLE;
CREATE FUNCTION t_rights.weight(int) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1::numeric';
GRANT EXECUTE ON FUNCTION t_rights.weight(int) TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
UPDATE club.earning_rule SET points = 't_rights.weight(new.order_id)';	-- of a superuser
RESET ROLE;
BEGIN;
ALTER FUNCTION t_rights.weight(int) OWNER TO regress_rights_shop;
CREATE OR REPLACE FUNCTION t_rights.weight(int) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM t_rights.note(''weight''); RETURN 1; END';
SAVEPOINT s;
SET ROLE regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (4, 1, DEFAULT, 1, NULL);
ROLLBACK TO s;
RESET ROLE;
INSERT INTO t_rights.orders VALUES (4, 1, DEFAULT, 1, NULL);
ROLLBACK TO s;
SELECT * FROM loyalty.reconcile('club');
ROLLBACK TO s;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.reconcile('club');
ROLLBACK TO s;
SELECT * FROM loyalty.verify('club');
\c -
\set SHOW_CONTEXT always
SET client_min_messages = warning;
BEGIN;
ALTER FUNCTION t_rights.weight(int) OWNER TO regress_rights_shop;
SET SESSION AUTHORIZATION regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (4, 1, DEFAULT, 1, NULL);
ROLLBACK;
RESET SESSION AUTHORIZATION;
\set SHOW_CONTEXT never
SET ROLE regress_rights_keeper;
UPDATE club.earning_rule SET points = 'amount';
SET ROLE regress_rights_shop;
CREATE FUNCTION t_rights.one(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN PERFORM t_rights.note(''index''); RETURN 1; END';
CREATE INDEX evil ON t_rights.orders ((t_rights.one(2) + order_id));
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
SET ROLE regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (5, 1, DEFAULT, 1, NULL);
SET ROLE regress_rights_shop;
DROP INDEX t_rights.evil;
ALTER TABLE t_rights.orders ADD CONSTRAINT evil CHECK (t_rights.one(2) > 0);
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
SET ROLE regress_rights_shop;
ALTER TABLE t_rights.orders DROP CONSTRAINT evil;
-- without a constant, it is as good as any
CREATE INDEX good ON t_rights.orders (t_rights.one(order_id));
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
-- a column gives way to a function of its name; a table to another
SET ROLE regress_rights_shop;
DROP INDEX t_rights.good;
BEGIN;
ALTER TABLE t_rights.orders DROP COLUMN total CASCADE;
CREATE FUNCTION t_rights.total(t_rights.orders) RETURNS numeric LANGUAGE plpgsql STABLE AS
	'BEGIN PERFORM t_rights.note(''total''); RETURN 1; END';
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
RESET ROLE;
SELECT loyalty.untrack('club', 't_rights.orders');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'new.total');
ROLLBACK;
SET ROLE regress_rights_shop;
BEGIN;
ALTER TABLE t_rights.orders RENAME TO old_orders;
CREATE VIEW t_rights.orders AS SELECT o.* FROM t_rights.old_orders o WHERE t_rights.note('view') IS NULL;
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
RESET ROLE;

-- before 16, an empty table can become a view, whose functions run as who reads it
SET ROLE regress_rights_shop;
CREATE TABLE t_rights.guests (id int PRIMARY KEY);
GRANT SELECT ON t_rights.guests TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
SELECT loyalty.create_program('guests', customers => 't_rights.guests');
SET ROLE regress_rights_shop;
ALTER TABLE t_rights.guests DROP CONSTRAINT guests_pkey, ALTER id DROP NOT NULL;
VACUUM t_rights.guests;
DO $$
BEGIN
	CREATE RULE "_RETURN" AS ON SELECT TO t_rights.guests DO INSTEAD SELECT t_rights.one(1) AS id;
EXCEPTION WHEN wrong_object_type THEN
	ASSERT current_setting('server_version_num')::int >= 160000;
END $$;
SET ROLE regress_rights_keeper;
DO $$
DECLARE
	command text;
BEGIN
	FOREACH command IN ARRAY ARRAY['SELECT loyalty.verify(''guests'')', 'CALL loyalty.post(''guests'')', 'SELECT loyalty.reconcile(''guests'')'] LOOP
		BEGIN
			EXECUTE command;
			ASSERT current_setting('server_version_num')::int >= 160000;
		EXCEPTION WHEN wrong_object_type THEN
			ASSERT current_setting('server_version_num')::int < 160000;
		END;
	END LOOP;
END $$;
DROP SCHEMA guests CASCADE;
RESET ROLE;

-- 4. unrelated DDL, and partitions, of roles that have no right on anything of ours
SET ROLE regress_rights_mallory;
CREATE TEMP TABLE parent (a int, b int) PARTITION BY RANGE (a);
CREATE TEMP TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (10);
CREATE TEMP TABLE part2 (a int, b int);
ALTER TABLE parent ATTACH PARTITION part2 FOR VALUES FROM (10) TO (20);
CREATE TEMP TABLE plain (a int);
CREATE TEMP TABLE kid () INHERITS (plain);
ALTER TABLE parent ADD COLUMN c int;
DROP TABLE parent, plain CASCADE;
RESET ROLE;
REVOKE USAGE ON SCHEMA loyalty FROM PUBLIC;
GRANT USAGE ON SCHEMA loyalty TO regress_rights_keeper;
SET ROLE regress_rights_mallory;
CREATE TEMP TABLE parent (a int, b int) PARTITION BY RANGE (a);
CREATE TEMP TABLE part1 PARTITION OF parent FOR VALUES FROM (0) TO (10);
ALTER TABLE parent ADD COLUMN c int;
DROP TABLE parent;
RESET ROLE;
GRANT USAGE ON SCHEMA loyalty TO PUBLIC;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_rights_shop', current_database()); END $$;
SET ROLE regress_rights_shop;
ALTER SCHEMA t_rights RENAME TO t_rights2;
ALTER SCHEMA t_rights2 RENAME TO t_rights;
-- the shop makes a partition of a tracked table: its triggers come by themselves
CREATE TABLE t_rights.sales (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2025-01-01 00:00+00', total numeric) PARTITION BY RANGE (order_id);
GRANT SELECT, UPDATE, TRIGGER ON t_rights.sales TO regress_rights_keeper;
GRANT INSERT ON t_rights.sales TO regress_rights_clerk;
SET ROLE regress_rights_keeper;
SELECT loyalty.track_orders('club', 't_rights.sales', customer => 'customer_id', at => 'at', amount => 'total');
SET ROLE regress_rights_shop;
CREATE TABLE t_rights.sales1 PARTITION OF t_rights.sales FOR VALUES FROM (0) TO (1000);
INSERT INTO t_rights.sales1 VALUES (1, 2, DEFAULT, 7);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_rights.sales1'::regclass;
SET ROLE regress_rights_keeper;
SELECT customer_id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- 5. no table can be locked or looked into without a right on it
SET ROLE regress_rights_mallory;
BEGIN;
SAVEPOINT s;
SELECT _loyalty.parse_expression('salary', 't_rights.secret', NULL, NULL, 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
ROLLBACK TO s;
SELECT _loyalty.parse_expression('1', NULL, 't_rights.secret', NULL, 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
ROLLBACK TO s;
SELECT _loyalty.parse_expression('1', NULL, NULL, 't_rights.secret', 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
ROLLBACK TO s;
SELECT _loyalty.parse_expression('1', 't_rights.orders', NULL, 't_rights.secret', 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
ROLLBACK TO s;
SELECT _loyalty.plain_key('t_rights.secret', 'x', 'salary');
ROLLBACK TO s;
DO $$
DECLARE
	command text;
	view oid := (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'club' AND relname = 'orders_1_2');
BEGIN
	FOREACH command IN ARRAY ARRAY[
		format('SELECT _loyalty.view_expression(%s, NULL, ''key'', false)', view), format('SELECT _loyalty.key_columns(%s)', view),
		format('SELECT _loyalty.key_tells(%s)', view), format('SELECT _loyalty.require_own_view(%s)', view),
		'SELECT _loyalty.definition_of(''club'', 1, 2)', 'SELECT _loyalty.awards_of(''club'', 1, 2)',
		'SELECT _loyalty.parse_rule(''club'', 1, ''x'', ''1'', ''true'', ''order'', ''new'', NULL, false, false)',
		'SELECT _loyalty.parse_award(''club'', 1, ''x'', ''1'', ''true'', ''order'')',
		'SELECT _loyalty.tier_conditions(''club'', 2)', 'SELECT _loyalty.make_views(''club'', 1)', 'SELECT _loyalty.let_go(''club'', 1)',
		'SELECT _loyalty.renew_views(''club'')', 'SELECT _loyalty.make_tiers_view(''club'', 2, ''{true}'')', 'SELECT _loyalty.note_untracked(''club'', 1)',
		'SELECT _loyalty.make_view(''club'', ''orders_1_2'', ''SELECT 1'', '''')', 'SELECT _loyalty.note_paused(''club'', 1)',
		'SELECT loyalty.pause(''club'', ''t_rights.orders'')', 'SELECT loyalty.resume(''club'', ''t_rights.orders'')',
		'SELECT loyalty.alter_orders(''club'', ''t_rights.orders'', amount => ''1'')', 'SELECT loyalty.alter_refunds(''club'', ''t_rights.refunds'', amount => ''1'')']
	LOOP
		BEGIN
			EXECUTE command;
			RAISE WARNING 'allowed: %', command;
		EXCEPTION WHEN insufficient_privilege THEN
			NULL;
		END;
	END LOOP;
END $$;
ROLLBACK TO s;
SELECT _loyalty.create_triggers('club', 1, 't_rights.secret');
ROLLBACK TO s;
SELECT _loyalty.tier_for((SELECT settings FROM loyalty.programs), 1, 1, 1, 1, NULL, NULL, NULL, now(), NULL);
ROLLBACK TO s;
SELECT _loyalty.lock_tracked_tables('club', '{1}');
ROLLBACK TO s;
SELECT count(*) FROM _loyalty.descendants('t_rights.secret');
SELECT relation::regclass, mode FROM pg_locks
 WHERE pid = pg_backend_pid() AND relation IN ('t_rights.secret'::regclass, 't_rights.orders'::regclass, (SELECT settings FROM loyalty.programs));
ROLLBACK;
-- who may read a column may name it
SET ROLE regress_rights_shop;
GRANT SELECT (salary) ON t_rights.secret TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
SELECT expression FROM _loyalty.parse_expression('salary', 't_rights.secret', NULL, NULL, 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
SET ROLE regress_rights_shop;
REVOKE SELECT (salary) ON t_rights.secret FROM regress_rights_mallory;

-- 6. a superuser who calls never runs code of the owner as superuser.  All that can
-- be of the owner's making is, and notes as whom it ran.
RESET ROLE;
GRANT CREATE ON SCHEMA t_rights TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
CREATE FUNCTION t_rights.spy(what text, value anyelement) RETURNS anyelement LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user <> 'regress_rights_keeper' THEN
		RAISE WARNING '% ran as %', what, current_user;
	END IF;
	IF current_setting('search_path') NOT LIKE 'pg_catalog, %' THEN
		RAISE WARNING '% ran with search_path %', what, current_setting('search_path');
	END IF;
	RETURN value;
END $$;
CREATE FUNCTION t_rights.spy_check(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN t_rights.spy(''domain'', $1) IS NOT NULL; END';
CREATE FUNCTION t_rights.spy_trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM t_rights.spy(''trigger'', 1); RETURN coalesce(NEW, OLD); END';
CREATE DOMAIN t_rights.email AS text CHECK (t_rights.spy_check(VALUE));
CREATE TABLE t_rights.people (email t_rights.email PRIMARY KEY, since timestamptz DEFAULT '2020-01-01 00:00+00');
SET search_path = pg_catalog, t_rights;
INSERT INTO t_rights.people VALUES ('a@x'), ('b@x');
CREATE TABLE t_rights.bills (id int PRIMARY KEY, email t_rights.email, at timestamptz DEFAULT '2025-01-01 00:00+00', total numeric, currency text);
CREATE TABLE t_rights.bill_refunds (id int PRIMARY KEY, bill int, amount numeric);
SELECT loyalty.create_program('spied', customers => 't_rights.people', joined_at => $$t_rights.spy('joined_at', since)$$);
INSERT INTO spied.earning_rule (name, points, applies_when) VALUES
	('one', $$t_rights.spy('points', amount)$$, $$t_rights.spy('applies_when', true)$$);
INSERT INTO spied.tier (name, rank, qualifies) VALUES ('Gold', 1, $$t_rights.spy('tier', true) AND tenure > '0'$$);
ALTER TABLE spied.tracked_table ALTER active SET DEFAULT t_rights.spy('default', true);
ALTER TABLE spied.account ALTER version SET DEFAULT t_rights.spy('default', 0::bigint);
CREATE TRIGGER spy BEFORE INSERT OR UPDATE ON spied.tracked_table FOR EACH ROW EXECUTE FUNCTION t_rights.spy_trigger();
CREATE TRIGGER spy BEFORE INSERT OR UPDATE ON spied.account FOR EACH ROW EXECUTE FUNCTION t_rights.spy_trigger();
CREATE TRIGGER spy BEFORE INSERT ON spied.terms_rule FOR EACH ROW EXECUTE FUNCTION t_rights.spy_trigger();
CREATE OR REPLACE VIEW spied.recorded_orders AS
SELECT DISTINCT ON (customer, tracked_table, order_key) *
  FROM (SELECT customer, tracked_table, order_key, revision, at, recorded_at, terms, t_rights.spy('view', counts) AS counts, amount, awards, currency, rate, available_at, parts, allotted, event, member FROM spied.ledger
        UNION ALL
        SELECT customer, tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, available_at, parts, allotted, event, member FROM spied.journal) e
 ORDER BY customer, tracked_table, order_key, revision DESC;
INSERT INTO t_rights.bills VALUES (1, 'a@x', DEFAULT, 10, NULL), (2, 'b@x', DEFAULT, 20, NULL);
RESET ROLE;
SET search_path = t_rights, public;
SELECT loyalty.track_orders('spied', 'bills', customer => $$t_rights.spy('customer', email)$$, at => $$t_rights.spy('at', at)$$,
	amount => $$t_rights.spy('amount', total)$$, counts_when => $$t_rights.spy('counts_when', true)$$,
	order_key => $$t_rights.spy('order_key', id)$$, currency => $$t_rights.spy('currency', currency)$$, backfill => false, key_is_unique => true);
SELECT loyalty.backfill('spied', 'bills');
SELECT loyalty.track_refunds('spied', 'bill_refunds', order_key => $$t_rights.spy('refund', bill)$$, amount => $$t_rights.spy('refund', amount)$$);
INSERT INTO bill_refunds VALUES (1, 1, 5);
UPDATE bills SET total = 21 WHERE id = 2;
UPDATE spied.earning_rule SET points = $$t_rights.spy('points', 2 * amount)$$;
SELECT unposted FROM loyalty.backlog('spied');
SELECT * FROM loyalty.verify('spied');
CALL loyalty.post('spied', 1);
UPDATE bills SET total = 22 WHERE id = 2;
TRUNCATE bill_refunds;
ALTER TABLE bills DISABLE TRIGGER USER;
UPDATE bills SET total = 40 WHERE id = 1;
DELETE FROM bills WHERE id = 2;
ALTER TABLE bills ENABLE TRIGGER USER;
SELECT recorded, archived, reversed FROM loyalty.reconcile('spied');
CALL loyalty.post('spied');
SELECT * FROM loyalty.verify('spied');
SELECT loyalty.grant_access('spied', 'regress_rights_clerk', 'admin');
SET ROLE regress_rights_keeper;
SET search_path = pg_catalog, t_rights;
-- order 1 is 40 now, by the rule that it was first recorded under; order 2 is gone
SELECT email, points, tier FROM spied.members ORDER BY 1;
RESET ROLE;
-- 8. what the owner planted is not handed over
\set VERBOSITY terse
SELECT loyalty.change_owner('spied', 'regress_rights_shop');
RESET search_path;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_rights_shop;
\set VERBOSITY default
SELECT loyalty.change_owner('spied', 'postgres');
SELECT loyalty.untrack('spied', 't_rights.bills');
SELECT loyalty.drop_program('spied');
SELECT loyalty.drop_program('spied', force => true);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_rights.bills'::regclass;

-- a program that is handed over, by the book: functions of the old owner are his
SET ROLE regress_rights_keeper;
CREATE SCHEMA mine;
CREATE FUNCTION mine.twice(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT 2 * $1';
UPDATE club.earning_rule SET points = 'mine.twice(amount)';
CREATE FUNCTION club.planted() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE INDEX planted ON club.ledger ((order_points + 1));
CREATE INDEX plain ON club.ledger (order_points);
ALTER TABLE club.exchange_rate ADD COLUMN planted text DEFAULT lower('X'), ADD COLUMN plain int;
CREATE TABLE mine.child () INHERITS (club.terms_rule);
CREATE RULE planted AS ON INSERT TO club.exchange_rate DO ALSO SELECT 1;
CREATE POLICY planted ON club.exchange_rate USING (true);
ALTER TABLE club.tier ADD CONSTRAINT planted CHECK (name <> 'x');
CREATE TYPE club.planted AS ENUM ('a');
CREATE OPERATOR club.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE STATISTICS club.planted ON (name), (rank) FROM club.tier;
CREATE OR REPLACE FUNCTION club.balance(customer numeric, at timestamptz DEFAULT NULL) RETURNS numeric LANGUAGE sql AS 'SELECT 1::numeric';
GRANT TRIGGER ON club.account TO public;
GRANT UPDATE (qualifies) ON club.terms_tier TO regress_rights_mallory;
GRANT CREATE ON SCHEMA club TO regress_rights_mallory;
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
SET ROLE regress_rights_keeper;
SELECT loyalty.change_owner('club', 'regress_rights_keeper');
DROP FUNCTION club.planted();
DROP INDEX club.planted;
ALTER TABLE club.exchange_rate DROP COLUMN planted;
DROP TABLE mine.child;
DROP RULE planted ON club.exchange_rate;
DROP POLICY planted ON club.exchange_rate;
ALTER TABLE club.tier DROP CONSTRAINT planted;
DROP TYPE club.planted;
DROP OPERATOR club.=== (int, int);
DROP STATISTICS club.planted;
CREATE OR REPLACE FUNCTION club.balance(customer numeric, at timestamptz DEFAULT NULL) RETURNS numeric LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp AS 'SELECT 1::numeric';
REVOKE TRIGGER ON club.account FROM public;
REVOKE UPDATE (qualifies) ON club.terms_tier FROM regress_rights_mallory;
REVOKE CREATE ON SCHEMA club FROM regress_rights_mallory;
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
-- what a function was, nobody knows by heart: another program tells
DO $$
DECLARE
	definition text;
BEGIN
	PERFORM loyalty.create_program('p_other', customers => 't_rights.customers');
	definition := replace(pg_get_functiondef('p_other.balance'::regproc), 'p_other.', 'club.');
	PERFORM loyalty.drop_program('p_other', force => true);
	SET LOCAL ROLE regress_rights_keeper;
	EXECUTE definition;
END $$;
RESET ROLE;
-- the rules are read as the new owner: at once, not at the next checkout
SELECT loyalty.change_owner('club', 'postgres');
SET ROLE regress_rights_keeper;
UPDATE club.earning_rule SET points = 'amount';
RESET ROLE;
-- versions of the terms under which orders may be recorded count, too
SELECT loyalty.change_owner('club', 'postgres');
UPDATE club.terms_rule SET points = 'amount' WHERE points LIKE '%twice%';
-- what the views say is taken from them as expressions, and nothing else that the old
-- owner may have written into them: in a rule, beside the rules, in a tier, in a view
-- of no table, in what was let go of
CREATE FUNCTION t_rights.plant(view text, pattern text, planted text) RETURNS void LANGUAGE plpgsql SET loyalty.tracking = 'on' AS $$
DECLARE
	query text := regexp_replace(pg_get_viewdef(view::regclass), pattern, planted);
BEGIN
	ASSERT query LIKE '%salary%';
	EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', view, query);
END $$;
GRANT EXECUTE ON FUNCTION t_rights.plant(text, text, text) TO regress_rights_keeper;
SELECT format('club.orders_1_%s', terms) AS orders, format('club.tiers_%s', terms) AS tiers FROM club.program \gset
\set VERBOSITY terse
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SELECT t_rights.plant(:'orders', 'THEN purchase\.amount(\s+ELSE NULL::numeric\s+END\s+ELSE NULL::numeric\s+END AS award_1)', 'THEN (SELECT max(salary) FROM t_rights.secret)\1');
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SELECT t_rights.plant('club.orders_1', '(tracked\.)?customer_id AS customer', '(SELECT max(salary) FROM t_rights.secret)::int AS customer');
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
SELECT pg_get_viewdef('club.orders_1') ~ 'salary' AS planted;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SELECT t_rights.plant('club.refunds_2', 'refund.amount', '(SELECT max(salary) FROM t_rights.secret)');
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SELECT t_rights.plant(:'tiers', ' SELECT .*FROM', 'SELECT (SELECT max(salary) > 0 FROM t_rights.secret) AS tier_1 FROM');
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
CREATE VIEW club.orders_77_1 AS SELECT max(salary) FROM t_rights.secret;
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SET LOCAL loyalty.tracking = 'on';
CREATE VIEW club.orders_77_1 AS SELECT max(salary) FROM t_rights.secret;
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
ROLLBACK;
BEGIN;
SET LOCAL ROLE regress_rights_keeper;
SELECT t_rights.plant(:'orders', 'ELSE NULL::numeric\s+END AS awards', 'ELSE (SELECT max(salary) FROM t_rights.secret) END AS awards');
SELECT t_rights.plant(:'orders', ';$', ' WHERE (SELECT max(salary) FROM t_rights.secret) IS NULL');
RESET ROLE;
SELECT loyalty.change_owner('club', 'postgres');
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND c.relkind = 'v' AND pg_get_viewdef(c.oid) ~ 'secret';
SELECT * FROM loyalty.verify('club');
ROLLBACK;
BEGIN;
SELECT loyalty.untrack('club', 't_rights.sales');
SET LOCAL ROLE regress_rights_keeper;
SET LOCAL loyalty.tracking = 'on';
UPDATE club.tracked_table SET definition = jsonb_set(definition, ARRAY['awards', (SELECT terms::text FROM club.program), '1'], '"(SELECT max(salary) FROM t_rights.secret)"')
 WHERE relation = 't_rights.sales'::regclass;
RESET ROLE;
RESET loyalty.tracking;
SELECT loyalty.change_owner('club', 'postgres');
SELECT loyalty.track_orders('club', 't_rights.sales', customer => 'customer_id', at => 'at', amount => 'total');
ROLLBACK;
BEGIN;
SELECT loyalty.untrack('club', 't_rights.orders');
SET LOCAL ROLE regress_rights_keeper;
SET LOCAL loyalty.tracking = 'on';
UPDATE club.tracked_table SET definition = jsonb_set(definition, '{table,amount}', '"(SELECT max(salary) FROM t_rights.secret)"') WHERE kind = 'refunds';
RESET ROLE;
RESET loyalty.tracking;
SELECT loyalty.change_owner('club', 'postgres');
SELECT loyalty.track_orders('club', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total');
ROLLBACK;
\set VERBOSITY default
DROP FUNCTION t_rights.plant(text, text, text);
SELECT loyalty.change_owner('club', 'postgres');
SELECT owner FROM loyalty.programs;
SELECT club.balance(1);
SELECT DISTINCT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.change_owner('club', 'regress_rights_keeper');
SET ROLE regress_rights_keeper;
SELECT * FROM loyalty.verify('club');

-- 7. tables of anybody, with triggers of the program's name, stop nobody
SET ROLE regress_rights_mallory;
CREATE TEMP TABLE fake (order_id int, customer_id int, at timestamptz, total numeric);
CREATE TRIGGER loyalty_insert_club_1 AFTER INSERT ON fake REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.record('club', '1');
RESET ROLE;
GRANT CREATE ON SCHEMA t_rights TO regress_rights_mallory;
SET ROLE regress_rights_mallory;
CREATE TABLE t_rights.fake (order_id int, customer_id int, at timestamptz, total numeric);
CREATE TRIGGER loyalty_insert_club_1 AFTER INSERT ON t_rights.fake REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.record('club', '1');
CREATE TRIGGER loyalty_delete_club_9 AFTER DELETE ON t_rights.fake REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.record('club', '2', 'lines');
INSERT INTO t_rights.fake VALUES (1, 1, '2020-01-01', 1000000);
-- nor in a name that a trigger of ours has
SET ROLE regress_rights_shop;
GRANT TRIGGER ON t_rights.sales TO regress_rights_mallory;
DROP TRIGGER loyalty_delete_club_3 ON t_rights.sales;
SET ROLE regress_rights_mallory;
CREATE TRIGGER loyalty_delete_club_3 AFTER DELETE ON t_rights.sales FOR EACH STATEMENT EXECUTE FUNCTION suppress_redundant_updates_trigger();
SET ROLE regress_rights_keeper;
SELECT violation, detail FROM loyalty.verify('club');
SELECT relation, triggers_made FROM loyalty.reconcile('club');
SET ROLE regress_rights_shop;
DROP TRIGGER loyalty_delete_club_3 ON t_rights.sales;
-- a partition that was detached belongs to the owner of the table: its triggers go
ALTER TABLE t_rights.sales DETACH PARTITION t_rights.sales1;
RESET ROLE;
SELECT relation, triggers_made FROM loyalty.reconcile('club');
SELECT tgrelid::regclass, count(*) FROM pg_trigger WHERE tgfoid = '_loyalty.record'::regproc AND tgrelid::regclass::text ~ 'fake|sales1' GROUP BY 1 ORDER BY tgrelid::regclass::text COLLATE "C";
-- the keeper may make triggers on the tables of the shop, but only their owner may drop them
SET ROLE regress_rights_keeper;
SELECT loyalty.untrack('club', 't_rights.orders');
RESET ROLE;
SELECT loyalty.untrack('club', 't_rights.orders');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_rights.orders'::regclass;
SELECT * FROM loyalty.verify('club');
-- what a program says it tracks is its owner's word: no superuser makes triggers by it
SET ROLE regress_rights_shop;
CREATE TABLE t_rights.copy (LIKE t_rights.orders INCLUDING ALL);
GRANT SELECT ON t_rights.copy TO regress_rights_keeper;
SET ROLE regress_rights_keeper;
UPDATE club.tracked_table SET relation = 't_rights.secret' WHERE relation = 't_rights.sales'::regclass;
UPDATE club.tracked_table SET relation = 't_rights.copy' WHERE relation = 't_rights.sales'::regclass;
RESET ROLE;
SELECT relation, triggers_made FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);
SELECT tgrelid::regclass, count(*) FROM pg_trigger WHERE tgfoid = '_loyalty.record'::regproc GROUP BY 1 ORDER BY tgrelid::regclass::text COLLATE "C";

-- 9. errors tell nothing of the rules to who inserts orders, whenever they come
SET ROLE regress_rights_keeper;
CREATE FUNCTION mine.secret_rate(numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF $1 = 1 THEN
		RAISE 'the secret is 777' USING DETAIL = '777', HINT = '777', TABLE = '777', COLUMN = '777', DATATYPE = '777', CONSTRAINT = '777', SCHEMA = '777';
	ELSIF $1 = 2 THEN
		RETURN 'secret 777';
	ELSIF $1 = 3 THEN
		RETURN 777 / ($1 - 3);
	END IF;
	RETURN $1;
END $$;
SELECT loyalty.create_program('quiet', customers => 't_rights.customers');
INSERT INTO quiet.earning_rule (name, points) VALUES ('hush', 'mine.secret_rate(amount) + 777');
SELECT loyalty.track_orders('quiet', 't_rights.orders', customer => 'customer_id', at => 'at', amount => 'total', backfill => false);
\set SHOW_CONTEXT always
RESET ROLE;
SET SESSION AUTHORIZATION regress_rights_clerk;
DO $$
DECLARE
	said text;
	d text; h text; c text; t text; n text; state text;
BEGIN
	FOR i IN 1 .. 3 LOOP
		BEGIN
			INSERT INTO t_rights.orders VALUES (100, 1, DEFAULT, i, NULL);
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS said = MESSAGE_TEXT, d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT, c = PG_EXCEPTION_CONTEXT,
				t = TABLE_NAME, n = CONSTRAINT_NAME, state = RETURNED_SQLSTATE;
			RAISE WARNING '% [%] [%] [%] [%] [%] secret: %', state, said, d, h, t, n, concat(said, d, h, c, t, n) ~ '777|secret';
		END;
	END LOOP;
END $$;
INSERT INTO t_rights.orders VALUES (101, 1, DEFAULT, 2, NULL);
RESET SESSION AUTHORIZATION;
-- the function cannot go but with the view, and then the session is new
DROP FUNCTION mine.secret_rate(numeric);
\c -
\set SHOW_CONTEXT always
SET client_min_messages = warning;
BEGIN;
DROP FUNCTION mine.secret_rate(numeric) CASCADE;
SET SESSION AUTHORIZATION regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (101, 1, DEFAULT, 4, NULL);
ROLLBACK;
-- the function is of somebody else
ALTER FUNCTION mine.secret_rate(numeric) OWNER TO regress_rights_shop;
\c -
\set SHOW_CONTEXT always
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (101, 1, DEFAULT, 4, NULL);
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_rights_keeper;
-- the owner is told
DO $$
DECLARE
	said text;
BEGIN
	DELETE FROM t_rights.orders WHERE order_id = 1;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS said = MESSAGE_TEXT;
	RAISE WARNING 'the owner is told: %', said;
END $$;
RESET SESSION AUTHORIZATION;
ALTER FUNCTION mine.secret_rate(numeric) OWNER TO regress_rights_keeper;
-- a table that the program needs is gone
ALTER TABLE quiet.terms_rule RENAME TO secret_rules;
\c -
\set SHOW_CONTEXT always
SET client_min_messages = warning;
SET SESSION AUTHORIZATION regress_rights_clerk;
INSERT INTO t_rights.orders VALUES (101, 1, DEFAULT, 4, NULL);
RESET SESSION AUTHORIZATION;
ALTER TABLE quiet.secret_rules RENAME TO terms_rule;
\set SHOW_CONTEXT never
SELECT loyalty.drop_program('quiet', force => true);

-- 10. the settings of who inserts never reach code of the owner's choice: the check
-- of a domain is no function that any expression names
SET ROLE regress_rights_keeper;
CREATE FUNCTION mine.is_email(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RETURN lower($1) LIKE '%@%' AND '1 day'::interval::text = '1 day' AND 0.1::float8::text = '0.1'
	       AND '\x01'::bytea::text = '\x01' AND ('2024-02-01'::date)::text = '2024-02-01';
END $$;
CREATE DOMAIN mine.email AS text CHECK (mine.is_email(VALUE));
CREATE TABLE mine.people (email mine.email PRIMARY KEY);
SET DateStyle = 'ISO, MDY';
INSERT INTO mine.people VALUES ('a@x'), ('b@x');
CREATE TABLE mine.orders (order_id bytea PRIMARY KEY, email text, at timestamptz DEFAULT '2025-01-01 00:00+00', total float8);
GRANT USAGE ON SCHEMA mine TO regress_rights_clerk;
GRANT SELECT, INSERT, UPDATE ON mine.orders TO regress_rights_clerk;
SELECT loyalty.create_program('mail', customers => 'mine.people');
INSERT INTO mail.earning_rule (name, points, applies_when) VALUES ('one', 'amount', 'true'),
	('nulls', '1000', $$array_position('{NULL}'::text[], NULL) IS NULL OR 'a\b' <> E'a\\b'$$);	-- never
INSERT INTO mail.tier (name, rank, qualifies) VALUES ('exact', 1, $$first_order_at::text = '2025-01-01 00:00:00+00' OR spend::float8::text = '0.30000000000000004'$$);
SELECT loyalty.track_orders('mail', 'mine.orders', customer => 'email', at => 'at', amount => 'total');
RESET ROLE;
CREATE SCHEMA t_rights_evil AUTHORIZATION regress_rights_clerk;
\c -
SET client_min_messages = warning;
SET ROLE regress_rights_clerk;
CREATE FUNCTION t_rights_evil.lower(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE WARNING 'lower ran as %', current_user;
	RETURN $1;
END $$;
GRANT USAGE ON SCHEMA t_rights_evil TO public;
GRANT EXECUTE ON FUNCTION t_rights_evil.lower(text) TO public;
SET search_path = t_rights_evil, pg_catalog;
SET bytea_output = 'escape';
SET extra_float_digits = -15;
SET IntervalStyle = 'iso_8601';
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SET array_nulls = off;
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET quote_all_identifiers = on;
SET transform_null_equals = on;
SET bytea_output = 'escape';
INSERT INTO mine.orders VALUES (E'\\x01', 'a@x', DEFAULT, 10);
SET bytea_output = 'hex';
UPDATE mine.orders SET total = 11;
SET bytea_output = 'escape';
INSERT INTO mine.orders VALUES (E'\\x02', 'b@x', DEFAULT, 20), (E'\\x03', 'b@x', DEFAULT, 30);
UPDATE mine.orders SET total = total + 1 WHERE email = 'b@x';
RESET ROLE;
-- under the same settings, of a superuser
CALL loyalty.post('mail');
SELECT * FROM loyalty.verify('mail');
SELECT recorded, reversed FROM loyalty.reconcile('mail');
RESET ALL;
SET client_min_messages = warning;
SELECT email, points, orders, tier FROM mail.members ORDER BY 1;
SELECT order_key, points FROM mail.entries ORDER BY email, entry;
SELECT * FROM loyalty.verify('mail');
SELECT loyalty.drop_program('mail', force => true);

-- a role that is given a program must be able to read its tables, and is told by which grants
ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM regress_rights_mallory;
CREATE ROLE "regress_rights_New Keeper";
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO "regress_rights_New Keeper";
CREATE SCHEMA "t_rights Old";
CREATE TABLE "t_rights Old".customers (id int PRIMARY KEY, secret text);
CREATE TABLE "t_rights Old"."Orders" (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2025-01-01 00:00+00', total numeric);
CREATE TABLE "t_rights Old".refunds (id int, amount numeric);
INSERT INTO "t_rights Old".customers VALUES (1);
SELECT loyalty.create_program('given', customers => '"t_rights Old".customers');
INSERT INTO given.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('given', '"t_rights Old"."Orders"', customer => 'customer', at => 'at', amount => 'total');
SELECT loyalty.track_refunds('given', '"t_rights Old".refunds', order_key => 'id', amount => 'amount');
INSERT INTO "t_rights Old"."Orders" VALUES (1, 1, DEFAULT, 10);
SELECT loyalty.change_owner('given', '"regress_rights_New Keeper"');
GRANT SELECT ON "t_rights Old"."Orders" TO "regress_rights_New Keeper";
GRANT SELECT (id) ON "t_rights Old".customers TO "regress_rights_New Keeper";
SELECT loyalty.change_owner('given', '"regress_rights_New Keeper"');
-- the hint works
GRANT USAGE ON SCHEMA "t_rights Old" TO "regress_rights_New Keeper"; GRANT SELECT ON "t_rights Old".refunds TO "regress_rights_New Keeper";
SELECT loyalty.change_owner('given', '"regress_rights_New Keeper"');
SELECT owner FROM loyalty.programs WHERE name = 'given';
INSERT INTO "t_rights Old".refunds VALUES (1, 4);
SELECT id, points FROM given.members;
SELECT * FROM loyalty.verify('given');
SELECT loyalty.drop_program('given', force => true);
DROP SCHEMA "t_rights Old" CASCADE;
DROP OWNED BY "regress_rights_New Keeper";
DROP ROLE "regress_rights_New Keeper";

-- the end
DROP SCHEMA mine, t_rights, t_rights_evil CASCADE;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_rights_keeper, regress_rights_shop', current_database()); END $$;
ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON ROUTINES TO PUBLIC;
ALTER DEFAULT PRIVILEGES GRANT USAGE ON TYPES TO PUBLIC;
DROP EXTENSION loyalty;
CREATE EXTENSION loyalty;
DROP OWNED BY regress_rights_keeper, regress_rights_shop, regress_rights_clerk, regress_rights_mallory, "regress_rights_Help Desk";
DROP ROLE regress_rights_keeper, regress_rights_shop, regress_rights_clerk, regress_rights_mallory, "regress_rights_Help Desk";
