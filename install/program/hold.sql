-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.hold(customer @argument_type@, points numeric, reference text, until timestamptz DEFAULT 'infinity',
                                        reason text DEFAULT NULL, wallet text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.hold(@settings@::regclass, customer, points, reference, until, reason, wallet);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.hold(@argument_type@, numeric, text, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.hold(@argument_type@, numeric, text, timestamptz, text, text) IS
'keep points of a customer for a purpose, or an error (LY001) if there are not enough: nobody else can spend them until the hold is captured, released or times out; with the reference of an earlier call, the answer is what that did';
