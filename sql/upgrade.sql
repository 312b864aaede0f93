-- Programs of another layout than the extension needs, and how they get it.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_upgrade;
CREATE TABLE t_upgrade.customers (customer_id int PRIMARY KEY, created_at timestamptz);
INSERT INTO t_upgrade.customers VALUES (1, '2015-01-01'), (2, '2016-01-01');
CREATE TABLE t_upgrade.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric, money text);
CREATE TABLE t_upgrade.refunds (order_id int, amount numeric);
SELECT loyalty.create_program('club', customers => 't_upgrade.customers', joined_at => 'created_at');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, $$spend >= 100 AND tenure > '1 year'$$, 2);
INSERT INTO club.exchange_rate VALUES ('CHF', '-infinity', 3);
SELECT loyalty.track_orders('club', 't_upgrade.orders', customer => 'customer_id', at => 'at', amount => 'total', currency => 'money') \gset
SELECT loyalty.track_refunds('club', 't_upgrade.refunds', order_key => 'order_id', amount => 'amount') \gset
INSERT INTO t_upgrade.orders VALUES (1, 1, '2020-01-01', 100), (2, 1, '2020-02-01', 10), (3, 2, '2020-01-01', 30);
CALL loyalty.post('club');
UPDATE club.earning_rule SET points = 'amount + 1';
INSERT INTO t_upgrade.orders VALUES (4, 2, '2020-03-01', 5, 'CHF');
INSERT INTO t_upgrade.refunds VALUES (3, 10);

-- what users add
CREATE ROLE regress_loyalty_reader;
CREATE ROLE regress_loyalty_other;
GRANT USAGE ON SCHEMA t_upgrade TO regress_loyalty_other;
GRANT INSERT ON t_upgrade.orders TO regress_loyalty_other;
GRANT SELECT ON club.members TO regress_loyalty_reader WITH GRANT OPTION;
GRANT SELECT (balance) ON club.entries TO regress_loyalty_reader;
REVOKE EXECUTE ON FUNCTION club.balance FROM PUBLIC;
GRANT EXECUTE ON FUNCTION club.balance TO regress_loyalty_reader;
CREATE VIEW t_upgrade.gold AS SELECT customer_id, points FROM club.members WHERE tier = 'Gold';
CREATE INDEX by_time ON club.ledger (at);
ALTER TABLE club.ledger ADD COLUMN note text;
COMMENT ON VIEW club.members IS 'our members';
COMMENT ON COLUMN club.members.points IS 'our points';
ALTER VIEW club.members SET (security_barrier);

-- 100 make 100; 10 at Gold 20. 30 less 10: 20; 5 francs are 15, and 1 more: 16
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members ORDER BY 1;
SELECT * FROM t_upgrade.gold;
CREATE TABLE t_upgrade.was AS
	SELECT c.relname AS name, c.oid, c.xmin::text AS version FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace
	UNION ALL SELECT p.proname, p.oid, p.xmin::text FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace
	UNION ALL SELECT t.tgname, t.oid, t.xmin::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid AND c.relnamespace = 'club'::regnamespace;

-- of a program that has its layout, nothing is touched
SELECT loyalty.upgrade_program('club');
SELECT name FROM t_upgrade.was
EXCEPT (SELECT c.relname FROM pg_class c JOIN t_upgrade.was w ON w.oid = c.oid AND w.version = c.xmin::text
        UNION ALL SELECT p.proname FROM pg_proc p JOIN t_upgrade.was w ON w.oid = p.oid AND w.version = p.xmin::text
        UNION ALL SELECT t.tgname FROM pg_trigger t JOIN t_upgrade.was w ON w.oid = t.oid AND w.version = t.xmin::text);

-- what it lacks is made
DROP VIEW club.recorded_orders;
DROP FUNCTION club.tier_at;
DROP TRIGGER keep_row ON club.program;
DROP TABLE club.set_aside;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');
SELECT club.tier_at(1), club.tier_at(2);
DROP VIEW club.unposted CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT * FROM loyalty.verify('club');
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members ORDER BY 1;
-- and nothing is known of what it was
GRANT SELECT (balance) ON club.entries TO regress_loyalty_reader;

-- what a table had that is lost is in others: sums, rules and tiers
BEGIN;
DROP VIEW t_upgrade.gold;
CALL loyalty.post('club');
CREATE TABLE t_upgrade.accounts AS SELECT customer, entries, spend, orders, points_earned, points, first_order_at, last_order_at, last_recorded_at FROM club.account;
CREATE TABLE t_upgrade.configured AS SELECT name, points FROM club.earning_rule UNION ALL SELECT name, qualifies FROM club.tier;
DROP TABLE club.account, club.earning_rule, club.tier CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT count(*) AS accounts, (SELECT count(*) FROM club.account) AS now FROM (SELECT * FROM t_upgrade.accounts INTERSECT
	SELECT customer, entries, spend, orders, points_earned, points, first_order_at, last_order_at, last_recorded_at FROM club.account) x;
SELECT count(*) AS configured, (SELECT count(*) FROM t_upgrade.configured) AS were FROM (SELECT * FROM t_upgrade.configured INTERSECT
	(SELECT name, points FROM club.earning_rule UNION ALL SELECT name, qualifies FROM club.tier)) x;
SELECT * FROM loyalty.verify('club');
ROLLBACK;
INSERT INTO club.earning_rule (name, points) VALUES ('none', NULL);
-- a ledger cannot be made of anything, but the program can be told of, and dropped
BEGIN;
DROP VIEW t_upgrade.gold;
DROP TABLE club.ledger CASCADE;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT DISTINCT violation FROM loyalty.verify('club') ORDER BY 1;
SELECT loyalty.drop_program('club', force => true);
ROLLBACK;
BEGIN;
DROP VIEW t_upgrade.gold;
DROP TABLE club.journal CASCADE;
SELECT violation, detail FROM loyalty.verify('club');
ROLLBACK;

-- not of others, nor what is none
SELECT loyalty.upgrade_program('clubs');
SELECT loyalty.upgrade_program(NULL);
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_loyalty_other;
SET ROLE regress_loyalty_other;
SELECT loyalty.upgrade_program('club');
RESET ROLE;
UPDATE club.program SET layout = 0;
UPDATE club.program SET rounding = 'ceil';

-- a program that is older than layouts are: whatever begins with it says so
ALTER TABLE club.program DROP COLUMN layout;
SELECT * FROM loyalty.verify('club');
\echo :SQLSTATE
SELECT * FROM club.members;
SELECT club.balance(1);
SELECT club.tier_at(1);
SELECT * FROM club.unposted;
CALL loyalty.post('club');
SELECT loyalty.backfill('club', 't_upgrade.orders');
SELECT * FROM loyalty.backlog('club');
SELECT loyalty.grant_access('club', 'regress_loyalty_reader', 'read');
UPDATE club.earning_rule SET points = 'amount';
-- but orders go on
SET ROLE regress_loyalty_other;
INSERT INTO t_upgrade.orders VALUES (5, 2, '2020-04-01', 7);
SELECT loyalty.upgrade_program('club');
RESET ROLE;
INSERT INTO t_upgrade.refunds VALUES (4, 1);
TRUNCATE t_upgrade.refunds;

SELECT loyalty.upgrade_program('club') \gset
SELECT layout = _loyalty.layout() AS is_needed FROM club.program;
-- what came meanwhile: 5 by the new rule is 8, and 10 are not refunded any more
SELECT relation, recorded FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
SELECT customer_id, tier, points, lifetime_value, orders FROM club.members ORDER BY 1;
INSERT INTO t_upgrade.orders VALUES (6, 1, '2020-04-01', 7);
SELECT * FROM t_upgrade.gold;
-- nothing that others added is lost: of the objects that there were, those are others that were made above
SELECT w.name FROM t_upgrade.was w
 WHERE w.oid NOT IN (SELECT oid FROM pg_class UNION ALL SELECT oid FROM pg_proc UNION ALL SELECT oid FROM pg_trigger) AND w.name NOT IN
       (SELECT t.name FROM _loyalty.templates() t WHERE t.kind = 'trigger')
 ORDER BY w.name COLLATE "C";
SELECT has_table_privilege('regress_loyalty_reader', 'club.members', 'SELECT WITH GRANT OPTION') AS members,
       has_column_privilege('regress_loyalty_reader', 'club.entries', 'balance', 'SELECT') AS balance,
       has_column_privilege('regress_loyalty_reader', 'club.entries', 'points', 'SELECT') AS points,
       has_function_privilege('regress_loyalty_reader', 'club.balance(numeric, timestamptz)', 'EXECUTE') AS its_function,
       has_function_privilege('regress_loyalty_other', 'club.balance(numeric, timestamptz)', 'EXECUTE') AS of_others;
SELECT obj_description('club.members'::regclass), col_description('club.members'::regclass, 3), reloptions
  FROM pg_class WHERE oid = 'club.members'::regclass;
SELECT to_regclass('club.by_time') AS index, note FROM club.ledger WHERE order_key = '1';
-- all is as in a program that is made now
ALTER VIEW club.members RESET (security_barrier);
SELECT _loyalty.strangers('club');
SELECT loyalty.upgrade_program('club');

-- a view that cannot be replaced, since it loses a column, and what is built on it
CREATE OR REPLACE VIEW club.members AS SELECT s.*, 1 AS more FROM (SELECT NULL::int AS customer_id, NULL::text AS tier, NULL::numeric(38,0) AS points,
	NULL::numeric(38,2) AS lifetime_value, NULL::bigint AS orders, NULL::timestamptz AS first_order_at, NULL::timestamptz AS last_order_at,
	NULL::timestamptz AS joined_at, NULL::interval AS tenure, NULL::numeric(38,2) AS average_order, NULL::numeric(38,0) AS held,
	NULL::numeric(38,0) AS pending, NULL::timestamptz AS next_expiry,
	NULL::numeric(38,0) AS expiring) s;
-- and accounts of before there were histories, which are made out of the ledger
ALTER TABLE club.account DROP COLUMN purchases CASCADE, DROP COLUMN events CASCADE;
ALTER TABLE club.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('club');
DROP VIEW t_upgrade.gold;
SELECT loyalty.upgrade_program('club');
SELECT customer_id, tier, points FROM club.members ORDER BY 1;
-- 1: 100, 10 and 7; 2: 30, 5 * 3 and 7
SELECT * FROM club.histories ORDER BY 1;
SELECT has_table_privilege('regress_loyalty_reader', 'club.members', 'SELECT WITH GRANT OPTION') AS members,
       obj_description('club.members'::regclass), col_description('club.members'::regclass, 3), reloptions
  FROM pg_class WHERE oid = 'club.members'::regclass;
SELECT * FROM loyalty.verify('club');

-- the same of a view that says what rows of a tracked table mean
DO $$
BEGIN
	PERFORM set_config('loyalty.tracking', 'on', true);
	EXECUTE format('CREATE OR REPLACE VIEW club.orders_1_3 AS %s', regexp_replace(pg_get_viewdef('club.orders_1_3'), ' AS award_1', ' AS award_1, 1 AS more'));
END $$;
GRANT SELECT ON club.orders_1_3 TO regress_loyalty_reader;
CREATE VIEW t_upgrade.dear AS SELECT order_key FROM club.orders_1_3 WHERE amount > 50;
ALTER TABLE club.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('club');
DROP VIEW t_upgrade.dear;
SELECT loyalty.upgrade_program('club');
SELECT has_table_privilege('regress_loyalty_reader', 'club.orders_1_3', 'SELECT') AS its_right, has_table_privilege('regress_loyalty_reader', 'club.refunds_2', 'SELECT') AS of_another,
       EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'club.orders_1_3'::regclass AND attname = 'more') AS more;
SELECT * FROM loyalty.verify('club');

-- a program of a newer extension
BEGIN;
CREATE OR REPLACE FUNCTION _loyalty.layout() RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 0';
SAVEPOINT only_the_extension;
SELECT loyalty.upgrade_program('club');
ROLLBACK TO only_the_extension;
CREATE OR REPLACE FUNCTION _loyalty.library_layout() RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 0';
SELECT loyalty.upgrade_program('club');
ROLLBACK;
-- a library that is newer than the extension, whose update was forgotten, or older, since the session is
BEGIN;
CREATE OR REPLACE FUNCTION _loyalty.library_layout() RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 2';
SELECT loyalty.backfill('club', 't_upgrade.orders');
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION _loyalty.library_layout() RETURNS int LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS 'SELECT 0';
-- what the session remembers of the table is read again
ALTER TABLE t_upgrade.orders ADD COLUMN note text;
INSERT INTO t_upgrade.orders VALUES (7, 1, '2020-04-01', 7);
ROLLBACK;
-- what views called before says what to do
BEGIN;
SELECT _loyalty.retire('_loyalty.tier_for(regclass, int, numeric, bigint, numeric, timestamptz, timestamptz, timestamptz, timestamptz, uuid, loyalty.history, _loyalty.event_history[], jsonb)');
SELECT tier FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
SELECT _loyalty.retire('_loyalty.tenure(timestamptz, timestamptz, text)');
SELECT tenure FROM club.members WHERE customer_id = 1;
ROLLBACK;
BEGIN;
SELECT _loyalty.retire(oid) FROM pg_proc WHERE oid = '_loyalty.state_of'::regproc;
SELECT points FROM club.members WHERE customer_id = 1;
ROLLBACK;

-- a paused table stays paused; what was dropped, or lost with it, stands in the way of nothing
SELECT loyalty.pause('club', 't_upgrade.orders') \gset
ALTER TABLE club.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('club');
ALTER TABLE t_upgrade.orders ALTER total TYPE numeric(12,2);
SELECT loyalty.resume('club', 't_upgrade.orders');
SELECT * FROM loyalty.verify('club');
DROP TABLE t_upgrade.customers CASCADE;
ALTER TABLE club.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('club');
SELECT violation, detail FROM loyalty.verify('club') WHERE violation ~ 'missing';
CREATE TABLE t_upgrade.customers (customer_id int PRIMARY KEY, created_at timestamptz);
INSERT INTO t_upgrade.customers VALUES (1, '2015-01-01'), (2, '2016-01-01');
UPDATE club.program SET customers = 't_upgrade.customers', joined_at = 'created_at';
SELECT customer_id, tier, points FROM club.members ORDER BY 1;
DROP TABLE t_upgrade.orders CASCADE;
ALTER TABLE club.program DROP COLUMN layout;
SELECT loyalty.upgrade_program('club');
SELECT customer_id, tier, points FROM club.members ORDER BY 1;

-- the journal, with what is not posted: orders fail until it is made, empty, and are recorded then
CREATE TABLE t_upgrade.sales (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
SELECT loyalty.create_program('shop', customers => 't_upgrade.customers');
INSERT INTO shop.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('shop', 't_upgrade.sales', customer => 'customer_id', at => 'at', amount => 'total') \gset
INSERT INTO t_upgrade.sales VALUES (1, 1, '2020-01-01', 100);
CALL loyalty.post('shop');
INSERT INTO t_upgrade.sales VALUES (2, 1, '2020-02-01', 10);
DROP TABLE shop.journal CASCADE;
INSERT INTO t_upgrade.sales VALUES (3, 1, '2020-03-01', 1);
SELECT loyalty.upgrade_program('shop');
SELECT violation, order_key FROM loyalty.verify('shop');
SELECT recorded FROM loyalty.reconcile('shop');
INSERT INTO t_upgrade.sales VALUES (3, 1, '2020-03-01', 1);
SELECT customer_id, points FROM shop.members ORDER BY 1;
SELECT * FROM loyalty.verify('shop');
SELECT loyalty.drop_program('shop', force => true);

-- one that is not worth it can be dropped
ALTER TABLE club.program DROP COLUMN layout;
SELECT * FROM loyalty.reconcile('club');
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_loyalty_reader, regress_loyalty_other;
DROP ROLE regress_loyalty_reader, regress_loyalty_other;
DROP SCHEMA t_upgrade CASCADE;
