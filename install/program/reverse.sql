-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.reverse(customer @argument_type@, reverses text, points numeric DEFAULT NULL, reference text DEFAULT NULL,
                                           reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.reverse_call(@settings@::regclass, customer, reverses, points, reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.reverse(@argument_type@, text, numeric, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.reverse(@argument_type@, text, numeric, text, text) IS
'take back what a call with a reference did: a redemption, grant or adjustment, all that is left of it or so many points; a reward whose points are all taken back is given back; with the reference of an earlier call, the answer is what that did';
