-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.adjust(customer @argument_type@, points numeric, reference text, reason text, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.adjust(@settings@::regclass, customer, points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.adjust(@argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.adjust(@argument_type@, numeric, text, text, text) IS
'correct the points of a customer, up or down, for a reason; with the reference of an earlier call, the answer is what that did';
