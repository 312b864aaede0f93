-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.void_voucher(code text, reason text)
RETURNS loyalty.voucher_receipt
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.void_voucher(@settings@::regclass, code, reason);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.void_voucher(text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.void_voucher(text, text) IS
'take what is left of a voucher, for a reason: nobody can redeem it any more; repeated, the answer is what that did';
