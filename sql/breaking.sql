-- Attempts to break what a program relies on: by code of others that runs with it, by
-- tables that are altered, by constraints that cannot hold.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_breaking_clerk;
CREATE ROLE regress_breaking_table;
CREATE ROLE regress_breaking_owner;
CREATE SCHEMA t_breaking;
GRANT USAGE ON SCHEMA t_breaking TO PUBLIC;
CREATE SCHEMA t_clerk AUTHORIZATION regress_breaking_clerk;
GRANT USAGE ON SCHEMA t_clerk TO PUBLIC;
CREATE TABLE t_breaking.customers (id int PRIMARY KEY);
INSERT INTO t_breaking.customers VALUES (1), (2);
CREATE TABLE t_breaking.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
GRANT INSERT, SELECT, DELETE ON t_breaking.orders TO regress_breaking_clerk;
CREATE TABLE t_breaking.ran (as_role name, what text);
GRANT INSERT ON t_breaking.ran TO PUBLIC;
SELECT loyalty.create_program('club', customers => 't_breaking.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_breaking.orders', customer => 'customer_id', at => 'at', amount => 'total');

-- what the owner puts on the journal runs as the owner, and finds what the owner
-- means by it, whatever the search_path of the inserter is
CREATE FUNCTION t_breaking.short(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN length(t) < 100; END';
CREATE FUNCTION t_breaking.noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM lower(''X''); RETURN NULL; END';
SET SESSION AUTHORIZATION regress_breaking_clerk;
CREATE FUNCTION t_clerk.length(text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t_breaking.ran VALUES (current_user, 'length'); RETURN 1; END $$;
CREATE FUNCTION t_clerk.lower(text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t_breaking.ran VALUES (current_user, 'lower'); RETURN $1; END $$;
RESET SESSION AUTHORIZATION;
ALTER TABLE club.journal ADD CHECK (t_breaking.short(order_key));
SET SESSION AUTHORIZATION regress_breaking_clerk;
SET search_path = t_clerk, pg_catalog;
INSERT INTO t_breaking.orders VALUES (1, 1, DEFAULT, 10);
RESET SESSION AUTHORIZATION;
RESET search_path;
CREATE TRIGGER noted AFTER INSERT ON club.journal FOR EACH ROW EXECUTE FUNCTION t_breaking.noted();
CREATE INDEX ON club.journal (order_key) WHERE t_breaking.short(order_key);
SET SESSION AUTHORIZATION regress_breaking_clerk;
SET search_path = t_clerk, pg_catalog;
INSERT INTO t_breaking.orders VALUES (2, 1, DEFAULT, 20);
RESET search_path;
RESET SESSION AUTHORIZATION;
SELECT * FROM t_breaking.ran;
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
ALTER TABLE club.journal DROP CONSTRAINT journal_order_key_check;
DROP TRIGGER noted ON club.journal;

-- nothing is written to the journal only to be deleted again where others can see it:
-- a unique index of one's own holds for what is recorded, a counting trigger is right
CREATE TABLE t_breaking.count (n int);
CREATE FUNCTION t_breaking.count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_breaking.count VALUES (CASE tg_op WHEN 'INSERT' THEN 1 ELSE -1 END);
	RETURN NULL;
END $$;
CALL loyalty.post('club');
CREATE UNIQUE INDEX once ON club.journal (tracked_table, order_key, revision);
CREATE TRIGGER count AFTER INSERT OR DELETE ON club.journal FOR EACH ROW EXECUTE FUNCTION t_breaking.count();
INSERT INTO t_breaking.orders VALUES (3, 2, DEFAULT, 10);
DELETE FROM t_breaking.orders WHERE id IN (1, 3);
INSERT INTO t_breaking.orders VALUES (3, 2, DEFAULT, 20);
INSERT INTO t_breaking.orders VALUES (1, 1, DEFAULT, 11), (4, 2, DEFAULT, 4);
SELECT sum(n), (SELECT count(*) FROM club.journal) FROM t_breaking.count;
SELECT id, points FROM club.members ORDER BY 1;
SELECT * FROM loyalty.verify('club');
DROP TRIGGER count ON club.journal;
DROP INDEX club.once;

-- types of the program's tables that are altered
CREATE TABLE t_breaking.sales (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, cur text);
ALTER TABLE club.exchange_rate ALTER COLUMN rate TYPE double precision;
SELECT loyalty.track_orders('club', 't_breaking.sales', customer => 'customer_id', at => 'at', amount => 'total', currency => 'cur');
INSERT INTO club.exchange_rate (currency, rate) VALUES ('CHF', 1.5);
-- not while a view reads it
ALTER TABLE club.exchange_rate ALTER COLUMN rate TYPE numeric;
INSERT INTO t_breaking.sales VALUES (1, 1, DEFAULT, 10, NULL), (2, 1, DEFAULT, 10, 'CHF');
SELECT order_key, points, rate FROM club.entries WHERE tracked_table = 2 ORDER BY 1;
BEGIN;
DROP VIEW club.members, club.former_members, club.order_points, club.entries, club.unposted, club.recorded_orders, club.histories, club.member_facts CASCADE;
ALTER TABLE club.account ALTER COLUMN points_earned TYPE bigint, ALTER COLUMN spend TYPE text;
CALL loyalty.post('club');
ROLLBACK;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- a foreign key to the journal is honoured, unless it cannot be
CREATE TABLE t_breaking.notes (c int, s int, k text COLLATE "C", r int, FOREIGN KEY (c, s, k, r) REFERENCES club.journal DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE t_breaking.notes (c int, s int, k text COLLATE "C", r int);
ALTER TABLE t_breaking.notes ADD FOREIGN KEY (c, s, k, r) REFERENCES club.journal DEFERRABLE;
ALTER TABLE t_breaking.notes ADD FOREIGN KEY (c, s, k, r) REFERENCES club.journal ON DELETE CASCADE;
CREATE SCHEMA t_breaking2 CREATE TABLE child () INHERITS (club.journal);
INSERT INTO t_breaking.orders VALUES (5, 2, DEFAULT, 5);
INSERT INTO t_breaking.notes VALUES (2, 1, '5', 1);
CALL loyalty.post('club');
SELECT count(*) FROM t_breaking.notes;
DROP TABLE t_breaking.notes;

-- an order key that different rows share, though a unique index is over its columns
CREATE TABLE t_breaking.many (id int PRIMARY KEY, shop int, number int, code text, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, UNIQUE (shop, number));
SELECT loyalty.track_orders('club', 't_breaking.many', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'id / 10');
SELECT loyalty.track_orders('club', 't_breaking.many', customer => 'customer_id', at => 'at', amount => 'total', order_key => $$'x' || id % 7$$);
SELECT loyalty.track_orders('club', 't_breaking.many', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'shop::text || number::text');
SELECT loyalty.track_orders('club', 't_breaking.many', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'abs(id)');
SELECT loyalty.track_orders('club', 't_breaking.many', customer => 'customer_id', at => 'at', amount => 'total', order_key => $$'no. ' || shop::text || '/' || number::text$$);
SELECT loyalty.untrack('club', 't_breaking.many');
CREATE UNIQUE INDEX ON t_breaking.many (abs(id));
CREATE TABLE t_breaking.more (LIKE t_breaking.many INCLUDING ALL);
SELECT loyalty.track_orders('club', 't_breaking.more', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'abs(id)');
SELECT loyalty.untrack('club', 't_breaking.more');

-- whose order it is cannot be found out: named, or by option no order
CREATE TABLE t_breaking.web (id int PRIMARY KEY, meta jsonb, at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.track_orders('club', 't_breaking.web', customer => $$(meta->>'customer')::int$$, at => 'at', amount => 'total');
INSERT INTO t_breaking.web VALUES (1, '{"customer": "guest"}', DEFAULT, 10);
UPDATE club.program SET on_invalid = 'skip';
INSERT INTO t_breaking.web VALUES (1, '{"customer": "guest"}', DEFAULT, 10), (2, '{"customer": "2"}', DEFAULT, 7);
SELECT order_key, points FROM club.entries WHERE tracked_table = 5;
-- and nobody is told what a rule says, whatever he asks for
UPDATE club.earning_rule SET points = $$CASE WHEN amount = 77 THEN 'secret'::text::numeric ELSE amount END$$;
UPDATE club.earning_rule SET points = $$CASE WHEN amount = 77 THEN ('secret' || amount)::numeric ELSE amount END$$;
SET SESSION AUTHORIZATION regress_breaking_clerk;
SET client_min_messages = log;
INSERT INTO t_breaking.orders VALUES (77, 1, DEFAULT, 77);
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT count(*) FROM club.entries WHERE order_key = '77';
SELECT loyalty.untrack('club', 't_breaking.web');
SELECT loyalty.drop_program('club', force => true);

-- the owner of the tables is not the owner of the program
ALTER TABLE t_breaking.orders OWNER TO regress_breaking_table;
ALTER TABLE t_breaking.customers OWNER TO regress_breaking_table;
CREATE SCHEMA t_table AUTHORIZATION regress_breaking_table;
GRANT USAGE, CREATE ON SCHEMA t_breaking, t_table TO PUBLIC;
GRANT SELECT, TRIGGER, UPDATE ON t_breaking.orders, t_breaking.customers TO regress_breaking_owner;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_breaking_owner', current_database()); END $$;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_breaking_owner;
SET SESSION AUTHORIZATION regress_breaking_owner;
SELECT loyalty.create_program('mine', customers => 't_breaking.customers', time_zone => 'UTC');
SELECT loyalty.track_orders('mine', 't_breaking.orders', customer => 'customer_id', at => 'at', amount => 'total');
SET SESSION AUTHORIZATION regress_breaking_table;
CREATE FUNCTION t_table.evil() RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF current_user = 'regress_breaking_owner' THEN RAISE WARNING 'evil ran as the owner'; END IF;
	RETURN 1;
END $$;
CREATE INDEX evil ON t_breaking.customers ((id + t_table.evil()));
SET SESSION AUTHORIZATION regress_breaking_owner;
SELECT violation, detail FROM loyalty.verify('mine');
CALL loyalty.post('mine');
-- orders are recorded as if it was not known since when their customers are
INSERT INTO mine.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO mine.tier (name, rank, qualifies) VALUES ('old', 1, $$tenure >= '1 year'$$);
SET SESSION AUTHORIZATION regress_breaking_table;
UPDATE t_breaking.orders SET total = total + 1;
INSERT INTO t_breaking.orders (id, customer_id, at, total) SELECT max(id) + 1, max(customer_id), '2024-01-01', 5 FROM t_breaking.orders;
SET SESSION AUTHORIZATION regress_breaking_owner;
SELECT amount, joined_at FROM mine.unposted WHERE amount = 5;
SET SESSION AUTHORIZATION regress_breaking_table;
DROP INDEX t_breaking.evil;
CREATE STATISTICS t_breaking.evil ON customer_id, id FROM t_breaking.orders;
CREATE TABLE t_breaking.child (CHECK (total > t_table.evil() - 5)) INHERITS (t_breaking.orders);
SET SESSION AUTHORIZATION regress_breaking_owner;
SELECT violation, detail FROM loyalty.verify('mine') WHERE violation LIKE 'expression%';
SELECT loyalty.reconcile('mine');
SET SESSION AUTHORIZATION regress_breaking_table;
DROP TABLE t_breaking.child;
SET SESSION AUTHORIZATION regress_breaking_owner;
SELECT * FROM loyalty.verify('mine');
RESET SESSION AUTHORIZATION;
SELECT loyalty.drop_program('mine', force => true);
SET client_min_messages = error;
DROP SCHEMA t_breaking, t_clerk, t_table CASCADE;
DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM regress_breaking_owner', current_database()); END $$;
DROP OWNED BY regress_breaking_owner, regress_breaking_table, regress_breaking_clerk;
DROP ROLE regress_breaking_owner, regress_breaking_table, regress_breaking_clerk;
