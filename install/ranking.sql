-- Ranking --------------------------------------------------------------------------------
--
-- Members by how much they have of something.  What orders add up to is ranked by the accounts, so that an index on a column of
-- "account" finds the first ones without a look at the others: who has entries that are not posted is looked at in any case.

CREATE FUNCTION _loyalty.ranking_sql(settings regclass, "by" text, top int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	key name;
	type regtype;
	metrics text;
	eq text;
	posted text := CASE "by" WHEN 'lifetime_value' THEN 'spend' WHEN 'orders' THEN 'orders' END;
	source text;
	total text := 'count(*) OVER ()';
BEGIN
	SELECT * INTO p FROM _loyalty.begin_call(settings, 'ranking');
	PERFORM _loyalty.require_given('{by}', ARRAY["by" IS NULL]);
	IF top < 1 THEN
		RAISE EXCEPTION 'top must be at least 1'
			USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It is %s.', top), HINT = 'Leave it out to have all members.';
	END IF;
	IF "by" IN ('lifetime_value', 'orders', 'points', 'average_order') AND EXISTS (SELECT FROM _loyalty.shown_as(p.program, "by") s WHERE s.view = 'metrics') THEN
		RAISE EXCEPTION '"%" means several things in loyalty program "%"', "by", p.program
			USING ERRCODE = 'ambiguous_column', DETAIL = 'The view "members" has a column of this name, and there is a metric of it.', HINT = 'Give the metric another name.';
	END IF;
	eq := _loyalty.customer_equality(p.program);
	SELECT a.attname INTO key FROM pg_attribute a WHERE a.attrelid = format('%I.member_facts', p.program)::regclass AND a.attnum = 1;
	IF posted IS NOT NULL THEN
		source := format('SELECT f.%I AS customer, f.%I::numeric AS value FROM %I.member_facts f', key, posted, p.program);
		IF top IS NOT NULL THEN
			source := format($sql$
				WITH waiting AS MATERIALIZED (SELECT DISTINCT coalesce((SELECT m.survivor FROM %4$I.merged m WHERE m.customer %3$s j.customer), j.customer) AS customer FROM %4$I.journal j)
				%1$s WHERE f.%2$I %3$s ANY (
				SELECT w.customer FROM waiting w
				UNION ALL
				(SELECT a.customer FROM %4$I.account a WHERE %7$s ORDER BY a.%5$I DESC FETCH FIRST %6$s ROWS WITH TIES)
				UNION ALL
				-- who has no account has nothing
				(SELECT c.customer FROM %4$I.customer c WHERE NOT EXISTS (SELECT FROM %4$I.account a WHERE a.customer %3$s c.customer)
				    AND (SELECT count(*) FROM (SELECT FROM %4$I.account a WHERE %7$s AND a.%5$I > 0 LIMIT %6$s) x) < %6$s)) $sql$,
				source, key, eq, p.program, posted, top,
				format('a.merged_into IS NULL AND EXISTS (SELECT FROM %1$I.customer c WHERE c.customer %2$s a.customer) AND NOT EXISTS (SELECT FROM waiting w WHERE w.customer %2$s a.customer)', p.program, eq));
			total := format('(SELECT count(c.customer) FROM %1$I.customer c) - (SELECT count(*) FROM %1$I.merged m JOIN %1$I.customer c ON c.customer %2$s m.customer)', p.program, eq);
		END IF;
	ELSIF "by" IN ('points', 'average_order') THEN
		source := format('SELECT m.%I AS customer, m.%I AS value FROM %I.members m', key, "by", p.program);
	ELSE
		SELECT a.atttypid INTO type FROM pg_attribute a WHERE a.attrelid = to_regclass(format('%I.metrics', p.program)) AND a.attname = "by" AND a.attnum > 1 AND NOT a.attisdropped;
		IF type IS NULL THEN
			SELECT string_agg(format(', %s', m.name), '' ORDER BY m.name) INTO metrics FROM _loyalty.metrics_of(p.program, _loyalty.answer(format('SELECT terms FROM %I.program WHERE $1', p.program), true)::int) m WHERE m.kind = 'metric';
			RAISE EXCEPTION 'loyalty program "%" has no metric "%"', p.program, left("by", 100)
				USING ERRCODE = 'undefined_object',
				      DETAIL = CASE WHEN EXISTS (SELECT FROM _loyalty.shown_as(p.program, "by") s WHERE s.view = 'ratings') THEN 'It is a rating, whose grades are no numbers.' ELSE 'There is no number of this name for each member.' END,
				      HINT = format('Members can be ranked by lifetime_value, orders, average_order, points%s.', metrics);
		ELSIF _loyalty.base_type(type) NOT IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype, 'float4'::regtype, 'float8'::regtype) THEN
			RAISE EXCEPTION 'the metric "%" is no number', "by"
				USING ERRCODE = 'wrong_object_type', DETAIL = format('It is of type %s.', type), HINT = 'Make a metric that says how much it is, as a number.';
		END IF;
		source := format('SELECT m.%I AS customer, m.%I::numeric AS value FROM %I.metrics m', key, "by", p.program);
	END IF;
	RETURN format($sql$
		SELECT r.customer, r.value, r.rank, round(100.0 * (r.total - r.rank + 1) / r.total, 2)
		  FROM (SELECT s.customer, s.value, rank() OVER (ORDER BY s.value DESC) AS rank, %s AS total FROM (%s) s WHERE s.value IS NOT NULL AND s.customer IS NOT NULL) r
		 %s ORDER BY r.rank, r.customer $sql$, total, source, 'WHERE r.rank <= ' || top);
END
$$;
COMMENT ON FUNCTION _loyalty.ranking_sql(regclass, text, int) IS 'the query of the function ranking of a program, for its owner';
