-- REASSIGN OWNED gives a program to a role that may not call the functions of the extension, and
-- REVOKE leaves it to one: posting and all that is asked of the program say what to grant, and no
-- customer is set aside for it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE regress_keeper;
CREATE ROLE regress_heir;
CREATE ROLE regress_clerk;
CREATE SCHEMA t_reassigned;
CREATE TABLE t_reassigned.customers (id int PRIMARY KEY);
INSERT INTO t_reassigned.customers VALUES (1), (2);
CREATE TABLE t_reassigned.orders (id int PRIMARY KEY, c int, at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_reassigned.lines (o int, amount numeric);
CREATE INDEX ON t_reassigned.lines (o);
CREATE TABLE t_reassigned.pos (id int PRIMARY KEY, c int, total numeric,
	at timestamptz DEFAULT '2024-01-01');
GRANT USAGE ON SCHEMA t_reassigned TO regress_keeper, regress_heir, regress_clerk;
GRANT SELECT ON ALL TABLES IN SCHEMA t_reassigned TO regress_keeper, regress_heir;
GRANT UPDATE, TRIGGER ON ALL TABLES IN SCHEMA t_reassigned TO regress_keeper;
GRANT INSERT ON ALL TABLES IN SCHEMA t_reassigned TO regress_clerk;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_keeper;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_keeper', current_database()); END $$;
SET ROLE regress_keeper;
SELECT loyalty.create_program('club', customers => 't_reassigned.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('amount', 'amount');
SELECT loyalty.track_orders('club', 't_reassigned.orders',
	customer => 'c', at => 'at', lines => 't_reassigned.lines', line_order => 'o', line_amount => 'amount');
SELECT loyalty.track_orders('club', 't_reassigned.pos', customer => 'c', at => 'at', amount => 'total');
RESET ROLE;
REASSIGN OWNED BY regress_keeper TO regress_heir;

-- 1. What is recorded waits until somebody follows the hint
SET ROLE regress_clerk;
INSERT INTO t_reassigned.orders VALUES (1, 1);
INSERT INTO t_reassigned.lines VALUES (1, 10);
INSERT INTO t_reassigned.pos VALUES (1, 2, 5);
RESET ROLE;
CALL loyalty.post('club');
SELECT _loyalty.post_batch('club', NULL, 10);
SELECT count(*) FROM club.set_aside;
SELECT * FROM loyalty.verify('club');
SELECT unposted FROM loyalty.backlog('club');
SELECT loyalty.reconcile('club');
SELECT loyalty.change_owner('club', 'regress_heir');
SELECT loyalty.change_owner('club', 'regress_keeper');
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_heir;
CALL loyalty.post('club');
SELECT id, points FROM club.members ORDER BY 1;
SELECT unposted, set_aside FROM loyalty.backlog('club');
SELECT * FROM loyalty.verify('club');

-- 2. To give it away takes a right on the database, whose name is in the message
\set VERBOSITY sqlstate
SELECT loyalty.change_owner('club', 'regress_keeper');
\set VERBOSITY default
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_heir', current_database()); END $$;
SELECT loyalty.change_owner('club', 'regress_keeper');
SELECT owner FROM loyalty.programs;
SET ROLE regress_clerk;
INSERT INTO t_reassigned.lines VALUES (1, 20);
RESET ROLE;
CALL loyalty.post('club');
-- 10 + 20; 5
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- 3. The same after REVOKE
REVOKE EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty FROM regress_keeper;
SET ROLE regress_clerk;
INSERT INTO t_reassigned.pos VALUES (2, 2, 7);
RESET ROLE;
CALL loyalty.post('club');
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_keeper;
CALL loyalty.post('club');
-- 5 + 7
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_reassigned CASCADE;
DROP OWNED BY regress_keeper, regress_heir, regress_clerk;
DROP ROLE regress_keeper, regress_heir, regress_clerk;
