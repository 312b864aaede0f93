-- What fails of an order ----------------------------------------------------------------
--
-- The view of a table computes all of an order, so that an error of it does not say which expression raised it.  Here
-- each is asked for alone, after those that it is made of: the first that fails is to blame.

-- The questions of the row itself, which a query calls "tracked".
CREATE FUNCTION _loyalty.questions_of_row(d jsonb, source text)
RETURNS TABLE (part text, query text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- what does not count is not asked for more
	SELECT x.part, concat('SELECT ', CASE WHEN x.is_of_all THEN format('(%s)', d ->> x.name) ELSE format('CASE WHEN (%s) THEN (%s) END', d ->> 'counts', d ->> x.name) END, source)
	  FROM (VALUES (1, 'customer', 'the customer', true), (2, 'counts', 'counts_when', true), (3, 'amount', 'the amount', false), (4, 'at', 'the time', false),
	               (5, 'currency', 'the currency', false), (6, 'available_at', 'available_at', false), (7, 'discount', 'order_discount', false)) x (n, name, part, is_of_all)
	 WHERE d ? x.name ORDER BY x.n
$$;
COMMENT ON FUNCTION _loyalty.questions_of_row(jsonb, text) IS 'what can fail of the row of an order, each with a query that computes it';

-- The questions of all but the rules, whatever is left, and then of each rule, without the others but for what stands for its campaign.
CREATE FUNCTION _loyalty.questions_of_rules(program name, tracked_table int, terms int, d jsonb, condition text, row_source text DEFAULT NULL, line_source text DEFAULT NULL)
RETURNS TABLE (part text, query text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	rules CONSTANT jsonb := (SELECT coalesce(jsonb_agg(to_jsonb(a) ORDER BY a.award), '[]') FROM _loyalty.awards_of(program, tracked_table, terms) a);
BEGIN
	RETURN QUERY
	SELECT q.part, format('SELECT %s FROM (%s) v%s', q.columns, _loyalty.orders_sql(program, tracked_table, terms, d, q.awards, row_source, line_source), condition)
	  FROM (SELECT 0 AS n, NULL::text AS part, 'v.counts, v.amount' AS columns, (SELECT coalesce(jsonb_agg(NULL::text), '[]') FROM jsonb_array_elements(rules)) AS awards
	        UNION ALL
	        SELECT (r ->> 'award')::int, concat('the ', _loyalty.rule_label(r ->> 'name')), format('v.award_%s', r ->> 'award'),
	               (SELECT jsonb_agg(CASE WHEN o = r OR (o ->> 'award')::int = s.gate THEN o -> 'expression' END) FROM jsonb_array_elements(rules) o)
	          FROM jsonb_array_elements(rules) r JOIN _loyalty.stacked_rules(program, terms) s ON s.award = (r ->> 'award')::int WHERE r ->> 'expression' IS NOT NULL) q
	 ORDER BY q.n;
END
$$;
COMMENT ON FUNCTION _loyalty.questions_of_rules(name, int, int, jsonb, text, text, text) IS
'what can fail of what earning rules make of an order, each with a query that computes it alone, over the rows of a tracked table or of another source';

-- Which row of a view of orders, called v, is that of the order with the key $1.
CREATE FUNCTION _loyalty.is_order_sql(identity regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('%s AND v.order_key = $1 COLLATE "C"', _loyalty.same_key('v.key', o.type, o.collation, _loyalty.key_of_text('$1', o.type, o.collation), o.type, o.collation))
	  FROM _loyalty.view_expression(identity, NULL, 'key', false) o
$$;
COMMENT ON FUNCTION _loyalty.is_order_sql(regclass) IS 'the condition that a row of a view of orders, called v, is of the order with the key $1, as SQL';

-- The questions, in their order, with $1 as the key: what is to blame if one fails, as SQL.
CREATE FUNCTION _loyalty.questions_of_order(program name, tracked_table int, terms int)
RETURNS TABLE (part text, query text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	identity CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table);
	d CONSTANT jsonb := _loyalty.definition_of(program, tracked_table, terms);
	o record;
	s record;
	k record;
	given text;
	source text;
BEGIN
	SELECT * INTO o FROM _loyalty.view_expression(identity, NULL, 'key', false);
	given := _loyalty.key_of_text('$1', o.type, o.collation);
	RETURN QUERY VALUES ('the order key', format('SELECT v.key FROM %s v WHERE %s', identity, _loyalty.same_key('v.key', o.type, o.collation, given, o.type, o.collation)));
	EXECUTE format('SELECT t.relation FROM %I.tracked_table t WHERE t.tracked_table = $1', program) INTO s USING tracked_table;
	source := format(' FROM %s AS tracked WHERE %s', s.relation, _loyalty.same_key(d ->> 'key', o.type, o.collation, given, o.type, o.collation));
	RETURN QUERY SELECT * FROM _loyalty.questions_of_row(d, source);
	FOR s IN EXECUTE format('SELECT t.tracked_table, t.kind, CASE t.kind WHEN ''lines'' THEN ''line_order'' ELSE ''the order key of a refund'' END AS key
	                           FROM %I.tracked_table t WHERE t.of_tracked_table = $1 AND t.active AND t.kind IN (''lines'', ''refunds'') ORDER BY t.kind, t.tracked_table', program) USING tracked_table
	LOOP
		SELECT * INTO k FROM _loyalty.view_expression(_loyalty.view_of(program, s.kind, s.tracked_table), NULL, 'key', false);
		source := format(' FROM %s p WHERE %s', _loyalty.view_of(program, s.kind, s.tracked_table),
		                 _loyalty.same_key('p.key', k.type, k.collation, given, o.type, o.collation));
		RETURN QUERY SELECT s.key, 'SELECT p.key' || source;
		IF s.kind = 'refunds' THEN
			RETURN QUERY VALUES ('counts_when of a refund', 'SELECT p.counts' || source), ('the amount of a refund', 'SELECT p.amount' || source);
		ELSIF NOT d ? 'amount' THEN
			RETURN QUERY SELECT 'line_amount', 'SELECT p.amount' || source;
		END IF;
	END LOOP;
	RETURN QUERY SELECT * FROM _loyalty.questions_of_rules(program, tracked_table, terms, d,
		' WHERE ' || _loyalty.is_order_sql(identity));
END
$$;
COMMENT ON FUNCTION _loyalty.questions_of_order(name, int, int) IS 'what can fail of an order under a version of the terms, each with a query that computes it, of the order with the key $1';

-- The same of an order that is not there: $1 is its row, and $2 has its lines.
CREATE FUNCTION _loyalty.failing_part_of_row(program name, tracked_table int, terms int, d jsonb, row_source text, line_source text, "order" anyelement, lines anycompatiblearray)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	q record;
BEGIN
	FOR q IN SELECT * FROM _loyalty.questions_of_row(d, format(' FROM %s AS tracked', row_source))
	         UNION ALL
	         SELECT * FROM _loyalty.questions_of_rules(program, tracked_table, terms, d, '', row_source, line_source)
	LOOP
		BEGIN
			EXECUTE q.query USING "order", lines;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			RETURN q.part;
		END;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION _loyalty.failing_part_of_row(name, int, int, jsonb, text, text, anyelement, anycompatiblearray) IS
'what fails of a row that is not there, if it was an order under a version of the terms; null if that cannot be told';

-- What a rule gives is asked for after steps, limits and rounding, which may let it come to less.  What rules come to
-- together can be too large where none is to blame, and none is where the amount or the time is not finite itself.
CREATE FUNCTION _loyalty.uncountable_part(program name, terms int, said jsonb, OUT rule text, OUT points numeric)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format($sql$
		SELECT _loyalty.rule_label(t.name), x.points
		  FROM %I.terms_rule t CROSS JOIN LATERAL (SELECT coalesce($2 ->> format('value_%%s', t.award), $2 ->> format('award_%%s', t.award))::numeric AS points) x
		 WHERE t.version = $1 AND NOT abs(x.points) < 1e20 AND (abs(($2 ->> 'amount')::numeric) < 1e20) IS NOT FALSE AND isfinite(($2 ->> 'at')::timestamptz) IS NOT FALSE
		 ORDER BY t.award LIMIT 1 $sql$, program) INTO rule, points USING terms, said;
END
$$;
COMMENT ON FUNCTION _loyalty.uncountable_part(name, int, jsonb) IS
'the first rule whose points, by what the view of a table says of an order, are not finite or too large, and what they are; nulls if there is none';

CREATE FUNCTION _loyalty.uncountable_rule(program name, tracked_table int, terms int, order_key text, OUT rule text, OUT points numeric)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT u.rule, u.points FROM _loyalty.uncountable_part(program, terms, _loyalty.order_as_it_is(program, tracked_table, terms, order_key)) u
$$;
COMMENT ON FUNCTION _loyalty.uncountable_rule(name, int, int, text) IS
'the first rule whose points of an order are not finite or too large under a version of the terms, and what they are; nulls if there is none';

CREATE FUNCTION _loyalty.failing_part(program name, tracked_table int, terms int, order_key text, OUT part text, OUT error text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = on
AS $$
DECLARE
	q record;
BEGIN
	FOR q IN SELECT x.part, x.query FROM _loyalty.questions_of_order(program, tracked_table, terms) x
	LOOP
		BEGIN
			EXECUTE q.query USING order_key;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			part := q.part;
			error := SQLERRM;
			RETURN;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.failing_part(name, int, int, text) IS
'what fails of an order whose row cannot be computed under a version of the terms, and how; nulls if that cannot be told';
