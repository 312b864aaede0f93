-- verify(): entries, accounts and members -------------------------------------------
--
-- Entries are read once, in the order of their numbers for each customer, with running sums
-- of what they say that they change.  What decides about an entry follows from these sums and
-- from the entry itself, so each is checked by those before it, and the last has what the
-- account and the member must have.
--
-- Of entries that are not posted, the view "unposted" tells what posting will make of them.
-- That is what is checked, not what is believed: tier, multiplier, points and number of each
-- are recomputed here from those before it, so the first that is wrong is told, and what was
-- recorded is compared with the journal.  The tier is that of sums, dates and tenure as they
-- were just before the order, by the conditions in the views of the tiers; points are awards
-- times its multiplier, rounded; nothing of it is computed by the code that posts.
--
-- Where something was decided by what is not there any more, what must hold of it is checked:
-- the terms, the rate, the joining date and the multiplier of an order are the same in all its
-- entries, until it begins anew under other terms or another order gets its key; what an order brought
-- along from another customer or key is a tier of the terms that it had there, with its multiplier; and an entry that is not posted
-- has its place by when it was recorded.

-- An expression for each version of the terms, as one over "facts.terms".
CREATE FUNCTION _loyalty.by_terms(versions int[], expressions text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN count(*) <= 1 THEN coalesce(min(x.expression), 'NULL')
	            ELSE format('CASE %s END', string_agg(format('WHEN facts.terms IN (%s) THEN %s', x.versions, x.expression), ' ' ORDER BY x.newest DESC)) END
	  FROM (SELECT e.expression, string_agg(e.version::text, ', ') AS versions, max(e.version) AS newest
	          FROM unnest(versions, expressions) e (version, expression) GROUP BY e.expression) x
$$;
COMMENT ON FUNCTION _loyalty.by_terms(int[], text[]) IS 'expressions of versions of the terms as one, as SQL for verify()';

-- The tier by conditions in the order of rank, each of which may fail: then it does
-- not hold.
CREATE FUNCTION _loyalty.try_tiers(facts anyelement, tiers text[], conditions text[], OUT tier text, OUT failed text[], OUT errors text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holds boolean;
BEGIN
	FOR i IN 1 .. coalesce(cardinality(tiers), 0) LOOP
		BEGIN
			EXECUTE format('SELECT (%s) FROM (SELECT ($1).*) AS facts', conditions[i]) INTO holds USING facts;
			IF holds THEN
				tier := tiers[i];
				EXIT;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			failed := failed || tiers[i];
			errors := errors || SQLERRM;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.try_tiers(anyelement, text[], text[]) IS
'the first tier whose condition holds, and those before it whose conditions fail, with the errors';

-- How verify() finds the tier under versions of the terms from facts, as SQL for FROM: it is
-- in held.tier.  Looked for where "wanted" says so.
CREATE FUNCTION _loyalty.tier_sql(program name, versions int[], guarded boolean, wanted text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	v int;
	plain text[] := '{}';
	names text[] := '{}';
	conditions text[] := '{}';
	t record;
BEGIN
	FOREACH v IN ARRAY versions
	LOOP
		SELECT string_agg(format('WHEN (%s) THEN %L', c.expression, c.tier), ' ' ORDER BY c.n) AS cases,
		       array_agg(c.tier ORDER BY c.n) AS names, array_agg(c.expression ORDER BY c.n) AS conditions
		  INTO t FROM _loyalty.tier_conditions(program, v, true) c;
		plain := plain || coalesce('CASE ' || t.cases || ' END', 'NULL::text');
		names := names || format('%L::text[]', coalesce(t.names, '{}'));
		conditions := conditions || format('%L::text[]', coalesce(t.conditions, '{}'));
	END LOOP;
	IF NOT guarded THEN
		RETURN format('CROSS JOIN LATERAL (SELECT CASE WHEN %s THEN %s END AS tier, NULL::text[] AS failed, NULL::text[] AS errors) AS held',
		              wanted, _loyalty.by_terms(versions, plain));
	END IF;
	RETURN format('CROSS JOIN LATERAL _loyalty.try_tiers(ROW(facts.spend, facts.orders, facts.points_earned, facts.tenure, facts.first_order_at,
	                                                        facts.last_order_at, facts.today, facts.at, facts.joined_at, facts.purchases, facts.events, NULL)::%I.facts, CASE WHEN %s THEN %s ELSE ''{}'' END, %s) AS held',
	              program, wanted, _loyalty.by_terms(versions, names), _loyalty.by_terms(versions, conditions));
END
$$;
COMMENT ON FUNCTION _loyalty.tier_sql(name, int[], boolean, text) IS
'how verify() finds a tier from facts, as SQL for FROM; guarded against conditions that fail';

-- Tenure for verify(): calendar years, months and days as age() has them, between local days;
-- days stop at 29.
CREATE FUNCTION _loyalty.tenure_sql(joined text, at text, time_zone text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('CASE WHEN isfinite(%1$s) AND isfinite(%2$s) THEN %3$s - CASE WHEN date_part(''day'', %3$s) > 29 THEN interval ''1 day'' ELSE interval ''0'' END END',
	              joined, at, format('age((%2$s AT TIME ZONE %3$s)::date::timestamp, (%1$s AT TIME ZONE %3$s)::date::timestamp)', joined, at, time_zone))
$$;
COMMENT ON FUNCTION _loyalty.tenure_sql(text, text, text) IS
'tenure as verify() computes it, independently of _loyalty.tenure, as SQL';

-- Are points (see rounded_points_sql()) another number than what the entry is worth,
-- which is awards times multiplier or has their sign, rounded on the magnitude?
CREATE FUNCTION _loyalty.rounding_sql(rounding text, points_scale int, points text, worth text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE rounding
	       WHEN 'floor' THEN format('%s <> trunc(%s%s)', points, worth, u.places)
	       WHEN 'half_up' THEN format('%s <> round(%s%s)', points, worth, u.places)
	       ELSE format('abs(%s)%s <> ', points, u.unit)
	            || replace(CASE rounding WHEN 'ceil' THEN 'ceil(units)'
	                       ELSE 'CASE WHEN units - floor(units) = 0.5 THEN 2 * round(floor(units + 0.5) / 2 - 0.25) ELSE floor(units + 0.5) END' END,
	                       'units', format('(abs(%s)%s)', worth, u.unit))
	            || format(' OR (%2$s > 0 AND %1$s < 0) OR (%2$s < 0 AND %1$s > 0)',
	                      CASE worth WHEN 'facts.awards * facts.multiplier' THEN 'facts.awards' ELSE worth END, points) END
	  FROM (SELECT CASE WHEN points_scale > 0 THEN ' * 1' || repeat('0', points_scale) || '::numeric' ELSE '' END AS unit,
	               CASE WHEN points_scale > 0 THEN format(', %s', points_scale) ELSE '' END AS places) u
$$;
COMMENT ON FUNCTION _loyalty.rounding_sql(text, int, text, text) IS 'whether the points of an order are not what it is worth, as SQL for verify()';

-- Customers whose sums may overflow are left out, and told.
CREATE FUNCTION _loyalty.not_large_sql(program name, alias text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('NOT EXISTS (SELECT FROM large l WHERE l.customer %s %s.customer)', _loyalty.customer_equality(program), alias)
$$;
COMMENT ON FUNCTION _loyalty.not_large_sql(name, text) IS 'the condition that the sums of a customer cannot overflow, as SQL for verify()';

-- Entries of who was merged into another customer are those of the account that has them.
CREATE FUNCTION _loyalty.has_merged(program name)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.merged)', program) INTO result;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.has_merged(name) IS 'was a customer of a program merged into another one?';

-- The entries: those of the ledger, and of the journal with what posting makes of them, as
-- WITH clauses.
CREATE FUNCTION _loyalty.entries_sql(program name, readable boolean, without_large boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$ u AS MATERIALIZED (SELECT %6$s%2$s FROM %3$s)%4$s,
		e AS NOT MATERIALIZED (SELECT * FROM (SELECT %7$s%2$s, true AS posted FROM %1$I.ledger) e %5$s UNION ALL SELECT %8$s%2$s, false FROM u e %5$s) $sql$,
		program,
		'tracked_table, order_key, revision, at, recorded_at, terms, counts, amount, awards, currency, rate, joined_at, moved, tier, multiplier,
		 entry, order_points, orders_change, amount_change, points_change, forgiven, parts, held_rules, rooms, apart, came_from, came_revision, came_over, allotted, event, member',
		CASE WHEN readable THEN format('%I.unposted', program) ELSE format('%I.ledger WHERE false', program) END,
		CASE WHEN without_large THEN format($sql$,
			large AS MATERIALIZED (
			SELECT DISTINCT customer FROM (SELECT %2$s AS customer, amount, awards FROM %1$I.ledger UNION ALL SELECT %2$s, amount_change, points_change FROM %1$I.ledger
			                               UNION ALL SELECT customer, amount, awards FROM u UNION ALL SELECT customer, amount_change, points_change FROM u) x
			 WHERE abs(amount) > '1e100000' OR abs(awards) > '1e100000') $sql$, program, CASE WHEN merged THEN 'coalesce(account, customer)' ELSE 'customer' END) END,
		CASE WHEN without_large THEN 'WHERE ' || _loyalty.not_large_sql(program, 'e') END,
		CASE WHEN merged THEN CASE WHEN readable THEN 'account AS customer, ' ELSE 'customer, ' END || 'customer AS recorded_for, ' ELSE 'customer, ' END,
		CASE WHEN merged THEN 'coalesce(account, customer) AS customer, customer AS recorded_for, ' ELSE 'customer, ' END,
		CASE WHEN merged THEN 'customer, recorded_for, ' ELSE 'customer, ' END)
	  FROM _loyalty.has_merged(program) merged
$$;
COMMENT ON FUNCTION _loyalty.entries_sql(name, boolean, boolean) IS
'the entries of a program, and the customers whose sums may overflow, as SQL for verify()';

-- Orders that come more than once, each entry with the one before it; and the times of the
-- first and last of them.
CREATE FUNCTION _loyalty.chain_sql(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$,
		again AS MATERIALIZED (
			SELECT DISTINCT customer, tracked_table, order_key
			  FROM (SELECT customer, tracked_table, order_key FROM %1$I.ledger WHERE revision > 1
			        UNION ALL
			        SELECT %3$s, tracked_table, order_key FROM u WHERE revision > 1) x),
		chain AS MATERIALIZED (
			SELECT x.*, row_number() OVER w AS n, lag(x.amount, 1, 0::numeric) OVER w AS amount_before,
			       lag(x.order_points, 1, 0::numeric) OVER w AS points_before, lag((x.counts AND x.event IS NULL)::int, 1, 0) OVER w AS counts_before,
			       lag(x.counts, 1, false) OVER w AS counted_before, lag(x.terms) OVER w AS terms_before, lag(x.currency) OVER w AS currency_before, lag(x.rate) OVER w AS rate_before, lag(x.entry) OVER w AS entry_before,
			       lag(x.recorded_at) OVER w AS recorded_before, lag(x.at) OVER w AS at_before,
			       lead(x.entry) OVER w AS until, lead(x.posted) OVER w AS next_posted,
			       first_value(x.terms) OVER s AS first_terms, first_value(x.tier) OVER s AS first_tier,
			       first_value(x.multiplier) OVER s AS first_multiplier, first_value(x.joined_at) OVER s AS first_joined_at,
			       first_value(x.moved) OVER s AS first_moved, first_value(x.held_rules) OVER s AS first_held_rules, first_value(x.member) OVER s AS first_member, %4$s AS same_account
			  FROM (SELECT b.*, count(*) FILTER (WHERE b.begins_anew) OVER (PARTITION BY b.%3$s, b.tracked_table, b.order_key ORDER BY b.revision) AS stretch
			          FROM (SELECT y.*, y.came_from IS NOT NULL OR (y.moved AND y.terms <> lag(y.terms) OVER o AND NOT lag(y.counts) OVER o) AS begins_anew,
			                       y.came_from IS NOT NULL OR (y.moved AND y.terms <> lag(y.terms) OVER o) AS of_other_terms
			                  FROM (SELECT e.* FROM e JOIN again a ON a.customer %2$s e.%3$s AND a.tracked_table = e.tracked_table AND a.order_key = e.order_key) y
			                WINDOW o AS (PARTITION BY y.%3$s, y.tracked_table, y.order_key ORDER BY y.revision)) b) x
			WINDOW w AS (PARTITION BY x.%3$s, x.tracked_table, x.order_key ORDER BY x.revision),
			       s AS (PARTITION BY x.%3$s, x.tracked_table, x.order_key, x.stretch ORDER BY x.revision)),
		ends AS MATERIALIZED (
			SELECT customer, min(at) FILTER (WHERE posted AND next_posted IS NOT TRUE) AS posted_first, max(at) FILTER (WHERE posted AND next_posted IS NOT TRUE) AS posted_last,
			       min(at) FILTER (WHERE until IS NULL) AS first, max(at) FILTER (WHERE until IS NULL) AS last
			  FROM chain WHERE counts AND event IS NULL GROUP BY customer) $sql$, program, eq, CASE WHEN merged THEN 'recorded_for' ELSE 'customer' END,
		CASE WHEN merged THEN format('x.customer %s lag(x.customer) OVER w', eq) ELSE 'true' END)
	  FROM _loyalty.has_merged(program) merged, _loyalty.customer_equality(program) eq
$$;
COMMENT ON FUNCTION _loyalty.chain_sql(name) IS
'the entries of orders that come more than once, with the ones before them, as SQL for verify()';

-- The first and last order of accounts that customers were merged into, posted and of all, as
-- SQL: these are of all keys of the account, and who was merged has none.
CREATE FUNCTION _loyalty.merged_bounds_sql(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$,
		merged_bounds AS MATERIALIZED (
			SELECT k.survivor AS customer, min(o.at) FILTER (WHERE o.posted AND o.next_posted IS NOT TRUE) AS posted_first, max(o.at) FILTER (WHERE o.posted AND o.next_posted IS NOT TRUE) AS posted_last,
			       min(o.at) FILTER (WHERE o.next_posted IS NULL) AS first, max(o.at) FILTER (WHERE o.next_posted IS NULL) AS last
			  FROM (SELECT m.customer, m.survivor FROM %1$I.merged m UNION SELECT m.survivor, m.survivor FROM %1$I.merged m) k
			  LEFT JOIN (SELECT e.*, lead(e.posted) OVER (PARTITION BY e.recorded_for, e.tracked_table, e.order_key ORDER BY e.revision) AS next_posted
			               FROM e WHERE e.tracked_table > 0 AND e.recorded_for %2$s ANY (SELECT m.customer FROM %1$I.merged m UNION SELECT m.survivor FROM %1$I.merged m)) o
			    ON o.recorded_for %2$s k.customer AND o.counts AND o.event IS NULL
			 GROUP BY k.survivor
			UNION ALL
			SELECT m.customer, NULL, NULL, NULL, NULL FROM %1$I.merged m) $sql$, program, _loyalty.customer_equality(program))
$$;
COMMENT ON FUNCTION _loyalty.merged_bounds_sql(name) IS 'the times of the first and last order of accounts that customers were merged into, and of these customers, as SQL for verify()';

-- What an entry takes off and adds to the history of its kind, as SQL over an entry "e", the terms "t" that it is of, and the entry
-- before it in "c", of the terms "tb".
CREATE FUNCTION _loyalty.history_change_sql(repeated boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('coalesce(%s, %s)%s', x.added, x.none, CASE WHEN repeated THEN format(' OPERATOR(loyalty.-) coalesce(%s, %s)', x.taken, x.none) ELSE '' END)
	  FROM (SELECT format(d.day, 'e.counts', 'e.at', 't', 'e.amount') AS added, format(d.day, 'c.counted_before', 'c.at_before', 'tb', 'c.amount_before') AS taken, quote_literal('{}') || '::loyalty.history' AS none
	          FROM (VALUES ('CASE WHEN e.tracked_table > 0 AND %1$s AND %2$s >= ''4714-11-25 00:00:00+00 BC'' AND %2$s < ''294276-12-31 00:00:00+00''
	                              THEN loyalty.history_of((%2$s AT TIME ZONE %3$s.time_zone)::date, CASE WHEN scale(%4$s) > 12 THEN round(%4$s, 12) ELSE %4$s END) END')) d (day)) x
$$;
COMMENT ON FUNCTION _loyalty.history_change_sql(boolean) IS 'what an entry changes of the history of its kind, as SQL for verify()';

-- Each entry with the sums up to it, as SQL.  Times of the first and last order come from
-- orders that come once, here, and from the others in "bounds" and "ends".  With histories, those before it.
CREATE FUNCTION _loyalty.steps_sql(program name, unposted boolean, repeated boolean, exact_bounds boolean, histories boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		steps AS NOT MATERIALIZED (
			SELECT e.customer, e.order_key, e.at, e.terms, e.joined_at, e.tier, e.multiplier, e.held_rules, e.entry, e.orders_change, e.amount_change, e.points_change, e.posted,
			       e.tracked_table > 0 AND (e.revision = 1 %1$s) AS begins, e.tracked_table, e.moved AND (e.revision = 1 OR e.came_from IS NOT NULL) AS brought, row_number() OVER w AS number, lead(e.posted) OVER w AS next_posted,
			       %7$s AS place, %8$s AS place_before,
			       sum(e.amount_change) OVER w AS spend_after, sum(e.orders_change) OVER w AS orders_after, sum(e.points_change) OVER w AS points_after,
			       %9$s AS earned_after,
			       min(e.at) FILTER (WHERE e.counts AND e.event IS NULL %2$s) OVER w AS first_after, max(e.at) FILTER (WHERE e.counts AND e.event IS NULL %2$s) OVER w AS last_after,
			       max(e.recorded_at) OVER w AS newest %3$s, %10$s
			  FROM e %4$s %5$s %11$s
			WINDOW w AS (PARTITION BY e.customer ORDER BY e.entry ROWS UNBOUNDED PRECEDING)
			       %6$s) $sql$,
		CASE WHEN repeated THEN 'OR coalesce(c.of_other_terms, false)' END,
		CASE WHEN repeated THEN 'AND c.n IS NULL' END,
		CASE WHEN NOT exact_bounds THEN ', NULL::timestamptz AS first_before, NULL::timestamptz AS last_before'
		     WHEN repeated THEN format(', least(%s, b.first_before) AS first_before, greatest(%s, b.last_before) AS last_before',
		                               'min(e.at) FILTER (WHERE e.counts AND e.event IS NULL AND c.n IS NULL) OVER before', 'max(e.at) FILTER (WHERE e.counts AND e.event IS NULL AND c.n IS NULL) OVER before')
		     ELSE ', min(e.at) FILTER (WHERE e.counts AND e.event IS NULL) OVER before AS first_before, max(e.at) FILTER (WHERE e.counts AND e.event IS NULL) OVER before AS last_before' END,
		CASE WHEN repeated THEN format('LEFT JOIN chain c ON c.customer %s e.customer AND c.tracked_table = e.tracked_table AND c.order_key = e.order_key AND c.revision = e.revision', eq)
		     || CASE WHEN merged THEN format(' AND c.recorded_for %s e.recorded_for', eq) ELSE '' END END,
		CASE WHEN repeated AND exact_bounds THEN format($sql$
			  LEFT JOIN (SELECT n.customer, n.entry, min(o.at) AS first_before, max(o.at) AS last_before
			               FROM e n JOIN chain o ON o.customer %s n.customer AND o.counts AND o.event IS NULL AND o.entry < n.entry AND (o.until IS NULL OR o.until >= n.entry)
			              GROUP BY n.customer, n.entry) b ON b.customer %1$s e.customer AND b.entry = e.entry $sql$, eq) END,
		CASE WHEN exact_bounds THEN ', before AS (PARTITION BY e.customer ORDER BY e.entry ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)' END,
		CASE WHEN unposted THEN place ELSE 'NULL::record' END, CASE WHEN unposted THEN format('lag(%s) OVER w', place) ELSE 'NULL::record' END,
		-- a merge says how much of what it passes on was earned
		CASE WHEN merged THEN 'sum(CASE WHEN e.tracked_table > 0 THEN e.points_change ELSE e.awards END) OVER w' ELSE 'sum(e.points_change) FILTER (WHERE e.tracked_table > 0) OVER w' END,
		CASE WHEN histories THEN format('loyalty.sum(CASE WHEN e.event IS NULL THEN %1$s END) OVER before AS purchases,
		                                 _loyalty.sum_events(CASE WHEN e.event IS NOT NULL THEN ARRAY[ROW(e.event, %1$s)::_loyalty.event_history] END) OVER before AS events', _loyalty.history_change_sql(repeated))
		     ELSE 'NULL::loyalty.history AS purchases, NULL::_loyalty.event_history[] AS events' END,
		CASE WHEN histories THEN format('JOIN %1$I.terms t ON t.version = e.terms OR (e.terms = 0 AND t.version = (SELECT p.terms FROM %1$I.program p))', program) || CASE WHEN repeated THEN format(' LEFT JOIN %I.terms tb ON tb.version = c.terms_before', program) ELSE '' END END)
	  FROM _loyalty.customer_equality(program) eq, _loyalty.has_merged(program) merged,
	       (VALUES ('CASE WHEN NOT e.posted AND e.tracked_table > 0 THEN ROW(e.recorded_at, e.at, e.tracked_table, e.order_key, e.revision) END')) p (place)
$$;
COMMENT ON FUNCTION _loyalty.steps_sql(name, boolean, boolean, boolean, boolean) IS 'each entry with the sums of those up to it, as SQL for verify()';

-- The entries that are wrong by those before them, by columns that say in what, and the last
-- posted and the last of all of each customer, as SQL.
CREATE FUNCTION _loyalty.told_sql(program name, versions int[], lost int[], guarded boolean, exact_bounds boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	zones text[];
	multipliers text[];
	zone text;
	known int[] := ARRAY(SELECT v FROM unnest(versions) v WHERE v <> ALL (lost));
	folding CONSTANT int[] := ARRAY(SELECT v FROM unnest(known) v WHERE _loyalty.terms_fold(program, v));
	decided text;
BEGIN
	decided := concat_ws(' AND ', CASE WHEN lost = '{}' THEN 'true' ELSE format('facts.terms = ANY (%L)', known) END,
		-- when which order was the first is not known of who was merged
		CASE WHEN exact_bounds AND _loyalty.has_merged(program) THEN format('NOT facts.customer %s ANY (SELECT b.customer FROM merged_bounds b)', _loyalty.customer_equality(program)) END);
	EXECUTE format($sql$
		SELECT array_agg(quote_literal(t.time_zone) ORDER BY x.n),
		       array_agg(coalesce((SELECT 'CASE facts.tier ' || string_agg(format('WHEN %%L THEN %%s', r.name, r.multiplier), ' ' ORDER BY r.rank) || ' ELSE 1 END'
		                             FROM %I.terms_tier r WHERE r.version = x.version), '1') ORDER BY x.n)
		  FROM unnest($1) WITH ORDINALITY x (version, n) JOIN %1$I.terms t ON t.version = x.version $sql$, program)
	   INTO zones, multipliers USING versions;
	zone := replace(_loyalty.by_terms(versions, zones), 'facts.', 's.');
	RETURN format($sql$
		told AS MATERIALIZED (
			SELECT * FROM (
				SELECT facts.customer, facts.order_key, facts.terms, facts.tier, facts.multiplier, facts.entry,
				       facts.posted, facts.next_posted, facts.number, facts.spend_after, facts.orders_after, facts.points_after, facts.earned_after,
				       facts.first_after, facts.last_after, facts.newest, held.tier AS expected, held.failed, held.errors,
				       facts.held_rules, %7$s AS expected_rules, %8$s AS failed_rules, %9$s AS rule_errors, %10$s AS wrong_rules,
				       facts.entry <> facts.number AS wrong_number, facts.place < facts.place_before AS wrong_place,
				       facts.begins AND %1$s AND ((NOT facts.brought AND facts.tier IS DISTINCT FROM held.tier) OR facts.multiplier <> %2$s) AS wrong_tier
				  FROM (SELECT s.customer, s.order_key, s.at, s.terms, s.joined_at, s.tier, s.multiplier, s.held_rules, s.entry, s.orders_change, s.amount_change, s.points_change, s.posted, s.begins, s.tracked_table, s.brought,
				               s.number, s.next_posted, s.place, s.place_before, s.spend_after, s.orders_after, s.points_after, s.earned_after, s.first_after, s.last_after, s.newest,
				               coalesce(s.purchases, '{}') AS purchases, coalesce(s.events, '{}') AS events, s.spend_after - s.amount_change AS spend, s.orders_after - s.orders_change AS orders,
				               coalesce(s.earned_after, 0) - CASE WHEN s.tracked_table <= 0 THEN 0 ELSE s.points_change END AS points_earned, %3$s AS tenure, s.first_before AS first_order_at,
				               s.last_before AS last_order_at, CASE WHEN isfinite(s.at) THEN (s.at AT TIME ZONE %4$s)::date END AS today
				          FROM steps s) facts
				 %5$s %11$s %6$s) x
			 WHERE wrong_number OR wrong_place OR wrong_tier OR wrong_rules OR failed IS NOT NULL OR failed_rules IS NOT NULL OR next_posted IS DISTINCT FROM posted) $sql$,
		decided, _loyalty.by_terms(versions, multipliers),
		_loyalty.tenure_sql('s.joined_at', 's.at', zone), zone,
		_loyalty.tier_sql(program, known, guarded, 'facts.begins AND NOT facts.brought'), CASE WHEN guarded THEN 'OFFSET 0' END,
		CASE WHEN folding = '{}' THEN 'NULL::int[]' ELSE 'ruled.held_rules' END, CASE WHEN folding = '{}' THEN 'NULL::text[]' ELSE 'ruled.failed' END,
		CASE WHEN folding = '{}' THEN 'NULL::text[]' ELSE 'ruled.errors' END,
		CASE WHEN folding = '{}' THEN 'false'
		     ELSE format('facts.begins AND NOT facts.brought AND facts.terms = ANY (%L) AND %s AND facts.held_rules IS DISTINCT FROM ruled.held_rules', folding, decided) END,
		CASE WHEN folding <> '{}' THEN _loyalty.rules_sql(program, folding, guarded, format('facts.begins AND NOT facts.brought AND facts.terms = ANY (%L)', folding)) END);
END
$$;
COMMENT ON FUNCTION _loyalty.told_sql(name, int[], int[], boolean, boolean) IS
'the entries that are wrong by those before them, and the last ones of each customer, as SQL for verify()';

-- What is wrong with an entry by itself: of a first revision the changes, of all that they are
-- worth what they say, and were recorded after the terms that they are of, and before now ($1).
CREATE FUNCTION _loyalty.wrong_alone_sql(program name, versions int[], source text, without_large boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	roundings text[];
	since text[];
	misfits text[];
BEGIN
	EXECUTE format($sql$
		SELECT array_agg(_loyalty.rounding_sql(t.rounding, t.points_scale, _loyalty.rounded_points_sql($2, x.version), _loyalty.worth_sql($2, x.version)) ORDER BY x.n),
		       array_agg(_loyalty.misfit_sql($2, x.version) ORDER BY x.n),
		       array_agg(format('%%L::timestamptz', t.since - interval '5 minutes') ORDER BY x.n)
		  FROM unnest($1) WITH ORDINALITY x (version, n) JOIN %I.terms t ON t.version = x.version $sql$, program)
	   INTO roundings, misfits, since USING versions, program;
	RETURN format($sql$
		SELECT k.violation, facts.customer::text, facts.order_key::text, k.detail
		  FROM %1$s facts
		 CROSS JOIN LATERAL (VALUES
			(facts.revision = 1 AND (facts.amount_change <> CASE WHEN facts.event IS NULL THEN facts.amount ELSE 0 END OR facts.points_change <> facts.order_points OR facts.orders_change <> (facts.counts AND facts.event IS NULL)::int),
			 'entries of an order do not add up',
			 format('revision %%s (entry %%s): amount %%s by %%s, points %%s by %%s', facts.revision, facts.entry, facts.amount, facts.amount_change,
			        facts.order_points, facts.points_change)),
			(NOT facts.counts AND (facts.amount <> 0 OR facts.awards <> 0), 'an order that does not count is worth something',
			 format('revision %%s (entry %%s): amount %%s, awards %%s', facts.revision, facts.entry, facts.amount, facts.awards)),
			(%2$s, CASE WHEN facts.parts IS NULL THEN 'points are not awards times multiplier' ELSE 'points are not what the earning rules come to' END,
			 format('%%s * %%s gives %%s', coalesce(facts.parts::text, facts.awards::text), facts.multiplier, facts.order_points)),
			(%5$s, 'entry does not fit the earning rules of its terms', format('revision %%s (entry %%s): parts %%s, rules held %%s', facts.revision, facts.entry, facts.parts, facts.held_rules) || coalesce(format(', of budgets %%s', facts.allotted), '')),
			(facts.recorded_at < %3$s, 'entry was recorded before its terms', format('at %%s, under terms %%s', facts.recorded_at, facts.terms)),
			(facts.recorded_at > $1, 'entry was recorded in the future', format('at %%s', facts.recorded_at))) k (wrong, violation, detail)
		 WHERE ((facts.revision = 1 AND (facts.amount_change <> CASE WHEN facts.event IS NULL THEN facts.amount ELSE 0 END OR facts.points_change <> facts.order_points
		                                   OR facts.orders_change <> (facts.counts AND facts.event IS NULL)::int))
		        OR (NOT facts.counts AND (facts.amount <> 0 OR facts.awards <> 0))
		        OR %2$s OR %5$s OR facts.recorded_at < %3$s OR facts.recorded_at > $1) AND k.wrong AND facts.tracked_table > 0 %4$s $sql$,
		source, _loyalty.by_terms(versions, roundings), _loyalty.by_terms(versions, since),
		CASE WHEN without_large THEN 'AND ' || _loyalty.not_large_sql(program, 'facts') END, _loyalty.by_terms(versions, misfits));
END
$$;
COMMENT ON FUNCTION _loyalty.wrong_alone_sql(name, int[], text, boolean) IS 'entries that are wrong by what they say themselves, as SQL for verify()';

-- What is wrong with entries by those before them.
CREATE FUNCTION _loyalty.wrong_entries_sql(guarded boolean, without_large boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT k.violation, t.customer::text, t.order_key::text, k.detail
		  FROM told t
		 CROSS JOIN LATERAL (VALUES
			(t.wrong_number, 'entry numbers of a customer have a gap', format('entry %%s is number %%s of the customer', t.entry, t.number)),
			(t.wrong_place, 'entries that are not posted are not in the order of their recording', format('entry %%s', t.entry)),
			(t.wrong_tier, 'order earned at another tier than was held before it', format('tier %%s with multiplier %%s, should be %%s', t.tier, t.multiplier, t.expected)),
			(t.wrong_rules, 'earning rules are for a customer whom their conditions do not mean, or the other way round', format('rules %%s, should be %%s', t.held_rules, t.expected_rules)))
		       k (wrong, violation, detail)
		 WHERE (t.wrong_number OR t.wrong_place OR t.wrong_tier OR t.wrong_rules) AND k.wrong
		%s %s $sql$,
		CASE WHEN without_large THEN $sql$
		UNION ALL
		SELECT 'entries of a customer are too large to be added up', customer::text, NULL, 'an amount or points of more than 100,000 digits' FROM large $sql$ END,
		CASE WHEN guarded THEN $sql$
		UNION ALL
		SELECT 'condition of a tier fails', NULL, NULL,
		       format('tier "%s" of terms %s: %s; before orders of customers: %s', f.tier, t.terms, min(f.error), count(DISTINCT t.customer))
		  FROM told t CROSS JOIN LATERAL unnest(t.failed, t.errors) f (tier, error) GROUP BY f.tier, t.terms
		UNION ALL
		SELECT 'condition of an earning rule fails', NULL, NULL,
		       format('for_members of the %s of terms %s: %s; before orders of customers: %s', _loyalty.rule_label(f.rule), t.terms, min(f.error), count(DISTINCT t.customer))
		  FROM told t CROSS JOIN LATERAL unnest(t.failed_rules, t.rule_errors) f (rule, error) GROUP BY f.rule, t.terms $sql$ END)
$$;
COMMENT ON FUNCTION _loyalty.wrong_entries_sql(boolean, boolean) IS 'entries that do not follow from those before them, or from what they say themselves, as SQL for verify()';

-- The entries of an order are a chain: each revision once, each with the change that it makes,
-- all under the terms and the tier of the first, or of the one by which it begins anew under
-- other terms, after it did not count.
CREATE FUNCTION _loyalty.wrong_chain_sql()
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $sql$
		UNION ALL
		SELECT CASE WHEN c.revision <> c.n THEN 'revisions of an order have a gap'
		            WHEN c.amount_change <> CASE WHEN c.event IS NULL THEN c.amount - c.amount_before ELSE 0 END OR c.points_change <> c.order_points - c.points_before
		                 OR c.orders_change <> (c.counts AND c.event IS NULL)::int - c.counts_before THEN 'entries of an order do not add up'
		            WHEN (c.terms <> c.first_terms AND c.tracked_table > 0) OR c.multiplier <> c.first_multiplier OR c.tier IS DISTINCT FROM c.first_tier
		                 OR c.joined_at IS DISTINCT FROM c.first_joined_at OR c.moved <> c.first_moved OR c.held_rules IS DISTINCT FROM c.first_held_rules OR (c.first_member IS NOT NULL AND (c.member @> c.first_member OR c.member ? '') IS NOT TRUE) THEN 'terms of an order have changed'
		            WHEN c.currency = c.currency_before AND c.rate <> c.rate_before AND c.came_from IS NULL THEN 'rate of an order has changed'
		            ELSE 'entries of an order are not in the order of their recording' END,
		       c.customer::text, c.order_key::text,
		       format('revision %s (entry %s): amount %s by %s, points %s by %s', c.revision, c.entry, c.amount, c.amount_change, c.order_points, c.points_change)
		  FROM chain c
		 WHERE (c.n > 1 OR c.revision > 1)
		   AND (c.revision <> c.n OR c.amount_change <> CASE WHEN c.event IS NULL THEN c.amount - c.amount_before ELSE 0 END
		        OR c.points_change <> c.order_points - c.points_before OR c.orders_change <> (c.counts AND c.event IS NULL)::int - c.counts_before
		        OR (c.terms <> c.first_terms AND c.tracked_table > 0) OR c.multiplier <> c.first_multiplier OR c.tier IS DISTINCT FROM c.first_tier
		        OR c.joined_at IS DISTINCT FROM c.first_joined_at OR c.moved <> c.first_moved OR c.held_rules IS DISTINCT FROM c.first_held_rules OR (c.first_member IS NOT NULL AND (c.member @> c.first_member OR c.member ? '') IS NOT TRUE)
		        OR (c.currency = c.currency_before AND c.rate <> c.rate_before AND c.came_from IS NULL)
		        OR (c.recorded_at, c.at) < (c.recorded_before, c.at_before) OR (c.entry <= c.entry_before AND c.same_account)) $sql$
$$;
COMMENT ON FUNCTION _loyalty.wrong_chain_sql() IS 'entries that do not follow from those of the same order before them, as SQL for verify()';

-- Entries that the fold leaves out, those that posting could not write, and those that are in
-- the ledger as well.  What is told of
-- the others is what is recorded, which sums of hashes tell; only if these differ, entries are
-- compared.
CREATE FUNCTION _loyalty.left_out_sql(program name)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT 'entry does not count'::text, j.customer::text, j.order_key::text,
		       format('revision %%s: %%s', j.revision, coalesce(a.error, 'it overflows, or an earlier entry of its order is missing'))
		  FROM %1$I.journal j
		  LEFT JOIN %1$I.set_aside a ON a.customer %2$s j.customer AND a.order_key = j.order_key AND a.revision = j.revision
		 WHERE (SELECT ROW(count(*), sum(hashtextextended(order_key, revision) # hash_numeric_extended(amount, 1) # hash_numeric_extended(awards, 2))) FROM %1$I.journal)
		       IS DISTINCT FROM (SELECT ROW(count(*), sum(hashtextextended(order_key, revision) # hash_numeric_extended(amount, 1) # hash_numeric_extended(awards, 2))) FROM u WHERE tracked_table > 0)
		   AND NOT EXISTS (SELECT FROM u
		                    WHERE u.%3$s %2$s j.customer AND u.tracked_table = j.tracked_table AND u.order_key = j.order_key AND u.revision = j.revision
		                      AND (u.at, u.recorded_at, u.terms, u.counts, u.amount, u.awards) = (j.at, j.recorded_at, j.terms, j.counts, j.amount, j.awards))
		UNION ALL
		SELECT 'entry waits to be posted, but is posted', u.customer::text, u.order_key::text, format('revision %%s', u.revision)
		  FROM u JOIN %1$I.ledger l ON l.customer %2$s u.%3$s AND l.tracked_table = u.tracked_table AND l.order_key = u.order_key AND l.revision = u.revision
		UNION ALL
		SELECT 'entries of a customer cannot be posted', customer::text, NULL, error FROM %1$I.set_aside WHERE order_key IS NULL $sql$,
		program, _loyalty.customer_equality(program), CASE WHEN _loyalty.has_merged(program) THEN 'recorded_for' ELSE 'customer' END)
$$;
COMMENT ON FUNCTION _loyalty.left_out_sql(name) IS
'entries that do not count, and customers whose entries cannot be posted, as SQL for verify()';

-- A time of the first or last order, of who was merged or is the survivor out of "merged_bounds" b.
CREATE FUNCTION _loyalty.bound_sql(program name, bound text, of_merged text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN _loyalty.has_merged(program) THEN format('CASE WHEN b.customer IS NULL THEN %s ELSE b.%s END', bound, of_merged) ELSE bound END
$$;
COMMENT ON FUNCTION _loyalty.bound_sql(name, text, text) IS 'the time of the first or last order of an account, as SQL for verify()';

-- Posted totals against the posted entries.
CREATE FUNCTION _loyalty.wrong_accounts_sql(program name, repeated boolean, without_large boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT k.violation, coalesce(a.customer, l.customer)::text, NULL::text, k.detail
		  FROM %1$I.account a
		  FULL JOIN (SELECT t.customer, t.number AS entries, t.spend_after AS spend, t.orders_after AS orders, t.points_after AS points, coalesce(t.earned_after, 0) AS earned,
		                    %3$s AS first_order_at, %4$s AS last_order_at, t.newest
		               FROM told t %5$s WHERE t.posted AND t.next_posted IS NOT TRUE) l ON l.customer %2$s a.customer
		 CROSS JOIN LATERAL (VALUES
			((a.entries, a.spend, a.orders, a.points, a.points_earned, a.first_order_at, a.last_order_at)
			 IS DISTINCT FROM (coalesce(l.entries, 0), coalesce(l.spend, 0), coalesce(l.orders, 0), coalesce(l.points, 0), coalesce(l.earned, 0), l.first_order_at, l.last_order_at),
			 'account is not the fold of its ledger',
			 format('account: %%s entries, spend %%s, orders %%s, points %%s, points earned %%s, from %%s to %%s; ledger: %%s entries, spend %%s, orders %%s, points %%s, points earned %%s, from %%s to %%s',
			        a.entries, a.spend, a.orders, a.points, a.points_earned, a.first_order_at, a.last_order_at,
			        coalesce(l.entries, 0), coalesce(l.spend, 0), coalesce(l.orders, 0), coalesce(l.points, 0), coalesce(l.earned, 0), l.first_order_at, l.last_order_at)),
			(a.last_recorded_at IS DISTINCT FROM l.newest,
			 'entries were not recorded when the account says', format('the newest at %%s, account %%s', l.newest, a.last_recorded_at))) k (wrong, violation, detail)
		 WHERE (a.entries, a.spend, a.orders, a.points, a.points_earned, a.first_order_at, a.last_order_at, a.last_recorded_at)
		       IS DISTINCT FROM (coalesce(l.entries, 0), coalesce(l.spend, 0), coalesce(l.orders, 0), coalesce(l.points, 0), coalesce(l.earned, 0),
		                         l.first_order_at, l.last_order_at, l.newest)
		   AND k.wrong %6$s $sql$,
		program, _loyalty.customer_equality(program),
		_loyalty.bound_sql(program, CASE WHEN repeated THEN 'least(t.first_after, x.posted_first)' ELSE 't.first_after' END, 'posted_first'),
		_loyalty.bound_sql(program, CASE WHEN repeated THEN 'greatest(t.last_after, x.posted_last)' ELSE 't.last_after' END, 'posted_last'),
		concat_ws(' ', CASE WHEN repeated THEN format('LEFT JOIN ends x ON x.customer %s t.customer', _loyalty.customer_equality(program)) END,
		          CASE WHEN _loyalty.has_merged(program) THEN format('LEFT JOIN merged_bounds b ON b.customer %s t.customer', _loyalty.customer_equality(program)) END),
		CASE WHEN without_large THEN 'AND ' || _loyalty.not_large_sql(program, 'a') END)
$$;
COMMENT ON FUNCTION _loyalty.wrong_accounts_sql(name, boolean, boolean) IS 'accounts that are not the fold of their ledger, as SQL for verify()';

-- What readers see is the sum of the entries, and the tier is that of the sum.
CREATE FUNCTION _loyalty.members_sql(program name, terms int, time_zone text, amount_scale int, repeated boolean, dated boolean, guarded boolean, without_large boolean, histories boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		members AS MATERIALIZED (
			SELECT * FROM (
				SELECT facts.*, held.tier AS expected, held.failed, held.errors,
				       (facts.said_points, facts.said_spend, facts.said_orders, facts.said_first, facts.said_last)
				       IS DISTINCT FROM (facts.points, round(facts.spend, %12$s), facts.orders, facts.first_order_at, facts.last_order_at) AS differs
				  FROM (SELECT m.*, coalesce(t.spend_after, 0) AS spend, coalesce(t.orders_after, 0) AS orders, coalesce(t.points_after, 0) + coalesce(r.points, 0) %13$s AS points, coalesce(t.earned_after, 0) AS points_earned,
				               %8$s AS first_order_at, %9$s AS last_order_at, %5$s AS tenure, (now() AT TIME ZONE %4$L)::date AS today, now() AS at, %15$s
				          FROM (SELECT %2$I AS customer, tier, points AS said_points, lifetime_value AS said_spend, orders AS said_orders, first_order_at AS said_first,
				                       last_order_at AS said_last, joined_at FROM %1$I.members
				                UNION ALL
				                SELECT %2$I, tier, points, lifetime_value, orders, first_order_at, last_order_at, joined_at FROM %1$I.former_members) m
				          LEFT JOIN told t ON t.customer %3$s m.customer AND t.next_posted IS NULL
				          LEFT JOIN (SELECT customer, sum(points) AS points FROM %1$I.held WHERE until <= now() GROUP BY customer) r ON r.customer %3$s m.customer %14$s %10$s %16$s %11$s) facts
				 %6$s %7$s) m
			 WHERE differs OR failed IS NOT NULL OR tier IS DISTINCT FROM expected) $sql$,
		program, (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.members', program)::regclass AND a.attnum = 1),
		_loyalty.customer_equality(program), time_zone, _loyalty.tenure_sql('m.joined_at', 'now()', quote_literal(time_zone)),
		_loyalty.tier_sql(program, ARRAY[terms], guarded, 'true'), CASE WHEN guarded THEN 'OFFSET 0' END,
		_loyalty.bound_sql(program, CASE WHEN repeated THEN 'least(t.first_after, x.first)' ELSE 't.first_after' END, 'first'),
		_loyalty.bound_sql(program, CASE WHEN repeated THEN 'greatest(t.last_after, x.last)' ELSE 't.last_after' END, 'last'),
		concat_ws(' ', CASE WHEN repeated THEN format('LEFT JOIN ends x ON x.customer %s m.customer', _loyalty.customer_equality(program)) END,
		          CASE WHEN _loyalty.has_merged(program) THEN format('LEFT JOIN merged_bounds b ON b.customer %s m.customer', _loyalty.customer_equality(program)) END),
		CASE WHEN without_large THEN 'WHERE ' || _loyalty.not_large_sql(program, 'm') END, amount_scale,
		-- points that wait, those that have expired, and status points are not shown
		CASE WHEN dated THEN format('- coalesce(loyalty.pending(d.lots, now()) + loyalty.expired(d.lots, now()) + CASE WHEN EXISTS (SELECT FROM %1$I.wallet w WHERE NOT w.redeemable)
		                              THEN (SELECT coalesce(sum(l.points), 0) FROM loyalty.unnest(d.lots) l JOIN %1$I.wallet w ON w.wallet = l.wallet AND NOT w.redeemable
		                                     WHERE l.available_at <= now() AND l.expires_at > now()) ELSE 0 END, 0)', program) END,
		CASE WHEN dated THEN format('LEFT JOIN (SELECT x.customer, loyalty.sum(x.lots) AS lots
		                                          FROM (SELECT coalesce(account, customer) AS customer, lots FROM %1$I.ledger WHERE lots IS NOT NULL UNION ALL SELECT account, lots FROM %1$I.unposted WHERE lots IS NOT NULL
		                                                UNION ALL SELECT customer, lots FROM %1$I.held WHERE lots IS NOT NULL AND until <= now()) x
		                                         GROUP BY x.customer) d ON d.customer %2$s m.customer', program, _loyalty.customer_equality(program)) END,
		CASE WHEN histories THEN $sql$coalesce(h.purchases, '{}') AS purchases, coalesce(h.events, '{}') AS events$sql$ ELSE 'NULL::loyalty.history AS purchases, NULL::_loyalty.event_history[] AS events' END,
		CASE WHEN histories THEN format('LEFT JOIN (SELECT y.%2$I AS customer, loyalty.sum(y.history) FILTER (WHERE y.event IS NULL) AS purchases,
		                                                 array_agg(ROW(y.event, y.history)::_loyalty.event_history ORDER BY y.event) FILTER (WHERE y.event IS NOT NULL) AS events
		                                            FROM %1$I.histories y GROUP BY 1) h ON h.customer %3$s m.customer', program,
		                                (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = format('%I.histories', program)::regclass AND a.attnum = 1), _loyalty.customer_equality(program)) END)
$$;
COMMENT ON FUNCTION _loyalty.members_sql(name, int, text, int, boolean, boolean, boolean, boolean, boolean) IS 'members that are not what their entries make of them, as SQL for verify()';

CREATE FUNCTION _loyalty.wrong_members_sql(guarded boolean)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT CASE WHEN m.differs THEN 'member is not the sum of the entries' ELSE 'member has another tier than the conditions say' END,
		       m.customer::text, NULL::text,
		       format('points %%s of %%s, spend %%s of %%s, orders %%s of %%s, tier %%s of %%s', m.said_points, m.points, m.said_spend, m.spend,
		              m.said_orders, m.orders, coalesce(m.tier, 'none'), coalesce(m.expected, 'none'))
		  FROM members m WHERE m.differs OR (m.failed IS NULL AND m.tier IS DISTINCT FROM m.expected)
		%s $sql$,
		CASE WHEN guarded THEN $sql$
		UNION ALL
		SELECT 'condition of a tier fails', NULL, NULL, format('tier "%s": %s; customers: %s', f.tier, min(f.error), count(*))
		  FROM members m CROSS JOIN LATERAL unnest(m.failed, m.errors) f (tier, error) GROUP BY f.tier $sql$ END)
$$;
COMMENT ON FUNCTION _loyalty.wrong_members_sql(boolean) IS 'what is wrong with members, as SQL for verify()';

-- Clocks of servers that take over from each other may differ a little.
CREATE FUNCTION _loyalty.present_limit()
RETURNS timestamptz
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT clock_timestamp() + interval '5 minutes'
$$;
COMMENT ON FUNCTION _loyalty.present_limit() IS 'the moment after which no entry can have been recorded by now';

-- The entries of the ledger by what they say themselves: in a query of its own, since one that
-- reads "unposted" cannot run in parallel.  What is too large to be multiplied is left out.
CREATE FUNCTION _loyalty.verify_ledger(program name, versions int[], without_large boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE _loyalty.wrong_alone_sql(program, versions,
		CASE WHEN without_large THEN format($s$(SELECT * FROM %I.ledger WHERE abs(awards) < '1e100000')$s$, program) ELSE format('%I.ledger', program) END, false)
		USING _loyalty.present_limit();
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entry of an order says what only calls do'::text, l.customer::text, l.order_key::text, format('revision %%s (entry %%s)', l.revision, l.entry)
		  FROM %I.ledger l WHERE l.tracked_table > 0 AND num_nonnulls(l.kind, l.reverses, l.reason, l.actor, l.until, l.counterpart, l.pays_for, l.pays_table) > 0 $sql$, program);
	RETURN QUERY EXECUTE format($sql$
		SELECT CASE WHEN s.event IS NULL THEN 'an entry of an order says that it is of an event' ELSE 'an entry does not say of which kind its event is' END, e.customer::text, e.order_key::text,
		       format('revision %%s: %%s, should be %%s', e.revision, coalesce(quote_ident(e.event), 'none'), coalesce(quote_ident(s.event), 'none'))
		  FROM (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.event FROM %1$I.ledger l
		        UNION ALL
		        SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.event FROM %1$I.journal j) e
		  LEFT JOIN %1$I.tracked_table s ON s.tracked_table = e.tracked_table
		 WHERE e.event IS DISTINCT FROM s.event $sql$, program);
	RETURN QUERY EXECUTE format($sql$
		SELECT 'an order came from a key, or with terms, that it did not have'::text, c.customer::text, c.order_key::text, format('revision %%s: revision %%s of "%%s"', c.revision, c.came_revision, c.came_from)
		  FROM (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.terms, l.came_from, l.came_revision, l.came_over FROM %1$I.ledger l WHERE num_nonnulls(l.came_from, l.came_revision, l.came_over) > 0
		        UNION ALL
		        SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.terms, j.came_from, j.came_revision, j.came_over FROM %1$I.journal j WHERE num_nonnulls(j.came_from, j.came_revision, j.came_over) > 0) c
		 WHERE NOT EXISTS (SELECT FROM (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.terms FROM %1$I.ledger l
		                                UNION ALL
		                                SELECT j.customer, j.tracked_table, j.order_key, j.revision, j.terms FROM %1$I.journal j) b
		                    WHERE b.tracked_table = c.tracked_table AND b.tracked_table > 0 AND b.order_key = c.came_from AND b.revision = c.came_revision AND b.terms = c.terms AND (b.customer %2$s c.customer) <> c.came_over) $sql$,
		program, _loyalty.customer_equality(program));
END
$$;
COMMENT ON FUNCTION _loyalty.verify_ledger(name, int[], boolean) IS 'posted entries that are wrong by what they say themselves, and entries of orders that had no such key before';

-- All of that in one query.  Versions are those of the terms that entries have; "unposted":
-- are there entries in the journal; "repeated": do orders come more than once; "lost": versions whose tiers have no view; "dated": do any points wait or expire; "guarded": against
-- conditions of tiers that fail.
CREATE FUNCTION _loyalty.verify_entries(program name, versions int[], unposted boolean, repeated boolean, lost int[], dated boolean, guarded boolean,
                                       without_large boolean DEFAULT false, with_members boolean DEFAULT true)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	exact_bounds boolean;
	histories boolean;
	readable boolean := lost = '{}';	-- what is not posted is not, without the tiers
BEGIN
	EXECUTE format('SELECT terms, time_zone, amount_scale FROM %I.program', program) INTO p;
	with_members := with_members AND readable AND NOT _loyalty.lacks_customers(program);
	SELECT coalesce(bool_or(c.columns && '{facts.first_order_at,facts.last_order_at,facts.purchases,facts.events}'), false), coalesce(bool_or(c.columns && '{facts.purchases,facts.events}'), false)
	  INTO exact_bounds, histories
	  FROM unnest(versions) v CROSS JOIN LATERAL (SELECT t.columns FROM _loyalty.tier_conditions(program, v, true) t UNION ALL SELECT m.columns FROM _loyalty.member_conditions(program, v, true) m) c
	 WHERE v <> ALL (lost);
	RETURN QUERY EXECUTE format('WITH %s %s, %s %s, %s %s %s UNION ALL %s %s UNION ALL %s %s %s',
		_loyalty.entries_sql(program, readable, without_large), CASE WHEN repeated THEN _loyalty.chain_sql(program) END,
		_loyalty.steps_sql(program, unposted, repeated, exact_bounds, histories), CASE WHEN _loyalty.has_merged(program) THEN _loyalty.merged_bounds_sql(program) END,
		_loyalty.told_sql(program, versions, lost, guarded, exact_bounds),
		CASE WHEN with_members THEN ', ' || _loyalty.members_sql(program, p.terms, p.time_zone, p.amount_scale, repeated, dated, guarded, without_large, histories) END,
		_loyalty.wrong_alone_sql(program, versions, 'u', without_large), _loyalty.wrong_entries_sql(guarded, without_large), CASE WHEN repeated THEN _loyalty.wrong_chain_sql() END,
		_loyalty.wrong_accounts_sql(program, repeated, without_large), CASE WHEN readable THEN ' UNION ALL ' || _loyalty.left_out_sql(program) END,
		CASE WHEN with_members THEN ' UNION ALL ' || _loyalty.wrong_members_sql(guarded) END)
		USING _loyalty.present_limit();
END
$$;
COMMENT ON FUNCTION _loyalty.verify_entries(name, int[], boolean, boolean, int[], boolean, boolean, boolean, boolean) IS
'entries, accounts and members that are not what the entries before them make of them';
