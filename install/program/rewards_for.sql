-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.rewards_for(customer @argument_type@)
RETURNS SETOF loyalty.reward_offer
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.rewards_for(@settings@::regclass, customer);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.rewards_for(@argument_type@) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.rewards_for(@argument_type@) IS
'the rewards that there are now, what each costs a customer, and how many pieces of it he may have';
