-- A few hundred random statements upon orders while the rules change: each order is worth, at every
-- moment, what the rule says that was in force when it first counted, whatever key and customer it
-- is given, and whatever becomes of it meanwhile.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
SET search_path = t_terms, pg_catalog;
CREATE SCHEMA t_terms;
CREATE TABLE t_terms.customers (id int PRIMARY KEY);
INSERT INTO t_terms.customers SELECT generate_series(1, 4);
CREATE FUNCTION t_terms.some(n int) RETURNS int LANGUAGE sql VOLATILE
	AS 'SELECT 1 + floor(random() * n)::int';
CREATE SEQUENCE t_terms.key;
CREATE SEQUENCE t_terms.identity;
-- how many points a unit of the amount makes, for orders that begin to count now and for those that
-- have begun; an order is the same as long as its row is, which has an identity besides its key
CREATE TABLE t_terms.now (factor int);
CREATE TABLE t_terms.pinned (identity int PRIMARY KEY, factor int);
CREATE FUNCTION t_terms.make(kind text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE t_terms.now, t_terms.pinned;
	INSERT INTO t_terms.now VALUES (1);
	CREATE TABLE t_terms.orders (id int PRIMARY KEY, customer int, total numeric,
		counts boolean DEFAULT true, at timestamptz DEFAULT '2024-01-01',
		identity int DEFAULT nextval('t_terms.identity'));
	CREATE TABLE t_terms.lines (of int, price numeric);
	CREATE INDEX ON t_terms.lines (of);
	IF kind = 'cascade' THEN
		ALTER TABLE t_terms.lines ADD FOREIGN KEY (of) REFERENCES t_terms.orders ON UPDATE CASCADE;
	END IF;
	PERFORM loyalty.create_program('club', customers => 't_terms.customers', amount_scale => 12);
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	IF kind = 'rows' THEN
		PERFORM loyalty.track_orders('club', 't_terms.orders', customer => 'customer', at => 'at',
			counts_when => 'counts', amount => 'total');
	ELSE
		PERFORM loyalty.track_orders('club', 't_terms.orders', customer => 'customer', at => 'at',
			counts_when => 'counts', lines => 't_terms.lines', line_order => 'of', line_amount => 'price');
	END IF;
END $$;
CREATE FUNCTION t_terms.worth(kind text, OUT identity int, OUT customer int, OUT amount numeric)
RETURNS SETOF record LANGUAGE plpgsql AS $$
BEGIN
	IF kind = 'rows' THEN
		RETURN QUERY SELECT o.identity, o.customer, o.total FROM t_terms.orders o
			WHERE o.counts AND o.customer IS NOT NULL;
	ELSE
		RETURN QUERY SELECT o.identity, o.customer, sum(l.price)
			FROM t_terms.orders o JOIN t_terms.lines l ON l.of = o.id
			WHERE o.counts GROUP BY o.identity, o.customer;
	END IF;
END $$;
CREATE FUNCTION t_terms.differences(kind text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY
	WITH total AS (
		SELECT customer, count(*) AS orders, sum(amount) AS value, sum(floor(p.factor * amount)) AS points
		  FROM t_terms.worth(kind) JOIN t_terms.pinned p USING (identity) GROUP BY customer)
	SELECT format('member %s has %s points, value %s, %s orders instead of %s, %s, %s',
	              m.id, m.points, m.lifetime_value, m.orders, t.points, t.value, t.orders)
	  FROM club.members m LEFT JOIN total t ON t.customer = m.id
	 WHERE (m.points, m.lifetime_value, m.orders)
	       IS DISTINCT FROM (coalesce(t.points, 0), coalesce(t.value, 0), coalesce(t.orders, 0))
	 ORDER BY 1;
END $$;
-- Keys are never used again, and rows that are deleted do not come back.
CREATE FUNCTION t_terms.statement(kind text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	k text := (SELECT id FROM t_terms.orders ORDER BY random() LIMIT 1);
	fresh text := nextval('t_terms.key');
	c int := t_terms.some(4);
	what int := t_terms.some(17);
BEGIN
	k := coalesce(k, '0');
	RETURN CASE what
	WHEN 1 THEN format('INSERT INTO orders (id, customer, total) VALUES (%s, %s, %s)', fresh, c, c * 3)
	WHEN 2 THEN format('INSERT INTO orders (id, customer, total, counts) VALUES (%s, %s, %s, false)',
		fresh, c, t_terms.some(9))
	WHEN 3 THEN format('INSERT INTO orders (id, customer, total)
		SELECT nextval(''key''), 1 + i %% 4, i FROM generate_series(1, %s) i', t_terms.some(3))
	WHEN 4 THEN format('UPDATE orders SET id = %s WHERE id = %s', fresh, k)
	WHEN 5 THEN format('UPDATE orders SET id = %s, customer = %s WHERE id = %s', fresh, c, k)
	WHEN 6 THEN format('UPDATE orders SET customer = %s WHERE id = %s', c, k)
	WHEN 7 THEN format('UPDATE orders SET customer = %s WHERE customer = %s',
		c, t_terms.some(4))
	WHEN 8 THEN format('UPDATE orders SET id = nextval(''key''), total = total + 1
		WHERE customer = %s', c)
	WHEN 9 THEN format('UPDATE orders SET id = nextval(''key''), customer = 1 + (customer + %s) %% 4,
		counts = random() < 0.7 WHERE random() < 0.3', c)
	WHEN 10 THEN format('UPDATE orders SET counts = NOT counts WHERE id = %s', k)
	WHEN 11 THEN 'UPDATE orders SET total = total + 0.5, counts = true WHERE random() < 0.3'
	WHEN 12 THEN format('UPDATE orders SET counts = true WHERE customer = %s', c)
	WHEN 13 THEN 'CALL loyalty.post(''club'')'
	WHEN 14 THEN format('rule %s', t_terms.some(5))
	WHEN 15 THEN format('INSERT INTO lines VALUES (%s, %s), (%1$s, 0.5)', k, c)
	WHEN 16 THEN CASE WHEN random() < 0.5 THEN 'DELETE FROM lines WHERE random() < 0.2'
		ELSE 'UPDATE lines SET price = price + 0.25 WHERE random() < 0.3' END
	WHEN 17 THEN CASE WHEN kind = 'cascade' THEN 'COMMIT'
		ELSE format('UPDATE lines SET of = %s WHERE of = (SELECT min(of) FROM lines)', k) END
	ELSE 'COMMIT' END;
END $$;
CREATE PROCEDURE t_terms.run(kind text, n int, seed float8 DEFAULT 0.1) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	said text[];
	difference text;
BEGIN
	PERFORM t_terms.make(kind);
	COMMIT;
	PERFORM setseed(seed);
	FOR i IN 1 .. n LOOP
		statement := t_terms.statement(kind);
		CONTINUE WHEN statement LIKE '%lines%' AND NOT EXISTS (SELECT FROM t_terms.orders);
		said := said || statement;
		IF statement = 'COMMIT' THEN
			COMMIT;
		ELSIF statement LIKE 'rule%' THEN
			UPDATE t_terms.now SET factor = split_part(statement, ' ', 2)::int;
			UPDATE club.earning_rule SET points = split_part(statement, ' ', 2) || ' * amount';
		ELSE
			EXECUTE statement;
		END IF;
		INSERT INTO t_terms.pinned SELECT identity, factor FROM t_terms.worth(kind), t_terms.now
			ON CONFLICT DO NOTHING;
		SELECT string_agg(d, E'\n') INTO difference FROM t_terms.differences(kind) d;
		IF difference IS NOT NULL THEN
			RAISE EXCEPTION E'%\nafter statement % of %', difference, i, kind
				USING DETAIL = array_to_string(said[greatest(1, cardinality(said) - 30) :], E';\n');
		END IF;
	END LOOP;
END $$;
CALL t_terms.run('rows', 400);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_terms.differences('rows');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_terms.orders, t_terms.lines;
CALL t_terms.run('lines', 400);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_terms.differences('lines');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_terms.orders, t_terms.lines;
CALL t_terms.run('cascade', 400);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_terms.differences('cascade');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_terms.orders, t_terms.lines;
DROP SCHEMA t_terms CASCADE;
