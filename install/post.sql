-- Posting -----------------------------------------------------------------------

CREATE FUNCTION _loyalty.post_batch(program name, after text, batch int, OUT last text, OUT posted bigint, OUT more boolean)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_post_batch';
COMMENT ON FUNCTION _loyalty.post_batch(name, text, int) IS
'post the entries of the next customers behind a key, about batch of them; takes the right to delete from the journal';

-- Safe beside running orders and in several sessions: a batch locks the accounts
-- of its customers, in key order, before it looks at their entries.
CREATE PROCEDURE loyalty.post(program name, batch int DEFAULT 10000)
LANGUAGE c
AS 'MODULE_PATHNAME', 'loyalty_post';
COMMENT ON PROCEDURE loyalty.post(name, int) IS
'move recorded entries from the journal to the ledger, about batch of them at once; outside of a transaction block it commits after each batch';

-- Runs as the owner.
CREATE FUNCTION _loyalty.backlog_of(program name)
RETURNS TABLE (unposted bigint, oldest timestamptz, set_aside bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT count(*), min(recorded_at), (SELECT count(*) FROM %1$I.set_aside) FROM %1$I.journal', program);
END
$$;
COMMENT ON FUNCTION _loyalty.backlog_of(name) IS 'what loyalty.backlog does, with the rights of the caller';

CREATE FUNCTION loyalty.backlog(program name)
RETURNS TABLE (unposted bigint, oldest timestamptz, set_aside bigint)
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_backlog';
COMMENT ON FUNCTION loyalty.backlog(name) IS
'how many entries wait to be posted, since when, and how many customers have some that could not be; every read counts those that wait';
