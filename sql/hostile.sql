-- Roles that mean ill, and owners who break their own program: no right is
-- gained, no server falls, no error is an internal one.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_hostile;
CREATE TABLE t_hostile.customers (customer_id int PRIMARY KEY, name text, joined_on date DEFAULT '2020-01-01');
INSERT INTO t_hostile.customers VALUES (1, 'a'), (2, 'a');
CREATE TABLE t_hostile.orders (order_id int PRIMARY KEY, customer_id int, at timestamp, total numeric);
CREATE FUNCTION t_hostile.rate(text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN length($1); END';
SELECT loyalty.create_program('club', customers => 't_hostile.customers', joined_at => 'joined_on', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_hostile.orders', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount * t_hostile.rate(''x'')');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 1, 'spend >= 100');

-- the inserter's search_path decides nothing that the owner runs
CREATE ROLE regress_loyalty_mallory;
GRANT USAGE ON SCHEMA t_hostile TO regress_loyalty_mallory;
GRANT INSERT ON t_hostile.orders TO regress_loyalty_mallory;
CREATE SCHEMA t_evil AUTHORIZATION regress_loyalty_mallory;
\c -
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET ROLE regress_loyalty_mallory;
CREATE FUNCTION t_evil.eq(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'ran as %', current_user; END $$;
CREATE OPERATOR t_evil.= (LEFTARG = int, RIGHTARG = int, FUNCTION = t_evil.eq);
CREATE FUNCTION t_evil.length(text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE 'ran as %', current_user; END $$;
SET search_path = t_evil, pg_catalog;
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
INSERT INTO t_hostile.orders VALUES (1, 1, '01/02/2024 12:00', 150);
SELECT _loyalty.tier_for((SELECT settings FROM loyalty.programs WHERE name = 'club'), 1, 1, 1, 1, NULL, NULL, NULL, now(), NULL);
SHOW search_path;
RESET ROLE; RESET search_path; RESET timezone; RESET datestyle;
-- local times are those of the program
SELECT ordered_at AT TIME ZONE 'Europe/Berlin' AS at, points FROM club.entries;
SELECT * FROM loyalty.verify('club');
-- what was meant when a rule was written stays
SET datestyle = 'SQL, DMY';
UPDATE club.earning_rule SET applies_when = $$at >= '01/02/2024'$$;
RESET datestyle;
SELECT applies_when FROM club.earning_rule;

-- expressions that are none, or whose value is not the order's own
INSERT INTO club.earning_rule (name, points) VALUES ('x', '*');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'new.*');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'amount * random()');
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$set_config('search_path', 'evil', false)::numeric$$);
SELECT _loyalty.parse_expression('*', NULL, NULL, NULL, 'numeric', 'x', NULL, NULL, 'UTC', NULL, false);
SELECT _loyalty.parse_expression('1', 1::regclass, NULL, NULL, 'numeric', 'x', 'new', 'new', 'UTC', NULL, false);
SELECT _loyalty.view_expression(1::regclass, NULL, 'x', false);
SELECT _loyalty.view_expression('t_hostile.orders', NULL, 'x', false);
SELECT _loyalty.parse_expression('1', NULL, NULL, NULL, 0::regtype, 'x', NULL, NULL, 'UTC', NULL, false);

SELECT _loyalty.accrual_of('club.program', 1::numeric, 1::numeric, 1, 'x', 1, (SELECT terms FROM club.program), 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::numeric[]);
SELECT _loyalty.accrual_of('club.program', 1, 1, 1, 'x', 1, (SELECT terms FROM club.program), 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.state_of('club.program', (SELECT terms FROM club.program), 1::numeric, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::numeric[]);
SELECT _loyalty.state_of('club.program', (SELECT terms FROM club.program), 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.state_of('club.program', (SELECT terms FROM club.program), NULL::int, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.state_of('club.program', NULL, 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.state_of('club.program', 99, 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.released('club.program', (SELECT terms FROM club.program), 1::numeric, NULL);
SELECT _loyalty.released('club.program', (SELECT terms FROM club.program), 1, NULL);
SELECT _loyalty.released('club.program', 99, 1, NULL);
SELECT _loyalty.released(NULL, 1, NULL::int, NULL);
SELECT _loyalty.spendable_lots('{}', 'club.program', 99, NULL);
SELECT _loyalty.spendable_lots(NULL, 'club.program', 99, NULL);
SELECT _loyalty.spendable_lots('{}', NULL, 99, NULL);
SELECT _loyalty.balance('club.program', 'x'::text, NULL);
SELECT _loyalty.tier_at('pg_class', 1, now());
SELECT _loyalty.accrual_of(0::oid::regclass, 1, 1, 1, 'x', 1, 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
-- names that change, by what a view calls, while a plan for them runs
BEGIN;
CREATE TEMP TABLE program (x int);
CREATE TEMP TABLE journal (x bigint PRIMARY KEY);
CREATE FUNCTION pg_temp.change(n int) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
	r numeric;
BEGIN
	IF n = 1 THEN
		ALTER TABLE pg_temp.journal RENAME TO j2;
		CREATE TEMP TABLE journal (x int PRIMARY KEY);
		SELECT _loyalty.balance('pg_temp.program'::regclass, 1::int, NULL) INTO r;
	END IF;
	RETURN 1;
END $$;
CREATE TEMP VIEW members AS SELECT g::bigint AS a, pg_temp.change(g::int)::numeric AS points FROM generate_series(1, 3) g;
\set VERBOSITY sqlstate
SELECT _loyalty.balance('pg_temp.program'::regclass, 1::bigint, NULL);
\set VERBOSITY default
ROLLBACK;
-- columns that C reads as what they must be
BEGIN;
ALTER TABLE club.journal ALTER amount DROP NOT NULL;
SELECT count(entry) FROM club.unposted;
SELECT _loyalty.accrual_of('club.program', 1, 1, 1, 'x', 1, (SELECT terms FROM club.program), 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
ROLLBACK;
BEGIN;
ALTER TABLE club.journal ALTER amount DROP NOT NULL;
SELECT _loyalty.state_of('club.program', (SELECT terms FROM club.program), 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
ROLLBACK;
\set VERBOSITY sqlstate
SELECT _loyalty.state_of('club.ledger', 1, 1, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
\set VERBOSITY default
-- a made-up program
SELECT 'club.program'::regclass::oid AS program, terms FROM club.program \gset
SET ROLE regress_loyalty_mallory;
CREATE TEMP TABLE program (x int);
CREATE TEMP TABLE terms AS SELECT 1 AS version, 0 AS points_scale, 'floor' AS rounding, 'UTC' AS time_zone;
CREATE TEMP TABLE terms_tier AS SELECT 1 AS version, 'x' AS name, 1 AS rank, 'length(orders) > 0' AS qualifies, 1.0 AS multiplier;
CREATE TEMP TABLE facts (spend numeric, orders text, c numeric, d interval, e timestamptz, f timestamptz);
\set VERBOSITY sqlstate
SELECT _loyalty.tier_for('t_hostile.orders', 1, 1, 4096, 1, NULL, NULL, NULL, now(), NULL);
SELECT _loyalty.tier_for('pg_temp.program', 1, 1, 4096, 1, NULL, NULL, NULL, now(), NULL);
\set VERBOSITY default
DROP TABLE facts, program, terms, terms_tier;
-- nothing of a program can be probed by who may not read it
SELECT * FROM loyalty.verify('club');
SELECT * FROM _loyalty.post_batch('club', NULL, 1);
SELECT _loyalty.released(:program::oid, :terms, 1, NULL);
SELECT _loyalty.released(:program::oid, :terms, 1, gen_random_uuid());
SELECT _loyalty.spendable_lots('{}', :program::oid, :terms, gen_random_uuid());
CALL loyalty.post('club');
RESET ROLE;

-- an owner who alters the program's tables
BEGIN;
ALTER TABLE club.journal ADD COLUMN note text;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
SELECT points FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
ALTER TABLE club.journal RENAME COLUMN at TO moment;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
ALTER TABLE club.journal DROP CONSTRAINT journal_pkey;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
ALTER TYPE club.purchase ALTER ATTRIBUTE at TYPE text;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
ALTER TYPE club.facts DROP ATTRIBUTE orders, ADD ATTRIBUTE orders text;
ROLLBACK;
BEGIN;
DROP VIEW club.tiers_3, club.tiers_4;
ALTER TYPE club.facts DROP ATTRIBUTE orders, ADD ATTRIBUTE orders text;
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
ALTER TABLE club.terms_rule OWNER TO regress_loyalty_mallory;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_loyalty_mallory;
GRANT SELECT ON t_hostile.orders, t_hostile.customers TO regress_loyalty_mallory;
SELECT loyalty.change_owner('club', 'regress_loyalty_mallory');
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relnamespace = 'club'::regnamespace AND relkind IN ('r', 'v', 'c');
ROLLBACK;
-- or who writes its views, which takes some effort
ALTER VIEW club.orders_1 ALTER customer SET DEFAULT 1;
\set VERBOSITY terse
ALTER VIEW club.orders_1 RENAME TO mine;
ALTER TABLE club.orders_1 RENAME TO mine;
ALTER VIEW club.orders_1 RENAME COLUMN customer TO who;
ALTER VIEW IF EXISTS club.orders_1 SET SCHEMA t_hostile;
ALTER TABLE club.orders_1 OWNER TO regress_loyalty_mallory;
ALTER VIEW club.tiers_3 SET (security_barrier);
CREATE OR REPLACE VIEW club.archived_1 AS SELECT 1 AS a;
CREATE VIEW club.refunds_9 AS SELECT 1 AS a;
-- not so what is no such view, nor what is in no program
CREATE VIEW club.orders_mine AS SELECT 1 AS a;
ALTER VIEW club.orders_mine RENAME TO lines_9;
ALTER VIEW club.orders_mine RENAME TO lines_mine;
DROP VIEW club.lines_mine;
ALTER VIEW IF EXISTS club.orders_77 RENAME TO x;
CREATE VIEW t_hostile.orders_1 AS SELECT 1 AS a;
ALTER VIEW t_hostile.orders_1 RENAME TO orders_2;
DROP VIEW t_hostile.orders_2;
-- whoever may not use our schema alters views as ever
BEGIN;
REVOKE USAGE ON SCHEMA loyalty FROM public;
CREATE SCHEMA mallorys AUTHORIZATION regress_loyalty_mallory;
SET LOCAL ROLE regress_loyalty_mallory;
CREATE TABLE mallorys.program (a int);
CREATE VIEW mallorys.orders_1 AS SELECT 1 AS a;
ALTER VIEW mallorys.orders_1 RENAME TO orders_2;
ALTER TABLE mallorys.program RENAME a TO b;
ROLLBACK;
\set VERBOSITY default
SET loyalty.tracking = 'on';
SELECT format('club.orders_1_%s', terms) AS orders, format('club.tiers_%s', terms) AS tiers FROM club.program \gset
BEGIN;
DROP VIEW :orders;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
SELECT violation, regexp_replace(detail, '_[0-9]+', '_N') AS detail FROM loyalty.verify('club');
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
ALTER VIEW :orders RENAME TO real;
CREATE VIEW :orders AS SELECT customer, key, order_key, at, counts, amount, currency, rate, available_at, awards::float8 AS awards, award_1 FROM club.real;
\set VERBOSITY terse
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
ALTER VIEW :orders RENAME COLUMN at TO x;
ALTER VIEW :orders RENAME COLUMN currency TO at;
ALTER VIEW :orders RENAME COLUMN x TO currency;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
DO $$
DECLARE
	view text := (SELECT format('club.orders_1_%s', terms) FROM club.program);
	query text := regexp_replace(pg_get_viewdef(view), 'ELSE NULL::numeric\s+END(\s+ELSE NULL::numeric\s+END AS award_1)',
	                             'ELSE (SELECT sum(o.total) FROM t_hostile.orders o) END\1');
BEGIN
	ASSERT query LIKE '%sum(o.total)%';
	EXECUTE format('CREATE OR REPLACE VIEW %s AS %s', view, query);
END $$;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
DROP VIEW club.orders_1;
CREATE VIEW club.orders_1 AS SELECT tracked.customer_id AS customer, tracked.order_id AS key, tracked.order_id::text COLLATE "C" AS order_key, tracked.tableoid AS row_table, '(7,999)'::tid AS row_id FROM t_hostile.orders tracked;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
ROLLBACK;
BEGIN;
DROP VIEW :tiers;
SELECT violation, detail FROM loyalty.verify('club');
SAVEPOINT s;
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK TO s;
SET LOCAL loyalty.tracking = 'off';
UPDATE club.terms_tier SET qualifies = qualifies WHERE version = (SELECT max(version) FROM club.terms);
SELECT violation, detail FROM loyalty.verify('club');
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
DROP VIEW :tiers;
CREATE VIEW :tiers AS SELECT 'true' AS tier_1 FROM (SELECT (NULL::club.facts).*) facts;
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
SET LOCAL loyalty.tracking = 'on';	-- as the extension itself makes views
DROP VIEW :tiers;
CREATE VIEW :tiers AS SELECT (SELECT count(*) > 0 FROM club.journal) AS tier_1 FROM (SELECT (NULL::club.facts).*) facts;
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK;
\set VERBOSITY default
RESET loyalty.tracking;
-- and nothing of it is left when it is taken back
BEGIN;
INSERT INTO t_hostile.orders VALUES (2, 1, '2024-03-01', 10);
SELECT count(*) FROM club.journal WHERE order_key = '2';
ROLLBACK;
DELETE FROM club.program;
UPDATE club.program SET time_zone = 'UTC';
-- a tier that fails: the error names it, and its version of the terms can be mended
UPDATE club.tier SET qualifies = '100 / (spend - 150) > 0';
INSERT INTO t_hostile.orders VALUES (3, 1, '2024-03-01', 10);
\set SHOW_CONTEXT errors
SELECT tier FROM club.members WHERE customer_id = 1;
SELECT points FROM club.members WHERE customer_id = 1;
\set SHOW_CONTEXT never
UPDATE club.terms_tier SET qualifies = 'spend > 0' WHERE qualifies LIKE '%/%';
UPDATE club.tier SET qualifies = 'spend > 0';
SELECT tier, points FROM club.members WHERE customer_id = 1;
SELECT * FROM loyalty.verify('club');
-- orders are known by their key: it can't be another the next time
SELECT loyalty.untrack('club', 't_hostile.orders');
SELECT loyalty.track_orders('club', 't_hostile.orders', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id + 1', key_is_unique => true);
SELECT loyalty.track_orders('club', 't_hostile.orders', customer => 'customer_id', at => 'at', amount => 'total');
CREATE TEMP TABLE mine (LIKE t_hostile.orders INCLUDING ALL);
SELECT loyalty.track_orders('club', 'mine', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.create_program('names', customers => 't_hostile.customers', customer_key => 'name');
CREATE TYPE t_hostile.pair AS (a int, b int);
CREATE TABLE t_hostile.pairs (pair t_hostile.pair PRIMARY KEY);
SELECT loyalty.create_program('names', customers => 't_hostile.pairs');
-- a key that is named like a column of the views
CREATE TABLE t_hostile.named (points char(10) PRIMARY KEY);
SELECT loyalty.create_program('names', customers => 't_hostile.named');
INSERT INTO t_hostile.named VALUES ('abc');
SELECT customer, points FROM names.members;
SELECT loyalty.drop_program('names', true);
-- a tracked table that is gone
DROP TABLE t_hostile.orders CASCADE;
SELECT violation FROM loyalty.verify('club');
SELECT loyalty.track_orders('club', 't_hostile.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT * FROM loyalty.reconcile('club');
SELECT violation FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_hostile CASCADE;
DROP SCHEMA t_evil CASCADE;
DROP ROLE regress_loyalty_mallory;

-- Whoever may read a program makes a type whose check would run as the owner of the program, if the function took it
CREATE ROLE regress_loyalty_reader;
CREATE SCHEMA t_types AUTHORIZATION regress_loyalty_reader;
CREATE TABLE t_types.customers (id int PRIMARY KEY);
CREATE TABLE t_types.orders (id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('club', customers => 't_types.customers');
SELECT loyalty.track_orders('club', 't_types.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.grant_access('club', 'regress_loyalty_reader', 'read');
SET ROLE regress_loyalty_reader;
GRANT USAGE ON SCHEMA t_types TO PUBLIC;
CREATE TYPE t_types.pair AS (x int, y int);
CREATE FUNCTION t_types.looks() RETURNS boolean LANGUAGE plpgsql AS
	$$ BEGIN IF current_user <> 'regress_loyalty_reader' THEN RAISE EXCEPTION 'runs as somebody else'; END IF; RETURN true; END $$;
CREATE DOMAIN t_types.checked AS t_types.pair CHECK (t_types.looks());
CREATE DOMAIN t_types.checked_list AS t_types.pair[] CHECK (t_types.looks());
SELECT * FROM club.simulate_order(ROW(1, 2)::t_types.checked);
SELECT * FROM club.simulate_order(NULL::t_types.checked);
SELECT * FROM club.simulate_order(ROW(1, 2)::t_types.pair);
SELECT * FROM club.simulate_order(ROW(1, 2)::t_types.pair, ARRAY[ROW(1, 2)::t_types.checked]);
SELECT * FROM club.simulate_order(ROW(1, 2)::t_types.pair, '{}'::t_types.checked_list);
SELECT * FROM club.simulate_order(ROW(1, 2));
SELECT * FROM club.simulate_order(12);
RESET ROLE;
-- no other function with the rights of the owner takes whatever type a caller has
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.prosecdef AND p.pronamespace = 'club'::regnamespace
   AND EXISTS (SELECT FROM unnest(p.proargtypes) a WHERE a IN ('anyelement'::regtype, 'anyarray'::regtype, 'anycompatiblearray'::regtype, 'anynonarray'::regtype, 'anycompatible'::regtype, 'record'::regtype));
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_loyalty_reader CASCADE;
DROP ROLE regress_loyalty_reader;
