-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.price_for(customer @argument_type@, amount numeric)
RETURNS numeric
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.price_for(@settings@::regclass, customer, amount);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.price_for(@argument_type@, numeric) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.price_for(@argument_type@, numeric) IS
'what an amount is for a customer, less the discount of his tier, rounded as amounts of the program are, half up';
