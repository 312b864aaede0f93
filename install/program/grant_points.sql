-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.grant_points(customer @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.grant_points(@settings@::regclass, customer, points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.grant_points(@argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.grant_points(@argument_type@, numeric, text, text, text) IS
'give a customer points that no order earns; with the reference of an earlier call, the answer is what that did';
