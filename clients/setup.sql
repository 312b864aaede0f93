-- What the tests of clients find: for each type of customer keys a shop and a program, shop_int
-- and club_int and so on, with the same three customers and the same orders, and one more, shop
-- and club, for the recipes of docs/clients.md.  The role "app" is what an application should
-- be: it owns nothing, reads and writes the shops, and may post.
--
--   Ann  100.10  2020-05-01                  points  100.10
--        200.20  2021-06-01                          200.20, spent 300.30: Gold from then on
--         10.01  2022-07-01  Gold, times 1.5          15.015, rounded down by the program's scale
--   Bob  90071992547409.93  2023-01-01       more cents than a double has digits: 2^53 + 1
--   Cid  nothing
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION loyalty;

CREATE FUNCTION pg_temp.make_shop(shop text, club text, key_type text, ann text, bob text, cid text, scale int)
RETURNS void
LANGUAGE plpgsql AS $make$
BEGIN
	EXECUTE format($sql$
	CREATE SCHEMA %1$I;
	CREATE TABLE %1$I.customers (customer_id %2$s PRIMARY KEY, name text NOT NULL, created_at timestamptz NOT NULL);
	CREATE TABLE %1$I.orders (order_id bigint PRIMARY KEY, customer_id %2$s NOT NULL REFERENCES %1$I.customers,
	                          ordered_at timestamptz NOT NULL, total numeric(20,2) NOT NULL);
	INSERT INTO %1$I.customers VALUES (%3$L, 'Ann', '2019-01-01 12:00+00'), (%4$L, 'Bob', '2019-01-01 12:00+00'),
	                                  (%5$L, 'Cid', '2019-01-01 12:00+00');
	GRANT USAGE ON SCHEMA %1$I TO app;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO app;
	$sql$, shop, key_type, ann, bob, cid);
	PERFORM loyalty.create_program(club, customers => (shop || '.customers')::regclass, joined_at => 'created_at',
	                               time_zone => 'UTC', points_scale => scale);
	EXECUTE format($sql$
	INSERT INTO %1$I.earning_rule (name, points) VALUES ('one point per dollar', 'amount');
	INSERT INTO %1$I.tier (name, rank, qualifies, multiplier) VALUES ('Gold', 1, 'spend >= 200', 1.5);
	$sql$, club);
	PERFORM loyalty.track_orders(club, (shop || '.orders')::regclass, customer => 'customer_id', at => 'ordered_at', amount => 'total');
	EXECUTE format($sql$
	INSERT INTO %1$I.orders VALUES (1, %2$L, '2020-05-01 12:00+00', 100.10), (2, %2$L, '2021-06-01 12:00+00', 200.20),
	                               (3, %2$L, '2022-07-01 12:00+00', 10.01), (4, %3$L, '2023-01-01 12:00+00', 90071992547409.93);
	$sql$, shop, ann, bob);
	PERFORM loyalty.grant_access(club, 'app', 'operate');
END
$make$;

SELECT pg_temp.make_shop('shop_int', 'club_int', 'int', '1', '2', '3', 2),
       pg_temp.make_shop('shop_bigint', 'club_bigint', 'bigint', '1', '9007199254740993', '3', 2),
       pg_temp.make_shop('shop_text', 'club_text', 'text', 'ann@example.com', 'O''Neill %s $1 ?', '3', 3),
       pg_temp.make_shop('shop_uuid', 'club_uuid', 'uuid', '00000000-0000-4000-8000-000000000001',
                         '00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000003', 2),
       pg_temp.make_shop('shop', 'club', 'bigint', '42', '7', '8', 2);
