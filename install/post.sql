-- Posting -----------------------------------------------------------------------

CREATE FUNCTION loyalty.post_batch(program name, after text, batch int, OUT last text, OUT posted bigint)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_post_batch';
COMMENT ON FUNCTION loyalty.post_batch(name, text, int) IS
'post the entries of the next customers behind a key, about batch of them; takes the right to delete from the journal';

-- Commits after each batch.  Safe beside running orders and in several sessions:
-- a batch locks the accounts of its customers, in key order, before it looks at
-- their entries.
CREATE PROCEDURE loyalty.post(program name, batch int DEFAULT 10000)
LANGUAGE plpgsql
AS $$
DECLARE
	last text;
	posted bigint;
	total bigint := 0;
BEGIN
	PERFORM loyalty.require_program(program);
	IF batch IS NULL OR batch < 1 THEN
		RAISE EXCEPTION 'batch must be at least 1'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = pg_catalog.format('It is %s.', coalesce(batch::pg_catalog.text, 'null'));
	END IF;
	IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed' THEN
		RAISE EXCEPTION 'posting runs under READ COMMITTED only'
			USING ERRCODE = 'active_sql_transaction';
	END IF;
	LOOP
		SELECT p.last, p.posted INTO last, posted FROM loyalty.post_batch(program, last, batch) p;
		EXIT WHEN last IS NULL;
		total := total OPERATOR(pg_catalog.+) posted;
		COMMIT;
	END LOOP;
	RAISE NOTICE 'posted % entries', total;
END
$$;
COMMENT ON PROCEDURE loyalty.post(name, int) IS
'move recorded entries from the journal to the ledger, about batch of them per transaction';

CREATE FUNCTION loyalty.lag(program name)
RETURNS TABLE (unposted bigint, oldest timestamptz)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM loyalty.require_program(program);
	RETURN QUERY EXECUTE format('SELECT count(*), min(recorded_at) FROM %I.journal', program);
END
$$;
COMMENT ON FUNCTION loyalty.lag(name) IS
'how many entries wait to be posted, and since when; every read counts them already';

