-- What fails of an order ----------------------------------------------------------------
--
-- The view of a table computes all of an order, so that an error of it does not say which expression raised it.  Here
-- each is asked for alone, after those that it is made of: the first that fails is to blame.  Rules are columns of the view,
-- of which PostgreSQL computes none but those that are asked for; but where rules are put together in the view, it computes them all.  Then each
-- is asked for by what the view would be if there was no other one, but what stands for its campaign.

-- What the view of a table would be with some of its awards alone.
CREATE FUNCTION _loyalty.orders_with_awards_sql(program name, tracked_table int, terms int, d jsonb, awards jsonb, chosen int[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT _loyalty.orders_sql(program, tracked_table, terms, d,
	                           (SELECT coalesce(jsonb_agg(CASE WHEN e.award = ANY (chosen) THEN e.expression END ORDER BY e.award), '[]') FROM jsonb_array_elements_text(awards) WITH ORDINALITY e (expression, award)))
$$;
COMMENT ON FUNCTION _loyalty.orders_with_awards_sql(name, int, int, jsonb, jsonb, int[]) IS 'the query of the view of a table of orders, if only awards of some numbers were in it';

-- The questions, in their order, with $1 as the key: what is to blame if one fails, as SQL.
CREATE FUNCTION _loyalty.questions_of_order(program name, tracked_table int, terms int)
RETURNS TABLE (part text, query text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	view CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table, terms);
	identity CONSTANT regclass := _loyalty.view_of(program, 'orders', tracked_table);
	d CONSTANT jsonb := _loyalty.definition_of(program, tracked_table, terms);
	o record;
	s record;
	k record;
	given text;
	order_source text;
	source text;
BEGIN
	SELECT * INTO o FROM _loyalty.view_expression(identity, NULL, 'key', false);
	given := _loyalty.key_of_text('$1', o.type, o.collation);
	order_source := format(' FROM %s v WHERE %s AND v.order_key = $1 COLLATE "C"', view, _loyalty.same_key('v.key', o.type, o.collation, given, o.type, o.collation));
	RETURN QUERY VALUES ('the order key', format('SELECT v.key FROM %s v WHERE %s', identity, _loyalty.same_key('v.key', o.type, o.collation, given, o.type, o.collation)));
	EXECUTE format('SELECT t.relation FROM %I.tracked_table t WHERE t.tracked_table = $1', program) INTO s USING tracked_table;
	source := format(' FROM %s AS tracked WHERE %s', s.relation, _loyalty.same_key(d ->> 'key', o.type, o.collation, given, o.type, o.collation));
	-- what does not count is not asked for more
	RETURN QUERY SELECT x.part, concat('SELECT ', CASE WHEN x.is_of_all THEN format('(%s)', d ->> x.name) ELSE format('CASE WHEN (%s) THEN (%s) END', d ->> 'counts', d ->> x.name) END, source)
	               FROM (VALUES (1, 'customer', 'the customer', true), (2, 'counts', 'counts_when', true), (3, 'amount', 'the amount', false), (4, 'at', 'the time', false),
	                            (5, 'currency', 'the currency', false), (6, 'available_at', 'available_at', false), (7, 'discount', 'order_discount', false)) x (n, name, part, is_of_all)
	              WHERE d ? x.name ORDER BY x.n;
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
	-- all but the rules: whatever is left
	RETURN QUERY SELECT NULL, 'SELECT v.counts, v.amount' || order_source;
	RETURN QUERY EXECUTE format('SELECT ''the '' || _loyalty.rule_label(r.name), format(''SELECT v.award_%%s'', r.award) || $2 FROM %I.terms_rule r WHERE r.version = $1 ORDER BY r.award', program)
		USING terms, order_source;
END
$$;
COMMENT ON FUNCTION _loyalty.questions_of_order(name, int, int) IS 'what can fail of an order under a version of the terms, each with a query that computes it, of the order with the key $1';

-- The same of rules, each without the others.
CREATE FUNCTION _loyalty.questions_of_rules(program name, tracked_table int, terms int)
RETURNS TABLE (part text, query text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	d CONSTANT jsonb := _loyalty.definition_of(program, tracked_table, terms);
	awards CONSTANT jsonb := (SELECT coalesce(jsonb_agg(a.expression ORDER BY a.award), '[]') FROM _loyalty.awards_of(program, tracked_table, terms) a);
	o record;
	condition text;
BEGIN
	SELECT * INTO o FROM _loyalty.view_expression(_loyalty.view_of(program, 'orders', tracked_table), NULL, 'key', false);
	condition := format('%s AND v.order_key = $1 COLLATE "C"', _loyalty.same_key('v.key', o.type, o.collation, _loyalty.key_of_text('$1', o.type, o.collation), o.type, o.collation));
	RETURN QUERY SELECT NULL, format('SELECT v.counts, v.amount FROM (%s) v WHERE %s', _loyalty.orders_with_awards_sql(program, tracked_table, terms, d, awards, '{}'), condition);
	RETURN QUERY EXECUTE format($q$
		SELECT 'the ' || _loyalty.rule_label(r.name), format('SELECT v.award_%%s FROM (%%s) v WHERE %%s', r.award, _loyalty.orders_with_awards_sql($1, $2, $3, $4, $5, ARRAY[r.award, r.gate]), $6)
		  FROM %I.terms_rule r WHERE r.version = $3 ORDER BY r.award $q$, program) USING program, tracked_table, terms, d, awards, condition;
END
$$;
COMMENT ON FUNCTION _loyalty.questions_of_rules(name, int, int) IS 'the same of each earning rule, as if there was no other one';

-- The first of some questions that fails.
CREATE FUNCTION _loyalty.first_failing(parts text[], queries text[], order_key text, OUT part text, OUT error text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = on
AS $$
BEGIN
	FOR i IN 1 .. cardinality(queries)
	LOOP
		BEGIN
			EXECUTE queries[i] USING order_key;
		EXCEPTION WHEN OTHERS THEN
			PERFORM _loyalty.only_expression_errors(SQLSTATE, SQLERRM);
			part := parts[i];
			error := SQLERRM;
			RETURN;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION _loyalty.first_failing(text[], text[], text) IS 'the first of some queries of an order that fails: what is to blame, if that is known, and how';

CREATE FUNCTION _loyalty.failing_part(program name, tracked_table int, terms int, order_key text, OUT part text, OUT error text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	parts text[];
	queries text[];
BEGIN
	SELECT array_agg(q.part ORDER BY q.n), array_agg(q.query ORDER BY q.n) INTO parts, queries FROM _loyalty.questions_of_order(program, tracked_table, terms) WITH ORDINALITY q (part, query, n);
	SELECT f.part, f.error INTO part, error FROM _loyalty.first_failing(parts, queries, order_key) f;
	IF part IS NULL AND error IS NOT NULL THEN
		SELECT array_agg(q.part ORDER BY q.n), array_agg(q.query ORDER BY q.n) INTO parts, queries FROM _loyalty.questions_of_rules(program, tracked_table, terms) WITH ORDINALITY q (part, query, n);
		SELECT f.part, coalesce(f.error, failing_part.error) INTO part, error FROM _loyalty.first_failing(parts, queries, order_key) f;
	END IF;
END
$$;
COMMENT ON FUNCTION _loyalty.failing_part(name, int, int, text) IS
'what fails of an order whose row cannot be computed under a version of the terms, and how; nulls if that cannot be told';
