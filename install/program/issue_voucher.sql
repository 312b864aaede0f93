-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.issue_voucher(amount numeric, reference text, customer @optional_argument_type@ DEFAULT NULL, expires_at timestamptz DEFAULT 'infinity',
                                                 campaign text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN (SELECT i.code FROM _loyalty.issue_vouchers(@settings@::regclass, 1, amount, reference, customer, expires_at, campaign, reason) i (code));
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.issue_voucher(numeric, text, @optional_argument_type@, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.issue_voucher(numeric, text, @optional_argument_type@, timestamptz, text, text) IS
'make a voucher that is worth an amount, for a customer or for whoever has the code, and return its code; with the reference of an earlier call, it is the code that this made';
