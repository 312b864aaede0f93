-- kind: function
-- read: EXECUTE
-- Its expression takes the place of a call of it, so a call costs what the function in C does.
CREATE OR REPLACE FUNCTION @schema@.balances(customer @argument_type@)
RETURNS loyalty.balances
LANGUAGE sql STABLE
AS $fn$
	SELECT _loyalty.balances(@settings@::pg_catalog.regclass, $1)
$fn$;
COMMENT ON FUNCTION @schema@.balances(@argument_type@) IS
'the points of a customer as a row: available, pending, held, debt, and which expire next; null for who is neither in the customer table nor has entries';
