-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.simulate_order("order" anyelement, lines anycompatiblearray DEFAULT NULL::text[])
RETURNS SETOF loyalty.explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.simulate_order(@settings@::regclass, "order", lines);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray) IS
'what an order that is not there would earn now, step by step like explain: a row of a tracked table, and an array of rows of its lines; writes nothing';
