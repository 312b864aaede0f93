-- Keys are compared as their types compare them: an order, its lines and its refunds belong
-- together in whatever spelling, of whatever width, and whatever settings are in force.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET search_path = pg_catalog;
SET jit = off;
\set now 'SELECT id, points, trim_scale(lifetime_value), orders FROM club.members ORDER BY 1;'
\set verify 'SELECT * FROM loyalty.verify(''club'');'
CREATE SCHEMA t_okeys;
CREATE EXTENSION citext SCHEMA t_okeys;
CREATE DOMAIN t_okeys.code AS t_okeys.citext;
CREATE DOMAIN t_okeys.code2 AS t_okeys.code CHECK (value::text <> '');
CREATE DOMAIN t_okeys.amount AS numeric;
-- a server without ICU has no collations that take different texts for one, and citext stands in
DO $$
BEGIN
	CREATE COLLATION t_okeys.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE DOMAIN t_okeys.ci_text AS text COLLATE t_okeys.ci;
EXCEPTION WHEN feature_not_supported THEN
	CREATE DOMAIN t_okeys.ci_text AS t_okeys.citext;
END $$;
SELECT CASE WHEN count(*) = 0 THEN 't_okeys.citext' ELSE 'text COLLATE t_okeys.ci' END AS ci
  FROM pg_collation WHERE collname = 'ci' AND collnamespace = 't_okeys'::regnamespace \gset

-- Other spellings of one key -------------------------------------------------------
-- An order of lines of 10 and 5 makes 15; refunded 3, 12; with each line 1 more, 14, though the
-- rule is another by then; with an equal key, no other order; without the refund, 17; and without
-- lines nothing.  Each step is told with its points, orders and violations, if there are any.
CREATE FUNCTION t_okeys.state(verified boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	SELECT trim_scale(points) || '/' || orders INTO result FROM club.members;
	IF verified THEN
		result := result || coalesce((SELECT ' ' || string_agg(concat_ws(': ', violation, detail), ', ')
		                                FROM loyalty.verify('club')), '');
	END IF;
	RETURN result;
END $$;
CREATE FUNCTION t_okeys.run(type text, of_type text, a text, b text, c text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE t_okeys.orders (id %s PRIMARY KEY, customer int DEFAULT 1,
		at date DEFAULT ''2024-01-01'', note text)', type);
	EXECUTE format('CREATE TABLE t_okeys.lines (of %s, price numeric)', of_type);
	EXECUTE format('CREATE TABLE t_okeys.refunds (of %s, amount numeric)', of_type);
	CREATE TABLE t_okeys.customers (id int PRIMARY KEY);
	INSERT INTO t_okeys.customers VALUES (1);
	PERFORM loyalty.create_program('club', customers => 't_okeys.customers');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	BEGIN
		PERFORM loyalty.track_orders('club', 't_okeys.orders', customer => 'customer', at => 'at',
			lines => 't_okeys.lines', line_order => 'of', line_amount => 'price');
	EXCEPTION WHEN feature_not_supported OR invalid_object_definition THEN
		RAISE 'refused';
	END;
	PERFORM loyalty.track_refunds('club', 't_okeys.refunds', order_key => 'of', amount => 'amount');
	EXECUTE format('INSERT INTO t_okeys.orders (id) VALUES (%L)', a);
	EXECUTE format('INSERT INTO t_okeys.lines VALUES (%L, 10), (%L, 5)', b, a);
	result := t_okeys.state();
	EXECUTE format('INSERT INTO t_okeys.refunds VALUES (%L, 3)', c);
	result := result || ' ' || t_okeys.state();
	UPDATE club.earning_rule SET points = '2 * amount';
	UPDATE t_okeys.lines SET price = price + 1;
	result := result || ' ' || t_okeys.state(true);
	EXECUTE format('UPDATE t_okeys.orders SET id = %L', b);
	result := result || ' ' || t_okeys.state();
	CALL loyalty.post('club');
	result := result || ' ' || t_okeys.state(true);
	DELETE FROM t_okeys.refunds;
	EXECUTE format('INSERT INTO t_okeys.orders (id) VALUES (%L) ON CONFLICT (id) DO UPDATE
		SET note = ''seen''', c);
	result := result || ' ' || t_okeys.state();
	SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
	IF EXISTS (SELECT FROM loyalty.reconcile('club') WHERE recorded + archived + reversed > 0) THEN
		result := result || ' reconciled';
	END IF;
	DELETE FROM t_okeys.lines;
	result := result || ' ' || t_okeys.state(true);
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_okeys.orders, t_okeys.lines, t_okeys.refunds, t_okeys.customers;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE t_okeys.kinds (n serial, type text, lines text, a text, b text, c text,
	settings text, result text);
INSERT INTO t_okeys.kinds (type, lines, a, b, c) VALUES
	('t_okeys.citext', 't_okeys.citext', 'A-1', 'a-1', 'A-1'),
	('t_okeys.citext', 't_okeys.code', 'strasse', 'STRASSE', 'Strasse'),
	('t_okeys.code2', 't_okeys.citext', 'a-1', 'A-1', 'a-1'),
	('t_okeys.code', 't_okeys.code2', 'x''y\z', 'X''y\Z', 'X''Y\Z'),
	(:'ci', :'ci', 'Ann', 'ANN', 'ann'),
	('t_okeys.ci_text', 't_okeys.ci_text', 'Ann', 'ANN', 'ann'),
	('numeric', 'numeric', '7.0', '7.00', '7'),
	('numeric', 'numeric(10,3)', '-0.50', '-.5', '-0.5'),
	('t_okeys.amount', 'numeric', '1e3', '1000', '1000.0'),
	('char(6)', 'char(6)', 'ab', 'ab ', 'ab   '),
	('char(6)', 'char(10)', 'ab', 'ab', 'ab      '),
	('varchar(8)', 'text', 'ab', 'ab', 'ab'),
	('uuid', 'uuid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', 'a0eebc999c0b4ef8bb6d6bb9bd380a11',
	 '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}'),
	('date', 'date', '2024-02-01', 'Feb 1, 2024', '20240201'),
	('int', 'bigint', '1', '1', '01'),
	('bigint', 'int', '1', '1', '01'),
	('smallint', 'bigint', '-1', '-1', '-1'),
	('bigint', 'smallint', '1', '1', '1'),
	('jsonb', 'jsonb', '{"a": 1.0}', '{"a":1.00}', '{"a": 1}'),
	('float8', 'float8', '0', '-0', '0.0'),
	('macaddr', 'macaddr', '08:00:2b:01:02:03', '08002b:010203', '0800.2b01.0203'),
	('bytea', 'bytea', '\x61ff', 'a\377', '\x61FF');
-- settings decide nothing, neither here nor there
INSERT INTO t_okeys.kinds (type, lines, a, b, c, settings)
SELECT type, lines, a, b, c, 'SQL, DMY' FROM t_okeys.kinds
 WHERE type IN ('numeric', 'date', 'bytea', 'float8', 'uuid') ORDER BY n;
\set ECHO none
SELECT format('SET datestyle = %L', coalesce(settings, 'ISO, MDY')),
       format('SET bytea_output = %L', CASE WHEN settings IS NULL THEN 'hex' ELSE 'escape' END),
       format('SET extra_float_digits = %s', CASE WHEN settings IS NULL THEN 1 ELSE -10 END),
       format('UPDATE t_okeys.kinds SET result = t_okeys.run(type, lines, a, b, c) WHERE n = %s', n)
  FROM t_okeys.kinds ORDER BY n \gexec
\set ECHO all
RESET datestyle;
RESET bytea_output;
RESET extra_float_digits;
-- dates, and texts that a collation takes for one, are served, or refused when they are named
SELECT replace(type, 'text COLLATE t_okeys.ci', 't_okeys.citext') AS type,
       replace(lines, 'text COLLATE t_okeys.ci', 't_okeys.citext') AS lines,
       replace(result, 'refused', '15/1 12/1 14/1 14/1 14/1 17/1 0/0') AS result
  FROM t_okeys.kinds ORDER BY n;
SELECT count(*) FROM pg_namespace WHERE nspname = 'club';

-- Composite keys -----------------------------------------------------------------
CREATE TABLE t_okeys.customers (id int PRIMARY KEY);
INSERT INTO t_okeys.customers VALUES (1), (2);
CREATE TABLE t_okeys.orders (shop int, number bigint, customer int,
	at timestamptz DEFAULT '2024-01-01', PRIMARY KEY (shop, number));
CREATE TABLE t_okeys.lines (shop bigint, number int, price numeric,
	FOREIGN KEY (shop, number) REFERENCES t_okeys.orders ON UPDATE CASCADE ON DELETE CASCADE);
CREATE TABLE t_okeys.refunds (of varchar(20), amount numeric);
SELECT loyalty.create_program('club', customers => 't_okeys.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_okeys.orders', customer => 'customer', at => 'at',
	order_key => $$shop::text || '/' || number::text$$,
	lines => 't_okeys.lines', line_order => $$shop::text || '/' || number::text$$,
	line_amount => 'price');
SELECT loyalty.track_refunds('club', 't_okeys.refunds', order_key => 'of', amount => 'amount');
INSERT INTO t_okeys.orders VALUES (1, 11, 1), (11, 1, 2), (1, 1, 2);
INSERT INTO t_okeys.lines VALUES (1, 11, 100), (11, 1, 20), (1, 1, 3), (1, 1, 4);
INSERT INTO t_okeys.refunds VALUES ('1/11', 1), ('11/1', 2);
-- 1: 100 - 1; 2: 20 - 2 + 3 + 4
:now
:verify
-- a shop gets another number, and its lines with it; the refund of old is nobody's: 100
UPDATE club.earning_rule SET points = '1000';
UPDATE t_okeys.orders SET shop = 2 WHERE number = 11;
:now
:verify
-- it is found again: 100 - 1
UPDATE t_okeys.refunds SET of = '2/11' WHERE of = '1/11';
:now
DELETE FROM t_okeys.orders WHERE (shop, number) = (11, 1);
:now
:verify
CALL loyalty.post('club');
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_okeys.orders, t_okeys.lines, t_okeys.refunds;

-- Keys that change places ----------------------------------------------------------
-- Both orders keep the rule that they were recorded by, and find the lines of their new key.
CREATE TABLE t_okeys.orders (id int PRIMARY KEY DEFERRABLE, customer int,
	at timestamptz DEFAULT '2024-01-01');
CREATE TABLE t_okeys.lines (of bigint, price numeric);
SELECT loyalty.create_program('club', customers => 't_okeys.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_okeys.orders', customer => 'customer', at => 'at',
	order_key => 'id', key_is_unique => true,
	lines => 't_okeys.lines', line_order => 'of', line_amount => 'price');
INSERT INTO t_okeys.lines VALUES (1, 10), (2, 100);
INSERT INTO t_okeys.orders VALUES (1, 1);
UPDATE club.earning_rule SET points = '2 * amount';
INSERT INTO t_okeys.orders VALUES (2, 2);
-- 10 and 2 * 100
:now
UPDATE t_okeys.orders SET id = 3 - id;
-- 100 and 2 * 10
:now
:verify
-- the key alone goes from one customer to the other: 10 and 2 * 100
UPDATE t_okeys.orders SET id = 3 - id, at = at + interval '1 day';
:now
:verify
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_okeys.orders, t_okeys.lines, t_okeys.customers;

-- Customers in other spellings ---------------------------------------------------
-- Orders of 10, 20 and 30 in three spellings are of one customer, who is a member of Gold from 30
-- on: 10 + 20 + 2 * 30; amended by 1 each 11 + 21 + 2 * 31; without the third, 32.
CREATE FUNCTION t_okeys.customers(type text, a text, b text, c text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
	more text;
BEGIN
	EXECUTE format('CREATE TABLE t_okeys.customers (id %s PRIMARY KEY)', type);
	EXECUTE format('CREATE TABLE t_okeys.orders (id int PRIMARY KEY, customer %s,
		at date DEFAULT ''2024-01-01'', total int)', type);
	EXECUTE format('INSERT INTO t_okeys.customers VALUES (%L)', a);
	BEGIN
		PERFORM loyalty.create_program('club', customers => 't_okeys.customers');
	EXCEPTION WHEN feature_not_supported OR invalid_object_definition THEN
		RAISE 'refused';
	END;
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 30', 2);
	PERFORM loyalty.track_orders('club', 't_okeys.orders', customer => 'customer', at => 'at',
		amount => 'total');
	EXECUTE format('INSERT INTO t_okeys.orders VALUES (1, %L, DEFAULT, 10)', b);
	EXECUTE format('INSERT INTO t_okeys.orders VALUES (2, %L, DEFAULT, 20)', a);
	CALL loyalty.post('club');
	EXECUTE format('INSERT INTO t_okeys.orders VALUES (3, %L, DEFAULT, 30)', c);
	SELECT count(*) || ' member: ' || t_okeys.state(true) INTO result FROM club.members;
	EXECUTE format('SELECT club.balance(%L) || '' '' || club.tier_at(%L)', b, c) INTO more;
	result := result || ' ' || more;
	UPDATE t_okeys.orders SET total = total + 1;
	result := result || ' ' || t_okeys.state();
	CALL loyalty.post('club');
	EXECUTE format('UPDATE t_okeys.orders SET customer = %L', c);
	DELETE FROM t_okeys.orders WHERE id = 3;
	result := result || ' ' || t_okeys.state();
	CALL loyalty.post('club');
	result := result || ' ' || t_okeys.state(true);
	SELECT count(*)::text INTO more FROM club.account;
	result := result || ', ' || more || ' account';
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_okeys.orders, t_okeys.customers;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
SELECT t_okeys.customers('t_okeys.citext', 'Ann', 'ann', 'ANN');
SELECT t_okeys.customers('t_okeys.code2', 'Ann', 'ann', 'ANN');
SELECT t_okeys.customers('numeric', '7.0', '7.00', '7');
SELECT t_okeys.customers('char(6)', 'ab', 'ab ', 'ab  ');
SELECT t_okeys.customers('float8', '0', '-0', '0.0');
SELECT t_okeys.customers('jsonb', '1.0', '1.00', '1');
-- a collation that takes different texts for one is served, or refused when the program is made
SELECT replace(t_okeys.customers(:'ci', 'Ann', 'ann', 'ANN'), 'refused',
	'1 member: 90/3 90 Gold 94/3 32/2 32/2, 1 account');
SELECT count(*) FROM pg_namespace WHERE nspname = 'club';
DROP SCHEMA t_okeys CASCADE;
