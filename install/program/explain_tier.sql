-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.explain_tier(customer @argument_type@, days int DEFAULT 3653)
RETURNS SETOF loyalty.tier_explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.tier_explained(@settings@::regclass, customer, days);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain_tier(@argument_type@, int) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain_tier(@argument_type@, int) IS
'why a customer has a tier, and not a higher one: each part of the condition of each tier, its value, what is missing, and on which of so many days to come that changes if nothing is bought';
