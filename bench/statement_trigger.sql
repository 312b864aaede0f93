-- The peer of who knows transition tables: AFTER STATEMENT triggers in PL/pgSQL,
-- set-based.  The multiplier is that of the balance held before the statement,
-- and order ids are taken to be never used again.
\ir peer.sql

-- Balances are written in the order of the customers, against deadlocks; entries
-- too, because that fills their index faster.
CREATE FUNCTION peer.earn_inserted()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	WITH earned AS MATERIALIZED (
		SELECT o.customer_id, o.order_id, o.ordered_at, o.amount, m.multiplier, floor(o.amount * m.multiplier) AS points
		  FROM new_rows o
		  LEFT JOIN shop.customers c ON c.customer_id = o.customer_id
		  LEFT JOIN peer.balance b ON b.customer_id = o.customer_id
		  CROSS JOIN LATERAL (SELECT peer.multiplier(coalesce(b.spend, 0), c.created_at, o.ordered_at) AS multiplier) m
		 WHERE o.status = 'paid'),
	entered AS (
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		SELECT customer_id, order_id, 1, ordered_at, amount, 1, multiplier, points FROM earned
		 ORDER BY customer_id, order_id)
	INSERT INTO peer.balance AS b (customer_id, points, spend, orders, first_order_at, last_order_at)
	SELECT customer_id, sum(points), sum(amount), count(*), min(ordered_at), max(ordered_at)
	  FROM earned GROUP BY customer_id ORDER BY customer_id
	ON CONFLICT (customer_id) DO UPDATE
	   SET points = b.points + excluded.points,
	       spend = b.spend + excluded.spend,
	       orders = b.orders + excluded.orders,
	       first_order_at = least(b.first_order_at, excluded.first_order_at),
	       last_order_at = greatest(b.last_order_at, excluded.last_order_at);
	RETURN NULL;
END
$$;
CREATE TRIGGER earn_inserted AFTER INSERT ON shop.orders
	REFERENCING NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION peer.earn_inserted();

CREATE FUNCTION peer.earn_updated()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	-- take back exactly what the orders earned
	WITH gone AS MATERIALIZED (
		SELECT o.customer_id, o.order_id, o.ordered_at
		  FROM old_rows o
		  LEFT JOIN new_rows n ON n.order_id = o.order_id
		 WHERE o.status = 'paid'
		   AND (n.customer_id, n.ordered_at, n.amount, n.status) IS DISTINCT FROM (o.customer_id, o.ordered_at, o.amount, 'paid')),
	held AS MATERIALIZED (
		SELECT g.customer_id, g.order_id, g.ordered_at, max(l.revision) AS revision, max(l.multiplier) AS multiplier,
		       sum(l.amount) AS amount, sum(l.points) AS points
		  FROM gone g
		  JOIN peer.ledger l ON l.customer_id = g.customer_id AND l.order_id = g.order_id
		 GROUP BY g.customer_id, g.order_id, g.ordered_at),
	entered AS (
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		SELECT customer_id, order_id, revision + 1, ordered_at, -amount, -1, multiplier, -points FROM held)
	INSERT INTO peer.balance AS b (customer_id, points, spend, orders, first_order_at, last_order_at)
	SELECT customer_id, -sum(points), -sum(amount), -count(*), min(ordered_at), max(ordered_at)
	  FROM held GROUP BY customer_id ORDER BY customer_id
	ON CONFLICT (customer_id) DO UPDATE
	   SET points = b.points + excluded.points,
	       spend = b.spend + excluded.spend,
	       orders = b.orders + excluded.orders,
	       first_order_at = CASE WHEN b.first_order_at < excluded.first_order_at THEN b.first_order_at
	                             ELSE (SELECT min(o.ordered_at) FROM shop.orders o
	                                    WHERE o.customer_id = b.customer_id AND o.status = 'paid') END,
	       last_order_at = CASE WHEN b.last_order_at > excluded.last_order_at THEN b.last_order_at
	                            ELSE (SELECT max(o.ordered_at) FROM shop.orders o
	                                   WHERE o.customer_id = b.customer_id AND o.status = 'paid') END;

	-- earn again, with the multiplier that the order first earned with
	WITH come AS MATERIALIZED (
		SELECT n.customer_id, n.order_id, n.ordered_at, n.amount
		  FROM new_rows n
		  LEFT JOIN old_rows o ON o.order_id = n.order_id
		 WHERE n.status = 'paid'
		   AND (o.customer_id, o.ordered_at, o.amount, o.status) IS DISTINCT FROM (n.customer_id, n.ordered_at, n.amount, 'paid')),
	earned AS MATERIALIZED (
		SELECT o.customer_id, o.order_id, coalesce(l.revision, 0) + 1 AS revision, o.ordered_at, o.amount, m.multiplier,
		       floor(o.amount * m.multiplier) AS points
		  FROM come o
		  LEFT JOIN shop.customers c ON c.customer_id = o.customer_id
		  LEFT JOIN peer.balance b ON b.customer_id = o.customer_id
		  LEFT JOIN (SELECT l.customer_id, l.order_id, max(l.revision) AS revision, max(l.multiplier) AS multiplier
		               FROM come JOIN peer.ledger l ON l.customer_id = come.customer_id AND l.order_id = come.order_id
		              GROUP BY l.customer_id, l.order_id) l ON l.customer_id = o.customer_id AND l.order_id = o.order_id
		  CROSS JOIN LATERAL (SELECT coalesce(l.multiplier, peer.multiplier(coalesce(b.spend, 0), c.created_at, o.ordered_at))
		                             AS multiplier) m),
	entered AS (
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		SELECT customer_id, order_id, revision, ordered_at, amount, 1, multiplier, points FROM earned)
	INSERT INTO peer.balance AS b (customer_id, points, spend, orders, first_order_at, last_order_at)
	SELECT customer_id, sum(points), sum(amount), count(*), min(ordered_at), max(ordered_at)
	  FROM earned GROUP BY customer_id ORDER BY customer_id
	ON CONFLICT (customer_id) DO UPDATE
	   SET points = b.points + excluded.points,
	       spend = b.spend + excluded.spend,
	       orders = b.orders + excluded.orders,
	       first_order_at = least(b.first_order_at, excluded.first_order_at),
	       last_order_at = greatest(b.last_order_at, excluded.last_order_at);
	RETURN NULL;
END
$$;
CREATE TRIGGER earn_updated AFTER UPDATE ON shop.orders
	REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION peer.earn_updated();

CREATE FUNCTION peer.earn_deleted()
RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
	WITH held AS MATERIALIZED (
		SELECT g.customer_id, g.order_id, g.ordered_at, max(l.revision) AS revision, max(l.multiplier) AS multiplier,
		       sum(l.amount) AS amount, sum(l.points) AS points
		  FROM old_rows g
		  JOIN peer.ledger l ON l.customer_id = g.customer_id AND l.order_id = g.order_id
		 WHERE g.status = 'paid'
		 GROUP BY g.customer_id, g.order_id, g.ordered_at),
	entered AS (
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		SELECT customer_id, order_id, revision + 1, ordered_at, -amount, -1, multiplier, -points FROM held)
	INSERT INTO peer.balance AS b (customer_id, points, spend, orders, first_order_at, last_order_at)
	SELECT customer_id, -sum(points), -sum(amount), -count(*), min(ordered_at), max(ordered_at)
	  FROM held GROUP BY customer_id ORDER BY customer_id
	ON CONFLICT (customer_id) DO UPDATE
	   SET points = b.points + excluded.points,
	       spend = b.spend + excluded.spend,
	       orders = b.orders + excluded.orders,
	       first_order_at = CASE WHEN b.first_order_at < excluded.first_order_at THEN b.first_order_at
	                             ELSE (SELECT min(o.ordered_at) FROM shop.orders o
	                                    WHERE o.customer_id = b.customer_id AND o.status = 'paid') END,
	       last_order_at = CASE WHEN b.last_order_at > excluded.last_order_at THEN b.last_order_at
	                            ELSE (SELECT max(o.ordered_at) FROM shop.orders o
	                                   WHERE o.customer_id = b.customer_id AND o.status = 'paid') END;
	RETURN NULL;
END
$$;
CREATE TRIGGER earn_deleted AFTER DELETE ON shop.orders
	REFERENCING OLD TABLE AS old_rows
	FOR EACH STATEMENT EXECUTE FUNCTION peer.earn_deleted();
