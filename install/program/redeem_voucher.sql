-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.redeem_voucher(code text, reference text, amount numeric DEFAULT NULL, customer @optional_argument_type@ DEFAULT NULL,
                                                  reason text DEFAULT NULL)
RETURNS loyalty.voucher_receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.redeem_voucher(@settings@::regclass, code, reference, amount, customer, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.redeem_voucher(text, text, numeric, @optional_argument_type@, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.redeem_voucher(text, text, numeric, @optional_argument_type@, text) IS
'spend what a voucher is worth, all of it or an amount, or an error (LY030 to LY033) if that cannot be; with the reference of an earlier call, the answer is what that did';
