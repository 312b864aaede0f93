-- verify(): further wallets -----------------------------------------------------------------
--
-- Of a program with more than one wallet.  Whether the points of an account are the sum of its
-- entries, and their lots too, is verified for all wallets together; here is what separates
-- them: that status points are never spent, that wallets are emptied one after the other, that what was taken last comes back first, and
-- that orders touch no wallet but the first, unless they keep points of it from expiring.
--
-- The order of the wallets is that of the terms which a call has that took points from several
-- of them; in the other direction they come back.

-- Points of a wallet that could be spent after an entry "m" of moves, as SQL.
CREATE FUNCTION _loyalty.left_in_sql(wallet text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('coalesce(loyalty.available(m.lots_after, m.at, %1$s), 0) + CASE %1$s WHEN 1 THEN m.undated_after ELSE 0 END', wallet)
$$;
COMMENT ON FUNCTION _loyalty.left_in_sql(text) IS 'the points that are left in a wallet after an entry, as SQL for verify()';

-- What calls took that have terms, by wallets, and how much of it came back.
CREATE FUNCTION _loyalty.given_back_sql(equality text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$,
		-- each entry that gives back of a call that took from several wallets, with each of these wallets
		changed AS MATERIALIZED (
			SELECT c.recorded_for AS customer, c.order_key AS reference, c.terms, m.entry, m.recorded_at, m.customer AS account, m.entry = c.entry AND m.customer %1$s c.customer AS takes, l.wallet, sum(l.points) AS points
			  FROM moves c
			  JOIN moves m ON m.recorded_for %1$s c.recorded_for AND m.tracked_table = 0 AND coalesce(m.reverses, m.order_key) = c.order_key AND m.kind NOT IN ('merge', 'merged')
			 CROSS JOIN LATERAL (SELECT u.wallet, u.points FROM loyalty.unnest(m.lots) u
			                     UNION ALL SELECT 1, m.points_change - coalesce(loyalty.total(m.lots), 0)) l
			 WHERE c.tracked_table = 0 AND c.terms <> 0
			 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8),
		given_back AS (
			SELECT t.customer, t.reference, t.terms, t.wallet, -t.points AS taken, e.entry, e.recorded_at, coalesce(g.points, 0) AS given,
			       sum(coalesce(g.points, 0)) OVER (PARTITION BY t.customer, t.reference, t.wallet ORDER BY e.recorded_at, e.entry) AS back
			  FROM changed t
			  JOIN (SELECT DISTINCT x.customer, x.reference, x.entry, x.recorded_at, x.account FROM changed x WHERE NOT x.takes) e ON e.customer %1$s t.customer AND e.reference = t.reference
			  LEFT JOIN changed g ON g.customer %1$s t.customer AND g.reference = t.reference AND g.wallet = t.wallet AND g.entry = e.entry AND g.recorded_at = e.recorded_at AND NOT g.takes
			 WHERE t.takes AND t.points < 0) $sql$, equality)
$$;
COMMENT ON FUNCTION _loyalty.given_back_sql(text) IS 'what was taken from several wallets, and came back, as SQL for verify()';

CREATE FUNCTION _loyalty.verify_spent_wallets(program name, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH %1$s
		SELECT k.violation, m.customer::text, m.order_key::text, k.detail
		  FROM moves m
		 CROSS JOIN LATERAL (SELECT array_agg(t.wallet) AS taken
		                       FROM (SELECT l.wallet FROM loyalty.unnest(m.lots) l WHERE l.points < 0 UNION SELECT 1 WHERE m.undated_after < m.undated_before) t) t
		 CROSS JOIN LATERAL (VALUES
			(EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE NOT EXISTS (SELECT FROM %2$I.wallet w WHERE w.wallet = l.wallet)),
			 'points are in no wallet', format('entry %%s: %%s', m.entry, m.lots)),
			(m.spends AND EXISTS (SELECT FROM loyalty.unnest(m.lots) l JOIN %2$I.wallet w ON w.wallet = l.wallet AND NOT w.redeemable),
			 'status points were spent', format('entry %%s of the kind %%s: %%s', m.entry, m.kind, m.lots)),
			(m.spends AND (SELECT count(*) FROM unnest(t.taken) x (wallet) WHERE %3$s > 0) > 1,
			 'points were taken from a wallet before another one was empty', format('entry %%s: %%s leaves %%s', m.entry, m.lots, m.lots_after)),
			(m.spends AND cardinality(t.taken) > 1
			 AND EXISTS (SELECT FROM %2$I.terms_wallet a JOIN %2$I.terms_wallet b ON b.version = a.version AND b.redeemable AND (b.redeem_order, b.wallet) < (a.redeem_order, a.wallet)
			              WHERE a.version = m.terms AND a.wallet = ANY (t.taken) AND %4$s > 0),
			 'points were not taken from wallets in their order', format('entry %%s: %%s leaves %%s', m.entry, m.lots, m.lots_after)),
			-- what a rule gave goes back, after the order is of other terms, too; and an order may keep points from expiring
			(m.tracked_table > 0 AND EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE l.wallet <> 1 GROUP BY l.wallet
			                                 HAVING NOT EXISTS (SELECT FROM %2$I.terms_rule r JOIN %2$I.terms_wallet v ON v.version = r.version AND v.name = r.wallet
			                                                     WHERE v.wallet = l.wallet AND (r.version = m.terms OR sum(l.points) < 0 AND m.revision > 1))
			                                    AND (sum(l.points) <> 0 OR NOT EXISTS (SELECT FROM %2$I.terms_wallet v WHERE v.version = m.terms AND v.wallet = l.wallet AND v.extended IS NOT NULL))),
			 'an order changed the points of a wallet that none of its rules names', format('entry %%s: %%s', m.entry, m.lots)))
		       k (wrong, violation, detail)
		 WHERE k.wrong
		UNION ALL
		-- of a wallet nothing comes back before all is back of those that points were taken from later
		SELECT 'points did not come back as they were taken', a.customer::text, a.reference::text,
		       format('entry %%s gives %%s to wallet %%s, and %%s of %%s of wallet %%s were back, which was later', a.entry, a.given, a.wallet, b.back, b.taken, b.wallet)
		  FROM given_back a JOIN given_back b ON b.customer %5$s a.customer AND b.reference = a.reference AND b.entry = a.entry AND b.recorded_at = a.recorded_at
		  JOIN %2$I.terms_wallet x ON x.version = a.terms AND x.wallet = a.wallet
		  JOIN %2$I.terms_wallet y ON y.version = a.terms AND y.wallet = b.wallet AND (x.redeem_order, x.wallet) < (y.redeem_order, y.wallet)
		 WHERE a.given > 0 AND b.back < b.taken $sql$,
		_loyalty.lots_sql(program, readable, 'd.lots IS NOT NULL') || _loyalty.given_back_sql(_loyalty.customer_equality(program)), program,
		_loyalty.left_in_sql('x.wallet'), _loyalty.left_in_sql('b.wallet'), _loyalty.customer_equality(program));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_spent_wallets(name, boolean) IS 'entries that took points from wallets, or gave points to them, as cannot be';

-- Points of a wallet that orders under some terms keep from expiring, or should.
CREATE FUNCTION _loyalty.verify_extended(program name, terms int, wallet int, time_zone text, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $$
BEGIN
	PERFORM set_config('TimeZone', time_zone, true);
	RETURN QUERY EXECUTE format($sql$
		WITH %1$s
		SELECT 'an order did not keep points as it should'::text, m.customer::text, m.order_key::text,
		       format('entry %%s: %%s leaves %%s, and points of wallet %%s are kept until %%s', m.entry, coalesce(m.lots, '{}'), m.lots_after, $2, wallet.extended)
		  FROM moves m %2$s
		 WHERE m.tracked_table > 0 AND m.terms = $1 AND isfinite(m.at)
		   AND (EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE l.wallet = $2 AND l.points > 0 AND l.expires_at IS DISTINCT FROM wallet.extended)
		        OR (m.revision = 1 AND m.counts
		            AND EXISTS (SELECT FROM loyalty.unnest(m.lots_after) l WHERE l.wallet = $2 AND l.points > 0 AND l.expires_at > m.recorded_at AND l.expires_at < wallet.extended))) $sql$,
		_loyalty.lots_sql(program, readable, 'd.terms = $1'), _loyalty.wallet_sql(program, terms, wallet)) USING terms, wallet;
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	RETURN QUERY SELECT 'expression of a wallet fails'::text, NULL::text, NULL::text, format('terms %s, wallet %s: %s; orders of such days keep its points for ever', terms, wallet, SQLERRM);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_extended(name, int, int, text, boolean) IS 'points of a further wallet that orders under some terms did not keep from expiring as these say';

-- Points that calls gave under some terms, of days for which the wallet cannot say when they expire.  Those that do
-- expire were given on days for which it could.
CREATE FUNCTION _loyalty.verify_given(program name, terms int, wallet int, time_zone text, since timestamptz, until timestamptz)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $$
BEGIN
	PERFORM set_config('TimeZone', time_zone, true);
	EXECUTE format($sql$
		SELECT count(wallet.expires_at)
		  FROM (SELECT min(l.at) AS at, NULL::timestamptz AS available_at, NULL::text AS event FROM %1$I.ledger l
		         WHERE l.tracked_table = 0 AND l.kind IN ('grant', 'adjustment') AND l.points_change > 0 AND l.recorded_at >= $1 AND l.recorded_at < $2
		           AND CASE $3 WHEN 1 THEN NOT EXISTS (SELECT FROM loyalty.unnest(l.lots) u WHERE u.wallet <> 1 OR isfinite(u.expires_at))
		                       ELSE EXISTS (SELECT FROM loyalty.unnest(l.lots) u WHERE u.wallet = $3 AND u.expires_at = 'infinity') END
		         GROUP BY l.at::date) m %2$s $sql$, program, _loyalty.wallet_sql(program, terms, wallet)) USING since, until, wallet;
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	RETURN QUERY SELECT 'expression of a wallet fails'::text, NULL::text, NULL::text, format('terms %s, wallet %s: %s; points that calls gave on such days never expire', terms, wallet, SQLERRM);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_given(name, int, int, text, timestamptz, timestamptz) IS 'an expression of a wallet that failed for points that calls gave while some terms were in force';

CREATE FUNCTION _loyalty.verify_given(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN EXECUTE format('SELECT t.*, w.wallet
	                           FROM (SELECT x.version, x.time_zone, x.since, coalesce(lead(x.since) OVER (ORDER BY x.version), ''infinity'') AS until FROM %1$I.terms x) t
	                           JOIN %1$I.terms_wallet w ON w.version = t.version WHERE w.expires IS NOT NULL ORDER BY t.version, w.wallet', program)
	LOOP
		RETURN QUERY SELECT * FROM _loyalty.verify_given(program, t.version, t.wallet, t.time_zone, t.since, t.until);
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_given(name) IS 'expressions of wallets that failed for points that calls gave';

-- The view by the sums of the entries.
CREATE FUNCTION _loyalty.verify_wallet_balances(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key CONSTANT name := (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.wallet_balances', program)::regclass AND a.attnum = 1);
BEGIN
	RETURN QUERY EXECUTE format($sql$
		WITH entries AS (
			SELECT coalesce(account, customer) AS customer, points_change AS points, lots FROM %1$I.ledger
			UNION ALL SELECT account, points_change, lots FROM %1$I.unposted
			UNION ALL SELECT customer, points, lots FROM %1$I.held WHERE until <= now())
		SELECT 'wallet_balances are not the sums of the entries'::text, coalesce(x.customer, b.%2$I)::text, NULL::text,
		       format('%%s available and %%s pending in wallet %%s, by the entries %%s and %%s', b.available, b.pending, coalesce(x.wallet, b.wallet), x.available, x.pending)
		  FROM (SELECT l.customer, l.wallet, coalesce(sum(l.points) FILTER (WHERE l.available_at <= now()), 0) AS available, coalesce(sum(l.points) FILTER (WHERE l.available_at > now()), 0) AS pending,
		               min(l.expires_at) FILTER (WHERE l.points > 0 AND l.expires_at < 'infinity') AS next_expiry
		          FROM (SELECT y.customer, y.wallet, y.available_at, y.expires_at, sum(y.points) AS points
		                  FROM (SELECT e.customer, l.wallet, l.available_at, l.expires_at, l.points FROM entries e CROSS JOIN LATERAL loyalty.unnest(e.lots) l
		                        UNION ALL
		                        SELECT e.customer, 1, '-infinity', 'infinity', e.points - coalesce((SELECT sum(l.points) FROM loyalty.unnest(e.lots) l), 0) FROM entries e) y
		                 WHERE y.expires_at > now() GROUP BY y.customer, y.wallet, y.available_at, y.expires_at) l
		         GROUP BY l.customer, l.wallet) x
		  FULL JOIN %1$I.wallet_balances b ON b.%2$I %3$s x.customer AND b.wallet = x.wallet
		 WHERE (coalesce(b.available, 0), coalesce(b.pending, 0), b.next_expiry) IS DISTINCT FROM (coalesce(x.available, 0), coalesce(x.pending, 0), CASE WHEN (x.available, x.pending) <> (0, 0) THEN x.next_expiry END) $sql$,
		program, key, _loyalty.customer_equality(program));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_wallet_balances(name) IS 'rows of wallet_balances that are not what the entries make of them';

CREATE FUNCTION _loyalty.verify_wallets(program name, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	further boolean;
BEGIN
	RETURN QUERY SELECT * FROM _loyalty.verify_spent_wallets(program, readable);
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.wallet w WHERE w.wallet <> 1)', program) INTO further;
	IF NOT further THEN
		RETURN;
	END IF;
	FOR t IN EXECUTE format('SELECT t.version, t.time_zone, w.wallet FROM %1$I.terms t JOIN %1$I.terms_wallet w ON w.version = t.version
	                          WHERE w.wallet <> 1 AND w.extended IS NOT NULL ORDER BY 1, 3', program)
	LOOP
		RETURN QUERY SELECT * FROM _loyalty.verify_extended(program, t.version, t.wallet, t.time_zone, readable);
	END LOOP;
	IF readable THEN
		RETURN QUERY SELECT * FROM _loyalty.verify_wallet_balances(program);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_wallets(name, boolean) IS 'what separates the wallets of a program, and does not: status points, their order, and what orders do to them';
