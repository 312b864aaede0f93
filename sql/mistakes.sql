-- What one gets wrong in the first hour is refused at once, with an error that says
-- what there is.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_mistakes;
SET search_path = t_mistakes;
CREATE TABLE customers (id int PRIMARY KEY, since date DEFAULT '2020-01-01');
INSERT INTO customers VALUES (1), (2);
CREATE TABLE orders (order_id int PRIMARY KEY, customer_id int, at timestamptz DEFAULT '2024-01-01', total numeric, cents int, status text);
CREATE TABLE lines (order_id int, note text, price numeric, qty int);
CREATE TABLE refunds (refund_id int PRIMARY KEY, of_order int, of_text text, amount numeric, customer_id int, at timestamptz);
CREATE TABLE no_key (order_id int, customer_id int, at timestamptz, total numeric);
CREATE TEMP TABLE temporary (id int PRIMARY KEY);

-- programs
SELECT loyalty.create_program('club', customers => 'temporary');
SELECT loyalty.create_program('club', customers => 'customers', rounding => 'up');
SELECT loyalty.create_program('club', customers => 'customers', rounding => NULL);
SELECT loyalty.create_program('club', customers => 'customers', on_invalid => 'ignore');
SELECT loyalty.create_program('club', customers => 'customers', points_scale => 13);
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'CET+1');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => '+02:00');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'CEST');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => 'CET');
SELECT loyalty.create_program('club', customers => 'customers', time_zone => NULL);
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'sinc');
SELECT loyalty.create_program('club', customers => 'customers', joined_at => 'since', time_zone => 'europe/berlin');
SELECT time_zone FROM club.program;

-- an order key must be unique: no index, one over other columns, one of some rows, one of more columns
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'status');
CREATE UNIQUE INDEX partial ON no_key (order_id) WHERE total > 0;
CREATE UNIQUE INDEX wider ON no_key (customer_id, order_id) INCLUDE (total);
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
-- what is unique, and what one vouches for
BEGIN;
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => $$customer_id || '/' || order_id$$);
ROLLBACK;
BEGIN;
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => $$customer_id::text || '/' || order_id::text$$);
ROLLBACK;
BEGIN;
CREATE UNIQUE INDEX folded ON no_key (lower(order_id::text));
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
ROLLBACK;
BEGIN;
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id', key_is_unique => true);
ROLLBACK;
-- partitions: an index over the partitioned table has its partition key, too; children have their own
CREATE TABLE parted (order_id int, customer_id int, at timestamptz, total numeric) PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
CREATE TABLE parent (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
CREATE TABLE child (extra int) INHERITS (parent);
SELECT loyalty.track_orders('club', 'parted', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
SELECT loyalty.track_orders('club', 'parent', customer => 'customer_id', at => 'at', amount => 'total');
BEGIN;
ALTER TABLE parted ADD PRIMARY KEY (order_id, at);
CREATE UNIQUE INDEX ON child (order_id);
SELECT loyalty.track_orders('club', 'parted', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
SELECT loyalty.track_orders('club', 'parent', customer => 'customer_id', at => 'at', amount => 'total');
ROLLBACK;

-- columns whose names are words of SQL; a hint only where it helps; nothing of our own queries is shown
CREATE TABLE words ("order" int PRIMARY KEY, "user" int, at timestamptz, "end" numeric, "größe" int);
\set SHOW_CONTEXT errors
SELECT loyalty.track_orders('club', 'words', customer => '"user"', at => 'at', amount => '"end"', order_key => 'order');
\set SHOW_CONTEXT never
SELECT loyalty.track_orders('club', 'words', customer => 'User', at => 'at', amount => '"end"', order_key => '"order"');
SELECT loyalty.track_orders('club', 'words', customer => '"user"', at => 'at', amount => 'größe + end * 2', order_key => '"order"');
SELECT loyalty.track_orders('club', 'words', customer => '"user"', at => 'at', amount => '"end" + ', order_key => '"order"');
SELECT loyalty.track_orders('club', 'words', customer => '"user"', at => 'at', amount => $$'end' || "end$$, order_key => '"order"');
SELECT loyalty.track_orders('club', 'orders', customer => 'user', at => 'at', amount => 'order + 1');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id + length(CURRENT_SCHEMA)', at => 'at', amount => 'total');
BEGIN;
SELECT loyalty.track_orders('club', 'words', customer => '"user"', at => 'at', amount => '"end"', order_key => '"order"');
ROLLBACK;

-- types that need a conversion
SELECT loyalty.track_orders('club', 'orders', customer => 'status', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'cents', amount => 'total');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'status');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'at');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'total', counts_when => 'cents');

-- lines and refunds name orders by a value of the same type, and are tables of their own
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'lines', line_order => 'note', line_amount => 'price');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'lines', line_order => 'order_id::numeric', line_amount => 'price');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'lines', line_order => 'ordr_id', line_amount => 'price');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'lines', line_order => 'order_id', line_amount => 'prize');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'orders', line_order => 'order_id', line_amount => 'total');
SELECT loyalty.track_orders('club', 'club.journal', customer => 'customer', at => 'at', amount => 'amount', order_key => 'order_key');
SELECT loyalty.track_orders('club', 'club.account', customer => 'customer', at => 'last_order_at', amount => 'spend');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', lines => 'lines', line_order => 'order_id::bigint', line_amount => 'price * qty');
SELECT loyalty.track_refunds('club', 'orders', order_key => 'order_id', amount => 'total');
SELECT loyalty.track_refunds('club', 'lines', order_key => 'order_id', amount => 'price');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of_text', amount => 'amount');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of_order', amount => 'amount', without_order => 'ignore');
SELECT loyalty.track_refunds('club', 'refunds', order_key => NULL, amount => NULL);
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => NULL);
SELECT loyalty.track_orders('club', 'no_key', customer => 'customer_id', at => 'at', line_amount => 'price');
-- before any orders are tracked, and a key over partitions
BEGIN;
SELECT loyalty.create_program('other', customers => 'club.account', customer_key => 'customer');
SELECT loyalty.track_refunds('other', 'refunds', order_key => 'of_order', amount => 'amount');
ROLLBACK;
BEGIN;
ALTER TABLE t_mistakes.parted ADD UNIQUE (order_id, at);
SELECT loyalty.track_orders('club', 'parted', customer => 'customer_id', at => 'at', amount => 'total', order_key => 'order_id');
ROLLBACK;
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of_order', amount => 'amount', customer => 'customer_id', at => 'at', refund_key => 'of_order');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of_text::int', amount => 'amount');
SELECT loyalty.track_orders('club', 'refunds', customer => 'customer_id', at => 'at', amount => 'amount');
SELECT loyalty.track_refunds('club', 'refunds', order_key => 'of_text::int', amount => 'amount');
SELECT loyalty.alter_refunds('club', 'orders', amount => 'total');
SELECT loyalty.alter_refunds('club', 'lines', amount => 'price');
SELECT loyalty.alter_refunds('club', 'no_key', amount => 'total');
SELECT loyalty.alter_refunds('club', NULL, amount => 'total');
SELECT * FROM loyalty.reconcile('club', missing => 'forget');
SELECT loyalty.grant_access('club', CURRENT_USER::regrole, 'all');
SELECT s.kind, s.relation, e.expression AS key FROM club.tracked_table s
 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of('club', s.kind, s.tracked_table), NULL, 'key', false) e ORDER BY s.relation::text;

-- names that are not known
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'amont');
-- of two names that are as much like it, the longer one: "amount" and "at" are two letters away
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'amnt');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'new.cent');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'old.cents');
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'purchase.totall');
INSERT INTO club.earning_rule (name, points, per) VALUES ('x', 'prce', 'line');
INSERT INTO club.earning_rule (name, points, per) VALUES ('x', 'amount', 'item');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'point > 5');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'zzz > 5');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('x', 1, 'true', 'NaN');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('', 1, 'true');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, ' ');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'random() > 0.5');
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', 'amount', '');
SELECT _loyalty.parse_expression('anything', NULL, NULL, NULL, 'numeric', 'x', NULL, NULL, 'UTC', NULL, false);

-- numbers without a unit are seconds, which no tenure has
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$tenure > '5'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$spend > 5 AND interval '90' < tenure$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$tenure BETWEEN '1 year' AND '2 years 12:00'$$);
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, $$tenure IN ('1 year', '2')$$);
BEGIN;
INSERT INTO club.tier (name, rank, qualifies) VALUES
	('a', 1, $$tenure > '5 years'$$), ('b', 2, $$tenure > '0'$$), ('c', 3, $$last_order_at - first_order_at > '5 hours' OR tenure >= '3 months 10 days'$$);
ROLLBACK;

-- what depends on when one looks
INSERT INTO club.earning_rule (name, points, applies_when) VALUES ('x', '1', $$at < now() - interval '14 days'$$);
INSERT INTO club.earning_rule (name, points) VALUES ('x', 'extract(year FROM age(at))');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'last_order_at::date >= CURRENT_DATE - 365');
INSERT INTO club.earning_rule (name, points) VALUES ('x', $$CASE WHEN CURRENT_USER = 'boss' THEN 1000 END$$);

-- a division of integers loses the fraction, where one is wanted: once, when it is written
INSERT INTO club.earning_rule (name, points) VALUES ('cents', 'cents/100');
UPDATE club.earning_rule SET applies_when = 'cents > 0';
INSERT INTO club.earning_rule (name, points) VALUES ('half', '1 + amount * (1/2)');
INSERT INTO club.earning_rule (name, points, per) VALUES ('lines', 'qty / 2::bigint', 'line');
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'orders / 2 >= 1.5');
-- and not where none is
UPDATE club.earning_rule SET points = CASE name WHEN 'cents' THEN 'cents / 100.0' WHEN 'half' THEN 'amount / 2' ELSE 'qty::numeric / 2' END;
UPDATE club.earning_rule SET applies_when = 'cents / 1000 = 7';
UPDATE club.tier SET qualifies = 'orders / 2 >= 1 AND spend / 2 > 1.5';
DELETE FROM club.earning_rule;
DELETE FROM club.tier;
SELECT loyalty.untrack('club', 'orders');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'cents/100');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO orders VALUES (1, 1, DEFAULT, 10, 1000, 'paid');

-- settings
UPDATE club.program SET terms = 5000;
UPDATE club.program SET terms = terms - 1;
UPDATE club.program SET rounding = 'up';
UPDATE club.program SET on_invalid = NULL;
UPDATE club.program SET points_scale = -1;
UPDATE club.program SET customer_key = 'since';
UPDATE club.program SET time_zone = 'CET+1';
UPDATE club.program SET terms = terms, on_invalid = 'skip';
UPDATE club.program SET on_invalid = 'error';
-- what is tracked is changed by functions
UPDATE club.tracked_table SET definition = '{"table": {"counts": "totl > 5"}}' WHERE kind = 'orders';
UPDATE club.tracked_table SET definition = '{"table": {"counts": "total > 5"}}', active = true WHERE kind = 'orders';
UPDATE club.tracked_table SET active = false WHERE kind = 'orders';
UPDATE club.tracked_table SET tracked_table = 5 WHERE kind = 'orders';
UPDATE club.tracked_table SET terms = 1000 WHERE kind = 'orders';
UPDATE club.tracked_table SET of_tracked_table = 2 WHERE kind = 'lines';
UPDATE club.tracked_table SET kind = 'pieces' WHERE kind = 'lines';
UPDATE club.tracked_table SET kind = 'refunds' WHERE kind = 'lines';
UPDATE club.tracked_table SET without_order = 'customer' WHERE kind = 'refunds';
UPDATE club.tracked_table SET without_order = 'ignore' WHERE kind = 'refunds';
INSERT INTO club.tracked_table (tracked_table, kind, relation, terms) VALUES (9, 'orders', 'no_key', 1);
INSERT INTO club.tracked_table (tracked_table, kind, relation, of_tracked_table, terms) VALUES (9, 'lines', 'no_key', 1, 1);
DELETE FROM club.tracked_table;
TRUNCATE club.tracked_table;
INSERT INTO club.archived VALUES (1, '1');
DELETE FROM club.archived;
-- a table that takes the place of a tracked one must have what expressions use
CREATE TABLE other (order_id int PRIMARY KEY, customer_id int, at timestamptz, cents text);
UPDATE club.tracked_table SET relation = 'other' WHERE relation = 'orders'::regclass;
UPDATE club.tracked_table SET relation = 'no_key' WHERE relation = 'orders'::regclass;
UPDATE club.tracked_table SET relation = 'club.journal' WHERE relation = 'orders'::regclass;
UPDATE club.tracked_table SET relation = 0 WHERE relation = 'orders'::regclass;
-- one that was untracked can be tracked again as it was, if it still has all of it
SELECT loyalty.untrack('club', 'orders');
BEGIN;
ALTER TABLE orders RENAME cents TO pence;
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'cents/100');
ROLLBACK;
INSERT INTO orders VALUES (2, 1, DEFAULT, 10, 700, 'paid');
UPDATE club.tracked_table SET active = true WHERE relation = 'orders'::regclass;
SELECT loyalty.track_orders('club', 'orders', customer => 'customer_id', at => 'at', amount => 'cents/100', backfill => false);
SELECT relation, triggers_made, recorded FROM loyalty.reconcile('club');
-- versions of the terms are written by triggers
INSERT INTO club.terms VALUES (100, now(), 0, 'floor', 'UTC');
INSERT INTO club.terms_rule (version, award, name, points, applies_when, per) VALUES (1, 1, 'gift', '1000', 'true', 'order');
INSERT INTO club.terms_tier VALUES (1, 'gift', 1, 'true', 9);
UPDATE club.terms_rule SET award = award + 1;
UPDATE club.terms SET rounding = 'ceil';
UPDATE club.terms_rule SET per = 'line';
UPDATE club.terms_rule SET points = 'amont';
UPDATE club.terms_rule SET version = 1;
BEGIN;
INSERT INTO club.tier (name, rank, qualifies) VALUES ('x', 1, 'spend > 5');
UPDATE club.terms_tier SET multiplier = 7;
ROLLBACK;
DELETE FROM club.terms;
TRUNCATE club.terms_rule;
DELETE FROM club.terms_tier;
-- wallets: what rules know and they do not, lengths of time without their type, and numbers without a unit
UPDATE club.wallet SET expires = $$at + interval '1 year'$$;
UPDATE club.wallet SET extended = $$now() + interval '1 year'$$;
UPDATE club.wallet SET expires = $$CURRENT_DATE + 30$$;
UPDATE club.wallet SET expires = $$'30 days'$$;
UPDATE club.wallet SET expires = $$earned_on + '30 days'$$;
UPDATE club.wallet SET extended = $$active_on + 1 year$$;
UPDATE club.wallet SET expires = $$interval '1 year'$$;
UPDATE club.wallet SET expires = $$30$$;
UPDATE club.wallet SET expires = $$earned_on + + interval '1 year')$$;	-- another error
SELECT loyalty.alter_orders('club', 'orders', available_at => $$'14 days'$$);
SET client_min_messages = notice;
UPDATE club.wallet SET available_after = '14';
UPDATE club.wallet SET name = 'points';	-- that is known already
UPDATE club.wallet SET available_after = '14 days';
INSERT INTO club.reward (name, points, kind, value, valid_for, member_limit, limit_period) VALUES ('x', 1, 'voucher', 1, '30', 1, '1 year');
-- what multiplies by less than 1, and percents that are a part of 1
INSERT INTO club.earning_rule (name, multiplier) VALUES ('less', '-0.5');
INSERT INTO club.earning_rule (name, multiplier) VALUES ('less', ' .2 ');
UPDATE club.earning_rule SET multiplier = '-1' WHERE name = 'less';
UPDATE club.earning_rule SET multiplier = '1.2' WHERE name = 'less';
UPDATE club.earning_rule SET multiplier = 'amount - 1' WHERE name = 'less';	-- is not known
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('less', 9, 'false', 0.1);
UPDATE club.tier SET rank = 8 WHERE name = 'less';	-- that is known already
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('negative', 10, 'false', -1);
INSERT INTO club.reward (name, points, kind, value) VALUES ('tenth', 1, 'percent', 0.1);
UPDATE club.reward SET points = 2 WHERE name = 'tenth';
UPDATE club.reward SET value = 10 WHERE name = 'tenth';
DELETE FROM club.tier WHERE name = 'less';
DELETE FROM club.earning_rule WHERE name = 'less';
-- refunds as numbers below zero: two of three; and one, when it is corrected
BEGIN;
CREATE TABLE minus (of_order int, amount numeric);
INSERT INTO minus VALUES (1, -1), (1, -2), (1, 3);
SELECT loyalty.track_refunds('club', 'minus', orders => 'orders', order_key => 'of_order', amount => 'amount') IS NOT NULL AS tracked;
SELECT loyalty.alter_refunds('club', 'minus', amount => '-amount') IS NOT NULL AS altered;
SELECT loyalty.alter_refunds('club', 'minus', amount => 'abs(amount)') IS NOT NULL AS altered;
ROLLBACK;
-- the number of a wallet
SELECT club.grant_points(1, 1, 'w', wallet => '1');
SET client_min_messages = warning;
DELETE FROM club.reward;
UPDATE club.wallet SET available_after = NULL;
-- rates
INSERT INTO club.exchange_rate VALUES ('', DEFAULT, 1);
INSERT INTO club.exchange_rate VALUES ('CHF', DEFAULT, 'NaN');
SELECT * FROM loyalty.verify('club');
SELECT points FROM club.members WHERE id = 1;

-- all of a program says what it is
SELECT t.tgrelid::regclass, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
 WHERE (c.relnamespace = 'club'::regnamespace OR t.tgname LIKE 'loyalty%') AND NOT t.tgisinternal AND obj_description(t.oid, 'pg_trigger') IS NULL;
SELECT k.conrelid::regclass, k.conname FROM pg_constraint k WHERE k.connamespace = 'club'::regnamespace AND k.contype <> 'n' AND obj_description(k.oid, 'pg_constraint') IS NULL;
SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'club'::regnamespace AND obj_description(c.oid, 'pg_class') IS NULL
   AND NOT EXISTS (SELECT FROM pg_type t WHERE t.typrelid = c.oid AND c.relkind = 'c' AND obj_description(t.oid, 'pg_type') IS NOT NULL);
SELECT a.attrelid::regclass, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
 WHERE c.relnamespace = 'club'::regnamespace AND c.relkind IN ('r', 'v', 'c') AND a.attnum > 0 AND NOT a.attisdropped AND col_description(c.oid, a.attnum) IS NULL;
SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'club'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT column_name, col_description('club.account'::regclass, ordinal_position) FROM information_schema.columns WHERE table_schema = 'club' AND table_name = 'account' AND column_name IN ('points', 'customer');
SELECT loyalty.drop_program('club', force => true);
RESET search_path;
DROP SCHEMA t_mistakes CASCADE;
