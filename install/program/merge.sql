-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.merge(customer @argument_type@, survivor @argument_type@, reference text, reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.merge(@settings@::regclass, customer, survivor, reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.merge(@argument_type@, @argument_type@, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.merge(@argument_type@, @argument_type@, text, text) IS
'make a customer one with another, who then has all points, orders and holds of both, and for whom the key of the first stands for ever, or an error (LY008) if they are merged already; with the reference of an earlier call, the answer is what that did';
