-- kind: function
-- read: EXECUTE
CREATE OR REPLACE FUNCTION @schema@.balance(customer @key_type@, at timestamptz DEFAULT NULL)
RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $fn$
	SELECT CASE WHEN $2 IS NULL
		THEN (SELECT m.points FROM @schema@.members m WHERE m.@key@ @eq@ @argument@)
		ELSE (SELECT coalesce((SELECT sum(e.points) FROM @schema@.entries e
		                        WHERE e.@key@ @eq@ @argument@ AND e.effective_at <= $2), 0)
		        FROM @schema@.customer c WHERE c.customer @eq@ @argument@) END
$fn$;
COMMENT ON FUNCTION @schema@.balance(@key_type@, timestamptz) IS
'points of a customer: all that is recorded, or what was effective at a moment; null for whoever is not in the customer table';
