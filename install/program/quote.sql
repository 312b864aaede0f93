-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.quote(customer @argument_type@, amount numeric, points numeric DEFAULT NULL, payable numeric DEFAULT NULL)
RETURNS loyalty.quote
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.quote(@settings@::regclass, customer, amount, points, payable);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.quote(@argument_type@, numeric, numeric, numeric) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.quote(@argument_type@, numeric, numeric, numeric) IS
'how many points of a customer may pay for an order of an amount, what they are worth, and why they are not more: no more than the points that are asked for, and only the payable part of the amount, if these are given';
