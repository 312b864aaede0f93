-- verify --------------------------------------------------------------------------

-- What makes an expression fail is for verify() to tell; that the server cannot
-- go on, is asked to stop, or had to choose between transactions, is not.
CREATE FUNCTION _loyalty.only_expression_errors(state text, message text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF state ~ '^(25|40|53|55|57|58|XX)' THEN
		RAISE EXCEPTION USING ERRCODE = state, MESSAGE = message;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.only_expression_errors(text, text) IS
'raise an error again unless it can come from an expression of a program';

-- The orders of a table under their own terms, as its views say, as SQL: all, or with
-- by_key those whose keys are in $3, which are looked up one by one.  $1 is the table, $2 the
-- version of the terms in force, which orders have that are not recorded.
CREATE FUNCTION _loyalty.orders_sql(program name, tracked_table int, by_key boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text := _loyalty.customer_equality(program);
	newest int;
	known text;
	v record;
	key record;
	parts text[] := '{}';
BEGIN
	EXECUTE format('SELECT terms FROM %I.program', program) INTO newest;
	known := CASE WHEN by_key THEN format($sql$
		LEFT JOIN LATERAL (SELECT x.terms FROM (SELECT l.revision, l.terms FROM %1$I.ledger l
		                                         WHERE l.customer %2$s v.customer AND l.tracked_table = $1 AND l.order_key = v.order_key
		                                        UNION ALL
		                                        SELECT j.revision, j.terms FROM %1$I.journal j
		                                         WHERE j.customer %2$s v.customer AND j.tracked_table = $1 AND j.order_key = v.order_key) x
		                    ORDER BY x.revision DESC LIMIT 1) r ON true $sql$, program, eq)
	ELSE format(' LEFT JOIN %1$I.recorded_orders r ON r.customer %2$s v.customer AND r.tracked_table = $1 AND r.order_key = v.order_key', program, eq) END;
	FOR v IN EXECUTE format('SELECT DISTINCT x.terms, _loyalty.view_of($1, ''orders'', $2, x.terms) AS view
	                           FROM (SELECT $3 AS terms UNION ALL SELECT terms FROM %I.recorded_orders WHERE tracked_table = $2) x', program)
		USING program, tracked_table, newest
	LOOP
		CONTINUE WHEN v.view IS NULL;
		SELECT * INTO key FROM _loyalty.view_expression(v.view, NULL, 'key', false);
		parts := parts || format('SELECT v.customer, v.order_key, v.at, v.counts, v.amount, v.currency, v.rate, v.awards, r.terms FROM %s v %s
		                           WHERE coalesce(r.terms, $2) = %s %s',
			v.view, known, v.terms,
			CASE WHEN by_key THEN format(' AND v.key %s (k.key::%s)', _loyalty.key_equality(key.type, key.type), format_type(key.type, -1)) END);
	END LOOP;
	-- archived orders have no terms any more: what they are worth is in proportion
	IF _loyalty.view_of(program, 'archived', tracked_table) IS NOT NULL THEN
		parts := parts || format('SELECT v.customer, v.order_key, v.at, v.counts, v.amount, v.currency, v.rate, v.awards, NULL::int FROM %s v %s',
			_loyalty.view_of(program, 'archived', tracked_table), CASE WHEN by_key THEN 'WHERE v.order_key = k.key' END);
	END IF;
	RETURN CASE WHEN by_key THEN format('SELECT o.* FROM unnest($3) AS k (key) CROSS JOIN LATERAL (SELECT * FROM (%s) x OFFSET 0) o',
	                                    array_to_string(parts, ' UNION ALL '))
	       ELSE array_to_string(parts, ' UNION ALL ') END;
END
$$;
COMMENT ON FUNCTION _loyalty.orders_sql(name, int, boolean) IS
'the orders of a table under their own terms, as SQL for verify()';

-- What is recorded against what is in the tables.  Of orders whose expressions fail, the
-- others are verified by their keys.
CREATE FUNCTION _loyalty.verify_orders(program name, tracked_table int, failing text[], keys text[])
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	eq text := _loyalty.customer_equality(program);
	-- what is recorded: finite, and not so large that sums could not be shown
	finite text := $f$(%1$s::text NOT IN ('NaN', 'Infinity', '-Infinity') AND abs(%1$s) < 1e20)$f$;
BEGIN
	EXECUTE format('SELECT * FROM %I.program', program) INTO p;
	RETURN QUERY EXECUTE format($sql$
		WITH rows AS MATERIALIZED (%4$s),
		live AS (
			SELECT * FROM rows
			 WHERE counts AND order_key IS NOT NULL AND (NOT $5 OR (isfinite(at) AND %3$s AND %5$s))),
		twice AS (
			SELECT l.order_key FROM live l GROUP BY l.order_key HAVING count(*) > 1)
		SELECT CASE WHEN l.order_key IS NULL THEN 'recorded order does not exist'
		            WHEN r.order_key IS NULL OR NOT r.counts THEN 'order not recorded'
		            WHEN r.currency <> l.currency OR r.rate <> l.rate THEN 'currency or rate differs'
		            WHEN r.amount <> l.amount THEN 'amount differs'
		            WHEN r.at <> l.at THEN 'time differs'
		            ELSE 'points differ' END,
		       coalesce(l.customer, r.customer)::text, coalesce(l.order_key, r.order_key)::text,
		       CASE WHEN r.order_key IS NULL OR NOT r.counts THEN 'not recorded as one that counts'
		            ELSE format('recorded %%s at %%s with awards %%s', r.amount, r.at, r.awards) END
		       || CASE WHEN l.order_key IS NULL THEN '; it has no row'
		               ELSE format('; its row says %%s at %%s with awards %%s', l.amount, l.at, l.awards) END
		       || format('; call loyalty.reconcile(%%L)', %1$L::text)
		  FROM live l
		  FULL JOIN (SELECT * FROM %1$I.recorded_orders WHERE tracked_table = $1 AND (order_key = ANY ($4)) IS NOT TRUE) r
		    ON r.customer %2$s l.customer AND r.order_key = l.order_key
		 WHERE (l.order_key IS NULL AND r.counts
		        AND NOT EXISTS (SELECT FROM %1$I.archived a
		                         WHERE a.tracked_table = $1 AND a.order_key = r.order_key AND a.customer %2$s r.customer
		                           AND NOT EXISTS (SELECT FROM rows x WHERE x.order_key = a.order_key)))
		    OR (l.order_key IS NOT NULL AND (r.counts IS NOT TRUE OR r.amount <> l.amount OR r.at <> l.at OR r.awards <> l.awards
		                                    OR r.currency <> l.currency OR r.rate <> l.rate))
		UNION ALL
		SELECT 'no rate for the currency of an order', customer::text, order_key, format('%%s at %%s', currency, at)
		  FROM rows WHERE customer IS NOT NULL AND order_key IS NOT NULL AND at IS NOT NULL AND rate IS NULL
		UNION ALL
		SELECT 'order key not unique', NULL, order_key, 'more than one row of the tracked table has it' FROM twice
		$sql$, program, eq, format(finite, 'amount'), _loyalty.orders_sql(program, tracked_table, keys IS NOT NULL), format(finite, 'awards'))
		USING tracked_table, p.terms, keys, failing, p.on_invalid = 'skip';
END
$$;
COMMENT ON FUNCTION _loyalty.verify_orders(name, int, text[], text[]) IS
'what is recorded of the orders of a table against what it has: of all, or those with given keys, leaving out those that fail';

-- Which of these orders make their expressions fail, by halves.
CREATE FUNCTION _loyalty.failing_orders(query text, keys text[], tracked_table int, terms int)
RETURNS TABLE (order_key text, error text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = on
AS $$
DECLARE
	half int := cardinality(keys) / 2;
BEGIN
	EXECUTE query USING tracked_table, terms, keys;
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	IF half = 0 THEN
		RETURN QUERY SELECT keys[1], SQLERRM;
	ELSE
		RETURN QUERY SELECT * FROM _loyalty.failing_orders(query, keys[1:half], tracked_table, terms);
		RETURN QUERY SELECT * FROM _loyalty.failing_orders(query, keys[half + 1:], tracked_table, terms);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.failing_orders(text, text[], int, int) IS 'those of some orders whose expressions fail, with the error';

-- The orders of a table when an expression fails for some of them.
CREATE FUNCTION _loyalty.verify_failing_orders(program name, tracked_table int)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most int := 1000;		-- as many are looked for, and told
	s record;
	query text;
	keys text[];
	good text[] := '{}';
	failing text[] := '{}';
	f record;
	still_counts boolean;
BEGIN
	EXECUTE format('SELECT s.relation, p.terms, p.on_invalid FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE s.tracked_table = $1', program) INTO s USING tracked_table;
	-- counting them makes sure that all of it is computed
	query := format('SELECT count(x.customer), count(x.at), count(x.amount), count(x.awards), count(x.currency), count(x.rate) FROM (%s) x',
	                _loyalty.orders_sql(program, tracked_table, true));
	FOR keys IN EXECUTE format('SELECT array_agg(k.order_key)
	                              FROM (SELECT d.order_key, row_number() OVER (ORDER BY d.order_key) AS n
	                                      FROM (SELECT v.order_key FROM %2$s v WHERE v.order_key IS NOT NULL
	                                            UNION SELECT a.order_key FROM %1$I.archived a WHERE a.tracked_table = %3$s) d) k
	                             GROUP BY k.n / 1000', program, _loyalty.view_of(program, 'orders', tracked_table), tracked_table)
	LOOP
		good := good || keys;
		FOR f IN SELECT x.order_key, x.error FROM _loyalty.failing_orders(query, keys, tracked_table, s.terms) x
		LOOP
			failing := failing || f.order_key;
			EXECUTE format('SELECT EXISTS (SELECT FROM %I.recorded_orders WHERE tracked_table = $1 AND order_key = $2 AND counts)', program)
			   INTO still_counts USING tracked_table, f.order_key;
			-- with skip, such an order does not count, and that is that
			IF s.on_invalid <> 'skip' OR still_counts THEN
				RETURN QUERY SELECT CASE WHEN still_counts THEN 'order counts, but cannot be computed' ELSE 'order cannot be computed' END,
					NULL::text, f.order_key, f.error;
			END IF;
		END LOOP;
		IF cardinality(failing) > most THEN
			RETURN QUERY SELECT 'orders of a table cannot be verified'::text, NULL::text, NULL::text,
				format('%s: more than %s of them make an expression fail', s.relation, most);
			RETURN;
		END IF;
	END LOOP;
	SELECT array_agg(k) INTO good FROM unnest(good) k WHERE k <> ALL (failing);
	RETURN QUERY SELECT * FROM _loyalty.verify_orders(program, tracked_table, failing, coalesce(good, '{}'));
EXCEPTION WHEN OTHERS THEN
	-- the key itself fails, or that of a line or refund
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	RETURN QUERY SELECT 'orders of a table cannot be verified'::text, NULL::text, NULL::text, format('%s: %s', s.relation, SQLERRM);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_failing_orders(name, int) IS
'what _loyalty.verify_orders does, when an expression fails for some order';

-- The tier by conditions in the order of rank, each of which may fail: then it does
-- not hold.
CREATE FUNCTION _loyalty.try_tiers(metrics anyelement, tiers text[], conditions text[], OUT tier text, OUT failed text[], OUT errors text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	holds boolean;
BEGIN
	FOR i IN 1 .. coalesce(cardinality(tiers), 0) LOOP
		BEGIN
			EXECUTE format('SELECT (%s) FROM (SELECT ($1).*) AS metrics', conditions[i]) INTO holds USING metrics;
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

-- How verify() finds a tier from metrics, as SQL for FROM: the tier is in held.tier.
CREATE FUNCTION _loyalty.tier_sql(program name, terms int, guarded boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result text;
BEGIN
	SELECT CASE WHEN guarded THEN
	       format('CROSS JOIN LATERAL _loyalty.try_tiers(ROW(metrics.spend, metrics.orders, metrics.points_earned, metrics.tenure,
	                                                        metrics.first_order_at, metrics.last_order_at, metrics.today, metrics.at)::%s, %L::text[], %L::text[]) AS held',
	              format('%I.metrics', program), coalesce(array_agg(c.tier ORDER BY c.n), '{}'), coalesce(array_agg(c.expression ORDER BY c.n), '{}'))
	       ELSE
	       format('CROSS JOIN LATERAL (SELECT CASE %s END AS tier, NULL::text[] AS failed, NULL::text[] AS errors) AS held',
	              coalesce(string_agg(format('WHEN (%s) THEN %L', c.expression, c.tier), ' ' ORDER BY c.n), 'WHEN false THEN ''''')) END
	  INTO result
	  FROM _loyalty.tier_conditions(program, terms) c;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.tier_sql(name, int, boolean) IS
'how verify() finds a tier from metrics, as SQL for FROM; guarded against conditions that fail';

-- The multiplier of an order is that of the tier held just before it, under one
-- version of the terms.  A condition that fails does not hold, which is told once.
CREATE FUNCTION _loyalty.verify_tiers(program name, terms int, guarded boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text;
	exact_bounds boolean;
	zone text;
BEGIN
	eq := _loyalty.customer_equality(program);
	EXECUTE format('SELECT time_zone FROM %I.program', program) INTO zone;
	-- When orders are taken back, the first and last order before an entry
	-- are looked for among the orders that stood then.
	exact_bounds := EXISTS (SELECT FROM _loyalty.tier_conditions(program, terms) c
	                         WHERE c.columns && '{metrics.first_order_at,metrics.last_order_at}'::text[]);
	RETURN QUERY EXECUTE format($sql$
		WITH e AS MATERIALIZED (
			SELECT x.*,
			       -- a new order, or one that begins anew under other terms
			       CASE WHEN x.revision = 1 THEN true WHEN x.moved THEN
			            EXISTS (SELECT FROM %1$I.ledger p WHERE p.customer %4$s x.customer AND p.tracked_table = x.tracked_table AND p.order_key = x.order_key
			                                               AND p.revision = x.revision - 1 AND p.terms <> x.terms)
			            OR EXISTS (SELECT FROM %1$I.journal p WHERE p.customer %4$s x.customer AND p.tracked_table = x.tracked_table AND p.order_key = x.order_key
			                                                   AND p.revision = x.revision - 1 AND p.terms <> x.terms)
			            ELSE false END AS begins,
			       x.moved AND x.revision = 1 AS brought
			  FROM (SELECT customer, entry, tracked_table, order_key, revision, at, counts, terms, tier, multiplier,
			               amount_change, orders_change, points_change, joined_at, moved FROM %1$I.ledger
			        UNION ALL
			        SELECT customer, entry, tracked_table, order_key, revision, at, counts, terms, tier, multiplier,
			               amount_change, orders_change, points_change, joined_at, moved FROM %1$I.unposted) x),
		stood AS (
			SELECT customer, entry AS since, counts, at,
			       lead(entry) OVER (PARTITION BY customer, tracked_table, order_key ORDER BY revision) AS until
			  FROM e WHERE EXISTS (SELECT FROM e x WHERE x.customer %4$s e.customer AND x.revision > 1)),
		bounds AS (
			SELECT n.customer, n.entry, min(o.at) AS first_before, max(o.at) AS last_before
			  FROM e n
			  LEFT JOIN stood o ON o.customer %4$s n.customer AND o.counts
			                   AND o.since < n.entry AND (o.until IS NULL OR o.until >= n.entry)
			 WHERE %3$L AND n.begins AND EXISTS (SELECT FROM stood x WHERE x.customer %4$s n.customer)
			 GROUP BY n.customer, n.entry),
		h AS %6$s (
			SELECT metrics.customer, metrics.order_key, metrics.tier, metrics.multiplier, metrics.brought,
			       held.tier AS expected, held.failed, held.errors
			  FROM (SELECT e.*, sum(e.amount_change) OVER before AS spend_before,
			               sum(e.orders_change) OVER before AS orders_before,
			               sum(e.points_change) OVER before AS points_before,
			               min(e.at) FILTER (WHERE e.counts) OVER before AS first_before,
			               max(e.at) FILTER (WHERE e.counts) OVER before AS last_before
			          FROM e
			        WINDOW before AS (PARTITION BY e.customer ORDER BY e.entry
			                          ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)) raw
			  LEFT JOIN bounds b ON b.customer %4$s raw.customer AND b.entry = raw.entry
			  CROSS JOIN LATERAL %5$s years
			  CROSS JOIN LATERAL (
			       SELECT raw.customer, raw.order_key, raw.tier, raw.multiplier, raw.brought,
			              coalesce(raw.spend_before, 0) AS spend, coalesce(raw.orders_before, 0) AS orders,
			              coalesce(raw.points_before, 0) AS points_earned,
			              years.tenure,
			              CASE WHEN b.customer IS NULL THEN raw.first_before ELSE b.first_before END AS first_order_at,
			              CASE WHEN b.customer IS NULL THEN raw.last_before ELSE b.last_before END AS last_order_at,
			              CASE WHEN isfinite(raw.at) THEN (raw.at AT TIME ZONE $2)::date END AS today, raw.at) metrics
			  %2$s
			 WHERE raw.begins AND raw.terms = $1)
		SELECT 'order earned at another tier than was held before it'::text, h.customer::text, h.order_key::text,
		       format('tier %%s with multiplier %%s, should be %%s', h.tier, h.multiplier, h.expected)
		  FROM h
		  -- what an order brought along is a tier of its terms, but another customer held it, or held it before
		  LEFT JOIN %1$I.terms_tier tt ON tt.version = $1 AND tt.name = CASE WHEN h.brought THEN h.tier ELSE h.expected END
		 WHERE (NOT h.brought AND h.tier IS DISTINCT FROM h.expected) OR h.multiplier <> coalesce(tt.multiplier, 1)
		%7$s
		$sql$, program, _loyalty.tier_sql(program, terms, guarded), exact_bounds, eq,
		_loyalty.tenure_sql('raw.joined_at', 'raw.at', '$2'), CASE WHEN guarded THEN 'MATERIALIZED' ELSE '' END,
		CASE WHEN guarded THEN $sql$
		UNION ALL
		SELECT 'condition of a tier fails', NULL, NULL,
		       format('tier "%s" of terms %s: %s; before orders of customers: %s', f.tier, $1, min(f.error), count(DISTINCT h.customer))
		  FROM h CROSS JOIN LATERAL unnest(h.failed, h.errors) f (tier, error) GROUP BY f.tier $sql$ ELSE '' END)
		USING terms, zone;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_tiers(name, int, boolean) IS
'orders of a version of the terms that earned at another tier than was held before them; guarded: with conditions that fail';

-- What readers see is the sum of the entries, and the tier is that of the sum.
CREATE FUNCTION _loyalty.verify_members(program name, guarded boolean)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text;
	p record;
BEGIN
	eq := _loyalty.customer_equality(program);
	EXECUTE format('SELECT * FROM %I.program', program) INTO p;
	RETURN QUERY EXECUTE format($sql$
		WITH m AS %7$s (
			SELECT s.*, coalesce(e.points, 0) AS sum_points, coalesce(e.spend, 0) AS sum_spend, coalesce(e.orders, 0) AS sum_orders,
			       held.tier AS expected, held.failed, held.errors
			  FROM (SELECT %2$s AS customer, points, lifetime_value AS spend, orders, joined_at, first_order_at, last_order_at FROM %1$I.members) s
			  LEFT JOIN (SELECT %2$s AS customer, sum(points) AS points, sum(amount_change) AS spend, sum(orders_change) AS orders
			               FROM %1$I.entries GROUP BY 1) e ON e.customer %3$s s.customer
			 CROSS JOIN LATERAL %5$s years
			 CROSS JOIN LATERAL (SELECT coalesce(e.spend, 0) AS spend, s.orders, coalesce(e.points, 0) AS points_earned, years.tenure, s.first_order_at, s.last_order_at,
			                            (now() AT TIME ZONE $2)::date AS today, now() AS at) metrics
			  %4$s)
		SELECT CASE WHEN m.points <> m.sum_points OR m.spend <> round(m.sum_spend, %9$s) OR m.orders <> m.sum_orders
		            THEN 'member is not the sum of the entries' ELSE 'member has another tier than the conditions say' END,
		       m.customer::text, NULL::text,
		       format('points %%s of %%s, spend %%s of %%s, orders %%s of %%s, tier %%s', m.points, m.sum_points, m.spend, m.sum_spend, m.orders, m.sum_orders, m.expected)
		  FROM m
		 WHERE m.points <> m.sum_points OR m.spend <> round(m.sum_spend, %9$s) OR m.orders <> m.sum_orders
		    OR (m.failed IS NULL
		        AND _loyalty.tier_for(%6$L::regclass, $1, m.sum_spend, m.orders, m.sum_points, m.joined_at,
		                             m.first_order_at, m.last_order_at, now()) IS DISTINCT FROM m.expected)
		%8$s
		$sql$, program,
		(SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = format('%I.entries', program)::regclass AND attnum = 1), eq,
		_loyalty.tier_sql(program, p.terms, guarded), _loyalty.tenure_sql('s.joined_at', 'now()', '$2'),
		format('%I.program', program), CASE WHEN guarded THEN 'MATERIALIZED' ELSE '' END,
		CASE WHEN guarded THEN $sql$
		UNION ALL
		SELECT 'condition of a tier fails', NULL, NULL,
		       format('tier "%s": %s; customers: %s', f.tier, min(f.error), count(*))
		  FROM m CROSS JOIN LATERAL unnest(m.failed, m.errors) f (tier, error) GROUP BY f.tier $sql$ ELSE '' END, p.amount_scale)
		USING p.terms, p.time_zone;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_members(name, boolean) IS
'members that are not the sum of their entries, or of another tier than the conditions say; guarded: with conditions that fail';

-- Entries are recorded after the terms that they are of, and before now.  Clocks of
-- servers that take over from each other may differ a little.
CREATE FUNCTION _loyalty.verify_times(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text;
BEGIN
	eq := _loyalty.customer_equality(program);
	RETURN QUERY EXECUTE format($sql$
		SELECT CASE WHEN e.recorded_at < t.since THEN 'entry was recorded before its terms' ELSE 'entry was recorded in the future' END,
		       e.customer::text, e.order_key::text, format('at %%s, under terms %%s of %%s', e.recorded_at, t.version, t.since)
		  FROM (SELECT customer, order_key, recorded_at, terms FROM %1$I.ledger
		        UNION ALL
		        SELECT customer, order_key, recorded_at, terms FROM %1$I.journal) e
		  JOIN %1$I.terms t ON t.version = e.terms
		 WHERE e.recorded_at < t.since - interval '5 minutes' OR e.recorded_at > clock_timestamp() + interval '5 minutes'
		$sql$, program);
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entries were not recorded when the account says'::text, coalesce(a.customer, l.customer)::text, NULL::text,
		       format('the newest at %%s, account %%s', l.newest, a.last_recorded_at)
		  FROM %1$I.account a
		  FULL JOIN (SELECT customer, max(recorded_at) AS newest FROM %1$I.ledger GROUP BY customer) l ON l.customer %2$s a.customer
		 WHERE a.last_recorded_at IS DISTINCT FROM l.newest
		$sql$, program, eq);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_times(name) IS 'entries that were recorded at a moment that cannot be';

-- Reads find customers in the view "customer", which keeps to its columns whatever
-- they are called by now.
CREATE FUNCTION _loyalty.verify_customers(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	customers regclass;
	customer_key name;
	present name;
BEGIN
	EXECUTE format('SELECT customers, customer_key FROM %I.program', program) INTO customers, customer_key;
	IF NOT EXISTS (SELECT FROM pg_rewrite w JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
	                WHERE w.ev_class = format('%I.customer', program)::regclass
	                  AND d.refclassid = 'pg_class'::regclass AND d.refobjid = customers) THEN
		RETURN QUERY SELECT 'settings and customers differ'::text, NULL::text, NULL::text,
			format('customers is "%s", which the view "customer" does not read', customers);
		RETURN;
	END IF;
	-- a column that was renamed is in the settings by the name that it had
	SELECT p.key INTO present FROM _loyalty.present_customers(program, customers, NULL, NULL) p;
	IF present <> customer_key AND EXISTS (SELECT FROM pg_attribute WHERE attrelid = customers AND attname = customer_key AND attnum > 0 AND NOT attisdropped) THEN
		RETURN QUERY SELECT 'settings and customers differ'::text, NULL::text, NULL::text,
			format('customer_key is "%s", but the view "customer" takes "%s"; update customer_key in the table "program"', customer_key, present);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_customers(name) IS 'what the settings of a program say of customers against what reads find';

-- Entries among themselves.
CREATE FUNCTION _loyalty.verify_entries(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- the entries of an order are a chain: each revision once, each with the
	-- change that it makes, all under the terms and the tier of the first, or of the one
	-- by which it begins anew under other terms, after it did not count
	RETURN QUERY EXECUTE format($sql$
		SELECT CASE WHEN e.revision <> e.n THEN 'revisions of an order have a gap'
		            WHEN e.amount_change <> e.amount - e.amount_before OR e.points_change <> e.order_points - e.points_before
		                 OR e.orders_change <> e.counts::int - e.counts_before THEN 'entries of an order do not add up'
		            WHEN NOT e.counts AND (e.amount <> 0 OR e.awards <> 0) THEN 'an order that does not count is worth something'
		            WHEN e.terms <> e.first_terms OR e.multiplier <> e.first_multiplier
		                 OR e.tier IS DISTINCT FROM e.first_tier OR e.joined_at IS DISTINCT FROM e.first_joined_at
		                 OR e.moved <> e.first_moved THEN 'terms of an order have changed'
		            WHEN e.currency = e.currency_before AND e.rate <> e.rate_before THEN 'rate of an order has changed'
		            ELSE 'entries of an order are not in the order of their recording' END,
		       e.customer::text, e.order_key::text,
		       format('revision %%s (entry %%s): amount %%s by %%s, points %%s by %%s', e.revision, e.entry, e.amount,
		              e.amount_change, e.order_points, e.points_change)
		  FROM (SELECT x.*, row_number() OVER w AS n, lag(x.amount, 1, 0::numeric) OVER w AS amount_before,
		               lag(x.order_points, 1, 0::numeric) OVER w AS points_before, lag(x.counts::int, 1, 0) OVER w AS counts_before,
		               lag(x.currency) OVER w AS currency_before, lag(x.rate) OVER w AS rate_before,
		               lag(x.recorded_at) OVER w AS recorded_before, lag(x.at) OVER w AS at_before, lag(x.entry) OVER w AS entry_before,
		               first_value(x.terms) OVER s AS first_terms, first_value(x.tier) OVER s AS first_tier,
		               first_value(x.multiplier) OVER s AS first_multiplier, first_value(x.joined_at) OVER s AS first_joined_at,
		               first_value(x.moved) OVER s AS first_moved
		          FROM (SELECT b.*, count(*) FILTER (WHERE b.begins) OVER (PARTITION BY b.customer, b.tracked_table, b.order_key ORDER BY b.revision) AS stretch
		          FROM (SELECT y.*, y.moved AND y.terms <> lag(y.terms) OVER o AND NOT lag(y.counts) OVER o AS begins
		          FROM (SELECT customer, tracked_table, order_key, revision, entry, terms, at, recorded_at, counts, amount, order_points, awards,
		                       amount_change, points_change, orders_change, multiplier, tier, currency, rate, joined_at, moved FROM %1$I.ledger
		                UNION ALL
		                SELECT customer, tracked_table, order_key, revision, entry, terms, at, recorded_at, counts, amount, order_points, awards,
		                       amount_change, points_change, orders_change, multiplier, tier, currency, rate, joined_at, moved FROM %1$I.unposted) y
		        WINDOW o AS (PARTITION BY y.customer, y.tracked_table, y.order_key ORDER BY y.revision)) b) x
		        WINDOW w AS (PARTITION BY x.customer, x.tracked_table, x.order_key ORDER BY x.revision),
		               s AS (PARTITION BY x.customer, x.tracked_table, x.order_key, x.stretch ORDER BY x.revision)) e
		 WHERE e.revision <> e.n OR e.amount_change <> e.amount - e.amount_before
		    OR e.points_change <> e.order_points - e.points_before OR e.orders_change <> e.counts::int - e.counts_before
		    OR (NOT e.counts AND (e.amount <> 0 OR e.awards <> 0))
		    OR e.terms <> e.first_terms OR e.multiplier <> e.first_multiplier OR e.tier IS DISTINCT FROM e.first_tier
		    OR e.joined_at IS DISTINCT FROM e.first_joined_at OR e.moved <> e.first_moved
		    OR (e.currency = e.currency_before AND e.rate <> e.rate_before)
		    OR (e.recorded_at, e.at) < (e.recorded_before, e.at_before) OR e.entry <= e.entry_before
		$sql$, program);

	-- points = awards times multiplier, rounded as the terms say
	RETURN QUERY EXECUTE format($sql$
		SELECT 'points are not awards times multiplier'::text, e.customer::text, e.order_key::text,
		       format('%%s * %%s gives %%s', e.awards, e.multiplier, e.order_points)
		  FROM (SELECT customer, order_key, terms, awards, multiplier, order_points FROM %1$I.ledger
		        UNION ALL SELECT customer, order_key, terms, awards, multiplier, order_points FROM %1$I.unposted) e
		  JOIN %1$I.terms t ON t.version = e.terms
		  CROSS JOIN LATERAL (SELECT abs(e.awards * e.multiplier) * 10::numeric ^ t.points_scale AS units) u
		 WHERE abs(e.order_points) * 10::numeric ^ t.points_scale <>
		       CASE t.rounding
		       WHEN 'floor' THEN floor(u.units)
		       WHEN 'ceil' THEN ceil(u.units)
		       WHEN 'half_up' THEN floor(u.units + 0.5)
		       ELSE CASE WHEN u.units - floor(u.units) = 0.5 THEN 2 * round(floor(u.units + 0.5) / 2 - 0.25)
		                 ELSE floor(u.units + 0.5) END
		       END
		    OR sign(e.order_points) * sign(e.awards) < 0
		$sql$, program);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_entries(name) IS 'entries that do not follow from each other, or from what they say themselves';

-- Entries that the fold leaves out, and those that posting could not write.
CREATE FUNCTION _loyalty.verify_left_out(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_nestloop = off
AS $$
DECLARE
	eq text;
BEGIN
	eq := _loyalty.customer_equality(program);
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entry does not count'::text, j.customer::text, j.order_key::text,
		       format('revision %%s: %%s', j.revision,
		              coalesce((SELECT a.error FROM %1$I.set_aside a
		                         WHERE a.customer %2$s j.customer AND a.order_key = j.order_key AND a.revision = j.revision),
		                       'it overflows, or an earlier entry of its order is missing'))
		  FROM %1$I.journal j
		 WHERE NOT EXISTS (SELECT FROM %1$I.unposted u
		                    WHERE u.customer %2$s j.customer AND u.tracked_table = j.tracked_table
		                      AND u.order_key = j.order_key AND u.revision = j.revision)
		UNION ALL
		SELECT 'entries of a customer cannot be posted', customer::text, NULL, error
		  FROM %1$I.set_aside WHERE order_key IS NULL
		$sql$, program, eq);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_left_out(name) IS
'part of loyalty.verify: entries that do not count, and customers whose entries cannot be posted';

-- Posted totals against the posted entries.
CREATE FUNCTION _loyalty.verify_accounts(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text;
BEGIN
	eq := _loyalty.customer_equality(program);
	-- posted state is the fold of the ledger
	RETURN QUERY EXECUTE format($sql$
		SELECT 'account is not the fold of its ledger'::text, coalesce(a.customer, l.customer)::text, NULL::text,
		       format('account %%s, ledger %%s', a, l)
		  FROM (SELECT customer, entries, entries AS last_entry, spend, orders::numeric AS orders, points, points_earned,
		               first_order_at, last_order_at FROM %1$I.account) a
		  FULL JOIN (SELECT s.customer, s.entries, s.last_entry, s.spend, s.orders::numeric AS orders, s.points,
		                    s.points AS points_earned, o.first_order_at, o.last_order_at
		               FROM (SELECT customer, count(*) AS entries, max(entry) AS last_entry, sum(amount_change) AS spend,
		                            sum(orders_change) AS orders, sum(points_change) AS points
		                       FROM %1$I.ledger GROUP BY customer) s
		               LEFT JOIN (SELECT customer, min(at) AS first_order_at, max(at) AS last_order_at
		                            FROM (SELECT DISTINCT ON (customer, tracked_table, order_key) customer, at, counts
		                                    FROM %1$I.ledger ORDER BY customer, tracked_table, order_key, revision DESC) x
		                           WHERE counts GROUP BY customer) o ON o.customer %2$s s.customer) l
		    ON l.customer %2$s a.customer
		 WHERE CASE WHEN l.customer IS NULL THEN a.entries <> 0 OR a.spend <> 0 OR a.orders <> 0 OR a.points <> 0
		                                         OR a.points_earned <> 0 OR a.first_order_at IS NOT NULL OR a.last_order_at IS NOT NULL
		            ELSE a IS DISTINCT FROM l END
		$sql$, program, eq);
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entry numbers of a customer are not unique'::text, customer::text, NULL::text, format('number %%s', entry)
		  FROM %1$I.ledger GROUP BY customer, entry HAVING count(*) > 1
		$sql$, program);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_accounts(name) IS 'accounts that are not the fold of their ledger';

-- One part of what verify() does, a call of a function of this schema.  If it fails,
-- another is made instead; if there is none, or it fails as well, that is told, and
-- the other parts are verified nevertheless.
-- Refunds that name no order that was ever there.  They apply when it comes.
CREATE FUNCTION _loyalty.verify_refunds(program name, tracked_table int)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	orders regclass := _loyalty.view_of(program, 'orders', tracked_table);
	o record;
	k record;
	part record;
BEGIN
	SELECT * INTO o FROM _loyalty.view_expression(orders, NULL, 'key', false);
	FOR part IN EXECUTE format('SELECT s.tracked_table, s.relation FROM %I.tracked_table s WHERE s.of_tracked_table = $1 AND s.active AND s.kind = ''refunds'' ORDER BY 1', program)
		USING tracked_table
	LOOP
		SELECT * INTO k FROM _loyalty.view_expression(_loyalty.view_of(program, 'refunds', part.tracked_table), NULL, 'key', false);
		RETURN QUERY EXECUTE format($sql$
			SELECT 'refund of an unknown order'::text, NULL::text, min(p.order_key),
			       format('table %%s has %%s of them; they apply when their orders come', $2, count(*))
			  FROM %1$s p
			 WHERE p.counts AND p.order_key IS NOT NULL
			   AND NOT EXISTS (SELECT FROM %2$s v WHERE %3$s)
			   AND NOT EXISTS (SELECT FROM %4$I.archived a WHERE a.tracked_table = $1 AND %5$s)
			   AND NOT EXISTS (SELECT FROM %4$I.recorded_orders r WHERE r.tracked_table = $1 AND %6$s)
			HAVING count(*) > 0
			$sql$, _loyalty.view_of(program, 'refunds', part.tracked_table), orders,
			_loyalty.same_key('p.key', k.type, k.collation, 'v.key', o.type, o.collation), program,
			_loyalty.same_key('p.key', k.type, k.collation, _loyalty.key_of_text('a.order_key', o.type, o.collation), o.type, o.collation),
			-- what is recorded may be from before a change of the key's type
			CASE WHEN o.type = ANY ('{smallint,integer,bigint,uuid,text,varchar}'::regtype[]) THEN 'r.order_key = p.order_key'
			     ELSE _loyalty.same_key('p.key', k.type, k.collation, _loyalty.key_of_text('r.order_key', o.type, o.collation), o.type, o.collation) END)
			USING tracked_table, part.relation;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_refunds(name, int) IS 'refunds of orders that are neither there nor archived, and were never recorded';

CREATE FUNCTION _loyalty.verify_part(part text, otherwise text DEFAULT NULL)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- a function in FROM has returned all it returns before the first row is seen
	RETURN QUERY EXECUTE 'SELECT * FROM _loyalty.' || part;
EXCEPTION WHEN OTHERS THEN
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	IF otherwise IS NULL THEN
		RETURN QUERY SELECT 'part of the program cannot be verified'::text, NULL::text, NULL::text,
			format('%s: %s', split_part(part, '(', 1), SQLERRM);
	ELSE
		RETURN QUERY SELECT * FROM _loyalty.verify_part(otherwise);
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_part(text, text) IS 'a part of verify(), or what is to be called if it fails, or a row that says so';

-- What helps if the view of a table of orders under some terms is lost: to correct the first
-- rule that names what is gone, or else to track the table again.
CREATE FUNCTION _loyalty.how_to_mend(program name, tracked_table int, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	again text;
	advice text;
	why text;
BEGIN
	-- a correction makes the view, if another tells what the table means
	again := CASE WHEN _loyalty.lacks_view(program, tracked_table, _loyalty.terms_with_view(program, tracked_table, terms))
	                   OR _loyalty.terms_with_view(program, tracked_table, terms) IS NULL THEN _loyalty.track_again(program, tracked_table)
	         ELSE format('call loyalty.reconcile(%L)', program) END;
	BEGIN
		EXECUTE format('SELECT count(_loyalty.award_of_terms($1, $2, r.version, r.name, r.points, r.applies_when, r.per)) FROM %I.terms_rule r WHERE r.version = $3', program)
			USING program, tracked_table, terms;
	EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
		GET STACKED DIAGNOSTICS advice = PG_EXCEPTION_HINT, why = PG_EXCEPTION_DETAIL;
		again := CASE WHEN SQLSTATE = '42501' THEN SQLERRM
		         ELSE concat(SQLERRM, ': ', rtrim(why, '.'), '; ', lower(left(advice, 1)), rtrim(substr(advice, 2), '.'), '; then ', again) END;
	END;
	RETURN CASE WHEN advice IS NULL THEN _loyalty.track_again(program, tracked_table) ELSE again END;
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend(name, int, int) IS
'what to do if the view of a table of orders under some terms is lost';

-- The same for tiers, whose view is lost.
CREATE FUNCTION _loyalty.how_to_mend_tiers(program name, terms int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN EXECUTE format('SELECT name, qualifies FROM %I.terms_tier WHERE version = $1 ORDER BY rank', program) USING terms
	LOOP
		PERFORM _loyalty.parse_tier(program, t.name, t.qualifies, 'pg_catalog, pg_temp', false);
	END LOOP;
	RETURN format('UPDATE %I.terms_tier SET qualifies = qualifies WHERE version = %s', program, terms);
EXCEPTION WHEN syntax_error_or_access_rule_violation THEN
	RETURN format('the condition of the tier "%s" does not hold: %s; correct it: UPDATE %I.terms_tier SET qualifies = ''...'' WHERE version = %s AND name = %L',
	              t.name, SQLERRM, program, terms, t.name);
END
$$;
COMMENT ON FUNCTION _loyalty.how_to_mend_tiers(name, int) IS 'what to do if the view of the tiers of some terms is lost';

-- The views of a table of orders among themselves: each version of the terms that orders
-- are recorded under has one, and that of the orders there are means the same orders.
CREATE FUNCTION _loyalty.verify_views(program name, tracked_table int)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT 'tracked table has no view'::text, NULL::text, NULL::text,
		       format('orders of table %%s under terms %%s; %%s', s.relation, r.terms, _loyalty.how_to_mend($1, $2, r.terms))
		  FROM %1$I.tracked_table s JOIN (SELECT DISTINCT x.tracked_table, x.terms FROM %1$I.recorded_orders x) r ON r.tracked_table = s.tracked_table
		 WHERE s.tracked_table = $2 AND _loyalty.view_of($1, 'orders', $2, r.terms) IS NULL
		UNION ALL
		SELECT 'tracked table has no view', NULL, NULL,
		       format('archived orders of table %%s; %%s', s.relation, _loyalty.track_again($1, $2))
		  FROM %1$I.tracked_table s
		 WHERE s.tracked_table = $2 AND _loyalty.view_of($1, 'archived', $2) IS NULL
		   AND EXISTS (SELECT FROM %1$I.tracked_table p WHERE p.of_tracked_table = $2 AND p.kind = 'refunds' AND p.active)
		$sql$, program) USING program, tracked_table;
	RETURN QUERY EXECUTE format($sql$
		SELECT 'views of a tracked table differ'::text, NULL::text, NULL::text,
		       format('orders of table %%s; %%s', s.relation, _loyalty.track_again($1, $2))
		  FROM %1$I.tracked_table s CROSS JOIN %1$I.program p
		 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'orders', $2), NULL, 'customer', false) a
		 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'orders', $2), NULL, 'key', false) b
		 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'orders', $2, p.terms), 'said', 'customer', false) c
		 CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of($1, 'orders', $2, p.terms), NULL, 'key', false) d
		 WHERE s.tracked_table = $2 AND (a.expression, b.expression) IS DISTINCT FROM (c.expression, d.expression)
		$sql$, program) USING program, tracked_table;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_views(name, int) IS
'views of a table of orders that are missing, or do not mean the same orders';

-- Recomputes everything in plain SQL from the tracked tables and the entries.
-- Shares no code with recording and posting: expressions run as SQL text in the
-- planner's own queries, multipliers are looked up by set-based windows.
-- A function that an expression calls was not volatile when the expression was written, but
-- may have been replaced by one that is.  Orders go on being recorded by it.
CREATE FUNCTION _loyalty.verify_volatility(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'expression calls a volatile function', NULL, NULL,
	       format('%s, in %s; declare it STABLE or IMMUTABLE, or change the expression', p.oid::regprocedure,
	              string_agg(DISTINCT 'view ' || c.relname, ', ' ORDER BY 'view ' || c.relname))
	  FROM pg_namespace n
	  JOIN pg_class c ON c.relnamespace = n.oid AND c.relkind = 'v' AND (_loyalty.is_definition(c.relname) OR c.relname = 'customer')
	  JOIN pg_rewrite w ON w.ev_class = c.oid
	  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
	  LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
	  JOIN pg_proc p ON p.oid = coalesce(o.oprcode, d.refobjid) AND p.provolatile = 'v' AND p.pronamespace <> '_loyalty'::regnamespace
	 WHERE n.nspname = program
	 GROUP BY p.oid
$$;
COMMENT ON FUNCTION _loyalty.verify_volatility(name) IS 'functions that expressions call and that became volatile after these were written';

CREATE FUNCTION _loyalty.verify_program(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
SET enable_nestloop = off	-- everything is recomputed: a bad guess would be quadratic
AS $$
DECLARE
	s record;
	v_terms int;
	part record;
	lacking boolean;
	missing text[];
	tiers_lost int[];
BEGIN
	PERFORM _loyalty.require_program(program);
	-- a view goes if the customer table was dropped with CASCADE
	SELECT coalesce(array_agg(x.r ORDER BY x.n), '{}') INTO missing
	  FROM (SELECT t.object::text, t.ordinal FROM _loyalty.templates() t WHERE t.kind IN ('table', 'view')
	        UNION ALL SELECT 'customer', 0) x (r, n)
	 WHERE to_regclass(format('%I.%I', program, x.r)) IS NULL;
	RETURN QUERY
	SELECT 'relation of the program is missing'::text, NULL::text, NULL::text,
	       format('%I.%I; ', program, r)
	       || CASE WHEN r IN ('customer', 'members', 'former_members') THEN format('UPDATE %I.program SET customers = ''...'', customer_key = ''...'', joined_at = ''...'', which makes it', program)
	          ELSE format('nothing else can be verified without it; SELECT loyalty.upgrade_program(%L) makes it', program) END
	  FROM unnest(missing) r;
	IF NOT missing <@ '{customer,members}' THEN
		RETURN;
	END IF;

	-- the triggers that keep the program's own tables
	RETURN QUERY
	SELECT 'trigger missing or disabled'::text, NULL::text, NULL::text, format('%s of %I.%I', t.trigger, program, t.relation)
	  FROM (SELECT x.object, x.name, x.ordinal FROM _loyalty.templates() x WHERE x.kind = 'trigger') t (relation, trigger, place)
	 WHERE NOT EXISTS (SELECT FROM pg_trigger g
	                    WHERE g.tgrelid = to_regclass(format('%I.%I', program, t.relation))
	                      AND g.tgname = t.trigger AND g.tgenabled IN ('O', 'A'))
	 ORDER BY t.place;

	-- the columns that recording and posting write by their place
	RETURN QUERY
	SELECT 'table of the program is not laid out as it must be'::text, NULL::text, NULL::text, format('%I.%I needs the column %I', program, t.relation, c.name)
	  FROM (VALUES ('journal'), ('ledger')) t (relation)
	 CROSS JOIN LATERAL _loyalty.template_columns(t.relation) c
	 WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.%I', program, t.relation))
	                                                AND a.attnum = c.n AND a.attname = c.name AND NOT a.attisdropped);
	IF FOUND THEN
		RETURN;
	END IF;

	-- what was made while event triggers were disabled
	RETURN QUERY
	SELECT 'table of the program has what cannot be honoured'::text, NULL::text, NULL::text,
	       format('%I.%I has %s', program, r, _loyalty.cannot_be_kept(to_regclass(format('%I.%I', program, r))))
	  FROM unnest('{journal,ledger,account}'::text[]) r
	 WHERE _loyalty.cannot_be_kept(to_regclass(format('%I.%I', program, r))) IS NOT NULL;

	-- the terms in force are those that rules, tiers and settings say
	RETURN QUERY EXECUTE format($sql$
		SELECT 'terms in force are not those configured'::text, NULL::text, NULL::text,
		       format('terms %%s; UPDATE %%I.earning_rule SET name = name, which makes new terms of what is configured', p.terms, $1)
		  FROM %1$I.program p
		 WHERE p.terms IS DISTINCT FROM (SELECT max(version) FROM %1$I.terms)
		    OR NOT EXISTS (SELECT FROM %1$I.terms t WHERE t.version = p.terms AND t.points_scale = p.points_scale
		                                              AND t.rounding = p.rounding AND t.time_zone = p.time_zone)
		    OR EXISTS ((SELECT name, points, applies_when, per FROM %1$I.earning_rule
		                EXCEPT SELECT name, points, applies_when, per FROM %1$I.terms_rule r WHERE r.version = p.terms)
		               UNION ALL
		               (SELECT name, points, applies_when, per FROM %1$I.terms_rule r WHERE r.version = p.terms
		                EXCEPT SELECT name, points, applies_when, per FROM %1$I.earning_rule))
		    OR EXISTS ((SELECT name, rank, qualifies, multiplier FROM %1$I.tier
		                EXCEPT SELECT name, rank, qualifies, multiplier FROM %1$I.terms_tier r WHERE r.version = p.terms)
		               UNION ALL
		               (SELECT name, rank, qualifies, multiplier FROM %1$I.terms_tier r WHERE r.version = p.terms
		                EXCEPT SELECT name, rank, qualifies, multiplier FROM %1$I.tier))
		$sql$, program) USING program;
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entries have terms that do not exist'::text, e.customer::text, e.order_key::text, format('terms %%s', e.terms)
		  FROM (SELECT customer, order_key, terms FROM %1$I.ledger
		        UNION ALL SELECT customer, order_key, terms FROM %1$I.journal) e
		 WHERE NOT EXISTS (SELECT FROM %1$I.terms t WHERE t.version = e.terms)
		$sql$, program);
	IF FOUND THEN
		RETURN;		-- nothing of the rest can be computed
	END IF;
	EXECUTE format('SELECT coalesce(array_agg(DISTINCT version), ''{}'') FROM %I.terms_tier WHERE _loyalty.view_of($1, ''tiers'', version) IS NULL', program)
	   INTO tiers_lost USING program;
	RETURN QUERY
	SELECT 'tiers have no view'::text, NULL::text, NULL::text, format('terms %s; %s, which makes it', t, _loyalty.how_to_mend_tiers(program, t))
	  FROM unnest(tiers_lost) t;
	RETURN QUERY EXECUTE format($sql$
		SELECT 'entries have a tracked table that does not exist'::text, NULL::text, NULL::text, format('tracked table %%s: %%s entries', e.tracked_table, count(*))
		  FROM (SELECT tracked_table FROM %1$I.ledger UNION ALL SELECT tracked_table FROM %1$I.journal) e
		 WHERE NOT EXISTS (SELECT FROM %1$I.tracked_table s WHERE s.tracked_table = e.tracked_table)
		 GROUP BY e.tracked_table
		$sql$, program);

	RETURN QUERY SELECT * FROM _loyalty.verify_volatility(program);
	-- entries that are not posted cannot be read without the tiers that they earn by
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(format('verify_left_out(%L)', program)) v WHERE tiers_lost = '{}';

	FOR s IN EXECUTE format('SELECT s.*, p.terms AS newest FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE s.active AND s.kind IN (''orders'', ''credits'') ORDER BY s.tracked_table', program)
	LOOP
		-- every tracked table has its triggers, enabled, on every partition, and its view
		lacking := false;
		FOR part IN EXECUTE format('SELECT s.tracked_table, s.relation, s.kind, s.definition FROM %1$I.tracked_table s WHERE s.active AND $1 IN (s.tracked_table, s.of_tracked_table) ORDER BY s.tracked_table', program)
			USING s.tracked_table
		LOOP
			IF NOT EXISTS (SELECT FROM pg_class WHERE oid = part.relation) THEN
				RETURN QUERY SELECT 'tracked table does not exist'::text, NULL::text, NULL::text,
					format('%1$s of tracked table %2$s, was relation %3$s; if another table took its place: UPDATE %4$I.tracked_table SET relation = ''...'' WHERE tracked_table = %2$s; else call loyalty.untrack(%5$L, %3$s)',
					       part.kind, part.tracked_table, part.relation::oid, program, program);
				lacking := true;
				CONTINUE;
			END IF;
			IF _loyalty.view_of(program, part.kind, part.tracked_table) IS NULL
			   OR (part.tracked_table = s.tracked_table AND _loyalty.view_of(program, part.kind, part.tracked_table, s.newest) IS NULL) THEN
				RETURN QUERY SELECT CASE WHEN part.definition IS NULL THEN 'tracked table has no view' ELSE 'tracked table is paused' END::text, NULL::text, NULL::text,
					format('%s of table %s; %s', part.kind, part.relation,
					       CASE WHEN part.definition IS NOT NULL THEN format('call loyalty.resume(%L, %L)', program, s.relation::text)
					            WHEN part.tracked_table = s.tracked_table THEN _loyalty.how_to_mend(program, s.tracked_table, s.newest)
					            ELSE _loyalty.track_again(program, s.tracked_table) END);
				lacking := true;
			END IF;
			RETURN QUERY
			SELECT 'table is part of one that is not tracked'::text, NULL::text, NULL::text, format('%s of %s', o.child, o.parent)
			  FROM _loyalty.outside_parents(part.relation) o;
			RETURN QUERY
			SELECT 'trigger missing or disabled'::text, NULL::text, NULL::text, format('%s of %s', e.event, r.rel)
			  FROM _loyalty.descendants(part.relation) AS r (rel)
			 CROSS JOIN (VALUES ('insert', 4), ('delete', 8), ('update', 16), ('truncate', 32)) e (event, bit)
			 WHERE NOT EXISTS (SELECT FROM _loyalty.tracked_table_triggers(program, part.tracked_table) t
			                     JOIN pg_trigger g ON g.tgrelid = t.relation AND g.tgname = t.trigger
			                    WHERE t.relation = r.rel AND t.enabled IN ('O', 'A') AND g.tgtype & e.bit <> 0);
		END LOOP;
		CONTINUE WHEN lacking;
		RETURN QUERY SELECT * FROM _loyalty.verify_views(program, s.tracked_table);
		CONTINUE WHEN FOUND;

		-- if an expression fails for some order, the others are verified without it
		RETURN QUERY SELECT * FROM _loyalty.verify_part(format('verify_orders(%L, %s, NULL, NULL)', program, s.tracked_table),
		                                               format('verify_failing_orders(%L, %s)', program, s.tracked_table));
		RETURN QUERY SELECT * FROM _loyalty.verify_part(format('verify_refunds(%L, %s)', program, s.tracked_table));
	END LOOP;

	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(format('verify_entries(%L)', program)) v WHERE tiers_lost = '{}';

	-- the multiplier is that of the tier held just before the order
	FOR v_terms IN SELECT t FROM _loyalty.terms_of(program, 0) t WHERE tiers_lost = '{}'
	LOOP
		RETURN QUERY SELECT * FROM _loyalty.verify_part(format('verify_tiers(%L, %s, false)', program, v_terms),
		                                               format('verify_tiers(%L, %s, true)', program, v_terms));
	END LOOP;

	RETURN QUERY SELECT * FROM _loyalty.verify_part(format('verify_accounts(%L)', program));
	RETURN QUERY SELECT * FROM _loyalty.verify_part(format('verify_times(%L)', program));
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(format('verify_customers(%L)', program)) v WHERE missing = '{}';
	RETURN QUERY SELECT v.* FROM _loyalty.verify_part(format('verify_members(%L, false)', program),
	                                                 format('verify_members(%L, true)', program)) v WHERE missing = '{}' AND tiers_lost = '{}';
END
$$;
COMMENT ON FUNCTION _loyalty.verify_program(name) IS
'what loyalty.verify does, with the rights of the caller';

-- As the owner of the program, whose expressions it evaluates.
CREATE FUNCTION loyalty.verify(program name)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE c STABLE
AS 'MODULE_PATHNAME', 'loyalty_verify';
COMMENT ON FUNCTION loyalty.verify(name) IS
'recompute a program from its tracked tables and entries; one row per violation, none on a healthy program';

CREATE FUNCTION _loyalty.terms_of(program name, since int)
RETURNS SETOF int
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT version FROM %I.terms WHERE version >= $1 ORDER BY version', program) USING since;
END
$$;
COMMENT ON FUNCTION _loyalty.terms_of(name, int) IS 'versions of the terms of a program, from one on';

-- Tenure for verify(), from calendar fields: a month that is not complete lends
-- its days from the month of the earlier date, as age() does.  As SQL for FROM,
-- since a function call per entry would be slow.
CREATE FUNCTION _loyalty.tenure_sql(joined text, at text, time_zone text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		(SELECT CASE WHEN NOT isfinite(%1$s) OR NOT isfinite(%2$s) OR %1$s IS NULL THEN NULL
		             WHEN to_day >= from_day THEN make_interval(months => months, days => least(days, 29))
		             ELSE make_interval(months => -months, days => -days) END AS tenure
		   FROM (SELECT (CASE WHEN isfinite(%1$s) THEN %1$s ELSE %2$s END AT TIME ZONE %3$s)::date AS from_day,
		                (%2$s AT TIME ZONE %3$s)::date AS to_day) d
		  CROSS JOIN LATERAL (SELECT least(from_day, to_day)::timestamp AS e, greatest(from_day, to_day)::timestamp AS l) o
		  CROSS JOIN LATERAL (
		       -- there is no year 0: the one before 1 is -1
		       SELECT ((extract(year FROM l) + (extract(year FROM l) < 0)::int) * 12 + extract(month FROM l)
		               - (extract(year FROM e) + (extract(year FROM e) < 0)::int) * 12 - extract(month FROM e))::int AS whole,
		              (extract(day FROM l) - extract(day FROM e))::int AS left_over) m
		  CROSS JOIN LATERAL (
		       SELECT whole - (left_over < 0)::int AS months,
		              CASE WHEN left_over < 0
		                   THEN left_over + extract(day FROM date_trunc('month', e) + interval '1 month' - interval '1 day')::int
		                   ELSE left_over END AS days) f) $sql$, joined, at, time_zone)
$$;
COMMENT ON FUNCTION _loyalty.tenure_sql(text, text, text) IS
'tenure as verify() computes it, independently of _loyalty.tenure: a subquery for FROM over expressions of joined, at and time zone';
