-- kind: function
-- read: EXECUTE
-- Its expression takes the place of a call of it, so a call costs what the function in C does.
CREATE OR REPLACE FUNCTION @schema@.balance(customer @argument_type@, at timestamptz DEFAULT NULL)
RETURNS numeric
LANGUAGE sql STABLE
AS $fn$
	SELECT _loyalty.balance(@settings@::pg_catalog.regclass, $1, $2)
$fn$;
COMMENT ON FUNCTION @schema@.balance(@argument_type@, timestamptz) IS
'points of a customer: all that is recorded, or what was effective at a moment; null for who is neither in the customer table nor has entries';
