-- kind: function
-- read: EXECUTE
-- It is written in SQL, since PL/pgSQL would check a domain over a row type here, by code of whoever made it, with the rights of the owner.
CREATE OR REPLACE FUNCTION @schema@.simulate_order("order" anyelement, lines anycompatiblearray DEFAULT NULL::text[])
RETURNS SETOF loyalty.explanation
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT * FROM _loyalty.simulate_order(@settings@::regclass, "order", lines)
$fn$;
REVOKE ALL ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.simulate_order(anyelement, anycompatiblearray) IS
'what an order that is not there would earn now, step by step like explain: a row of a tracked table, and an array of rows of its lines; writes nothing';
