-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.explain_rating(customer @argument_type@, rating text, days int DEFAULT 3653)
RETURNS SETOF loyalty.rating_explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.rating_explained(@settings@::regclass, customer, rating, days);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain_rating(@argument_type@, text, int) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain_rating(@argument_type@, text, int) IS
'why a customer has a grade by a rating: each condition and its parts, whether it holds at this moment, and the grade from there on; and on which of so many days to come that changes';
