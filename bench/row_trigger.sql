-- The peer that most shops write: an AFTER ROW trigger in PL/pgSQL.  Order ids
-- are taken to be never used again.
\ir peer.sql

CREATE FUNCTION peer.earn()
RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
	held record;
	next int := 1;
	rate numeric;
	spend_before numeric;
	joined timestamptz;
BEGIN
	IF TG_OP = 'UPDATE'
	   AND (OLD.order_id, OLD.customer_id, OLD.ordered_at, OLD.amount, OLD.status = 'paid')
	     = (NEW.order_id, NEW.customer_id, NEW.ordered_at, NEW.amount, NEW.status = 'paid') THEN
		RETURN NULL;
	END IF;

	-- take back exactly what the order earned
	IF TG_OP <> 'INSERT' AND OLD.status = 'paid' THEN
		SELECT max(revision) AS revision, max(multiplier) AS multiplier, sum(amount) AS amount, sum(points) AS points
		  INTO held
		  FROM peer.ledger WHERE customer_id = OLD.customer_id AND order_id = OLD.order_id;
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		VALUES (OLD.customer_id, OLD.order_id, held.revision + 1, OLD.ordered_at, -held.amount, -1, held.multiplier, -held.points);
		UPDATE peer.balance b
		   SET points = b.points - held.points,
		       spend = b.spend - held.amount,
		       orders = b.orders - 1,
		       first_order_at = CASE WHEN b.first_order_at < OLD.ordered_at THEN b.first_order_at
		                             ELSE (SELECT min(o.ordered_at) FROM shop.orders o
		                                    WHERE o.customer_id = OLD.customer_id AND o.status = 'paid') END,
		       last_order_at = CASE WHEN b.last_order_at > OLD.ordered_at THEN b.last_order_at
		                            ELSE (SELECT max(o.ordered_at) FROM shop.orders o
		                                   WHERE o.customer_id = OLD.customer_id AND o.status = 'paid') END
		 WHERE b.customer_id = OLD.customer_id;
	END IF;

	IF TG_OP <> 'DELETE' AND NEW.status = 'paid' THEN
		-- an order keeps the multiplier that it first earned with
		IF TG_OP = 'UPDATE' THEN
			SELECT coalesce(max(revision), 0) + 1, max(multiplier) INTO next, rate
			  FROM peer.ledger WHERE customer_id = NEW.customer_id AND order_id = NEW.order_id;
		END IF;
		SELECT created_at INTO joined FROM shop.customers WHERE customer_id = NEW.customer_id;
		-- one upsert reads the spend and adds to it under one lock
		INSERT INTO peer.balance AS b (customer_id, points, spend, orders, first_order_at, last_order_at)
		VALUES (NEW.customer_id, floor(NEW.amount * coalesce(rate, 1)), NEW.amount, 1, NEW.ordered_at, NEW.ordered_at)
		ON CONFLICT (customer_id) DO UPDATE
		   SET points = b.points + floor(NEW.amount * coalesce(rate, peer.multiplier(b.spend, joined, NEW.ordered_at))),
		       spend = b.spend + excluded.spend,
		       orders = b.orders + 1,
		       first_order_at = least(b.first_order_at, excluded.first_order_at),
		       last_order_at = greatest(b.last_order_at, excluded.last_order_at)
		RETURNING b.spend - NEW.amount INTO spend_before;
		rate := coalesce(rate, peer.multiplier(spend_before, joined, NEW.ordered_at));
		INSERT INTO peer.ledger (customer_id, order_id, revision, at, amount, orders, multiplier, points)
		VALUES (NEW.customer_id, NEW.order_id, next, NEW.ordered_at, NEW.amount, 1, rate, floor(NEW.amount * rate));
	END IF;
	RETURN NULL;
END
$$;
CREATE TRIGGER earn AFTER INSERT OR UPDATE OR DELETE ON shop.orders
	FOR EACH ROW EXECUTE FUNCTION peer.earn();
