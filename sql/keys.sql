-- Keys of every kind of type, in orders and customers alike: recorded, changed, read
-- again for a refund, posted, read and verified under settings that change how
-- values look.  The first customer buys for 101 and is refunded 41, the second's order
-- is deleted and made again as 100.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET intervalstyle = 'iso_8601';
SET datestyle = 'SQL, DMY';
SET bytea_output = 'escape';
CREATE SCHEMA t_keys;
CREATE EXTENSION citext SCHEMA t_keys;
CREATE EXTENSION ltree SCHEMA t_keys;
CREATE EXTENSION hstore SCHEMA t_keys;
CREATE EXTENSION isn SCHEMA t_keys;
CREATE TYPE t_keys.colour AS ENUM ('red', 'green', 'blue');
CREATE DOMAIN t_keys.colour_domain AS t_keys.colour;
CREATE DOMAIN t_keys.colour_domain2 AS t_keys.colour_domain;
CREATE DOMAIN t_keys.ci AS t_keys.citext;
CREATE DOMAIN t_keys.ci2 AS t_keys.ci CHECK (value::text <> '');
CREATE DOMAIN t_keys.number AS int CHECK (value > 0);
CREATE DOMAIN t_keys.number2 AS t_keys.number;
CREATE DOMAIN t_keys.path AS t_keys.ltree;
CREATE DOMAIN t_keys.span AS int4range;
CREATE TYPE t_keys.pair AS (a int, b int);
CREATE DOMAIN t_keys.pair_domain AS t_keys.pair;
CREATE FUNCTION t_keys.run(key_type text, one text, two text, order_type text, o1 text, o2 text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE t_keys.customers (id %s PRIMARY KEY)', key_type);
	EXECUTE format('CREATE TABLE t_keys.orders (id %s PRIMARY KEY, customer %s, at date, total numeric)', order_type, key_type);
	EXECUTE format('CREATE TABLE t_keys.refunds (id int PRIMARY KEY, of %s, amount numeric)', order_type);
	EXECUTE format('INSERT INTO t_keys.customers VALUES (%L), (%L)', one, two);
	PERFORM loyalty.create_program('club', customers => 't_keys.customers');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('A', 1, 'orders > 0', 2);
	PERFORM loyalty.track_orders('club', 't_keys.orders', customer => 'customer', at => 'at', amount => 'total');
	PERFORM loyalty.track_refunds('club', 't_keys.refunds', order_key => 'of', amount => 'amount');
	EXECUTE format('INSERT INTO t_keys.orders VALUES (%L, %L, ''01/02/2020'', 100), (%L, %L, ''01/02/2020'', 200)', o1, one, o2, two);
	UPDATE t_keys.orders SET total = total + 1;
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
	PERFORM _loyalty.post_batch('club', NULL, 100);
	EXECUTE format('INSERT INTO t_keys.refunds VALUES (1, %L, 41)', o1);
	DELETE FROM t_keys.orders WHERE total = 201;
	EXECUTE format('INSERT INTO t_keys.orders VALUES (%L, %L, ''01/02/2020'', 100)', o2, two);
	PERFORM _loyalty.post_batch('club', NULL, 1);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after posting'; END IF;
	IF EXISTS (SELECT FROM loyalty.reconcile('club') WHERE recorded + reversed + archived > 0) THEN RAISE 'there was something to reconcile'; END IF;
	SELECT string_agg(points || ' ' || tier, ', ' ORDER BY points) INTO result FROM club.members m WHERE points = club.balance(id) AND tier = club.tier_at(id);
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_keys.customers, t_keys.orders, t_keys.refunds;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
CREATE TABLE t_keys.result (n serial, customers text, orders text, result text);
\o /dev/null
\set ECHO none
SELECT format('INSERT INTO t_keys.result (customers, orders, result) SELECT %1$L, %4$L, t_keys.run(%1$L, %2$L, %3$L, %4$L, %5$L, %6$L)',
              customers, one, two, orders, o1, o2)
  FROM (VALUES
	('t_keys.colour', 'red', 'blue', 'int', '1', '2'),
	('t_keys.colour_domain', 'red', 'blue', 'int', '1', '2'),
	('t_keys.colour_domain2', 'red', 'blue', 'int', '1', '2'),
	('t_keys.citext', 'Ann', 'Bob', 'int', '1', '2'),
	('t_keys.ci', 'Ann', 'Bob', 't_keys.number', '1', '2'),
	('t_keys.ci2', 'Ann', 'Bob', 't_keys.number2', '1', '2'),
	('t_keys.number2', '1', '2', 't_keys.ci2', 'a', 'b'),
	('t_keys.ltree', 'a.b', 'a.c', 't_keys.path', 'x', 'y'),
	('t_keys.path', 'a.b', 'a.c', 't_keys.ltree', 'x', 'y'),
	('t_keys.hstore', 'a=>1', 'a=>2', 't_keys.hstore', 'a=>1', 'b=>2'),
	('t_keys.isbn', '0-393-04002-X', '1-4133-0454-0', 't_keys.isbn', '0-393-04002-X', '1-4133-0454-0'),
	('int4range', '[1,3)', '[3,5)', 'int', '1', '2'),
	('t_keys.span', '[1,3)', '[3,5)', 'bigint', '1', '2'),
	('uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000002', 'uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000002'),
	('bytea', '\x01ff', '\x00', 'int', '1', '2'),
	('"char"', 'a', 'b', '"char"', 'a', 'b'),
	('name', 'a', 'b', 'name', 'a', 'b'),
	('oid', '1', '4000000000', 'oid', '1', '4000000000'),
	('bit(3)', '101', '110', 'bit(3)', '101', '110'),
	('char(3)', 'abc', 'b', 'char(3)', 'abc', 'b'),
	('inet', '10.0.0.1', '10.0.0.0/8', 'inet', '10.0.0.1', '::1'),
	('macaddr', '08:00:2b:01:02:03', '08:00:2b:01:02:04', 'macaddr8', '08:00:2b:01:02:03:04:05', '08:00:2b:01:02:03:04:06'),
	('interval', '1 day', '1 month 3 hours', 'int', '1', '2'),
	('timestamptz', '2020-01-31 12:00:00.123456', 'infinity', 'int', '1', '2'),
	('float8', '0.1', 'NaN', 'int', '1', '2'),
	('jsonb', '{"a": 1}', '{"a": 2}', 'jsonb', '{"a": 1}', '{"a": 2}'),
	-- what has no one text for good, or is more than one value, is no key
	('int', '1', '2', 't_keys.colour', 'red', 'green'),
	('int', '1', '2', 't_keys.colour_domain2', 'red', 'green'),
	('int', '1', '2', 'timestamptz', '2020-01-31', '2020-01-30'),
	('int', '1', '2', 'interval', '1 day', '1 month'),
	('int', '1', '2', 'int[]', '{1}', '{2}'),
	('int[]', '{1}', '{2}', 'int', '1', '2'),
	('t_keys.pair', '(1,1)', '(2,2)', 'int', '1', '2'),
	('t_keys.pair_domain', '(1,1)', '(2,2)', 'int', '1', '2')) k (customers, one, two, orders, o1, o2) \gexec
\set ECHO all
\o
SELECT customers, orders, result FROM t_keys.result ORDER BY n;
-- customers of an enum are known by its value, whatever that is called
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE TABLE t_keys.customers (id t_keys.colour PRIMARY KEY);
INSERT INTO t_keys.customers VALUES ('red');
CREATE TABLE t_keys.orders (kind t_keys.colour, n int, customer t_keys.colour, at date, total numeric, PRIMARY KEY (kind, n));
SELECT loyalty.create_program('club', customers => 't_keys.customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_keys.orders', order_key => 'kind::text || ''-'' || n::text', customer => 'customer', at => 'at', amount => 'total', key_is_unique => true);
SELECT loyalty.track_orders('club', 't_keys.orders', order_key => 'CASE kind WHEN ''red'' THEN ''r'' ELSE ''b'' END || n::text', customer => 'customer', at => 'at', amount => 'total', key_is_unique => true);
INSERT INTO t_keys.orders VALUES ('red', 1, 'red', '01/02/2020', 10), ('blue', 1, 'red', '01/02/2020', 20);
ALTER TYPE t_keys.colour RENAME VALUE 'red' TO 'pink';
UPDATE t_keys.orders SET total = total + 1;
SELECT id, points, orders FROM club.members;
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.alter_orders('club', 't_keys.orders', order_key => 'kind');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_keys CASCADE;
