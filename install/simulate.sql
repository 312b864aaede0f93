-- What other rules would have given ----------------------------------------------------
--
-- All orders as they stand now are folded once more, by the fold that reads and posts them, as if they had been recorded in
-- the order of their times under other terms, those that rules which were edited in this transaction have made.  Nothing is written.

CREATE TYPE _loyalty.simulated_order AS (
	terms int,
	tracked_table int,
	order_key text,
	at timestamptz,
	amount numeric,
	awards numeric,
	parts numeric[],
	available_at timestamptz,
	joined_at timestamptz,
	event text
);
COMMENT ON TYPE _loyalty.simulated_order IS 'an order that is folded as if it was recorded now: what _loyalty.fold_orders takes';

CREATE FUNCTION _loyalty.fold_orders(settings regclass, orders _loyalty.simulated_order[], OUT at timestamptz, OUT tier text, OUT points numeric, OUT is_order boolean)
RETURNS SETOF record
LANGUAGE c STABLE STRICT PARALLEL UNSAFE COST 1000 ROWS 20
AS 'MODULE_PATHNAME', 'loyalty_fold_orders';
COMMENT ON FUNCTION _loyalty.fold_orders(regclass, _loyalty.simulated_order[]) IS
'the points of the orders and events of a customer, the tiers that they are multiplied by, and which are orders, if they are recorded one after the other for an account that is empty';

-- The rows that a view of a table of orders has for some keys, as SQL: each is looked up on its own, so that no other
-- order, and none of its lines and refunds, is computed.
CREATE FUNCTION _loyalty.orders_of_keys_sql(view regclass, keys text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT o.* FROM unnest(%s) AS asked (key) CROSS JOIN LATERAL (SELECT v.* FROM %s v WHERE v.key %s (asked.key::%s) AND v.order_key = asked.key COLLATE "C" OFFSET 0) o',
	              keys, view, _loyalty.key_equality(k.type, k.type), format_type(k.type, -1))
	  FROM _loyalty.view_expression(view, NULL, 'key', false) k
$$;
COMMENT ON FUNCTION _loyalty.orders_of_keys_sql(regclass, text) IS 'the rows that a view of orders has for keys, an array as SQL, each looked up on its own, as SQL';

-- The keys of all orders of a table but those for which an expression fails under a version of the terms, of which a warning tells.
CREATE FUNCTION _loyalty.computable_orders(program name, tracked_table int, terms int)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	archived CONSTANT regclass := _loyalty.view_of(program, 'archived', tracked_table);
	relation regclass;
	query text;
	keys text[];
	good text[] := '{}';
	failing text[];
	failed bigint := 0;
	example text;
	why record;
BEGIN
	query := format('SELECT count(x.customer), count(x.at), count(x.amount), count(x.awards), count(x.parts), count(x.available_at) FROM (%s) x',
	                _loyalty.orders_of_keys_sql(_loyalty.view_of(program, 'orders', tracked_table, terms), '$3'));
	IF archived IS NOT NULL THEN
		query := format('SELECT y.*, z.* FROM (%s) y CROSS JOIN (SELECT count(x.customer), count(x.at), count(x.amount), count(x.awards), count(x.parts) FROM (%s) x) z',
		                query, _loyalty.orders_of_keys_sql(archived, '$3'));
	END IF;
	FOR keys IN EXECUTE format('SELECT array_agg(k.order_key ORDER BY k.n)
	                              FROM (SELECT d.order_key, row_number() OVER (ORDER BY d.order_key) AS n
	                                      FROM (SELECT v.order_key FROM %2$s v WHERE v.order_key IS NOT NULL
	                                            UNION SELECT a.order_key FROM %1$I.archived a WHERE a.tracked_table = %3$s) d) k
	                             GROUP BY k.n / 1000 ORDER BY k.n / 1000', program, _loyalty.view_of(program, 'orders', tracked_table), tracked_table)
	LOOP
		failing := ARRAY(SELECT f.order_key FROM _loyalty.failing_orders(query, keys, tracked_table, terms) f);
		example := coalesce(example, failing[1]);
		failed := failed + cardinality(failing);
		good := good || ARRAY(SELECT k FROM unnest(keys) k WHERE k <> ALL (failing));
	END LOOP;
	IF failed > 0 THEN
		EXECUTE format('SELECT t.relation FROM %I.tracked_table t WHERE t.tracked_table = $1', program) INTO relation USING tracked_table;
		SELECT * INTO why FROM _loyalty.failing_part(program, tracked_table, terms, example);
		RAISE WARNING 'simulate leaves out % of table "%", for which an expression fails', CASE failed WHEN 1 THEN 'one order' ELSE failed || ' orders' END, relation
			USING ERRCODE = 'data_exception',
			      DETAIL = format('The first is the order "%s", under version %s of the terms: %s failed%s', example, terms, coalesce(why.part, 'an expression'), coalesce(': ' || why.error, '.')),
			      HINT = 'Correct the orders, or what is said of them, to have them simulated.';
	END IF;
	RETURN good;
END
$$;
COMMENT ON FUNCTION _loyalty.computable_orders(name, int, int) IS 'the keys of the orders of a table but those for which an expression fails under a version of the terms; a warning tells of these';

-- The orders of a table as they stand, under a version of the terms.  One that has left its table is worth what it was.
-- If they are asked for one by one, those are left out for which an expression fails.
CREATE FUNCTION _loyalty.simulated_orders_sql(program name, tracked_table int, terms int, one_by_one boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq CONSTANT text := _loyalty.customer_equality(program);
	view CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table, terms);
	archived CONSTANT regclass := _loyalty.view_of(program, 'archived', tracked_table);
	orders text := view::text;
	archived_orders text := coalesce(archived::text, format('%I.archived', program));
	keys text;
	event text;
	result text;
BEGIN
	PERFORM _loyalty.require_views(program, tracked_table, terms);
	PERFORM _loyalty.require_own_view(view);
	EXECUTE format('SELECT s.event FROM %I.tracked_table s WHERE s.tracked_table = $1', program) INTO event USING tracked_table;
	IF one_by_one THEN
		keys := format('%L::text[]', _loyalty.computable_orders(program, tracked_table, terms));
		orders := format('(%s)', _loyalty.orders_of_keys_sql(view, keys));
		archived_orders := CASE WHEN archived IS NULL THEN archived_orders ELSE format('(%s)', _loyalty.orders_of_keys_sql(archived, keys)) END;
	END IF;
	result := format('SELECT v.customer, ROW(%s, %s, v.order_key, v.at, v.amount, v.awards, v.parts, v.available_at, c.joined_at, %L)::_loyalty.simulated_order AS made
	                    FROM %s v LEFT JOIN %I.customer c ON c.customer %s v.customer
	                   -- what recording refuses, or leaves out
	                   WHERE v.counts AND v.customer IS NOT NULL AND isfinite(v.at) AND abs(v.amount) < 1e20 AND abs(v.awards) < 1e20
	                     AND NOT EXISTS (SELECT FROM unnest(v.parts) p (part) WHERE NOT abs(p.part) < 1e20)',
	                 terms, tracked_table, event, orders, program, eq);
	RETURN result || format(' UNION ALL SELECT v.customer, ROW(coalesce(a.terms, %s), %s, v.order_key, v.at, v.amount, v.awards, v.parts, v.available_at, c.joined_at, %7$L)::_loyalty.simulated_order
	                            FROM %3$s v JOIN %5$I.archived a ON a.tracked_table = %2$s AND a.order_key = v.order_key LEFT JOIN %5$I.customer c ON c.customer %4$s v.customer WHERE %6$s',
	                        terms, tracked_table, archived_orders, eq, program,
	                        CASE WHEN archived IS NULL THEN format('v.tracked_table = %s', tracked_table) ELSE 'v.counts' END, event);
END
$$;
COMMENT ON FUNCTION _loyalty.simulated_orders_sql(name, int, int, boolean) IS 'the orders of a tracked table as they are under a version of the terms, as SQL for loyalty.simulate';

-- The tables of orders that can be asked; those that are paused, or lack a view, cannot.
CREATE FUNCTION _loyalty.simulated_tables(program name, versions int[])
RETURNS int[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result int[];
BEGIN
	EXECUTE format('SELECT coalesce(array_agg(t.tracked_table ORDER BY t.tracked_table), ''{}'') FROM %I.tracked_table t
	                 WHERE t.kind IN (''orders'', ''credits'', ''events'') AND t.active AND NOT EXISTS (SELECT FROM unnest($2) v WHERE _loyalty.lacks_view($1, t.tracked_table, v))', program)
	   INTO result USING program, versions;
	RETURN result;
END
$$;
COMMENT ON FUNCTION _loyalty.simulated_tables(name, int[]) IS 'the tracked tables of orders that have views under all of some versions of the terms';

-- Points by customer, tier and month of the program's time zone, as SQL over orders of some tables and times ($1, $2).
CREATE FUNCTION _loyalty.simulated_sql(program name, tables int[], terms int, one_by_one boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	orders text;
BEGIN
	orders := (SELECT string_agg(_loyalty.simulated_orders_sql(program, t, terms, one_by_one), ' UNION ALL ' ORDER BY t) FROM unnest(tables) t);
	RETURN format($sql$
		SELECT c.customer, f.tier, date_trunc('month', f.at AT TIME ZONE p.time_zone)::date AS month, count(*) FILTER (WHERE f.is_order) AS orders, sum(f.points) AS points
		  FROM (SELECT coalesce(m.survivor, o.customer) AS customer, array_agg(o.made ORDER BY (o.made).at, (o.made).tracked_table, (o.made).order_key) AS made
		          FROM (%1$s) o LEFT JOIN %2$I.merged m ON m.customer %3$s o.customer GROUP BY 1) c
		 CROSS JOIN %2$I.program p
		 CROSS JOIN LATERAL _loyalty.fold_orders(%4$L::regclass, c.made) f
		 WHERE f.at >= $1 AND f.at < $2
		 GROUP BY 1, 2, 3 $sql$,
		coalesce(orders, format('SELECT NULL::%s AS customer, NULL::_loyalty.simulated_order AS made WHERE false', _loyalty.customer_type(program))), program, _loyalty.customer_equality(program), format('%I.program', program));
END
$$;
COMMENT ON FUNCTION _loyalty.simulated_sql(name, int[], int, boolean) IS 'the points that a version of the terms gives, by customer, tier and month, as SQL';

-- The same of what is recorded.
CREATE FUNCTION _loyalty.recorded_sql(program name, tables int[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT coalesce(m.survivor, e.customer) AS customer, e.tier, date_trunc('month', e.at AT TIME ZONE p.time_zone)::date AS month, count(*) FILTER (WHERE e.event IS NULL) AS orders, sum(e.order_points) AS points
		  FROM (SELECT DISTINCT ON (x.customer, x.tracked_table, x.order_key) x.*
		          FROM (SELECT l.customer, l.tracked_table, l.order_key, l.revision, l.at, l.tier, l.order_points, l.counts, l.event FROM %1$I.ledger l
		                UNION ALL SELECT u.customer, u.tracked_table, u.order_key, u.revision, u.at, u.tier, u.order_points, u.counts, u.event FROM %1$I.unposted u) x
		         WHERE x.tracked_table = ANY (%3$L::int[])
		         ORDER BY x.customer, x.tracked_table, x.order_key, x.revision DESC) e
		 CROSS JOIN %1$I.program p
		  LEFT JOIN %1$I.merged m ON m.customer %2$s e.customer
		 WHERE e.counts AND e.at >= $1 AND e.at < $2
		 GROUP BY 1, 2, 3 $sql$, program, _loyalty.customer_equality(program), tables)
$$;
COMMENT ON FUNCTION _loyalty.recorded_sql(name, int[]) IS 'the points that are recorded, by customer, tier and month, as SQL';

-- Runs as the owner.
CREATE FUNCTION _loyalty.simulate_program(program name, since timestamptz, until timestamptz, compare_to int, one_by_one boolean)
RETURNS TABLE (customer text, tier text, month date, orders_before bigint, orders_after bigint, points_before numeric, points_after numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	terms int;
	known text;
	zone text;
	tables int[];
	eq CONSTANT text := _loyalty.customer_equality(program);
BEGIN
	EXECUTE format('SELECT p.terms, p.time_zone, (SELECT string_agg(t.version::text, '', '' ORDER BY t.version) FROM %1$I.terms t) FROM %1$I.program p', program) INTO terms, zone, known;
	-- as recording does, until the owner's rights end
	PERFORM set_config('timezone', zone, true);
	IF compare_to IS NOT NULL AND NOT compare_to = ANY (string_to_array(known, ', ')::int[]) THEN
		RAISE EXCEPTION 'loyalty program "%" has no terms %', program, compare_to
			USING ERRCODE = 'undefined_object', DETAIL = format('Its versions of the terms are %s.', known), HINT = 'Leave compare_to out to compare with what is recorded.';
	END IF;
	tables := _loyalty.simulated_tables(program, ARRAY[terms, coalesce(compare_to, terms)]);
	RETURN QUERY EXECUTE format('SELECT coalesce(a.customer, b.customer)::text, coalesce(a.tier, b.tier), coalesce(a.month, b.month), coalesce(b.orders, 0), coalesce(a.orders, 0), coalesce(b.points, 0), coalesce(a.points, 0)
	                               FROM (%s) a FULL JOIN (%s) b ON a.customer %s b.customer AND coalesce(a.tier, '''') = coalesce(b.tier, '''') AND (a.tier IS NULL) = (b.tier IS NULL) AND a.month = b.month',
	                            _loyalty.simulated_sql(program, tables, terms, one_by_one),
	                            CASE WHEN compare_to IS NULL THEN _loyalty.recorded_sql(program, tables) ELSE _loyalty.simulated_sql(program, tables, compare_to, one_by_one) END, eq)
		USING since, until;
END
$$;
COMMENT ON FUNCTION _loyalty.simulate_program(name, timestamptz, timestamptz, int, boolean) IS
'what loyalty.simulate does, with the rights of the owner of the program, of all orders at once, or one by one without those that fail';

CREATE FUNCTION loyalty.simulate(
	program name,
	since timestamptz DEFAULT '-infinity',
	until timestamptz DEFAULT 'infinity',
	compare_to int DEFAULT NULL)
RETURNS TABLE (customer text, tier text, month date, orders_before bigint, orders_after bigint, points_before numeric, points_after numeric, difference numeric)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD'		-- times go to the owner as text
SET timezone = 'UTC'
AS $$
DECLARE
	one_by_one boolean;
BEGIN
	PERFORM _loyalty.begin_command('simulate', program, '{since,until}', ARRAY[since IS NULL, until IS NULL]);
	IF since > until THEN
		RAISE EXCEPTION 'since must not be later than until'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('since is %s, and until is %s.', since, until);
	END IF;
	PERFORM _loyalty.warn_of_tables_left_out(program, 'simulated');
	FOREACH one_by_one IN ARRAY '{false,true}'::boolean[]
	LOOP
		-- an expression may fail for an order: then one by one, where any other error comes again
		BEGIN
			RETURN QUERY SELECT r[1], r[2], r[3]::date, r[4]::bigint, r[5]::bigint, r[6]::numeric, r[7]::numeric, r[7]::numeric - r[6]::numeric
			               FROM _loyalty.as_owner(program, 'SELECT * FROM _loyalty.simulate_program($1::name, $2::timestamptz, $3::timestamptz, $4::int, $5::boolean)',
			                                      program::text, since::text, until::text, compare_to::text, one_by_one::text) r;
			RETURN;
		EXCEPTION WHEN OTHERS THEN
			IF one_by_one THEN
				RAISE;
			END IF;
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION loyalty.simulate(name, timestamptz, timestamptz, int) IS
'what the present rules, tiers and settings would give for all orders as they stand, made between two moments, by customer, tier and month: compared with what is recorded, or with another version of the terms. Nothing is written: edit the rules in a transaction, look, and roll it back';
