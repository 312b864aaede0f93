-- kind: function
-- admin: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.erase(customer @argument_type@, surrogate @optional_argument_type@ DEFAULT NULL, orders_follow boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN _loyalty.erase(@settings@::regclass, customer, surrogate, orders_follow);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.erase(@argument_type@, @optional_argument_type@, boolean) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.erase(@argument_type@, @optional_argument_type@, boolean) IS
'forget a customer: what callers said goes, with the cards, for all keys of who was merged with others, and another key stands for that of the customer if it is given, while all points stay; returns how many rows changed. Orders that name the customer must get the other key in the same transaction: orders_follow => true says that they do';
