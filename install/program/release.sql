-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.release(customer @argument_type@, reference text, reason text DEFAULT NULL)
RETURNS loyalty.receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.release(@settings@::regclass, customer, reference, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.release(@argument_type@, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.release(@argument_type@, text, text) IS
'end a hold without spending it; repeated, the answer is what that did';
