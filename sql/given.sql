-- Programs are given away with any key of customers, any scales and any name: the schema of a
-- program is compared with that of one of the same scales.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE ROLE regress_given_old;
CREATE ROLE regress_given_new;
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO regress_given_old, regress_given_new', current_database()); END $$;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_given_old, regress_given_new;
CREATE SCHEMA t_given;
CREATE DOMAIN t_given.code AS text CHECK (VALUE <> '');
CREATE TABLE t_given.small (id smallint PRIMARY KEY);
CREATE TABLE t_given.named (points text COLLATE "C" PRIMARY KEY);
CREATE TABLE t_given.coded (id t_given.code PRIMARY KEY);
CREATE TABLE t_given.unique_ones ("The Key" uuid PRIMARY KEY);
GRANT USAGE ON SCHEMA t_given TO regress_given_old, regress_given_new;
GRANT SELECT ON ALL TABLES IN SCHEMA t_given TO regress_given_old, regress_given_new;
SET ROLE regress_given_old;
-- scales from the beginning: the most that there are, the fewest, and one of the two
SELECT loyalty.create_program('given_small', customers => 't_given.small', points_scale => 12, amount_scale => 12);
SELECT loyalty.create_program('given_named', customers => 't_given.named', points_scale => 1, amount_scale => 0);
SELECT loyalty.create_program('Given "it''s" \', customers => 't_given.unique_ones', points_scale => 3);
-- scales that were changed: to more decimals of points, then to fewer, and of amounts
SELECT loyalty.create_program('given_coded', customers => 't_given.coded');
UPDATE given_coded.program SET points_scale = 4;
UPDATE given_coded.program SET points_scale = 2;
UPDATE given_coded.program SET amount_scale = 3;
RESET ROLE;
-- nothing is strange in any of them, and all four are given away
SELECT p.name, loyalty.change_owner(p.name, 'regress_given_new') FROM loyalty.programs p
 WHERE p.name ILIKE 'given%' ORDER BY p.name COLLATE "C";
SELECT p.name, p.owner FROM loyalty.programs p WHERE p.name ILIKE 'given%' ORDER BY p.name COLLATE "C";
SELECT p.name, v.* FROM loyalty.programs p CROSS JOIN LATERAL loyalty.verify(p.name) v WHERE p.name ILIKE 'given%';
-- what is not of the program is found, and nothing else is
CREATE VIEW given_small.mine AS SELECT 1 AS one;
SELECT loyalty.change_owner('given_small', 'regress_given_old');
SELECT loyalty.drop_program(p.name, force => true) FROM loyalty.programs p WHERE p.name ILIKE 'given%';
DROP SCHEMA t_given CASCADE;
DROP OWNED BY regress_given_old, regress_given_new;
DROP ROLE regress_given_old, regress_given_new;
