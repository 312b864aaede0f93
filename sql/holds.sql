-- Points are held for a purpose, and captured, released, or free again when the hold times out.
\set SHOW_CONTEXT never
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE SCHEMA t_holds;
SET search_path = t_holds;
CREATE TABLE customers (id int PRIMARY KEY);
INSERT INTO customers SELECT i FROM generate_series(1, 9) i;
CREATE TABLE orders (id int PRIMARY KEY, customer int, at timestamptz DEFAULT '2024-01-01', total numeric(12,2));
SELECT loyalty.create_program('club', customers => 'customers');
INSERT INTO club.earning_rule (name, points) VALUES ('one', 'amount');
SELECT loyalty.track_orders('club', 'orders', customer => 'customer', at => 'at', amount => 'total') \gset
INSERT INTO orders (id, customer, total) SELECT i, i, 100 FROM generate_series(1, 5) i;
CREATE FUNCTION call(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r loyalty.receipt;
	state text; message text; detail text; hint text;
BEGIN
	EXECUTE 'SELECT * FROM ' || query INTO r;
	RETURN format('entry %s: %s, leaves %s', r.entry, r.points, r.balance);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(concat_ws(' | ', state, message, nullif(detail, ''), nullif(hint, '')), '\d{4}-\d\d-\d\d [0-9:.]+\+00', 'TIME', 'g');
END $$;

-- held, captured in part: of 100, 60 are held, and 45 spent
SELECT call($$club.hold(1, 60, 'booking')$$);
SELECT points, held FROM club.members WHERE id = 1;
SELECT call($$club.redeem(1, 41, NULL)$$);
SELECT call($$club.hold(1, 41, 'more')$$);
SELECT call($$club.capture(1, 'booking', 61)$$);
SELECT call($$club.capture(1, 'booking', 45)$$);
SELECT points, held FROM club.members WHERE id = 1;
-- a hold ends once; who repeats what ended it, or began it, gets the same answer
SELECT call($$club.capture(1, 'booking', 45)$$), call($$club.hold(1, 60, 'booking')$$);
SELECT call($$club.capture(1, 'booking')$$);
SELECT call($$club.capture(1, 'booking', 44)$$);
SELECT call($$club.release(1, 'booking')$$);
SELECT call($$club.hold(1, 59, 'booking')$$);
SELECT call($$club.hold(1, 60, 'booking', 'tomorrow')$$);
-- all of it, and nothing of it
SELECT call($$club.hold(2, 30, 'a')$$), call($$club.hold(2, 70, 'b', reason => 'room')$$);
SELECT call($$club.capture(2, 'a')$$), call($$club.capture(2, 'a')$$), call($$club.capture(2, 'a', 30)$$);
SELECT call($$club.release(2, 'b', 'cancelled')$$), call($$club.release(2, 'b')$$);
SELECT call($$club.capture(2, 'b')$$);
-- what is no hold
SELECT call($$club.capture(2, 'c')$$);
SELECT call($$club.release(2, NULL)$$);
SELECT call($$club.redeem(2, 1, 'spent')$$), call($$club.release(2, 'spent')$$);
SELECT call($$club.hold(2, 0, NULL)$$);
SELECT call($$club.hold(2, 1, 'past', '2020-01-01')$$);
SELECT call($$club.hold(2, 1, 'past', '-infinity')$$);
SELECT call($$club.hold(77, 1, NULL)$$);
-- what was captured can be taken back; what was not, has nothing to take back; an open hold is released
SELECT call($$club.reverse(1, 'booking', 5, 'refund')$$), call($$club.reverse(1, 'booking', NULL, 'refund-2')$$), call($$club.reverse(1, 'booking', NULL, 'refund-3')$$);
SELECT call($$club.reverse(2, 'b')$$);
SELECT call($$club.hold(3, 10, 'open')$$), call($$club.reverse(3, 'open')$$);
SELECT entry, kind, order_key, points, balance, reason, until FROM club.entries WHERE id IN (1, 2) ORDER BY id, entry;

-- a hold that times out: half of what customer 4 has is free again when it does, whoever looks
SELECT call($$club.hold(4, 50, 'soon', clock_timestamp() + interval '2 seconds')$$), call($$club.hold(4, 20, 'later', 'infinity')$$), call($$club.hold(4, 10, 'next', now() + interval '1 hour')$$);
SELECT points, held FROM club.members WHERE id = 4;
SELECT next_release = (SELECT until FROM club.held WHERE reference = 'soon') AS soonest FROM club.account WHERE customer = 4;
SELECT pg_sleep(2.1) \g /dev/null
SELECT points, held FROM club.members WHERE id = 4;
SELECT club.balance(4), club.balance(4, now()), club.balance(4, (SELECT until - interval '1 microsecond' FROM club.held WHERE reference = 'soon'));
SELECT entry, kind, order_key, points, balance, posted, recorded_at = effective_at AS at_once FROM club.entries WHERE id = 4 ORDER BY entry;
SELECT * FROM loyalty.verify('club');
SELECT call($$club.capture(4, 'soon')$$);
-- the next call for the customer says so in the ledger, dated when it was
SELECT call($$club.redeem(4, 70, 'all')$$);
SELECT e.entry, e.kind, e.order_key, e.points, e.balance, e.posted, e.effective_at = h.until AS timed_out
  FROM club.entries e LEFT JOIN club.entries h ON h.id = 4 AND h.order_key = e.order_key AND h.kind = 'hold' WHERE e.id = 4 ORDER BY e.entry;
SELECT reference FROM club.held WHERE customer = 4 ORDER BY 1;
SELECT call($$club.release(4, 'soon')$$), call($$club.hold(4, 1, 'none')$$);
-- orders go on, and refunds go below what is held
UPDATE orders SET total = 5 WHERE id = 4;
SELECT points, held FROM club.members WHERE id = 4;
SELECT call($$club.capture(4, 'later')$$), call($$club.release(4, 'next')$$);
SELECT * FROM loyalty.verify('club');

-- what is wrong is told
CREATE FUNCTION plant(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		SET LOCAL session_replication_role = replica;
		EXECUTE statement;
		RAISE EXCEPTION USING ERRCODE = 'LO001', MESSAGE = (SELECT coalesce(json_agg(concat_ws(': ', v.violation, v.customer, v.order_key) ORDER BY v.violation, v.order_key), '[]')
		                                                      FROM loyalty.verify('club') v);
	EXCEPTION WHEN SQLSTATE 'LO001' THEN
		RETURN QUERY SELECT * FROM json_array_elements_text(sqlerrm::json);
	END;
END $$;
SELECT plant('DELETE FROM club.held');
SELECT plant('UPDATE club.held SET points = 11');
SELECT plant($$UPDATE club.held SET until = '2100-01-01'$$);
SELECT plant($$INSERT INTO club.held VALUES (5, 'ghost', 1, 'infinity', NULL, 5)$$);
SELECT plant('UPDATE club.account SET held = 0 WHERE customer = 3');
SELECT plant($$UPDATE club.account SET next_release = '2100-01-01' WHERE customer = 3$$);
SELECT plant($$UPDATE club.ledger SET until = NULL WHERE order_key = 'a' AND kind = 'hold'$$);
SELECT plant($$UPDATE club.ledger SET at = '2099-01-01', recorded_at = '2099-01-01' WHERE order_key = 'a' AND kind = 'capture'$$);
SELECT plant($$UPDATE club.ledger SET kind = 'release' WHERE order_key = 'booking' AND kind = 'capture'$$);
SELECT plant($$UPDATE club.ledger SET kind = 'redemption', until = NULL WHERE order_key = 'b' AND kind = 'hold'$$);
SELECT plant($$DELETE FROM club.ledger WHERE order_key = 'b' AND kind = 'release'$$);
-- tables that are lost are made of the ledger again
DROP TABLE club.held, club.account CASCADE;
SELECT loyalty.upgrade_program('club');
SELECT customer, reference, points, until FROM club.held ORDER BY 1, 2;
SELECT * FROM loyalty.verify('club');
SELECT call($$club.capture(3, 'open')$$);

-- holding is for those who operate
CREATE ROLE regress_desk;
GRANT USAGE ON SCHEMA t_holds TO regress_desk;
SELECT loyalty.grant_access('club', 'regress_desk', 'read');
SET ROLE regress_desk;
SELECT call('club.hold(1, 1, NULL)'), call($$club.capture(1, 'x')$$), call($$club.release(1, 'x')$$);
SELECT count(*) FROM club.held;
INSERT INTO club.held VALUES (1, 'x', 1, 'infinity');
RESET ROLE;
SELECT * FROM loyalty.verify('club');
SELECT loyalty.drop_program('club', force => true);
REVOKE USAGE ON SCHEMA t_holds FROM regress_desk;
DROP ROLE regress_desk;
DROP SCHEMA t_holds CASCADE;
