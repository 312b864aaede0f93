-- What errors of rules and campaigns say, what is shown after renames, and what explain knows of orders whose table is not tracked.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
CREATE SCHEMA t_hints;
CREATE TABLE t_hints.c (id int PRIMARY KEY);
INSERT INTO t_hints.c VALUES (1), (2);
CREATE TABLE t_hints.o (id int PRIMARY KEY, cust int, ts timestamptz DEFAULT '2024-05-01', total numeric(12,2), qty int, store text);
CREATE TABLE t_hints.li (o int, price numeric, qty int);
CREATE TABLE t_hints.ev (id int PRIMARY KEY, cust int, ts timestamptz DEFAULT '2024-05-01', stars int);
\set verify 'SELECT * FROM loyalty.verify(''q'');'
SELECT loyalty.create_program('q', customers => 't_hints.c');
SELECT loyalty.track_orders('q', 't_hints.o', customer => 'cust', at => 'ts', amount => 'total', lines => 't_hints.li', line_order => 'o');

-- 1. of a campaign to which no rule belongs, the error of the orders is told, whichever kinds of events there are
INSERT INTO q.campaign (name, applies_when) VALUES ('x', 'totl > 5');
SELECT loyalty.track_events('q', 'visit', 't_hints.ev', customer => 'cust', at => 'ts');
INSERT INTO q.campaign (name, applies_when) VALUES ('x', 'totl > 5');
INSERT INTO q.campaign (name, applies_when) VALUES ('x', 'total');
-- it may be for events alone
INSERT INTO q.campaign (name, applies_when) VALUES ('of visits', 'stars > 4');
SELECT name, applies_when FROM q.campaign;
DELETE FROM q.campaign;

-- 2. a name that the order and its line have
INSERT INTO q.earning_rule (name, points, per) VALUES ('pieces', 'qty', 'line');
INSERT INTO q.earning_rule (name, points, per) VALUES ('pieces', 'line.qty', 'line');
-- a text in double quotes
INSERT INTO q.earning_rule (name, points, applies_when) VALUES ('shop', '1', 'store = "main"');
INSERT INTO q.earning_rule (name, points, applies_when) VALUES ('shop', '1', 'store = ''main''');
INSERT INTO q.earning_rule (name, points, event) VALUES ('stars', '10 * stars', 'visit');

-- 3. explain, of an order and an event of the same key
INSERT INTO t_hints.o VALUES (1, 1, '2024-05-01', 20, 1, 'main'), (2, 1, '2024-05-02', 30, 1, 'side');
INSERT INTO t_hints.li VALUES (1, 5, 4), (1, 10, 3), (2, 1, 2);
INSERT INTO t_hints.ev VALUES (1, 2, '2024-05-03', 5), (3, 2, '2024-05-03', 2);
SELECT * FROM q.explain('1', event => 'vist');
\set all 'SELECT o.order_key, o.event, o.points, e.what, e.name, e.status, e.points FROM (SELECT o.*, t.relation FROM q.order_points o JOIN q.tracked_table t USING (tracked_table) OFFSET 0) o CROSS JOIN LATERAL q.explain(o.order_key, tracked => o.relation, event => o.event) e WHERE e.points <> 0 ORDER BY o.event NULLS FIRST, o.order_key, e.step'
-- 7 pieces and 1 of the shop; 2 pieces; 50 and 20 of the stars
:all;
-- what is not tracked any more is explained by what is recorded
SELECT loyalty.untrack('q', 't_hints.ev');
:all;
SELECT what, status, points FROM q.explain('3');
SELECT what, status, points FROM q.explain('3', event => 'visit');
-- the order comes first, which is tracked
SELECT what, name, points FROM q.explain('1') WHERE points <> 0;
SELECT * FROM q.explain('4', event => 'visit');
CALL loyalty.post('q');
SELECT loyalty.pause('q', 't_hints.o');
:all;
SELECT loyalty.resume('q', 't_hints.o');
-- what no trigger saw
ALTER TABLE t_hints.o DISABLE TRIGGER USER;
DELETE FROM t_hints.o WHERE id = 2;
ALTER TABLE t_hints.o ENABLE TRIGGER USER;
SELECT what, status, points FROM q.explain('2');
SELECT reversed FROM loyalty.reconcile('q') WHERE reversed > 0;
SELECT what, status, points FROM q.explain('2');
:verify

-- 4. the same where the rules stack when entries are folded
CREATE TABLE t_hints.p (id int PRIMARY KEY, cust int, ts timestamptz DEFAULT '2024-05-01', total numeric(12,2));
SELECT loyalty.create_program('r', customers => 't_hints.c');
SELECT loyalty.track_orders('r', 't_hints.p', customer => 'cust', at => 'ts', amount => 'total');
INSERT INTO r.earning_rule (name, points, bonus, member_limit) VALUES ('amount', 'amount', false, NULL), ('hello', '7', true, 10);
INSERT INTO t_hints.p VALUES (1, 1, '2024-05-01', 20), (2, 1, '2024-05-02', 30);
SELECT loyalty.untrack('r', 't_hints.p');
-- 20 + 7; 30 + 3
SELECT what, name, status, points FROM r.explain('1');
SELECT what, name, status, points FROM r.explain('2');
SELECT * FROM loyalty.verify('r');
SELECT loyalty.drop_program('r', force => true);

-- 5. what is renamed
INSERT INTO q.campaign (name, applies_when) VALUES ('big', 'total > 5');
INSERT INTO q.earning_rule (name, points, applies_when, campaign) VALUES ('in the big one', 'total', 'total > 10', 'big');
ALTER TABLE t_hints.o RENAME COLUMN total TO gross;
SELECT name, points, applies_when FROM q.rules_at() WHERE campaign = 'big';
SELECT name, points, applies_when FROM q.earning_rule WHERE campaign = 'big';
-- another column of that name
ALTER TABLE t_hints.o ADD COLUMN total int DEFAULT 0;
UPDATE q.earning_rule SET applies_when = applies_when || ' AND true' WHERE name = 'in the big one';
UPDATE q.earning_rule SET points = '2 * ' || points WHERE name = 'in the big one';
UPDATE q.campaign SET applies_when = applies_when || ' AND true' WHERE name = 'big';
-- a new text is what it says
BEGIN;
UPDATE q.earning_rule SET applies_when = 'new.total > 3' WHERE name = 'in the big one';
SELECT name, points, applies_when FROM q.rules_at() WHERE campaign = 'big';
ROLLBACK;
-- what the hint says
UPDATE q.earning_rule SET name = name WHERE false;
SELECT name, points, applies_when FROM q.earning_rule WHERE campaign = 'big';
SELECT name, applies_when FROM q.campaign;
UPDATE q.earning_rule SET applies_when = applies_when || ' AND true' WHERE name = 'in the big one';
UPDATE q.campaign SET applies_when = applies_when || ' AND true' WHERE name = 'big';
SELECT name, points, applies_when FROM q.earning_rule WHERE campaign = 'big';
SELECT name, applies_when FROM q.campaign;
INSERT INTO t_hints.o VALUES (5, 2, '2024-05-01', 40, 1, 'side', 0);
INSERT INTO t_hints.li VALUES (5, 0, 1);
-- 40, and one piece
SELECT order_key, points FROM q.order_points WHERE order_key = '5';
-- of moments, texts are those of the program's time zone, whatever the session has
SET timezone = 'Asia/Tokyo';
UPDATE q.earning_rule SET applies_when = applies_when || $$ AND at > '2024-01-01 00:00+00'$$ WHERE name = 'in the big one';
SET timezone = 'America/New_York';
UPDATE q.earning_rule SET applies_when = applies_when || ' AND 1 = 1' WHERE name = 'in the big one';
RESET timezone;
-- a column that is not in the text above, either
ALTER TABLE t_hints.o RENAME COLUMN store TO branch;
SELECT name, applies_when FROM q.rules_at() WHERE name = 'shop';
:verify
-- a tier that there is not
INSERT INTO q.tier (name, rank, qualifies) VALUES ('Silver', 1, 'spend > 100'), ('Gold', 2, 'spend > 1000');
SET client_min_messages = notice;
INSERT INTO q.earning_rule (name, points, for_members) VALUES ('for Gold', '1', 'tier = ''Goold''');
UPDATE q.earning_rule SET for_members = 'orders > 1 AND tier IN (''Gold'', ''Platinum'')' WHERE name = 'for Gold';
UPDATE q.earning_rule SET for_members = '''Gold'' = tier OR tier IS DISTINCT FROM ''Silver''' WHERE name = 'for Gold';
INSERT INTO q.campaign (name, for_members) VALUES ('of Gold', 'tier <> ''gold''');
SET client_min_messages = warning;
-- a role that may read the program sees it
CREATE ROLE regress_hints_reader;
SELECT loyalty.grant_access('q', 'regress_hints_reader', 'read');
SET ROLE regress_hints_reader;
SELECT name, applies_when FROM q.rules_at() WHERE name = 'shop';
RESET ROLE;

SELECT loyalty.drop_program('q', force => true);
DROP SCHEMA t_hints CASCADE;
DROP ROLE regress_hints_reader;
