-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.explain_rating(customer @argument_type@, rating text)
RETURNS SETOF loyalty.rating_explanation
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.rating_explained(@settings@::regclass, customer, rating);
END
$fn$;
REVOKE ALL ON FUNCTION @schema@.explain_rating(@argument_type@, text) FROM PUBLIC;
COMMENT ON FUNCTION @schema@.explain_rating(@argument_type@, text) IS
'why a customer has a grade by a rating: each condition, whether it holds at this moment, and the grade from there on';
