-- Who may do what, and the rules that every function of the extension keeps.
\set SHOW_CONTEXT never
SET client_min_messages = warning;

-- lint: members of the extension
SELECT p.oid::regprocedure AS without_comment FROM pg_proc p
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'loyalty'
 WHERE obj_description(p.oid, 'pg_proc') IS NULL;
-- (a procedure that commits can't have one: loyalty.post qualifies every name)
SELECT p.oid::regprocedure AS without_search_path FROM pg_proc p
  JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
  JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'loyalty'
  JOIN pg_language l ON l.oid = p.prolang
 WHERE l.lanname NOT IN ('c', 'internal') AND NOT coalesce(p.proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)
 ORDER BY 1;
SELECT p.oid::regprocedure AS definer FROM pg_proc p WHERE pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND prosecdef;
SELECT p.oid::regprocedure AS public_and_changes_data FROM pg_proc p
 WHERE pronamespace IN ('loyalty'::regnamespace, '_loyalty'::regnamespace) AND provolatile = 'v' AND prorettype <> 'trigger'::regtype
   AND has_function_privilege('public', p.oid, 'EXECUTE') ORDER BY 1;

CREATE SCHEMA t_security;
CREATE TABLE t_security.customers (customer_id int PRIMARY KEY);
INSERT INTO t_security.customers VALUES (1);
CREATE TABLE t_security.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_security.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_security.orders', customer => 'customer_id', at => 'at', amount => 'total');

-- a role that may insert orders and nothing else records points
CREATE ROLE regress_loyalty_clerk;
GRANT USAGE ON SCHEMA t_security TO regress_loyalty_clerk;
GRANT INSERT ON t_security.orders TO regress_loyalty_clerk;
SET ROLE regress_loyalty_clerk;
INSERT INTO t_security.orders VALUES (1, 1, '2020-01-01', 10);
SELECT * FROM club.members;
SELECT loyalty.create_program('mine', customers => 't_security.customers');
SELECT loyalty.drop_program('club', force => true);
CALL loyalty.post('club');
CREATE TEMP TABLE mine (order_id int, customer_id int, at timestamptz, total numeric);
-- the recording function can't be borrowed for a table of one's own
CREATE TRIGGER borrowed AFTER INSERT ON mine REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION _loyalty.record('club', '1');
INSERT INTO mine VALUES (1, 1, '2020-01-01', 1000000);
CREATE TRIGGER row_trigger BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION _loyalty.record('club', '1');
DROP TRIGGER borrowed ON mine;
INSERT INTO mine VALUES (1, 1, '2020-01-01', 1000000);
RESET ROLE;
SELECT customer_id, points FROM club.members;
SELECT * FROM loyalty.verify('club');

-- sets of grants: read, operate, admin
CREATE ROLE regress_loyalty_helper;
SELECT loyalty.grant_access('club', 'regress_loyalty_helper', 'everything');
SELECT loyalty.grant_access('club', 'regress_loyalty_helper', 'read');
SET ROLE regress_loyalty_helper;
SELECT customer_id, points FROM club.members;
SELECT order_key, points FROM club.entries;
SELECT club.balance(1), club.tier_at(1);
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
INSERT INTO club.earning_rule (name, points) VALUES ('mine', '1000000');
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_loyalty_helper', 'operate');
SET ROLE regress_loyalty_helper;
CALL loyalty.post('club');
SELECT * FROM loyalty.backlog('club');
DELETE FROM club.journal;
UPDATE club.ledger SET order_points = 0;
INSERT INTO club.ledger SELECT * FROM club.ledger;
RESET ROLE;
SELECT loyalty.grant_access('club', 'regress_loyalty_helper', 'admin');
SET ROLE regress_loyalty_helper;
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('big', '5', 'order_id > 100');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Silver', 1, 'spend >= 10');
UPDATE club.program SET rounding = 'ceil';
SELECT customer_id, tier, points FROM club.members;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
RESET ROLE;
DROP OWNED BY regress_loyalty_helper;
DROP ROLE regress_loyalty_helper;

-- expressions run with the owner's rights and a fixed search_path
CREATE FUNCTION t_security.who(numeric) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF current_user <> 'regress_loyalty_owner' OR current_setting('search_path') <> 'pg_catalog, pg_temp' THEN
		RAISE 'ran as % with search_path %', current_user, current_setting('search_path');
	END IF;
	RETURN $1;
END $$;
SELECT loyalty.drop_program('club', force => true);
CREATE ROLE regress_loyalty_owner;
GRANT USAGE ON SCHEMA t_security TO regress_loyalty_owner;
ALTER TABLE t_security.customers OWNER TO regress_loyalty_owner;
ALTER TABLE t_security.orders OWNER TO regress_loyalty_owner;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty, _loyalty TO regress_loyalty_owner;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA loyalty, _loyalty TO regress_loyalty_owner;
SET ROLE regress_loyalty_owner;
\set VERBOSITY sqlstate
SELECT loyalty.create_program('club', customers => 't_security.customers');	-- no right to create
\set VERBOSITY default
RESET ROLE;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_loyalty_owner', current_database()); END $$;
SET ROLE regress_loyalty_owner;
SELECT loyalty.create_program('club', customers => 't_security.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('who', 't_security.who(amount)');
SELECT loyalty.track_orders('club', 't_security.orders', customer => 'customer_id', at => 'at', amount => 'total', backfill => false);
SELECT loyalty.backfill('club', 't_security.orders');
RESET ROLE;
SET ROLE regress_loyalty_clerk;
INSERT INTO t_security.orders VALUES (2, 1, '2020-01-01', 10);
RESET ROLE;
SELECT customer_id, points FROM club.members;
-- errors tell nothing of the rules to who may not read them: on its row, and on its lines
SET ROLE regress_loyalty_owner;
UPDATE club.earning_rule SET points = 't_security.who(amount / (amount - 7))';
CREATE TABLE club.lines (order_id int, price numeric);
GRANT USAGE ON SCHEMA club TO regress_loyalty_clerk;
GRANT INSERT ON club.lines TO regress_loyalty_clerk;
SELECT loyalty.untrack('club', 't_security.orders');
SELECT loyalty.track_orders('club', 't_security.orders', customer => 'customer_id', at => 'at', amount => 'total',
                            lines => 'club.lines', line_order => 'order_id', line_amount => 'price');
RESET ROLE;
\set SHOW_CONTEXT always
SET SESSION AUTHORIZATION regress_loyalty_clerk;
INSERT INTO t_security.orders VALUES (3, 1, '2020-01-01', 7);
DO $$ BEGIN INSERT INTO t_security.orders VALUES (3, 1, '2020-01-01', 7); END $$;
INSERT INTO t_security.orders VALUES (3, 1, '2020-01-01', 8);
SET SESSION AUTHORIZATION regress_loyalty_owner;
DO $$
DECLARE
	context text;
BEGIN
	INSERT INTO t_security.orders VALUES (4, 1, '2020-01-01', 7);
EXCEPTION WHEN division_by_zero THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE WARNING 'the owner is told: %', context LIKE '%FROM club.orders_1_%recording orders%';
END $$;
UPDATE club.earning_rule SET points = 'amount';
\set SHOW_CONTEXT never
RESET SESSION AUTHORIZATION;

-- row security changes nothing of what is recorded: whoever sees what, and if rows
-- are changed by who can't read them
SET ROLE regress_loyalty_owner;
ALTER TABLE t_security.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE club.lines ENABLE ROW LEVEL SECURITY;
CREATE POLICY clerks_insert ON t_security.orders FOR INSERT TO regress_loyalty_clerk WITH CHECK (true);
CREATE POLICY clerks_insert ON club.lines FOR INSERT TO regress_loyalty_clerk WITH CHECK (true);
GRANT SELECT ON t_security.orders, club.lines TO regress_loyalty_clerk;
SET ROLE regress_loyalty_clerk;
INSERT INTO t_security.orders VALUES (10, 1, '2020-01-01', 100), (11, 1, '2020-01-01', 200);
INSERT INTO club.lines VALUES (10, 1);
SELECT count(*) AS visible FROM t_security.orders;
SET ROLE regress_loyalty_owner;
SELECT customer_id, points, orders FROM club.members;
SELECT * FROM loyalty.verify('club');
-- the owner must be able to read all rows: else the checkout goes on, and one is told
ALTER TABLE club.lines FORCE ROW LEVEL SECURITY;
SET ROLE regress_loyalty_clerk;
INSERT INTO t_security.orders VALUES (12, 1, '2020-01-01', 100);
INSERT INTO club.lines VALUES (12, 1);
SET ROLE regress_loyalty_owner;
SELECT * FROM loyalty.verify('club');
SELECT * FROM loyalty.reconcile('club');
-- no policy is enough, and what the hint says is: 12 is recorded as soon as something of it changes
CREATE POLICY all_rows ON club.lines TO regress_loyalty_owner USING (true);
SET ROLE regress_loyalty_clerk;
INSERT INTO club.lines VALUES (12, 1);
RESET ROLE;
BEGIN;
ALTER ROLE regress_loyalty_owner BYPASSRLS;
SET ROLE regress_loyalty_clerk;
INSERT INTO club.lines VALUES (12, 1);
SET ROLE regress_loyalty_owner;
SELECT * FROM loyalty.verify('club');
RESET ROLE;
ROLLBACK;
SET ROLE regress_loyalty_owner;
DROP POLICY all_rows ON club.lines;
ALTER TABLE club.lines NO FORCE ROW LEVEL SECURITY;
SELECT recorded FROM loyalty.reconcile('club');
SELECT customer_id, points, orders FROM club.members;
RESET ROLE;
GRANT CREATE ON SCHEMA t_security TO regress_loyalty_owner;
SET ROLE regress_loyalty_owner;
-- what the owner of a table calls in an index: over a column it runs as whoever writes, and never as
-- the program's owner, who plans, records, reads again, verifies; without a row it would, and is refused
CREATE TABLE t_security.indexed (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, note text);
SELECT loyalty.track_orders('club', 't_security.indexed', customer => 'customer_id', at => 'at', amount => 'total');
RESET ROLE;
GRANT CREATE ON SCHEMA t_security TO regress_loyalty_clerk;
ALTER TABLE t_security.indexed OWNER TO regress_loyalty_clerk;
SET ROLE regress_loyalty_clerk;
GRANT ALL ON t_security.indexed TO regress_loyalty_owner;
CREATE FUNCTION t_security.note_of(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user = 'regress_loyalty_owner' THEN
		RAISE 'note_of() runs as the owner of the program';
	END IF;
	RETURN $1;
END $$;
CREATE INDEX over_column ON t_security.indexed (t_security.note_of(note)) WHERE t_security.note_of(note) <> '';
INSERT INTO t_security.indexed VALUES (1, 1, '2020-01-01', 5, 'x'), (2, 1, '2020-01-01', 5, 'y');
UPDATE t_security.indexed SET order_id = 7 - order_id, note = 'z' WHERE order_id = 2;
SET ROLE regress_loyalty_owner;
SELECT recorded FROM loyalty.reconcile('club') WHERE relation = 't_security.indexed'::regclass;
SELECT * FROM loyalty.verify('club');
SET ROLE regress_loyalty_clerk;
CREATE INDEX without_row ON t_security.indexed ((t_security.note_of('x') || note));
INSERT INTO t_security.indexed VALUES (3, 1, '2020-01-01', 5, 'x');
DROP INDEX t_security.without_row;
RESET ROLE;
SELECT loyalty.untrack('club', 't_security.indexed');
DROP TABLE t_security.indexed;
DROP FUNCTION t_security.note_of(text);
REVOKE CREATE ON SCHEMA t_security FROM regress_loyalty_clerk;
SET ROLE regress_loyalty_owner;
-- orders that the owner cannot read: rows say how they stand, since nothing else does
CREATE TABLE t_security.hidden (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.track_orders('club', 't_security.hidden', customer => 'customer_id', at => 'at', amount => 'total');
ALTER TABLE t_security.hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
RESET ROLE;
INSERT INTO t_security.hidden VALUES (1, 1, '2020-01-01', 10), (2, 1, '2020-01-01', 20), (3, 1, '2020-01-01', 30), (4, 1, '2020-01-01', 40);
UPDATE t_security.hidden SET order_id = 7 - order_id WHERE order_id < 3;
UPDATE t_security.hidden SET customer_id = NULL WHERE order_id = 3;
DELETE FROM t_security.hidden WHERE order_id = 4;
-- those of 20 and 10 are left, as orders 5 and 6
SELECT order_key, amount FROM club.recorded_orders JOIN club.tracked_table USING (tracked_table) WHERE relation = 't_security.hidden'::regclass AND counts ORDER BY 1;
SET ROLE regress_loyalty_owner;
SELECT * FROM loyalty.verify('club');
ALTER TABLE t_security.hidden NO FORCE ROW LEVEL SECURITY;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
RESET ROLE;
DROP SCHEMA t_security CASCADE;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_loyalty_owner', current_database()); END $$;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty, _loyalty FROM regress_loyalty_owner;
REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA loyalty, _loyalty FROM regress_loyalty_owner;
DROP TABLE mine;
DROP ROLE regress_loyalty_owner, regress_loyalty_clerk;
