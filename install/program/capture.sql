-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.capture(customer @argument_type@, reference text, points numeric DEFAULT NULL, reason text DEFAULT NULL, pays_for text DEFAULT NULL, tracked regclass DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.capture(@settings@::regclass, customer, reference, points, reason, pays_for, _loyalty.paid_table(@settings@::regclass, pays_for, tracked));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.capture(@argument_type@, text, numeric, text, text, regclass) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.capture(@argument_type@, text, numeric, text, text, regclass) IS
'spend what a hold keeps: all of it, or so many points, and the rest is released; repeated, the answer is what that did';
