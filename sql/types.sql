-- Customer keys and order keys of several types.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_types;
CREATE FUNCTION t_types.run(key_type text, one text, two text, order_type text, o1 text, o2 text) RETURNS TABLE (customer text, points numeric, tier text) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE t_types.customers (id %s PRIMARY KEY)', key_type);
	EXECUTE format('CREATE TABLE t_types.orders (id %s PRIMARY KEY, customer %s, at date, total money)', order_type, key_type);
	EXECUTE format('INSERT INTO t_types.customers VALUES (%L), (%L)', one, two);
	PERFORM loyalty.create_program('club', customers => 't_types.customers');
	INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
	INSERT INTO club.tier (name, rank, qualifies) VALUES ('A', 1, 'orders > 0');
	PERFORM loyalty.track_orders('club', 't_types.orders', customer => 'customer', at => 'at', amount => 'total');
	EXECUTE format('INSERT INTO t_types.orders VALUES (%L, %L, ''2020-01-01'', 100), (%L, %L, ''2020-01-01'', 200)', o1, one, o2, two);
	UPDATE t_types.orders SET total = total + 1::money;
	EXECUTE format('DELETE FROM t_types.orders WHERE id = %L', o2);
	EXECUTE format('INSERT INTO t_types.orders VALUES (%L, %L, ''2020-01-01'', 100)', o2, two);
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something'; END IF;
	EXECUTE 'SELECT * FROM _loyalty.post_batch(''club'', NULL, 100)';
	IF EXISTS (SELECT FROM loyalty.verify('club')) THEN RAISE 'verify found something after posting'; END IF;
	RETURN QUERY EXECUTE format('SELECT id::text, points, club.tier_at(id) FROM club.members WHERE id IN (%L, %L) ORDER BY id', one, two);
	PERFORM loyalty.drop_program('club', force => true);
	DROP TABLE t_types.customers, t_types.orders;
END $$;
SELECT * FROM t_types.run('integer', '1', '2', 'bigint', '1', '2');
SELECT * FROM t_types.run('bigint', '1', '9000000000000000000', 'integer', '1', '2');
SELECT * FROM t_types.run('smallint', '1', '2', 'uuid', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002');
SELECT * FROM t_types.run('uuid', '00000000-0000-0000-0000-000000000001', 'ffffffff-0000-0000-0000-000000000002', 'text', 'a', 'A b''c"');
SELECT * FROM t_types.run('text', 'Ann', 'ann', 'varchar(20)', 'x', 'y');
SELECT * FROM t_types.run('varchar(30)', 'Ann', 'O''Hara', 'numeric', '1.0', '2.50');
SELECT * FROM t_types.run('numeric(20,0)', '12345678901234567890', '2', 'numeric(10,2)', '1', '2');
-- an order key must read the same in every session
SELECT * FROM t_types.run('integer', '1', '2', 'timestamptz', '2020-01-01', '2020-01-02');
SET datestyle = 'ISO';
SELECT * FROM t_types.run('date', '2020-01-01', '2020-01-02', 'char(5)', 'x', 'y');
DROP SCHEMA t_types CASCADE;
