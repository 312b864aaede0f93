-- Reads take what they need by index, whatever their condition is on, and say what posting will write.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_reads;
SET search_path = t_reads;
CREATE TABLE customers (id int PRIMARY KEY, name text, joined timestamptz DEFAULT '2015-01-01');
INSERT INTO customers SELECT i, 'name ' || i FROM generate_series(1, 2000) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric(12,2), paid boolean DEFAULT true);
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'joined');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Silver', 1, 'spend >= 100', 2),
	('Gold', 2, $$spend >= 200 AND tenure > '1 year' AND last_order_at > at - interval '100 years'$$, 3);
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total', counts_when => 'paid') \gset

-- What a plan is made of.  Nothing was analyzed, and the planner may start JIT as it is wont to.
CREATE FUNCTION plan(query text, OUT nodes int, OUT kinds text, OUT total_cost float) LANGUAGE plpgsql AS $$
DECLARE
	p json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO p;
	WITH RECURSIVE node (n) AS (
		SELECT p -> 0 -> 'Plan'
		UNION ALL
		SELECT json_array_elements(n -> 'Plans') FROM node)
	SELECT count(*), string_agg(DISTINCT n ->> 'Node Type', ', ' ORDER BY n ->> 'Node Type') FILTER (WHERE n ->> 'Node Type' ~ 'Sort|Window'),
	       max((n ->> 'Total Cost')::float) INTO nodes, kinds, total_cost FROM node;
END $$;
-- how many rows of a table this transaction has read so far, by its primary key or not
CREATE FUNCTION rows_read(relation regclass) RETURNS bigint LANGUAGE sql AS $$
	SELECT pg_stat_get_xact_tuples_returned(relation) + pg_stat_get_xact_tuples_fetched(relation) + sum(pg_stat_get_xact_tuples_fetched(i.indexrelid))::bigint
	  FROM pg_index i WHERE i.indrelid = relation $$;
-- how many rows of the journal a query reads
CREATE FUNCTION journal_rows(query text, OUT read_of_journal bigint) LANGUAGE plpgsql AS $$
DECLARE
	before bigint := rows_read('club.journal');
BEGIN
	EXECUTE format('SELECT count(x::text) FROM (%s) x', query);
	read_of_journal := rows_read('club.journal') - before;
END $$;

-- ten orders of each customer: customer c has amounts c, and so a spend of 10 c
INSERT INTO orders SELECT i, 1 + i % 2000, timestamptz '2024-01-01' + i / 2000 * interval '1 day', 1 + i % 2000 FROM generate_series(0, 19999) i;
-- 1: 10. 11: 9 orders make 99, so 110. 12: 9 make 108, the last at double: 132.
-- 50: 50, 50; 100, 100 at Silver; then six at Gold 150: 1200
SELECT id, tier, points, lifetime_value, orders FROM club.members WHERE id IN (1, 11, 12, 50) ORDER BY id;
-- one customer: customer, account, and the rows of this customer in the journal
SELECT nodes, kinds, total_cost < 10000 AS no_jit FROM plan('SELECT * FROM club.members WHERE id = 50');
-- neither a list of keys, nor a range, a join by something else, or a LIMIT, read those of others
SELECT journal_rows('SELECT * FROM club.members WHERE id = 50'), journal_rows('SELECT * FROM club.members WHERE id IN (1, 11, 50)'),
       journal_rows('SELECT * FROM club.members WHERE id BETWEEN 50 AND 53'), journal_rows('SELECT * FROM club.members WHERE id > 1998'),
       journal_rows('SELECT * FROM customers c JOIN club.members m USING (id) WHERE c.name = ''name 7'''),
       journal_rows('SELECT * FROM club.members LIMIT 3'),
       journal_rows('SELECT m.points FROM (VALUES (7), (8)) v (id) LEFT JOIN club.members m USING (id)'),
       journal_rows('SELECT * FROM club.order_points WHERE id = 7 AND order_key = ''6''') AS one_order,
       journal_rows('SELECT o.id, p.points FROM orders o LEFT JOIN club.order_points p ON p.id = o.customer AND p.tracked_table = 1 AND p.order_key = o.id::text WHERE o.id IN (6, 7)') AS order_list;
-- plans without a value, and those with one, are alike
PREPARE member (int) AS SELECT points, tier FROM club.members WHERE id = $1;
SET plan_cache_mode = force_generic_plan;
EXECUTE member(50);
SELECT nodes, kinds, total_cost < 10000 AS no_jit FROM plan('EXECUTE member(50)');
SET plan_cache_mode = force_custom_plan;
EXECUTE member(50);
RESET plan_cache_mode;
SELECT nodes < 25 AS is_small, kinds FROM plan('SELECT o.id, p.points FROM orders o LEFT JOIN club.order_points p ON p.id = o.customer AND p.tracked_table = 1 AND p.order_key = o.id::text WHERE o.id = 6');
-- the estimates of 1,000,000 rows that nobody has analyzed start no JIT for one row
SELECT relid::regclass AS was, pages, tuples FROM (SELECT oid AS relid, relpages AS pages, reltuples AS tuples FROM pg_class WHERE oid = 'club.journal'::regclass) x \gset
UPDATE pg_class SET reltuples = greatest(relpages, 1) * 3000 WHERE oid = 'club.journal'::regclass;
SELECT total_cost < 100000 AS by_key FROM plan('SELECT * FROM club.members WHERE id = 50');
SELECT total_cost < 100000 AS by_keys FROM plan('SELECT * FROM club.members WHERE id IN (1, 11, 50)');
SELECT total_cost < 100000 AS of_order FROM plan('SELECT * FROM club.order_points WHERE id = 7 AND tracked_table = 1 AND order_key = ''6''');
UPDATE pg_class SET reltuples = :tuples WHERE oid = 'club.journal'::regclass;
-- all of them: the same before and after posting, and by every way to read
CREATE VIEW seen AS SELECT m.id, m.tier, m.points, m.lifetime_value, m.orders, m.first_order_at, m.last_order_at,
	club.balance(m.id) AS balance, club.balance(m.id, 'infinity') AS balance_then, club.tier_at(m.id, now()) AS tier_then FROM club.members m;
CREATE TABLE was AS SELECT * FROM seen;
SELECT count(*) FROM was WHERE points = balance AND points = balance_then AND tier IS NOT DISTINCT FROM tier_then;
SELECT count(*), sum(m.points) = sum(p.points) AS sums, bool_and(m.points = p.points) AS each FROM club.members m JOIN (SELECT id, sum(points) AS points FROM club.order_points GROUP BY 1) p USING (id);
SELECT tier, count(*), sum(points) FROM club.members GROUP BY tier ORDER BY 1;
SELECT id, points FROM club.members ORDER BY points DESC, id LIMIT 3;
CREATE TABLE points_were AS SELECT id, tracked_table, order_key, points FROM club.order_points;
CALL loyalty.post('club');
SELECT count(*) FROM (SELECT * FROM was EXCEPT SELECT * FROM seen) x;
SELECT count(*) FROM (SELECT * FROM points_were EXCEPT SELECT id, tracked_table, order_key, points FROM club.order_points) x;
SELECT nodes, kinds, total_cost < 10000 AS no_jit FROM plan('SELECT * FROM club.members WHERE id = 50');

-- plans that were made when the journal was empty are made anew when it has grown
VACUUM club.journal;
-- whose statistics would say that the table is empty, if they were taken while its first rows are not committed
ALTER TABLE club.journal SET (autovacuum_enabled = off);
SELECT club.balance(7), club.balance(7, now()) \gset
SET plan_cache_mode = force_generic_plan;
PREPARE later (int) AS SELECT count(*), sum(points) FROM club.entries WHERE id = $1;
EXECUTE later(7);
INSERT INTO orders SELECT i, 1 + i % 2000, timestamptz '2024-03-01', 1 FROM generate_series(20000, 29999) i;
BEGIN;
-- what earlier transactions read may not have been reported yet, and counts as read by this one
SELECT rows_read('club.journal') AS before \gset
EXECUTE later(7);
SELECT club.balance(7);
SELECT club.balance(7, now()) IS NOT NULL AS known;
-- of the 10,000 rows, they read no more than some, of customer 7
SELECT CASE WHEN rows_read('club.journal') - :before BETWEEN 5 AND 1000 THEN 'few' ELSE (rows_read('club.journal') - :before)::text END AS rows;
COMMIT;
RESET plan_cache_mode;
ALTER TABLE club.journal RESET (autovacuum_enabled);
DELETE FROM orders WHERE id BETWEEN 20000 AND 29999;
CALL loyalty.post('club');

-- all members: who asks for many of them reads the journal once, and then of few others
CREATE TABLE filler AS SELECT 100000 + i AS id FROM generate_series(1, 20000) i;
INSERT INTO customers SELECT id, 'filler' FROM filler;
INSERT INTO orders SELECT 200000 + i, i, '2024-04-01', 7 FROM generate_series(1, 400) i;
SELECT count(*), sum(orders) - (SELECT sum(orders) FROM club.account) AS more_orders, sum(lifetime_value) - (SELECT sum(spend) FROM club.account) AS more FROM club.members;
SELECT journal_rows('SELECT * FROM club.members') BETWEEN 400 AND 400 + 400 + 100 AS few;
-- a snapshot that shows others, within a query that goes on
CREATE FUNCTION another_order(n int) RETURNS numeric LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF n = 120000 THEN
		INSERT INTO orders VALUES (300001, 120000, '2024-04-02', 9);
	END IF;
	RETURN club.balance(n);
END $$;
BEGIN;
SELECT count(*) FILTER (WHERE points <> 0) AS as_they_were, sum(points) FILTER (WHERE id = 120000) AS before,
       sum(another_order(id)) FILTER (WHERE id > 119998) AS after
  FROM (SELECT * FROM club.members ORDER BY id) m WHERE id > 100000;
SELECT points FROM club.members WHERE id = 120000;
SELECT count(*) FILTER (WHERE points <> 0) FROM club.members WHERE id > 100000;
ROLLBACK;
SELECT count(*) FILTER (WHERE points <> 0) FROM club.members WHERE id > 100000;
-- a cursor shows what was when it was opened
BEGIN;
DECLARE c CURSOR FOR SELECT id, points FROM club.members WHERE id > 119997 ORDER BY id;
FETCH 1 FROM c;
INSERT INTO orders SELECT 300000 + i, 119997 + i, '2024-04-02', 5 FROM generate_series(1, 3) i;
FETCH ALL FROM c;
SELECT id, points FROM club.members WHERE id > 119997 ORDER BY id;
ROLLBACK;
DELETE FROM orders WHERE id > 200000;
DELETE FROM customers USING filler WHERE customers.id = filler.id;
CALL loyalty.post('club');

-- 3000 orders of one customer, posted, and a change of one of them: what is read of the ledger is that order
INSERT INTO customers VALUES (5000, 'big');
INSERT INTO orders SELECT i, 5000, timestamptz '2024-01-01' + i * interval '1 minute', 0.01 FROM generate_series(100000, 102999) i;
CALL loyalty.post('club');
CREATE FUNCTION ledger_reads(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	before bigint := rows_read('club.ledger');
BEGIN
	EXECUTE query;
	RETURN rows_read('club.ledger') - before < 10;
END $$;
UPDATE orders SET total = 1.01 WHERE id = 101000;
-- 29.99 + 1.01
SELECT lifetime_value, orders, points FROM club.members WHERE id = 5000;
BEGIN;
SELECT ledger_reads('SELECT * FROM club.members WHERE id = 5000') AS few, ledger_reads('SELECT club.balance(5000)') AS few;
SELECT ledger_reads($$SELECT points FROM club.order_points WHERE id = 5000 AND order_key = '101000'$$) AS few;
COMMIT;
SELECT points FROM club.order_points WHERE id = 5000 AND order_key = '101000';
-- the first and the last order stop to count, and then those that are first and last by now
UPDATE orders SET paid = false WHERE id IN (100000, 102999);
SELECT first_order_at, last_order_at, orders FROM club.members WHERE id = 5000;
UPDATE orders SET paid = false WHERE id IN (100001, 102998);
SELECT first_order_at, last_order_at, orders FROM club.members WHERE id = 5000;
UPDATE orders SET paid = true, at = at - interval '1 day' WHERE id = 102998;
SELECT first_order_at, last_order_at, orders FROM club.members WHERE id = 5000;
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT first_order_at, last_order_at, orders, lifetime_value FROM club.members WHERE id = 5000;
-- all of them stop
UPDATE orders SET paid = false WHERE customer = 5000;
SELECT tier, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members WHERE id = 5000;
CALL loyalty.post('club');
SELECT tier, points, lifetime_value, orders, first_order_at, last_order_at FROM club.members WHERE id = 5000;
SELECT count(*) FROM club.order_points WHERE id = 5000;
SELECT * FROM loyalty.verify('club');

-- who leaves the customer table keeps the points, and whoever never was in it
SELECT club.balance(50), club.balance(50, '2024-01-02'), club.balance(99999), club.balance(99999, now()), club.tier_at(99999), club.balance(NULL), club.tier_at(NULL);
DELETE FROM customers WHERE id = 50;
INSERT INTO orders VALUES (-1, 99999, '2024-05-05', 7);
SELECT count(*) FROM club.members WHERE id IN (50, 99999);
SELECT id, tier, points, lifetime_value, orders, joined_at FROM club.former_members ORDER BY id;
SELECT nodes < 25 AS is_small, total_cost < 10000 AS no_jit FROM plan('SELECT * FROM club.former_members WHERE id = 50');
SELECT club.balance(50), club.balance(50, '2024-01-02'), club.tier_at(50), club.balance(99999), club.balance(99999, now()), club.balance(99998), club.balance(99998, now());
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT id, tier, points, lifetime_value, orders FROM club.former_members ORDER BY id;
INSERT INTO customers VALUES (50, 'is back');
SELECT id, points, (SELECT count(*) FROM club.former_members) AS former FROM club.members WHERE id = 50;

-- keys as drivers send them
SELECT club.balance(12::smallint) AS int2, club.balance(12) AS int4, club.balance(12::bigint) AS int8, club.balance(12.0) AS "numeric", club.balance('12') AS unknown,
       club.balance(12.5) AS none, club.balance('NaN') AS nan, club.balance(1e30) AS large, club.balance(-9223372036854775809) AS low, club.tier_at(12::bigint, now());
SELECT club.balance(12::float);
SELECT club.balance('twelve');
PREPARE by_text (text) AS SELECT club.balance($1::int);
EXECUTE by_text('12');
SELECT c.id, club.balance(c.id) FROM customers c WHERE c.id < 3 ORDER BY 1;
SELECT format_type(a.atttypid, a.atttypmod) AS type, string_agg(c.relname || '.' || a.attname, ', ' ORDER BY c.relname COLLATE "C", a.attnum) AS columns
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'club'::regnamespace AND c.relname IN ('members', 'former_members', 'order_points') AND a.atttypid = 'numeric'::regtype GROUP BY 1 ORDER BY 1;

-- declared scales are those of the settings; what has been granted and said stays
DROP VIEW seen;
CREATE ROLE regress_reads;
GRANT SELECT ON club.members TO regress_reads;
COMMENT ON VIEW club.members IS 'ours';
UPDATE club.program SET points_scale = 2, amount_scale = 3;
INSERT INTO orders VALUES (-2, 1, '2024-06-01', 1.25);
SELECT points, lifetime_value, average_order FROM club.members WHERE id = 1;
SELECT format_type(a.atttypid, a.atttypmod) AS type, string_agg(c.relname || '.' || a.attname, ', ' ORDER BY c.relname COLLATE "C", a.attnum) AS columns
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'club'::regnamespace AND c.relname IN ('members', 'former_members', 'order_points') AND a.atttypid = 'numeric'::regtype GROUP BY 1 ORDER BY 1;
SELECT has_table_privilege('regress_reads', 'club.members', 'SELECT') AS granted, obj_description('club.members'::regclass) AS said;
-- points that there are keep their decimals
UPDATE club.program SET points_scale = 0;
SELECT points FROM club.members WHERE id = 1;
SELECT club.balance(1), club.tier_at(1);
UPDATE club.program SET amount_scale = 13;
UPDATE club.program SET amount_scale = NULL;
-- not while something is built on what declares them, which is named
CREATE VIEW on_top AS SELECT id, points FROM club.members;
UPDATE club.program SET amount_scale = 2;
DROP VIEW on_top;
UPDATE club.program SET amount_scale = 2;
SELECT * FROM loyalty.verify('club');

-- a view of one's own is read by whom it is granted to, and so are some columns; and nothing else
REVOKE SELECT ON club.members FROM regress_reads;
CREATE VIEW mine AS SELECT id, points, tier, club.balance(id) IS NULL AS unknown FROM club.members WHERE id < 3;
CREATE VIEW my_orders AS SELECT order_key, points FROM club.order_points WHERE id = 1 AND order_key IN ('0', '-2');
CREATE VIEW my_entries AS SELECT count(*), sum(points) FROM club.entries WHERE id = 1;
INSERT INTO orders VALUES (-3, 1, '2024-07-01', 1), (-4, 2, '2024-07-01', 1);
GRANT USAGE ON SCHEMA t_reads, club TO regress_reads;
GRANT SELECT ON mine, my_orders, my_entries TO regress_reads;
GRANT SELECT (id, points, tier) ON club.members TO regress_reads;
SELECT terms FROM club.program \gset
SET ROLE regress_reads;
SELECT id, points, tier FROM mine ORDER BY 1;
SELECT * FROM my_orders ORDER BY 1;
SELECT * FROM my_entries;
SELECT id, points, tier FROM club.members WHERE id = 1;
SELECT lifetime_value FROM club.members WHERE id = 1;
SELECT unknown FROM mine WHERE id = 1;
SELECT club.balance(2);
SELECT points FROM club.order_points WHERE id = 1;
SELECT _loyalty.tier_for('club.program', :terms, 1, 1, 1, NULL, NULL, NULL, now(), gen_random_uuid());
SELECT _loyalty.accrual_of('club.program', 1, 1, 2, '-3', 1, :terms, 1, 1, 1, NULL, NULL, NULL, NULL, NULL, NULL::int[]);
SELECT _loyalty.state_of('club.program', :terms, 1, 1, 1, 1, NULL, NULL, NULL, NULL, gen_random_uuid(), NULL::int[]);
RESET ROLE;
DROP VIEW mine, my_orders, my_entries;
SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_reads FROM regress_reads;
DROP ROLE regress_reads;

-- other kinds of keys
CREATE FUNCTION by_key(type text, a text, b text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE people (k %s PRIMARY KEY)', type);
	EXECUTE format('INSERT INTO people VALUES (%L), (%L)', a, b);
	EXECUTE format('CREATE TABLE sales (id int PRIMARY KEY, who %s, at timestamptz, total numeric)', type);
	PERFORM loyalty.create_program('p', customers => 'people');
	INSERT INTO p.earning_rule (name, points) VALUES ('one', 'amount');
	PERFORM loyalty.track_orders('p', 'sales', customer => 'who', at => 'at', amount => 'total');
	EXECUTE format('INSERT INTO sales VALUES (1, %L, now(), 1), (2, %L, now(), 2)', a, b);
	CALL loyalty.post('p');
	EXECUTE format('INSERT INTO sales VALUES (3, %L, now(), 4)', b);
	EXECUTE format('SELECT format(''%%s: %%s %%s %%s, %%s'', (SELECT proargtypes[0]::regtype FROM pg_proc WHERE oid = ''p.balance''::regproc),
	                       p.balance(%1$L), p.balance(%2$L, now()), (SELECT sum(p.balance(k)) FROM people),
	                       (SELECT sum(points) FROM p.order_points WHERE k = %2$L))', a, b) INTO result;
	IF EXISTS (SELECT FROM loyalty.verify('p')) THEN RAISE 'verify'; END IF;
	PERFORM loyalty.drop_program('p', force => true);
	DROP TABLE people, sales;
	RETURN result;
END $$;
SELECT t.type, by_key(t.type, t.a, t.b)
  FROM (VALUES ('smallint', '1', '2'), ('bigint', '1', '9223372036854775807'), ('numeric', '1.5', '2'), ('text', 'a', 'b'), ('varchar(9)', 'a', 'b '),
               ('char(4)', 'a', 'b'), ('name', 'a', 'b'), ('uuid', '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'),
               ('date', '2024-01-01', '2024-01-02'), ('text COLLATE "C"', 'a', 'B'), ('bytea', '\x01', '\x02')) t (type, a, b);
-- among many: keys that are equal and look otherwise, and such as no hash function knows
CREATE FUNCTION among_many(type text, pattern text, other text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('CREATE TABLE people (k %s PRIMARY KEY)', type);
	EXECUTE format('INSERT INTO people SELECT (%s)::%s FROM generate_series(1, 300) i', pattern, type);
	EXECUTE format('CREATE TABLE sales (id int PRIMARY KEY, who %s, at timestamptz, total numeric)', type);
	PERFORM loyalty.create_program('p', customers => 'people');
	INSERT INTO p.earning_rule (name, points) VALUES ('one', 'amount');
	PERFORM loyalty.track_orders('p', 'sales', customer => 'who', at => 'at', amount => 'total');
	EXECUTE format('INSERT INTO sales SELECT i, (%s)::%s, now(), 1 FROM generate_series(201, 299) i', other, type);
	SELECT format('%s with %s', count(*) FILTER (WHERE points > 0), sum(points)) INTO result FROM p.members;
	IF EXISTS (SELECT FROM loyalty.verify('p')) THEN RAISE 'verify'; END IF;
	PERFORM loyalty.drop_program('p', force => true);
	DROP TABLE people, sales;
	RETURN result;
END $$;
SELECT t.type, among_many(t.type, t.pattern, t.other)
  FROM (VALUES ('int', 'i', 'i'), ('numeric', 'i', 'i + 0.000'), ('text', '''a'' || i', '''a'' || i'), ('char(8)', '''a'' || i', '''a'' || i || '' '''),
               ('bit(32)', 'i', 'i'), ('timestamptz', 'to_timestamp(i)', 'to_timestamp(i)')) t (type, pattern, other);
DROP SCHEMA t_reads CASCADE;
