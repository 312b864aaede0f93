-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.tier_at(customer @argument_type@, at timestamptz DEFAULT now())
RETURNS text
LANGUAGE sql STABLE
AS $fn$
	SELECT _loyalty.tier_at(@settings@::pg_catalog.regclass, $1, $2)
$fn$;
COMMENT ON FUNCTION @schema@.tier_at(@argument_type@, timestamptz) IS
'tier of a customer at a moment, by what was effective then and the present tiers; null without one, and for who is neither in the customer table nor has entries';
