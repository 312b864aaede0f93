-- Ratings: grades of customers, and what moves them.  Grades were worked out by hand.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_ratings;
SET search_path = t_ratings;
CREATE TABLE customers (customer_id int PRIMARY KEY, name text, since date, support text, fee text, credit int);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric(12,2));
CREATE TABLE outages (id int PRIMARY KEY, customer_id int, at timestamptz);
INSERT INTO customers VALUES
	(1, 'quiet A', '2015-01-01', 'base', 'base', 700), (2, 'demanding A', '2015-01-01', 'premium', 'base', 700), (3, 'demanding A in trouble', '2015-01-01', 'premium', 'base', 300),
	(4, 'B', '2015-01-01', 'base', 'base', 700), (5, 'demanding B', '2015-01-01', 'premium', 'base', NULL), (6, 'C', '2015-01-01', 'premium', 'base', 100), (7, 'nobody yet', '2015-01-01', 'base', 'base', 500);
SELECT loyalty.create_program('club', customers => 't_ratings.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_ratings.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_events('club', 'outage', 't_ratings.outages', customer => 'customer_id', at => 'at');
INSERT INTO orders SELECT i, i, now() - interval '10 days', CASE WHEN i <= 3 THEN 10000 WHEN i <= 5 THEN 2000 ELSE 10 END FROM generate_series(1, 6) i;

-- what is wrong is told
INSERT INTO club.rating_step VALUES ('value', 'x', 'true', -1);
INSERT INTO club.rating VALUES ('value', 'A', 3, 'spnd > 1');
INSERT INTO club.rating VALUES ('value', 'A', 3, 'spend');
INSERT INTO club.rating VALUES ('value', '', 3, 'true');
INSERT INTO club.rating VALUES ('customer_id', 'A', 3, 'true');
INSERT INTO club.rating VALUES ('value', 'A', NULL, 'true');

-- A: 5000 in a year; B: 1000; C: anybody who bought.  Premium support on a base fee pulls down by one, a bad credit score by one, but not below C
INSERT INTO club.metric VALUES ('year', $$total(purchases, today - interval '1 year')$$), ('demanding', $$member.support = 'premium' AND member.fee = 'base'$$);
INSERT INTO club.rating (rating, grade, rank, qualifies) VALUES ('value', 'A', 3, 'year >= 5000'), ('value', 'B', 2, 'year >= 1000'), ('value', 'C', 1, 'orders > 0');
SELECT * FROM club.ratings ORDER BY 1;
INSERT INTO club.rating_step (rating, reason, condition, steps) VALUES ('value', 'premium support on a base fee', 'demanding', -1), ('value', 'bad credit', 'member.credit < 500', -1);
-- 1 A; 2 A to B; 3 A to B to C; 4 B; 5 B to C, of whom no score is known; 6 C, the last; 7 none
SELECT r.customer_id, c.name, r.value FROM club.ratings r JOIN customers c USING (customer_id) ORDER BY 1;
-- down to B at most, by the score alone: 3 is at B by the first in the order of reasons, and stays there by the other: bad credit comes first
UPDATE club.rating_step SET bound = 'B' WHERE reason = 'premium support on a base fee';
SELECT customer_id, value FROM club.ratings WHERE customer_id IN (2, 3, 5, 6) ORDER BY 1;
-- the other way round: first the support, to B, and then the score, to C
UPDATE club.rating_step SET priority = 1 WHERE reason = 'premium support on a base fee';
SELECT customer_id, value FROM club.ratings WHERE customer_id IN (2, 3, 5, 6) ORDER BY 1;
-- up: who has had no outage moves up by two, to B at most; 4 is at B already, 6 and 5 come to B
INSERT INTO outages VALUES (1, 1, now()), (2, 2, now()), (3, 3, now());
INSERT INTO club.rating_step VALUES ('value', 'no outage', 'times(outage, today - 30) = 0', 2, 'B', -1);
SELECT customer_id, value FROM club.ratings ORDER BY 1;
SELECT step, name, part, condition, holds, value, wanted, distance, grade FROM club.explain_rating(3, 'value');
SELECT step, name, part, condition, holds, value, wanted, distance, grade FROM club.explain_rating(5, 'value');
SELECT step, name, part, condition, holds, value, wanted, distance, grade FROM club.explain_rating(7, 'value');
SELECT step, name, part, condition, holds, value, wanted, distance, grade FROM club.explain_rating(99, 'value');
SELECT step, name, part, condition, holds, value, wanted, distance, grade FROM club.explain_rating(1, 'valeu');
SELECT * FROM loyalty.verify('club');

-- several in one program, 1 to 5; rolled back, nothing is left of it; rights and places of columns
INSERT INTO club.rating SELECT 'overall', g::text, g, format('orders >= %s AND tenure >= ''%s years''', g - 1, 2 * (g - 1)) FROM generate_series(1, 5) g;
INSERT INTO orders SELECT 100 + i, 1, now() - interval '1 day', 1 FROM generate_series(1, 2) i;
SELECT * FROM club.ratings WHERE customer_id IN (1, 2, 7) ORDER BY 1;
BEGIN;
DELETE FROM club.rating_step;
DELETE FROM club.rating WHERE rating = 'value';
SELECT * FROM club.ratings WHERE customer_id = 1;
ROLLBACK;
SELECT * FROM club.ratings WHERE customer_id = 1;
-- what steps go by, and what conditions name, stays
DELETE FROM club.rating WHERE rating = 'value' AND grade = 'B';
DELETE FROM club.rating WHERE rating = 'value';
DELETE FROM club.metric WHERE name = 'demanding';
INSERT INTO club.rating_step VALUES ('value', 'y', 'true', -1, 'D');
INSERT INTO club.rating_step VALUES ('value', 'y', 'true', 0);
INSERT INTO club.rating_step VALUES ('value', 'y', 'tru', 1);
-- a condition that fails does not hold, and says so in the log
INSERT INTO club.rating_step VALUES ('value', 'fails', '1 / (member.credit - 700) > 0', -1);
SELECT customer_id, value FROM club.ratings ORDER BY 1;
SELECT name, holds, grade FROM club.explain_rating(1, 'value') WHERE name = 'fails';
DELETE FROM club.rating_step WHERE reason = 'fails';
-- renames of the host, of a grade and of a rating; a reader; a dump's way
ALTER TABLE customers RENAME support TO "support level";
UPDATE club.rating SET grade = 'top' WHERE rating = 'value' AND grade = 'A';
UPDATE club.rating SET comment = 'the best' WHERE grade = 'top';
SELECT expression FROM club.metric WHERE name = 'demanding';
CREATE ROLE regress_ratings_reader;
GRANT USAGE ON SCHEMA t_ratings TO regress_ratings_reader;
SELECT loyalty.grant_access('club', 'regress_ratings_reader', 'read');
SET ROLE regress_ratings_reader;
SELECT * FROM club.ratings WHERE customer_id = 1;
SELECT step, name, holds, grade FROM club.explain_rating(1, 'value');
INSERT INTO club.rating VALUES ('mine', 'A', 1, 'true');
RESET ROLE;
SELECT col_description('club.ratings'::regclass, 2), obj_description('club.ratings'::regclass);
SELECT * FROM loyalty.verify('club');
CALL loyalty.post('club');
SELECT * FROM club.ratings ORDER BY 1;
SELECT * FROM loyalty.verify('club');

-- a view that is lost, a table that is lost
DROP VIEW club.ratings;
SELECT violation, detail FROM loyalty.verify('club');
SELECT loyalty.upgrade_program('club');
SELECT * FROM club.ratings WHERE customer_id = 1;
SELECT loyalty.drop_program('club', force => true);
DROP OWNED BY regress_ratings_reader;
DROP ROLE regress_ratings_reader;
RESET search_path;
DROP SCHEMA t_ratings CASCADE;
