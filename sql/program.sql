-- Creating and dropping programs, and what is refused.
\set VERBOSITY terse
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_program;
CREATE TABLE t_program.customers (customer_id bigint PRIMARY KEY, created_at timestamptz);
CREATE TABLE t_program.pair (a int, b int, PRIMARY KEY (a, b));
CREATE TABLE t_program.keyless (a int);
CREATE VIEW t_program.v AS SELECT 1 AS a;

SELECT loyalty.create_program('p_missing', customers => 't_program.nobody');
SELECT loyalty.create_program('p_null', customers => NULL);
SELECT loyalty.create_program('p_pair', customers => 't_program.pair');
SELECT loyalty.create_program('p_keyless', customers => 't_program.keyless');
SELECT loyalty.create_program('p_view', customers => 't_program.v');
SELECT loyalty.create_program('p_column', customers => 't_program.customers', customer_key => 'custmer_id');
SELECT loyalty.create_program('t_program', customers => 't_program.customers');
SELECT loyalty.create_program('p_zone', customers => 't_program.customers', time_zone => 'Mars/Olympus');
SELECT loyalty.create_program('p_scale', customers => 't_program.customers', points_scale => 99);
SELECT loyalty.create_program('p_round', customers => 't_program.customers', rounding => 'upwards');
SELECT loyalty.create_program('p_joined', customers => 't_program.customers', joined_at => 'creatd_at');
SELECT loyalty.create_program('p_joined', customers => 't_program.customers', joined_at => '42');
-- none of these left anything behind
SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'p\_%';

-- one that works; a quoted name with all that a name can have
SELECT loyalty.create_program('Club "of" O''Hara ü', customers => 't_program.customers', joined_at => 'created_at',
                              time_zone => 'Europe/Berlin');
SELECT name FROM loyalty.programs;
SELECT customers, customer_key, joined_at, time_zone, points_scale, rounding, on_invalid
  FROM "Club ""of"" O'Hara ü".program;
INSERT INTO t_program.customers VALUES (1, '2020-02-29 12:00+00');
CREATE TABLE t_program."Or""ders" (id bigint PRIMARY KEY, customer_id bigint, "At" timestamptz, total numeric);
INSERT INTO "Club ""of"" O'Hara ü".earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('Club "of" O''Hara ü', 't_program."Or""ders"', customer => 'customer_id', at => '"At"', amount => 'total');
INSERT INTO t_program."Or""ders" VALUES (1, 1, '2021-01-01', 7.9);
SELECT customer_id, tier, points, lifetime_value FROM "Club ""of"" O'Hara ü".members;
CALL loyalty.post('Club "of" O''Hara ü');
SELECT customer_id, tier, points, lifetime_value FROM "Club ""of"" O'Hara ü".members;
SELECT * FROM loyalty.verify('Club "of" O''Hara ü');

-- every object of a program has a comment
SELECT c.relname FROM pg_class c
 WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname LIKE 'Club%')
   AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL;

-- dropping
SELECT loyalty.drop_program('p_unknown');
SELECT loyalty.drop_program('Club "of" O''Hara ü');
SELECT loyalty.drop_program('Club "of" O''Hara ü', force => true);
SELECT count(*) FROM loyalty.programs;
-- the order table is itself again
INSERT INTO t_program."Or""ders" VALUES (2, 1, '2021-01-01', 7.9);
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_program."Or""ders"'::regclass;

-- an expression that is not given still leaves tenure unknown
SELECT loyalty.create_program('p_plain', customers => 't_program.customers');
SELECT customer_id, tenure, tier FROM p_plain.members;
SELECT * FROM loyalty.verify('p_plain');
-- nothing is recorded, though rules are written and orders tracked: there is nothing to lose
INSERT INTO p_plain.earning_rule (name, points) VALUES ('one', 'amount');
CREATE TABLE t_program.plain (id int PRIMARY KEY, customer_id bigint, at timestamptz, total numeric);
SELECT loyalty.track_orders('p_plain', 't_program.plain', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.drop_program('p_plain');
SELECT count(*) FROM loyalty.programs;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't_program.plain'::regclass;
-- an order that was taken back has two entries, which are something, posted or not
SELECT loyalty.create_program('p_plain', customers => 't_program.customers');
SELECT loyalty.track_orders('p_plain', 't_program.plain', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO t_program.plain VALUES (1, 1, '2021-01-01', 5);
DELETE FROM t_program.plain;
\set VERBOSITY default
SELECT loyalty.drop_program('p_plain');
CALL loyalty.post('p_plain');
SELECT loyalty.drop_program('p_plain', force => NULL);
\set VERBOSITY terse
SELECT * FROM loyalty.verify('p_plain');
SELECT loyalty.drop_program('p_plain', true);
DROP SCHEMA t_program CASCADE;
