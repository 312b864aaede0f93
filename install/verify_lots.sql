-- verify(): dated points --------------------------------------------------------------
--
-- What each entry did to the lots of a customer is in the entry, and the account has the sum.
-- Points that are in no lot are what the points are more than the lots; below zero, the customer
-- owes them.  What is taken from where is decided one entry after the other, so what must hold
-- after each entry is checked: by running sums, and by what the entry itself says.  The dates
-- are those that the order says itself, or else the wallets under its terms, evaluated here by
-- SQL.

-- The wallets that rules of a version of the terms name, but the first one, with the numbers of these rules.
CREATE FUNCTION _loyalty.rule_wallets(program name, terms int)
RETURNS TABLE (wallet int, awards int[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.wallet, array_agg(r.award ORDER BY r.award) FROM _loyalty.stacked_rules(program, terms) r WHERE r.wallet <> 1 GROUP BY r.wallet
$$;
COMMENT ON FUNCTION _loyalty.rule_wallets(name, int) IS 'the wallets but the first one that earning rules of a version of the terms give points into, and which rules do';

-- What is in an array by the numbers of rules, of some of them, as SQL.
CREATE FUNCTION _loyalty.given_by_sql(given text, awards int[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce(string_agg(format('coalesce(%s[%s], 0)', given, a), ' + '), '0') FROM unnest(awards) a $$;
COMMENT ON FUNCTION _loyalty.given_by_sql(text, int[]) IS 'the sum of what is in an array of some rules, as SQL for verify()';

-- The points of an entry that rules give into wallets that cannot be spent from, as SQL over "entry".
CREATE FUNCTION _loyalty.status_sql(program name, entry text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	cases text;
BEGIN
	EXECUTE format('SELECT string_agg(format(''WHEN %%s THEN %%s'', x.version, _loyalty.given_by_sql($2 || ''.apart'', x.awards)), '' '' ORDER BY x.version)
	                  FROM (SELECT t.version, array_agg(a) AS awards FROM %1$I.terms t CROSS JOIN LATERAL _loyalty.rule_wallets($1, t.version) w CROSS JOIN LATERAL unnest(w.awards) a
	                         WHERE EXISTS (SELECT FROM %1$I.terms_wallet k WHERE k.version = t.version AND k.wallet = w.wallet AND NOT k.redeemable) GROUP BY t.version) x', program) INTO cases USING program, entry;
	RETURN CASE WHEN cases IS NULL THEN '0' ELSE format('CASE %s.terms %s ELSE 0 END', entry, cases) END;
END
$$;
COMMENT ON FUNCTION _loyalty.status_sql(name, text) IS 'the status points among those of an entry, as SQL for verify()';

-- Orders that get another key are two entries, which are one change: what the order stood with goes on,
-- and the points of the customer are not less or more by that.  Which entries are such a pair, of those in
-- "source", with what the order stood with; and what each of them passes on, or has from there: as WITH clauses
-- "rekeyed" and "passed".  The entry by which an order begins says which key it had and what
-- its newest entry was there, which comes before both; the next one there is the other of the pair, if one
-- account has both.
CREATE FUNCTION _loyalty.rekeyed_sql(program name, source text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		rekeyed AS MATERIALIZED (
			SELECT DISTINCT ON (x.customer, x.left_entry) x.*
			  FROM (SELECT DISTINCT ON (i.customer, i.entry) i.customer, i.entry AS came_entry, o.entry AS left_entry, coalesce(o.points_before, b.order_points) AS points,
			               coalesce(o.forgiven_before, b.forgiven, 0) AS forgiven, coalesce(o.status_before, b.status) AS status
			          FROM %2$I i
			          JOIN (SELECT h.customer, h.recorded_for, h.tracked_table, h.order_key, h.revision, h.recorded_at, h.entry, lag(h.customer) OVER w AS customer_before,
			                       lag(h.entry) OVER w AS entry_before, lag(h.order_points) OVER w AS points_before, lag(h.forgiven) OVER w AS forgiven_before, lag(%4$s) OVER w AS status_before
			                  FROM %2$I h WHERE (h.tracked_table, h.order_key) IN (SELECT c.tracked_table, c.came_from FROM %2$I c WHERE c.came_from IS NOT NULL)
			                WINDOW w AS (PARTITION BY h.recorded_for, h.tracked_table, h.order_key ORDER BY h.revision)) o
			            ON o.customer %3$s i.customer AND o.tracked_table = i.tracked_table AND o.order_key = i.came_from AND o.revision = i.came_revision + 1
			               AND o.recorded_at = i.recorded_at
			               AND CASE WHEN i.came_over THEN NOT o.recorded_for %3$s i.recorded_for ELSE o.recorded_for %3$s i.recorded_for AND o.order_key <> i.order_key END
			          -- in the account that a customer had before a merge, which may not be among these
			          LEFT JOIN LATERAL (SELECT l.order_points, l.forgiven, %5$s AS status FROM %1$I.ledger l
			                              WHERE o.points_before IS NULL AND l.customer %3$s o.recorded_for AND l.tracked_table = o.tracked_table AND l.order_key = o.order_key
			                                AND l.revision = i.came_revision) b ON true
			         WHERE i.came_from IS NOT NULL AND num_nonnulls(o.points_before, b.order_points) > 0 AND (NOT o.customer_before %3$s i.customer OR o.entry_before < i.entry) IS NOT FALSE
			         ORDER BY i.customer, i.entry) x
			 ORDER BY x.customer, x.left_entry, x.came_entry),
		passed AS MATERIALIZED (
			SELECT x.customer, x.entry, sum(x.passed) AS passed, bool_or(x.has_left) AS has_left, NOT bool_and(x.has_left) AS has_come, sum(x.points) AS points, sum(x.forgiven) AS forgiven, sum(x.status) AS status
			  FROM (SELECT r.customer, r.left_entry AS entry, r.points AS passed, true AS has_left, 0 AS points, 0 AS forgiven, 0 AS status FROM rekeyed r
			        UNION ALL
			        SELECT r.customer, r.came_entry, -r.points, false, r.points, r.forgiven, r.status FROM rekeyed r) x
			 GROUP BY x.customer, x.entry) $sql$, program, source, _loyalty.customer_equality(program), _loyalty.status_sql(program, 'h'), _loyalty.status_sql(program, 'l'))
$$;
COMMENT ON FUNCTION _loyalty.rekeyed_sql(name, text) IS 'entries of orders that get another key in the same account, and what they pass on, as SQL for verify()';

-- All entries with lots: posted, and with what posting will make of them; with the sums up
-- to each of points and lots, and what of the points is in none.  Of which customers: those of
-- entries for which "wanted" holds.
CREATE FUNCTION _loyalty.lots_sql(program name, readable boolean, wanted text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		lot_entries AS MATERIALIZED (
			SELECT e.*
			  FROM (SELECT coalesce(account, customer) AS customer, customer AS recorded_for, %2$s, kind, reverses, counterpart FROM %1$I.ledger
			        UNION ALL SELECT account, customer, %2$s, kind, NULL, NULL FROM %3$s u) e
			 WHERE e.customer %5$s ANY (SELECT coalesce(d.account, d.customer) FROM %1$I.ledger d WHERE %4$s UNION ALL SELECT coalesce(d.account, d.customer) FROM %3$s d WHERE %4$s)),
		%6$s,
		moves AS MATERIALIZED (
			SELECT x.*, x.points_after - loyalty.total(x.lots_after) AS undated_after,
			       x.points_after - x.points_change - x.passed - loyalty.total(x.lots_after) + coalesce(loyalty.total(x.lots), 0) AS undated_before
			  FROM (SELECT e.*, coalesce(e.kind IN ('redemption', 'hold') OR e.kind = 'transfer' AND e.points_change < 0, false) AS spends,
			               coalesce(k.passed, 0) AS passed, k.entry IS NOT NULL AS is_rekeyed, k.has_left AND NOT k.has_come AS has_gone,
			               sum(e.points_change + coalesce(k.passed, 0)) OVER w AS points_after, coalesce(loyalty.sum(e.lots) OVER w, '{}') AS lots_after
			          FROM lot_entries e LEFT JOIN passed k ON k.customer %5$s e.customer AND k.entry = e.entry
			        WINDOW w AS (PARTITION BY e.customer ORDER BY e.entry ROWS UNBOUNDED PRECEDING)) x) $sql$,
		program, 'tracked_table, order_key, revision, at, recorded_at, terms, entry, counts, points_change, lots, available_at, order_points, forgiven, came_from, came_revision, came_over, event, apart',
		CASE WHEN readable THEN format('%I.unposted', program) ELSE format('(SELECT * FROM %I.ledger WHERE false)', program) END, wanted, _loyalty.customer_equality(program),
		_loyalty.rekeyed_sql(program, 'lot_entries'))
$$;
COMMENT ON FUNCTION _loyalty.lots_sql(name, boolean, text) IS 'entries of customers with dated points, and the sums up to each, as SQL for verify()';

-- The dates that points have under some terms of orders of a moment "at", which may say itself when
-- they are available, as SQL for FROM: a row "wallet".  What is not known yet is at the end of
-- time.  The TimeZone must be that of the terms.  Expressions are checked once more,
-- since somebody may have written what calls code of his own.  Of moments so near to an end of
-- the range that a wait would leave it, the ends are meant; '-infinity' is the first moment.
CREATE FUNCTION _loyalty.wallet_sql(program name, terms int, wallet int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	w record;
	moment CONSTANT text := 'CASE WHEN isfinite(%1$s) THEN (%1$s)::timestamp AT TIME ZONE current_setting(''TimeZone'')'
	                     || ' WHEN (%1$s) = ''-infinity'' THEN ''4714-11-24 00:00:00 UTC BC'' ELSE (%1$s)::timestamptz END';
BEGIN
	EXECUTE format($sql$
		SELECT w.available_after, _loyalty.parse_wallet(w.expires, '_loyalty.earning', w.name, 'expires', t.time_zone, false) AS expires,
		       _loyalty.parse_wallet(w.extended, '_loyalty.activity', w.name, 'extended', t.time_zone, false) AS extended
		  FROM %1$I.terms_wallet w JOIN %1$I.terms t ON t.version = w.version WHERE w.version = $1 AND w.wallet = $2 $sql$, program) INTO w USING terms, wallet;
	RETURN format('CROSS JOIN LATERAL (SELECT CASE WHEN m.available_at IS NULL THEN %s ELSE least(m.available_at, ''294276-12-31 23:59:59.999999 UTC'') END AS available_at, %s AS expires_at, %s AS extended FROM (SELECT m.at::date AS earned_on) AS earning, (SELECT m.at::date AS active_on) AS activity) wallet',
	              CASE WHEN w.available_after IS NULL THEN '''-infinity''::timestamptz'
	                   ELSE format($sql$CASE WHEN m.at < '4714-11-26 00:00:00 UTC BC' THEN '-infinity'::timestamptz
	                                         WHEN m.at >= '294276-12-31 00:00:00 UTC'::timestamptz - interval '9662376 hours' THEN '294276-12-31 23:59:59.999999 UTC'
	                                         ELSE m.at + interval %L END$sql$, w.available_after) END,
	              CASE WHEN w.expires IS NULL THEN '''infinity''::timestamptz' ELSE format('coalesce(' || moment || ', ''infinity'')', w.expires) END,
	              CASE WHEN w.extended IS NULL THEN 'NULL::timestamptz' ELSE format('CASE WHEN m.event IS NULL THEN coalesce(' || moment || ', ''infinity'') END', w.extended) END);
END
$$;
COMMENT ON FUNCTION _loyalty.wallet_sql(name, int, int) IS 'when points become available, and expire, by their orders and a wallet of some terms, as SQL for verify()';

-- How many points, of what is above zero, are in the lots of an order that has these dates: with
-- the dates themselves, or without the wait if it is over.  With "kept": in those that wait as long,
-- and that orders have kept longer since.
CREATE FUNCTION _loyalty.points_by_dates(lots loyalty.lots, wallet int, undated numeric, since timestamptz, until timestamptz, at timestamptz, kept boolean)
RETURNS numeric
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(sum(l.points), 0) + CASE WHEN since <= at AND until = 'infinity' AND NOT kept AND points_by_dates.wallet = 1 THEN greatest(undated, 0) ELSE 0 END
	  FROM loyalty.unnest(lots) l
	 WHERE l.wallet = points_by_dates.wallet AND l.points > 0 AND l.expires_at > at
	   AND CASE WHEN kept THEN l.available_at = since AND since > at AND l.expires_at > until
	            ELSE l.expires_at = until AND (l.available_at = since OR (since <= at AND l.available_at <= at)) END
$$;
COMMENT ON FUNCTION _loyalty.points_by_dates(loyalty.lots, int, numeric, timestamptz, timestamptz, timestamptz, boolean) IS
'points of a customer in a wallet that have the dates of an order at a moment, or wait as long and were kept longer since';

-- Entries of orders under some terms (which are $1), with the dates that points have which they earn for a wallet ($2), and what each order stands with in the
-- wallet: rules that name another one give that there, and the first one has the rest.  "lessens": does the entry take points off any wallet?
CREATE FUNCTION _loyalty.dates_sql(program name, terms int, wallet int, readable boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		%1$s,
		told AS (
			SELECT m.*, wallet.available_at AS available, wallet.expires_at AS expires, wallet.extended,
			       lag(m.revision) OVER o AS revision_before, lag(m.order_points - coalesce(m.forgiven, 0)) OVER o AS worth_before, lag(m.apart) OVER o AS apart_before,
			       lag(m.order_points) OVER o AS points_before, lag(wallet.available_at) OVER o AS available_before, lag(wallet.expires_at) OVER o AS expires_before
			  FROM moves m %2$s
			 WHERE m.tracked_table > 0 AND m.terms = $1 AND isfinite(m.at)
			WINDOW o AS (PARTITION BY m.recorded_for, m.tracked_table, m.order_key ORDER BY m.revision)),
		dates AS (
			SELECT t.*, %3$s AS stands, %4$s AS stands_before, %5$s AS change, %6$s AS lessens FROM told t) $sql$,
		_loyalty.lots_sql(program, readable, 'd.terms = $1'), _loyalty.wallet_sql(program, terms, wallet),
		CASE WHEN wallet = 1 THEN concat_ws(' - ', 't.order_points', x.elsewhere) ELSE x.own END,
		CASE WHEN wallet = 1 THEN concat_ws(' - ', 't.points_before', x.elsewhere_before) ELSE x.own_before END,
		CASE WHEN x.elsewhere IS NULL THEN 't.points_change'
		     ELSE format('CASE WHEN t.revision = 1 OR t.revision_before = t.revision - 1 THEN %s END', CASE WHEN wallet = 1 THEN format('t.points_change - (%s) + (%s)', x.elsewhere_there, x.elsewhere_before_there) ELSE format('%s - (%s)', x.own, x.own_before) END) END,
		CASE WHEN x.elsewhere IS NULL THEN 'false' ELSE concat_ws(' OR ', x.less, format('t.order_points - coalesce(t.forgiven, 0) - (%s) < coalesce(t.worth_before, 0) - (%s)', x.elsewhere_there, x.elsewhere_before_there)) END)
	  FROM (SELECT string_agg(_loyalty.given_by_sql('t.apart', w.awards), ' - ' ORDER BY w.wallet) AS elsewhere, string_agg(_loyalty.given_by_sql('t.apart_before', w.awards), ' - ' ORDER BY w.wallet) AS elsewhere_before,
	               string_agg(_loyalty.given_by_sql('t.apart', w.awards), ' + ' ORDER BY w.wallet) AS elsewhere_there, string_agg(_loyalty.given_by_sql('t.apart_before', w.awards), ' + ' ORDER BY w.wallet) AS elsewhere_before_there,
	               max(_loyalty.given_by_sql('t.apart', w.awards)) FILTER (WHERE w.wallet = dates_sql.wallet) AS own, max(_loyalty.given_by_sql('t.apart_before', w.awards)) FILTER (WHERE w.wallet = dates_sql.wallet) AS own_before,
	               string_agg(format('%s < %s', _loyalty.given_by_sql('t.apart', w.awards), _loyalty.given_by_sql('t.apart_before', w.awards)), ' OR ' ORDER BY w.wallet) AS less
	          FROM _loyalty.rule_wallets(program, terms) w) x
$$;
COMMENT ON FUNCTION _loyalty.dates_sql(name, int, int, boolean) IS 'entries of orders under some terms, with what they stand with in a wallet, and the dates of these points, as SQL for verify()';

-- Points of orders are in lots of other dates than they should be, or were left there when their
-- order got other dates; of one wallet.
CREATE FUNCTION _loyalty.verify_dates(program name, terms int, wallet int, time_zone text, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET TimeZone = 'UTC'
AS $$
BEGIN
	PERFORM set_config('TimeZone', time_zone, true);
	RETURN QUERY EXECUTE format($sql$
		WITH %1$s
		SELECT 'points of an order have other dates than they should'::text, m.customer::text, m.order_key::text,
		       format('entry %%s of %%s points, of which %%s were owed: %%s, should be available at %%s and expire at %%s',
		              m.entry, m.change, greatest(-m.undated_before, 0), coalesce(m.lots, '{}'), m.available, m.expires)
		  FROM dates m
		 WHERE m.revision = 1 AND NOT m.is_rekeyed AND m.change > 0 AND (m.available <> '-infinity' OR m.expires <> 'infinity') AND $2 = 1 AND NOT m.lessens
		       -- what is owed is repaid by points that have not expired, and by those that the order keeps from expiring
		       AND CASE WHEN m.extended IS NULL THEN coalesce(loyalty.total(m.lots, 1), 0) <> m.change - CASE WHEN m.expires > m.recorded_at THEN least(m.change, greatest(-m.undated_before, 0)) ELSE 0 END
		                ELSE coalesce(loyalty.total(m.lots, 1), 0) NOT BETWEEN m.change - greatest(-m.undated_before, 0) AND m.change END
		    OR EXISTS (SELECT FROM loyalty.unnest(m.lots) l
		                WHERE l.wallet = $2 AND l.points > 0 AND (l.available_at, l.expires_at) <> (m.available, m.expires) AND l.expires_at IS DISTINCT FROM m.extended
		                      -- what other orders have kept longer stays kept
		                  AND NOT (l.available_at = m.available AND l.expires_at > m.expires
		                           AND EXISTS (SELECT FROM loyalty.unnest(m.lots) f WHERE f.points <= -l.points AND f.expires_at = l.expires_at AND f.available_at = m.available_before)))
		UNION ALL
		SELECT 'points of an order did not get its new dates', m.customer::text, m.order_key::text,
		       format('entry %%s of an order that had made %%s points: of %%s that were to be available at %%s and to expire at %%s, %%s still are',
		              m.entry, m.stands_before, b.points, m.available_before, m.expires_before, a.points)
		  FROM dates m
		 CROSS JOIN LATERAL (SELECT m.lots_after OPERATOR(loyalty.-) coalesce(m.lots, '{}') AS lots_before) x
		 CROSS JOIN LATERAL (SELECT _loyalty.points_by_dates(x.lots_before, $2, m.undated_before, m.available_before, m.expires_before, m.recorded_at, false) AS points) o
		 CROSS JOIN LATERAL (SELECT m.available <> m.available_before AND (o.points = 0 OR m.extended IS NOT NULL) AS too) kept
		 CROSS JOIN LATERAL (SELECT o.points + CASE WHEN kept.too THEN _loyalty.points_by_dates(x.lots_before, $2, m.undated_before, m.available_before, m.expires_before, m.recorded_at, true) ELSE 0 END AS points) b
		 CROSS JOIN LATERAL (SELECT _loyalty.points_by_dates(m.lots_after, $2, m.undated_after, m.available_before, m.expires_before, m.recorded_at, false)
		                            + CASE WHEN kept.too THEN _loyalty.points_by_dates(m.lots_after, $2, m.undated_after, m.available_before, m.expires_before, m.recorded_at, true) ELSE 0 END AS points) a
		 WHERE m.revision = m.revision_before + 1 AND NOT m.is_rekeyed AND m.stands_before > 0 AND (m.available, m.expires) <> (m.available_before, m.expires_before)
		       -- the wait is over by both: they are where they were
		   AND NOT (m.expires = m.expires_before AND m.available_before <= m.recorded_at AND m.available <= m.recorded_at)
		   AND a.points > b.points - least(b.points, m.stands_before)
		       -- of an order that gives nothing more there, nothing moves
		   AND ($2 = 1 OR m.stands <> 0)
		UNION ALL
		-- beside the order's own; where an order gets other dates, or keeps points from expiring, lots change for that, too
		SELECT 'a refund took points of the wrong kind', m.customer::text, m.order_key::text, format('entry %%s takes %%s points, first the %%s ones: %%s leaves %%s', m.entry, -m.change, t.refunds_take, m.lots, m.lots_after)
		  FROM dates m
		  JOIN %2$I.terms t ON t.version = $1
		 CROSS JOIN LATERAL (SELECT coalesce(sum(l.points) FILTER (WHERE l.available_at > m.recorded_at), 0) AS pending,
		                            coalesce(sum(l.points) FILTER (WHERE l.available_at <= m.recorded_at), 0)
		                            + CASE WHEN $2 <> 1 OR (m.expires = 'infinity' AND m.available <= m.recorded_at) THEN 0 ELSE least(greatest(m.undated_after, 0) - greatest(m.undated_before, 0), 0) END AS available
		                       FROM loyalty.unnest(m.lots) l
		                      WHERE l.wallet = $2 AND l.points < 0 AND l.expires_at > m.recorded_at
		                        AND NOT (l.expires_at = m.expires AND (l.available_at = m.available OR (m.available <= m.recorded_at AND l.available_at <= m.recorded_at)))) taken
		 WHERE m.change < 0 AND m.extended IS NULL AND (m.available, m.expires) IS NOT DISTINCT FROM (coalesce(m.available_before, m.available), coalesce(m.expires_before, m.expires))
		   AND CASE t.refunds_take WHEN 'pending' THEN taken.available < 0 AND loyalty.pending(m.lots_after, m.recorded_at, $2) > 0
		                           ELSE taken.pending < 0 AND loyalty.available(m.lots_after, m.recorded_at, $2) + CASE WHEN $2 = 1 THEN m.undated_after ELSE 0 END > 0 END
		UNION ALL
		-- what is missing elsewhere is taken off what an entry gives, and what was forgiven comes first; but of status points
		SELECT 'points of an order are not in the wallet of their rule', m.customer::text, m.order_key::text, format('entry %%s gives %%s to wallet %%s: %%s', m.entry, m.change, $2, coalesce(m.lots, '{}'))
		  FROM dates m CROSS JOIN LATERAL (SELECT coalesce(loyalty.total(m.lots, $2), 0) AS put) l
		 WHERE $2 <> 1 AND m.change IS NOT NULL AND NOT m.is_rekeyed AND m.extended IS NULL
		   AND CASE WHEN EXISTS (SELECT FROM %2$I.terms_wallet w WHERE w.version = $1 AND w.wallet = $2 AND NOT w.redeemable) THEN l.put <> m.change
		            WHEN m.change < 0 THEN l.put NOT BETWEEN m.change AND 0 OR (l.put > m.change AND loyalty.available(m.lots_after, m.recorded_at, $2) + loyalty.pending(m.lots_after, m.recorded_at, $2) > 0)
		            WHEN m.lessens OR m.revision > 1 AND m.points_before > m.worth_before THEN l.put NOT BETWEEN 0 AND m.change
		            -- what is owed is repaid, out of wallet 1 first
		            ELSE l.put NOT BETWEEN m.change - greatest(-m.undated_before, 0) AND m.change END $sql$,
		_loyalty.dates_sql(program, terms, wallet, readable), program) USING terms, wallet;
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	RETURN QUERY SELECT 'expression of a wallet fails'::text, NULL::text, NULL::text, format('terms %s: %s; points of such days do not expire', terms, SQLERRM);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_dates(name, int, int, text, boolean) IS 'points of orders under some terms in a wallet that have other dates than these, or the orders themselves, say, or are in no such wallet';

CREATE FUNCTION _loyalty.verify_lots(program name, readable boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	eq text := _loyalty.customer_equality(program);
BEGIN
	FOR t IN EXECUTE format('SELECT t.version, t.time_zone, k.wallet FROM %1$I.terms t CROSS JOIN LATERAL (SELECT 1 AS wallet UNION ALL SELECT w.wallet FROM _loyalty.rule_wallets($1, t.version) w) k
	                          WHERE EXISTS (SELECT FROM %1$I.terms_wallet w WHERE w.version = t.version AND num_nonnulls(w.available_after, w.expires, w.extended) > 0)
	                             OR EXISTS (SELECT FROM %1$I.ledger l WHERE l.terms = t.version AND l.tracked_table > 0 AND (l.lots IS NOT NULL OR l.available_at IS NOT NULL))
	                             OR EXISTS (SELECT FROM _loyalty.rule_wallets($1, t.version))
	                             OR EXISTS (SELECT FROM %1$I.journal j WHERE j.terms = t.version AND j.available_at IS NOT NULL) ORDER BY 1, 3', program) USING program
	LOOP
		RETURN QUERY SELECT * FROM _loyalty.verify_dates(program, t.version, t.wallet, t.time_zone, readable);
	END LOOP;
	RETURN QUERY EXECUTE format($sql$
		SELECT 'account has other lots than its ledger'::text, a.customer::text, NULL::text, format('account %%s, ledger %%s', a.lots, l.lots)
		  FROM %1$I.account a
		  LEFT JOIN (SELECT coalesce(account, customer) AS customer, loyalty.sum(lots) AS lots FROM %1$I.ledger GROUP BY 1) l ON l.customer %2$s a.customer
		 WHERE coalesce(a.lots, '{}')::text <> coalesce(l.lots, '{}')::text
		UNION ALL
		SELECT 'open hold has other lots than its entry', h.customer::text, h.reference::text, format('%%s, by the ledger %%s', h.lots, l.lots)
		  FROM %1$I.held h
		  JOIN %1$I.ledger l ON l.customer %2$s h.recorded_for AND l.tracked_table = 0 AND l.order_key = h.reference AND l.revision = 1
		 WHERE h.lots::text IS DISTINCT FROM (loyalty.lots '{}' OPERATOR(loyalty.-) l.lots)::text $sql$, program, eq);
	RETURN QUERY EXECUTE format($sql$
		WITH %1$s
		SELECT k.violation, m.customer::text, m.order_key::text, k.detail
		  FROM moves m
		 CROSS JOIN LATERAL (VALUES
			(m.tracked_table >= 0 AND EXISTS (SELECT FROM loyalty.unnest(m.lots_after) l WHERE l.points < 0 AND l.expires_at > m.recorded_at
			                                    -- of status points, orders take back what is not there, but no call does
			                                    AND (NOT EXISTS (SELECT FROM %2$I.wallet w WHERE w.wallet = l.wallet AND NOT w.redeemable)
			                                         OR m.tracked_table = 0 AND m.kind NOT IN ('merge', 'merged') AND EXISTS (SELECT FROM loyalty.unnest(m.lots) c WHERE (c.wallet, c.available_at, c.expires_at) = (l.wallet, l.available_at, l.expires_at) AND c.points < 0))),
			 'a lot is below zero', format('after entry %%s: %%s', m.entry, m.lots_after)),
			(m.points_change > 0 AND m.tracked_table >= 0 AND m.undated_after < 0 AND loyalty.available(m.lots, m.recorded_at, 1) + loyalty.pending(m.lots, m.recorded_at, 1) > 0,
			 'points were not used to repay what was owed', format('entry %%s of %%s points leaves %%s owed', m.entry, m.points_change, -m.undated_after)),
			-- what rules give to wallets that can be spent from is used for that, too
			(m.points_change > 0 AND m.tracked_table > 0 AND NOT m.is_rekeyed AND m.undated_after < 0
			 AND EXISTS (SELECT FROM %2$I.terms_wallet w WHERE w.version = m.terms AND w.redeemable AND w.extended IS NULL AND w.wallet <> 1
			                AND loyalty.available(m.lots, m.recorded_at, w.wallet) + loyalty.pending(m.lots, m.recorded_at, w.wallet) > 0),
			 'points were not used to repay what was owed', format('entry %%s of %%s points leaves %%s owed: %%s', m.entry, m.points_change, -m.undated_after, m.lots)),
			(m.undated_after < 0 AND (m.undated_after < m.undated_before AND m.tracked_table > 0 OR m.kind = 'merge')
			 AND loyalty.available(m.lots_after, m.recorded_at, 1) + loyalty.pending(m.lots_after, m.recorded_at, 1) > 0,
			 'points are owed though there were some', format('entry %%s of %%s points leaves %%s owed and %%s', m.entry, m.points_change, -m.undated_after, m.lots_after)),
			(m.has_gone AND m.order_points = 0 AND m.lots IS NOT NULL, 'an order that got another key took dated points', format('entry %%s: %%s', m.entry, m.lots)),
			(m.spends AND EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE l.points > 0 OR l.available_at > m.at OR l.expires_at <= m.at),
			 'points were spent that were not available', format('entry %%s: %%s', m.entry, m.lots)),
			(m.spends AND EXISTS (SELECT FROM loyalty.unnest(m.lots_after) r
			                       WHERE r.points > 0 AND r.available_at <= m.at AND r.expires_at > m.at
			                         AND (r.expires_at < (SELECT max(l.expires_at) FROM loyalty.unnest(m.lots) l WHERE l.wallet = r.wallet AND l.points < 0)
			                              OR r.wallet = 1 AND m.undated_after < m.undated_before AND isfinite(r.expires_at))),
			 'points that expire later were spent before others', format('entry %%s: %%s leaves %%s', m.entry, m.lots, m.lots_after)),
			(m.tracked_table < 0 AND (m.kind IS NULL OR m.kind NOT IN ('expiry', 'vesting') OR m.order_key <> _loyalty.moment_key(m.at) OR m.at > m.recorded_at
			                          OR m.terms <> 0 OR m.counts OR m.lots IS NULL),
			 'entry of time is not recorded as one', format('entry %%s at %%s, recorded at %%s', m.entry, m.at, m.recorded_at)),
			(m.kind = 'expiry' AND (m.points_change <> loyalty.total(m.lots) OR EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE l.expires_at <> m.at)
			                        OR EXISTS (SELECT FROM loyalty.unnest(m.lots_after) l WHERE l.expires_at = m.at)),
			 'points did not expire as their lots say', format('entry %%s at %%s: %%s points of %%s leave %%s', m.entry, m.at, m.points_change, m.lots, m.lots_after)),
			(m.kind = 'vesting' AND (m.points_change <> 0 OR EXISTS (SELECT FROM loyalty.unnest(m.lots) l WHERE l.points > 0 AND l.available_at <> '-infinity' OR l.points < 0 AND l.available_at > m.at)
			                         OR loyalty.expiring(m.lots, '4713-01-02 BC', '294276-12-30') <> 0),
			 'points became available as they cannot', format('entry %%s at %%s: %%s', m.entry, m.at, m.lots)),
			(m.spends AND m.undated_after < least(0, m.undated_before), 'more points were spent than there were', format('entry %%s owes %%s', m.entry, -m.undated_after)))
		       k (wrong, violation, detail)
		 WHERE k.wrong
		UNION ALL
		SELECT 'points of a transfer got other dates', m.customer::text, m.order_key::text, format('entry %%s: %%s of %%s', m.entry, m.lots, g.lots)
		  FROM moves m
		  JOIN %2$I.ledger g ON g.customer %3$s m.counterpart AND g.tracked_table = 0 AND g.order_key = m.order_key AND g.revision = 1
		 WHERE m.kind = 'transfer' AND m.points_change > 0
		   AND (EXISTS (SELECT FROM loyalty.unnest(m.lots) l LEFT JOIN loyalty.unnest(g.lots) o USING (wallet, available_at, expires_at) WHERE l.points > coalesce(-o.points, 0))
		        OR m.undated_before >= 0 AND coalesce(loyalty.total(m.lots), 0) <> -coalesce(loyalty.total(g.lots), 0))
		UNION ALL
		SELECT 'points of a merge got other dates', m.customer::text, m.order_key::text, format('entry %%s: %%s of %%s', m.entry, m.lots, g.lots)
		  FROM moves m
		  JOIN %2$I.ledger g ON g.customer %3$s m.counterpart AND g.tracked_table = 0 AND g.order_key = m.order_key AND g.revision = 1
		 WHERE m.kind = 'merge' AND EXISTS (SELECT FROM loyalty.unnest(m.lots) l LEFT JOIN loyalty.unnest(g.lots) o USING (wallet, available_at, expires_at) WHERE l.points > coalesce(-o.points, 0))
		UNION ALL
		SELECT 'a call was ended or reversed with lots that it did not have', r.customer::text, r.reference::text, format('%%s, of which %%s were given back', r.own, r.back)
		  FROM (SELECT m.recorded_for AS customer, coalesce(m.reverses, m.order_key) AS reference,
		               loyalty.sum(m.lots) FILTER (WHERE m.reverses IS NULL AND m.kind NOT IN ('capture', 'release', 'return')) AS own,
		               loyalty.sum(m.lots) FILTER (WHERE m.reverses IS NOT NULL OR m.kind IN ('capture', 'release', 'return')) AS back
		          FROM moves m WHERE m.tracked_table = 0 AND m.kind NOT IN ('merge', 'merged') GROUP BY 1, 2) r
		 WHERE EXISTS (SELECT FROM loyalty.unnest(coalesce(r.own, '{}')) o FULL JOIN loyalty.unnest(coalesce(r.back, '{}')) b USING (wallet, available_at, expires_at)
		                WHERE coalesce(o.points, 0) <= 0 AND coalesce(b.points, 0) > 0 AND coalesce(b.points, 0) > -coalesce(o.points, 0)) $sql$,
		_loyalty.lots_sql(program, readable, 'd.lots IS NOT NULL'), program, eq);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_lots(name, boolean) IS
'lots of accounts and entries that cannot be, in a program with points that wait or expire';
