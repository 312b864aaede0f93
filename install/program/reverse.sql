-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.reverse(customer @argument_type@, reverses text, reference text DEFAULT NULL, points numeric DEFAULT NULL,
                                           reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.reverse(@settings@::regclass, customer, reverses, points, reason, reference);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.reverse(@argument_type@, text, text, numeric, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.reverse(@argument_type@, text, text, numeric, text) IS
'take back what a call with a reference did: a redemption, grant or adjustment, all that is left of it or so many points; with the reference of an earlier call, the answer is what that did';
