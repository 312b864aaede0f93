-- What the peers written in PL/pgSQL, and the backfill by hand, have in common:
-- one entry per change of an order, one balance per customer.
CREATE SCHEMA peer;
CREATE TABLE peer.ledger (
	customer_id bigint,
	order_id bigint,
	revision int,
	at timestamptz NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT now(),
	amount numeric NOT NULL,
	orders int NOT NULL,
	multiplier numeric NOT NULL,
	points numeric NOT NULL,
	PRIMARY KEY (customer_id, order_id, revision)
);
-- room in the page keeps updates off the index
CREATE TABLE peer.balance (
	customer_id bigint PRIMARY KEY,
	points numeric NOT NULL,
	spend numeric NOT NULL,
	orders bigint NOT NULL,
	first_order_at timestamptz,
	last_order_at timestamptz
) WITH (fillfactor = 80);

-- of the tier held at this spend; simple enough for the planner to inline
CREATE FUNCTION peer.multiplier(spend numeric, joined timestamptz, at timestamptz)
RETURNS numeric
LANGUAGE sql STABLE
AS $$
	SELECT CASE WHEN spend >= 5000 AND at >= joined + interval '5 years' THEN 1.5
	            WHEN spend >= 1000 THEN 1.25
	            ELSE 1 END
$$;

-- Customers whose balance is not what their ledger and their orders say: a peer
-- that is fast and wrong is no peer.
CREATE FUNCTION peer.verify()
RETURNS TABLE (customer_id bigint, balance text, ledger text, orders text)
LANGUAGE sql STABLE
AS $$
	SELECT customer_id, b::text, l::text, o::text
	  FROM peer.balance b
	  FULL JOIN (SELECT customer_id, sum(points) AS points, sum(amount) AS spend, sum(orders) AS orders
	               FROM peer.ledger GROUP BY customer_id) l USING (customer_id)
	  FULL JOIN (SELECT customer_id, sum(amount) AS spend, count(*) AS orders,
	                    min(ordered_at) AS first_order_at, max(ordered_at) AS last_order_at
	               FROM shop.orders WHERE status = 'paid' GROUP BY customer_id) o USING (customer_id)
	 WHERE (b.points, b.spend, b.orders) IS DISTINCT FROM (l.points, l.spend, l.orders)
	    OR (b.spend, b.orders) IS DISTINCT FROM (coalesce(o.spend, 0), coalesce(o.orders, 0))
	    OR (b.first_order_at, b.last_order_at) IS DISTINCT FROM (o.first_order_at, o.last_order_at)
$$;
