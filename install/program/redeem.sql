-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.redeem(customer @argument_type@, points numeric, reference text, reason text DEFAULT NULL, wallet text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem(@settings@::regclass, customer, points, reference, reason, wallet, pays_for, _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem(@argument_type@, numeric, text, text, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem(@argument_type@, numeric, text, text, text, text, regclass) IS
'spend points of a customer, or an error (LY001) if there are not enough; with the reference of an earlier call, the answer is what that did';
