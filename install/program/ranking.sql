-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.ranking("by" text, top int DEFAULT NULL)
RETURNS TABLE (customer @key_type@, value numeric, rank bigint, percentile numeric)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $fn$
BEGIN
	RETURN QUERY EXECUTE _loyalty.ranking_sql(@settings@::regclass, "by", top);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.ranking(text, int) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.ranking(text, int) IS
'members by lifetime_value, orders, average_order, points, or a metric: the rank of each, who has as much shares it, and how many percent of the members have at most as much; all, or the first ones';
