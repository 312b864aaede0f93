-- Customers under whatever collation their column has: compared alike wherever they
-- are recorded, posted, read and verified, beside orders of another collation.
-- Everybody joined in 2010 and is Old from 2015 on, at a multiplier of 2.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_ckeys;
CREATE EXTENSION citext SCHEMA t_ckeys;
CREATE DOMAIN t_ckeys.code AS text COLLATE "C";
CREATE FUNCTION t_ckeys.run(key_type text, order_type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE t_ckeys.customers (id %s PRIMARY KEY, joined timestamptz DEFAULT ''2010-01-01'')', key_type);
	EXECUTE format('CREATE TABLE t_ckeys.orders (id int PRIMARY KEY, who %s, at timestamptz DEFAULT ''2020-01-01'', total numeric DEFAULT 10)', order_type);
	CREATE TABLE t_ckeys.refunds (id int PRIMARY KEY, of int, amount numeric);
	INSERT INTO t_ckeys.customers VALUES ('a'), ('B'), ('C'), ('d'), ('_'), ('Z'), ('z 1'), ('z-1');
	PERFORM loyalty.create_program('club', customers => 't_ckeys.customers', joined_at => 'joined', time_zone => 'UTC');
	PERFORM loyalty.track_orders('club', 't_ckeys.orders', customer => 'who', at => 'at', amount => 'total');
	PERFORM loyalty.track_refunds('club', 't_ckeys.refunds', order_key => 'of', amount => 'amount');
	INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('one', 'amount', 'true'), ('for C', '100', $x$customer = 'C'$x$);
	INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Old', 1, $x$tenure > '5 years'$x$, 2);
	INSERT INTO t_ckeys.orders (id, who) VALUES (1, 'a'), (2, 'B'), (3, 'C'), (4, 'd'), (5, '_'), (6, 'Z'), (7, 'z 1'), (8, 'z-1'), (9, 'a');
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
	-- some are posted one by one, others wait
	FOR i IN 1 .. 3 LOOP
		PERFORM _loyalty.post_batch('club', NULL, 1);
	END LOOP;
	UPDATE t_ckeys.orders SET total = 20 WHERE who = 'B';
	UPDATE t_ckeys.orders SET who = 'Z' WHERE id = 9;
	INSERT INTO t_ckeys.refunds VALUES (1, 3, 5);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after changes'; END IF;
	SELECT string_agg(format('%s %s', id::text, points), ', ' ORDER BY id::text COLLATE "C") INTO result FROM club.members WHERE points > 0;
	PERFORM _loyalty.post_batch('club', NULL, 1000);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after posting'; END IF;
	IF EXISTS (SELECT FROM loyalty.reconcile('club') WHERE recorded + reversed + archived > 0) THEN RAISE 'there was something to reconcile'; END IF;
	IF result IS DISTINCT FROM (SELECT string_agg(format('%s %s', id::text, points), ', ' ORDER BY id::text COLLATE "C") FROM club.members WHERE points > 0) THEN
		RAISE 'posting made another result: %', (SELECT string_agg(format('%s %s', id::text, points), ', ' ORDER BY id::text COLLATE "C") FROM club.members WHERE points > 0);
	END IF;
	-- by a value, by a column of either table, under a collation that somebody names
	IF (SELECT sum(club.balance(id)) FROM t_ckeys.customers) <> (SELECT sum(points) FROM club.entries)
	   OR (SELECT sum(points) FROM club.members m JOIN t_ckeys.customers c USING (id)) <> (SELECT sum(points) FROM club.entries)
	   OR (SELECT sum(m.points) FROM t_ckeys.customers c CROSS JOIN LATERAL club.member_at(c.id, 'infinity') m) <> (SELECT sum(points) FROM club.entries)
	   OR (SELECT available FROM club.liability_at('infinity')) <> (SELECT sum(points) FROM club.entries) THEN
		RAISE 'balances differ';
	END IF;
	EXECUTE format($x$SELECT string_agg(format('%%s %%s %%s', who::text, club.balance(who::%1$s, 'infinity'), club.tier_at(who::%1$s, '2020-01-01')), ', ' ORDER BY id)
	                    FROM t_ckeys.orders WHERE id IN (2, 3, 9)$x$, split_part(key_type, ' COLLATE', 1)) INTO STRICT key_type;
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_ckeys.customers, t_ckeys.orders, t_ckeys.refunds;
	RETURN result || '; ' || key_type;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
\pset format unaligned
\pset tuples_only on
-- a: 20, taken away: 20 of order 9; B: 40; C: 10 less 5 and 100, twice: 210; d, _, z 1, z-1: 20; Z: 20 and 20
SELECT t_ckeys.run('text', 'text');
SELECT t_ckeys.run('text COLLATE "C"', 'text');
SELECT t_ckeys.run('text', 'text COLLATE "C"');
SELECT t_ckeys.run('text COLLATE "C"', 'text COLLATE "C"');
SELECT t_ckeys.run('text COLLATE "C"', 'text COLLATE "POSIX"');
SELECT t_ckeys.run('varchar(20) COLLATE "POSIX"', 'text COLLATE "C"');
SELECT t_ckeys.run('t_ckeys.code', 'text COLLATE "POSIX"');
SELECT t_ckeys.run('char(9) COLLATE "C"', 'varchar COLLATE "POSIX"');
SELECT t_ckeys.run('name', 'text COLLATE "POSIX"');
SELECT t_ckeys.run('t_ckeys.code COLLATE "POSIX"', 'text');
SELECT t_ckeys.run('t_ckeys.citext', 't_ckeys.citext');
SELECT t_ckeys.run('t_ckeys.citext COLLATE "C"', 't_ckeys.citext COLLATE "POSIX"');
\pset format aligned
\pset tuples_only off

-- the type citext: orders of Ann and of ann are one customer's
CREATE TABLE t_ckeys.people (name t_ckeys.citext PRIMARY KEY, joined timestamptz DEFAULT '2010-01-01');
CREATE TABLE t_ckeys.sales (id int PRIMARY KEY, who t_ckeys.citext, at timestamptz DEFAULT '2020-01-01', total numeric);
INSERT INTO t_ckeys.people VALUES ('Ann'), ('Bob');
SELECT loyalty.create_program('club', customers => 't_ckeys.people', joined_at => 'joined', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_ckeys.sales', customer => 'who', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Again', 1, 'orders > 0', 2);
INSERT INTO t_ckeys.sales (id, who, total) VALUES (1, 'Ann', 10), (2, 'ann', 10);
INSERT INTO t_ckeys.sales (id, who, total) VALUES (3, 'ANN', 10), (4, 'bob', 10);
SELECT name, tier, points, orders FROM club.members ORDER BY name;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
UPDATE t_ckeys.sales SET who = 'aNN', total = 5 WHERE id = 2;
INSERT INTO t_ckeys.sales (id, who, total) VALUES (5, 'BOB', 10);
SELECT name, tier, points, orders FROM club.members ORDER BY name;
SELECT club.balance('ANN'), club.balance('ann', now()), club.tier_at('aNn');
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT name, tier, points, orders FROM club.members ORDER BY name;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.change_owner('club', current_user::regrole);
SELECT loyalty.drop_program('club', force => true);

-- order keys do not mind what the collation of customers is
CREATE TABLE t_ckeys.codes (code text COLLATE "C" PRIMARY KEY);
CREATE TABLE t_ckeys.buys (nr text PRIMARY KEY, code text REFERENCES t_ckeys.codes, at timestamptz DEFAULT '2020-01-01', total numeric);
INSERT INTO t_ckeys.codes VALUES ('a'), ('B');
SELECT loyalty.create_program('club', customers => 't_ckeys.codes', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_ckeys.buys', customer => $$CASE WHEN code = '' THEN NULL ELSE code END$$, at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('one', 'amount', $$customer < 'a'$$);
INSERT INTO t_ckeys.buys VALUES ('x', 'a', DEFAULT, 1), ('Y', 'B', DEFAULT, 2);
UPDATE t_ckeys.buys SET total = 3;
SELECT code, points FROM club.members ORDER BY code;
SELECT * FROM loyalty.verify('club');
-- one customer is found by index, whatever collation the argument comes from
CREATE FUNCTION t_ckeys.uses_index(query text) RETURNS boolean LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line ~ 'Index Cond: \(customer = ' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
SELECT t_ckeys.uses_index($$SELECT order_points FROM club.ledger WHERE customer = (ROW('B' COLLATE "POSIX", NULL, NULL, NULL)::club.purchase).customer$$);
SELECT club.balance('B' COLLATE "POSIX"), club.balance('B' COLLATE "C", now()), club.tier_at('B' COLLATE "POSIX") IS NULL;
-- tracked again: the customer is the same expression
SELECT loyalty.untrack('club', 't_ckeys.buys');
SELECT loyalty.track_orders('club', 't_ckeys.buys', customer => $$CASE WHEN code = '' THEN NULL ELSE code END$$, at => 'at', amount => 'total');
SELECT * FROM loyalty.verify('club');
SELECT attrelid::regclass, attcollation::regcollation FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
 WHERE relnamespace = 'club'::regnamespace AND relkind IN ('r', 'c', 'v') AND attname IN ('customer', 'code') AND attcollation <> '"C"'::regcollation AND relname <> 'tracked_table';
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_ckeys CASCADE;
