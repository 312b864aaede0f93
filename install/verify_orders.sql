-- verify(): orders ----------------------------------------------------------------
--
-- What the tracked tables have against what is recorded of them.  What an order is worth is
-- recomputed whole: its view says so (install/views.sql), under the terms that it is recorded
-- under, and is read once.  No code of recording has a part in it.

-- How each order of a table ($1) stands, as recorded, as SQL.  Most are recorded once: only
-- of those that are not, if there are any, the newest revision is looked for.  If entries
-- are of this table alone, that is not asked: without statistics, the answer would be thought rare.
CREATE FUNCTION _loyalty.latest_sql(program name, repeated boolean, alone boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT e.customer, e.order_key, e.at, e.counts, e.amount, e.awards, e.currency, e.rate, e.available_at, e.terms, e.parts, e.member
		  FROM (SELECT customer, order_key, revision, at, counts, amount, awards, currency, rate, available_at, terms, parts, member FROM %1$I.ledger WHERE %4$s
		        UNION ALL
		        SELECT customer, order_key, revision, at, counts, amount, awards, currency, rate, available_at, terms, parts, member FROM %1$I.journal WHERE %4$s) e
		%2$s $sql$, program,
		CASE WHEN repeated THEN format($sql$
		  LEFT JOIN (SELECT customer, order_key, max(revision) AS newest
		               FROM (SELECT customer, order_key, revision FROM %1$I.ledger WHERE %4$s AND revision > 1
		                     UNION ALL
		                     SELECT customer, order_key, revision FROM %1$I.journal WHERE %4$s AND revision > 1) a
		              GROUP BY customer, order_key) a ON a.customer %2$s e.customer AND a.order_key = e.order_key
		 WHERE a.newest IS NULL OR e.revision = a.newest $sql$, program, _loyalty.customer_equality(program), NULL, w.wanted) END, NULL, w.wanted)
	  FROM (SELECT CASE WHEN alone THEN 'true' ELSE 'tracked_table = $1' END AS wanted) w
$$;
COMMENT ON FUNCTION _loyalty.latest_sql(name, boolean, boolean) IS
'how each order of a table stands, as recorded, as SQL for verify(); repeated: are some recorded more than once? alone: are there no entries of other tables?';

-- The orders of a table ($1) under their own terms, as its views say, as SQL.  Versions are
-- those of the terms that its entries have; $2 is the one in force, which orders have that are
-- not recorded.  Reads "latest" if there is more than one.
CREATE FUNCTION _loyalty.orders_sql(program name, tracked_table int, versions int[], newest int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	eq text := _loyalty.customer_equality(program);
	columns text := 'v.customer, v.order_key, v.at, v.counts, v.amount, v.currency, v.rate, v.available_at, v.awards, v.parts, v.member, false AS is_archived';
	parts text[];
BEGIN
	parts := ARRAY(
		SELECT format('SELECT %s FROM %s v %s', columns, _loyalty.view_of(program, 'orders', tracked_table, x.version),
		              CASE WHEN cardinality(versions) = 1 THEN ''
		                   WHEN x.version = newest THEN format('LEFT JOIN latest r ON r.customer %s v.customer AND r.order_key = v.order_key WHERE coalesce(r.terms, $2) = $2', eq)
		                   ELSE format('JOIN latest r ON r.customer %s v.customer AND r.order_key = v.order_key AND r.terms = %s', eq, x.version) END)
		  FROM unnest(versions) x (version)
		 WHERE _loyalty.view_of(program, 'orders', tracked_table, x.version) IS NOT NULL);
	-- archived orders have no terms any more: what they are worth is in proportion
	IF _loyalty.view_of(program, 'archived', tracked_table) IS NOT NULL THEN
		parts := parts || format('SELECT %s FROM %s v', replace(columns, 'false AS', 'true AS'), _loyalty.view_of(program, 'archived', tracked_table));
	END IF;
	RETURN array_to_string(parts, ' UNION ALL ');
END
$$;
COMMENT ON FUNCTION _loyalty.orders_sql(name, int, int[], int) IS
'the orders of a table under their own terms, as SQL for verify()';

-- The same of those whose keys are in $3, which are looked up one by one.
CREATE FUNCTION _loyalty.orders_by_key_sql(program name, tracked_table int, versions int[])
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	known text := format($sql$
		LEFT JOIN LATERAL (SELECT x.terms FROM (SELECT l.revision, l.terms FROM %1$I.ledger l
		                                         WHERE l.customer %2$s v.customer AND l.tracked_table = $1 AND l.order_key = v.order_key
		                                        UNION ALL
		                                        SELECT j.revision, j.terms FROM %1$I.journal j
		                                         WHERE j.customer %2$s v.customer AND j.tracked_table = $1 AND j.order_key = v.order_key) x
		                    ORDER BY x.revision DESC LIMIT 1) r ON true $sql$, program, _loyalty.customer_equality(program));
	columns text := 'v.customer, v.order_key, v.at, v.counts, v.amount, v.currency, v.rate, v.available_at, v.awards, v.parts, v.member, false AS is_archived';
	v record;
	key record;
	parts text[] := '{}';
BEGIN
	FOR v IN SELECT x.version, _loyalty.view_of(program, 'orders', tracked_table, x.version) AS view FROM unnest(versions) x (version)
	LOOP
		CONTINUE WHEN v.view IS NULL;
		SELECT * INTO key FROM _loyalty.view_expression(v.view, NULL, 'key', false);
		parts := parts || format('SELECT %s FROM %s v %s WHERE coalesce(r.terms, $2) = %s AND v.key %s (k.key::%s)', columns, v.view, known, v.version,
		                         _loyalty.key_equality(key.type, key.type), format_type(key.type, -1));
	END LOOP;
	IF _loyalty.view_of(program, 'archived', tracked_table) IS NOT NULL THEN
		parts := parts || format('SELECT %s FROM %s v WHERE v.order_key = k.key', replace(columns, 'false AS', 'true AS'), _loyalty.view_of(program, 'archived', tracked_table));
	END IF;
	RETURN format('SELECT o.* FROM unnest($3) AS k (key) CROSS JOIN LATERAL (SELECT * FROM (%s) x OFFSET 0) o', array_to_string(parts, ' UNION ALL '));
END
$$;
COMMENT ON FUNCTION _loyalty.orders_by_key_sql(name, int, int[]) IS
'some orders of a table under their own terms, looked up by key, as SQL for verify()';

-- Can no two rows of a table be one order?  Then nobody needs to look.  Partitions and
-- children each have a unique index of their own, which says nothing of the others.
CREATE FUNCTION _loyalty.keys_are_unique(relation regclass, view regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.relkind = 'r' AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = c.oid) AND _loyalty.key_tells(view)
	       AND EXISTS (SELECT FROM pg_index i
	                    WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL
	                      AND ARRAY(SELECT k.attnum::int FROM unnest(i.indkey) WITH ORDINALITY k (attnum, n) WHERE k.n <= i.indnkeyatts)
	                          <@ _loyalty.key_columns(view))
	  FROM pg_class c WHERE c.oid = relation
$$;
COMMENT ON FUNCTION _loyalty.keys_are_unique(regclass, regclass) IS
'does a unique index of a table say that no two of its rows are one order?';

-- What is recorded against what is in the tables, joined once.  Of orders whose expressions
-- fail, the others are verified by their keys.
CREATE FUNCTION _loyalty.verify_orders(program name, tracked_table int, versions int[], repeated boolean, alone boolean, failing text[] DEFAULT NULL, keys text[] DEFAULT NULL)
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_mergejoin = off	-- both sides would be sorted
AS $$
DECLARE
	s record;
	eq text := _loyalty.customer_equality(program);
	identity regclass := _loyalty.view_of(program, 'orders', tracked_table);
	has_archived boolean;
	unsure boolean;		-- may several rows be one order?
	in_currency boolean;
	finite text;
	query text;
BEGIN
	EXECUTE format('SELECT s.relation, p.terms, p.on_invalid FROM %1$I.tracked_table s CROSS JOIN %1$I.program p WHERE s.tracked_table = $1', program)
	   INTO s USING tracked_table;
	EXECUTE format('SELECT EXISTS (SELECT FROM %I.archived a WHERE a.tracked_table = $1)', program) INTO has_archived USING tracked_table;
	-- with skip, what is not finite, or too large for sums to be shown, does not count
	finite := CASE WHEN s.on_invalid = 'skip' THEN '(isfinite(at) AND abs(amount) < 1e20 AND abs(awards) < 1e20 AND (parts IS NULL OR NOT EXISTS (SELECT FROM unnest(parts) p (part) WHERE abs(p.part) >= 1e20)))' ELSE 'true' END;
	unsure := NOT _loyalty.keys_are_unique(s.relation, identity);
	in_currency := EXISTS (SELECT FROM unnest(versions) x (version)
	                        CROSS JOIN LATERAL _loyalty.view_expression(_loyalty.view_of(program, 'orders', tracked_table, x.version), 'worth', 'paid_in', true) v
	                        WHERE v.expression IS NOT NULL);
	query := CASE WHEN keys IS NOT NULL THEN _loyalty.orders_by_key_sql(program, tracked_table, versions)
	         ELSE _loyalty.orders_sql(program, tracked_table, versions, s.terms) END;
	RETURN QUERY EXECUTE format($sql$
		WITH latest AS %4$s (%5$s),
		rows AS %6$s (%7$s),
		left_table AS MATERIALIZED (
			SELECT a.customer, a.order_key FROM %1$I.archived a
			 WHERE a.tracked_table = $1 AND NOT EXISTS (SELECT FROM %8$s x WHERE x.order_key = a.order_key))
		SELECT CASE WHEN l.live IS NOT TRUE THEN 'recorded order does not exist'
		            WHEN r.order_key IS NULL OR NOT r.counts THEN 'order not recorded'
		            WHEN r.currency <> l.currency OR r.rate <> l.rate THEN 'currency or rate differs'
		            WHEN r.amount <> l.amount THEN 'amount differs'
		            WHEN r.at <> l.at THEN 'time differs'
		            WHEN r.available_at IS DISTINCT FROM l.available_at THEN 'available_at differs'
		            WHEN r.member IS DISTINCT FROM l.member THEN 'columns of the customer''s row differ'
		            ELSE 'points differ' END,
		       coalesce(l.customer, r.customer)::text, coalesce(l.order_key, r.order_key)::text,
		       CASE WHEN r.order_key IS NULL OR NOT r.counts THEN 'not recorded as one that counts'
		            ELSE format('recorded %%s at %%s with awards %%s%%s', r.amount, r.at, coalesce(r.parts::text, r.awards::text), ', available at ' || r.available_at) END
		       || CASE WHEN l.live IS NOT TRUE THEN '; it has no row that counts'
		               ELSE format('; its row says %%s at %%s with awards %%s%%s', l.amount, l.at, coalesce(l.parts::text, l.awards::text), ', available at ' || l.available_at) END
		       || format('; call loyalty.reconcile(%%L)', %1$L::text)
		  FROM (SELECT * FROM (SELECT *, counts AND order_key IS NOT NULL AND %3$s AS live FROM rows OFFSET 0) x %9$s) l
		  FULL JOIN (SELECT * FROM latest %14$s) r ON r.customer %2$s l.customer AND r.order_key = l.order_key
		  %10$s
		 WHERE (l.live IS NOT TRUE AND r.counts %11$s)
		    OR (l.live AND (r.counts IS NOT TRUE OR r.amount <> l.amount OR r.at <> l.at OR r.awards <> l.awards OR r.parts IS DISTINCT FROM l.parts
		                    OR r.currency <> l.currency OR r.rate <> l.rate OR r.available_at IS DISTINCT FROM l.available_at OR (r.member IS DISTINCT FROM l.member AND NOT l.is_archived)))
		%12$s %13$s
		$sql$, program, eq,
		finite,
		CASE WHEN cardinality(versions) > 1 THEN 'MATERIALIZED' ELSE 'NOT MATERIALIZED' END, _loyalty.latest_sql(program, repeated, alone),
		CASE WHEN unsure OR in_currency THEN 'MATERIALIZED' ELSE 'NOT MATERIALIZED' END, query, identity,
		CASE WHEN unsure THEN 'WHERE x.live' END,
		CASE WHEN has_archived THEN format('LEFT JOIN left_table t ON t.customer %s r.customer AND t.order_key = r.order_key', eq) END,
		CASE WHEN has_archived THEN 'AND t.order_key IS NULL' END,
		CASE WHEN in_currency THEN $sql$
		UNION ALL
		SELECT 'no rate for the currency of an order', customer::text, order_key, format('%s at %s', currency, at)
		  FROM rows WHERE customer IS NOT NULL AND order_key IS NOT NULL AND at IS NOT NULL AND rate IS NULL $sql$ END,
		CASE WHEN unsure THEN format($sql$
		UNION ALL
		SELECT 'order key not unique', NULL, order_key, 'more than one row of the tracked table has it'
		  FROM rows WHERE counts AND order_key IS NOT NULL AND %s GROUP BY order_key HAVING count(*) > 1 $sql$,
		finite) END,
		CASE WHEN failing IS NOT NULL THEN 'WHERE (order_key = ANY ($4)) IS NOT TRUE' END)
		USING tracked_table, s.terms, keys, failing;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_orders(name, int, int[], boolean, boolean, text[], text[]) IS
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
CREATE FUNCTION _loyalty.verify_failing_orders(program name, tracked_table int, versions int[], repeated boolean)
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
	query := format('SELECT count(x.customer), count(x.at), count(x.amount), count(x.awards), count(x.parts), count(x.currency), count(x.rate), count(x.available_at) FROM (%s) x',
	                _loyalty.orders_by_key_sql(program, tracked_table, versions));
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
	RETURN QUERY SELECT * FROM _loyalty.verify_orders(program, tracked_table, versions, repeated, false, failing, coalesce(good, '{}'));
EXCEPTION WHEN OTHERS THEN
	-- the key itself fails, or that of a line or refund
	PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
	RETURN QUERY SELECT 'orders of a table cannot be verified'::text, NULL::text, NULL::text, format('%s: %s', s.relation, SQLERRM);
END
$$;
COMMENT ON FUNCTION _loyalty.verify_failing_orders(name, int, int[], boolean) IS
'what _loyalty.verify_orders does, when an expression fails for some order';

-- Refunds that name no order that was ever there, which apply when it comes, and those that name none, where that is an error.
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
	FOR part IN EXECUTE format('SELECT s.tracked_table, s.relation, s.without_order FROM %I.tracked_table s WHERE s.of_tracked_table = $1 AND s.active AND s.kind = ''refunds'' ORDER BY 1', program)
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
			   AND NOT EXISTS (SELECT FROM %4$I.ledger r WHERE r.tracked_table = $1 AND %6$s)
			   AND NOT EXISTS (SELECT FROM %4$I.journal r WHERE r.tracked_table = $1 AND %6$s)
			HAVING count(*) > 0
			$sql$, _loyalty.view_of(program, 'refunds', part.tracked_table), orders,
			_loyalty.same_key('p.key', k.type, k.collation, 'v.key', o.type, o.collation), program,
			_loyalty.same_key('p.key', k.type, k.collation, _loyalty.key_of_text('a.order_key', o.type, o.collation), o.type, o.collation),
			-- what is recorded may be from before a change of the key's type
			CASE WHEN o.type = ANY ('{smallint,integer,bigint,uuid,text,varchar}'::regtype[]) THEN 'r.order_key = p.order_key'
			     ELSE _loyalty.same_key('p.key', k.type, k.collation, _loyalty.key_of_text('r.order_key', o.type, o.collation), o.type, o.collation) END)
			USING tracked_table, part.relation;
		CONTINUE WHEN part.without_order <> 'error';
		RETURN QUERY EXECUTE format($sql$
			SELECT 'refund without an order'::text, NULL::text, NULL::text,
			       format('table %%s has %%s of them; name their orders, or call loyalty.alter_refunds(%%L, %%L, without_order => %%L)', $1, count(*), $2, $1::text, 'skip')
			  FROM %s p WHERE p.counts AND p.order_key IS NULL HAVING count(*) > 0
			$sql$, _loyalty.view_of(program, 'refunds', part.tracked_table))
			USING part.relation, program;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.verify_refunds(name, int) IS 'refunds of orders that are neither there nor archived, and were never recorded, and refunds of no order where that is an error';

-- The views of a table of orders among themselves: each version of the terms that orders
-- are recorded under has one, and that of the orders there are means the same orders.
CREATE FUNCTION _loyalty.verify_views(program name, tracked_table int, versions int[])
RETURNS TABLE (violation text, customer text, order_key text, detail text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT 'tracked table has no view'::text, NULL::text, NULL::text,
		       format('orders of table %%s under terms %%s; %%s', s.relation, r.terms, _loyalty.how_to_mend($1, $2, r.terms))
		  FROM %1$I.tracked_table s CROSS JOIN unnest($3) r (terms)
		 WHERE s.tracked_table = $2 AND _loyalty.view_of($1, 'orders', $2, r.terms) IS NULL
		UNION ALL
		SELECT 'tracked table has no view', NULL, NULL,
		       format('archived orders of table %%s; %%s', s.relation, _loyalty.track_again($1, $2))
		  FROM %1$I.tracked_table s
		 WHERE s.tracked_table = $2 AND _loyalty.view_of($1, 'archived', $2) IS NULL
		   AND EXISTS (SELECT FROM %1$I.tracked_table p WHERE p.of_tracked_table = $2 AND p.kind = 'refunds' AND p.active)
		$sql$, program) USING program, tracked_table, versions;
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
COMMENT ON FUNCTION _loyalty.verify_views(name, int, int[]) IS
'views of a table of orders that are missing, or do not mean the same orders';
