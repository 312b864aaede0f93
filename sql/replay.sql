-- A few hundred random statements upon orders, lines and refunds, in several kinds of tables: after
-- each few, every member has the points, the value and the number of orders that a query over the
-- tables as they stand gives.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;
SET search_path = t_replay, pg_catalog;
CREATE SCHEMA t_replay;
CREATE EXTENSION citext SCHEMA t_replay;
CREATE TABLE t_replay.customers (id int PRIMARY KEY);
INSERT INTO t_replay.customers SELECT generate_series(1, 5);
CREATE FUNCTION t_replay.some(n int) RETURNS int LANGUAGE sql VOLATILE
	AS 'SELECT 1 + floor(random() * n)::int';
-- a key in some spelling
CREATE FUNCTION t_replay.key(kind text, n int) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE kind WHEN 'citext' THEN CASE WHEN random() < 0.5 THEN 'Order ' ELSE 'oRDER ' END || n
	                 WHEN 'numeric' THEN n || CASE WHEN random() < 0.5 THEN '.50' ELSE '.5' END
	                 ELSE n::text END
$$;
CREATE FUNCTION t_replay.make(kind text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	key text := CASE kind WHEN 'citext' THEN 't_replay.citext' WHEN 'numeric' THEN 'numeric'
	                      ELSE 'int' END;
	parts text := CASE kind WHEN 'partitions' THEN 'PARTITION BY RANGE (%s)' ELSE '' END;
BEGIN
	EXECUTE format('CREATE TABLE t_replay.orders (id %s PRIMARY KEY, customer int, at timestamptz,
		status text) %s', key, format(parts, 'id'));
	EXECUTE format('CREATE TABLE t_replay.lines (n int, qty int, of %s, price numeric) %s',
		CASE kind WHEN 'wide' THEN 'bigint' ELSE key END, format(parts, 'of'));
	EXECUTE format('CREATE TABLE t_replay.refunds (amount numeric, of %s) %s',
		CASE kind WHEN 'wide' THEN 'smallint' ELSE key END, format(parts, 'of'));
	IF kind = 'partitions' THEN
		CREATE TABLE t_replay.orders_1 PARTITION OF t_replay.orders FOR VALUES FROM (0) TO (8);
		CREATE TABLE t_replay.orders_2 (status text, gone int, at timestamptz, customer int,
			id int NOT NULL);
		ALTER TABLE t_replay.orders_2 DROP COLUMN gone;
		ALTER TABLE t_replay.orders ATTACH PARTITION t_replay.orders_2 FOR VALUES FROM (8) TO (1000);
		CREATE TABLE t_replay.lines_1 (gone int, price numeric, of int, qty int, n int);
		ALTER TABLE t_replay.lines_1 DROP COLUMN gone;
		ALTER TABLE t_replay.lines ATTACH PARTITION t_replay.lines_1 FOR VALUES FROM (0) TO (6);
		CREATE TABLE t_replay.lines_2 PARTITION OF t_replay.lines DEFAULT;
		CREATE TABLE t_replay.refunds_1 PARTITION OF t_replay.refunds DEFAULT;
	ELSIF kind = 'children' THEN
		CREATE TABLE t_replay.orders_1 (extra int, PRIMARY KEY (id)) INHERITS (t_replay.orders);
		CREATE TABLE t_replay.lines_1 (extra int) INHERITS (t_replay.lines);
	END IF;
	CREATE INDEX ON t_replay.lines (of);
	CREATE INDEX ON t_replay.refunds (of);
	PERFORM loyalty.create_program('club', customers => 't_replay.customers', amount_scale => 12);
	PERFORM loyalty.track_orders('club', 't_replay.orders', customer => 'customer', at => 'at',
		counts_when => $c$status = 'paid'$c$,
		lines => 't_replay.lines', line_order => 'of', line_amount => 'qty * price');
	PERFORM loyalty.track_refunds('club', 't_replay.refunds', order_key => 'of', amount => 'amount');
	INSERT INTO club.earning_rule (name, points, applies_when, per) VALUES
		('half', 'amount / 2', 'true', 'order'), ('three', '3 * qty', 'price > 1', 'line');
END $$;
-- what is right: a half of what is left, and three for each piece of more than 1, of which the
-- share that is left counts; orders without lines, or refunded in full, are none
CREATE FUNCTION t_replay.differences() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE $q$
	WITH line AS (
		SELECT of, sum(qty * price) AS gross, sum(CASE WHEN price > 1 THEN 3 * qty ELSE 0 END) AS pieces
		  FROM t_replay.lines GROUP BY of),
	refund AS (SELECT of, sum(amount) AS amount FROM t_replay.refunds GROUP BY of),
	o AS (
		SELECT o.customer, l.gross, l.gross - coalesce(r.amount, 0) AS net, l.pieces
		  FROM t_replay.orders o
		  JOIN line l ON l.of = o.id
		  LEFT JOIN refund r ON r.of = o.id
		 WHERE o.status = 'paid' AND o.at IS NOT NULL),
	total AS (
		SELECT customer, count(*) AS orders, sum(net) AS value,
		       sum(floor(net / 2 + CASE gross WHEN 0 THEN pieces ELSE pieces * net / gross END)) AS points
		  FROM o WHERE net = gross OR net > 0 GROUP BY customer)
	SELECT format('member %s has %s points, value %s, %s orders instead of %s, %s, %s',
	              m.id, m.points, m.lifetime_value, m.orders, t.points, t.value, t.orders)
	  FROM club.members m LEFT JOIN total t ON t.customer = m.id
	 WHERE (m.points, m.lifetime_value, m.orders)
	       IS DISTINCT FROM (coalesce(t.points, 0), coalesce(t.value, 0), coalesce(t.orders, 0))
	 ORDER BY 1
	$q$;
END $$;
-- a random statement for orders of the keys 1 to 15, and customers 1 to 5
CREATE FUNCTION t_replay.statement(kind text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	k text := quote_literal(t_replay.key(kind, t_replay.some(15)));
	other text := quote_literal(t_replay.key(kind, t_replay.some(15)));
	c int := t_replay.some(5);
	orders text := CASE WHEN kind = 'children' AND random() < 0.3 THEN 'orders_1' ELSE 'orders' END;
	lines text := CASE WHEN kind IN ('children', 'partitions') AND random() < 0.3 THEN 'lines_1'
	                   ELSE 'lines' END;
BEGIN
	IF orders = 'orders_1' THEN
		k := quote_literal(15 + t_replay.some(5));		-- the child has keys of its own
		other := quote_literal(15 + t_replay.some(5));
	END IF;
	IF lines = 'lines_1' AND kind = 'partitions' THEN
		k := quote_literal(t_replay.some(5));
		other := quote_literal(t_replay.some(5));
	END IF;
	RETURN CASE t_replay.some(20)
	WHEN 1 THEN format('INSERT INTO %s VALUES (%s, %s, ''2024-01-01'', ''paid'')
		ON CONFLICT (id) DO NOTHING', orders, k, c)
	WHEN 2 THEN format('INSERT INTO %s VALUES (%s, %s, ''2024-01-01'', ''paid'')
		ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, status = excluded.status',
		orders, k, c)
	WHEN 3 THEN format('INSERT INTO %s VALUES (%s, %s, ''2024-01-01'', ''paid''),
		(%s, %s, ''2024-01-02'', ''open'') ON CONFLICT (id) DO NOTHING',
		orders, k, c, other, t_replay.some(5))
	WHEN 4 THEN format('INSERT INTO %s (of, qty, price) VALUES (%s, %s, %s), (%s, 1, 2.50)',
		lines, k, c, t_replay.some(4) - 1, k)
	WHEN 5 THEN format('INSERT INTO %s (of, qty, price) VALUES (%s, %s, %s), (%s, 3, 1.01)',
		lines, k, c, t_replay.some(4), other)
	WHEN 6 THEN format('DELETE FROM %s WHERE random() < 0.2', lines)
	WHEN 7 THEN format('DELETE FROM %s WHERE of = %s', lines, k)
	WHEN 8 THEN format('UPDATE %s SET of = %s WHERE of = %s', lines, other, k)
	WHEN 9 THEN format('UPDATE %s SET qty = qty + 1, price = price * 1.1 WHERE random() < 0.2',
		lines)
	WHEN 10 THEN format('UPDATE %s SET id = %s WHERE id = %s
		AND NOT EXISTS (SELECT FROM %1$s WHERE id = %2$s)', orders, other, k)
	WHEN 11 THEN format('UPDATE %s SET customer = %s WHERE random() < 0.2', orders, c)
	WHEN 12 THEN format('UPDATE %s SET
		status = CASE WHEN random() < 0.7 THEN ''paid'' ELSE ''open'' END,
		at = CASE WHEN random() < 0.9 THEN date ''2024-01-01'' END WHERE random() < 0.5', orders)
	WHEN 13 THEN format('DELETE FROM %s WHERE id = %s', orders, k)
	WHEN 14 THEN format('INSERT INTO refunds (of, amount) VALUES (%s, %s), (%s, 0.50)',
		k, t_replay.some(3), other)
	WHEN 15 THEN format('UPDATE refunds SET of = %s, amount = amount + 0.25 WHERE of = %s',
		other, k)
	WHEN 16 THEN format('DELETE FROM refunds WHERE random() < 0.3', k)
	WHEN 17 THEN format('WITH o AS (INSERT INTO %s VALUES (%s, %s, ''2024-01-01'', ''paid'')
			ON CONFLICT (id) DO UPDATE SET at = now() RETURNING id),
		l AS (INSERT INTO lines (of, qty, price) SELECT id, 2, 3 FROM o RETURNING of)
		INSERT INTO refunds (of, amount) SELECT of, 1.5 FROM l', orders, k, c)
	WHEN 18 THEN format('WITH o AS (DELETE FROM %s WHERE id = %s RETURNING id, customer, at, status)
		INSERT INTO %1$s SELECT id, %3$s, at, status FROM o', orders, k, c)
	WHEN 19 THEN CASE WHEN random() < 0.1 THEN 'TRUNCATE lines'
		WHEN random() < 0.2 THEN 'TRUNCATE refunds'
		ELSE format('UPDATE %s SET id = id WHERE random() < 0.5', orders) END
	ELSE CASE WHEN random() < 0.5 THEN 'CALL loyalty.post(''club'')' ELSE 'COMMIT' END
	END;
END $$;
CREATE PROCEDURE t_replay.run(kind text, n int, seed float8 DEFAULT 0.1) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	said text[];
	difference text;
BEGIN
	PERFORM t_replay.make(kind);
	COMMIT;
	PERFORM setseed(seed);
	FOR i IN 1 .. n LOOP
		statement := t_replay.statement(kind);
		said := said || statement;
		IF statement = 'COMMIT' THEN
			COMMIT;
		ELSIF random() < 0.1 AND statement NOT LIKE 'CALL%' THEN
			BEGIN
				EXECUTE statement;
				RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN
				said := said || '(rolled back)'::text;
			END;
		ELSE
			EXECUTE statement;
		END IF;
		IF i % 5 = 0 THEN
			SELECT string_agg(d, E'\n') INTO difference FROM t_replay.differences() d;
			IF difference IS NOT NULL THEN
				RAISE EXCEPTION E'%\nafter statement % of %', difference, i, kind
					USING DETAIL = array_to_string(said[greatest(1, cardinality(said) - 30) :], E';\n');
			END IF;
		END IF;
	END LOOP;
END $$;
CALL t_replay.run('plain', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds;
CALL t_replay.run('wide', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds;
CALL t_replay.run('citext', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds;
CALL t_replay.run('numeric', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds;
CALL t_replay.run('partitions', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds;
CALL t_replay.run('children', 600);
SELECT count(*) > 100 AS there_are_many FROM club.entries;
SELECT * FROM loyalty.verify('club');
SELECT recorded, archived, reversed FROM loyalty.reconcile('club');
CALL loyalty.post('club');
SELECT * FROM t_replay.differences();
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP TABLE t_replay.orders, t_replay.lines, t_replay.refunds CASCADE;
DROP SCHEMA t_replay CASCADE;
