-- Tiers, ratings and metrics in columns of the customer table.  What must be there was worked out by hand.
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = notice;
CREATE SCHEMA t_write_back;
SET search_path = t_write_back;
CREATE DOMAIN grade AS text CHECK (value <> '1');
CREATE TABLE "Customers" ("Key" varchar(10) COLLATE "C" PRIMARY KEY, name text, accountratingcode int, "Tier" varchar(4), worth numeric(8,1), spent numeric, since timestamp, twice int GENERATED ALWAYS AS (length(name) * 2) STORED, doc json);
CREATE TABLE orders (id int PRIMARY KEY, who varchar(10) COLLATE "C", at timestamptz, total numeric);
CREATE TABLE updates (who text, key text, path text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO updates VALUES (current_user, NEW."Key", current_setting('search_path')); RETURN NULL; END $$;
CREATE TRIGGER note AFTER UPDATE ON "Customers" FOR EACH ROW EXECUTE FUNCTION note();
INSERT INTO "Customers" ("Key", name) VALUES ('ann', 'Ann'), ('Bob', 'Bob'), ('cleo', 'Cleo'), ('''d"', 'Dora');
SELECT loyalty.create_program('club', customers => 't_write_back."Customers"', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_write_back.orders', customer => 'who', at => 'at', amount => 'total');
INSERT INTO club.metric VALUES ('per order', 'round(spend / nullif(orders, 0), 2)'), ('first', 'first_order_at');
INSERT INTO club.rating (rating, grade, rank, qualifies) VALUES ('class', '1', 3, 'spend >= 100'), ('class', '2', 2, 'spend >= 50'), ('class', '3', 1, 'orders > 0');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('Gold', 2, 'spend >= 200'), ('Tin', 1, 'spend > 0');
INSERT INTO orders VALUES (1, 'ann', '2026-01-01 12:00Z', 100), (2, 'ann', '2026-01-02 12:00Z', 150.25), (3, 'Bob', '2026-01-03 12:00Z', 60), (4, '''d"', '2026-01-04 12:00Z', 10), (5, 'gone', '2026-01-04 12:00Z', 10);
-- off by default
CALL loyalty.write_back('club');
SELECT count(*) FROM updates;
-- what is wrong is told
INSERT INTO club.write_back VALUES ('nope', 'tier');
INSERT INTO club.write_back VALUES ('Key', 'tier');
INSERT INTO club.write_back VALUES ('twice', 'orders');
INSERT INTO club.write_back VALUES ('doc', 'tier');
INSERT INTO club.write_back VALUES ('name', 'clas');
INSERT INTO club.write_back VALUES ('name', 'Key');
INSERT INTO club.write_back VALUES ('xmin', 'tier');
INSERT INTO club.write_back VALUES ('name', NULL);
BEGIN;
INSERT INTO club.metric VALUES ('class', 'orders');
INSERT INTO club.write_back VALUES ('name', 'class');
ROLLBACK;

-- a code for a grade of text, a name, an average of 125.125 rounded as the column has it, a sum, and a time in UTC as the session has it
SET TimeZone = 'UTC';
INSERT INTO club.write_back VALUES ('accountratingcode', 'class'), ('Tier', 'tier'), ('worth', 'per order'), ('spent', 'lifetime_value'), ('since', 'first');
CALL loyalty.write_back('club');
SELECT "Key", accountratingcode, "Tier", worth, spent, since FROM "Customers" ORDER BY 1;
SELECT * FROM updates ORDER BY 2;
-- only what changes is written: nothing, and then what Bob's order changes, whether it is posted or not
CALL loyalty.write_back('club');
INSERT INTO orders VALUES (6, 'Bob', '2026-01-06 12:00Z', 200);
TRUNCATE updates;
CALL loyalty.write_back('club', 1);
SELECT * FROM updates;
CALL loyalty.post('club');
CALL loyalty.write_back('club', 2);
SELECT "Key", accountratingcode, "Tier", worth, spent FROM "Customers" WHERE "Key" = 'Bob';
-- what somebody writes there does not stay, and what is given back is nothing
UPDATE "Customers" SET accountratingcode = 3 WHERE "Key" IN ('ann', 'cleo');
DELETE FROM orders WHERE who = '''d"';
CALL loyalty.write_back('club');
SELECT "Key", accountratingcode, "Tier", worth, spent FROM "Customers" ORDER BY 1;
-- in a transaction of somebody else, with what it did; and rolled back
BEGIN;
INSERT INTO orders VALUES (7, 'cleo', '2026-01-07', 1);
CALL loyalty.write_back('club', 2);
SELECT accountratingcode, "Tier" FROM "Customers" WHERE "Key" = 'cleo';
ROLLBACK;
SELECT accountratingcode, "Tier" FROM "Customers" WHERE "Key" = 'cleo';
-- a value that does not fit stops it, and nothing of its batch is written
UPDATE club.tier SET name = 'Golden' WHERE name = 'Gold';
CALL loyalty.write_back('club');
SELECT "Key", "Tier" FROM "Customers" ORDER BY 1;
UPDATE club.tier SET name = 'Gold' WHERE name = 'Golden';
ALTER TABLE "Customers" ADD COLUMN checked grade;
INSERT INTO club.write_back VALUES ('checked', 'class');
CALL loyalty.write_back('club');
DELETE FROM club.write_back WHERE column_name = 'checked';
SELECT * FROM loyalty.verify('club');
-- the customer table itself may be tracked: an update records its events
ALTER TABLE "Customers" ADD COLUMN friend varchar(10) COLLATE "C", ADD COLUMN met timestamptz DEFAULT '2026-01-01';
SELECT loyalty.track_events('club', 'referral', 't_write_back."Customers"', customer => 'friend', at => 'met', counts_when => 'accountratingcode = 1');
UPDATE "Customers" SET friend = 'cleo', accountratingcode = NULL WHERE "Key" = 'ann';
CALL loyalty.write_back('club');
SELECT "Key", event, loyalty.times(history) FROM club.histories WHERE event IS NOT NULL;
SELECT * FROM loyalty.verify('club');
-- what is renamed, or not there any more, is told
ALTER TABLE "Customers" RENAME COLUMN worth TO value;
SELECT violation, detail FROM loyalty.verify('club');
CALL loyalty.write_back('club');
UPDATE club.write_back SET column_name = 'value' WHERE column_name = 'worth';
CALL loyalty.write_back('club');
DELETE FROM club.metric WHERE name = 'first';
SELECT violation, detail FROM loyalty.verify('club');
DELETE FROM club.write_back WHERE shows = 'first';
SELECT * FROM loyalty.verify('club');

-- It acts with the rights of the owner, whoever calls, and that may be only who has them; triggers see the search_path of the session.
CREATE ROLE regress_write_back;
CREATE ROLE regress_write_owner;
SELECT loyalty.grant_access('club', 'regress_write_back', 'operate');
GRANT EXECUTE ON PROCEDURE loyalty.write_back TO regress_write_back;
GRANT EXECUTE ON FUNCTION _loyalty.write_back_batch TO regress_write_back;
SET ROLE regress_write_back;
CALL loyalty.write_back('club');
RESET ROLE;
GRANT CREATE ON DATABASE :"DBNAME" TO regress_write_owner;
GRANT USAGE, CREATE ON SCHEMA t_write_back TO regress_write_owner;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA loyalty, _loyalty TO regress_write_owner;
GRANT USAGE ON SCHEMA loyalty, _loyalty TO regress_write_owner;
GRANT SELECT ON "Customers", orders TO regress_write_owner;
ALTER TABLE orders OWNER TO regress_write_owner;
SELECT loyalty.change_owner('club', 'regress_write_owner');
UPDATE "Customers" SET accountratingcode = NULL;
CALL loyalty.write_back('club');
GRANT UPDATE (accountratingcode, "Tier", value, spent) ON "Customers" TO regress_write_owner;
GRANT INSERT ON updates TO regress_write_owner;
TRUNCATE updates;
CALL loyalty.write_back('club');
SELECT * FROM updates ORDER BY 2;
-- a trigger cannot become who called, nor leave a setting behind that would outlive the call
CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET ROLE NONE; RETURN NULL; END $$;
UPDATE "Customers" SET accountratingcode = NULL;
CALL loyalty.write_back('club');
DROP TRIGGER note ON "Customers";
CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('search_path', 'evil, pg_catalog', false), set_config('jit', 'off', false); RETURN NULL; END $$;
CREATE TRIGGER note AFTER UPDATE ON "Customers" FOR EACH ROW EXECUTE FUNCTION note();
CALL loyalty.write_back('club');
SHOW search_path;
SHOW jit;
DROP TRIGGER note ON "Customers";
-- nor can an operator of somebody else, which the search_path would find first
CREATE FUNCTION never(varchar, varchar) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'somebody else''s code'; END $$;
CREATE OPERATOR t_write_back.= (LEFTARG = varchar, RIGHTARG = varchar, FUNCTION = never);
UPDATE "Customers" SET accountratingcode = NULL;
CALL loyalty.write_back('club');
DROP OPERATOR t_write_back.= (varchar, varchar);
DROP OWNED BY regress_write_back;
CALL loyalty.write_back('club', 0);
CALL loyalty.write_back(NULL);
CALL loyalty.write_back('nowhere');
-- who was merged into somebody keeps what was written last
SELECT (club.merge('cleo', 'ann', 'm')).reference;
CALL loyalty.write_back('club');
-- without its customer table, nothing can be written
SET client_min_messages = error;
DROP TABLE "Customers" CASCADE;
CALL loyalty.write_back('club');
SELECT loyalty.drop_program('club', force => true);

-- Keys of all kinds, also where settings would write them otherwise, and rows without one; strings of which only the case is another
-- one; a constraint that is deferred; columns whose names are used within; and domains
CREATE TABLE odd (id float8 UNIQUE, since timestamptz, tier text, written_key text, key text, v1 text, strict text NOT NULL DEFAULT '', one "char", ref text);
CREATE TABLE tiers (name text PRIMARY KEY);
INSERT INTO tiers VALUES ('gold'), ('GOLD');
ALTER TABLE odd ADD FOREIGN KEY (ref) REFERENCES tiers DEFERRABLE INITIALLY DEFERRED;
INSERT INTO odd (id) SELECT i / 7.0 FROM generate_series(1, 30) i;
INSERT INTO odd (id) SELECT NULL FROM generate_series(1, 30);
SELECT loyalty.create_program('odd', customers => 't_write_back.odd', customer_key => 'id', joined_at => 'since', time_zone => 'UTC');
INSERT INTO odd.tier (name, rank, qualifies) VALUES ('gold', 1, 'true');
INSERT INTO odd.write_back VALUES ('one', 'tier');
INSERT INTO odd.write_back VALUES ('tier', 'tier'), ('written_key', 'tier'), ('key', 'tier'), ('v1', 'orders'), ('strict', 'tier'), ('ref', 'tier');
SET extra_float_digits = -14;
CALL loyalty.write_back('odd', 2);
CALL loyalty.write_back('odd', 2);
RESET extra_float_digits;
UPDATE odd.tier SET name = 'GOLD';
CALL loyalty.write_back('odd');
SELECT id IS NULL AS no_key, tier, written_key, key, v1, strict, ref, count(*) FROM odd GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1;
SELECT count(*) AS all, (SELECT count(*) FROM odd.ranking('orders', 100)) AS first FROM odd.ranking('orders');
SELECT loyalty.drop_program('odd', force => true);
DROP OWNED BY regress_write_owner;
DROP ROLE regress_write_back, regress_write_owner;
DROP SCHEMA t_write_back CASCADE;
