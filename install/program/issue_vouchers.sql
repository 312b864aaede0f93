-- kind: function
-- operate: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.issue_vouchers(vouchers int, amount numeric, reference text, customer @optional_argument_type@ DEFAULT NULL, expires_at timestamptz DEFAULT 'infinity',
                                                  campaign text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT i.code FROM _loyalty.issue_vouchers(@settings@::regclass, vouchers, amount, reference, customer, expires_at, campaign, reason) i (code);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.issue_vouchers(int, numeric, text, @optional_argument_type@, timestamptz, text, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.issue_vouchers(int, numeric, text, @optional_argument_type@, timestamptz, text, text) IS
'make as many vouchers, each worth an amount, and return their codes; with the reference of an earlier call, these are the codes that it made';
