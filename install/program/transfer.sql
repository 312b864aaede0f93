-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.transfer(customer @argument_type@, recipient @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.transfer(@settings@::regclass, customer, recipient, points, reference, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.transfer(@argument_type@, @argument_type@, numeric, text, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.transfer(@argument_type@, @argument_type@, numeric, text, text, text) IS
'give points of a customer to another one, with the dates that they have, or an error (LY001) if there are not enough; with the reference of an earlier call, the answer is what that did';
