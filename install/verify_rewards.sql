-- verify(): vouchers ------------------------------------------------------------------
--
-- Vouchers are the sums of their entries.  No row shows a code, for whoever reads a program
-- may verify it.

-- The sum that checks a code, as plain SQL: see src/type/code.c.
CREATE FUNCTION _loyalty.code_check_sql(code text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(length(%1$s) = 16 AND translate(%1$s, %2$L, %3$L) = '''' AND (%4$s) %% 31 = 1)', code, a.alphabet, '',
	              string_agg(format('(strpos(%L, substr(%s, %s, 1)) - 1) * %s', a.alphabet, code, i, trunc(3::numeric ^ (16 - i)) % 31), ' + ' ORDER BY i))
	  FROM generate_series(1, 16) i CROSS JOIN (VALUES ('23456789ABCDEFGHJKMNPQRSTUVWXYZ')) a (alphabet)
	 GROUP BY a.alphabet
$$;
COMMENT ON FUNCTION _loyalty.code_check_sql(text) IS 'SQL that says whether a code has the check character that it must have';

-- What is told of an entry is computed of those that are wrong alone.
CREATE FUNCTION _loyalty.verify_vouchers(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH entry AS MATERIALIZED (
			SELECT e.*, row_number() OVER w AS n, sum(e.amount) OVER w AS balance, lag(e.kind) OVER w AS kind_before, lead(e.entry) OVER w IS NULL AS is_last
			  FROM %1$I.voucher_entry e WINDOW w AS (PARTITION BY e.code ORDER BY e.entry)),
		voucher AS MATERIALIZED (
			SELECT v.code, v.batch, v.number, v.balance, v.entries, b.reference, b.amount, b.customer, b.expires_at, b.issued_at, b.actor
			  FROM %1$I.voucher v LEFT JOIN %1$I.voucher_batch b ON b.reference = v.batch)
		SELECT k.violation, v.customer::text, NULL::text,
		       format('voucher %%s of "%%s", entry %%s: %%s of %%s at %%s leaves %%s', v.number, v.batch, e.entry, e.kind, e.amount, e.at, e.balance)
		  FROM entry e JOIN voucher v ON v.code = e.code
		 CROSS JOIN LATERAL unnest(ARRAY[
			CASE WHEN e.n <> e.entry OR (e.kind = 'issue') <> (e.n = 1) OR e.kind NOT IN ('issue', 'redemption', 'void') OR (e.reference IS NULL) <> (e.kind = 'void')
			          OR NOT abs(e.amount) < 1e20 OR (e.kind = 'void' AND coalesce(e.reason, '') = '') OR octet_length(e.reference) NOT BETWEEN 1 AND 255 OR e.at > $1
			     THEN 'entry of a voucher is not recorded as one' END,
			CASE WHEN e.kind = 'issue' AND (e.amount, e.reference, e.at, e.actor) IS DISTINCT FROM (v.amount, v.reference, v.issued_at, v.actor)
			     THEN 'voucher was issued otherwise than its batch says' END,
			CASE WHEN CASE e.kind WHEN 'issue' THEN e.amount <= 0 WHEN 'redemption' THEN e.amount >= 0 ELSE e.amount > 0 OR e.balance <> 0 END
			     THEN 'entry of a voucher changes the balance the wrong way' END,
			CASE WHEN e.balance < 0 THEN 'more of a voucher was redeemed than there was' END,
			CASE WHEN e.kind = 'redemption' AND e.at >= v.expires_at THEN 'voucher was redeemed after it expired' END,
			CASE WHEN e.kind_before = 'void' THEN 'voucher has entries after it was made void' END,
			CASE WHEN e.is_last AND (v.balance, v.entries) IS DISTINCT FROM (e.balance, e.n::int) THEN 'voucher is not what its entries add up to' END]) k (violation)
		 WHERE k.violation IS NOT NULL
		UNION ALL
		SELECT k.violation, v.customer::text, NULL, format('voucher %%s of "%%s"', v.number, v.batch)
		  FROM voucher v LEFT JOIN entry e ON e.code = v.code AND e.n = 1
		 CROSS JOIN LATERAL unnest(ARRAY[
			CASE WHEN NOT %2$s THEN 'code of a voucher has not the check character that it must have' END,
			CASE WHEN v.reference IS NULL THEN 'voucher has no batch' END,
			CASE WHEN e.code IS NULL THEN 'voucher has no entries' END]) k (violation)
		 WHERE k.violation IS NOT NULL
		UNION ALL
		SELECT 'entries are of a voucher that does not exist', NULL, NULL, format('%%s entries', count(*))
		  FROM entry e WHERE NOT EXISTS (SELECT FROM voucher v WHERE v.code = e.code) HAVING count(*) > 0
		UNION ALL
		SELECT 'batch has not its vouchers', b.customer::text, NULL, format('"%%s" has %%s of %%s', b.reference, coalesce(v.vouchers, 0), b.vouchers)
		  FROM %1$I.voucher_batch b LEFT JOIN (SELECT x.batch, count(*) AS vouchers, max(x.number) AS last FROM voucher x GROUP BY x.batch) v ON v.batch = b.reference
		 WHERE (v.vouchers, v.last) IS DISTINCT FROM (b.vouchers::bigint, b.vouchers) $sql$, program, _loyalty.code_check_sql('v.code'))
		USING _loyalty.present_limit();
END
$$;
COMMENT ON FUNCTION _loyalty.verify_vouchers(name) IS 'vouchers that are not what their entries say, or whose codes are none';
