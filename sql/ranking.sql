-- Members by what they have: ranks with ties, the first ones, posted or not.  Expected values were
-- worked out by hand, and at random by rank() over the table of the orders.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_ranking;
SET search_path = t_ranking;
CREATE TABLE customers (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz, total numeric);
INSERT INTO customers SELECT generate_series(1, 8);
SELECT loyalty.create_program('club', customers => 't_ranking.customers', time_zone => 'UTC');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 't_ranking.orders', customer => 'customer', at => 'at', amount => 'total');
INSERT INTO orders VALUES (1, 1, '2026-01-01', 50), (2, 2, '2026-01-01', 80), (3, 3, '2026-01-01', 30), (4, 3, '2026-01-02', 20), (5, 4, '2026-01-01', 10), (6, 5, '2026-01-01', -5), (7, 99, '2026-01-01', 500);
CALL loyalty.post('club');
-- 2 has 80, 1 and 3 have 50 and share a rank, 4 has 10, those who never bought share the next one, and 5 is last; 99 is no member
SELECT * FROM club.ranking('lifetime_value');
SELECT * FROM club.ranking('lifetime_value', 2);
-- three have nothing, and share a rank: all of them are there as soon as one of them is
SELECT * FROM club.ranking('lifetime_value', 5);
SELECT * FROM club.ranking('lifetime_value', 8);
SELECT * FROM club.ranking('orders', 1);
SELECT customer, value, rank FROM club.ranking('average_order');
SELECT customer, value, rank FROM club.ranking('points', 3);
-- what is not posted counts: the first one returns all, another one buys
UPDATE orders SET total = 0 WHERE id = 2;
INSERT INTO orders VALUES (8, 8, '2026-01-03', 45);
SELECT * FROM club.ranking('lifetime_value', 3);
-- metrics, of any type of numbers
INSERT INTO club.metric VALUES ('days', 'days(purchases)'), ('half', 'orders / 2.0'), ('share', '1.5::float8 * orders'), ('word', '''a''::text'), ('when', 'last_order_at'), ('never', 'NULL::int');
SELECT * FROM club.ranking('days', 1);
SELECT customer, value, rank FROM club.ranking('half') WHERE rank < 3;
SELECT customer, value, rank FROM club.ranking('share', 1);
SELECT * FROM club.ranking('never');
-- what is wrong is told
SELECT * FROM club.ranking('word');
SELECT * FROM club.ranking('when');
SELECT * FROM club.ranking('lifetime_valu');
SELECT * FROM club.ranking('id');
SELECT * FROM club.ranking(NULL);
SELECT * FROM club.ranking('orders', 0);
-- who was merged is one
SELECT (club.merge(1, 3, 'm')).reference;
SELECT * FROM club.ranking('lifetime_value', 1);
SELECT count(*) FROM club.ranking('lifetime_value');
-- rights
CREATE ROLE regress_ranking;
SELECT loyalty.grant_access('club', 'regress_ranking', 'read');
SET ROLE regress_ranking;
SELECT customer FROM club.ranking('orders', 1);
RESET ROLE;
DROP OWNED BY regress_ranking;
DROP ROLE regress_ranking;
SELECT * FROM loyalty.verify('club');

-- A key of text, with a collation
CREATE TABLE people (mail varchar(40) COLLATE "C" PRIMARY KEY);
CREATE TABLE sales (id int PRIMARY KEY, who varchar(40) COLLATE "C", at timestamptz, total numeric);
INSERT INTO people VALUES ('b@x'), ('a@x'), ('C@x');
SELECT loyalty.create_program('mail', customers => 't_ranking.people', time_zone => 'UTC');
SELECT loyalty.track_orders('mail', 't_ranking.sales', customer => 'who', at => 'at', amount => 'total');
INSERT INTO sales VALUES (1, 'a@x', '2026-01-01', 5), (2, 'C@x', '2026-01-01', 5);
SELECT * FROM mail.ranking('lifetime_value', 1);
CALL loyalty.post('mail');
SELECT * FROM mail.ranking('lifetime_value', 1);
SELECT * FROM mail.ranking('orders', 3);

-- At random, half of it posted, with returns that are not: each number of first ones, with an index and without
INSERT INTO customers SELECT generate_series(100, 300);
SELECT setseed(0.7);
INSERT INTO orders SELECT 1000 + g, 100 + (random() * 200)::int, now() - random() * interval '400 days', (random() * 12)::int * 10 - 20 FROM generate_series(1, 500) g;
CALL loyalty.post('club');
UPDATE orders SET total = -total WHERE id > 1000 AND random() < 0.05;
INSERT INTO orders SELECT 2000 + g, 100 + (random() * 200)::int, now() - random() * interval '400 days', (random() * 12)::int * 10 FROM generate_series(1, 30) g;
CREATE VIEW should AS
	SELECT id, sum, n, rank() OVER (ORDER BY sum DESC) AS by_sum, rank() OVER (ORDER BY n DESC) AS by_n, count(*) OVER () AS total
	  FROM (SELECT c.id, coalesce(sum(o.total), 0) AS sum, count(o.id) AS n FROM (SELECT CASE id WHEN 1 THEN 3 ELSE id END AS id, id AS key FROM customers) c LEFT JOIN orders o ON o.customer = c.key GROUP BY 1) x;
CREATE FUNCTION wrong() RETURNS TABLE (top int, by text, wrong bigint) LANGUAGE sql AS $$
	SELECT t.top, b.by, count(*)
	  FROM (VALUES (1), (2), (3), (5), (10), (30), (100), (150), (208), (500), (NULL)) t (top) CROSS JOIN (VALUES ('lifetime_value'), ('orders')) b (by)
	 CROSS JOIN LATERAL (
	       SELECT FROM club.ranking(b.by, t.top) r
	         FULL JOIN (SELECT id, CASE b.by WHEN 'orders' THEN n ELSE sum END AS value, CASE b.by WHEN 'orders' THEN by_n ELSE by_sum END AS rank, total FROM should) s ON s.id = r.customer
	        WHERE (s.rank <= t.top OR t.top IS NULL OR r.customer IS NOT NULL)
	          AND (r.value IS DISTINCT FROM s.value OR r.rank IS DISTINCT FROM s.rank OR r.percentile IS DISTINCT FROM round(100.0 * (s.total - s.rank + 1) / s.total, 2))) x
	 GROUP BY 1, 2
$$;
SELECT * FROM wrong();
CREATE INDEX spend_first ON club.account (spend);
CREATE INDEX orders_first ON club.account (orders);
ANALYZE club.account;
SET enable_seqscan = off;
SET jit = off;
SELECT * FROM wrong();
RESET enable_seqscan;
RESET jit;
SELECT (SELECT count(*) FROM club.ranking('lifetime_value')) AS members, (SELECT count(*) FROM should WHERE sum < 0) > 0 AS some_owe, (SELECT count(*) FROM club.journal) > 30 AS some_wait;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true), loyalty.drop_program('mail', force => true);
DROP SCHEMA t_ranking CASCADE;
