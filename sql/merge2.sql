-- Customers who were merged, and what was said of them before: calls that are repeated, and cards.
-- Numbers are worked out by hand, as the comments say.
SET client_min_messages = warning;
SET TimeZone = 'UTC';
CREATE SCHEMA t_merge2;
CREATE TABLE t_merge2.customers (id int PRIMARY KEY);
INSERT INTO t_merge2.customers SELECT generate_series(1, 9);
SELECT loyalty.create_program('club', customers => 't_merge2.customers', time_zone => 'UTC');
CREATE PROCEDURE t_merge2.call(query text) LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	EXECUTE query;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RAISE WARNING '%: %', SQLSTATE, SQLERRM USING DETAIL = detail, HINT = hint;
END $$;
SELECT count((club.grant_points(i, 100, 'start')).points) FROM generate_series(1, 6) i;

-- A transfer of before: 100 - 20 = 80, which it answers when it is repeated, too, whoever is who by then
SELECT points, balance FROM club.transfer(1, 2, 20, 't');
SELECT points, balance FROM club.merge(1, 2, 'm1');	-- 80 and 120
SELECT points, balance FROM club.transfer(1, 2, 20, 't');
SELECT status, points, balance FROM club.try_transfer(1, 2, 20, 't');
CALL t_merge2.call($$SELECT club.transfer(1, 2, 21, 't')$$);
CALL t_merge2.call($$SELECT club.transfer(2, 1, 20, 't')$$);
CALL t_merge2.call($$SELECT club.transfer(1, 2, 20, 't-new')$$);
CALL t_merge2.call($$SELECT club.transfer(2, 2, 20, 't-new')$$);
-- who gave is merged on, or who got it
SELECT points, balance FROM club.transfer(3, 4, 10, 't');	-- 90
SELECT points, balance FROM club.merge(4, 5, 'm2');	-- 110 and 100
SELECT points, balance FROM club.merge(3, 5, 'm3');	-- 90 and 210
SELECT points, balance FROM club.transfer(3, 4, 10, 't');
SELECT * FROM loyalty.verify('club');

SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_merge2 CASCADE;
