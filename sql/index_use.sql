-- Reading one order again looks at its own rows only: no table of orders, lines or refunds is read
-- as a whole, whatever the types of the keys are; and verify() reads each a few times, not once for
-- each order.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET search_path = pg_catalog;
CREATE SCHEMA t_index;
CREATE EXTENSION citext SCHEMA t_index;
CREATE TABLE t_index.customers (id int PRIMARY KEY);
INSERT INTO t_index.customers SELECT generate_series(1, 100);
-- what is read of the tables from begin() on: all rows by scans, or few by indexes
CREATE TABLE t_index.before (relname name, by_scan bigint, by_index bigint);
CREATE FUNCTION t_index.begin() RETURNS void LANGUAGE sql AS $$
	DELETE FROM t_index.before;
	INSERT INTO t_index.before SELECT relname, seq_tup_read, idx_tup_fetch
	  FROM pg_stat_xact_user_tables WHERE schemaname = 't_index';
$$;
CREATE VIEW t_index.reads AS
SELECT relname, seq_tup_read - coalesce(b.by_scan, 0) AS by_scan,
       idx_tup_fetch - coalesce(b.by_index, 0) < 50 AS few_by_index
  FROM pg_stat_xact_user_tables s LEFT JOIN t_index.before b USING (relname)
 WHERE s.schemaname = 't_index' AND relname IN ('orders', 'lines', 'refunds') ORDER BY 1;
CREATE FUNCTION t_index.make(key text, line_key text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE t_index.orders (id %s PRIMARY KEY, customer int,
		at timestamptz DEFAULT ''2024-01-01'', note text)', key);
	EXECUTE format('CREATE TABLE t_index.lines (of %s, price numeric)', line_key);
	EXECUTE format('CREATE TABLE t_index.refunds (of %s, amount numeric)', line_key);
	CREATE INDEX ON t_index.lines (of);
	CREATE INDEX ON t_index.refunds (of);
	EXECUTE format('INSERT INTO t_index.orders
		SELECT i::text::%s, 1 + i %% 100 FROM generate_series(1, 2000) i', key);
	EXECUTE format('INSERT INTO t_index.lines
		SELECT i::text::%s, j FROM generate_series(1, 2000) i, generate_series(1, 3) j', line_key);
	EXECUTE format('INSERT INTO t_index.refunds
		SELECT i::text::%s, 1 FROM generate_series(1, 2000) i', line_key);
	ANALYZE t_index.orders, t_index.lines, t_index.refunds;
	PERFORM loyalty.create_program('club', customers => 't_index.customers');
	PERFORM loyalty.track_orders('club', 't_index.orders', customer => 'customer', at => 'at',
		lines => 't_index.lines', line_order => 'of', line_amount => 'price');
	PERFORM loyalty.track_refunds('club', 't_index.refunds', order_key => 'of', amount => 'amount');
	INSERT INTO club.earning_rule (name, points, per) VALUES ('one', 'amount', 'order'),
		('line', 'price', 'line');
END $$;
CREATE FUNCTION t_index.drop() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_index.orders, t_index.lines, t_index.refunds;
END $$;

-- whole numbers, of the same width
SELECT t_index.make('int', 'int') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
BEGIN;
SELECT t_index.begin() \gset
UPDATE t_index.orders SET note = 'x' WHERE id = 79;
INSERT INTO t_index.orders VALUES (3001, 1);
SELECT * FROM t_index.reads;
COMMIT;
-- verify() reads them in bulk: at most ten times
BEGIN;
SELECT t_index.begin() \gset
SELECT * FROM loyalty.verify('club');
SELECT relname, by_scan < 10 * n AS not_more_than_ten_times
  FROM t_index.reads JOIN (VALUES ('orders', 2001), ('lines', 6001), ('refunds', 2001)) t (name, n)
    ON relname = name ORDER BY 1;
COMMIT;
SELECT t_index.drop() \gset

-- of different width
SELECT t_index.make('bigint', 'int') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
SELECT t_index.drop() \gset
SELECT t_index.make('int', 'bigint') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
SELECT t_index.drop() \gset

-- of a type that an extension brings
SELECT t_index.make('t_index.citext', 't_index.citext') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
BEGIN;
SELECT t_index.begin() \gset
SELECT * FROM loyalty.verify('club');
SELECT relname, by_scan < 10 * n AS not_more_than_ten_times
  FROM t_index.reads JOIN (VALUES ('orders', 2000), ('lines', 6001), ('refunds', 2001)) t (name, n)
    ON relname = name ORDER BY 1;
COMMIT;
SELECT t_index.drop() \gset

-- texts, numbers with decimals, uuids
SELECT t_index.make('varchar(20)', 'text') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
SELECT t_index.drop() \gset
SELECT t_index.make('numeric', 'numeric') \gset
BEGIN;
SELECT t_index.begin() \gset
INSERT INTO t_index.lines VALUES ('77', 1);
INSERT INTO t_index.refunds VALUES ('78', 1);
SELECT * FROM t_index.reads;
COMMIT;
SELECT * FROM loyalty.verify('club');
SELECT t_index.drop() \gset
DROP SCHEMA t_index CASCADE;
