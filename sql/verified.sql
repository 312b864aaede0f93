-- verify() is complete: whatever of a program is tampered with is told, as that and nothing
-- else, posted or not.  And it says the same in every session.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, MDY';
CREATE SCHEMA t_verified;
CREATE TABLE t_verified.customers (id int PRIMARY KEY, since timestamptz DEFAULT '2010-03-05', born timestamptz DEFAULT '1990-01-01', other int UNIQUE);
INSERT INTO t_verified.customers (id, other) SELECT i, 10 - i FROM generate_series(1, 4) i;
CREATE TABLE t_verified.orders (order_id int PRIMARY KEY, customer_id int, at timestamptz, total numeric);
CREATE TABLE t_verified.parts (order_id int, customer_id int, at timestamptz, total numeric, PRIMARY KEY (order_id)) PARTITION BY RANGE (order_id);
CREATE TABLE t_verified.parts_1 PARTITION OF t_verified.parts FOR VALUES FROM (1) TO (1000);
CREATE TABLE t_verified.parts_2 PARTITION OF t_verified.parts FOR VALUES FROM (1000) TO (2000);
SELECT loyalty.create_program('club', customers => 't_verified.customers', joined_at => 'since', time_zone => 'UTC');
SELECT loyalty.track_orders('club', 't_verified.orders', customer => 'customer_id', at => 'at', amount => 'total');
SELECT loyalty.track_orders('club', 't_verified.parts', customer => 'customer_id', at => 'at', amount => 'total');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
INSERT INTO club.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 30', 2), ('Old', 2, $$first_order_at < '2019-06-01' AND last_order_at < at - interval '20 days'$$, 3);
-- customers 1 and 2 have three orders of 20 each: the third is made at Gold, for 40 points; what
-- the second of customer 1 loses later, it loses at its own multiplier, as does his fourth, at Gold:
-- 20 + 15 + 40 + 20 and 20 + 20 + 40 + 40
INSERT INTO t_verified.orders SELECT i, 1 + i % 2, '2020-01-01'::timestamptz + i * interval '1 day', 20 FROM generate_series(1, 6) i;
CALL loyalty.post('club');
UPDATE t_verified.orders SET total = 15 WHERE order_id = 4;
CALL loyalty.post('club');
INSERT INTO t_verified.orders SELECT i, 1 + i % 2, '2020-01-01'::timestamptz + i * interval '1 day', 20 FROM generate_series(7, 8) i;
UPDATE t_verified.orders SET total = 10 WHERE order_id = 8;
INSERT INTO t_verified.parts VALUES (1, 3, '2020-02-01', 5), (1001, 3, '2020-02-02', 6);
SELECT customer_id, points, lifetime_value, orders, tier FROM (SELECT id AS customer_id, m.* FROM club.members m) m ORDER BY 1;
SELECT * FROM loyalty.verify('club');

CREATE FUNCTION t_verified.plant(statement text) RETURNS TABLE (violation text, customer text, order_key text, detail text) LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		CREATE TEMP TABLE found ON COMMIT DROP AS SELECT * FROM loyalty.verify('club') v;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(f ORDER BY f.violation, f.customer, f.order_key), '[]') FROM found f);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_to_recordset(sqlerrm::json) AS (violation text, customer text, order_key text, detail text);
	END;
END $$;

-- the ledger: numbers with a gap, or twice; changes that do not add up; a revision that is
-- missing; another tier; an order that does not count and is worth something; a rate that changes
SELECT violation, customer, order_key, detail FROM t_verified.plant('UPDATE club.ledger SET entry = 9 WHERE customer = 1 AND entry = 4') WHERE violation LIKE 'entry%';
SELECT violation, customer, order_key, detail FROM t_verified.plant('UPDATE club.ledger SET entry = 1 WHERE customer = 2 AND entry = 2');
SELECT violation, customer, order_key FROM t_verified.plant('UPDATE club.ledger SET amount_change = 21 WHERE customer = 2 AND entry = 1');
SELECT violation, customer, order_key FROM t_verified.plant('UPDATE club.ledger SET order_points = 16, points_change = points_change + 1 WHERE customer = 1 AND revision = 2');
SELECT violation, customer, order_key FROM t_verified.plant($$UPDATE club.ledger SET multiplier = 2, tier = 'Gold', order_points = 40, points_change = 40 WHERE customer = 2 AND entry = 1$$);
SELECT violation, customer, order_key FROM t_verified.plant('UPDATE club.ledger SET revision = 3 WHERE customer = 1 AND revision = 2');
SELECT violation, customer, order_key FROM t_verified.plant('UPDATE club.ledger SET rate = 2 WHERE customer = 1 AND revision = 2');
SELECT violation, customer, order_key FROM t_verified.plant($$UPDATE club.ledger SET joined_at = '2000-01-01' WHERE customer = 1 AND revision = 2$$);
-- the journal: an entry that is posted as well; one that went missing; one whose predecessor did
SELECT violation, customer, order_key FROM t_verified.plant('INSERT INTO club.journal SELECT customer, tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, joined_at, moved FROM club.ledger WHERE customer = 2 AND entry = 1');
SELECT violation, customer, order_key FROM t_verified.plant($$DELETE FROM club.journal WHERE order_key = '7'$$);
SELECT violation, customer, order_key FROM t_verified.plant($$DELETE FROM club.journal WHERE order_key = '8' AND revision = 1$$);
-- accounts: each column, and one that nobody has
SELECT violation, customer, detail FROM t_verified.plant('UPDATE club.account SET points = points + 1 WHERE customer = 2') WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant('UPDATE club.account SET points_earned = points_earned + 1 WHERE customer = 2') WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant('UPDATE club.account SET spend = spend + 1 WHERE customer = 2') WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant('UPDATE club.account SET orders = orders + 1 WHERE customer = 2') WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant('UPDATE club.account SET entries = entries + 1 WHERE customer = 2') WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant($$UPDATE club.account SET first_order_at = '2019-01-01' WHERE customer = 2$$) WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant($$UPDATE club.account SET last_order_at = NULL WHERE customer = 2$$) WHERE violation LIKE 'account%';
SELECT violation, customer FROM t_verified.plant($$UPDATE club.account SET last_recorded_at = last_recorded_at + interval '1 second' WHERE customer = 2$$);
SELECT violation, customer FROM t_verified.plant('INSERT INTO club.account (customer, points) VALUES (4, 1)');
SELECT violation, customer FROM t_verified.plant('DELETE FROM club.account WHERE customer = 2') WHERE violation LIKE 'account%';
-- what readers are told
CREATE FUNCTION t_verified.lying(view text, columns text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('ALTER VIEW club.%I RENAME TO truth', view);
	EXECUTE format('CREATE VIEW club.%I AS SELECT %s FROM club.truth', view,
		(SELECT string_agg(coalesce(l.said || ' AS ', '') || a.attname, ', ' ORDER BY a.attnum) FROM pg_attribute a
		   LEFT JOIN (SELECT split_part(c, '=', 1) AS name, split_part(c, '=', 2) AS said FROM unnest(string_to_array(columns, ';')) c) l ON l.name = a.attname
		  WHERE a.attrelid = 'club.truth'::regclass AND a.attnum > 0));
END $$;
SELECT violation, customer, order_key FROM t_verified.plant($$SELECT t_verified.lying('unposted', 'points_change=CASE order_key WHEN ''7'' THEN 41 ELSE points_change END')$$);
SELECT violation, customer, order_key FROM t_verified.plant($$SELECT t_verified.lying('unposted', 'tier=CASE order_key WHEN ''7'' THEN NULL ELSE tier END')$$);
SELECT violation, customer, order_key FROM t_verified.plant($$SELECT t_verified.lying('unposted', 'entry=entry + 1')$$);
SELECT violation, customer, order_key FROM t_verified.plant($$SELECT t_verified.lying('unposted', 'amount=CASE order_key WHEN ''7'' THEN 21 ELSE amount END;amount_change=CASE order_key WHEN ''7'' THEN 21 ELSE amount_change END')$$);
SELECT violation, customer, detail FROM t_verified.plant($$SELECT t_verified.lying('members', 'tier=CASE id WHEN 4 THEN ''Gold'' ELSE tier END')$$);
SELECT violation, customer, detail FROM t_verified.plant($$SELECT t_verified.lying('members', 'points=CASE id WHEN 4 THEN 1 ELSE points END')$$);
SELECT violation, customer FROM t_verified.plant($$SELECT t_verified.lying('members', 'last_order_at=CASE id WHEN 3 THEN NULL ELSE last_order_at END')$$);
-- settings that say something else than the views
SELECT violation, detail FROM t_verified.plant($$UPDATE club.program SET customer_key = 'other'$$);
SELECT violation, detail FROM t_verified.plant($$UPDATE club.program SET joined_at = 'born'$$);
SELECT violation, detail FROM t_verified.plant($$UPDATE club.program SET joined_at = NULL$$);
-- triggers of one partition, and of the program; and one that does not fire always
SELECT violation, detail FROM t_verified.plant('ALTER TABLE t_verified.parts_2 DISABLE TRIGGER ALL') ORDER BY 2;
SELECT violation, detail FROM t_verified.plant('ALTER TABLE t_verified.orders DISABLE TRIGGER loyalty_insert_club_1');
SELECT violation, detail FROM t_verified.plant($$DROP TRIGGER loyalty_insert_club_1 ON t_verified.orders; CREATE TRIGGER loyalty_insert_club_1 AFTER INSERT ON t_verified.orders REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION _loyalty.record('club', '1')$$);
SELECT violation, detail FROM t_verified.plant('DELETE FROM club.posted_terms');
SELECT violation, detail FROM t_verified.plant('ALTER TABLE club.ledger DISABLE TRIGGER append_only');
-- an index that lacks rows of its table
SET allow_system_table_mods = on;
SELECT violation, detail FROM t_verified.plant($$UPDATE pg_index SET indisready = false WHERE indexrelid = 'club.account_pkey'::regclass; INSERT INTO club.account (customer) VALUES (4); UPDATE pg_index SET indisready = true WHERE indexrelid = 'club.account_pkey'::regclass$$);
SELECT violation, detail FROM t_verified.plant($$CREATE INDEX by_time ON club.account (last_recorded_at DESC, points); UPDATE pg_index SET indisready = false WHERE indexrelid = 'club.by_time'::regclass; INSERT INTO club.account (customer) VALUES (4); UPDATE pg_index SET indisready = true WHERE indexrelid = 'club.by_time'::regclass$$);
RESET allow_system_table_mods;
SELECT violation, detail FROM t_verified.plant('ALTER TABLE club.account DROP CONSTRAINT account_pkey');
-- a program without settings, as after a restore of its schema alone
SELECT violation, detail FROM t_verified.plant('DELETE FROM club.program');
-- orders that nobody can count are none, if the program says so
SELECT violation, customer, order_key FROM t_verified.plant($$INSERT INTO t_verified.orders VALUES (50, 4, '2020-01-01', 'NaN')$$);
SELECT violation, customer, order_key FROM t_verified.plant($$UPDATE club.program SET on_invalid = 'skip'; INSERT INTO t_verified.orders VALUES (50, 4, '2020-01-01', 'NaN'), (51, 4, 'infinity', 1)$$);
SELECT violation, customer, order_key FROM t_verified.plant($$UPDATE club.program SET on_invalid = 'skip'; UPDATE t_verified.orders SET total = 'NaN' WHERE order_id = 7$$);

-- in every session: nothing on a healthy program, and what is wrong otherwise
SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off; SET enable_seqscan = off; SET enable_indexscan = off;
SET work_mem = '64kB'; SET DateStyle = 'German'; SET TimeZone = 'Asia/Kathmandu'; SET extra_float_digits = -3; SET IntervalStyle = 'sql_standard';
SET row_security = off; SET search_path = t_verified; SET transform_null_equals = on;
BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY;
SELECT * FROM loyalty.verify('club');
COMMIT;
BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
SELECT * FROM loyalty.verify('club');
COMMIT;
SET default_transaction_read_only = on;
SELECT * FROM loyalty.verify('club');
RESET default_transaction_read_only;
SELECT violation, customer, order_key, detail FROM t_verified.plant('UPDATE t_verified.orders SET total = 21 WHERE order_id = 1');
RESET ALL;
SET client_min_messages = warning;

CALL loyalty.post('club');
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
DROP SCHEMA t_verified CASCADE;
