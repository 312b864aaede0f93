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
SELECT p.oid::regprocedure AS definer FROM pg_proc p WHERE pronamespace = 'loyalty'::regnamespace AND prosecdef;
SELECT p.oid::regprocedure AS public_and_changes_data FROM pg_proc p
 WHERE pronamespace = 'loyalty'::regnamespace AND provolatile = 'v' AND prorettype <> 'trigger'::regtype
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
CREATE TRIGGER borrowed AFTER INSERT ON mine REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION loyalty.record('club', '1');
INSERT INTO mine VALUES (1, 1, '2020-01-01', 1000000);
CREATE TRIGGER row_trigger BEFORE INSERT ON mine FOR EACH ROW EXECUTE FUNCTION loyalty.record('club', '1');
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
SELECT * FROM loyalty.lag('club');
DELETE FROM club.journal;
UPDATE club.ledger SET points = 0;
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
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty TO regress_loyalty_owner;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA loyalty TO regress_loyalty_owner;
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
SET ROLE regress_loyalty_owner;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
RESET ROLE;
DROP SCHEMA t_security CASCADE;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_loyalty_owner', current_database()); END $$;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA loyalty FROM regress_loyalty_owner;
REVOKE EXECUTE ON ALL PROCEDURES IN SCHEMA loyalty FROM regress_loyalty_owner;
DROP TABLE mine;
DROP ROLE regress_loyalty_owner, regress_loyalty_clerk;
