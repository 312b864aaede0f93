-- What PostgreSQL guarantees of a table holds for the journal and the ledger,
-- although recording and posting write to them directly.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_store;
CREATE TABLE t_store.customers (id int PRIMARY KEY);
INSERT INTO t_store.customers VALUES (1), (2);
CREATE TABLE t_store.orders (id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric);
SELECT loyalty.create_program('club', customers => 't_store.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_store.orders', customer => 'customer_id', at => 'at', amount => 'total');
CREATE FUNCTION t_store.points() RETURNS TABLE (id int, points numeric, by_index numeric) LANGUAGE plpgsql AS $$
BEGIN
	-- once as the planner likes it, once by index
	PERFORM set_config('enable_seqscan', 'on', true);
	PERFORM set_config('enable_indexscan', 'off', true);
	PERFORM set_config('enable_bitmapscan', 'off', true);
	CREATE TEMP TABLE one ON COMMIT DROP AS SELECT m.id, m.points FROM club.members m;
	PERFORM set_config('enable_seqscan', 'off', true);
	PERFORM set_config('enable_indexscan', 'on', true);
	PERFORM set_config('enable_bitmapscan', 'on', true);
	RETURN QUERY SELECT m.id, o.points, m.points FROM club.members m JOIN one o ON o.id = m.id ORDER BY m.id;
	DROP TABLE one;
END $$;

-- indexes of users: plain, partial, over an expression, covering, hash, with NULLS
CREATE INDEX by_customer ON club.journal (customer);
CREATE INDEX by_time ON club.journal (recorded_at) INCLUDE (amount) WHERE counts;
CREATE INDEX by_text ON club.journal (upper(order_key));
CREATE INDEX by_hash ON club.journal USING hash (order_key);
CREATE INDEX ledger_by_customer ON club.ledger (customer, at DESC);
INSERT INTO t_store.orders (id, customer_id, total) SELECT i, 1 + i % 2, 10 FROM generate_series(1, 2000) i;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2001, 1, 5);
SELECT * FROM t_store.points();
SELECT * FROM loyalty.verify('club');
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT count(*) FROM club.journal WHERE customer = 1;
SELECT count(*) FROM club.journal WHERE upper(order_key) = '2001';
SELECT count(*) FROM club.journal WHERE order_key = '2001';
SELECT sum(amount) FROM club.journal WHERE counts AND recorded_at > '2000-01-01';
COMMIT;
CALL loyalty.post('club');
BEGIN;
SET LOCAL enable_seqscan = off;
SELECT count(*) FROM club.ledger WHERE customer = 1 AND at >= '2000-01-01';
SELECT count(*) FROM club.journal WHERE customer = 1;
COMMIT;
SELECT * FROM loyalty.verify('club');
-- a unique index is kept, and its violation is the table's own error
CREATE UNIQUE INDEX one_moment ON club.journal (order_key) WHERE amount = 77;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2002, 1, 77);
UPDATE t_store.orders SET total = 76 WHERE id = 2002;
UPDATE t_store.orders SET total = 77 WHERE id = 2002;
SELECT total FROM t_store.orders WHERE id = 2002;
DROP INDEX club.one_moment, club.by_customer, club.by_time, club.by_text, club.by_hash;
CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');

-- constraints: CHECK, NOT NULL of a column of one's own, foreign keys
ALTER TABLE club.journal ADD CONSTRAINT no_thirteen CHECK (amount <> 13);
\set VERBOSITY terse
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2012, 1, 1), (2013, 1, 13);
\set VERBOSITY default
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2014, 1, 14);
ALTER TABLE club.journal DROP CONSTRAINT no_thirteen;
CREATE TABLE t_store.channel (customer int PRIMARY KEY);
INSERT INTO t_store.channel VALUES (1);
ALTER TABLE club.journal ADD CONSTRAINT known FOREIGN KEY (customer) REFERENCES t_store.channel;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2015, 1, 15);
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2016, 2, 16);
ALTER TABLE club.journal DROP CONSTRAINT known;
-- columns of one's own: defaults and generated ones
ALTER TABLE club.journal ADD COLUMN noted text NOT NULL DEFAULT 'web', ADD COLUMN doubled numeric GENERATED ALWAYS AS (amount * 2) STORED;
ALTER TABLE club.ledger ADD COLUMN seen int, ADD COLUMN by text;
ALTER TABLE club.ledger ALTER COLUMN seen SET DEFAULT 7, ALTER COLUMN by SET DEFAULT current_user;
INSERT INTO t_store.orders (id, customer_id, total) SELECT i, 2, i - 2016 FROM generate_series(2017, 2019) i;
SELECT order_key, amount, noted, doubled FROM club.journal WHERE order_key >= '2015' ORDER BY 1;
CALL loyalty.post('club');
SELECT order_key, seen, by = current_user AS by_owner FROM club.ledger WHERE order_key >= '2017' AND length(order_key) = 4 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- one that cannot be filled is an error that says so
ALTER TABLE club.journal ALTER COLUMN noted DROP DEFAULT;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2000000, 2, 1);
ALTER TABLE club.journal DROP COLUMN noted, DROP COLUMN doubled;

-- triggers: after each row, after each statement with all rows, also of deletion
CREATE TABLE t_store.seen (what text, n bigint);
CREATE FUNCTION t_store.row_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_store.seen VALUES (concat_ws(' ', tg_table_name, tg_when, tg_op, tg_level), 1);
	RETURN NULL;
END $$;
CREATE FUNCTION t_store.rows_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t_store.seen SELECT concat_ws(' ', tg_table_name, tg_when, tg_op, tg_level), count(*) FROM rows;
	RETURN NULL;
END $$;
CREATE TRIGGER a AFTER INSERT OR DELETE ON club.journal FOR EACH ROW EXECUTE FUNCTION t_store.row_seen();
CREATE TRIGGER b AFTER INSERT ON club.journal REFERENCING NEW TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION t_store.rows_seen();
CREATE TRIGGER c AFTER DELETE ON club.journal REFERENCING OLD TABLE AS rows FOR EACH STATEMENT EXECUTE FUNCTION t_store.rows_seen();
CREATE TRIGGER d BEFORE INSERT ON club.ledger FOR EACH STATEMENT EXECUTE FUNCTION t_store.row_seen();
CREATE TRIGGER e AFTER INSERT ON club.ledger FOR EACH ROW WHEN (NEW.points_change > 1) EXECUTE FUNCTION t_store.row_seen();
INSERT INTO t_store.orders (id, customer_id, total) SELECT i, 2, i - 2019 FROM generate_series(2020, 2022) i;
UPDATE t_store.orders SET total = 9 WHERE id = 2022;
SELECT what, count(*), sum(n) FROM t_store.seen GROUP BY 1 ORDER BY 1;
TRUNCATE t_store.seen;
CALL loyalty.post('club');
SELECT what, count(*), sum(n) FROM t_store.seen GROUP BY 1 ORDER BY 1;
SELECT * FROM loyalty.verify('club');
-- one that is disabled, or that fails, is like any other
ALTER TABLE club.journal DISABLE TRIGGER a;
TRUNCATE t_store.seen;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2023, 1, 1);
SELECT what, count(*), sum(n) FROM t_store.seen GROUP BY 1 ORDER BY 1;
ALTER TABLE club.journal ENABLE TRIGGER a;
CREATE OR REPLACE FUNCTION t_store.row_seen() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''not today''; END';
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2024, 1, 1);
SELECT count(*) FROM t_store.orders WHERE id = 2024;
DROP TRIGGER a ON club.journal;
DROP TRIGGER b ON club.journal;
DROP TRIGGER c ON club.journal;
-- on the ledger it stops nobody but the customer that it fails for
CREATE OR REPLACE FUNCTION t_store.row_seen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.customer = 2 THEN RAISE EXCEPTION 'customer 2 not today'; END IF;
	RETURN NULL;
END $$;
DROP TRIGGER d ON club.ledger;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2025, 2, 5), (2026, 1, 6);
CALL loyalty.post('club');
SELECT customer, order_key FROM club.journal;
SELECT * FROM loyalty.backlog('club') b WHERE (b.unposted, b.set_aside) <> (1, 1);
SELECT customer, order_key, error FROM club.set_aside;
SELECT violation, customer, detail FROM loyalty.verify('club');
SELECT * FROM t_store.points();
DROP TRIGGER e ON club.ledger;
CALL loyalty.post('club');
SELECT unposted, set_aside FROM loyalty.backlog('club');
SELECT * FROM loyalty.verify('club');

-- functions that keep something from call to call (a definer does), over many customers of a batch
CREATE FUNCTION t_store.definer() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO t_store.seen VALUES (concat_ws(' ', tg_table_name, tg_op, tg_level), 1);
	RETURN NULL;
END $$;
CREATE TRIGGER a AFTER INSERT OR DELETE ON club.journal FOR EACH ROW EXECUTE FUNCTION t_store.definer();
CREATE TRIGGER b BEFORE INSERT OR DELETE ON club.journal FOR EACH STATEMENT EXECUTE FUNCTION t_store.definer();
CREATE TRIGGER c AFTER INSERT ON club.ledger FOR EACH ROW WHEN (upper(NEW.order_key) <> '-') EXECUTE FUNCTION t_store.definer();
CREATE TRIGGER d AFTER INSERT ON club.ledger FOR EACH STATEMENT EXECUTE FUNCTION t_store.definer();
TRUNCATE t_store.seen;
INSERT INTO t_store.customers SELECT generate_series(100, 199);
INSERT INTO t_store.orders (id, customer_id, total) SELECT 100000 + i, 100 + i % 100, 1 FROM generate_series(1, 3000) i;
UPDATE t_store.orders SET total = 2 WHERE id BETWEEN 100001 AND 100500;
SELECT what, sum(n) FROM t_store.seen WHERE what LIKE '%ROW' GROUP BY 1 ORDER BY 1;
CALL loyalty.post('club');
SELECT what, sum(n) FROM t_store.seen WHERE what LIKE '%ROW' GROUP BY 1 ORDER BY 1;
SELECT DISTINCT what FROM t_store.seen WHERE what LIKE '%STATEMENT' ORDER BY 1;
SELECT sum(points) FROM club.members WHERE id >= 100;
SELECT * FROM loyalty.verify('club');
DROP TRIGGER a ON club.journal;
DROP TRIGGER b ON club.journal;
DROP TRIGGER c ON club.ledger;
DROP TRIGGER d ON club.ledger;

-- what cannot be honoured is refused when it is made
CREATE TRIGGER early BEFORE INSERT ON club.journal FOR EACH ROW EXECUTE FUNCTION t_store.row_seen();
CREATE TRIGGER early BEFORE DELETE ON club.ledger FOR EACH ROW EXECUTE FUNCTION t_store.row_seen();
CREATE RULE aside AS ON INSERT TO club.journal DO ALSO NOTHING;
CREATE RULE aside AS ON UPDATE TO club.account DO INSTEAD NOTHING;
CREATE TABLE t_store.parent (LIKE club.journal);
ALTER TABLE club.journal INHERIT t_store.parent;
ALTER TABLE club.ledger FORCE ROW LEVEL SECURITY;
CREATE TABLE t_store.more () INHERITS (club.journal);
ALTER TABLE club.journal ADD CONSTRAINT later UNIQUE (customer, order_key, revision) DEFERRABLE;
CREATE CONSTRAINT TRIGGER later AFTER INSERT ON club.ledger DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t_store.row_seen();
ALTER TABLE club.journal ADD FOREIGN KEY (customer) REFERENCES t_store.customers DEFERRABLE;
-- on other tables of these names, all of it is nobody's business
CREATE TABLE t_store.journal (a int PRIMARY KEY DEFERRABLE);
CREATE TRIGGER early BEFORE INSERT ON t_store.journal FOR EACH ROW EXECUTE FUNCTION t_store.row_seen();
SELECT * FROM loyalty.verify('club');

-- verify() tells of tables that were altered
BEGIN;
ALTER TABLE club.journal RENAME amount TO amt;
ALTER TABLE club.ledger DROP COLUMN joined_at CASCADE;
SELECT violation, detail FROM loyalty.verify('club') ORDER BY detail COLLATE "C";
ROLLBACK;
BEGIN;
DROP TRIGGER append_only ON club.journal;
ALTER TABLE club.ledger DISABLE TRIGGER restore_entry;
SELECT violation, detail FROM loyalty.verify('club') ORDER BY detail COLLATE "C";
ROLLBACK;

-- nothing is written in a transaction that may not write
BEGIN READ ONLY;
SELECT _loyalty.record_table('club', 1, false);
ROLLBACK;
BEGIN READ ONLY;
SELECT * FROM _loyalty.post_batch('club', NULL, 10);
ROLLBACK;
BEGIN READ ONLY;
CALL loyalty.post('club');
ROLLBACK;
BEGIN READ ONLY;
SELECT loyalty.backfill('club', 't_store.orders');
ROLLBACK;
-- rewrites of the tables lose nothing
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2030, 1, 1);
VACUUM FULL club.journal;
CLUSTER club.ledger USING ledger_pkey;
REINDEX TABLE club.journal;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2031, 1, 1);
UPDATE t_store.orders SET total = 2 WHERE id = 2030;
CALL loyalty.post('club');
VACUUM FULL club.ledger;
REINDEX TABLE CONCURRENTLY club.ledger;
UPDATE t_store.orders SET total = 3 WHERE id = 2030;
-- posting inside of a transaction, as drivers do it, and outside
BEGIN;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2040, 1, 1);
CALL loyalty.post('club');
SELECT count(*) FROM club.journal;
ROLLBACK;
SELECT count(*) FROM club.journal WHERE order_key = '2030';
DO $$ BEGIN CALL loyalty.post('club', 1); END $$;
INSERT INTO t_store.orders (id, customer_id, total) VALUES (2041, 1, 1), (2042, 2, 1);
CREATE PROCEDURE t_store.nightly() LANGUAGE plpgsql AS $$ BEGIN CALL loyalty.post('club', 1); COMMIT; CALL loyalty.post('club'); END $$;
CALL t_store.nightly();
SELECT unposted FROM loyalty.backlog('club');
BEGIN ISOLATION LEVEL REPEATABLE READ;
CALL loyalty.post('club');
ROLLBACK;
CALL loyalty.post('clob');
CALL loyalty.post(NULL);
CALL loyalty.post('club', 0);
SELECT points - (SELECT sum(total) FROM t_store.orders WHERE customer_id = 1) AS differs FROM club.members WHERE id = 1;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_store CASCADE;
