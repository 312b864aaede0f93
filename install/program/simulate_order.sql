-- kind: function
-- read: EXECUTE
-- It is written in SQL, since PL/pgSQL would check a domain over a row type here, by code of whoever made it, with the rights of the owner.
CREATE OR REPLACE FUNCTION @schema@.simulate_order("order" anyelement, lines anycompatiblearray DEFAULT NULL::text[], event text DEFAULT NULL)
RETURNS SETOF loyalty.explanation
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT * FROM _loyalty.simulate_order(@settings@::regclass, "order", lines, event)
$fn$;
REVOKE ALL ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray, text) IS
'what an order, or event, that is not there would earn now, step by step like explain: a row of a tracked table, and an array of rows of its lines; writes nothing';
