-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.voucher_status(code text, customer @optional_argument_type@ DEFAULT NULL)
RETURNS loyalty.voucher_state
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.voucher_status(@settings@::regclass, code, customer);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.voucher_status(text, @optional_argument_type@) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.voucher_status(text, @optional_argument_type@) IS
'is a code valid, for a customer if he is named, and what can be redeemed of it?';
