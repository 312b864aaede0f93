-- verify() tells the same whatever the session of whoever asks has set, of a program
-- that is healthy and of one that is not.  Many rules depend on settings: on days,
-- and on how values become text.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
SET intervalstyle = 'postgres';
CREATE SCHEMA t_settings;
CREATE TABLE t_settings.customers (id bytea PRIMARY KEY, joined timestamptz);
CREATE TABLE t_settings.orders (id bytea PRIMARY KEY, who bytea, at timestamptz, cash money DEFAULT 1, span interval DEFAULT '1 day 2 hours',
	exact float8 DEFAULT 0.1, status text, n int);
CREATE TABLE t_settings.lines (of bytea, n int, qty int, price numeric, PRIMARY KEY (of, n));
CREATE TABLE t_settings.refunds (id int PRIMARY KEY, of bytea, amount numeric);
INSERT INTO t_settings.customers SELECT decode(lpad(to_hex(i), 4, 'ff'), 'hex'), timestamptz '2015-03-31 22:30+00' + i * interval '200 days' FROM generate_series(1, 12) i;
SELECT loyalty.create_program('club', customers => 't_settings.customers', joined_at => 'joined', time_zone => 'Europe/Berlin');
SELECT loyalty.track_orders('club', 't_settings.orders', customer => 'who', at => 'at', counts_when => $$coalesce(status, 'x') <> 'no'$$,
	lines => 't_settings.lines', line_order => 'of', line_amount => 'qty * price', currency => $$CASE WHEN n % 5 = 0 THEN 'CHF' END$$);
SELECT loyalty.track_refunds('club', 't_settings.refunds', order_key => 'of', amount => 'amount');
INSERT INTO club.exchange_rate VALUES ('CHF', '2020-01-01', 1.07);
INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
	('one', 'amount', 'true', 'order'),
	('Sunday', '1000', 'extract(isodow FROM at) = 7', 'order'),
	('text of a day', '7', $$at::date::text = '2024-01-07'$$, 'order'),
	('text of an interval', '11', $$span::text = '1 day 02:00:00'$$, 'order'),
	('text of a float', '13', $$exact::text = '0.1'$$, 'order'),
	('text of money', '17', $$cash::text LIKE '%1%'$$, 'order'),
	('text of bytea', '19', $$id::text LIKE '\\x%'$$, 'order'),
	('age', '23', $$age(at, '2023-12-01') >= '2 months'$$, 'order'),
	('name of a day', '29', $$to_char(at, 'TMDay') ~ '^Sunday'$$, 'order'),
	('null', '31', 'status = NULL', 'order'),
	('abbreviation', '37', $$timestamp '2024-01-01 12:00' AT TIME ZONE CASE n % 7 WHEN 1 THEN 'IST' ELSE 'UTC' END < '2024-01-01 10:59:00+01'$$, 'order'),
	('array', '41', $$('{null}'::text[])[1] IS NULL$$, 'order'),
	('search', '43', $$to_tsvector('the orders') @@ to_tsquery('order')$$, 'order'),
	('line', 'qty', 'qty > 1', 'line');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $$tenure >= '5 years'$$, 1.5),
	('Sunny', 2, $$extract(isodow FROM last_order_at) = 7 AND today > '2024-01-01'$$, 2), ('Failing', 3, '100 / (orders - 2) < 0 AND spend > 100000', 3);
INSERT INTO t_settings.orders (id, who, at, n) SELECT decode(lpad(to_hex(i), 6, 'fe'), 'hex'), decode(lpad(to_hex(1 + i % 12), 4, 'ff'), 'hex'),
	timestamptz '2023-11-15 22:30+00' + i * interval '50 hours', i FROM generate_series(1, 60) i;
INSERT INTO t_settings.lines SELECT id, l, l, 1 FROM t_settings.orders, generate_series(1, 3) l;
INSERT INTO t_settings.refunds SELECT n, id, 1 FROM t_settings.orders WHERE n % 5 = 0;
UPDATE t_settings.orders SET status = 'no' WHERE n % 11 = 0;
CALL loyalty.post('club');
UPDATE t_settings.lines SET price = 2 FROM t_settings.orders o WHERE o.id = of AND o.n % 3 = 0;
INSERT INTO t_settings.refunds SELECT 100 + n, id, 1 FROM t_settings.orders WHERE n % 4 = 0;
CREATE TABLE t_settings.first AS SELECT * FROM loyalty.verify('club');
SELECT violation, detail FROM t_settings.first;

-- what verify() tells under a setting that it did not tell before, and the reverse
CREATE FUNCTION t_settings.differs(name text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	before text := current_setting(name);
	rows int;
	example text;
BEGIN
	BEGIN
		PERFORM set_config(name, value, false);
	EXCEPTION WHEN OTHERS THEN
		RETURN NULL;	-- this server does not have it, or not this value
	END;
	BEGIN
		WITH v AS MATERIALIZED (SELECT * FROM loyalty.verify('club')), d AS ((TABLE v EXCEPT TABLE t_settings.first) UNION ALL (TABLE t_settings.first EXCEPT TABLE v))
		SELECT count(*), min(d::text) INTO rows, example FROM d;
	EXCEPTION WHEN OTHERS THEN
		example := SQLERRM;
	END;
	PERFORM set_config(name, before, false);
	RETURN CASE WHEN example IS NOT NULL THEN format('%s = %s: %s %s', name, value, rows, example) END;
END $$;
CREATE TABLE t_settings.tried (name text, value text);
INSERT INTO t_settings.tried VALUES ('timezone', 'Pacific/Kiritimati'), ('timezone', 'Asia/Kolkata'), ('datestyle', 'SQL, DMY'), ('datestyle', 'German'), ('datestyle', 'Postgres, YMD'),
	('extra_float_digits', '-15'), ('extra_float_digits', '3'), ('lc_monetary', 'POSIX'), ('lc_numeric', 'POSIX'), ('lc_time', 'POSIX'), ('lc_messages', 'POSIX'),
	('timezone_abbreviations', 'India'), ('timezone_abbreviations', 'Australia'), ('default_text_search_config', 'pg_catalog.simple'), ('default_text_search_config', 'pg_catalog.english'),
	('search_path', ''), ('gin_fuzzy_search_limit', '1'), ('restrict_nonsystem_relation_kind', 'view, foreign-table'), ('plpgsql.extra_errors', 'all');
INSERT INTO t_settings.tried SELECT s.name, v FROM pg_settings s CROSS JOIN LATERAL unnest(CASE s.vartype WHEN 'bool' THEN '{on,off}' ELSE s.enumvals END) v
 WHERE s.context IN ('user', 'superuser') AND s.vartype IN ('bool', 'enum') AND v <> s.setting
   AND (s.category ~ '^(Client Connection Defaults|Version and Platform|Customized)' OR s.name IN ('geqo', 'enable_hashjoin', 'enable_sort', 'enable_nestloop', 'enable_seqscan'))
   AND s.name !~ '^(default_)?transaction_|^client_min_messages$|^xml';
SELECT t_settings.differs(name, value) FROM t_settings.tried WHERE t_settings.differs(name, value) IS NOT NULL;
SELECT count(*) > 30 AS many FROM t_settings.tried;

-- all at once, by somebody who may only read, with operators, functions, types and
-- tables of his own where names are looked for first
CREATE ROLE t_settings_reader;
SELECT loyalty.grant_access('club', 't_settings_reader', 'read');
CREATE SCHEMA t_settings_evil AUTHORIZATION t_settings_reader;
GRANT USAGE ON SCHEMA t_settings TO t_settings_reader;
GRANT SELECT ON t_settings.first TO t_settings_reader;
ALTER TABLE t_settings.orders ENABLE ROW LEVEL SECURITY;
ALTER TABLE club.ledger ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION t_settings.evil() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	type text;
	operator text;
BEGIN
	FOREACH type IN ARRAY '{int4,int8,text,numeric,timestamptz,bytea,name,oid,bool,int2}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION t_settings_evil.never(pg_catalog.%1$s, pg_catalog.%1$s) RETURNS bool LANGUAGE sql IMMUTABLE AS ''SELECT false''', type);
		FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,~}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR t_settings_evil.%1$s (LEFTARG = pg_catalog.%2$s, RIGHTARG = pg_catalog.%2$s, FUNCTION = t_settings_evil.never)', operator, type);
		END LOOP;
		EXECUTE format('CREATE FUNCTION t_settings_evil.sum(pg_catalog.%1$s) RETURNS pg_catalog.%1$s LANGUAGE sql AS ''SELECT NULL::pg_catalog.%1$s''', type);
		EXECUTE format('CREATE FUNCTION t_settings_evil.max(pg_catalog.%1$s) RETURNS pg_catalog.%1$s LANGUAGE sql AS ''SELECT NULL::pg_catalog.%1$s''', type);
	END LOOP;
	CREATE FUNCTION t_settings_evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS 'SELECT ''SELECT 1''';
	CREATE FUNCTION t_settings_evil.isfinite(timestamptz) RETURNS bool LANGUAGE sql AS 'SELECT false';
	CREATE FUNCTION t_settings_evil.to_regclass(text) RETURNS regclass LANGUAGE sql AS 'SELECT NULL::regclass';
	CREATE VIEW t_settings_evil.pg_class AS SELECT 1 AS oid;
	CREATE VIEW t_settings_evil.pg_trigger AS SELECT 1 AS oid;
	CREATE VIEW t_settings_evil.pg_attribute AS SELECT 1 AS oid;
	CREATE DOMAIN t_settings_evil.numeric AS int CHECK (value > 0);
	CREATE DOMAIN t_settings_evil.interval AS int;
	CREATE TEMP TABLE pg_class (oid oid);
	CREATE TEMP TABLE journal (customer bytea);
	CREATE TEMP TABLE e (customer bytea);
	CREATE TEMP TABLE rows (customer bytea);
END $$;
GRANT TEMP ON DATABASE :DBNAME TO t_settings_reader;
SET ROLE t_settings_reader;
SELECT t_settings.evil();
CREATE FUNCTION t_settings_evil.difference() RETURNS SETOF text LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $$
	WITH v AS MATERIALIZED (SELECT * FROM loyalty.verify('club'))
	SELECT d::text FROM ((TABLE v EXCEPT TABLE t_settings.first) UNION ALL (TABLE t_settings.first EXCEPT TABLE v)) d $$;
BEGIN;
SET LOCAL timezone = 'Asia/Kolkata';
SET LOCAL datestyle = 'German';
SET LOCAL intervalstyle = 'iso_8601';
SET LOCAL extra_float_digits = -10;
SET LOCAL bytea_output = 'escape';
SET LOCAL transform_null_equals = on;
SET LOCAL array_nulls = off;
SET LOCAL row_security = on;
SET LOCAL timezone_abbreviations = 'India';
SET LOCAL default_text_search_config = 'pg_catalog.simple';
SET LOCAL quote_all_identifiers = on;
SELECT * FROM t_settings_evil.difference();
SET LOCAL standard_conforming_strings = off;
SET LOCAL backslash_quote = on;
SET LOCAL row_security = off;
SET LOCAL search_path = pg_temp, t_settings_evil, pg_catalog;
CREATE TEMP TABLE told AS SELECT * FROM loyalty.verify('club');
RESET search_path;
SELECT d::text FROM ((TABLE told EXCEPT TABLE t_settings.first) UNION ALL (TABLE t_settings.first EXCEPT TABLE told)) d;
ROLLBACK;
RESET ROLE;
ALTER TABLE t_settings.orders DISABLE ROW LEVEL SECURITY;
ALTER TABLE club.ledger DISABLE ROW LEVEL SECURITY;

-- a program with violations: each is told alike, with the same words
SET session_replication_role = replica;
UPDATE club.ledger SET order_points = order_points + 1 WHERE order_key LIKE '%1';
UPDATE t_settings.orders SET at = at + interval '1 hour 1 second' WHERE n = 13;
UPDATE t_settings.customers SET joined = joined - interval '1 year' WHERE id = '\xff04';
UPDATE t_settings.refunds SET amount = 2.5 WHERE id = 15;
DELETE FROM t_settings.orders WHERE n = 17;
UPDATE club.account SET points = points + 1 WHERE customer = '\xff05';
UPDATE club.ledger SET recorded_at = recorded_at - interval '1 year' WHERE order_key LIKE '%2';
RESET session_replication_role;
TRUNCATE t_settings.first;
INSERT INTO t_settings.first SELECT * FROM loyalty.verify('club');
SELECT DISTINCT violation FROM t_settings.first ORDER BY 1;
SELECT t_settings.differs(name, value) FROM t_settings.tried WHERE value NOT IN ('on', 'off') AND t_settings.differs(name, value) IS NOT NULL;
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY t_settings_reader;
DROP ROLE t_settings_reader;
DROP SCHEMA t_settings CASCADE;
