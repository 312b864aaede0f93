-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.explain(order_key text, tracked regclass DEFAULT NULL, event text DEFAULT NULL)
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.explain(@settings@::regclass, order_key, tracked, event);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain(text, regclass, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain(text, regclass, text) IS
'why an order, or an event of a kind, has the points that it has: each rule, whether it counts, multipliers, tier and rounding; the steps add up to the points of the order';
